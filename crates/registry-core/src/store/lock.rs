//! Locks in files of their own, beside what they protect: flock(2), with the holder's name inside.
//!
//! Whoever finds a lock taken stands in line for it. Trying again after random pauses would serve those that came last first, whose
//! pauses are still short: of a thousand at once, the first came never. The kernel keeps a line of those that wait for a lock, but
//! who comes in the moment between two holders steps in before all of them. So the line is for a second lock (`.line`), and only who
//! has that one waits for the lock itself. The line is a courtesy: the lock alone keeps others out.
//!
//! Never the file that gets replaced: a lock is on the inode, and a rename puts another inode under the name. The lock file
//! is never removed, for the same reason.

#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::clock::{Clock, Timestamp, Wake, human_duration};

/// Who holds a lock, as it says in the lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Since when, by that process's wall clock.
    pub since: Timestamp,
    /// What the process wrote beside (for example a monitor's last beat), as it stands in the lock file.
    pub more: Map<String, Value>,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} (since {})", self.pid, self.since.human())
    }
}

/// Why a lock was not had.
#[derive(Debug, Error)]
pub enum LockError {
    /// Others hold it; nothing is broken.
    #[error(
        "the lock {} is held by {}, waited {}: try again, or look at what that process is doing",
        .path.display(),
        .holder.as_ref().map_or_else(|| "a process that has not written its name".to_owned(), ToString::to_string),
        human_duration(*.waited)
    )]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// Who holds it; `None` when the file does not say.
        holder: Option<Box<Holder>>,
        /// For how long it was tried.
        waited: Duration,
    },
    /// The program was asked to stop while it waited.
    #[error("asked to stop while waiting for the lock {}", .path.display())]
    Stopped {
        /// The lock file.
        path: PathBuf,
    },
    /// The lock file cannot be used.
    #[error("the lock file {} cannot be used: {source}", .path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// When to give up.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The same holder (pid and time) has kept it for so long.
    pub same_holder: Duration,
    /// So long in all, however often the holder changed.
    pub total: Duration,
}

impl Patience {
    /// For the registry: 10 s behind one holder, 60 s in all.
    pub const REGISTRY: Self = Self {
        same_holder: Duration::from_secs(10),
        total: Duration::from_secs(60),
    };
    /// One try, no waiting.
    pub const NONE: Self = Self::up_to(Duration::ZERO);

    /// The same limit for both.
    #[must_use]
    pub const fn up_to(limit: Duration) -> Self {
        Self {
            same_holder: limit,
            total: limit,
        }
    }
}

/// The lock while it is held; handed to the closure of [`with_lock`].
#[derive(Debug)]
pub struct Held<'a> {
    file: &'a File,
    path: &'a Path,
    pid: u32,
    since: Timestamp,
}

impl Held<'_> {
    /// Fails when the lock file was removed or replaced under us: then somebody else may hold a lock of the same name.
    pub fn check(&self) -> io::Result<()> {
        if is_named(self.file, self.path)? {
            Ok(())
        } else {
            Err(io::Error::other(
                "the lock file was replaced while it was held",
            ))
        }
    }

    /// Writes the holder's name into the lock file, with `more` beside it (read back as [`Holder::more`]).
    pub fn note(&self, more: Map<String, Value>) -> io::Result<()> {
        let mut content = more;
        content.insert("pid".to_owned(), json!(self.pid));
        content.insert("since".to_owned(), json!(self.since.rfc3339_millis()));
        let mut text = Value::Object(content).to_string();
        text.push('\n');
        let mut file = self.file;
        file.rewind()?;
        file.write_all(text.as_bytes())?;
        file.set_len(text.len() as u64)
    }
}

