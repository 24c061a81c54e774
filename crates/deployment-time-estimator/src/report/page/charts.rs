//! The charts but one. Each is drawn twice, for a wide page and for a narrow screen, and the style sheet shows one of them: words
//! that shrink with the picture cannot be read on a telephone.

use std::ops::Range;

use maud::{Markup, PreEscaped, html};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use registry_core::clock::Timestamp;
use registry_core::text::shorten;

use super::super::summary::{Line, Slow};
use super::super::text::{span, started};
use super::colours::{self, Colour};
use super::scale::{said, ticks};
use super::told;

/// A place to draw.
pub(super) type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Failed = DrawingAreaErrorKind<std::io::Error>;
pub(super) type Drawn = Result<(), Failed>;
type Seconds<'a, 'b> =
    ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// One of the two shapes a chart is drawn in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    class: &'static str,
    pub(super) width: u32,
}

const SHAPES: [Shape; 2] = [
    Shape {
        class: "wide",
        width: 960,
    },
    Shape {
        class: "narrow",
        width: 360,
    },
];

/// Size of the words in a chart, in its own units; the library divides by 1.24 when it writes them.
const WORDS: f64 = 17.0;
/// About how wide a letter of that size is.
pub(super) const LETTER: f64 = 7.3;

/// What a chart says, for who cannot see it, and how it is drawn.
pub(super) struct Chart<'a> {
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    pub(super) description: String,
    pub(super) height: u32,
}

impl Chart<'_> {
    /// Draws it in both shapes, with the caption under it.
    pub(super) fn draw(&self, caption: &str, draw: impl Fn(&Canvas<'_>, Shape) -> Drawn) -> Markup {
        html! {
            figure {
                @for shape in SHAPES { (self.in_shape(shape, &draw)) }
                figcaption { (caption) }
            }
        }
    }

    fn in_shape(&self, shape: Shape, draw: impl Fn(&Canvas<'_>, Shape) -> Drawn) -> Markup {
        let mut svg = String::new();
        let canvas =
            SVGBackend::with_string(&mut svg, (shape.width, self.height)).into_drawing_area();
        let drawn = draw(&canvas, shape).and_then(|()| canvas.present());
        drop(canvas);
        // Drawing into a text cannot fail; should it do so, the table beside the chart has all of it.
        let body = drawn.ok().and_then(|()| inner(&svg)).unwrap_or_default();
        let title = format!("{}-{}-title", self.id, shape.class);
        let description = format!("{}-{}-description", self.id, shape.class);
        html! {
            svg class=(shape.class) viewBox=(format!("0 0 {} {}", shape.width, self.height)) role="img"
                aria-labelledby=(title) aria-describedby=(description) {
                title id=(title) { (self.title) }
                desc id=(description) { (self.description) }
                (PreEscaped(body))
            }
        }
    }
}

/// What stands between the library's own opening and closing tag.
fn inner(svg: &str) -> Option<&str> {
    let (_, rest) = svg.split_once('>')?;
    Some(rest.rsplit_once("</svg>")?.0)
}

pub(super) fn words(colour: Colour) -> TextStyle<'static> {
    ("sans-serif", WORDS).into_font().color(&colour.rgb())
}

pub(super) fn anchored(colour: Colour, x: HPos, y: VPos) -> TextStyle<'static> {
    words(colour).pos(Pos::new(x, y))
}

/// A chart whose two axes are drawn by [`axes`].
fn chart<'a, 'b>(
    canvas: &'a Canvas<'b>,
    (left, bottom): (u32, u32),
    x: Range<f64>,
    y: Range<f64>,
) -> Result<Seconds<'a, 'b>, Failed> {
    ChartBuilder::on(canvas)
        .margin(12)
        .set_label_area_size(LabelAreaPosition::Left, left)
        .set_label_area_size(LabelAreaPosition::Bottom, bottom)
        .build_cartesian_2d(x, y)
}

/// The newest deployments that fit into the chart.
const BARS: usize = 40;

