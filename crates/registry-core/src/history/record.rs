//! One operation in the history file: its own fields, and its resources as short rows.

use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::estimate::operation::{Action, Kind, Operation, Outcome, Phase, Run, RunState};

/// An operation, and the stack it changed.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedOperation {
    /// The stack's name.
    pub stack_name: String,
    /// What it did.
    pub operation: Operation,
    /// Actual by estimated remaining time at a quarter, half and three quarters of it, estimated from what came before it.
    pub estimate_ratios: Vec<f64>,
}

pub(super) fn write(stack: &str, operation: &Operation, ratios: &[f64]) -> Value {
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
        "estimate_ratios": ratios.iter().map(|ratio| (ratio * 1000.0).round() / 1000.0).collect::<Vec<_>>(),
        "resources": operation.runs.iter().map(row).collect::<Vec<_>>(),
    })
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
    let estimate_ratios = entry
        .get("estimate_ratios")
        .and_then(Value::as_array)
        .map(|ratios| ratios.iter().filter_map(Value::as_f64).collect())
        .unwrap_or_default();
    Some(RecordedOperation {
        stack_name: text("stack_name")?.to_owned(),
        operation,
        estimate_ratios,
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
