//! One row per piece of work: a resource being created, updated or deleted.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::stack::STACK_TYPE;

/// What is done with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Created.
    Create,
    /// Updated in place.
    Update,
    /// Updated by creating a new one; the old one goes during clean-up.
    Replace,
    /// Deleted.
    Delete,
    /// Imported into the stack.
    Import,
    /// A nested stack that is rolled back as a whole.
    RollBack,
    /// A word we do not know.
    Other,
}

impl Action {
    /// The action of a status such as `CREATE_IN_PROGRESS`.
    pub(crate) fn of_status(status: &str) -> Self {
        if status.contains("ROLLBACK_") {
            Self::RollBack
        } else if status.starts_with("CREATE_") {
            Self::Create
        } else if status.starts_with("UPDATE_") {
            Self::Update
        } else if status.starts_with("DELETE_") {
            Self::Delete
        } else if status.starts_with("IMPORT_") {
            Self::Import
        } else {
            Self::Other
        }
    }

    /// The action as it goes on: `creating`.
    #[must_use]
    pub fn doing(self) -> &'static str {
        match self {
            Self::Create => "creating",
            Self::Update => "updating",
            Self::Replace => "replacing",
            Self::Delete => "deleting",
            Self::Import => "importing",
            Self::RollBack => "rolling back",
            Self::Other => "working on",
        }
    }
}

/// Which part of an operation a piece of work belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pass {
    /// Towards the new version.
    Forward,
    /// Removing what the new version replaced.
    CleanUp,
    /// Undoing.
    RollBack,
    /// Deleting the stack.
    Deletion,
}

/// How a piece of work stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Going on.
    InProgress,
    /// Done.
    Done,
    /// Failed for a reason of its own.
    Failed,
    /// Stopped because something else failed.
    Cancelled,
    /// Kept by its deletion policy.
    Kept,
}

/// One piece of work on one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceRow {
    /// Id of the stack it belongs to.
    pub stack_id: Arc<str>,
    /// The resource's name in that stack's template.
    pub logical_id: String,
    /// For example `AWS::ECS::Service`.
    pub resource_type: String,
    /// What is done with it.
    pub action: Action,
    /// Which part of the operation it is.
    pub pass: Pass,
    /// When it began; `None` when the beginning was not seen (a record that was cut).
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How it stands.
    pub outcome: Outcome,
    /// CloudFormation's last words about it.
    pub reason: Option<String>,
    /// The resource itself, once it has an id.
    pub physical_id: Option<String>,
    /// When its configuration was complete (`CONFIGURATION_COMPLETE`) and only the consistency check was left.
    pub configured_at: Option<Timestamp>,
    /// How often it was begun: more than 1 when CloudFormation tried again.
    pub tries: u32,
}

impl ResourceRow {
    /// Whether it is a nested stack.
    #[must_use]
    pub fn is_nested_stack(&self) -> bool {
        self.resource_type == STACK_TYPE
    }

    /// How long it took, or has taken at `now` by AWS's clock; `None` when its beginning was not seen.
    #[must_use]
    pub fn took(&self, now: Timestamp) -> Option<Duration> {
        Some(self.ended_at.unwrap_or(now).since(self.started_at?))
    }
}

/// How many pieces of work stand how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Going on.
    pub in_progress: u32,
    /// Done, or kept by policy.
    pub done: u32,
    /// Failed for a reason of their own.
    pub failed: u32,
    /// Stopped because something else failed.
    pub cancelled: u32,
}

impl Counts {
    pub(crate) fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::InProgress => self.in_progress += 1,
            Outcome::Done | Outcome::Kept => self.done += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Cancelled => self.cancelled += 1,
        }
    }
}
