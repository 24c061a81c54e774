//! `replay FILE`: a recorded operation through the same reducer, for post-mortems.

use std::io::Read as _;
use std::path::Path;

use command_line::output::{print_json, print_line};
use command_line::{Console, Status};
use registry_core::advice::WayOut;
use registry_core::clock::{Timestamp, human_duration};
use registry_core::progress::{
    Failure, ResourceRow, StackProgress, Verdict, events_of_trace, verdict_of,
};
use registry_core::text::{mask, printable};
use registry_core::trace::{Trace, TraceError};
use serde_json::{Value, json};

use crate::args::ReplayArguments;
use crate::messages;

/// The stack of a record has some id; its name is in its own events.
const STACK_ID: &str = "arn:aws:cloudformation:us-east-1:123456789012:stack/recorded/0";

/// A record is megabytes at the most.
const LARGEST: u64 = 256 << 20;

/// So many resources are named.
const SLOWEST: usize = 10;

/// Reads the record, prints what it says, and ends by how its last operation ended.
pub(crate) fn run(arguments: &ReplayArguments) -> Status {
    let told = read(&arguments.file).and_then(|bytes| {
        Trace::parse(&bytes).map_err(|error| {
            let hint = match error {
                TraceError::NotJson { line: 1, .. } => {
                    " (take it with: aws cloudformation describe-stack-events --stack-name STACK --output json)"
                }
                TraceError::NotJson { .. }
                | TraceError::NotText { .. }
                | TraceError::BadRow { .. }
                | TraceError::Empty => "",
            };
            format!("{}: {error}{hint}", arguments.file.display())
        })
    });
    let trace = match told {
        Ok(trace) => trace,
        Err(sentence) => {
            Console::for_process().error(&sentence);
            return Status::CannotTell;
        }
    };
    let name = trace.stack_name().unwrap_or("recorded-stack").to_owned();
    let operations: Vec<StackProgress> = trace.operations().iter().map(reduce).collect();
    let status = operations
        .last()
        .and_then(verdict)
        .map_or(Status::CannotTell, |verdict| match verdict {
            Verdict::Deployed => Status::Yes,
            Verdict::Failed => Status::No,
        });
    if arguments.json {
        let all: Vec<Value> = operations.iter().map(|one| to_json(&name, one)).collect();
        return print_json(&all, status);
    }
    let text: Vec<String> = operations.iter().map(|one| to_text(&name, one)).collect();
    print_line(&mask(&printable(&text.join("\n"))), status)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let fail = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin()
            .take(LARGEST)
            .read_to_end(&mut bytes)
            .map_err(fail)?;
    } else {
        std::fs::File::open(path)
            .and_then(|file| file.take(LARGEST).read_to_end(&mut bytes))
            .map_err(fail)?;
    }
    Ok(bytes)
}

fn reduce(trace: &Trace) -> StackProgress {
    let mut progress = StackProgress::of(STACK_ID);
    for event in events_of_trace(trace, STACK_ID, Timestamp::default()) {
        progress.apply(&event);
    }
    progress
}

fn verdict(progress: &StackProgress) -> Option<Verdict> {
    verdict_of(progress.status()?, progress.is_undone())
}

fn outcome_word(progress: &StackProgress) -> &'static str {
    match verdict(progress) {
        Some(Verdict::Deployed) => "deployed",
        Some(Verdict::Failed) => "failed",
        None => "open",
    }
}

fn slowest(progress: &StackProgress) -> Vec<(&ResourceRow, std::time::Duration)> {
    let end = progress.last_event_at().unwrap_or_default();
    let mut rows: Vec<_> = progress
        .rows()
        .iter()
        .filter_map(|row| Some((row, row.took(end)?)))
        .collect();
    rows.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
    rows.truncate(SLOWEST);
    rows
}

fn to_text(name: &str, progress: &StackProgress) -> String {
    let end = progress.last_event_at().unwrap_or_default();
    let status = progress
        .status()
        .map_or("no status of its own", |s| s.as_str());
    let counts = progress.counts();
    let mut text = format!(
        "{name}: {} ({status}), {} events in {}; {} done, {} failed, {} cancelled, {} still in progress\n",
        outcome_word(progress),
        progress.events(),
        human_duration(progress.elapsed(end).unwrap_or_default()),
        counts.done,
        counts.failed,
        counts.cancelled,
        counts.in_progress,
    );
    if let Some(failure) = progress.first_failure() {
        text += &format!("first cause: {}\n", failure.sentence());
        for other in progress.co_causes() {
            text += &format!("  within seconds also: {}\n", other.sentence());
        }
    }
    if let Some(failure) = progress.rollback_failure() {
        text += &format!("the rollback met: {}\n", failure.sentence());
    }
    for line in messages::next_lines(&next(name, progress)) {
        text += &format!("{line}\n");
    }
    let rows = slowest(progress);
    if !rows.is_empty() {
        text += "slowest:\n";
    }
    for (row, took) in rows {
        text += &format!(
            "  {:>8}  {:<12} {} ({})\n",
            human_duration(took),
            row.action.doing(),
            progress.chain(&row.stack_id, &row.logical_id).join(" > "),
            row.resource_type
        );
    }
    text
}

fn next(name: &str, progress: &StackProgress) -> Vec<WayOut> {
    match (progress.status(), name.parse()) {
        (Some(status), Ok(stack)) => messages::next(progress, status, &stack),
        // A record without the stack's own events, or with a name that is none.
        (None, _) | (_, Err(_)) => Vec::new(),
    }
}

fn to_json(name: &str, progress: &StackProgress) -> Value {
    let end = progress.last_event_at().unwrap_or_default();
    let cause = |failure: &Failure| {
        json!({
            "logical_resource_id": failure.logical_id,
            "path": failure.chain,
            "resource_type": failure.resource_type,
            "resource_status": failure.status,
            "reason": mask(&printable(&failure.reason)),
            "timestamp": failure.at.rfc3339_millis(),
        })
    };
    let slowest: Vec<Value> = slowest(progress)
        .into_iter()
        .map(|(row, took)| {
            json!({
                "logical_resource_id": row.logical_id,
                "resource_type": row.resource_type,
                "action": row.action.doing(),
                "seconds": took.as_secs_f64(),
            })
        })
        .collect();
    json!({
        "stack_name": name,
        "outcome": outcome_word(progress),
        "stack_status": progress.status().map(|status| status.as_str().to_owned()),
        "events": progress.events(),
        "seconds": progress.elapsed(end).unwrap_or_default().as_secs_f64(),
        "first_cause": progress.first_failure().map(cause),
        "also_failed": progress.co_causes().into_iter().map(cause).collect::<Vec<_>>(),
        "rollback_failure": progress.rollback_failure().map(cause),
        "slowest": slowest,
        "next": next(name, progress)
            .iter()
            .map(|way| json!({"to": way.to, "commands": way.commands}))
            .collect::<Vec<_>>(),
    })
}
