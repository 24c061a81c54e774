//! What a report says, computed once for every face of it.

use std::collections::BTreeMap;

use registry_core::clock::Timestamp;
use registry_core::estimate::operation::{Action, Operation, Outcome, Run};
use registry_core::estimate::path::critical_path;
use registry_core::estimate::spread::{median, quantile};
use registry_core::history::{Deployment, RecordedOperation};
use serde_json::{Value, json};

/// The report on one stack.
pub(super) struct Summary {
    pub(super) stack: String,
    pub(super) lines: Vec<Line>,
    /// Share of the operations that failed; `None` when only successful deployments are known.
    pub(super) failed: Option<f64>,
    /// Median seconds from the beginning of a rollback to its end.
    pub(super) recovery: Option<f64>,
    pub(super) resources: Vec<Slow>,
    pub(super) types: Vec<Slow>,
    /// The last operation, with its critical path.
    pub(super) last: Option<(Operation, Vec<usize>)>,
}

/// One deployment.
pub(super) struct Line {
    pub(super) started: Timestamp,
    pub(super) kind: &'static str,
    pub(super) outcome: &'static str,
    pub(super) seconds: f64,
    /// The total that was, or would have been, estimated halfway through.
    pub(super) estimated: Option<f64>,
    pub(super) first_cause: Option<String>,
}

/// One resource or type, and what it takes.
pub(super) struct Slow {
    pub(super) name: String,
    pub(super) action: Action,
    pub(super) median: f64,
    pub(super) high: f64,
    pub(super) cases: usize,
}

/// How many of the slowest are told.
const SLOWEST: usize = 10;

impl Summary {
    /// `recorded` in any order; `deployments` those that `update` has noted.
    pub(super) fn of(
        stack: &str,
        mut recorded: Vec<RecordedOperation>,
        deployments: &[Deployment],
    ) -> Self {
        recorded.sort_by_key(|recorded| recorded.operation.started);
        let mut lines: Vec<Line> = recorded.iter().map(line).collect();
        let unrecorded = deployments
            .iter()
            .filter(|deployment| deployment.operation_id.is_none());
        lines.extend(unrecorded.map(|deployment| Line {
            started: deployment.completed_at
                - std::time::Duration::from_secs_f64(deployment.seconds.max(0.0)),
            kind: "deployment",
            outcome: Outcome::Succeeded.as_str(),
            seconds: deployment.seconds,
            estimated: None,
            first_cause: None,
        }));
        lines.sort_by_key(|line| line.started);
        let last = recorded.pop().map(|recorded| recorded.operation);
        let all: Vec<&Operation> = recorded
            .iter()
            .map(|recorded| &recorded.operation)
            .chain(&last)
            .collect();
        Self {
            stack: stack.to_owned(),
            lines,
            failed: share_failed(&all),
            recovery: recovery(&all),
            resources: slowest(&all, |run| &run.id),
            types: slowest(&all, |run| &run.resource_type),
            last: last.map(|operation| {
                let path = critical_path(&operation);
                (operation, path)
            }),
        }
    }

    pub(super) fn json(&self) -> Value {
        let slow = |slow: &Slow| {
            json!({
                "name": slow.name,
                "action": slow.action.as_str(),
                "median_seconds": tenths(slow.median),
                "p90_seconds": tenths(slow.high),
                "cases": slow.cases,
            })
        };
        json!({
            "stack_name": self.stack,
            "deployments": self.lines.iter().map(|line| json!({
                "started_at": line.started.rfc3339(),
                "kind": line.kind,
                "outcome": line.outcome,
                "duration_seconds": tenths(line.seconds),
                "estimated_seconds": line.estimated.map(tenths),
                "first_cause": line.first_cause,
            })).collect::<Vec<_>>(),
            "failure_rate": self.failed,
            "median_recovery_seconds": self.recovery.map(tenths),
            "slowest_resources": self.resources.iter().map(slow).collect::<Vec<_>>(),
            "slowest_types": self.types.iter().map(slow).collect::<Vec<_>>(),
            "last_operation": self.last.as_ref().map(|(operation, path)| json!({
                "kind": operation.kind.as_str(),
                "outcome": operation.outcome.as_str(),
                "started_at": operation.started.rfc3339(),
                "duration_seconds": operation.took.map(tenths),
                "resources": operation.runs.iter().enumerate().map(|(index, run)| json!({
                    "logical_resource_id": run.id,
                    "resource_type": run.resource_type,
                    "action": run.action.as_str(),
                    "phase": run.phase.as_str(),
                    "state": run.state.as_str(),
                    "start_seconds": run.start.map(tenths),
                    "end_seconds": run.end.map(tenths),
                    "critical": path.contains(&index),
                })).collect::<Vec<_>>(),
            })),
        })
    }
}

fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

fn line(recorded: &RecordedOperation) -> Line {
    let operation = &recorded.operation;
    let seconds = operation.took.unwrap_or_else(|| operation.last_known());
    let half = seconds / 2.0;
    Line {
        started: operation.started,
        kind: operation.kind.as_str(),
        outcome: operation.outcome.as_str(),
        seconds,
        estimated: recorded
            .estimate_ratios
            .get(1)
            .filter(|ratio| **ratio > 0.0)
            .map(|ratio| half + half / ratio),
        first_cause: operation.first_cause.clone(),
    }
}

fn share_failed(operations: &[&Operation]) -> Option<f64> {
    let over: Vec<&&Operation> = operations
        .iter()
        .filter(|operation| operation.outcome != Outcome::Running)
        .collect();
    let failed = over
        .iter()
        .filter(|operation| operation.outcome != Outcome::Succeeded)
        .count();
    (!over.is_empty()).then(|| failed as f64 / over.len() as f64)
}

fn recovery(operations: &[&Operation]) -> Option<f64> {
    let mut seconds: Vec<f64> = operations
        .iter()
        .filter(|operation| operation.outcome == Outcome::RolledBack)
        .filter_map(|operation| Some(operation.took? - operation.rollback_at?))
        .collect();
    seconds.sort_by(f64::total_cmp);
    median(&seconds)
}

fn slowest(operations: &[&Operation], name: impl Fn(&Run) -> &String) -> Vec<Slow> {
    let mut taken: BTreeMap<(&str, Action), Vec<f64>> = BTreeMap::new();
    for run in operations.iter().flat_map(|operation| &operation.runs) {
        if let Some(took) = run.took() {
            taken.entry((name(run), run.action)).or_default().push(took);
        }
    }
    let mut slow: Vec<Slow> = taken
        .into_iter()
        .filter_map(|((name, action), mut taken)| {
            taken.sort_by(f64::total_cmp);
            Some(Slow {
                name: name.to_owned(),
                action,
                median: median(&taken)?,
                high: quantile(&taken, 0.9)?,
                cases: taken.len(),
            })
        })
        .collect();
    slow.sort_by(|a, b| b.median.total_cmp(&a.median));
    slow.truncate(SLOWEST);
    slow
}
