//! The history's file: locked while it is changed, whole at every moment, kept aside when it is damaged.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{History, HistoryError};
use crate::clock::{Clock, Timestamp};
use crate::store::atomic;
use crate::store::lock::{LockError, Patience, with_lock};

/// The name of the history file in the registry's folder.
pub const FILE_NAME: &str = "deployment-history.json";

const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;

/// The history file of one folder.
#[derive(Debug, Clone)]
pub struct HistoryFile {
    folder: PathBuf,
}

/// The history as it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The history; an empty one where the file is missing, damaged or may not be read.
    pub history: History,
    /// A sentence for a person about what is wrong with the file.
    pub warning: Option<String>,
}

/// Why the history could not be changed. Nothing was written.
#[derive(Debug, Error)]
pub enum HistoryFileError {
    /// Its lock was not had.
    #[error("the deployment history was not changed: {0}")]
    Lock(#[from] LockError),
    /// It could not be read or written.
    #[error("the deployment history {} could not be changed: {source} (check the folder's permissions and the free space)", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl HistoryFile {
    /// The history in the registry's folder, which is made when something is first written.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.join(FILE_NAME)
    }

    /// Reads it, without a lock: the file is whole at every moment. A damaged one is copied aside and counts as empty; so does one
    /// that may not be read.
    #[must_use]
    pub fn read(&self, now: Timestamp) -> Found {
        let path = self.path();
        match fs::read(&path) {
            Ok(bytes) => understand(&path, &bytes, now),
            Err(error) if error.kind() == ErrorKind::NotFound => Found {
                history: History::default(),
                warning: None,
            },
            Err(error) => Found {
                history: History::default(),
                warning: Some(format!(
                    "the deployment history {} cannot be read: {error}; going on without it",
                    path.display()
                )),
            },
        }
    }

    /// Changes it: reads, lets `change` work, and replaces the file, all under its own lock. What `change` returns comes back with
    /// what was found. A damaged file is copied aside first and then replaced.
    pub fn change<T>(
        &self,
        clock: &dyn Clock,
        change: impl FnOnce(&mut History) -> T,
    ) -> Result<(T, Option<String>), HistoryFileError> {
        let path = self.path();
        let failed = |source| HistoryFileError::Io {
            path: path.clone(),
            source,
        };
        atomic::create_folder(&self.folder, FOLDER_MODE).map_err(failed)?;
        let lock = self.folder.join(format!("{FILE_NAME}.lock"));
        with_lock(&lock, clock, Patience::REGISTRY, |_| {
            let mut found = match fs::read(&path) {
                Ok(bytes) => understand(&path, &bytes, clock.now()),
                Err(error) if error.kind() == ErrorKind::NotFound => Found {
                    history: History::default(),
                    warning: None,
                },
                // What cannot be read must not be replaced.
                Err(error) => return Err(failed(error)),
            };
            let before = found.history.clone();
            let answer = change(&mut found.history);
            if found.history != before || found.warning.is_some() || !path.exists() {
                let bytes = found.history.to_bytes();
                let written = if found.warning.is_some() {
                    // A link to what is no history: whatever that is, it is not ours to replace.
                    atomic::write(&path, &bytes, FILE_MODE)
                } else {
                    atomic::write_through(&path, &bytes, FILE_MODE, &mut || Ok(()))
                };
                written.map_err(failed)?;
            }
            Ok((answer, found.warning))
        })?
    }
}

fn understand(path: &Path, bytes: &[u8], now: Timestamp) -> Found {
    match History::parse(bytes) {
        Ok(history) => Found {
            history,
            warning: None,
        },
        Err(error) => Found {
            history: History::default(),
            warning: Some(set_aside(path, bytes, &error, now)),
        },
    }
}

/// Keeps one copy of a damaged file; looking at it again makes no second one.
fn set_aside(path: &Path, bytes: &[u8], error: &HistoryError, now: Timestamp) -> String {
    let shown = path.display();
    let name = format!("{FILE_NAME}.corrupt-");
    let folder = path.parent().unwrap_or(Path::new("."));
    let kept = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&name))
        .map(|entry| entry.path())
        .find(|copy| fs::read(copy).is_ok_and(|content| content == bytes));
    let copy = kept.unwrap_or_else(|| folder.join(format!("{name}{}", now.compact())));
    let written = copy.exists() || atomic::write(&copy, bytes, FILE_MODE).is_ok();
    let kept = if written {
        format!("a copy is kept as {}", copy.display())
    } else {
        "no copy of it could be written".to_owned()
    };
    format!(
        "the deployment history {shown} is damaged ({error}); {kept}, and the shipped figures are used"
    )
}