/// Runs `work` while holding the exclusive lock `path`, which is created (mode 644) in an existing folder.
///
/// Waits in line until `patience` runs out. The lock ends with the closure or the process, and is not passed on to programs
/// that are started meanwhile (`O_CLOEXEC`).
pub fn with_lock<T>(
    path: &Path,
    clock: &dyn Clock,
    patience: Patience,
    work: impl FnOnce(&Held<'_>) -> T,
) -> Result<T, LockError> {
    let failed = |source| LockError::Io {
        path: path.to_owned(),
        source,
    };
    let mut wait = Wait::new(clock);
    loop {
        let file = open(path, true).map_err(failed)?;
        let at_once = !is_a_line(path) && lock_now(&file).map_err(failed)?;
        let locked = if at_once {
            Some(Locked(file))
        } else {
            wait.in_line(path, patience, file)?
        };
        // `None`, or made anew between open and lock: the one that bears the name now is what counts.
        let Some(locked) = locked.filter(|locked| is_named(&locked.0, path).unwrap_or(false))
        else {
            continue;
        };
        let held = Held {
            file: &locked.0,
            path,
            pid: std::process::id(),
            since: clock.now(),
        };
        // A full disk must not keep us from working: without the note others only lack our name.
        let _unnamed = held.note(Map::new());
        return Ok(work(&held));
    }
}

/// The exclusive lock on a lock file; it ends with this value.
#[derive(Debug)]
struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        // Said aloud, and not left to the end of the descriptor: a program that is being started may have another for a moment.
        let _ends_with_the_descriptor = flock(&self.0, FlockOperation::Unlock);
    }
}

fn lock_now(file: &File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn lock_in_time(file: &File) -> io::Result<()> {
    loop {
        match flock(file, FlockOperation::LockExclusive) {
            Ok(()) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

// Stands in line, on a thread of its own: flock(2) knows no time limit. Where nobody listens any more the lock is let go as soon as
// it comes.
fn stand_in_line(file: File, line: File) -> io::Result<Receiver<io::Result<Locked>>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new()
        .name("lock".to_owned())
        .spawn(move || {
            let came = lock_in_time(&line).and_then(|()| {
                // The next one's turn to wait for the lock comes when this one has it.
                let _my_turn = Locked(line);
                lock_in_time(&file)?;
                Ok(Locked(file))
            });
            let _nobody_listens = sender.send(came);
        })?;
    Ok(receiver)
}

fn line_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".line");
    PathBuf::from(name)
}

// Whether others wait for the lock: then nobody takes it in passing.
fn is_a_line(path: &Path) -> bool {
    let first_has_it = |file: File| flock(&file, FlockOperation::NonBlockingLockShared).is_err();
    open(&line_of(path), false).is_ok_and(first_has_it)
}

// Whether `file` is the one that bears the name `path`.
fn is_named(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    let named = std::fs::metadata(path)?;
    Ok((ours.dev(), ours.ino()) == (named.dev(), named.ino()))
}

/// Whether somebody holds the exclusive lock `path` now, looked at with a shared try-lock that is let go at once.
/// `None`: nobody (or there is no such file).
pub fn held_by(path: &Path) -> io::Result<Option<Option<Holder>>> {
    let file = match open(path, false) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        // Let go with the descriptor.
        Ok(()) => Ok(None),
        Err(Errno::WOULDBLOCK) => Ok(Some(read_holder(path))),
        Err(error) => Err(error.into()),
    }
}

/// What the lock file says about its last holder, whether or not that one still holds it.
#[must_use]
pub fn read_holder(path: &Path) -> Option<Holder> {
    // The note is rewritten in place, so what is read may be torn; then it does not parse.
    const LONGEST_NOTE: u64 = 64 * 1024;
    let mut text = String::new();
    File::open(path)
        .ok()?
        .take(LONGEST_NOTE)
        .read_to_string(&mut text)
        .ok()?;
    let Ok(Value::Object(mut note)) = serde_json::from_str(&text) else {
        return None;
    };
    let pid = note.remove("pid")?.as_u64()?.try_into().ok()?;
    let since = Timestamp::parse_rfc3339(note.remove("since")?.as_str()?)?;
    Some(Holder {
        pid,
        since,
        more: note,
    })
}

