//! What is left to do, from what the stack did before: the monitor's own state as the estimate takes it.

use std::time::Duration;

use registry_core::clock::{Timestamp, whole_minutes};
use registry_core::estimate::operation::{self, Kind, Operation, Run, RunState};
use registry_core::estimate::{
    EstimateInput, Past, Table, Template, estimate, plan, usual_duration,
};
use registry_core::progress::{
    Action, OperationKind, Outcome, Pass, Phase, ResourceRow, StackProgress,
};

/// What is known of one stack beforehand.
pub(crate) struct Estimator {
    /// What it did before.
    pub(crate) past: Past,
    /// What is known of other people's stacks.
    pub(crate) table: Table,
    /// Its template, once that could be read.
    pub(crate) template: Option<Template>,
}

impl Estimator {
    /// How long this work on this resource usually takes.
    pub(crate) fn usual(&self, progress: &StackProgress, row: &ResourceRow) -> Option<Duration> {
        let id = progress.chain(&row.stack_id, &row.logical_id).join("/");
        let action = action_of(row.action)?;
        let (spread, _) = usual_duration(&id, &row.resource_type, action, &self.past, &self.table)?;
        Duration::try_from_secs_f64(spread.median).ok()
    }

    /// Whole minutes that the operation will still take; `None` where nothing runs.
    pub(crate) fn remaining(&self, progress: &StackProgress, now: Timestamp) -> Option<u64> {
        if matches!(progress.phase(), Phase::NotBegun | Phase::Ended) {
            return None;
        }
        let started = progress.started_at()?;
        let operation = operation_of(progress, started);
        let planned = plan::expected(&operation, self.template.as_ref(), &self.past);
        let estimate = estimate(&EstimateInput {
            operation: &operation,
            planned: &planned,
            template: self.template.as_ref(),
            past: &self.past,
            table: &self.table,
            now: now.since(started).as_secs_f64(),
        });
        Some(whole_minutes(estimate.remaining))
    }
}

fn operation_of(progress: &StackProgress, started: Timestamp) -> Operation {
    let seconds = |at: Timestamp| at.since(started).as_secs_f64();
    let runs = progress
        .rows()
        .iter()
        .filter_map(|row| {
            Some(Run {
                id: progress.chain(&row.stack_id, &row.logical_id).join("/"),
                resource_type: row.resource_type.clone(),
                action: action_of(row.action)?,
                phase: match row.pass {
                    Pass::Forward | Pass::Deletion => operation::Phase::Forward,
                    Pass::CleanUp => operation::Phase::CleanUp,
                    Pass::RollBack => operation::Phase::Rollback,
                },
                start: row.started_at.map(seconds),
                ready: row.configured_at.map(seconds),
                end: row.ended_at.map(seconds),
                state: match row.outcome {
                    Outcome::InProgress => RunState::Running,
                    Outcome::Done => RunState::Completed,
                    Outcome::Failed => RunState::Failed,
                    Outcome::Cancelled => RunState::Cancelled,
                    Outcome::Kept => RunState::Skipped,
                },
            })
        })
        .collect();
    Operation {
        id: String::new(),
        kind: match progress.kind() {
            OperationKind::Create => Kind::Create,
            OperationKind::Update | OperationKind::Unknown => Kind::Update,
            OperationKind::Import => Kind::Import,
            OperationKind::Delete => Kind::Delete,
        },
        outcome: operation::Outcome::Running,
        started,
        took: None,
        cleanup_at: progress.cleanup_at().map(seconds),
        rollback_at: progress.rollback_at().map(seconds),
        cut: false,
        first_cause: None,
        runs,
    }
}

fn action_of(action: Action) -> Option<operation::Action> {
    match action {
        Action::Create => Some(operation::Action::Create),
        Action::Update => Some(operation::Action::Update),
        Action::Replace => Some(operation::Action::Replace),
        Action::Delete | Action::RollBack => Some(operation::Action::Delete),
        Action::Import => Some(operation::Action::Import),
        Action::Other => None,
    }
}
