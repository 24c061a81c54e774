//! What a stack is doing, from its events: what runs, what failed first, since when. Pure: [`StackProgress::apply`] takes one
//! event at a time, oldest first, and returns what is worth telling.
//!
//! A recorded trace, the simulator and AWS all enter by this door. The events of the root stack and of its nested stacks go
//! through one reducer, merged by time; [`StackEvent::is_stack_itself`] tells a stack's own events from a nested stack's row
//! in its parent.

mod failure;
mod hooks;
mod reduce;
mod replay;
mod rows;
mod verdict;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod trace_tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::stack::StackStatus;

use hooks::Hooks;

pub use failure::{CauseKind, Failure};
pub use replay::events_of_trace;
pub use rows::{Action, Counts, Outcome, Pass, ResourceRow};
pub use verdict::{Verdict, verdict_of};

/// What kind of operation an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationKind {
    /// Creates the stack.
    Create,
    /// Updates it.
    Update,
    /// Imports resources into it.
    Import,
    /// Deletes it.
    Delete,
    /// Not known: its beginning was not seen.
    Unknown,
}

/// What CloudFormation is doing with a stack now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Nothing of this deployment has been seen.
    NotBegun,
    /// Creating resources of a new stack.
    Creating,
    /// Updating.
    Updating,
    /// Importing.
    Importing,
    /// The new version is live; what it replaced is being removed.
    CleaningUp,
    /// Undoing a failed operation, its clean-up included.
    RollingBack,
    /// Deleting the stack.
    Deleting,
    /// The operation has ended.
    Ended,
}

impl Phase {
    /// The phase in a person's words, as in "is …".
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::NotBegun => "not begun",
            Self::Creating => "creating",
            Self::Updating => "updating",
            Self::Importing => "importing",
            Self::CleaningUp => "cleaning up",
            Self::RollingBack => "rolling back",
            Self::Deleting => "deleting",
            Self::Ended => "ended",
        }
    }
}

/// One stack of the deployment: the root or a nested one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackNode {
    /// Its id.
    pub id: Arc<str>,
    /// Its name.
    pub name: String,
    /// The stack it is nested in, and its logical id there; `None` for the root.
    pub parent: Option<(Arc<str>, String)>,
    /// What is being done with it.
    pub phase: Phase,
    /// Its status by its own events; `None` until one was seen.
    pub status: Option<StackStatus>,
    /// When the work on it began: the earliest event that counts.
    pub since: Timestamp,
    /// Whether its row in the parent is still in progress (true for the root).
    pub row_open: bool,
}

/// An attempt that is over because a further one began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastAttempt {
    /// Which one, counted from 1.
    pub number: u32,
    /// How the stack stood at its end, if its own event said so.
    pub status: Option<StackStatus>,
    /// Its first cause, if it failed.
    pub first_failure: Option<Failure>,
}

/// Something worth telling, found while applying an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// An operation began: the first (1), or a further attempt of the same deployment.
    Began {
        /// Which attempt, counted from 1.
        attempt: u32,
        /// What kind of operation.
        kind: OperationKind,
        /// When.
        at: Timestamp,
    },
    /// The root stack went over to another phase.
    PhaseChanged {
        /// The new one.
        phase: Phase,
        /// When.
        at: Timestamp,
    },
    /// The first real failure of this attempt is known. `revised` when another was told before and this one is nearer to the cause.
    FirstFailure {
        /// What failed.
        failure: Failure,
        /// Whether it corrects one that was told before.
        revised: bool,
    },
    /// An old resource could not be removed after the operation itself had gone well (or been undone). Provisional: CloudFormation
    /// tries again, and the stack's status stays good.
    CleanUpFailed {
        /// What could not be removed.
        failure: Failure,
    },
    /// A step of the rollback failed.
    RollbackStepFailed {
        /// What could not be undone.
        failure: Failure,
    },
    /// The stack's own event says that the operation is over. The verdict is not this event's: `DescribeStacks` gives it.
    Ended {
        /// The status it ended in.
        status: StackStatus,
        /// When.
        at: Timestamp,
    },
}

