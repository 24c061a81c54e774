//! One deployment as bars over time, its critical path marked.

use maud::{Markup, html};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};
use registry_core::estimate::operation::{Run, RunState};
use registry_core::text::shorten;

use super::super::summary::Shown;
use super::super::text::span;
use super::charts::{Canvas, Chart, Drawn, LETTER, Shape, anchored};
use super::colours::Colour;
use super::scale::{said, ticks};
use super::told;

/// More bars than this are a carpet; the table has all.
const ROWS: usize = 60;
/// Height of a row.
const ROW: u32 = 22;
const MARGIN: u32 = 12;
const BOTTOM: u32 = 26;

struct Bar<'a> {
    run: &'a Run,
    critical: bool,
    from: f64,
    to: f64,
}

pub(super) fn draw(shown: &Shown) -> Markup {
    let end = shown.seconds().max(1.0);
    let bars = bars(shown, end);
    let left_out = shown.operation.runs.len() - bars.len();
    let steps: Vec<String> = shown
        .path
        .iter()
        .map(|index| told(&shown.operation.runs[*index].id))
        .collect();
    let chart = Chart {
        id: "operation-chart",
        title: "Resources over time, critical path marked",
        description: format!(
            "{} pieces of work within {}. The critical path is: {}. The table below has every figure.",
            shown.operation.runs.len(),
            span(end),
            steps.join(", then ")
        ),
        height: ROW * bars.len() as u32 + 2 * MARGIN + BOTTOM,
    };
    let caption = "Dark bars with ▶ are the critical path: each waited for the one before it, and the deployment's end for the last. × failed or was cancelled.";
    html! {
        @if left_out > 0 { p.small { "The shortest " (left_out) " that are not on the critical path are left out of the chart." } }
        (chart.draw(caption, |canvas, shape| draw_bars(canvas, shape, &bars, end)))
    }
}

/// The rows of the chart: the critical path, and the longest of the others, in the order they began.
fn bars(shown: &Shown, end: f64) -> Vec<Bar<'_>> {
    let mut bars: Vec<(usize, Bar<'_>)> = shown
        .operation
        .runs
        .iter()
        .enumerate()
        .map(|(index, run)| {
            let to = run.end.unwrap_or(end).clamp(0.0, end);
            // A run whose beginning a cut record lacks was there from the beginning; elsewhere it was a moment's.
            let unseen = if shown.operation.cut { 0.0 } else { to };
            let from = run.start.unwrap_or(unseen).clamp(0.0, to);
            let critical = shown.path.contains(&index);
            (
                index,
                Bar {
                    run,
                    critical,
                    from,
                    to,
                },
            )
        })
        .collect();
    bars.sort_by(|(_, a), (_, b)| {
        let length = |bar: &Bar<'_>| bar.to - bar.from;
        b.critical
            .cmp(&a.critical)
            .then(length(b).total_cmp(&length(a)))
    });
    bars.truncate(ROWS);
    bars.sort_by(|(a, x), (b, y)| x.from.total_cmp(&y.from).then(a.cmp(b)));
    bars.into_iter().map(|(_, bar)| bar).collect()
}

fn draw_bars(canvas: &Canvas<'_>, shape: Shape, bars: &[Bar<'_>], end: f64) -> Drawn {
    let rows = bars.len() as f64;
    let width = f64::from(shape.width - 2 * MARGIN);
    let mut chart = ChartBuilder::on(canvas)
        .margin(MARGIN)
        .set_label_area_size(LabelAreaPosition::Bottom, BOTTOM)
        .build_cartesian_2d(0.0..end, rows..0.0)?;
    let most = if shape.width > 500 { 8 } else { 4 };
    let columns = ticks(end, most);
    chart.draw_series(
        columns
            .iter()
            .map(|at| PathElement::new([(*at, 0.0), (*at, rows)], Colour::Grid.rgb())),
    )?;
    let style = anchored(Colour::Muted, HPos::Center, VPos::Top);
    chart.draw_series(
        columns
            .iter()
            .map(|at| EmptyElement::at((*at, rows)) + Text::new(said(*at), (0, 6), style.clone())),
    )?;
    // A moment is a bar of two points' width.
    let least = end * 2.0 / width;
    chart.draw_series(bars.iter().enumerate().map(|(index, bar)| {
        let y = index as f64;
        let colour = if bar.critical {
            Colour::Path
        } else {
            Colour::Rest
        };
        let from = bar.from.min(end - least);
        Rectangle::new(
            [(from, y + 0.12), (bar.to.max(from + least), y + 0.88)],
            colour.rgb().filled(),
        )
    }))?;
    chart.draw_series(bars.iter().enumerate().map(|(index, bar)| {
        let label = Label::of(bar, end, width);
        EmptyElement::at((label.at, index as f64 + 0.5))
            + Text::new(
                label.words,
                (label.shift, 0),
                anchored(label.colour, label.anchor, VPos::Center),
            )
    }))?;
    Ok(())
}

/// A bar's words: after it, before it, or on it, wherever there is most room.
struct Label {
    words: String,
    at: f64,
    shift: i32,
    anchor: HPos,
    colour: Colour,
}

impl Label {
    fn of(bar: &Bar<'_>, end: f64, width: f64) -> Self {
        let parts = Parts::of(bar);
        let room = |seconds: f64| ((seconds / end * width - 10.0) / LETTER).max(0.0) as usize;
        let (after, before, on) = (room(end - bar.to), room(bar.from), room(bar.to - bar.from));
        let letters = parts.letters();
        let on_bar = if bar.critical {
            Colour::OnPath
        } else {
            Colour::Ink
        };
        let (at, shift, anchor, colour, room) = if on >= letters {
            (bar.from, 5, HPos::Left, on_bar, on)
        } else if after >= letters || (after >= before && after >= on) {
            (bar.to, 6, HPos::Left, Colour::Ink, after)
        } else if before >= on {
            (bar.from, -5, HPos::Right, Colour::Ink, before)
        } else {
            (bar.from, 5, HPos::Left, on_bar, on)
        };
        Self {
            words: parts.within(room),
            at,
            shift,
            anchor,
            colour,
        }
    }
}

/// A bar's words, of which the resource's name may be shortened.
struct Parts {
    signs: String,
    name: String,
    told: String,
}

impl Parts {
    fn of(bar: &Bar<'_>) -> Self {
        let critical = if bar.critical { "▶ " } else { "" };
        let failed = match bar.run.state {
            RunState::Failed | RunState::Cancelled => "× ",
            RunState::Running | RunState::Completed | RunState::Skipped => "",
        };
        Self {
            signs: format!("{critical}{failed}"),
            name: told(&bar.run.id),
            told: format!(" {} {}", bar.run.action.as_str(), span(bar.to - bar.from)),
        }
    }

    fn letters(&self) -> usize {
        [&self.signs, &self.name, &self.told]
            .iter()
            .map(|part| part.chars().count())
            .sum()
    }

    fn within(&self, room: usize) -> String {
        let around = self.signs.chars().count() + self.told.chars().count();
        let name = shorten(&self.name, room.saturating_sub(around).max(5));
        format!("{}{name}{}", self.signs, self.told)
    }
}
