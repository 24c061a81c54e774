//! What a report says, computed once for every face of it.

use std::collections::BTreeMap;
use std::time::Duration;

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
    /// How often deployments fail and how long that lasts; `None` when only successful deployments are known.
    pub(super) failures: Option<Failures>,
    pub(super) resources: Vec<Slow>,
    pub(super) types: Vec<Slow>,
    /// The operation that is shown in full: the last one, or the one that was named.
    pub(super) shown: Option<Shown>,
}

/// How deployments failed.
pub(super) struct Failures {
    /// Operations that are over.
    pub(super) over: usize,
    /// Those among them that did not succeed.
    pub(super) failed: usize,
    /// Median seconds from the beginning of a rollback to its end.
    pub(super) rollback: Option<f64>,
    /// Median seconds from the end of a failed deployment to the end of the next one that succeeded; of several failures in a
    /// row, from the first.
    pub(super) recovery: Option<f64>,
}

impl Failures {
    /// From 0 to 1.
    pub(super) fn share(&self) -> f64 {
        self.failed as f64 / self.over.max(1) as f64
    }
}

/// An operation with its critical path.
pub(super) struct Shown {
    pub(super) operation: Operation,
    /// Indices into its runs.
    pub(super) path: Vec<usize>,
    /// Whose deployment it was, where `update` has told.
    pub(super) correlation_id: Option<String>,
    /// Whether it is the stack's last.
    pub(super) is_last: bool,
}

impl Shown {
    /// Seconds from its beginning to its end, as far as it is known.
    pub(super) fn seconds(&self) -> f64 {
        let operation = &self.operation;
        operation.took.unwrap_or_else(|| operation.last_known())
    }
}

