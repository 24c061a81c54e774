//! What a monitor must know after it was killed: where its reading and its log stand, and what it has told.
//!
//! Everything else (what runs, what failed) is built anew from the events, so it cannot disagree with them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use registry_core::clock::Timestamp;
use registry_core::reader::{Floor, Tail};
use registry_core::store::atomic;
use serde::{Deserialize, Serialize};

use crate::log::Position;

/// Version of the file; one we do not know is not read, and the monitor starts anew.
const VERSION: u32 = 1;

/// Where this deployment's events begin, as it is kept on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedFloor {
    after_event: Option<String>,
    since_ms: Option<i64>,
    newest_operation: bool,
}

impl From<&Floor> for SavedFloor {
    fn from(floor: &Floor) -> Self {
        Self {
            after_event: floor.after_event.clone(),
            since_ms: floor.since.map(Timestamp::millis),
            newest_operation: floor.newest_operation,
        }
    }
}

impl From<&SavedFloor> for Floor {
    fn from(saved: &SavedFloor) -> Self {
        Self {
            after_event: saved.after_event.clone(),
            since: saved.since_ms.map(Timestamp::from_millis),
            newest_operation: saved.newest_operation,
        }
    }
}

/// The cursor of one stack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Cursor {
    version: u32,
    /// The stack's id, once its operation was seen.
    pub(crate) stack_id: Option<String>,
    /// Where this deployment's events begin.
    pub(crate) floor: Option<SavedFloor>,
    /// Which registration the floor belongs to; empty for an id that was never registered.
    pub(crate) registration: String,
    /// The newest event ids of each stack, newest first.
    pub(crate) tails: BTreeMap<String, Vec<String>>,
    /// Up to where the log was synced when this was saved.
    pub(crate) log: Option<Position>,
    /// Keys of everything that was told to Slack.
    pub(crate) told: BTreeSet<String>,
    /// When the monitor first looked, by AWS's clock, in milliseconds since 1970.
    pub(crate) first_look_ms: Option<i64>,
    /// When the failure was found after which it lingers, by AWS's clock.
    pub(crate) failed_at_ms: Option<i64>,
    /// The attempts on stacks of the same name before the current stack id.
    pub(crate) attempts_before: u32,
    /// How it ended; none while it is to be continued.
    pub(crate) outcome: Option<String>,
    #[serde(skip)]
    saved: Vec<u8>,
}

impl Cursor {
    /// Reads a cursor. One that is missing, or makes no sense, is a new one: then everything since the floor is read again.
    pub(crate) fn load(path: &Path) -> Self {
        std::fs::read(path)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok())
            .filter(|cursor| cursor.version == VERSION)
            .unwrap_or_default()
    }

    /// Replaces the file in one step, durably, unless it says the same already.
    pub(crate) fn save_if_changed(&mut self, path: &Path) -> io::Result<()> {
        self.version = VERSION;
        let bytes = serde_json::to_vec(self)?;
        if bytes != self.saved {
            atomic::write(path, &bytes, 0o644)?;
            self.saved = bytes;
        }
        Ok(())
    }

    /// The tails as the reader takes them.
    pub(crate) fn reader_tails(&self) -> BTreeMap<String, Tail> {
        self.tails
            .iter()
            .map(|(stack, ids)| (stack.clone(), Tail::from_ids(ids.clone())))
            .collect()
    }

    /// Keeps the reader's tails.
    pub(crate) fn keep_tails(&mut self, tails: &BTreeMap<String, Tail>) {
        self.tails = tails
            .iter()
            .map(|(stack, tail)| (stack.clone(), tail.ids().to_vec()))
            .collect();
    }
}