/// The state of a deployment's stack, as far as its events tell.
#[derive(Debug, Clone, Default)]
pub struct StackProgress {
    pub(crate) root: Option<Arc<str>>,
    pub(crate) stacks: BTreeMap<Arc<str>, StackNode>,
    pub(crate) rows: Vec<ResourceRow>,
    // Positions in `rows`, by stack and logical id; the newest last.
    pub(crate) index: BTreeMap<(Arc<str>, String), Vec<usize>>,
    pub(crate) kind: Option<OperationKind>,
    pub(crate) attempt: u32,
    pub(crate) past: Vec<PastAttempt>,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) last_event_at: Option<Timestamp>,
    pub(crate) last_event_id: Option<String>,
    pub(crate) events: u64,
    pub(crate) causes: failure::Causes,
    pub(crate) rollback_failure: Option<Failure>,
    pub(crate) undone: bool,
    pub(crate) hooks: Hooks,
    pub(crate) cleanup_at: Option<Timestamp>,
    pub(crate) rollback_at: Option<Timestamp>,
}

impl StackProgress {
    /// Nothing seen yet. The first event of a stack's own (or else the first event) names the root.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing seen yet of the stack with this id.
    #[must_use]
    pub fn of(root_stack_id: &str) -> Self {
        let mut progress = Self::default();
        progress.set_root(root_stack_id);
        progress
    }

    /// Counts attempts on from those of stacks that were watched before.
    pub fn count_attempts_from(&mut self, before: u32) {
        self.attempt = self.attempt.max(before);
    }

    /// Names the root stack. A new id under the same name (deleted and created anew) makes what follows the next attempt.
    pub fn set_root(&mut self, stack_id: &str) {
        if self.root.as_deref() != Some(stack_id) {
            self.close_attempt();
            self.root = Some(Arc::from(stack_id));
        }
    }

    /// The root stack's id.
    #[must_use]
    pub fn root(&self) -> Option<&str> {
        self.root.as_deref()
    }

    /// The root stack, once an event was seen.
    #[must_use]
    pub fn root_node(&self) -> Option<&StackNode> {
        self.stacks.get(self.root.as_ref()?)
    }

