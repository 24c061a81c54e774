//! What is in the queue, for people and programs to look at, and what a person may do with it.

use std::io;
use std::time::Duration;

use registry_core::clock::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::entry::{Entry, Unreadable};
use super::{Spool, SpoolError};

/// The queue at a glance.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Its folder.
    pub queue_dir: String,
    /// Messages that wait.
    pub pending: usize,
    /// Those of them that are due now.
    pub due: usize,
    /// Those of them that wait for a setting to be mended.
    pub parked: usize,
    /// What to mend: one line for each reason.
    pub fixes: Vec<String>,
    /// Messages that were given up.
    pub dead_letters: usize,
    /// Damaged files in `corrupt/`.
    pub corrupt: usize,
    /// Files of a later version of this program, left alone.
    pub newer_version: usize,
    /// When the oldest waiting message happened; RFC 3339.
    pub oldest_queued_at: Option<String>,
    /// When the next message falls due; RFC 3339.
    pub next_retry_at: Option<String>,
    /// Messages so far that may have been delivered twice.
    pub maybe_repeated: u64,
    /// Progress and stalls so far that were too old to be sent.
    pub expired: u64,
    /// Progress so far that was replaced by newer progress.
    pub replaced: u64,
    /// Each message, waiting ones first.
    pub messages: Vec<Line>,
}

/// One message in the status.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// Its name.
    pub message_id: String,
    /// `waiting`, `parked`, `unsure` or `dead`.
    pub state: &'static str,
    /// Its kind, in the words of `slack-notifier`.
    pub notification_type: &'static str,
    /// Its deployment.
    pub correlation_id: Option<String>,
    /// Where it goes.
    pub channel: String,
    /// When it happened; RFC 3339.
    pub queued_at: String,
    /// Failed sends.
    pub failures: u32,
    /// When it is tried next; RFC 3339. `None` for a dead letter.
    pub next_retry_at: Option<String>,
    /// That time has come.
    pub due: bool,
    /// The message before it that must leave first, where there is one.
    pub behind: Option<String>,
    /// What happened last.
    pub last_error: Option<String>,
}

impl Line {
    fn of_dead(entry: &Entry) -> Self {
        Self {
            state: "dead",
            next_retry_at: None,
            due: false,
            ..Self::of(entry, &[], Timestamp::default())
        }
    }

    // `earlier`: what stands before it in the queue.
    fn of(entry: &Entry, earlier: &[Entry], now: Timestamp) -> Self {
        let state = if entry.parked.is_some() {
            "parked"
        } else if entry.unsure.is_some() {
            "unsure"
        } else {
            "waiting"
        };
        Self {
            message_id: entry.message_id.clone(),
            state,
            notification_type: entry.notification.kind().word(),
            correlation_id: entry.deployment().map(str::to_owned),
            channel: entry.channel.clone(),
            queued_at: entry.happened_at.rfc3339(),
            failures: entry.failures,
            next_retry_at: Some(entry.next_retry_at.rfc3339()),
            due: entry.wait(now) == Duration::ZERO,
            behind: earlier
                .iter()
                .find(|other| keeps(other, entry))
                .map(|other| other.message_id.clone()),
            last_error: entry
                .attempts
                .last()
                .map(|last| format!("{}: {}", last.outcome, last.detail)),
        }
    }
}

// Messages of one deployment leave in order, but for one that waits for a person: it keeps only what goes to its channel.
fn keeps(earlier: &Entry, later: &Entry) -> bool {
    earlier.deployment().is_some()
        && earlier.deployment() == later.deployment()
        && (earlier.parked.is_none() || earlier.channel == later.channel)
}

/// A message that was looked up by its name, and what it is.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// Its name.
    pub message_id: String,
    /// `waiting`, `dead` or `delivered`.
    pub state: &'static str,
    /// Its file's content.
    pub file: Value,
}

