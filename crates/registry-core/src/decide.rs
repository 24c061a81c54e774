//! May somebody deploy? The contract's table as one function: where the caller stands in the registry, and what CloudFormation
//! says about the stacks. Every program asks this one.

#[cfg(test)]
mod tests;

use crate::advice::next_steps;
use crate::clock::{Timestamp, whole_minutes};
use crate::deployment::ActiveDeployment;
use crate::ids::StackName;
use crate::slot::{Entry, Freeze, Standing, same_stack};
use crate::stack::{
    Observed, REVIEW_GRACE, Stack, StackError, StackSource, StackState, StatusClass,
};

/// What CloudFormation said about one stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The stack that was asked for.
    pub stack: StackName,
    /// The answer.
    pub answer: Result<Observed<StackState>, StackError>,
}

/// Asks for every one of `stacks`.
pub fn look(source: &dyn StackSource, stacks: &[StackName]) -> Vec<Seen> {
    stacks
        .iter()
        .map(|stack| Seen {
            stack: stack.clone(),
            answer: source.describe(stack),
        })
        .collect()
}

/// The answer to "may I deploy?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Yes: exit 0.
    May,
    /// Not now: exit 1.
    MayNot,
    /// It cannot be told: exit 2.
    CannotTell,
}

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No such stack.
    NoStackExists,
    /// The stack stands still in a state from which it can be deployed.
    StackIdle,
    /// Nothing is going on, but the stack needs a person's hand before it can be deployed.
    StackNeedsCleanup,
    /// The caller holds the environment, and a stack is in progress: its own.
    HeldByCaller,
    /// Another deployment is going on.
    ActiveDeploymentInProgress,
    /// Others come first.
    QueuedAhead,
    /// Nobody may start.
    Frozen,
    /// CloudFormation could not be asked, or said what we do not understand.
    StatusUnknown,
    /// The registry's lock could not be had in time.
    RegistryBusy,
    /// The registry cannot be used, and the caller requires it.
    RegistryUnavailable,
}

impl Reason {
    /// The word in JSON answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoStackExists => "NO_STACK_EXISTS",
            Self::StackIdle => "STACK_IDLE",
            Self::StackNeedsCleanup => "STACK_NEEDS_CLEANUP",
            Self::HeldByCaller => "HELD_BY_CALLER",
            Self::ActiveDeploymentInProgress => "ACTIVE_DEPLOYMENT_IN_PROGRESS",
            Self::QueuedAhead => "QUEUED_AHEAD",
            Self::Frozen => "FROZEN",
            Self::StatusUnknown => "STATUS_UNKNOWN",
            Self::RegistryBusy => "REGISTRY_BUSY",
            Self::RegistryUnavailable => "REGISTRY_UNAVAILABLE",
        }
    }
}

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The registry.
    Registry,
    /// CloudFormation.
    CloudFormation,
    /// CloudFormation alone, because the registry could not be used.
    Fallback,
}

impl Source {
    /// The word in JSON answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::CloudFormation => "cloudformation",
            Self::Fallback => "cloudformation_fallback",
        }
    }
}

/// The decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Yes, no, or cannot tell.
    pub verdict: Verdict,
    /// Why, as a word.
    pub reason: Reason,
    /// Why, as a sentence for people.
    pub message: String,
    /// Who said so.
    pub source: Source,
    /// What the caller must know although the answer is yes: the exact next commands.
    pub warning: Option<String>,
    /// The deployment that is in the way.
    pub active: Option<ActiveDeployment>,
    /// Who comes first, first one first.
    pub ahead: Vec<String>,
    /// The freeze, if that is the reason.
    pub freeze: Option<Freeze>,
    /// The status of each stack that exists and could be asked for, in CloudFormation's words.
    pub stacks: Vec<(String, String)>,
}

/// What the decision is made from, besides what CloudFormation said.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// The environment, for the answer's words.
    pub environment: &'a str,
    /// Where the caller stands.
    pub standing: &'a Standing,
    /// The registry's wall clock.
    pub now: Timestamp,
}