pub(super) fn durations(lines: &[Line]) -> Markup {
    let shown = &lines[lines.len().saturating_sub(BARS)..];
    let longest = shown.iter().map(|line| line.seconds).fold(1.0, f64::max);
    let estimated = shown.iter().filter_map(|line| line.estimated);
    let top = estimated.fold(longest, f64::max).min(longest * 2.0) * 1.12;
    let shortest = shown
        .iter()
        .map(|line| line.seconds)
        .fold(longest, f64::min);
    let chart = Chart {
        id: "durations-chart",
        title: "Duration of each deployment over time",
        description: format!(
            "{} deployments from {} to {}; the shortest took {}, the longest {}. The table below has every figure.",
            shown.len(),
            shown
                .first()
                .map(|line| started(line.started))
                .unwrap_or_default(),
            shown
                .last()
                .map(|line| started(line.started))
                .unwrap_or_default(),
            span(shortest),
            span(longest)
        ),
        height: 320,
    };
    let caption = "One bar for each deployment, oldest first. ✓ succeeded, ↺ rolled back, × failed; the line across a bar is the total that was estimated halfway.";
    chart.draw(caption, |canvas, shape| {
        draw_durations(canvas, shape, shown, top)
    })
}

fn draw_durations(canvas: &Canvas<'_>, shape: Shape, lines: &[Line], top: f64) -> Drawn {
    // Few bars shall not become walls.
    let places = lines.len().max(8) as f64;
    let mut chart = chart(canvas, (48, 26), 0.0..places, 0.0..top)?;
    let rows = ticks(top, 6);
    let line = |at: f64| PathElement::new([(0.0, at), (places, at)], Colour::Grid.rgb());
    chart.draw_series(rows.iter().map(|at| line(*at)))?;
    let style = anchored(Colour::Muted, HPos::Right, VPos::Center);
    chart
        .draw_series(rows.iter().map(|at| {
            EmptyElement::at((0.0, *at)) + Text::new(said(*at), (-6, 0), style.clone())
        }))?;
    chart.draw_series(lines.iter().enumerate().map(|(index, line)| {
        let (from, to) = (index as f64 + 0.15, index as f64 + 0.85);
        Rectangle::new(
            [(from, 0.0), (to, line.seconds)],
            colours::of(line.outcome).rgb().filled(),
        )
    }))?;
    let sign = anchored(Colour::Ink, HPos::Center, VPos::Bottom);
    chart.draw_series(lines.iter().enumerate().map(|(index, line)| {
        EmptyElement::at((index as f64 + 0.5, line.seconds))
            + Text::new(colours::sign(line.outcome), (0, -2), sign.clone())
    }))?;
    chart.draw_series(lines.iter().enumerate().filter_map(|(index, line)| {
        let at = line.estimated?.min(top);
        let (from, to) = (index as f64 + 0.02, index as f64 + 0.98);
        Some(PathElement::new(
            [(from, at), (to, at)],
            Colour::Ink.rgb().stroke_width(2),
        ))
    }))?;
    days(&mut chart, shape, lines, places)
}

/// The day under each bar that has room for it.
fn days(chart: &mut Seconds<'_, '_>, shape: Shape, lines: &[Line], places: f64) -> Drawn {
    let width = f64::from(shape.width) - 72.0;
    let each = (LETTER * 6.5 * places / width).ceil().max(1.0) as usize;
    let style = anchored(Colour::Muted, HPos::Center, VPos::Top);
    chart.draw_series(lines.iter().enumerate().step_by(each).map(|(index, line)| {
        let day = line.started.map(Timestamp::rfc3339).unwrap_or_default();
        let day = day.get(5..10).unwrap_or_default().to_owned();
        EmptyElement::at((index as f64 + 0.5, 0.0)) + Text::new(day, (0, 6), style.clone())
    }))?;
    Ok(())
}

pub(super) fn accuracy(lines: &[&Line]) -> Markup {
    let points: Vec<(f64, f64)> = lines
        .iter()
        .filter_map(|line| Some((line.seconds, line.estimated?)))
        .collect();
    let close = points
        .iter()
        .filter(|(actual, estimated)| (estimated / actual.max(1.0) - 1.0).abs() <= 0.2)
        .count();
    let longest = points.iter().map(|point| point.0).fold(1.0, f64::max);
    // One wild estimate shall not press all others into a corner; it is drawn at the edge.
    let top = longest * 1.5;
    let chart = Chart {
        id: "accuracy-chart",
        title: "Total estimated halfway against what it took",
        description: format!(
            "{close} of {} estimates were within 20 per cent of the truth.",
            points.len()
        ),
        height: 340,
    };
    let caption = format!(
        "Across: what it took; up: the total that was estimated halfway. On the diagonal the estimate was right, between the thin lines it was off by no more than 20 %: {close} of {}.",
        points.len()
    );
    chart.draw(&caption, |canvas, shape| {
        draw_accuracy(canvas, shape, &points, longest * 1.05, top)
    })
}

