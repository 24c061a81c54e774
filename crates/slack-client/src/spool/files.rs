//! The queue's folder: its files' names, and the few ways in which they change. Each leaves every message whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use registry_core::store::atomic;

use crate::crash;

/// The beginning of a dead letter's name.
pub(crate) const DEAD_LETTER: &str = "dead_letter_";
const MESSAGE: &str = ".json";
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Whether a write must survive a power cut, or only the death of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Care {
    /// fsync of file and folder.
    Durable,
    /// None: for a message whose sender still lives, is sending it now, and makes it durable if that fails.
    ForNow,
}

/// The folder.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes it, for this user only; one that is there and ours becomes so.
    pub(crate) fn create(&self) -> io::Result<()> {
        make(&self.0)
    }

    fn aside(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.0.join(name);
        make(&folder)?;
        Ok(folder)
    }

    /// Whether others may do something in it and it is not ours to close.
    pub(crate) fn stays_open(&self) -> bool {
        fs::metadata(&self.0).is_ok_and(|found| is_open(&found) && !is_ours(&found))
    }

    /// Where a lock is: a file for this user only, also before it is taken for the first time.
    pub(crate) fn lock_path(&self, name: &str) -> PathBuf {
        let path = self.0.join(format!("{name}.lock"));
        // What is in the way of making it is in the way of taking it, too, and told then.
        let _told_later = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(&path);
        close(&path, FILE_MODE);
        path
    }

    pub(crate) fn message_path(&self, id: &str) -> PathBuf {
        self.0.join(format!("{id}{MESSAGE}"))
    }

    pub(crate) fn dead_path(&self, id: &str) -> PathBuf {
        self.0.join(format!("{DEAD_LETTER}{id}{MESSAGE}"))
    }

    pub(crate) fn delivered_path(&self, id: &str) -> PathBuf {
        self.0.join("delivered").join(format!("{id}{MESSAGE}"))
    }

    /// The names of waiting messages and of dead letters, without their endings, in no order.
    pub(crate) fn names(&self) -> io::Result<(Vec<String>, Vec<String>)> {
        let mut waiting = Vec::new();
        let mut dead = Vec::new();
        for name in list(&self.0)? {
            // A hidden file is a temporary one that its writer left behind or is writing now.
            let Some(id) = name.strip_suffix(MESSAGE).filter(|id| !id.starts_with('.')) else {
                continue;
            };
            match id.strip_prefix(DEAD_LETTER) {
                Some(id) => dead.push(id.to_owned()),
                None => waiting.push(id.to_owned()),
            }
        }
        Ok((waiting, dead))
    }

    /// The names of delivered messages that are remembered.
    pub(crate) fn delivered_names(&self) -> io::Result<Vec<String>> {
        let names = list(&self.0.join("delivered"))?;
        Ok(names
            .into_iter()
            .filter_map(|name| Some(name.strip_suffix(MESSAGE)?.to_owned()))
            .collect())
    }

    /// How many damaged files were put aside.
    pub(crate) fn corrupt_count(&self) -> usize {
        list(&self.0.join("corrupt")).map_or(0, |names| names.len())
    }

    /// Writes a message's file.
    pub(crate) fn write(&self, path: &Path, text: &str, care: Care) -> io::Result<()> {
        crash::point("before-write");
        match care {
            Care::Durable => atomic::write(path, text.as_bytes(), FILE_MODE)?,
            Care::ForNow => {
                // tempfile makes it for this user only.
                let mut temp = tempfile::Builder::new()
                    .prefix(".now.")
                    .suffix(atomic::TEMP_SUFFIX)
                    .tempfile_in(&self.0)?;
                temp.write_all(text.as_bytes())?;
                crash::point("between-write-and-rename");
                temp.persist(path).map_err(|error| error.error)?;
            }
        }
        crash::point("after-write");
        Ok(())
    }

    /// Makes durable what was written without.
    pub(crate) fn sync(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()?;
        sync_folder(&self.0)
    }

    /// A message became a dead letter.
    pub(crate) fn bury(&self, id: &str) -> io::Result<()> {
        rename(&self.message_path(id), &self.dead_path(id))?;
        sync_folder(&self.0)
    }

    /// A dead letter becomes a message again.
    pub(crate) fn revive(&self, id: &str) -> io::Result<()> {
        rename(&self.dead_path(id), &self.message_path(id))?;
        sync_folder(&self.0)
    }

    /// A delivered message is kept for a while, so that it is known.
    pub(crate) fn remember(&self, id: &str) -> io::Result<()> {
        let folder = self.aside("delivered")?;
        rename(&self.message_path(id), &self.delivered_path(id))?;
        sync_folder(&folder)?;
        sync_folder(&self.0)
    }

    /// A file that is no message goes where it is in nobody's way.
    pub(crate) fn put_aside(&self, id: &str) -> io::Result<()> {
        let folder = self.aside("corrupt")?;
        let mut target = folder.join(format!("{id}{MESSAGE}"));
        for number in 1.. {
            if !target.exists() {
                break;
            }
            target = folder.join(format!("{id}.{number}{MESSAGE}"));
        }
        rename(&self.message_path(id), &target)?;
        close(&target, FILE_MODE);
        sync_folder(&folder)
    }

    /// A file is not needed any more.
    pub(crate) fn remove(path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

fn make(folder: &Path) -> io::Result<()> {
    if !folder.is_dir() {
        atomic::create_folder(folder, FOLDER_MODE)?;
    }
    close(folder, FOLDER_MODE);
    Ok(())
}

fn is_open(found: &fs::Metadata) -> bool {
    found.permissions().mode() & 0o077 != 0
}

// A sticky folder (/tmp) is for all, whoever owns it.
fn is_ours(found: &fs::Metadata) -> bool {
    found.uid() == rustix::process::geteuid().as_raw() && found.permissions().mode() & 0o1000 == 0
}

// Takes from others what they may do with it. A link leads to what may be none of ours.
fn close(path: &Path, mode: u32) {
    let to_close = |found: &fs::Metadata| !found.is_symlink() && is_open(found) && is_ours(found);
    if fs::symlink_metadata(path).is_ok_and(|found| to_close(&found)) {
        // A file system without modes has none to take away.
        let _as_it_is = fs::set_permissions(path, fs::Permissions::from_mode(mode));
    }
}

fn list(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        // A name that is not UTF-8 is none of ours, and neither is a folder, whatever it is called.
        let is_folder = entry.file_type()?.is_dir();
        if let (Ok(name), false) = (entry.file_name().into_string(), is_folder) {
            names.push(name);
        }
    }
    Ok(names)
}

#[expect(
    clippy::disallowed_methods,
    reason = "moves a whole file within the queue; the folders are synced by the caller"
)]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    crash::point("before-rename");
    fs::rename(from, to)?;
    crash::point("after-rename");
    Ok(())
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some file systems cannot sync a folder (EINVAL); then the rename is as durable as they make it.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        other => other,
    }
}