/// What all stacks together mean; the first that fits counts.
enum Together<'a> {
    InProgress(&'a Stack, Timestamp),
    CannotTell(String),
    NeedsCleanup(String),
    Idle,
    Missing,
}

/// The contract's table.
#[must_use]
pub fn decide(question: &Question<'_>, seen: &[Seen]) -> Decision {
    let stacks = together(seen, question);
    let mut decision = match question.standing {
        Standing::HeldByOther(entry) => held_by_other(entry, question, &stacks),
        Standing::HeldByCaller(entry) => held_by_caller(entry, question, &stacks),
        Standing::ReservedForCaller | Standing::Free => by_stacks(question, &stacks),
        Standing::Frozen(freeze) => match &stacks {
            Together::InProgress(..) => by_stacks(question, &stacks),
            Together::CannotTell(_)
            | Together::NeedsCleanup(_)
            | Together::Idle
            | Together::Missing => frozen(freeze, question),
        },
        Standing::Behind(ahead) => match &stacks {
            Together::InProgress(..) => Decision {
                ahead: ahead.clone(),
                ..by_stacks(question, &stacks)
            },
            Together::CannotTell(_)
            | Together::NeedsCleanup(_)
            | Together::Idle
            | Together::Missing => queued(ahead, question),
        },
    };
    decision.stacks = statuses(seen);
    decision
}

fn plain(verdict: Verdict, reason: Reason, source: Source, message: String) -> Decision {
    Decision {
        verdict,
        reason,
        message,
        source,
        warning: None,
        active: None,
        ahead: Vec::new(),
        freeze: None,
        stacks: Vec::new(),
    }
}

fn by_stacks(question: &Question<'_>, stacks: &Together<'_>) -> Decision {
    use Source::CloudFormation;
    let environment = question.environment;
    match stacks {
        Together::InProgress(stack, since) => Decision {
            active: Some(active_stack(stack, environment, *since)),
            ..plain(
                Verdict::MayNot,
                Reason::ActiveDeploymentInProgress,
                CloudFormation,
                format!("the stack {} is in {}", stack.name, stack.status),
            )
        },
        Together::CannotTell(why) => plain(
            Verdict::CannotTell,
            Reason::StatusUnknown,
            CloudFormation,
            why.clone(),
        ),
        Together::NeedsCleanup(warning) => Decision {
            warning: Some(warning.clone()),
            ..plain(
                Verdict::May,
                Reason::StackNeedsCleanup,
                CloudFormation,
                format!("nothing is deploying to {environment}, but its stack needs a hand first"),
            )
        },
        Together::Idle => plain(
            Verdict::May,
            Reason::StackIdle,
            CloudFormation,
            format!("nothing is deploying to {environment}"),
        ),
        Together::Missing => plain(
            Verdict::May,
            Reason::NoStackExists,
            CloudFormation,
            format!("{environment} has no stack yet"),
        ),
    }
}

fn held_by_other(entry: &Entry, question: &Question<'_>, stacks: &Together<'_>) -> Decision {
    let mut active = active_entry(entry, question.now);
    if let Together::InProgress(stack, _) = stacks
        && entry
            .stacks
            .iter()
            .any(|named| same_stack(named, &stack.name))
    {
        active.status = Some(stack.status.as_str().to_owned());
    }
    let place = if entry.environment == question.environment {
        question.environment.to_owned()
    } else {
        format!(
            "the stack {} (registered for {})",
            entry.stack_list(),
            entry.environment
        )
    };
    Decision {
        message: format!(
            "{} holds {place} since {}",
            entry.correlation_id,
            entry.started_at.human()
        ),
        active: Some(active),
        ..plain(
            Verdict::MayNot,
            Reason::ActiveDeploymentInProgress,
            Source::Registry,
            String::new(),
        )
    }
}

