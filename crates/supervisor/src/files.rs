//! Where a monitor keeps its lock and its state, so that whoever looks after it finds them.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use registry_core::clock::Timestamp;
use registry_core::ids::{CorrelationId, StackName};

/// Folder of the files of one deployment's monitors, under the registry's folder.
#[must_use]
pub fn folder(registry_dir: &Path, id: &CorrelationId) -> PathBuf {
    registry_dir.join("monitors").join(id.as_str())
}

/// The lock that a monitor of this id and stack holds while it lives.
#[must_use]
pub fn lock(registry_dir: &Path, id: &CorrelationId, stack: &StackName) -> PathBuf {
    folder(registry_dir, id).join(format!("{}.lock", stack.name()))
}

/// Where the monitor's cursor of this id and stack is kept.
#[must_use]
pub fn cursor(registry_dir: &Path, id: &CorrelationId, stack: &StackName) -> PathBuf {
    folder(registry_dir, id).join(format!("{}.json", stack.name()))
}

/// The lock that keeps a second recovery of the same monitor away.
#[must_use]
pub fn recovery_lock(registry_dir: &Path, id: &CorrelationId, stack: &StackName) -> PathBuf {
    folder(registry_dir, id).join(format!("{}.recovery.lock", stack.name()))
}

/// When the monitor was restarted, for the limit of restarts; survives recovery's own end.
#[must_use]
pub fn restarts(registry_dir: &Path, id: &CorrelationId, stack: &StackName) -> PathBuf {
    folder(registry_dir, id).join(format!("{}.restarts.json", stack.name()))
}

/// What a monitor that was started by recovery says on its way out, if it cannot even write its log.
#[must_use]
pub fn last_words(registry_dir: &Path, id: &CorrelationId, stack: &StackName) -> PathBuf {
    folder(registry_dir, id).join(format!("{}.stderr", stack.name()))
}

/// What ended deployments left is kept as long as the registry keeps them.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Removes the files of monitors in which nothing was written for seven days; a living one writes with every look. What cannot be
/// removed stays until next time.
pub fn remove_old(registry_dir: &Path, now: Timestamp) {
    let Ok(folders) = fs::read_dir(registry_dir.join("monitors")) else {
        return;
    };
    for folder in folders.flatten() {
        let newest = fs::read_dir(folder.path())
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|file| file.metadata().ok())
            .chain(folder.metadata().ok())
            .map(|metadata| Timestamp::from_seconds(metadata.mtime()))
            .max();
        if newest.is_some_and(|newest| now.since(newest) > KEPT) {
            let _removed = fs::remove_dir_all(folder.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_left_alone_for_a_week_goes() {
        let dir = tempfile::tempdir().unwrap();
        let id: CorrelationId = "m1".parse().unwrap();
        fs::create_dir_all(folder(dir.path(), &id)).unwrap();
        fs::File::create(lock(dir.path(), &id, &"App".parse().unwrap())).unwrap();
        let written =
            Timestamp::from_seconds(fs::metadata(folder(dir.path(), &id)).unwrap().mtime() + 2);
        remove_old(dir.path(), written + Duration::from_secs(6 * 24 * 3600));
        assert!(folder(dir.path(), &id).exists());
        remove_old(dir.path(), written + Duration::from_secs(8 * 24 * 3600));
        assert!(!folder(dir.path(), &id).exists());
    }
}
