//! What has ended: kept in the environment's item as long as there is room, so that an end is one step; the oldest move to
//! items of their own, which are written before the environment's item lets go of them.

use std::time::Duration;

use registry_core::clock::Timestamp;
use registry_core::slot::{Entry, KEPT_FOR, Slot, Tombstone};
use registry_core::store::StoreError;
use registry_core::store::format::slot_to_value;

use crate::item::{Attributes, Key, ended_item, read_body};

/// The item of an environment is made smaller when it has more bytes than this. A write is charged by the size of its item.
pub(crate) const ROOMY: usize = 16 * 1024;
/// To so many bytes, so that it is not done again with the next write.
const SLIM: usize = 8 * 1024;
/// What is decided about an environment must fit into so many bytes.
pub(crate) const MOST: usize = 50 * 1024;
/// Of these so many are kept for the holder: nobody takes a place in the queue where the head could no longer become it.
pub(crate) const FOR_THE_HOLDER: usize = 10 * 1024;
/// When DynamoDB may delete what has ended: long after nobody reads it any more.
const GARBAGE_AFTER: Duration = Duration::from_secs(30 * 24 * 3600);

/// Records that have items of their own, added to a slot so that its rules see them.
#[derive(Debug, Default)]
pub(crate) struct Guests {
    past: Vec<Entry>,
    ended: Vec<Tombstone>,
}

impl Guests {
    /// Adds what `items` have and the slot does not know better: whatever it has of an id itself is newer.
    pub(crate) fn invite(
        &mut self,
        slot: &mut Slot,
        items: &[Attributes],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let recent = |at: Timestamp| now.since(at) < KEPT_FOR;
        for item in items {
            let part = read_body(&slot.environment, item)?;
            for entry in part.past {
                if recent(ended_at(&entry)) && !slot.knows(&entry.correlation_id) {
                    self.past.push(entry.clone());
                    slot.past.push(entry);
                }
            }
            for tombstone in part.ended {
                if recent(tombstone.ended.at) && !slot.knows(&tombstone.correlation_id) {
                    self.ended.push(tombstone.clone());
                    slot.ended.push(tombstone);
                }
            }
        }
        Ok(())
    }

    /// Takes out of `slot` what was only a guest and is as it was.
    pub(crate) fn leave(&self, slot: &mut Slot) {
        slot.past.retain(|entry| !self.past.contains(entry));
        slot.ended
            .retain(|tombstone| !self.ended.contains(tombstone));
    }
}

/// When an entry that holds nothing ended; the old scripts wrote no such time.
fn ended_at(entry: &Entry) -> Timestamp {
    let ended = entry.ended.as_ref().map(|ended| ended.at);
    ended.unwrap_or(entry.updated_at.max(entry.started_at))
}

/// What moves to items of its own.
#[derive(Debug, Default)]
pub(crate) struct Spilled {
    /// The items, to be written before the slot.
    pub(crate) items: Vec<Attributes>,
    /// When the newest of it ended.
    pub(crate) newest: Option<Timestamp>,
}

/// Takes the oldest of what has ended out of `slot` if it has grown too large.
pub(crate) fn spill(namespace: &str, slot: &mut Slot) -> Spilled {
    let size = length(slot);
    let mut spilled = Spilled::default();
    if size <= ROOMY {
        return spilled;
    }
    let mut parts: Vec<(Timestamp, String, Slot)> = Vec::new();
    for entry in std::mem::take(&mut slot.past) {
        let mut part = Slot::new(&slot.environment);
        let (at, id) = (ended_at(&entry), entry.correlation_id.clone());
        part.past.push(entry);
        parts.push((at, id, part));
    }
    for tombstone in std::mem::take(&mut slot.ended) {
        let mut part = Slot::new(&slot.environment);
        let (at, id) = (tombstone.ended.at, tombstone.correlation_id.clone());
        part.ended.push(tombstone);
        parts.push((at, id, part));
    }
    parts.sort_by_key(|(at, ..)| *at);
    let mut excess = size.saturating_sub(SLIM);
    for (at, id, part) in parts {
        if excess == 0 {
            slot.past.extend(part.past);
            slot.ended.extend(part.ended);
            continue;
        }
        excess = excess.saturating_sub(length(&part));
        let key = Key::ended(namespace, &slot.environment, &id);
        spilled
            .items
            .push(ended_item(&key, &part, at, at + GARBAGE_AFTER));
        spilled.newest = spilled.newest.max(Some(at));
    }
    spilled
}

fn length(slot: &Slot) -> usize {
    slot_to_value(slot).to_string().len()
}
