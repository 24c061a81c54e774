//! A CloudFormation stack as the rules see it: its states and their classes, its events, and the door it is seen through.
//!
//! The states are those of the service model (botocore `service-2.json`, shape `StackStatus`, 23 values); their meanings are
//! from the CloudFormation user guide, "Stack status codes".

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::clock::Timestamp;
use crate::ids::StackName;

macro_rules! statuses {
    ($($variant:ident = $text:literal => $class:ident),* $(,)?) => {
        /// The status of a stack. All 23 of the service model, and what we have never heard of.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum StackStatus {
            $(#[doc = concat!("`", $text, "`")] $variant,)*
            /// A status that is not in the service model we know; its text is kept.
            Unknown(String),
        }

        impl StackStatus {
            /// Every status of the service model.
            pub const ALL: [Self; 23] = [$(Self::$variant),*];

            /// Reads a status; never fails, since AWS may add one.
            #[must_use]
            pub fn parse(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)*
                    other => Self::Unknown(other.to_owned()),
                }
            }

            /// The status in CloudFormation's own spelling.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Unknown(text) => text,
                }
            }

            /// What the status means for somebody who wants to deploy.
            #[must_use]
            pub fn class(&self) -> StatusClass {
                match self {
                    $(Self::$variant => StatusClass::$class,)*
                    // A new `*_IN_PROGRESS` is work going on, whatever it is called; of anything else we cannot tell.
                    Self::Unknown(text) if text.ends_with("_IN_PROGRESS") => StatusClass::InProgress,
                    Self::Unknown(_) => StatusClass::Unknown,
                }
            }
        }
    };
}

statuses! {
    CreateInProgress = "CREATE_IN_PROGRESS" => InProgress,
    CreateFailed = "CREATE_FAILED" => NeedsDecision,
    CreateComplete = "CREATE_COMPLETE" => Succeeded,
    RollbackInProgress = "ROLLBACK_IN_PROGRESS" => RollingBack,
    RollbackFailed = "ROLLBACK_FAILED" => DeleteOnly,
    RollbackComplete = "ROLLBACK_COMPLETE" => DeleteOnly,
    DeleteInProgress = "DELETE_IN_PROGRESS" => Deleting,
    DeleteFailed = "DELETE_FAILED" => DeleteOnly,
    DeleteComplete = "DELETE_COMPLETE" => Deleted,
    UpdateInProgress = "UPDATE_IN_PROGRESS" => InProgress,
    UpdateCompleteCleanupInProgress = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" => CleaningUp,
    UpdateComplete = "UPDATE_COMPLETE" => Succeeded,
    UpdateFailed = "UPDATE_FAILED" => NeedsDecision,
    UpdateRollbackInProgress = "UPDATE_ROLLBACK_IN_PROGRESS" => RollingBack,
    UpdateRollbackFailed = "UPDATE_ROLLBACK_FAILED" => NeedsDecision,
    UpdateRollbackCompleteCleanupInProgress = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS" => RollingBack,
    UpdateRollbackComplete = "UPDATE_ROLLBACK_COMPLETE" => RolledBack,
    ReviewInProgress = "REVIEW_IN_PROGRESS" => Parked,
    ImportInProgress = "IMPORT_IN_PROGRESS" => InProgress,
    ImportComplete = "IMPORT_COMPLETE" => Succeeded,
    ImportRollbackInProgress = "IMPORT_ROLLBACK_IN_PROGRESS" => RollingBack,
    ImportRollbackFailed = "IMPORT_ROLLBACK_FAILED" => NeedsDecision,
    ImportRollbackComplete = "IMPORT_ROLLBACK_COMPLETE" => RolledBack,
}

impl fmt::Display for StackStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a stack's status means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusClass {
    /// Creating, updating or importing, or a state in progress we have never heard of.
    InProgress,
    /// The new version is live; old resources are being removed.
    CleaningUp,
    /// The operation failed and is being undone.
    RollingBack,
    /// The stack is being deleted.
    Deleting,
    /// A change set was made for a stack that does not exist yet, and was not executed.
    Parked,
    /// The last operation succeeded.
    Succeeded,
    /// The stack is gone.
    Deleted,
    /// The last operation failed and was undone; the stack is stable and can be updated.
    RolledBack,
    /// The stack can only be deleted.
    DeleteOnly,
    /// The stack stands where it failed; a person must decide which way to go.
    NeedsDecision,
    /// Not in progress, and we do not know what it means.
    Unknown,
}

impl StatusClass {
    /// Whether CloudFormation is working on the stack now.
    #[must_use]
    pub fn is_in_progress(self) -> bool {
        match self {
            Self::InProgress | Self::CleaningUp | Self::RollingBack | Self::Deleting => true,
            Self::Parked
            | Self::Succeeded
            | Self::Deleted
            | Self::RolledBack
            | Self::DeleteOnly
            | Self::NeedsDecision
            | Self::Unknown => false,
        }
    }
}

