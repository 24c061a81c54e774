//! The retry queue: messages that are not delivered yet, one file each, in a folder for this user only.
//!
//! Two locks, both freed by the kernel: `queue.lock` for the moments in which files change, `sender.lock` for as long as one
//! message is being sent. Whoever holds the latter holds the only right to send, so a message is never sent twice at once and
//! those of one deployment keep their order. Order of taking: sender, then queue.

mod entry;
mod files;
mod pace;
mod status;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use registry_core::clock::{Clock, Timestamp};
use registry_core::notification::{Kind, Notification};
use registry_core::store::atomic;
use registry_core::store::lock::{LockError, Patience, with_lock};
use thiserror::Error;

pub use entry::{Attempt, Entry, Parked, Unsure};
pub(crate) use files::Care;
pub(crate) use pace::PACE;
pub use status::{Line, Remembered, Status};

use crate::hash;
use entry::Unreadable;
use files::Folder;
use pace::State;

/// Why the queue cannot be used; the text is one sentence.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// A file or the folder cannot be read or written.
    #[error("the retry queue {} cannot be used: {source}", .path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process is at work in it.
    #[error(transparent)]
    Lock(#[from] LockError),
}

/// A message on its way into the queue.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) notification: Notification,
    pub(crate) channel: String,
    pub(crate) key: Option<String>,
    pub(crate) console_url: Option<String>,
    pub(crate) happened_at: Timestamp,
}

/// What came of queueing a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enqueued {
    /// It is in the queue now.
    New {
        /// Its name.
        message_id: String,
    },
    /// A message was queued under this key before: it waits, is a dead letter, or was delivered.
    Known {
        /// Its name.
        message_id: String,
    },
}

impl Enqueued {
    /// The message's name.
    #[must_use]
    pub fn message_id(&self) -> &str {
        match self {
            Self::New { message_id } | Self::Known { message_id } => message_id,
        }
    }
}

/// Retries after the first send; then a message is a dead letter.
pub(crate) const RETRIES: u32 = 5;
/// How long a delivered message's key is remembered. A monitor's log outlives no deployment by more.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 3600);
/// Progress and stalls are of no use after this.
const USEFUL: Duration = Duration::from_secs(30 * 60);
/// Files change in moments; who waits longer for that waits for something broken.
const QUEUE_PATIENCE: Patience = Patience::up_to(Duration::from_secs(10));

/// The queue.
#[derive(Clone)]
pub struct Spool {
    folder: Folder,
    clock: Arc<dyn Clock>,
    // Where messages go that name no channel (the scripts' did not).
    updates: String,
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Spool").field(&self.folder).finish()
    }
}

