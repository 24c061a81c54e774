//! The report in a terminal.

use std::fmt::Write as _;
use std::time::Duration;

use registry_core::clock::{Timestamp, human_duration};
use registry_core::estimate::operation::Run;
use registry_core::text::{one_line, printable, shorten};

use super::summary::{Failures, Shown, Slow, Summary};

const BAR: usize = 40;
/// How many rows a chart has at most; a terminal is not a page.
const ROWS: usize = 30;

pub(super) fn draw(summary: &Summary) -> String {
    let mut text = String::new();
    line(
        &mut text,
        &format!(
            "{}: {} deployment{}",
            printable(&summary.stack),
            summary.lines.len(),
            if summary.lines.len() == 1 { "" } else { "s" }
        ),
    );
    if let Some(failures) = &summary.failures {
        line(&mut text, &failed(failures));
    }
    deployments(&mut text, summary);
    slow(&mut text, "slowest resources", &summary.resources);
    slow(&mut text, "slowest types", &summary.types);
    if let Some(shown) = &summary.shown {
        chart(&mut text, shown);
    }
    text
}

fn line(text: &mut String, content: &str) {
    text.push_str(content.trim_end());
    text.push('\n');
}

/// How often deployments fail and how long recovery takes, in words.
pub(super) fn failed(failures: &Failures) -> String {
    let Failures { over, failed, .. } = failures;
    let mut words = format!(
        "{failed} of {over} failed ({:.0} %)",
        failures.share() * 100.0
    );
    if let Some(seconds) = failures.rollback {
        words.push_str(&format!(", a rollback takes {}", span(seconds)));
    }
    if let Some(seconds) = failures.recovery {
        words.push_str(&format!(
            ", the next success came {} after a failure",
            span(seconds)
        ));
    }
    words
}

/// Half a minute matters here, so minutes come with seconds up to an hour.
pub(super) fn span(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        90..3600 => format!("{}m{:02}s", whole / 60, whole % 60),
        _ => human_duration(Duration::from_secs(whole)),
    }
}

pub(super) fn started(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "date unknown".to_owned(), Timestamp::human)
}

fn deployments(text: &mut String, summary: &Summary) {
    let longest = summary
        .lines
        .iter()
        .map(|line| line.seconds)
        .fold(1.0, f64::max);
    line(
        text,
        "\nstarted                  kind        outcome      took      halfway estimate",
    );
    let skipped = summary.lines.len().saturating_sub(ROWS);
    for entry in summary.lines.iter().skip(skipped) {
        let bar = "▇".repeat((entry.seconds / longest * 20.0).round() as usize);
        let estimated = entry.estimated.map_or_else(|| "-".to_owned(), span);
        line(
            text,
            &format!(
                "{:<24} {:<11} {:<12} {:<9} {:<9} {bar}",
                started(entry.started),
                entry.kind,
                entry.outcome.as_str(),
                span(entry.seconds),
                estimated,
            ),
        );
        if let Some(cause) = &entry.first_cause {
            line(text, &format!("    {}", shorten(&one_line(cause), 110)));
        }
    }
}

fn slow(text: &mut String, title: &str, slowest: &[Slow]) {
    if slowest.is_empty() {
        return;
    }
    line(
        text,
        &format!(
            "\n{title:<52} {:<9} {:>8} {:>8} {:>6}",
            "action", "median", "p90", "cases"
        ),
    );
    for entry in slowest {
        line(
            text,
            &format!(
                "{:<52} {:<9} {:>8} {:>8} {:>6}",
                shorten(&one_line(&entry.name), 52),
                entry.action.as_str(),
                span(entry.median),
                span(entry.high),
                entry.cases
            ),
        );
    }
}

fn chart(text: &mut String, shown: &Shown) {
    let (operation, path) = (&shown.operation, &shown.path);
    let end = shown.seconds().max(1.0);
    let whose = match (&shown.correlation_id, shown.is_last) {
        (Some(id), _) => printable(id),
        (None, true) => "last operation".to_owned(),
        (None, false) => started(Some(operation.started)),
    };
    line(
        text,
        &format!(
            "\n{whose}: {} {} in {} (█ what the end waited for, ░ the rest)",
            operation.kind.as_str(),
            operation.outcome.as_str(),
            span(end)
        ),
    );
    let mut rows: Vec<(usize, &Run)> = operation.runs.iter().enumerate().collect();
    if rows.len() > ROWS {
        // The critical path, then the longest of the others.
        let took = |run: &Run| run.end.unwrap_or(end) - run.start.or(run.end).unwrap_or(end);
        rows.sort_by(|(a, x), (b, y)| {
            let critical = path.contains(b).cmp(&path.contains(a));
            critical.then(took(y).total_cmp(&took(x)))
        });
        let others = rows.len() - ROWS;
        rows.truncate(ROWS);
        rows.sort_by_key(|(index, _)| *index);
        line(text, &format!("({others} shorter ones are left out)"));
    }
    for (index, run) in rows {
        let mark = if path.contains(&index) { '█' } else { '░' };
        bar(text, run, mark, end);
    }
}

fn bar(text: &mut String, run: &Run, mark: char, end: f64) {
    let from = run.start.or(run.end).unwrap_or(0.0);
    let to = run.end.unwrap_or(end).max(from);
    let at = |seconds: f64| ((seconds / end * BAR as f64).round() as usize).min(BAR);
    let (left, right) = (at(from).min(BAR - 1), at(to));
    let filled = right.saturating_sub(left).max(1);
    let mut row = format!(
        "{:<34} {:<8}",
        shorten(&one_line(&run.id), 34),
        run.action.as_str()
    );
    // Writing to a String cannot fail.
    let _infallible = write!(
        row,
        " |{}{}{}| {} {}",
        " ".repeat(left),
        mark.to_string().repeat(filled),
        " ".repeat(BAR.saturating_sub(left + filled)),
        span(to - from),
        run.state.as_str()
    );
    line(text, &row);
}