fn open(path: &Path, create: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    if create {
        // Mode: whoever may write a lock may say whose process it is, and a monitor that hangs is ended by that number. A link:
        // the holder's name is written into the file, and that must not be any file that a link leads to.
        options.write(true).create(true).truncate(false);
        options
            .mode(0o644)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    }
    options
        .open(path)
        .map_err(|error| match error.raw_os_error() {
            Some(code) if create && code == Errno::LOOP.raw_os_error() => io::Error::other(
                "it is a symbolic link, which a lock never is: see who put it there, and remove it",
            ),
            Some(_) | None => error,
        })
}

// How long to wait where no line can be stood in.
const TRY_AGAIN: Duration = Duration::from_millis(100);

struct Wait<'a> {
    clock: &'a dyn Clock,
    begun: Duration,
    holder: Option<Holder>,
    holder_since: Duration,
}

impl<'a> Wait<'a> {
    fn new(clock: &'a dyn Clock) -> Self {
        let begun = clock.boot().since_boot;
        Self {
            clock,
            begun,
            holder: None,
            holder_since: begun,
        }
    }

    // Until the lock comes, patience ends, or another file bears the lock's name (`None`: begin anew).
    fn in_line(
        &mut self,
        path: &Path,
        patience: Patience,
        file: File,
    ) -> Result<Option<Locked>, LockError> {
        let failed = |source| LockError::Io {
            path: path.to_owned(),
            source,
        };
        let mut pause = self.look(path, patience, read_holder(path))?;
        let ours = file.try_clone().map_err(failed)?;
        let line = open(&line_of(path), true).map_err(failed)?;
        let Ok(line) = stand_in_line(file, line) else {
            // No thread is to be had on a machine this full. Busy is not unusable: try again a little later.
            return match self.clock.sleep(pause.min(TRY_AGAIN)) {
                Wake::Elapsed => Ok(None),
                Wake::Stopped => Err(LockError::Stopped {
                    path: path.to_owned(),
                }),
            };
        };
        loop {
            let mut came = None;
            let wake = self.clock.sleep_unless(pause, &mut |span| {
                came = line.recv_timeout(span).ok();
                came.is_some()
            });
            if let Some(came) = came {
                return came.map(Some).map_err(failed);
            }
            if wake == Wake::Stopped {
                return Err(LockError::Stopped {
                    path: path.to_owned(),
                });
            }
            if !is_named(&ours, path).unwrap_or(false) {
                return Ok(None);
            }
            let before = self.holder_since;
            pause = self.look(path, patience, read_holder(path))?;
            if self.holder_since == before {
                // Nothing moves: the first in line may have been stopped, and the lock be free.
                let again = open(path, true).map_err(failed)?;
                if lock_now(&again).map_err(failed)? {
                    return Ok(Some(Locked(again)));
                }
            }
        }
    }

    // How long until the next look at the holder; an error when patience has ended.
    fn look(
        &mut self,
        path: &Path,
        patience: Patience,
        holder: Option<Holder>,
    ) -> Result<Duration, LockError> {
        const LOOK_EVERY: Duration = Duration::from_millis(500);
        let now = self.clock.boot().since_boot;
        // A torn or empty note says nothing about a change of holder.
        let same = match (&self.holder, &holder) {
            (Some(before), Some(after)) => (before.pid, before.since) == (after.pid, after.since),
            (None, Some(_)) => false,
            (_, None) => true,
        };
        if !same {
            self.holder = holder;
            self.holder_since = now;
        }
        let waited = now.saturating_sub(self.begun);
        let behind_one = now.saturating_sub(self.holder_since);
        let left = patience
            .total
            .saturating_sub(waited)
            .min(patience.same_holder.saturating_sub(behind_one));
        if left.is_zero() {
            return Err(LockError::Busy {
                path: path.to_owned(),
                holder: self.holder.clone().map(Box::new),
                waited,
            });
        }
        Ok(left.min(LOOK_EVERY))
    }
}