impl Spool {
    /// What is in the queue. Changes nothing.
    pub fn status(&self) -> Result<Status, SpoolError> {
        let failed = |error| self.io(error);
        let now = self.clock.now();
        let (entries, unreadable) = self.read_waiting().map_err(failed)?;
        let dead = self.dead().map_err(failed)?;
        let state = self.read_state();
        let mut fixes: Vec<String> = entries
            .iter()
            .filter_map(|entry| entry.parked.as_ref())
            .map(|parked| format!("{}: {}", parked.reason, parked.fix))
            .collect();
        fixes.sort();
        fixes.dedup();
        let next = entries.iter().map(|entry| entry.next_retry_at).min();
        let waiting = entries.iter().enumerate();
        let lines = waiting
            .map(|(at, entry)| Line::of(entry, &entries[..at], now))
            .chain(dead.iter().map(Line::of_dead));
        let newer = |(_, why): &&super::BadFile| matches!(why, Unreadable::Newer(_));
        let newer_version = unreadable.iter().filter(newer).count();
        Ok(Status {
            queue_dir: self.path().display().to_string(),
            pending: entries.len(),
            due: entries
                .iter()
                .filter(|entry| entry.wait(now) == Duration::ZERO)
                .count(),
            parked: entries.iter().filter(|e| e.parked.is_some()).count(),
            fixes,
            dead_letters: self.folder.names().map_err(failed)?.1.len(),
            corrupt: self.folder.corrupt_count() + unreadable.len() - newer_version,
            newer_version,
            oldest_queued_at: entries.first().map(|entry| entry.happened_at.rfc3339()),
            next_retry_at: next.map(Timestamp::rfc3339),
            maybe_repeated: state.maybe_repeated,
            expired: state.expired,
            replaced: state.replaced,
            messages: lines.collect(),
        })
    }

    // Dead letters that can be read, oldest first.
    fn dead(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for id in self.folder.names()?.1 {
            if let Some(Ok(entry)) = self.read(&self.folder.dead_path(&id), &id)? {
                entries.push(entry);
            }
        }
        entries.sort_by(|a, b| (a.sequence, &a.message_id).cmp(&(b.sequence, &b.message_id)));
        Ok(entries)
    }

    /// Makes dead letters messages again, due at once and with all their retries: all of them, or those whose name or
    /// correlation id is `which`. The names of those it was.
    pub fn retry_dead(&self, which: Option<&str>) -> Result<Vec<String>, SpoolError> {
        self.change(|| {
            let mut revived = Vec::new();
            for mut entry in self.dead()? {
                if which.is_some_and(|which| !is_named(&entry, which)) {
                    continue;
                }
                let now = self.clock.now();
                entry.failures = 0;
                entry.parked = None;
                entry.wait_for(Duration::ZERO, now);
                entry.tried(now, "retry_dead", "a person asked to try again");
                let path = self.folder.dead_path(&entry.message_id);
                self.folder
                    .write(&path, &entry.to_text(), super::Care::Durable)?;
                self.folder.revive(&entry.message_id)?;
                revived.push(entry.message_id);
            }
            Ok(revived)
        })
    }

    /// The messages whose name or correlation id is `which`: waiting, dead, or delivered and remembered.
    pub fn find(&self, which: &str) -> Result<Vec<Remembered>, SpoolError> {
        let look = || -> io::Result<Vec<Remembered>> {
            let (waiting, dead) = self.folder.names()?;
            let delivered = self.folder.delivered_names()?;
            let all = [
                ("waiting", waiting),
                ("dead", dead),
                ("delivered", delivered),
            ];
            let mut found = Vec::new();
            for (state, mut names) in all {
                names.sort();
                for id in names {
                    let path = match state {
                        "waiting" => self.folder.message_path(&id),
                        "dead" => self.folder.dead_path(&id),
                        _ => self.folder.delivered_path(&id),
                    };
                    let Ok(bytes) = std::fs::read(&path) else {
                        continue;
                    };
                    let file: Value = serde_json::from_slice(&bytes).unwrap_or_else(|_| {
                        Value::String(String::from_utf8_lossy(&bytes).into_owned())
                    });
                    let entry = Entry::read(&id, &bytes, &self.updates);
                    let by_name = file_is_named(&id, which);
                    if by_name || entry.is_ok_and(|entry| is_named(&entry, which)) {
                        found.push(Remembered {
                            message_id: id,
                            state,
                            file,
                        });
                    }
                }
            }
            Ok(found)
        };
        look().map_err(|error| self.io(error))
    }
}

// People copy names with and without their decoration.
fn file_is_named(id: &str, which: &str) -> bool {
    let bare = which.rsplit('/').next().unwrap_or(which);
    let bare = bare.strip_suffix(".json").unwrap_or(bare);
    let bare = bare.strip_prefix(super::files::DEAD_LETTER).unwrap_or(bare);
    !bare.is_empty() && id == bare
}

fn is_named(entry: &Entry, which: &str) -> bool {
    file_is_named(&entry.message_id, which) || entry.deployment() == Some(which)
}
