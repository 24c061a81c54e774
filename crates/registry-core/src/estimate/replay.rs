//! Operations of the past played again: as they looked at a moment within, and as a record tells them. Pure.

use std::time::Duration;

use super::operation::{Operation, Outcome, Run, RunState};
use super::past::Past;
use super::table::Table;
use super::{Estimate, EstimateInput, estimate, plan};
use crate::clock::Timestamp;
use crate::stack::{ResourceStatus, StackEvent};
use crate::trace::Trace;

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

/// The events of a recorded operation, as CloudFormation would tell them.
#[must_use]
pub fn events(trace: &Trace) -> Vec<StackEvent> {
    let began = trace
        .events
        .first()
        .and_then(|event| Timestamp::parse_rfc3339(&event.timestamp))
        // A record with times of day only: any day will do.
        .unwrap_or_default();
    let stack_name = trace.stack_name().unwrap_or("Recorded").to_owned();
    // No record has two stacks' own events; one id for all will do.
    let stack_id =
        format!("arn:aws:cloudformation:us-east-1:123456789012:stack/{stack_name}/recorded");
    trace
        .events
        .iter()
        .enumerate()
        .map(|(index, event)| StackEvent {
            event_id: event
                .event_id
                .clone()
                .unwrap_or_else(|| format!("{stack_name}-{}-{index}", began.compact())),
            stack_id: stack_id.clone(),
            stack_name: stack_name.clone(),
            logical_id: event.logical_id.clone(),
            physical_id: if event.is_stack_event {
                Some(stack_id.clone())
            } else {
                event.physical_id.clone()
            },
            resource_type: event.resource_type.clone(),
            status: ResourceStatus(event.status.clone()),
            reason: event.reason.clone(),
            timestamp: began + Duration::from_secs_f64(event.seconds.max(0.0)),
            operation_id: None,
            detailed_status: event.detailed_status.clone(),
            hook: None,
        })
        .collect()
}