fn held_by_caller(entry: &Entry, question: &Question<'_>, stacks: &Together<'_>) -> Decision {
    match stacks {
        Together::InProgress(stack, _) => plain(
            Verdict::May,
            Reason::HeldByCaller,
            Source::Registry,
            format!(
                "{} holds {} itself; its stack {} is in {}",
                entry.correlation_id, question.environment, stack.name, stack.status
            ),
        ),
        Together::CannotTell(_)
        | Together::NeedsCleanup(_)
        | Together::Idle
        | Together::Missing => by_stacks(question, stacks),
    }
}

fn frozen(freeze: &Freeze, question: &Question<'_>) -> Decision {
    let until = freeze.until.map_or_else(
        || "until it is thawed".to_owned(),
        |until| format!("until {}", until.human()),
    );
    Decision {
        freeze: Some(freeze.clone()),
        ..plain(
            Verdict::MayNot,
            Reason::Frozen,
            Source::Registry,
            format!(
                "{} is frozen {until} by {}: {}",
                question.environment, freeze.by, freeze.reason
            ),
        )
    }
}

fn queued(ahead: &[String], question: &Question<'_>) -> Decision {
    let others = match ahead.len() {
        0 | 1 => String::new(),
        more => format!(" and {} more", more - 1),
    };
    let first = ahead.first().map_or("another", String::as_str);
    Decision {
        ahead: ahead.to_vec(),
        ..plain(
            Verdict::MayNot,
            Reason::QueuedAhead,
            Source::Registry,
            format!("{first}{others} comes first in {}", question.environment),
        )
    }
}

/// The contract's `active_deployment` of a registry entry.
#[must_use]
pub fn active_entry(entry: &Entry, now: Timestamp) -> ActiveDeployment {
    let text = |value: &str| (!value.is_empty()).then(|| value.to_owned());
    ActiveDeployment {
        correlation_id: text(&entry.correlation_id),
        environment: text(&entry.environment),
        stack_name: text(&entry.stack_list()),
        status: text(entry.status.as_str()),
        started_at: Some(entry.started_at.rfc3339()),
        elapsed_minutes: Some(whole_minutes(now.since(entry.started_at))),
        estimated_remaining_minutes: None,
        workflow_url: entry.workflow_url.clone(),
        source: Some(Source::Registry.as_str().to_owned()),
    }
}

/// The contract's `active_deployment` of a stack that CloudFormation works on; `now` by AWS's clock.
#[must_use]
pub fn active_stack(stack: &Stack, environment: &str, now: Timestamp) -> ActiveDeployment {
    ActiveDeployment {
        correlation_id: Some(stack.correlation_tag().unwrap_or(UNKNOWN).to_owned()),
        environment: (!environment.is_empty()).then(|| environment.to_owned()),
        stack_name: Some(stack.name.clone()),
        status: Some(stack.status.as_str().to_owned()),
        started_at: Some(stack.changed_at().rfc3339()),
        elapsed_minutes: Some(whole_minutes(now.since(stack.changed_at()))),
        estimated_remaining_minutes: None,
        workflow_url: None,
        source: Some(Source::CloudFormation.as_str().to_owned()),
    }
}

/// Whose deployment it is where only CloudFormation could be asked and the stack has no tag.
pub const UNKNOWN_IN_FALLBACK: &str = "unknown-fallback";

const UNKNOWN: &str = "unknown";

/// Marks what [`active_stack`] made as an answer of the fallback.
pub fn mark_fallback(active: &mut ActiveDeployment) {
    active.source = Some(Source::Fallback.as_str().to_owned());
    if active.correlation_id.as_deref() == Some(UNKNOWN) {
        active.correlation_id = Some(UNKNOWN_IN_FALLBACK.to_owned());
    }
}

/// Whether CloudFormation is working on `stack`; a young `REVIEW_IN_PROGRESS` counts, since somebody is about to execute it.
#[must_use]
pub fn is_working(stack: &Stack, now: Timestamp) -> bool {
    let class = stack.status.class();
    class.is_in_progress()
        || (class == StatusClass::Parked && now.since(stack.created_at) < REVIEW_GRACE)
}

