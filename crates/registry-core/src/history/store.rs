//! Where a history is kept: the trait that every place implements, and the folder's file as one of them.

use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use super::History;
use super::file::{Found, HistoryFile, HistoryFileError};
use crate::clock::{Clock, Timestamp};
use crate::ids::StackName;
use crate::store::StoreError;

/// How much of the history is wanted. A place may give more.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// What these stacks did, and the averages over all.
    Stacks(&'a [StackName]),
    /// All of it.
    Everything,
}

/// Why a history was not changed.
#[derive(Debug, Error)]
pub enum HistoryStoreError {
    /// The folder's file.
    #[error(transparent)]
    File(#[from] HistoryFileError),
    /// The shared store.
    #[error("the deployment history in {place} was not changed: {source}")]
    Shared {
        /// Where.
        place: String,
        /// Why.
        source: StoreError,
    },
}

/// A place where a history is kept.
pub trait HistoryStore: Send + Sync {
    /// Where it is, for messages.
    fn place(&self) -> String;

    /// Reads it. What cannot be read counts as empty, with a sentence for a person: no estimate is worth a failed deployment.
    fn read(&self, part: Part<'_>) -> Found;

    /// Changes it: `change` gets all of it and the time, and what it leaves is stored. It may run more than once, each time on
    /// what is stored then, and the last run counts. Returns a sentence for a person where something is wrong with
    /// what was found or could not be kept.
    fn change(
        &self,
        change: &mut dyn FnMut(&mut History, Timestamp),
    ) -> Result<Option<String>, HistoryStoreError>;
}

/// The history in a folder's file.
pub struct FileHistory {
    file: HistoryFile,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for FileHistory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("FileHistory").field(&self.file).finish()
    }
}

impl FileHistory {
    /// The history of the registry in `folder`; nothing needs to be there.
    #[must_use]
    pub fn in_folder(folder: &Path, clock: Arc<dyn Clock>) -> Self {
        Self {
            file: HistoryFile::in_folder(folder),
            clock,
        }
    }
}

impl HistoryStore for FileHistory {
    fn place(&self) -> String {
        self.file.path().display().to_string()
    }

    fn read(&self, _: Part<'_>) -> Found {
        self.file.read(self.clock.now())
    }

    fn change(
        &self,
        change: &mut dyn FnMut(&mut History, Timestamp),
    ) -> Result<Option<String>, HistoryStoreError> {
        let changed = self
            .file
            .change(&*self.clock, |history| change(history, self.clock.now()));
        Ok(changed?.1)
    }
}

/// What came of moving a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// How many entries were new in the other place.
    pub entries: usize,
    /// How many entries name no stack, deployment or operation, and stayed behind.
    pub nameless: usize,
    /// Sentences for a person about what is wrong in either place.
    pub warnings: Vec<String>,
}

/// Copies what `from` has and `to` has not. Twice is the same as once.
pub fn copy(from: &dyn HistoryStore, to: &dyn HistoryStore) -> Result<Moved, HistoryStoreError> {
    let old = from.read(Part::Everything);
    let mut entries = 0;
    let mut moved = Moved {
        entries,
        nameless: old.history.nameless(),
        warnings: old.warning.into_iter().collect(),
    };
    // An empty history makes no file where there was none.
    if old.history != History::default() {
        let warning = to.change(&mut |history, _| entries = history.absorb(&old.history))?;
        moved.warnings.extend(warning);
    }
    moved.entries = entries;
    Ok(moved)
}