    /// What is being done with the root stack.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.root_node().map_or(Phase::NotBegun, |node| node.phase)
    }

    /// The root's status by its own events.
    #[must_use]
    pub fn status(&self) -> Option<&StackStatus> {
        self.root_node()?.status.as_ref()
    }

    /// What kind of operation this attempt is.
    #[must_use]
    pub fn kind(&self) -> OperationKind {
        self.kind.unwrap_or(OperationKind::Unknown)
    }

    /// Which attempt this is, counted from 1; 0 before the first.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The attempts before this one, oldest first.
    #[must_use]
    pub fn past_attempts(&self) -> &[PastAttempt] {
        &self.past
    }

    /// When this attempt began: its first event.
    #[must_use]
    pub fn started_at(&self) -> Option<Timestamp> {
        self.started_at
    }

    /// When this attempt ended, by the stack's own event.
    #[must_use]
    pub fn ended_at(&self) -> Option<Timestamp> {
        self.ended_at
    }

    /// When the newest event happened.
    #[must_use]
    pub fn last_event_at(&self) -> Option<Timestamp> {
        self.last_event_at
    }

    /// The id of the newest event.
    #[must_use]
    pub fn last_event_id(&self) -> Option<&str> {
        self.last_event_id.as_deref()
    }

    /// How many events of this attempt were applied.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Every piece of work of this attempt, in the order it began, nested stacks' included.
    #[must_use]
    pub fn rows(&self) -> &[ResourceRow] {
        &self.rows
    }

    /// The work going on now, longest first. A nested stack whose own resources are known stands back for them.
    #[must_use]
    pub fn in_progress(&self) -> Vec<&ResourceRow> {
        let mut running: Vec<&ResourceRow> = self
            .rows
            .iter()
            .filter(|row| row.outcome == Outcome::InProgress && !self.is_known_nested(row))
            .collect();
        running.sort_by_key(|row| row.started_at);
        running
    }

    /// How much of the work seen so far is done; nested stacks count by their resources.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for row in self.rows.iter().filter(|row| !self.is_known_nested(row)) {
            counts.add(row.outcome);
        }
        counts
    }

    /// The first real failure of this attempt with what failed along with it.
    #[must_use]
    pub fn first_failure(&self) -> Option<&Failure> {
        self.causes.first()
    }

    /// Other real failures within seconds of the first, before anything was rolled back.
    #[must_use]
    pub fn co_causes(&self) -> Vec<&Failure> {
        self.causes.companions()
    }

    /// What made the rollback itself fail, if it did.
    #[must_use]
    pub fn rollback_failure(&self) -> Option<&Failure> {
        self.rollback_failure.as_ref()
    }

    /// Whether this attempt is being undone or was: a rollback, or the deletion of a creation that failed.
    #[must_use]
    pub fn is_undone(&self) -> bool {
        self.undone
    }

    /// When the removal of what was replaced began.
    #[must_use]
    pub fn cleanup_at(&self) -> Option<Timestamp> {
        self.cleanup_at
    }

    /// When the rollback began.
    #[must_use]
    pub fn rollback_at(&self) -> Option<Timestamp> {
        self.rollback_at
    }

    /// The nested stacks that are being worked on: those to read events of, parents before children.
    #[must_use]
    pub fn nested_in_progress(&self) -> Vec<&StackNode> {
        self.stacks
            .values()
            .filter(|node| node.parent.is_some() && node.phase != Phase::Ended)
            .collect()
    }

    /// Nothing more is expected of a nested stack: its row in the parent has ended and its events were read to the end.
    pub fn release(&mut self, stack_id: &str) {
        if let Some(node) = self.stacks.get_mut(stack_id)
            && node.parent.is_some()
        {
            node.phase = Phase::Ended;
        }
    }

    /// Whether this stack is part of the deployment.
    #[must_use]
    pub fn knows_stack(&self, stack_id: &str) -> bool {
        self.root.as_deref() == Some(stack_id) || self.stacks.contains_key(stack_id)
    }

    /// The logical ids from the root down to a resource: `["Database", "Cluster"]`; one name for a resource of the root itself.
    #[must_use]
    pub fn chain(&self, stack_id: &str, logical_id: &str) -> Vec<String> {
        let mut names = vec![logical_id.to_owned()];
        let mut at = stack_id;
        // A nested stack lies 8 deep at the most in practice; the cap keeps nonsense from turning in circles.
        for _ in 0..64 {
            let Some((parent, logical)) = self.stacks.get(at).and_then(|node| node.parent.as_ref())
            else {
                break;
            };
            names.push(logical.clone());
            at = parent;
        }
        names.reverse();
        names
    }

    /// How long there has been no event, at `now` by AWS's clock; `None` while nothing runs.
    #[must_use]
    pub fn quiet_for(&self, now: Timestamp) -> Option<Duration> {
        let busy = !matches!(self.phase(), Phase::NotBegun | Phase::Ended);
        busy.then(|| self.last_event_at.map(|at| now.since(at)))
            .flatten()
    }

    /// How long the operation has taken, at `now` by AWS's clock, or took.
    #[must_use]
    pub fn elapsed(&self, now: Timestamp) -> Option<Duration> {
        Some(self.ended_at.unwrap_or(now).since(self.started_at?))
    }

    fn is_known_nested(&self, row: &ResourceRow) -> bool {
        row.is_nested_stack()
            && row.physical_id.as_deref().is_some_and(|id| {
                self.stacks
                    .get(id)
                    .is_some_and(|node| node.status.is_some())
            })
    }
}