fn draw_accuracy(
    canvas: &Canvas<'_>,
    shape: Shape,
    points: &[(f64, f64)],
    right: f64,
    top: f64,
) -> Drawn {
    let mut chart = chart(canvas, (48, 26), 0.0..right, 0.0..top)?;
    let most = if shape.width > 500 { 8 } else { 4 };
    let columns = ticks(right, most);
    let rows = ticks(top, 5);
    let grid = Colour::Grid.rgb();
    chart.draw_series(
        columns
            .iter()
            .map(|at| PathElement::new([(*at, 0.0), (*at, top)], grid)),
    )?;
    chart.draw_series(
        rows.iter()
            .map(|at| PathElement::new([(0.0, *at), (right, *at)], grid)),
    )?;
    let style = anchored(Colour::Muted, HPos::Right, VPos::Center);
    chart
        .draw_series(rows.iter().map(|at| {
            EmptyElement::at((0.0, *at)) + Text::new(said(*at), (-6, 0), style.clone())
        }))?;
    let style = anchored(Colour::Muted, HPos::Center, VPos::Top);
    chart.draw_series(
        columns
            .iter()
            .skip(1)
            .map(|at| EmptyElement::at((*at, 0.0)) + Text::new(said(*at), (0, 6), style.clone())),
    )?;
    for (factor, width) in [(0.8, 1), (1.0, 2), (1.2, 1)] {
        let end = right.min(top / factor);
        let line = [(0.0, 0.0), (end, end * factor)];
        let style = Colour::Muted.rgb().stroke_width(width);
        chart.draw_series([PathElement::new(line, style)])?;
    }
    chart.draw_series(points.iter().map(|(actual, estimated)| {
        Circle::new(
            (*actual, estimated.min(top)),
            5,
            Colour::Good.rgb().filled(),
        )
    }))?;
    Ok(())
}

/// Height of one row of bars with its words.
const ROW: u32 = 40;

pub(super) fn slow(id: &str, title: &str, slowest: &[Slow]) -> Markup {
    let longest = slowest.iter().map(|slow| slow.high).fold(1.0, f64::max);
    let chart_id = format!("{id}-chart");
    let chart = Chart {
        id: &chart_id,
        title,
        description: slowest
            .first()
            .map(|first| {
                format!(
                    "The slowest is {} ({}), median {}. The table below has every figure.",
                    told(&first.name),
                    first.action.as_str(),
                    span(first.median)
                )
            })
            .unwrap_or_default(),
        height: ROW * slowest.len() as u32 + 50,
    };
    let caption = "The bar is the median, the line after it reaches to the 90th percentile.";
    chart.draw(caption, |canvas, shape| {
        draw_slow(canvas, shape, slowest, longest)
    })
}

fn draw_slow(canvas: &Canvas<'_>, shape: Shape, slowest: &[Slow], longest: f64) -> Drawn {
    let rows = slowest.len() as f64;
    // Downwards, as one reads.
    let mut chart = chart(canvas, (4, 26), 0.0..longest * 1.02, rows..0.0)?;
    let most = if shape.width > 500 { 8 } else { 4 };
    let columns = ticks(longest * 1.02, most);
    let grid = Colour::Grid.rgb();
    chart.draw_series(
        columns
            .iter()
            .map(|at| PathElement::new([(*at, 0.0), (*at, rows)], grid)),
    )?;
    let style = anchored(Colour::Muted, HPos::Center, VPos::Top);
    chart.draw_series(
        columns
            .iter()
            .map(|at| EmptyElement::at((*at, rows)) + Text::new(said(*at), (0, 6), style.clone())),
    )?;
    chart.draw_series(slowest.iter().enumerate().map(|(index, slow)| {
        let y = index as f64;
        Rectangle::new(
            [(0.0, y + 0.52), (slow.median, y + 0.88)],
            Colour::Good.rgb().filled(),
        )
    }))?;
    chart.draw_series(slowest.iter().enumerate().map(|(index, slow)| {
        let y = index as f64 + 0.7;
        PathElement::new(
            [(slow.median, y), (slow.high, y)],
            Colour::Ink.rgb().stroke_width(2),
        )
    }))?;
    let letters = ((f64::from(shape.width) - 30.0) / LETTER) as usize;
    let style = anchored(Colour::Ink, HPos::Left, VPos::Center);
    chart.draw_series(slowest.iter().enumerate().map(|(index, slow)| {
        let after = format!("  {} {}", slow.action.as_str(), span(slow.median));
        let name = shorten(
            &told(&slow.name),
            letters.saturating_sub(after.len()).max(8),
        );
        EmptyElement::at((0.0, index as f64 + 0.26))
            + Text::new(name + &after, (0, 0), style.clone())
    }))?;
    Ok(())
}
