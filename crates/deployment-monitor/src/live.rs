//! The live table: what runs, since when, how much longer. An inline viewport, so that what was on the terminal stays.

use std::collections::VecDeque;
use std::io::{IsTerminal as _, Stderr, stderr};
use std::time::Duration;

use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Cell, Paragraph, Row, Table, Widget};
use ratatui::{Terminal, TerminalOptions, Viewport};
use registry_core::clock::{Timestamp, human_duration};
use registry_core::progress::{Counts, Phase};
use registry_core::text::{one_line, shorten};

use crate::estimating::Estimator;
use crate::lines::Level;
use crate::watch::StackWatch;

/// Rows of the viewport; a smaller terminal gets fewer.
const HEIGHT: u16 = 18;

/// The newest lines that are shown below the table.
const REMEMBERED: usize = 5;

/// A terminal of fewer columns shows no resource types: the names need the room.
const ROOM_FOR_TYPES: u16 = 100;

/// Columns of a resource's bar.
const BAR: usize = 12;

/// One stack as it is drawn.
pub(crate) struct View {
    title: String,
    counts: Counts,
    rows: Vec<Resource>,
}

struct Resource {
    name: String,
    kind: String,
    doing: &'static str,
    age: Option<Duration>,
    usual: Option<Duration>,
}

impl View {
    /// The view of a stack at `now`, by AWS's clock.
    pub(crate) fn of(stack: &StackWatch, estimator: &Estimator, now: Timestamp) -> Self {
        let progress = stack.progress();
        let mut title = format!("{}: {}", stack.name(), progress.phase().words());
        // DescribeStacks was asked before the events were read, and may not know of the end yet.
        let own = progress
            .status()
            .filter(|_| progress.phase() == Phase::Ended);
        if let Some(status) = own.or(stack.status()) {
            title += &format!(" ({status})");
        }
        if let Some(elapsed) = progress.elapsed(now) {
            title += &format!(", for {}", human_duration(elapsed));
        }
        if let Some(minutes) = estimator.remaining(progress, now) {
            title += &format!(", about {minutes} min left");
        }
        let rows = progress
            .in_progress()
            .into_iter()
            .map(|row| Resource {
                name: progress.chain(&row.stack_id, &row.logical_id).join(" > "),
                kind: row.resource_type.clone(),
                doing: row.action.doing(),
                age: row.took(now),
                usual: estimator.usual(progress, row),
            })
            .collect();
        Self {
            title,
            counts: progress.counts(),
            rows,
        }
    }
}

/// The live table on this process's terminal.
pub(crate) struct Live {
    terminal: Terminal<CrosstermBackend<Stderr>>,
    recent: VecDeque<(Level, String)>,
}

impl Live {
    /// `None` where there is no terminal, or one that cannot be drawn on.
    pub(crate) fn open() -> Option<Self> {
        if !stderr().is_terminal() || !std::io::stdin().is_terminal() || is_dumb() {
            return None;
        }
        let rows = ratatui::crossterm::terminal::size().ok()?.1;
        let height = HEIGHT.min(rows.saturating_sub(1));
        if height < 6 {
            return None;
        }
        let terminal = Terminal::with_options(
            CrosstermBackend::new(stderr()),
            TerminalOptions {
                viewport: Viewport::Inline(height),
            },
        )
        .ok()?;
        Some(Self {
            terminal,
            recent: VecDeque::new(),
        })
    }

    /// Shows a line among the newest.
    pub(crate) fn remember(&mut self, level: Level, text: &str) {
        self.recent.push_back((level, one_line(text)));
        while self.recent.len() > REMEMBERED {
            self.recent.pop_front();
        }
    }

    /// Draws; `false`: the terminal cannot be drawn on any more. A terminal that was resized is drawn anew by ratatui.
    pub(crate) fn draw(&mut self, views: &[View], pause: Duration) -> bool {
        let recent: Vec<&str> = self.recent.iter().map(|(_, text)| text.as_str()).collect();
        self.terminal
            .draw(|frame| {
                let area = frame.area();
                render(views, &recent, pause, area, frame.buffer_mut());
            })
            .is_ok()
    }

    /// Leaves the terminal; returns the newest lines, which the table has covered.
    pub(crate) fn leave(mut self) -> Vec<(Level, String)> {
        let top = self.terminal.get_frame().area().as_position();
        // Nothing can be done about a terminal that is gone.
        let _cleared = self.terminal.clear();
        // Clearing leaves the cursor where it was, in the middle of a line.
        let _moved = self.terminal.set_cursor_position(top);
        let _shown = self.terminal.show_cursor();
        self.recent.into_iter().collect()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "TERM is the terminal's own word, no setting of ours"
)]
fn is_dumb() -> bool {
    std::env::var("TERM").is_ok_and(|term| term == "dumb" || term.is_empty())
}