/// One deployment.
pub(super) struct Line {
    /// Whose, where `update` has told.
    pub(super) correlation_id: Option<String>,
    /// `None` where a record tells no date.
    pub(super) started: Option<Timestamp>,
    pub(super) kind: &'static str,
    pub(super) outcome: Outcome,
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
    /// `recorded` in any order; `deployments` those that `update` has noted. `named` is the operation to show in full, by its
    /// own id; the last one where there is none.
    pub(super) fn of(
        stack: &str,
        mut recorded: Vec<RecordedOperation>,
        deployments: &[Deployment],
        named: Option<&str>,
    ) -> Self {
        recorded.sort_by_key(|recorded| recorded.operation.started);
        let reported: BTreeMap<&str, &str> = deployments
            .iter()
            .filter_map(|deployment| {
                let id = deployment.correlation_id.as_deref()?;
                Some((deployment.operation_id.as_deref()?, id))
            })
            .collect();
        let owner = |operation: &Operation| {
            let id = reported.get(operation.id.as_str());
            id.map(|id| (*id).to_owned())
        };
        let mut lines: Vec<Line> = recorded
            .iter()
            .map(|recorded| line(recorded, owner(&recorded.operation)))
            .collect();
        lines.extend(deployments.iter().filter_map(unrecorded));
        lines.sort_by_key(|line| line.started);
        let all: Vec<&Operation> = recorded
            .iter()
            .map(|recorded| &recorded.operation)
            .collect();
        let shown = match named {
            Some(id) => all.iter().position(|operation| operation.id == id),
            None => all.len().checked_sub(1),
        };
        Self {
            stack: stack.to_owned(),
            failures: failures(&all),
            resources: slowest(&all, |run| &run.id),
            types: slowest(&all, |run| &run.resource_type),
            shown: shown.map(|index| Shown {
                operation: all[index].clone(),
                path: critical_path(all[index]),
                correlation_id: owner(all[index]),
                is_last: index + 1 == all.len(),
            }),
            lines,
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
        let failures = self.failures.as_ref();
        json!({
            "stack_name": self.stack,
            "deployments": self.lines.iter().map(|line| json!({
                "correlation_id": line.correlation_id,
                "started_at": line.started.map(Timestamp::rfc3339),
                "kind": line.kind,
                "outcome": line.outcome.as_str(),
                "duration_seconds": tenths(line.seconds),
                "estimated_seconds": line.estimated.map(tenths),
                "first_cause": line.first_cause,
            })).collect::<Vec<_>>(),
            "failure_rate": self.failures.as_ref().map(Failures::share),
            "median_rollback_seconds": failures.and_then(|f| f.rollback).map(tenths),
            "median_recovery_seconds": failures.and_then(|f| f.recovery).map(tenths),
            "slowest_resources": self.resources.iter().map(slow).collect::<Vec<_>>(),
            "slowest_types": self.types.iter().map(slow).collect::<Vec<_>>(),
            "operation": self.shown.as_ref().map(|shown| json!({
                "correlation_id": shown.correlation_id,
                "operation_id": shown.operation.id,
                "is_last": shown.is_last,
                "kind": shown.operation.kind.as_str(),
                "outcome": shown.operation.outcome.as_str(),
                "started_at": dated(shown.operation.started).map(Timestamp::rfc3339),
                "duration_seconds": shown.operation.took.map(tenths),
                "first_cause": shown.operation.first_cause,
                "resources": shown.operation.runs.iter().enumerate().map(|(index, run)| json!({
                    "logical_resource_id": run.id,
                    "resource_type": run.resource_type,
                    "action": run.action.as_str(),
                    "phase": run.phase.as_str(),
                    "state": run.state.as_str(),
                    "start_seconds": run.start.map(tenths),
                    "end_seconds": run.end.map(tenths),
                    "critical": shown.path.contains(&index),
                })).collect::<Vec<_>>(),
            })),
        })
    }
}

/// A record that tells no date is replayed from the beginning of time; nobody deployed then.
pub(super) fn dated(at: Timestamp) -> Option<Timestamp> {
    (at.millis() >= 86_400_000).then_some(at)
}

fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

fn line(recorded: &RecordedOperation, correlation_id: Option<String>) -> Line {
    let operation = &recorded.operation;
    let seconds = operation.took.unwrap_or_else(|| operation.last_known());
    let half = seconds / 2.0;
    Line {
        correlation_id,
        started: dated(operation.started),
        kind: operation.kind.as_str(),
        outcome: operation.outcome,
        seconds,
        estimated: recorded.judged.map(|judged| half + half / judged.halfway()),
        first_cause: operation.first_cause.clone(),
    }
}

/// A deployment of which only `update` has told.
fn unrecorded(deployment: &Deployment) -> Option<Line> {
    let took = Duration::from_secs_f64(deployment.seconds.max(0.0));
    deployment.operation_id.is_none().then(|| Line {
        correlation_id: deployment.correlation_id.clone(),
        started: Some(deployment.completed_at - took),
        kind: "deployment",
        outcome: Outcome::Succeeded,
        seconds: deployment.seconds,
        estimated: None,
        first_cause: None,
    })
}

/// `operations` oldest first.
fn failures(operations: &[&Operation]) -> Option<Failures> {
    let over: Vec<&Operation> = operations
        .iter()
        .filter(|operation| operation.outcome != Outcome::Running)
        .copied()
        .collect();
    let rollbacks = over
        .iter()
        .filter(|operation| operation.outcome == Outcome::RolledBack)
        .filter_map(|operation| Some(operation.took? - operation.rollback_at?));
    (!over.is_empty()).then(|| Failures {
        over: over.len(),
        failed: over
            .iter()
            .filter(|operation| operation.outcome != Outcome::Succeeded)
            .count(),
        rollback: middle(rollbacks.collect()),
        recovery: middle(recoveries(&over)),
    })
}

fn recoveries(over: &[&Operation]) -> Vec<f64> {
    let end = |operation: &Operation| {
        operation.started + Duration::from_secs_f64(operation.took.unwrap_or(0.0).max(0.0))
    };
    let mut broken_since: Option<Timestamp> = None;
    let mut taken = Vec::new();
    for operation in over {
        if operation.outcome != Outcome::Succeeded {
            broken_since.get_or_insert(end(operation));
        } else if let Some(since) = broken_since.take() {
            taken.push(end(operation).since(since).as_secs_f64());
        }
    }
    taken
}

fn middle(mut seconds: Vec<f64>) -> Option<f64> {
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
