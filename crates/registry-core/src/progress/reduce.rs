//! The reducer: one event in, the state changed, what is worth telling out.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::stack::{ResourcePhase, STACK_TYPE, StackEvent, StackStatus, StatusClass};

use super::failure::{self, CauseKind, Causes, Change, Failure};
use super::hooks::Hooks;
use super::{
    Action, Happening, OperationKind, Outcome, Pass, PastAttempt, Phase, ResourceRow, StackNode,
    StackProgress,
};

/// What CloudFormation writes on an update that cannot be done in place (user guide, "Update behaviors of stack resources").
const REPLACEMENT: &str = "requires the creation of a new physical resource";

impl StackProgress {
    /// Takes one event in. Events come oldest first; those of nested stacks after the parent's event that named the stack.
    pub fn apply(&mut self, event: &StackEvent) -> Vec<Happening> {
        let mut told = Vec::new();
        if self.root.is_none() {
            self.root = Some(Arc::from(event.stack_id.as_str()));
        }
        let stack = self.intern(event);
        let is_root = self.root.as_ref() == Some(&stack);
        if event.is_stack_itself() {
            self.apply_own(event, &stack, is_root, &mut told);
        } else {
            self.begin_without_start(event, &stack, &mut told);
            self.apply_resource(event, &stack, &mut told);
        }
        self.events += 1;
        if self.last_event_at.is_none_or(|at| at <= event.timestamp) {
            self.last_event_at = Some(event.timestamp);
            self.last_event_id = Some(event.event_id.clone());
        }
        told
    }

    /// Ends this attempt: what follows belongs to the next.
    pub(super) fn close_attempt(&mut self) {
        if self.kind == Some(OperationKind::Delete) {
            // Clearing the way for an attempt is none itself.
            self.attempt = self.attempt.saturating_sub(1);
        } else if self.attempt > 0 && self.started_at.is_some() {
            self.past.push(PastAttempt {
                number: self.attempt,
                status: self.status().cloned(),
                first_failure: self.first_failure().cloned(),
            });
        }
        self.stacks.clear();
        self.rows.clear();
        self.index.clear();
        self.kind = None;
        self.started_at = None;
        self.ended_at = None;
        self.events = 0;
        self.causes = Causes::default();
        self.hooks = Hooks::default();
        self.rollback_failure = None;
        self.undone = false;
        self.cleanup_at = None;
        self.rollback_at = None;
    }

    fn intern(&mut self, event: &StackEvent) -> Arc<str> {
        if let Some((id, _)) = self.stacks.get_key_value(event.stack_id.as_str()) {
            return Arc::clone(id);
        }
        let id: Arc<str> = Arc::from(event.stack_id.as_str());
        self.stacks.insert(
            Arc::clone(&id),
            StackNode {
                id: Arc::clone(&id),
                name: event.stack_name.clone(),
                parent: None,
                phase: Phase::NotBegun,
                status: None,
                since: event.timestamp,
                row_open: true,
            },
        );
        id
    }

    fn begin(&mut self, kind: OperationKind, at: Timestamp, told: &mut Vec<Happening>) {
        self.attempt += 1;
        self.kind = Some(kind);
        self.started_at = Some(at);
        told.push(Happening::Began {
            attempt: self.attempt,
            kind,
            at,
        });
    }

    // A record that was cut, or an operation found half-way: the first resource's event must do for the stack's own.
    fn begin_without_start(
        &mut self,
        event: &StackEvent,
        stack: &Arc<str>,
        told: &mut Vec<Happening>,
    ) {
        let (kind, phase) = match Action::of_status(event.status.as_str()) {
            Action::Create => (OperationKind::Create, Phase::Creating),
            Action::Update | Action::Replace => (OperationKind::Update, Phase::Updating),
            Action::Import => (OperationKind::Import, Phase::Importing),
            Action::Delete => (OperationKind::Unknown, Phase::Deleting),
            Action::RollBack => (OperationKind::Unknown, Phase::RollingBack),
            Action::Other => (OperationKind::Unknown, Phase::Updating),
        };
        let is_root = self.root.as_ref() == Some(stack);
        if is_root && self.started_at.is_none() {
            self.begin(kind, event.timestamp, told);
        }
        if let Some(node) = self.stacks.get_mut(stack)
            && node.phase == Phase::NotBegun
        {
            node.phase = phase;
            if is_root {
                told.push(Happening::PhaseChanged {
                    phase,
                    at: event.timestamp,
                });
            }
        }
    }

