//! Which failure is the cause: the first that failed for a reason of its own.
//!
//! CloudFormation cancels everything else once one resource has failed ("Resource creation cancelled"), and a parent stack
//! repeats its nested stack's failure ("Embedded stack … was not successfully created"). Neither is a cause while a better one
//! is known (aws-cdk-cli `resource-errors.ts` drops both).

use std::time::Duration;

use crate::clock::Timestamp;
use crate::stack::{STACK_TYPE, StackEvent};

/// Failures within this time of the first are told along with it: they are likely of one cause, or each its own.
const CO_CAUSE_WINDOW: Duration = Duration::from_secs(5);

/// How many companions are kept; a hundred roles with one bad tag need not all be named.
const MOST_COMPANIONS: usize = 20;

/// How near to the cause a failure is. The order is the order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CauseKind {
    /// A resource that failed with a reason of its own.
    Resource,
    /// A resource that failed, and CloudFormation gave no reason.
    WithoutReason,
    /// A nested stack's row in its parent; what failed inside was not seen.
    NestedStack,
    /// The stack's own words; no failing resource was seen (a record that begins later, a time-out, a person's cancellation).
    StackItself,
}

/// One failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The event that told it.
    pub event_id: String,
    /// The stack it happened in.
    pub stack_id: String,
    /// The resource's name in its template.
    pub logical_id: String,
    /// Logical ids from the root down to the resource; one name for a resource of the root.
    pub chain: Vec<String>,
    /// For example `AWS::ECS::Service`.
    pub resource_type: String,
    /// `CREATE_FAILED` and its kin.
    pub status: String,
    /// CloudFormation's words; empty when it gave none.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// How near to the cause it is.
    pub kind: CauseKind,
}

impl Failure {
    pub(crate) fn of(event: &StackEvent, kind: CauseKind, chain: Vec<String>) -> Self {
        Self {
            event_id: event.event_id.clone(),
            stack_id: event.stack_id.clone(),
            logical_id: event.logical_id.clone(),
            chain,
            resource_type: event.resource_type.clone(),
            status: event.status.as_str().to_owned(),
            reason: event.reason.clone().unwrap_or_default(),
            at: event.timestamp,
            kind,
        }
    }

    /// One line for a person: `Database > Cluster (AWS::RDS::DBCluster): Cannot find version 15.3 …`.
    #[must_use]
    pub fn sentence(&self) -> String {
        let place = self.chain.join(" > ");
        let reason = if self.reason.is_empty() {
            "CloudFormation gave no reason"
        } else {
            self.reason.as_str()
        };
        match self.kind {
            CauseKind::StackItself => format!("{place}: {reason}"),
            CauseKind::Resource | CauseKind::WithoutReason | CauseKind::NestedStack => {
                format!("{place} ({}) {}: {reason}", self.resource_type, self.status)
            }
        }
    }

    /// The resources that the reason names as failed: `The following resource(s) failed to create: [A, B]`.
    #[must_use]
    pub fn named_resources(&self) -> Vec<&str> {
        let Some((_, rest)) = self.reason.split_once("resource(s) failed to ") else {
            return Vec::new();
        };
        let Some((_, list)) = rest.split_once('[') else {
            return Vec::new();
        };
        list.split(']')
            .next()
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .collect()
    }
}

/// Whether a failed row only says that something else failed first: "Resource creation cancelled".
pub(crate) fn is_cancellation(reason: &str) -> bool {
    let reason = reason.trim().trim_end_matches('.').to_lowercase();
    let words: Vec<&str> = reason.split_whitespace().collect();
    // "Resource creation cancelled", "Resource update cancelled"; both spellings, and nothing longer, since a service's own
    // words may well contain "cancelled".
    matches!(words.as_slice(), ["resource", _, "cancelled" | "canceled"])
}

/// What a failed resource's event is as a cause; `None` for a cancellation.
pub(crate) fn classify(event: &StackEvent) -> Option<CauseKind> {
    let reason = event.reason.as_deref().unwrap_or_default().trim();
    if is_cancellation(reason) {
        return None;
    }
    if reason.is_empty() {
        return Some(CauseKind::WithoutReason);
    }
    // A nested stack may fail for a reason of its own ("Requires capabilities : [CAPABILITY_AUTO_EXPAND]"); then nothing
    // inside it was ever begun. Only a repetition of what happened inside is second-hand.
    let repeats =
        reason.starts_with("Embedded stack ") || reason.contains("resource(s) failed to ");
    if event.resource_type == STACK_TYPE && repeats {
        return Some(CauseKind::NestedStack);
    }
    Some(CauseKind::Resource)
}

/// The failures of one attempt so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Causes {
    real: Vec<Failure>,
    // The best second-hand one; told only when the stack gives up and nothing better was seen.
    deferred: Option<Failure>,
    gave_up: bool,
    told: Option<String>,
}

/// What a new failure changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Nothing,
    Found,
    Revised,
}

impl Causes {
    /// Takes one more failure in.
    pub(crate) fn add(&mut self, failure: Failure) -> Change {
        if failure.kind == CauseKind::Resource {
            // After the stack gave up, only what failed in that same moment is still a cause and no consequence.
            let last = self.real.iter().map(|known| known.at).max();
            let late = last.is_some_and(|at| failure.at.since(at) > CO_CAUSE_WINDOW);
            if !(late && self.gave_up) && self.real.len() <= MOST_COMPANIONS {
                self.real.push(failure);
                self.real.sort_by_key(|known| known.at);
            }
        } else if self
            .deferred
            .as_ref()
            .is_none_or(|known| (failure.kind, failure.at) < (known.kind, known.at))
        {
            self.deferred = Some(failure);
        }
        self.tell()
    }

    /// The stack rolls back or has failed: what is known now must do. `own` is the stack's own event.
    pub(crate) fn give_up(&mut self, own: Failure) -> Change {
        self.gave_up = true;
        if self.deferred.is_none() {
            self.deferred = Some(own);
        }
        self.tell()
    }

    pub(crate) fn first(&self) -> Option<&Failure> {
        self.real
            .first()
            .or_else(|| self.deferred.as_ref().filter(|_| self.gave_up))
    }

    pub(crate) fn companions(&self) -> Vec<&Failure> {
        let Some(first) = self.real.first() else {
            return Vec::new();
        };
        self.real
            .iter()
            .skip(1)
            .filter(|failure| failure.at.since(first.at) <= CO_CAUSE_WINDOW)
            .collect()
    }

    fn tell(&mut self) -> Change {
        let first = self.first().map(|failure| failure.event_id.clone());
        if first.is_none() || first == self.told {
            return Change::Nothing;
        }
        let change = if self.told.is_none() {
            Change::Found
        } else {
            Change::Revised
        };
        self.told = first;
        change
    }
}