/// A stack as `DescribeStacks` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// The stack id, an ARN; names this incarnation of the stack and no other.
    pub id: StackName,
    /// The plain name.
    pub name: String,
    /// The status now.
    pub status: StackStatus,
    /// CloudFormation's own words for it, if it gave any.
    pub status_reason: Option<String>,
    /// When this incarnation was created.
    pub created_at: Timestamp,
    /// When it was last updated; `None` when never.
    pub updated_at: Option<Timestamp>,
    /// Tags, by key.
    pub tags: BTreeMap<String, String>,
    /// The root stack's id, for a nested stack.
    pub root_id: Option<String>,
    /// The newest operation ids CloudFormation names, with their types (`CREATE_STACK`, `ROLLBACK`, …), newest first.
    pub last_operations: Vec<(String, String)>,
}

impl Stack {
    /// When the stack last began to change, as far as `DescribeStacks` knows.
    #[must_use]
    pub fn changed_at(&self) -> Timestamp {
        self.updated_at.unwrap_or(self.created_at)
    }

    /// The correlation id in the stack's tags (`CorrelationId`, in any of the spellings people use).
    #[must_use]
    pub fn correlation_tag(&self) -> Option<&str> {
        self.tags
            .iter()
            .find(|(key, _)| {
                let key: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
                key.eq_ignore_ascii_case("correlationid")
            })
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }
}

/// Whether there is a stack. That there is none is an answer, not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StackState {
    /// CloudFormation says that no such stack exists (or that it was deleted).
    Missing,
    /// The stack exists.
    Exists(Box<Stack>),
}

/// An answer, and when the service says it gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed<T> {
    /// The answer.
    pub value: T,
    /// The `Date` header of the answer: the service's own clock, whatever ours says. Whole seconds.
    pub server_time: Option<Timestamp>,
}

/// The status of a resource, or of a stack in its own event. Kept as text: the service's list lacks values it sends
/// (both `*_CLEANUP_IN_PROGRESS` and `REVIEW_IN_PROGRESS`; ansible/ansible#32396).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ResourceStatus(pub String);

/// Which way a resource's status points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourcePhase {
    /// Ends in `_IN_PROGRESS`.
    Started,
    /// Ends in `_COMPLETE`.
    Completed,
    /// Ends in `_FAILED`.
    Failed,
    /// `DELETE_SKIPPED`: kept by its deletion policy.
    Skipped,
    /// Anything else.
    Other,
}

impl ResourceStatus {
    /// The status in CloudFormation's spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which way it points.
    #[must_use]
    pub fn phase(&self) -> ResourcePhase {
        let text = self.0.as_str();
        if text.ends_with("_IN_PROGRESS") {
            ResourcePhase::Started
        } else if text.ends_with("_COMPLETE") {
            ResourcePhase::Completed
        } else if text.ends_with("_FAILED") {
            ResourcePhase::Failed
        } else if text.ends_with("_SKIPPED") {
            ResourcePhase::Skipped
        } else {
            ResourcePhase::Other
        }
    }
}

/// The type of a stack's own events, and of nested stacks.
pub const STACK_TYPE: &str = "AWS::CloudFormation::Stack";

/// One event of a stack, as `DescribeStackEvents` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackEvent {
    /// Unique id of the event.
    pub event_id: String,
    /// Id (ARN) of the stack the event belongs to.
    pub stack_id: String,
    /// Name of that stack.
    pub stack_name: String,
    /// The resource's name in the template.
    pub logical_id: String,
    /// The resource itself, once it has an id.
    pub physical_id: Option<String>,
    /// For example `AWS::ECS::Service`.
    pub resource_type: String,
    /// What happened to it.
    pub status: ResourceStatus,
    /// CloudFormation's words.
    pub reason: Option<String>,
    /// When, by AWS's clock.
    pub timestamp: Timestamp,
    /// Which operation it belongs to, where CloudFormation says so.
    pub operation_id: Option<String>,
    /// For example `CONFIGURATION_COMPLETE`.
    pub detailed_status: Option<String>,
    /// What a CloudFormation Hook said about the resource; only on events that tell of one.
    pub hook: Option<Hook>,
}

/// What a CloudFormation Hook (a check that runs before or after a resource is worked on) said, as an event tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hook {
    /// `HookType`: the hook's name, for example `Private::Guard::Buckets`.
    pub kind: String,
    /// `HookStatus`: `HOOK_IN_PROGRESS`, `HOOK_COMPLETE_SUCCEEDED`, `HOOK_COMPLETE_FAILED`, `HOOK_FAILED`.
    pub status: String,
    /// `HookStatusReason`: the hook's own words; the failed resource's event only says which hook failed.
    pub reason: Option<String>,
}

impl Hook {
    /// The hook of an event; `None` where it names none.
    #[must_use]
    pub fn of(kind: Option<&str>, status: Option<&str>, reason: Option<&str>) -> Option<Self> {
        let kind = kind.filter(|kind| !kind.is_empty())?.to_owned();
        Some(Self {
            kind,
            status: status.unwrap_or_default().to_owned(),
            reason: reason
                .filter(|reason| !reason.is_empty())
                .map(str::to_owned),
        })
    }

    /// Whether it did not let the resource pass, or could not be asked.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.status.ends_with("_FAILED")
    }
}