/// The first of the stacks seen that CloudFormation works on, and AWS's time when it said so.
#[must_use]
pub fn working(seen: &[Seen], local: Timestamp) -> Option<(&Stack, Timestamp)> {
    seen.iter().find_map(|seen| match &seen.answer {
        Ok(observed) => match &observed.value {
            StackState::Exists(stack) => {
                let now = observed.server_time.unwrap_or(local);
                is_working(stack, now).then_some((&**stack, now))
            }
            StackState::Missing => None,
        },
        Err(_) => None,
    })
}

/// Whether every stack was asked for and CloudFormation works on none; `false` also when that cannot be told.
#[must_use]
pub fn all_idle(seen: &[Seen], local: Timestamp) -> bool {
    let known = |seen: &Seen| match &seen.answer {
        Ok(observed) => match &observed.value {
            StackState::Exists(stack) => stack.status.class() != StatusClass::Unknown,
            StackState::Missing => true,
        },
        Err(_) => false,
    };
    !seen.is_empty() && seen.iter().all(known) && working(seen, local).is_none()
}

/// What keeps one from saying that nothing goes on: a question without an answer, or a state we have never heard of.
#[must_use]
pub fn doubt(seen: &Seen) -> Option<StackError> {
    let observed = match &seen.answer {
        Err(error) => return Some(error.clone()),
        Ok(observed) => observed,
    };
    match &observed.value {
        StackState::Exists(stack) if stack.status.class() == StatusClass::Unknown => {
            Some(StackError::Nonsense {
                detail: format!(
                    "the stack {} is in the state {:?}, which is not known",
                    stack.name,
                    stack.status.as_str()
                ),
            })
        }
        StackState::Exists(_) | StackState::Missing => None,
    }
}

fn together<'a>(seen: &'a [Seen], question: &Question<'_>) -> Together<'a> {
    if let Some((stack, now)) = working(seen, question.now) {
        return Together::InProgress(stack, now);
    }
    let mut exists = false;
    let mut doubts = Vec::new();
    let mut cleanups = Vec::new();
    for seen in seen {
        let stack = match &seen.answer {
            Err(error) => {
                doubts.push(error.to_string());
                continue;
            }
            Ok(observed) => match &observed.value {
                StackState::Missing => continue,
                StackState::Exists(stack) => stack,
            },
        };
        match stack.status.class() {
            StatusClass::Unknown => doubts.push(format!(
                "the stack {} is in {}, a state this version does not know",
                stack.name, stack.status
            )),
            StatusClass::Succeeded | StatusClass::RolledBack => exists = true,
            StatusClass::DeleteOnly | StatusClass::NeedsDecision | StatusClass::Parked => {
                cleanups.push(needs_cleanup(stack, &seen.stack));
            }
            // As good as missing; or answered above.
            StatusClass::Deleted
            | StatusClass::InProgress
            | StatusClass::CleaningUp
            | StatusClass::RollingBack
            | StatusClass::Deleting => {}
        }
    }
    if seen.is_empty() {
        doubts.push("no stack was asked for".to_owned());
    }
    if !doubts.is_empty() {
        doubts.dedup();
        Together::CannotTell(doubts.join("; "))
    } else if !cleanups.is_empty() {
        Together::NeedsCleanup(cleanups.join(" "))
    } else if exists {
        Together::Idle
    } else {
        Together::Missing
    }
}

/// The warning for a stack that needs a person's hand: its state, and the exact next commands, every way out.
#[must_use]
pub fn needs_cleanup(stack: &Stack, name: &StackName) -> String {
    let steps =
        next_steps(&stack.status, name).map_or_else(String::new, |steps| format!(" {steps}."));
    format!("The stack {} is in {}.{steps}", stack.name, stack.status)
}

fn statuses(seen: &[Seen]) -> Vec<(String, String)> {
    seen.iter()
        .filter_map(|seen| match &seen.answer {
            Ok(observed) => match &observed.value {
                StackState::Exists(stack) => {
                    Some((seen.stack.to_string(), stack.status.as_str().to_owned()))
                }
                StackState::Missing => None,
            },
            Err(_) => None,
        })
        .collect()
}
