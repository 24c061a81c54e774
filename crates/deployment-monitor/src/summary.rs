//! The step summary under GitHub Actions: the outcome, the slowest resources, a chart of the whole operation.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use registry_core::clock::{Timestamp, human_duration};
use registry_core::ids::StackName;
use registry_core::progress::{Outcome, ResourceRow, StackProgress};
use registry_core::text::{mask, one_line};

use crate::outcome::Ending;
use crate::watch::StackWatch;

/// So many resources are named.
const SLOWEST: usize = 10;

/// So many bars fit a chart that can still be read.
const BARS: usize = 40;

/// Appends to the file that GitHub shows; it may already hold what other steps wrote.
pub(crate) fn append(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)?
        .write_all(text.as_bytes())
}

/// The summary of everything that was watched.
pub(crate) fn markdown(ending: &Ending, stacks: &[StackWatch], now: Timestamp) -> String {
    let mark = match ending.word() {
        "deployed" => "✅",
        "failed" => "❌",
        _ => "ℹ️",
    };
    let mut text = format!("## {mark} {}\n\n", cell(&ending.sentence()));
    for stack in stacks {
        let name = stack.name().parse::<StackName>().ok();
        if let (Some(status), Some(name)) = (stack.status(), &name)
            && let Some(steps) = registry_core::advice::next_steps(status, name)
        {
            text += &format!("**What to do:** {}\n\n", cell(&steps));
        }
        text += &of_stack(stack.name(), stack.progress(), now);
    }
    text
}

/// The part of one stack.
pub(crate) fn of_stack(name: &str, progress: &StackProgress, now: Timestamp) -> String {
    let mut text = format!("### {}\n\n", cell(name));
    if let Some(failure) = progress.first_failure() {
        text += &format!("**First cause:** {}\n\n", cell(&failure.sentence()));
    }
    let mut rows: Vec<(&ResourceRow, Duration)> = progress
        .rows()
        .iter()
        .filter_map(|row| Some((row, row.took(now)?)))
        .collect();
    if rows.is_empty() {
        return text + "No resource was touched.\n\n";
    }
    text += &chart(progress, &rows, now);
    rows.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
    text += "| Slowest resources | Type | | Took |\n|---|---|---|---|\n";
    for (row, took) in rows.iter().take(SLOWEST) {
        let path = progress.chain(&row.stack_id, &row.logical_id).join(" > ");
        text += &format!(
            "| {} | {} | {} | {} |\n",
            cell(&path),
            cell(&row.resource_type),
            outcome(row),
            human_duration(*took)
        );
    }
    text + "\n"
}

fn outcome(row: &ResourceRow) -> String {
    let how = match row.outcome {
        Outcome::InProgress => "still running",
        Outcome::Done => "done",
        Outcome::Failed => "**failed**",
        Outcome::Cancelled => "cancelled",
        Outcome::Kept => "kept",
    };
    format!("{}: {how}", row.action.doing())
}

// https://mermaid.js.org/syntax/gantt.html: times in milliseconds with dateFormat x, ids unique, no colon in names.
fn chart(progress: &StackProgress, rows: &[(&ResourceRow, Duration)], now: Timestamp) -> String {
    let mut longest: Vec<&(&ResourceRow, Duration)> = rows.iter().collect();
    longest.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
    longest.truncate(BARS);
    longest.sort_by_key(|(row, _)| (row.pass, row.started_at));
    let mut text = String::from("```mermaid\ngantt\n    dateFormat x\n    axisFormat %H:%M:%S\n");
    let mut section = None;
    for (number, (row, _)) in longest.iter().enumerate() {
        if section != Some(row.pass) {
            section = Some(row.pass);
            text += match row.pass {
                registry_core::progress::Pass::Forward => "    section Forward\n",
                registry_core::progress::Pass::CleanUp => "    section Clean-up\n",
                registry_core::progress::Pass::RollBack => "    section Rollback\n",
                registry_core::progress::Pass::Deletion => "    section Deletion\n",
            };
        }
        let tag = match row.outcome {
            Outcome::Failed => "crit, ",
            Outcome::InProgress => "active, ",
            Outcome::Done | Outcome::Cancelled | Outcome::Kept => "",
        };
        let start = row.started_at.map_or(0, Timestamp::millis);
        let end = row.ended_at.unwrap_or(now).millis().max(start + 1);
        let path = progress.chain(&row.stack_id, &row.logical_id).join(" ");
        text += &format!("    {} : {tag}r{number}, {start}, {end}\n", plain(&path));
    }
    text + "```\n\n"
}

// Nothing that Markdown or Mermaid could read as its own.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_alphanumeric() || c == ' ' || c == '-' {
                c
            } else {
                '_'
            }
        })
        .collect()
}

fn cell(text: &str) -> String {
    mask(&one_line(text))
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use registry_core::progress::events_of_trace;
    use registry_core::trace::Trace;

    #[test]
    fn the_chart_and_the_slowest_of_a_recorded_failure() {
        let bytes = std::fs::read(simulators::trace_file(
            "telegram-calendar_telegram-calendar-docker_rollback.jsonl",
        ))
        .unwrap();
        let trace = Trace::parse(&bytes).unwrap();
        let id = "arn:aws:cloudformation:us-east-1:123456789012:stack/App/1";
        let mut progress = StackProgress::of(id);
        for event in events_of_trace(&trace, id, Timestamp::from_seconds(0)) {
            progress.apply(&event);
        }
        let text = of_stack("App|<b>", &progress, Timestamp::from_seconds(0));
        assert!(
            text.starts_with("### App\\|&lt;b&gt;\n\n**First cause:** DbInstance "),
            "{text}"
        );
        assert!(
            text.contains("```mermaid\ngantt\n    dateFormat x\n"),
            "{text}"
        );
        assert!(text.contains("    section Rollback\n"), "{text}");
        assert!(text.contains("DbInstance : crit, r"), "{text}");
        assert!(text.contains("| Slowest resources | Type | | Took |\n|---|---|---|---|\n| "));
    }
}
