//! Reads the events of a deployment: the root stack and its nested stacks, each event once, merged by time.
//!
//! A poll reads newest first until the last event it knows, so it costs the same on a stack with ten events and with a hundred
//! thousand: one request for the root and one for each nested stack in progress. By event id and never by time alone: a
//! quarter of neighbouring events share a millisecond.

mod listing;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::clock::Timestamp;
use crate::ids::StackName;
use crate::progress::StackProgress;
use crate::stack::{ResourcePhase, STACK_TYPE, StackError, StackEvent, StackSource};

pub use listing::{Floor, Tail, begins_operation};

/// An event, and whether it was reported before (by an earlier run of this program).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The event.
    pub event: StackEvent,
    /// Whether [`Reader::resume`]'s tails say that it was reported already.
    pub reported: bool,
}

/// What one poll found. Nothing is remembered before [`Reader::commit`].
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Oldest first, all stacks merged.
    pub events: Vec<Seen>,
    /// The service's clock at the newest answer.
    pub server_time: Option<Timestamp>,
    /// Nested stacks that could not be read, and why; the others were.
    pub unread: Vec<(String, StackError)>,
    /// Nested stacks from which nothing more came.
    pub quiet: Vec<String>,
    tails: BTreeMap<String, Tail>,
}

/// Where the reading of a deployment's stacks stands.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    tails: BTreeMap<String, Tail>,
    // What an earlier run had reported; used for the first read of each stack, then dropped.
    before: BTreeMap<String, Tail>,
}

impl Reader {
    /// A reader that has read nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A reader that goes on where an earlier run stopped. Its first poll reads everything again from the floor, so that the
    /// state can be built anew, and marks what that run had reported.
    #[must_use]
    pub fn resume(before: BTreeMap<String, Tail>) -> Self {
        Self {
            tails: BTreeMap::new(),
            before,
        }
    }

    /// Where the reading of each stack stands, by stack id; what an earlier run left included.
    #[must_use]
    pub fn tails(&self) -> BTreeMap<String, Tail> {
        let mut all = self.before.clone();
        all.extend(self.tails.clone());
        all
    }

    /// Whether nothing has been read yet.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.tails.is_empty()
    }

    /// Remembers a batch as reported.
    pub fn commit(&mut self, batch: &Batch) {
        self.tails.extend(batch.tails.clone());
    }

    /// Forgets everything about a stack that was replaced by a new one of the same name.
    pub fn forget(&mut self) {
        self.tails.clear();
        self.before.clear();
    }

    /// Reads what is new of `root` (asked by its id once that is known) and of its nested stacks.
    ///
    /// Fails when the root cannot be read, or a nested stack for a reason that may pass: then nothing is handed out, so that
    /// nothing is told out of order.
    pub fn poll(
        &self,
        source: &dyn StackSource,
        root: &StackName,
        floor: &Floor,
        progress: &StackProgress,
    ) -> Result<Batch, StackError> {
        let mut batch = Batch::default();
        self.read_stack(source, root, floor, &mut batch)?;
        let mut done: BTreeSet<String> = BTreeSet::new();
        let mut waiting: VecDeque<(String, Timestamp)> = progress
            .nested_in_progress()
            .into_iter()
            .map(|node| (node.id.to_string(), node.since))
            .collect();
        waiting.extend(nested_in(&batch.events, progress));
        while let Some((id, since)) = waiting.pop_front() {
            if !done.insert(id.clone()) {
                continue;
            }
            let Ok(name) = id.parse::<StackName>() else {
                continue;
            };
            let before = batch.events.len();
            let floor = Floor::since(since);
            match self.read_stack(source, &name, &floor, &mut batch) {
                Ok(()) => {
                    let fresh = batch.events.get(before..).unwrap_or_default();
                    if fresh.is_empty() {
                        batch.quiet.push(id);
                    }
                    waiting.extend(nested_in(fresh, progress));
                }
                Err(error) if concerns_only_this_stack(&error) => batch.unread.push((id, error)),
                Err(error) => return Err(error),
            }
        }
        // Each stack's own order is kept for equal times; parents come before children.
        batch.events.sort_by_key(|seen| seen.event.timestamp);
        Ok(batch)
    }

    fn read_stack(
        &self,
        source: &dyn StackSource,
        stack: &StackName,
        floor: &Floor,
        batch: &mut Batch,
    ) -> Result<(), StackError> {
        let unknown = Tail::default();
        let known = self.tails.get(stack.as_str()).unwrap_or(&unknown);
        let listing = listing::read(source, stack, known, floor)?;
        batch.server_time = listing.server_time.or(batch.server_time);
        // A plain name is asked only until the id is known; what is remembered is kept under the id.
        let id = listing
            .newest_first
            .first()
            .map_or_else(|| stack.as_str().to_owned(), |event| event.stack_id.clone());
        let before = if known.is_empty() {
            self.before.get(&id)
        } else {
            None
        };
        let reported = before.map_or_else(BTreeSet::new, |tail| {
            listing::reported_by(tail, &listing.newest_first)
        });
        if !listing.newest_first.is_empty() {
            batch.tails.insert(id, Tail::of(&listing.newest_first));
        }
        let fresh = listing.newest_first.into_iter().rev();
        batch.events.extend(
            fresh
                .filter(|event| !known.contains(&event.event_id))
                .map(|event| Seen {
                    reported: reported.contains(&event.event_id),
                    event,
                }),
        );
        Ok(())
    }
}

// Nested stacks that these events name, and since when they are worked on. A child is read once its row has a physical id.
fn nested_in(events: &[Seen], progress: &StackProgress) -> Vec<(String, Timestamp)> {
    let mut found: Vec<(String, Timestamp)> = Vec::new();
    let mut began: BTreeMap<(&str, &str), Timestamp> = BTreeMap::new();
    for Seen { event, .. } in events {
        if event.resource_type != STACK_TYPE || event.is_stack_itself() {
            continue;
        }
        let row = (event.stack_id.as_str(), event.logical_id.as_str());
        if event.status.phase() == ResourcePhase::Started {
            began.entry(row).or_insert(event.timestamp);
        }
        let Some(id) = event.physical_id.as_deref() else {
            continue;
        };
        if !id.starts_with("arn:") || found.iter().any(|(known, _)| known == id) {
            continue;
        }
        let earlier = progress
            .rows()
            .iter()
            .find(|known| &*known.stack_id == row.0 && known.logical_id == row.1)
            .and_then(|known| known.started_at);
        let since = earlier
            .or_else(|| began.get(&row).copied())
            .unwrap_or(event.timestamp);
        found.push((id.to_owned(), since));
    }
    found
}

// Whether the error says something about this one stack and nothing about the next question.
fn concerns_only_this_stack(error: &StackError) -> bool {
    match error {
        StackError::Denied { .. } | StackError::Invalid { .. } => true,
        StackError::Settings { .. }
        | StackError::NoCredentials { .. }
        | StackError::Expired { .. }
        | StackError::Throttled { .. }
        | StackError::Unreachable { .. }
        | StackError::Nonsense { .. } => false,
    }
}
