//! Where a monitor keeps its lock and its state, so that whoever looks after it finds them.

use std::path::{Path, PathBuf};

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
