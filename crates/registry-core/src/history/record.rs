//! One operation in the history file: its own fields, and its resources as short rows.

use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::estimate::interval::Judged;
use crate::estimate::operation::{Action, Kind, Operation, Outcome, Phase, Run, RunState};

/// An operation, and the stack it changed.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedOperation {
    /// The stack's name.
    pub stack_name: String,
    /// What it did.
    pub operation: Operation,
    /// What came true of the estimates that what came before it would have made of it, where there were any.
    pub judged: Option<Judged>,
}

pub(super) fn write(stack: &str, operation: &Operation, judged: Option<Judged>) -> Value {
    json!({
        "stack_name": stack,
        "operation_id": operation.id,
        "kind": operation.kind.as_str(),
        "outcome": operation.outcome.as_str(),
        "started_at": operation.started.rfc3339_millis(),
        "duration_seconds": operation.took.map(tenths),
        "cleanup_at": operation.cleanup_at.map(tenths),
        "rollback_at": operation.rollback_at.map(tenths),
        "first_cause": operation.first_cause,
        "estimate_ratios": judged.map_or(Vec::new(), |judged| judged.ratios().map(thousandths).to_vec()),
        "resources": operation.runs.iter().map(row).collect::<Vec<_>>(),
    })
}

/// Never nothing: a ratio of zero would be none.
fn thousandths(ratio: f64) -> f64 {
    ((ratio * 1000.0).round() / 1000.0).max(0.001)
}

fn tenths(seconds: f64) -> f64 {
    (seconds * 100.0).round() / 100.0
}

/// `[id, type, action, phase, state, start, ready, end]`; named fields would make a file of 20 large operations three times as long.
fn row(run: &Run) -> Value {
    json!([
        run.id,
        run.resource_type,
        run.action.as_str(),
        run.phase.as_str(),
        run.state.as_str(),
        run.start.map(tenths),
        run.ready.map(tenths),
        run.end.map(tenths),
    ])
}

pub(super) fn read(entry: &Value) -> Option<RecordedOperation> {
    let text = |name: &str| entry.get(name)?.as_str();
    let number = |name: &str| seconds(entry.get(name)?);
    let operation = Operation {
        id: text("operation_id")?.to_owned(),
        kind: Kind::parse(text("kind")?)?,
        outcome: Outcome::parse(text("outcome")?)?,
        started: Timestamp::parse_rfc3339(text("started_at")?)?,
        took: number("duration_seconds"),
        cleanup_at: number("cleanup_at"),
        rollback_at: number("rollback_at"),
        cut: false,
        first_cause: text("first_cause").map(str::to_owned),
        runs: entry
            .get("resources")?
            .as_array()?
            .iter()
            .filter_map(read_row)
            .collect(),
    };
    let ratios = entry.get("estimate_ratios").and_then(Value::as_array);
    let ratios: Option<Vec<f64>> =
        ratios.and_then(|ratios| ratios.iter().map(Value::as_f64).collect());
    Some(RecordedOperation {
        stack_name: text("stack_name")?.to_owned(),
        operation,
        judged: ratios.and_then(|ratios| Judged::new(&ratios)),
    })
}

/// Seconds within an operation; what no operation can take is what somebody has spoilt, and is not known.
fn seconds(value: &Value) -> Option<f64> {
    const YEAR: f64 = 31_536_000.0;
    value
        .as_f64()
        .filter(|seconds| (0.0..=YEAR).contains(seconds))
}

fn read_row(row: &Value) -> Option<Run> {
    let text = |index: usize| row.get(index)?.as_str();
    let number = |index: usize| seconds(row.get(index)?);
    Some(Run {
        id: text(0)?.to_owned(),
        resource_type: text(1)?.to_owned(),
        action: Action::parse(text(2)?)?,
        phase: Phase::parse(text(3)?)?,
        state: RunState::parse(text(4)?)?,
        start: number(5),
        ready: number(6),
        end: number(7),
    })
}

/// Keeps the newest operations of a stack.
pub(super) fn keep_newest(entries: &mut Vec<Value>, stack: &str, keep: usize) {
    let started = |entry: &Value| {
        let of_stack = entry.get("stack_name").and_then(Value::as_str) == Some(stack);
        of_stack
            .then(|| Timestamp::parse_rfc3339(entry.get("started_at")?.as_str()?))
            .flatten()
    };
    let mut times: Vec<Timestamp> = entries.iter().filter_map(started).collect();
    times.sort();
    let Some(&oldest_kept) = times.len().checked_sub(keep).and_then(|at| times.get(at)) else {
        return;
    };
    entries.retain(|entry| started(entry).is_none_or(|at| at >= oldest_kept));
}
