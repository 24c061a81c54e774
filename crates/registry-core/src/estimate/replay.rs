//! An operation of the past as it looked at a moment within it. Pure.

use super::operation::{Operation, Outcome, Run, RunState};
use super::past::Past;
use super::table::Table;
use super::{Estimate, EstimateInput, estimate, plan};

/// What was known of the operation `now` seconds after its first event.
#[must_use]
pub fn as_of(operation: &Operation, now: f64) -> Operation {
    let until = |at: Option<f64>| at.filter(|at| *at <= now);
    let took = until(operation.took);
    Operation {
        id: operation.id.clone(),
        kind: operation.kind,
        outcome: if took.is_some() {
            operation.outcome
        } else {
            Outcome::Running
        },
        started: operation.started,
        took,
        cleanup_at: until(operation.cleanup_at),
        rollback_at: until(operation.rollback_at),
        cut: operation.cut,
        first_cause: operation.first_cause.clone(),
        runs: operation
            .runs
            .iter()
            .filter_map(|run| run_as_of(run, now))
            .collect(),
    }
}

fn run_as_of(run: &Run, now: f64) -> Option<Run> {
    let until = |at: Option<f64>| at.filter(|at| *at <= now);
    let (start, end) = (until(run.start), until(run.end));
    if start.is_none() && end.is_none() {
        return None;
    }
    Some(Run {
        start,
        ready: until(run.ready),
        end,
        state: if end.is_some() {
            run.state
        } else {
            RunState::Running
        },
        ..run.clone()
    })
}

/// The estimate that would have been given `now` seconds into an operation, without its template.
#[must_use]
pub fn estimate_at(operation: &Operation, now: f64, past: &Past, table: &Table) -> Estimate {
    let seen = as_of(operation, now);
    let planned = plan::expected(&seen, None, past);
    estimate(&EstimateInput {
        operation: &seen,
        planned: &planned,
        template: None,
        past,
        table,
        now,
    })
}