fn render(views: &[View], recent: &[&str], pause: Duration, area: Rect, buffer: &mut Buffer) {
    let news = u16::try_from(recent.len())
        .unwrap_or(0)
        .min(area.height / 3);
    let [top, bottom] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(news)]).areas(area);
    let mut left = top;
    for view in views {
        if left.height == 0 {
            break;
        }
        let [title, rest] =
            Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(left);
        let counts = view.counts;
        let line = format!(
            "{}  [{} done, {} running, {} failed]  next look in {}",
            view.title,
            counts.done,
            counts.in_progress,
            counts.failed,
            human_duration(pause)
        );
        Paragraph::new(Line::styled(
            line,
            Style::new().add_modifier(Modifier::BOLD),
        ))
        .render(title, buffer);
        left = table(view, rest, buffer);
    }
    let skipped = recent.len().saturating_sub(usize::from(news));
    let lines: Vec<Line<'_>> = recent
        .iter()
        .skip(skipped)
        .map(|line| Line::styled(*line, Style::new().fg(Color::DarkGray)))
        .collect();
    Paragraph::new(lines).render(bottom, buffer);
}

// Draws what fits and returns the room below it.
fn table(view: &View, area: Rect, buffer: &mut Buffer) -> Rect {
    let room = usize::from(area.height);
    let shown = if view.rows.len() > room {
        room.saturating_sub(1)
    } else {
        view.rows.len()
    };
    let mut rows: Vec<Row<'_>> = view.rows.iter().take(shown).map(resource_row).collect();
    if shown < view.rows.len() {
        let more = format!("… and {} more", view.rows.len() - shown);
        rows.push(Row::new([Cell::from(more)]));
    }
    let height = u16::try_from(rows.len())
        .unwrap_or(area.height)
        .min(area.height);
    let [own, rest] =
        Layout::vertical([Constraint::Length(height), Constraint::Fill(1)]).areas(area);
    let widths = [
        Constraint::Fill(3),
        if area.width < ROOM_FOR_TYPES {
            Constraint::Length(0)
        } else {
            Constraint::Fill(2)
        },
        Constraint::Length(12),
        Constraint::Length(8),
        Constraint::Length(16),
        Constraint::Length(BAR as u16),
    ];
    Widget::render(Table::new(rows, widths), own, buffer);
    rest
}

fn resource_row(resource: &Resource) -> Row<'_> {
    let age = resource.age.map(human_duration).unwrap_or_default();
    let usual = resource.usual.map_or_else(
        || "no history".to_owned(),
        |usual| format!("usually {}", human_duration(usual)),
    );
    let late = matches!((resource.age, resource.usual), (Some(age), Some(usual)) if age > usual.mul_f64(1.5));
    let style = if late {
        Style::new().fg(Color::Yellow)
    } else {
        Style::new()
    };
    Row::new([
        Cell::from(shorten(&one_line(&resource.name), 60)),
        Cell::from(one_line(&resource.kind)),
        Cell::from(resource.doing),
        Cell::from(age),
        Cell::from(usual),
        Cell::from(bar(resource.age, resource.usual)),
    ])
    .style(style)
}

// How much of the usual time has passed; full and marked when more has.
fn bar(age: Option<Duration>, usual: Option<Duration>) -> String {
    let (Some(age), Some(usual)) = (age, usual) else {
        return "·".repeat(BAR);
    };
    let share = age.as_secs_f64() / usual.as_secs_f64().max(0.001);
    if share > 1.0 {
        return format!("{}+", "█".repeat(BAR - 1));
    }
    let full = (share * BAR as f64).floor() as usize;
    format!("{}{}", "█".repeat(full), "░".repeat(BAR - full.min(BAR)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        View {
            title: "App: creating (CREATE_IN_PROGRESS), for 5m, about 10 min left".to_owned(),
            counts: Counts {
                in_progress: 20,
                done: 7,
                failed: 0,
                cancelled: 0,
            },
            rows: (0..20)
                .map(|number| Resource {
                    name: format!("Database > Instance{number}"),
                    kind: "AWS::RDS::DBInstance".to_owned(),
                    doing: "creating",
                    age: Some(Duration::from_secs(300)),
                    usual: (number % 2 == 0).then(|| Duration::from_secs(600)),
                })
                .collect(),
        }
    }

    fn drawn(width: u16, height: u16, recent: &[&str]) -> Vec<String> {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        render(
            &[view()],
            recent,
            Duration::from_secs(30),
            area,
            &mut buffer,
        );
        (0..height)
            .map(|y| {
                (0..width)
                    .map(|x| buffer[(x, y)].symbol())
                    .collect::<String>()
                    .trim_end()
                    .to_owned()
            })
            .collect()
    }

    #[test]
    fn what_fits_is_drawn_and_the_rest_is_counted() {
        let lines = drawn(120, 10, &["AWS::X (Y) -> CREATE_COMPLETE"]);
        assert!(
            lines[0].starts_with("App: creating (CREATE_IN_PROGRESS), for 5m, about 10 min left")
        );
        assert!(lines[1].starts_with("Database > Instance0"), "{lines:#?}");
        assert!(lines[1].contains("usually 10m") && lines[1].ends_with("██████░░░░░░"));
        assert!(lines[2].contains("no history"));
        assert_eq!(lines[8].trim(), "… and 13 more");
        assert_eq!(lines[9], "AWS::X (Y) -> CREATE_COMPLETE");
    }

    #[test]
    fn any_size_is_drawn() {
        for (width, height) in [(1, 1), (10, 2), (40, 6), (300, 80)] {
            assert_eq!(drawn(width, height, &["a", "b"]).len(), usize::from(height));
        }
    }

    #[test]
    fn bars() {
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(bar(seconds(0), seconds(60)), "░".repeat(12));
        assert_eq!(bar(seconds(61), seconds(60)), "███████████+");
        assert_eq!(bar(seconds(1), None), "·".repeat(12));
    }
}