    fn apply_own(
        &mut self,
        event: &StackEvent,
        stack: &Arc<str>,
        is_root: bool,
        told: &mut Vec<Happening>,
    ) {
        let status = StackStatus::parse(event.status.as_str());
        if is_root {
            self.begin_if_new(&status, event, told);
            // Closing an attempt forgets the stacks.
            self.intern(event);
        }
        let Some(node) = self.stacks.get_mut(stack) else {
            return;
        };
        let before = node.phase;
        let phase = phase_of(&status, before);
        node.phase = phase;
        node.status = Some(status.clone());
        if !is_root {
            return;
        }
        self.note_undoing(&status, before);
        if phase == Phase::CleaningUp {
            self.cleanup_at.get_or_insert(event.timestamp);
        }
        if phase == Phase::RollingBack {
            self.rollback_at.get_or_insert(event.timestamp);
        }
        if phase != before && phase != Phase::Ended && phase != Phase::NotBegun {
            told.push(Happening::PhaseChanged {
                phase,
                at: event.timestamp,
            });
        }
        if gives_up(&status, self.undone) {
            let own = Failure::of(
                event,
                CauseKind::StackItself,
                vec![event.logical_id.clone()],
            );
            let change = self.causes.give_up(own);
            self.tell_cause(change, told);
        }
        if phase == Phase::Ended {
            self.ended_at = Some(event.timestamp);
            self.end_nested();
            told.push(Happening::Ended {
                status,
                at: event.timestamp,
            });
        } else {
            self.ended_at = None;
        }
    }

    // A new operation that is no rollback is the next attempt; the first begins the deployment.
    fn begin_if_new(
        &mut self,
        status: &StackStatus,
        event: &StackEvent,
        told: &mut Vec<Happening>,
    ) {
        let kind = match status {
            StackStatus::CreateInProgress => OperationKind::Create,
            StackStatus::UpdateInProgress => OperationKind::Update,
            StackStatus::ImportInProgress => OperationKind::Import,
            StackStatus::DeleteInProgress => {
                // A delete that somebody asks for after the end is no attempt, only a step on the way to the next one.
                if self.started_at.is_none() {
                    self.begin(OperationKind::Delete, event.timestamp, told);
                }
                return;
            }
            StackStatus::ReviewInProgress => return,
            other => {
                if self.started_at.is_none() {
                    self.begin(kind_of_late(other), event.timestamp, told);
                }
                return;
            }
        };
        let running = self.phase();
        // CloudFormation repeats CREATE_IN_PROGRESS after a macro's transformation: not a new operation.
        let repeats = self.started_at.is_some()
            && self.kind == Some(kind)
            && !matches!(running, Phase::Ended | Phase::Deleting | Phase::NotBegun);
        if repeats {
            return;
        }
        if self.started_at.is_some() && running != Phase::NotBegun {
            self.close_attempt();
        }
        if self.started_at.is_none() {
            self.begin(kind, event.timestamp, told);
        }
    }

    fn note_undoing(&mut self, status: &StackStatus, before: Phase) {
        match status.class() {
            StatusClass::RollingBack | StatusClass::RolledBack => self.undone = true,
            StatusClass::Deleting => {
                // OnFailure=DELETE, or a person who deletes a stack while it is being created.
                if matches!(
                    before,
                    Phase::Creating | Phase::Updating | Phase::Importing | Phase::RollingBack
                ) {
                    self.undone = true;
                }
            }
            StatusClass::DeleteOnly => {
                if *status != StackStatus::DeleteFailed {
                    self.undone = true;
                }
            }
            StatusClass::InProgress
            | StatusClass::CleaningUp
            | StatusClass::Parked
            | StatusClass::Succeeded
            | StatusClass::Deleted
            | StatusClass::NeedsDecision
            | StatusClass::Unknown => {}
        }
    }

    // Their own last events may be read later or never; they are over when the root is.
    fn end_nested(&mut self) {
        for node in self.stacks.values_mut() {
            if node.parent.is_some() {
                node.phase = Phase::Ended;
            }
        }
    }

    fn apply_resource(&mut self, event: &StackEvent, stack: &Arc<str>, told: &mut Vec<Happening>) {
        self.hooks.note(event);
        let pass = self.pass_of(stack);
        let at = self.row_for(event, stack, pass);
        let outcome = outcome_of(event);
        if let Some(row) = self.rows.get_mut(at) {
            record(row, event, outcome);
        }
        if event.resource_type == STACK_TYPE {
            self.note_nested(event, stack, outcome);
        }
        if outcome == Outcome::Failed {
            self.note_failure(event, pass, told);
        }
    }

