//! The registry as one JSON file: one lock, one rename, one transaction.

#[cfg(test)]
mod race;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::format::{Document, FormatError};
use super::lock::{Held, Patience, with_lock};
use super::{About, Scope, Snapshot, Store, StoreError, Touches, atomic, process};
use crate::clock::{Clock, Timestamp};
use crate::slot::{Elsewhere, Now, Slot};

/// The name of the registry file in its folder.
pub const FILE_NAME: &str = "deployments.json";

const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;

/// The registry file of one folder.
pub struct FileStore {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    patience: Patience,
    // For the negative control: a lock that nobody else takes is no lock.
    #[cfg(test)]
    other_lock: Option<PathBuf>,
}

impl std::fmt::Debug for FileStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileStore")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl FileStore {
    /// The registry in `folder`, which is made when something is first written. A path that is a file is a wrong setting.
    pub fn open(folder: PathBuf, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        match fs::metadata(&folder) {
            Ok(found) if !found.is_dir() => Err(not_a_folder(&folder)),
            Err(error) if error.kind() == ErrorKind::NotADirectory => Err(not_a_folder(&folder)),
            Err(error) if error.kind() == ErrorKind::NotFound && folder.is_symlink() => {
                Err(leads_nowhere(&folder))
            }
            Ok(_) | Err(_) => Ok(Self {
                folder,
                clock,
                patience: Patience::REGISTRY,
                #[cfg(test)]
                other_lock: None,
            }),
        }
    }

    /// The same store with another patience for its lock.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE_NAME)
    }

    fn now(&self) -> Now {
        Now {
            at: self.clock.now(),
            boot: Some(self.clock.boot()),
            host: process::host(),
            gone: process::is_gone,
        }
    }

    // What stands in the file; `None`: there is none yet.
    fn read(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path();
        match fs::read(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                Err(not_a_folder(&self.folder))
            }
            Err(error) => Err(unavailable("read", &path, &error)),
        }
    }

    // What the file has of all environments, or of those that `about` is about.
    fn found(&self, about: Option<About<'_>>) -> Result<Snapshot, StoreError> {
        let text = self.read()?;
        let slots = match &text {
            Some(text) => Document::parse(text)
                .and_then(|document| match about {
                    Some(about) => document.slots_about(about),
                    None => document.slots(),
                })
                .map_err(|error| Self::corrupt(&self.path(), text, &error))?,
            None => BTreeMap::new(),
        };
        Ok(Snapshot {
            slots,
            now: self.now(),
        })
    }

    // The file stays as it is for a person to mend; a copy keeps it from being mended away.
    fn corrupt(path: &Path, text: &[u8], error: &FormatError) -> StoreError {
        let copy = keep_copy(path, text);
        let kept = copy.map_or_else(
            |error| format!("no copy could be made: {error}"),
            |copy| format!("a copy is in {}", copy.display()),
        );
        StoreError::Unavailable(format!(
            "the registry file {} cannot be used: {error}; {kept}; mend it, or begin anew: echo '{{\"deployments\":[]}}' > {}",
            path.display(),
            path.display()
        ))
    }

    fn change(
        &self,
        held: &Held<'_>,
        path: &Path,
        touches: Touches<'_>,
        change: &mut dyn FnMut(&mut Slot, &Elsewhere, &Now),
    ) -> Result<(), StoreError> {
        let text = self.read()?;
        let written = match &text {
            Some(text) => self
                .changed(Document::parse(text), touches, change)
                .map_err(|error| Self::corrupt(&self.path(), text, &error))?,
            None => self
                .changed(Ok(Document::default()), touches, change)
                .map_err(|error| StoreError::Unavailable(error.to_string()))?,
        };
        let Some(written) = written else {
            return Ok(());
        };
        drop(text);
        let failed = |error: io::Error| unavailable("write", path, &error);
        atomic::remove_leftovers(path).map_err(failed)?;
        atomic::write_through(path, written.as_bytes(), FILE_MODE, &mut || held.check())
            .map_err(failed)
    }

    // The file's text after the change; `None` where nothing changed.
    fn changed(
        &self,
        document: Result<Document<'_>, FormatError>,
        touches: Touches<'_>,
        change: &mut dyn FnMut(&mut Slot, &Elsewhere, &Now),
    ) -> Result<Option<String>, FormatError> {
        let mut document = document?;
        let before = document.slot(touches.environment)?;
        let elsewhere = document.elsewhere(touches.environment, touches.id, touches.stacks)?;
        let mut after = before.clone();
        change(&mut after, &elsewhere, &self.now());
        if after == before {
            return Ok(None);
        }
        document.put(&after)?;
        Ok(Some(document.to_text()))
    }
}

