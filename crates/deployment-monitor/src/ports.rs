//! What the watching needs from outside, besides CloudFormation: the registry and Slack.

use registry_core::clock::Timestamp;
use registry_core::notification::Notification;
use registry_core::stack::StackStatus;

/// Where a stack stood when the deployment was registered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Baseline {
    /// The stack's name as it was registered.
    pub(crate) stack_name: String,
    /// AWS's clock then.
    pub(crate) server_time: Option<Timestamp>,
    /// The stack's id then; `None` when there was no such stack.
    pub(crate) stack_id: Option<String>,
    /// The newest event then.
    pub(crate) event_id: Option<String>,
}

/// What the registry says of the deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It holds its environment.
    Held {
        /// Which environment.
        environment: String,
        /// Tells this registration from an earlier one of the same id.
        registration: String,
        /// Where its stacks stood then.
        baselines: Vec<Baseline>,
    },
    /// Its hold has ended.
    Ended {
        /// How and by whom, as in "it was cleaned up at …".
        how: String,
        /// Whether somebody else took the hold away.
        taken_away: bool,
    },
    /// The registry does not know it.
    NeverSeen,
    /// The registry could not be asked; the text says why.
    Unavailable(String),
}

/// How the stack's operation ended, for the registry's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    /// The stack's status.
    pub(crate) status: StackStatus,
    /// The first cause of a failure.
    pub(crate) first_cause: Option<String>,
    /// When, by AWS's clock.
    pub(crate) at: Timestamp,
}

/// The registry, for one deployment.
pub(crate) trait Deployments {
    /// What the registry says of it now. Asking is also a sign of life: somebody still looks after it.
    fn look(&mut self) -> Standing;
    /// Records how its stack ended. Frees nothing.
    fn record(&mut self, ending: &Ending) -> Result<(), String>;
}

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    /// Status updates, or the channel given on the command line.
    Updates,
    /// Questions that need a person.
    Interact,
}

/// Slack.
pub(crate) trait Telling {
    /// Puts a message on the retry queue under `key`, durably; the same key is never queued twice. The text of an error says why.
    fn tell(&self, key: &str, note: Notification, channel: Channel) -> Result<(), String>;
    /// Has queued messages sent; returns at once.
    fn push(&self);
}