impl Spool {
    /// The queue in a folder, which need not exist yet.
    pub fn new(folder: PathBuf, updates: String, clock: Arc<dyn Clock>) -> Self {
        Self {
            folder: Folder::new(folder),
            clock,
            updates,
        }
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn io(&self, source: io::Error) -> SpoolError {
        SpoolError::Io {
            path: self.folder.path().to_owned(),
            source,
        }
    }

    /// What a person should mend about the folder: others can read the messages, and only its owner can change that.
    pub(crate) fn complaint(&self) -> Option<String> {
        self.folder.stays_open().then(|| {
            format!(
                "the retry queue {} is open to other users and not this user's alone: give SLACK_QUEUE_DIR a folder of its own (mode 700)",
                self.path().display()
            )
        })
    }

    fn change<T>(&self, work: impl FnOnce() -> io::Result<T>) -> Result<T, SpoolError> {
        self.folder.create().map_err(|error| self.io(error))?;
        let lock = self.folder.lock_path("queue");
        with_lock(&lock, &*self.clock, QUEUE_PATIENCE, |_| work())?.map_err(|error| self.io(error))
    }

    /// Runs `work` as the only sender. `Err(Busy)` when another one is sending for longer than `patience`.
    pub(crate) fn as_sender<T>(
        &self,
        patience: Duration,
        work: impl FnOnce() -> T,
    ) -> Result<T, SpoolError> {
        self.folder.create().map_err(|error| self.io(error))?;
        let lock = self.folder.lock_path("sender");
        Ok(with_lock(
            &lock,
            &*self.clock,
            Patience::up_to(patience),
            |_| work(),
        )?)
    }

    /// Puts a message into the queue; nothing is sent.
    pub(crate) fn enqueue(&self, draft: Draft, care: Care) -> Result<Enqueued, SpoolError> {
        self.change(|| {
            let (waiting, dead) = self.folder.names()?;
            let ending = match &draft.key {
                Some(key) => {
                    let ending = format!("-k{}", hash::of(key));
                    let delivered = self.folder.delivered_names()?;
                    let mut known = waiting.iter().chain(&dead).chain(&delivered);
                    if let Some(known) = known.find(|name| name.ends_with(&ending)) {
                        return Ok(Enqueued::Known {
                            message_id: known.clone(),
                        });
                    }
                    ending
                }
                None => format!("-{:08x}", getrandom::u32().unwrap_or(std::process::id())),
            };
            // Also when the clock was set back, a later message comes after those that wait.
            let last = waiting.iter().filter_map(|name| sequence_of(name)).max();
            let sequence = self
                .clock
                .now()
                .millis()
                .max(last.unwrap_or(0).saturating_add(1));
            let message_id = format!("{sequence:013}{ending}");
            let mut entry = Entry::new(
                message_id.clone(),
                sequence,
                draft.notification,
                draft.channel,
                self.clock.now(),
            );
            entry.key = draft.key;
            entry.console_url = draft.console_url;
            entry.happened_at = draft.happened_at;
            self.store(&entry, care)?;
            if entry.notification.kind() == Kind::Progress && !waiting.is_empty() {
                self.tidy_up(&mut self.read_state())?;
            }
            Ok(Enqueued::New { message_id })
        })
    }

    /// The messages that wait, in order, and what else there is.
    pub fn waiting(&self) -> Result<Vec<Entry>, SpoolError> {
        let (entries, _) = self.read_waiting().map_err(|error| self.io(error))?;
        Ok(entries)
    }

    // The readable entries in order; the others with what is wrong.
    fn read_waiting(&self) -> io::Result<(Vec<Entry>, Vec<BadFile>)> {
        let (names, _) = self.folder.names()?;
        let mut entries = Vec::with_capacity(names.len());
        let mut unreadable = Vec::new();
        for name in names {
            match self.read(&self.folder.message_path(&name), &name)? {
                Some(Ok(entry)) => entries.push(entry),
                Some(Err(why)) => unreadable.push((name, why)),
                None => {}
            }
        }
        entries.sort_by(|a, b| (a.sequence, &a.message_id).cmp(&(b.sequence, &b.message_id)));
        Ok((entries, unreadable))
    }

    // `None`: it is gone meanwhile.
    fn read(&self, path: &Path, id: &str) -> io::Result<Option<Result<Entry, Unreadable>>> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Some(Entry::read(id, &bytes, &self.updates))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn store(&self, entry: &Entry, care: Care) -> io::Result<()> {
        let path = self.folder.message_path(&entry.message_id);
        self.folder.write(&path, &entry.to_text(), care)
    }

    fn state_path(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn read_state(&self) -> State {
        std::fs::read(self.state_path())
            .map_or_else(|_| State::default(), |bytes| State::read(&bytes))
    }

    // Losing it costs a count; a message is worth more than an error about that.
    fn write_state(&self, state: &State) {
        let _counted = self
            .folder
            .write(&self.state_path(), &state.to_text(), Care::ForNow);
    }

    /// What waits, in order, after damaged files were put aside and what is of no use any more was dropped.
    pub(crate) fn survey(&self) -> Result<Vec<Entry>, SpoolError> {
        self.change(|| self.tidy_up(&mut self.read_state()))
    }

    // Holding queue.lock.
    fn tidy_up(&self, state: &mut State) -> io::Result<Vec<Entry>> {
        let before = state.clone();
        let now = self.clock.now();
        let (entries, unreadable) = self.read_waiting()?;
        for (name, why) in unreadable {
            match why {
                Unreadable::Damaged(_) => self.folder.put_aside(&name)?,
                Unreadable::Newer(_) => {}
            }
        }
        let mut kept = Vec::with_capacity(entries.len());
        for (at, entry) in entries.iter().enumerate() {
            let path = self.folder.message_path(&entry.message_id);
            if entry.notification.kind().expires() && now.since(entry.happened_at) > USEFUL {
                state.expired += 1;
                Folder::remove(&path)?;
            } else if is_replaced(entry, &entries[at + 1..]) {
                state.replaced += 1;
                Folder::remove(&path)?;
            } else if entry.failures > RETRIES {
                // Whoever counted the last failure died before it was buried.
                self.folder.bury(&entry.message_id)?;
            } else {
                kept.push(entry.clone());
            }
        }
        if *state != before {
            self.write_state(state);
        }
        Ok(kept)
    }

    /// Forgets keys that are old enough, removes what killed processes left, and puts damaged files aside: a sentence on each.
    pub(crate) fn sweep(&self) -> Result<Vec<String>, SpoolError> {
        self.change(|| {
            let now = self.clock.now();
            let mut damaged = Vec::new();
            for (name, why) in self.read_waiting()?.1 {
                if let Unreadable::Damaged(why) = why {
                    self.folder.put_aside(&name)?;
                    damaged.push(format!(
                        "{name}.json is no message ({why}): it lies in corrupt/ now"
                    ));
                }
            }
            for name in self.folder.delivered_names()? {
                let since = sequence_of(&name).map(Timestamp::from_millis);
                if since.is_none_or(|since| now.since(since) > REMEMBERED) {
                    Folder::remove(&self.folder.delivered_path(&name))?;
                }
            }
            // Every writer holds queue.lock, so no temporary file belongs to a living one.
            for file in std::fs::read_dir(self.folder.path())? {
                let file = file?;
                let name = file.file_name();
                let name = name.to_string_lossy();
                if name.starts_with('.') && name.ends_with(atomic::TEMP_SUFFIX) {
                    Folder::remove(&file.path())?;
                }
            }
            Ok(damaged)
        })
    }

    /// Writes a message's new state, if it is still in the queue. Whether it is.
    pub(crate) fn update(&self, entry: &Entry, care: Care) -> Result<bool, SpoolError> {
        self.change(|| {
            let exists = self.folder.message_path(&entry.message_id).exists();
            if exists {
                self.store(entry, care)?;
            }
            Ok(exists)
        })
    }

    /// Makes durable what was queued without care.
    pub(crate) fn sync(&self, id: &str) -> Result<(), SpoolError> {
        match self.folder.sync(&self.folder.message_path(id)) {
            // Somebody else has sent it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(|error| self.io(error)),
        }
    }

    /// A message arrived. `keep`: its text is still needed, or its key must be remembered.
    pub(crate) fn delivered(&self, entry: &Entry, keep: bool) -> Result<(), SpoolError> {
        self.change(|| {
            let path = self.folder.message_path(&entry.message_id);
            if path.exists() {
                if keep || entry.key.is_some() {
                    self.folder.remember(&entry.message_id)?;
                } else {
                    Folder::remove(&path)?;
                }
            }
            let mut state = self.read_state();
            state.hold(&entry.channel, PACE, self.clock.now());
            self.write_state(&state);
            Ok(())
        })
    }

    /// A message is given up, with its history.
    pub(crate) fn bury(&self, entry: &Entry) -> Result<(), SpoolError> {
        self.change(|| {
            if self.folder.message_path(&entry.message_id).exists() {
                self.store(entry, Care::Durable)?;
                self.folder.bury(&entry.message_id)?;
            }
            Ok(())
        })
    }

    /// Nothing may go to the channel for a while.
    pub(crate) fn hold(&self, channel: &str, span: Duration) -> Result<(), SpoolError> {
        self.change(|| {
            let mut state = self.read_state();
            state.hold(channel, span, self.clock.now());
            self.write_state(&state);
            Ok(())
        })
    }

    /// How long nothing may go to the channel.
    pub(crate) fn channel_wait(&self, channel: &str) -> Duration {
        self.read_state().wait(channel, self.clock.now())
    }

    pub(crate) fn count_maybe_repeated(&self) -> Result<(), SpoolError> {
        self.change(|| {
            let mut state = self.read_state();
            state.maybe_repeated += 1;
            self.write_state(&state);
            Ok(())
        })
    }

    /// Whether a message still waits.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.folder.message_path(id).exists()
    }
}

/// The name of a file that is no message, and why it is none.
type BadFile = (String, Unreadable);

fn sequence_of(name: &str) -> Option<i64> {
    name.split('-').next()?.parse().ok()
}

// A later progress of the same deployment says all that an earlier one did. One that may have arrived is left to be settled.
fn is_replaced(entry: &Entry, later: &[Entry]) -> bool {
    entry.notification.kind() == Kind::Progress
        && entry.unsure.is_none()
        && entry.deployment().is_some()
        && later.iter().any(|later| {
            later.notification.kind() == Kind::Progress
                && later.deployment() == entry.deployment()
                && later.channel == entry.channel
        })
}

#[cfg(test)]
mod tests;