    fn pass_of(&self, stack: &Arc<str>) -> Pass {
        match self.stacks.get(stack).map(|node| node.phase) {
            Some(Phase::CleaningUp) => Pass::CleanUp,
            Some(Phase::RollingBack) => Pass::RollBack,
            Some(Phase::Deleting) => Pass::Deletion,
            // Late rows of an operation that is over belong to its last part; towards the new version is the safe guess.
            Some(
                Phase::NotBegun
                | Phase::Creating
                | Phase::Updating
                | Phase::Importing
                | Phase::Ended,
            )
            | None => Pass::Forward,
        }
    }

    fn row_for(&mut self, event: &StackEvent, stack: &Arc<str>, pass: Pass) -> usize {
        let action = Action::of_status(event.status.as_str());
        let key = (Arc::clone(stack), event.logical_id.clone());
        let known = self.index.entry(key).or_default();
        let same = known.iter().rev().copied().find(|&at| {
            self.rows.get(at).is_some_and(|row| {
                row.pass == pass
                    && (row.action == action
                        || (row.action == Action::Replace && action == Action::Update))
            })
        });
        if let Some(at) = same {
            return at;
        }
        let at = self.rows.len();
        known.push(at);
        self.rows.push(ResourceRow {
            stack_id: Arc::clone(stack),
            logical_id: event.logical_id.clone(),
            resource_type: event.resource_type.clone(),
            action,
            pass,
            started_at: None,
            ended_at: None,
            outcome: Outcome::InProgress,
            reason: None,
            physical_id: None,
            configured_at: None,
            tries: 0,
        });
        at
    }

    // A nested stack is there once its row in the parent has a physical id; the first CREATE_IN_PROGRESS has none.
    fn note_nested(&mut self, event: &StackEvent, parent: &Arc<str>, outcome: Outcome) {
        let Some(child) = event
            .physical_id
            .as_deref()
            .filter(|id| id.starts_with("arn:") && *id != &**parent)
        else {
            return;
        };
        let since = self
            .index
            .get(&(Arc::clone(parent), event.logical_id.clone()))
            .and_then(|rows| rows.last())
            .and_then(|&at| self.rows.get(at))
            .and_then(|row| row.started_at)
            .unwrap_or(event.timestamp);
        let id: Arc<str> = Arc::from(child);
        let node = self
            .stacks
            .entry(Arc::clone(&id))
            .or_insert_with(|| StackNode {
                id,
                name: name_in_arn(child),
                parent: None,
                phase: Phase::NotBegun,
                status: None,
                since,
                row_open: true,
            });
        node.parent = Some((Arc::clone(parent), event.logical_id.clone()));
        node.row_open = outcome == Outcome::InProgress;
        if outcome == Outcome::InProgress && node.phase == Phase::Ended {
            // Worked on again: by the rollback or by the clean-up.
            node.phase = Phase::NotBegun;
        }
    }

    fn note_failure(&mut self, event: &StackEvent, pass: Pass, told: &mut Vec<Happening>) {
        let Some(kind) = failure::classify(event) else {
            return;
        };
        let chain = self.chain(&event.stack_id, &event.logical_id);
        let mut failure = Failure::of(event, kind, chain);
        self.hooks.explain(&mut failure);
        // A nested stack rolls back before its parent has even noticed; the root's own phase does not matter here.
        match pass {
            Pass::Forward => {
                let change = self.causes.add(failure);
                self.tell_cause(change, told);
            }
            Pass::CleanUp => told.push(Happening::CleanUpFailed { failure }),
            Pass::RollBack => self.note_rollback_failure(failure, told),
            Pass::Deletion => {
                if self.undone {
                    self.note_rollback_failure(failure, told);
                } else {
                    let change = self.causes.add(failure);
                    self.tell_cause(change, told);
                }
            }
        }
    }

    fn note_rollback_failure(&mut self, failure: Failure, told: &mut Vec<Happening>) {
        let nearer = self
            .rollback_failure
            .as_ref()
            .is_none_or(|known| failure.kind < known.kind);
        if nearer {
            self.rollback_failure = Some(failure.clone());
        }
        told.push(Happening::RollbackStepFailed { failure });
    }

    fn tell_cause(&self, change: Change, told: &mut Vec<Happening>) {
        let revised = match change {
            Change::Nothing => return,
            Change::Found => false,
            Change::Revised => true,
        };
        if let Some(failure) = self.first_failure() {
            told.push(Happening::FirstFailure {
                failure: failure.clone(),
                revised,
            });
        }
    }
}