impl Store for FileStore {
    fn scope(&self) -> Scope {
        Scope::Machine
    }

    fn place(&self) -> String {
        self.path().display().to_string()
    }

    fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.found(None)
    }

    fn look(&self, about: About<'_>) -> Result<Snapshot, StoreError> {
        self.found(Some(about))
    }

    fn update(
        &self,
        touches: Touches<'_>,
        change: &mut dyn FnMut(&mut Slot, &Elsewhere, &Now),
    ) -> Result<(), StoreError> {
        let failed = |error: &io::Error| match error.kind() {
            ErrorKind::NotADirectory | ErrorKind::AlreadyExists => not_a_folder(&self.folder),
            _ => unavailable("create", &self.folder, error),
        };
        atomic::create_folder(&self.folder, FOLDER_MODE).map_err(|error| failed(&error))?;
        // One file may have several names through links; its lock has one.
        let path = atomic::resolve(&self.path())
            .map_err(|error| unavailable("read", &self.path(), &error))?;
        let lock = lock_path(&path);
        #[cfg(test)]
        let lock = self.other_lock.clone().unwrap_or(lock);
        with_lock(&lock, &*self.clock, self.patience, |held| {
            self.change(held, &path, touches, change)
        })
        .map_err(StoreError::of_lock)?
    }
}

/// The lock file of a registry file.
#[must_use]
pub fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn keep_copy(path: &Path, text: &[u8]) -> io::Result<PathBuf> {
    // Named after the file's own time and what is in it, so that looking again makes no second copy, and another content of the
    // same second has a copy of its own.
    let seconds = fs::metadata(path)?.mtime();
    let mut content = DefaultHasher::new();
    text.hash(&mut content);
    let mut name = path.as_os_str().to_owned();
    name.push(format!(
        ".corrupt-{}-{:016x}",
        Timestamp::from_seconds(seconds).compact(),
        content.finish()
    ));
    let copy = PathBuf::from(name);
    let opened = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(&copy);
    match opened {
        Ok(mut file) => {
            file.write_all(text)?;
            file.sync_all()?;
            Ok(copy)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(copy),
        Err(error) => Err(error),
    }
}

fn not_a_folder(folder: &Path) -> StoreError {
    StoreError::Wrong(format!(
        "the registry folder {} is a file, not a folder: set REGISTRY_DIR to a folder, or move that file away",
        folder.display()
    ))
}

fn leads_nowhere(folder: &Path) -> StoreError {
    let target = fs::read_link(folder).unwrap_or_default();
    StoreError::Wrong(format!(
        "the registry folder {} is a link to {}, which is not there: make that folder, or set REGISTRY_DIR to another",
        folder.display(),
        target.display()
    ))
}

fn unavailable(action: &str, path: &Path, error: &io::Error) -> StoreError {
    let advice = match error.kind() {
        ErrorKind::PermissionDenied => "; check its permissions: stat it, and chmod 644 the file",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "; make room on that disk"
        }
        ErrorKind::ReadOnlyFilesystem => "; set REGISTRY_DIR to a folder that can be written",
        _ => "",
    };
    StoreError::Unavailable(format!(
        "cannot {action} the registry {}: {error}{advice}",
        path.display()
    ))
}
