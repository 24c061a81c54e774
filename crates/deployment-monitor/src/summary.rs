//! The step summary under GitHub Actions: the outcome, the slowest resources, a chart of the whole operation.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use registry_core::advice::WayOut;
use registry_core::clock::{Timestamp, human_duration};
use registry_core::ids::StackName;
use registry_core::progress::{Outcome, ResourceRow, StackProgress};
use registry_core::text::{mask, one_line};

use crate::messages;
use crate::outcome::Ending;
use crate::watch::StackWatch;

/// So many resources are named.
const SLOWEST: usize = 10;

/// So many bars fit a chart that can still be read.
const BARS: usize = 40;

/// So many characters of a bar's name are shown; a whole chart may have 50,000 (Mermaid's `maxTextSize`).
const LONGEST_BAR: usize = 80;

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
        if let (Some(status), Some(name)) = (stack.status(), &name) {
            text += &what_to_do(&messages::next(stack.progress(), status, name));
        }
        text += &of_stack(stack.name(), stack.progress(), now);
    }
    text
}

// Commands in blocks of their own, which GitHub gives a button to copy them.
fn what_to_do(ways: &[WayOut]) -> String {
    let mut text = String::new();
    for (number, way) in ways.iter().enumerate() {
        let word = if number == 0 { "What to do" } else { "Or" };
        let commands = way.commands.join("\n");
        text += &format!("**{word}:** {}\n\n```sh\n{commands}\n```\n\n", cell(way.to));
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

// https://mermaid.js.org/syntax/gantt.html: times in milliseconds with dateFormat x, ids unique.
fn chart(progress: &StackProgress, rows: &[(&ResourceRow, Duration)], now: Timestamp) -> String {
    let mut longest: Vec<&(&ResourceRow, Duration)> = rows.iter().collect();
    // What failed is shown however short it was.
    let failed = |row: &ResourceRow| row.outcome == Outcome::Failed;
    longest.sort_by_key(|(row, took)| (!failed(row), std::cmp::Reverse(*took)));
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
        let bar = bar(row.outcome, &progress.chain(&row.stack_id, &row.logical_id));
        text += &format!("    {bar} : {tag}r{number}, {start}, {end}\n");
    }
    text + "```\n\n"
}

// The name of a bar: letters, digits, spaces and hyphens after a mark, so that there is nothing that Markdown or Mermaid could
// read as its own. The mark must stand first: Mermaid takes a name that begins with one of its words, such as `Title`, `Section`
// or `Click` in any case, for that word, and `Gantt` spoils the whole chart.
fn bar(outcome: Outcome, chain: &[String]) -> String {
    let mark = match outcome {
        Outcome::InProgress => '…',
        Outcome::Done => '✓',
        Outcome::Failed => '✗',
        Outcome::Cancelled => '–',
        Outcome::Kept => '·',
    };
    let plain = |c: char| match c {
        c if c.is_alphanumeric() || c == ' ' || c == '-' => c,
        _ => '_',
    };
    let names: Vec<String> = chain
        .iter()
        .map(|name| name.chars().map(plain).collect())
        .collect();
    let path = names.join(" › ");
    let shown = match path.char_indices().nth(LONGEST_BAR) {
        Some((cut, _)) => format!("{}…", path.get(..cut).unwrap_or_default()),
        None => path,
    };
    format!("{mark} {shown}")
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
        assert!(text.contains("    ✗ DbInstance : crit, r"), "{text}");
        assert_is_chart(&text, 1);
        assert!(text.contains("| Slowest resources | Type | | Took |\n|---|---|---|---|\n| "));
    }

    #[test]
    fn the_first_cause_is_in_the_chart_however_soon_it_failed() {
        let file = "review-and-assessment-powere_RapidStack_create.jsonl";
        let bytes = std::fs::read(simulators::trace_file(file)).unwrap();
        let trace = Trace::parse(&bytes).unwrap();
        let id = "arn:aws:cloudformation:us-east-1:123456789012:stack/App/1";
        let mut progress = StackProgress::of(id);
        for event in events_of_trace(&trace, id, Timestamp::from_seconds(0)) {
            progress.apply(&event);
        }
        assert!(progress.rows().len() > BARS);
        let cause = progress.first_failure().unwrap().logical_id.clone();
        let text = of_stack("App", &progress, Timestamp::from_seconds(0));
        assert!(text.contains(&format!("    ✗ {cause} : crit, ")), "{text}");
        assert_is_chart(&text, BARS);
    }

    // Mermaid 11 read every line of this form as one task with this name, id, start and end, whatever the name was.
    fn assert_is_chart(text: &str, least: usize) {
        let (_, rest) = text.split_once("```mermaid\n").unwrap();
        let (chart, _) = rest.split_once("\n```\n").unwrap();
        let mut lines = chart.lines();
        let head: Vec<&str> = lines.by_ref().take(3).collect();
        let expected = ["gantt", "    dateFormat x", "    axisFormat %H:%M:%S"];
        assert_eq!(head, expected);
        let sections = ["Forward", "Clean-up", "Rollback", "Deletion"]
            .map(|name| format!("    section {name}"));
        let mut bars = 0;
        for line in lines.filter(|line| !sections.iter().any(|section| section == line)) {
            let (name, data) = line
                .strip_prefix("    ")
                .unwrap()
                .split_once(" : ")
                .unwrap();
            let (mark, name) = name.split_once(' ').unwrap();
            assert!(["…", "✓", "✗", "–", "·"].contains(&mark), "{line}");
            let harmless = |c: char| c.is_alphanumeric() || " -_›…".contains(c);
            assert!(name.chars().all(harmless), "{line}");
            assert!(name.chars().count() <= LONGEST_BAR + 1, "{line}");
            let data: Vec<&str> = data
                .split(", ")
                .filter(|word| !["crit", "active"].contains(word))
                .collect();
            let [id, start, end] = data[..] else {
                panic!("{line}")
            };
            assert_eq!(id, format!("r{bars}"), "{line}");
            assert!(
                start.parse::<i64>().unwrap() < end.parse::<i64>().unwrap(),
                "{line}"
            );
            bars += 1;
        }
        assert!(bars >= least, "{bars} bars: {chart}");
    }

    #[test]
    fn hostile_names_are_bars_of_a_chart_and_nothing_else() {
        let hostile = [
            "section",
            "Section Evil",
            "Title",
            "Gantt",
            "Click",
            "dateFormat",
            "axisFormat x",
            "excludes",
            "todayMarker off",
            "accTitle: x",
            "accDescr { x }",
            "vert",
            "2026-01-14",
            "a:b",
            "a;b",
            "a#b",
            "\"quoted\"",
            "'",
            "new\nline",
            "%% comment",
            "%%{init: {}}%%",
            "```",
            "---",
            "<b>",
            "a, b, 1, 2",
            ":",
            "",
            "ü-Ω",
            "\u{202e}",
            "\u{2028}",
            &"L".repeat(255),
        ];
        let id = "arn:aws:cloudformation:us-east-1:123456789012:stack/App/1";
        let mut progress = StackProgress::of(id);
        let line = |name: &str, second: usize, status: &str| {
            let resource = serde_json::json!({"t": second, "ts": format!("2026-01-14T12:00:{second:02}Z"), "logical_id": name,
                "type": "AWS::SNS::Topic", "status": status});
            format!("{resource}\n")
        };
        let mut record = String::new();
        for (number, name) in hostile.iter().enumerate() {
            let end = ["CREATE_COMPLETE", "CREATE_FAILED", "DELETE_SKIPPED"].get(number % 4);
            record += &line(name, 0, "CREATE_IN_PROGRESS");
            record += &end.map_or_else(String::new, |status| line(name, 9, status));
        }
        let trace = Trace::parse(record.as_bytes()).unwrap();
        for event in events_of_trace(&trace, id, Timestamp::from_seconds(0)) {
            progress.apply(&event);
        }
        let text = of_stack("App", &progress, Timestamp::from_seconds(1_800_000_000));
        assert_is_chart(&text, hostile.len() - 1);
    }
}