fn record(row: &mut ResourceRow, event: &StackEvent, outcome: Outcome) {
    if outcome == Outcome::InProgress {
        if row.started_at.is_none() || row.outcome != Outcome::InProgress {
            row.tries += 1;
        }
        row.started_at.get_or_insert(event.timestamp);
        row.ended_at = None;
        if event.detailed_status.as_deref() == Some("CONFIGURATION_COMPLETE") {
            row.configured_at = Some(event.timestamp);
        }
    } else {
        row.ended_at = Some(event.timestamp);
    }
    row.outcome = outcome;
    if let Some(reason) = event.reason.as_ref().filter(|reason| !reason.is_empty()) {
        if row.action == Action::Update && reason.contains(REPLACEMENT) {
            row.action = Action::Replace;
        }
        row.reason = Some(reason.clone());
    }
    if let Some(id) = event.physical_id.as_ref().filter(|id| !id.is_empty()) {
        row.physical_id = Some(id.clone());
    }
}

fn outcome_of(event: &StackEvent) -> Outcome {
    match event.status.phase() {
        ResourcePhase::Started | ResourcePhase::Other => Outcome::InProgress,
        ResourcePhase::Completed => Outcome::Done,
        ResourcePhase::Skipped => Outcome::Kept,
        ResourcePhase::Failed => {
            if failure::is_cancellation(event.reason.as_deref().unwrap_or_default()) {
                Outcome::Cancelled
            } else {
                Outcome::Failed
            }
        }
    }
}

fn phase_of(status: &StackStatus, before: Phase) -> Phase {
    match status {
        StackStatus::CreateInProgress => Phase::Creating,
        StackStatus::UpdateInProgress => Phase::Updating,
        StackStatus::ImportInProgress => Phase::Importing,
        StackStatus::UpdateCompleteCleanupInProgress => Phase::CleaningUp,
        StackStatus::RollbackInProgress
        | StackStatus::UpdateRollbackInProgress
        | StackStatus::UpdateRollbackCompleteCleanupInProgress
        | StackStatus::ImportRollbackInProgress => Phase::RollingBack,
        StackStatus::DeleteInProgress => Phase::Deleting,
        StackStatus::ReviewInProgress => Phase::NotBegun,
        StackStatus::CreateComplete
        | StackStatus::CreateFailed
        | StackStatus::RollbackFailed
        | StackStatus::RollbackComplete
        | StackStatus::DeleteFailed
        | StackStatus::DeleteComplete
        | StackStatus::UpdateComplete
        | StackStatus::UpdateFailed
        | StackStatus::UpdateRollbackFailed
        | StackStatus::UpdateRollbackComplete
        | StackStatus::ImportComplete
        | StackStatus::ImportRollbackFailed
        | StackStatus::ImportRollbackComplete => Phase::Ended,
        StackStatus::Unknown(_) => before,
    }
}

// Whether the stack's own words mean that the operation cannot succeed any more.
fn gives_up(status: &StackStatus, undone: bool) -> bool {
    match status.class() {
        StatusClass::RollingBack
        | StatusClass::RolledBack
        | StatusClass::NeedsDecision
        | StatusClass::DeleteOnly => true,
        StatusClass::Deleting | StatusClass::Deleted => undone,
        StatusClass::InProgress
        | StatusClass::CleaningUp
        | StatusClass::Parked
        | StatusClass::Succeeded
        | StatusClass::Unknown => false,
    }
}

// The kind of an operation whose beginning was not seen, from the status it was found in.
fn kind_of_late(status: &StackStatus) -> OperationKind {
    match status {
        StackStatus::CreateInProgress
        | StackStatus::CreateComplete
        | StackStatus::CreateFailed
        | StackStatus::RollbackInProgress
        | StackStatus::RollbackComplete
        | StackStatus::RollbackFailed => OperationKind::Create,
        StackStatus::UpdateInProgress
        | StackStatus::UpdateComplete
        | StackStatus::UpdateFailed
        | StackStatus::UpdateCompleteCleanupInProgress
        | StackStatus::UpdateRollbackInProgress
        | StackStatus::UpdateRollbackComplete
        | StackStatus::UpdateRollbackFailed
        | StackStatus::UpdateRollbackCompleteCleanupInProgress => OperationKind::Update,
        StackStatus::ImportInProgress
        | StackStatus::ImportComplete
        | StackStatus::ImportRollbackInProgress
        | StackStatus::ImportRollbackComplete
        | StackStatus::ImportRollbackFailed => OperationKind::Import,
        StackStatus::DeleteInProgress | StackStatus::DeleteComplete | StackStatus::DeleteFailed => {
            OperationKind::Delete
        }
        StackStatus::ReviewInProgress | StackStatus::Unknown(_) => OperationKind::Unknown,
    }
}

fn name_in_arn(arn: &str) -> String {
    arn.split_once(":stack/")
        .and_then(|(_, rest)| rest.split('/').next())
        .unwrap_or(arn)
        .to_owned()
}