impl StackEvent {
    /// Whether this is the stack's own event: only then is the physical id the stack's id. The logical id proves nothing,
    /// since a nested stack may bear any.
    #[must_use]
    pub fn is_stack_itself(&self) -> bool {
        self.resource_type == STACK_TYPE
            && self.physical_id.as_deref() == Some(self.stack_id.as_str())
    }
}

/// One page of events, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsPage {
    /// The events, newest first.
    pub events: Vec<StackEvent>,
    /// Where the next older page begins; `None` at the end of the history.
    pub next: Option<String>,
}

/// One resource of a stack, as `ListStackResources` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackResource {
    /// The resource's name in the template.
    pub logical_id: String,
    /// The resource itself, once it has an id.
    pub physical_id: Option<String>,
    /// For example `AWS::ECS::Service`.
    pub resource_type: String,
    /// Its status.
    pub status: ResourceStatus,
    /// When that status began.
    pub changed_at: Timestamp,
}

/// Why CloudFormation could not be asked. A variant per thing the caller does next; the text is one sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StackError {
    /// A setting from which no question can be made; nothing was asked.
    #[error("AWS cannot be asked: {detail}")]
    Settings {
        /// Which setting, and what is wrong with it.
        detail: String,
    },
    /// The credential chain found nothing.
    #[error(
        "no AWS credentials found: {detail} (set AWS_PROFILE or AWS_ACCESS_KEY_ID, or configure OIDC for the workflow)"
    )]
    NoCredentials {
        /// What the chain said.
        detail: String,
    },
    /// The credentials were good once.
    #[error(
        "the AWS credentials have expired: {detail} (renew them: sign in again, or shorten the job)"
    )]
    Expired {
        /// AWS's words.
        detail: String,
    },
    /// AWS knows who asks and says no, or does not know who asks.
    #[error("AWS denied {action}: {detail} (allow the action in the role's IAM policy)")]
    Denied {
        /// The IAM action, for example `cloudformation:DescribeStacks`.
        action: String,
        /// AWS's words.
        detail: String,
    },
    /// Too many questions.
    #[error("AWS throttled {action}: {detail} (nothing to mend; it is asked again later)")]
    Throttled {
        /// The IAM action.
        action: String,
        /// AWS's words.
        detail: String,
    },
    /// No answer: name not resolved, refused, reset, timed out.
    #[error("AWS CloudFormation could not be reached: {detail}")]
    Unreachable {
        /// What went wrong.
        detail: String,
    },
    /// An answer that makes no sense, or an error of the service itself.
    #[error("AWS CloudFormation gave an answer that could not be used: {detail}")]
    Nonsense {
        /// What it said.
        detail: String,
    },
    /// The question itself was wrong: a bad name, a region that does not match.
    #[error("AWS refused the request: {detail}")]
    Invalid {
        /// AWS's words.
        detail: String,
    },
}

impl StackError {
    /// Whether asking again later can help without a person. Expired credentials are not among them for `wait` unless the
    /// chain can renew them, which the SDK has then already tried.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Throttled { .. } | Self::Unreachable { .. } | Self::Nonsense { .. } => true,
            Self::Settings { .. }
            | Self::NoCredentials { .. }
            | Self::Expired { .. }
            | Self::Denied { .. }
            | Self::Invalid { .. } => false,
        }
    }
}

/// The door through which stacks are seen: AWS itself in `stack-client`, a script in tests.
pub trait StackSource {
    /// Asks for the stack's state now. A stack that does not exist is [`StackState::Missing`].
    fn describe(&self, stack: &StackName) -> Result<Observed<StackState>, StackError>;
    /// One page of events, newest first; `next` as the last page gave it. A stack that does not exist has no events.
    fn events(
        &self,
        stack: &StackName,
        next: Option<&str>,
    ) -> Result<Observed<EventsPage>, StackError>;
    /// All resources of the stack (`ListStackResources`, every page).
    fn resources(&self, stack: &StackName) -> Result<Vec<StackResource>, StackError>;
    /// The template as it was given, JSON or YAML.
    fn template(&self, stack: &StackName) -> Result<String, StackError>;
}

/// How long a `REVIEW_IN_PROGRESS` counts as somebody about to execute a change set.
pub const REVIEW_GRACE: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_survives_the_round_trip() {
        for status in StackStatus::ALL {
            assert_eq!(StackStatus::parse(status.as_str()), status);
            assert_ne!(status.class(), StatusClass::Unknown, "{status}");
        }
        assert_eq!(
            StackStatus::parse("X_IN_PROGRESS").class(),
            StatusClass::InProgress
        );
        assert_eq!(
            StackStatus::parse("X_COMPLETE").class(),
            StatusClass::Unknown
        );
    }

    #[test]
    fn in_progress_is_exactly_what_the_name_says_but_for_a_parked_stack() {
        for status in StackStatus::ALL {
            let named = status.as_str().ends_with("_IN_PROGRESS")
                && status != StackStatus::ReviewInProgress;
            assert_eq!(status.class().is_in_progress(), named, "{status}");
        }
    }
}
