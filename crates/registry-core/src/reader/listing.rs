//! One stack's events, newest first, down to what is known.

use std::collections::BTreeSet;

use crate::clock::Timestamp;
use crate::ids::StackName;
use crate::stack::{StackError, StackEvent, StackSource};

/// How many of the newest event ids are remembered for each stack. Events that turn up late are found among as many.
const REMEMBERED: usize = 16;

/// The newest events of a stack that were read: their ids, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tail(Vec<String>);

impl Tail {
    /// From ids, newest first.
    #[must_use]
    pub fn from_ids(ids: Vec<String>) -> Self {
        Self(ids)
    }

    /// The ids, newest first.
    #[must_use]
    pub fn ids(&self) -> &[String] {
        &self.0
    }

    pub(super) fn of(newest_first: &[StackEvent]) -> Self {
        Self(
            newest_first
                .iter()
                .take(REMEMBERED)
                .map(|event| event.event_id.clone())
                .collect(),
        )
    }

    pub(super) fn contains(&self, event_id: &str) -> bool {
        self.0.iter().any(|id| id == event_id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Where this deployment's events begin; older ones are not read. The first limit that is met ends the reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Floor {
    /// Only what is newer than this event.
    pub after_event: Option<String>,
    /// Only what happened at this time or later.
    pub since: Option<Timestamp>,
    /// Only the newest operation: from the stack's own event that began it.
    pub newest_operation: bool,
}

impl Floor {
    /// From a moment on.
    #[must_use]
    pub fn since(moment: Timestamp) -> Self {
        Self {
            since: Some(moment),
            ..Self::default()
        }
    }

    /// From the newest operation's beginning on.
    #[must_use]
    pub fn newest_operation() -> Self {
        Self {
            newest_operation: true,
            ..Self::default()
        }
    }

    fn excludes(&self, event: &StackEvent) -> bool {
        self.after_event.as_ref() == Some(&event.event_id)
            || self.since.is_some_and(|since| event.timestamp < since)
    }

    fn ends_with(&self, event: &StackEvent) -> bool {
        self.newest_operation && begins_operation(event)
    }
}

/// Whether this is the stack's own event that begins an operation, and no phase of one.
#[must_use]
pub fn begins_operation(event: &StackEvent) -> bool {
    event.is_stack_itself()
        && matches!(
            event.status.as_str(),
            "CREATE_IN_PROGRESS"
                | "UPDATE_IN_PROGRESS"
                | "IMPORT_IN_PROGRESS"
                | "DELETE_IN_PROGRESS"
        )
}

pub(super) struct Listing {
    /// Everything from the newest event down to the oldest remembered one, without a gap.
    pub(super) newest_first: Vec<StackEvent>,
    pub(super) server_time: Option<Timestamp>,
}

/// Reads pages until one has a known event, or the floor.
pub(super) fn read(
    source: &dyn StackSource,
    stack: &StackName,
    known: &Tail,
    floor: &Floor,
) -> Result<Listing, StackError> {
    let mut newest_first: Vec<StackEvent> = Vec::new();
    let mut ids: BTreeSet<String> = BTreeSet::new();
    let mut token: Option<String> = None;
    loop {
        let answer = source.events(stack, token.as_deref())?;
        let mut reached = false;
        for event in answer.value.events {
            if floor.excludes(&event) {
                reached = true;
                break;
            }
            reached |= known.contains(&event.event_id);
            let last = floor.ends_with(&event);
            // A page may repeat what the one before had when events came in between.
            if ids.insert(event.event_id.clone()) {
                newest_first.push(event);
            }
            if last {
                reached = true;
                break;
            }
        }
        let next = answer.value.next;
        if reached || next.is_none() || next == token {
            cut_below_known(&mut newest_first, known);
            return Ok(Listing {
                newest_first,
                server_time: answer.server_time,
            });
        }
        token = next;
    }
}

// Below the oldest event we remember everything was read before, though it is not remembered. Above it everything that we do
// not remember is new, also what turned up late between two that we know.
fn cut_below_known(newest_first: &mut Vec<StackEvent>, known: &Tail) {
    if let Some(oldest) = newest_first
        .iter()
        .rposition(|event| known.contains(&event.event_id))
    {
        newest_first.truncate(oldest + 1);
    }
}

/// The ids that an earlier run had reported when its tail was `tail`: the remembered ones and all that is older.
pub(super) fn reported_by(tail: &Tail, newest_first: &[StackEvent]) -> BTreeSet<String> {
    let oldest = newest_first
        .iter()
        .rposition(|event| tail.contains(&event.event_id));
    newest_first
        .iter()
        .enumerate()
        .filter(|(position, event)| {
            tail.contains(&event.event_id) || oldest.is_some_and(|oldest| *position > oldest)
        })
        .map(|(_, event)| event.event_id.clone())
        .collect()
}
