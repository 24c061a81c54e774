//! The seven programs, as this package built them, under their own names.

use std::io;
use std::path::{Path, PathBuf};

/// The names of the seven programs.
pub const PROGRAMS: [&str; 7] = [
    "deployment-coordinator",
    "deployment-monitor",
    "slack-notifier",
    "monitor-recovery",
    "slack-retry-queue",
    "registry-fallback",
    "deployment-time-estimator",
];

/// Where cargo put each program; known to the test binary only.
pub type Built = [(&'static str, &'static str); 7];

/// A folder that has the seven under the names they have on a user's machine, so that they find each other beside themselves.
#[derive(Debug, Clone)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Links the programs into `folder`, in place of those of an earlier build. Links, not copies: they are large, and a
    /// process that another thread starts while one is being written would make it unusable for a moment.
    pub fn link(built: &Built, folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        for (name, path) in built {
            let fresh = folder.join(format!("{name}.{}", std::process::id()));
            std::fs::hard_link(path, &fresh)?;
            rename(&fresh, &folder.join(name))?;
            // Renaming one link of a file over another does nothing at all, says POSIX.
            drop(std::fs::remove_file(&fresh));
        }
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's own files need not outlive a power cut"
)]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)
}

/// Where cargo put the seven programs; it tells a test of this package only, so the names are looked up where this is written.
#[macro_export]
macro_rules! built {
    () => {
        [
            (
                "deployment-coordinator",
                env!("CARGO_BIN_EXE_e2e-deployment-coordinator"),
            ),
            (
                "deployment-monitor",
                env!("CARGO_BIN_EXE_e2e-deployment-monitor"),
            ),
            ("slack-notifier", env!("CARGO_BIN_EXE_e2e-slack-notifier")),
            (
                "monitor-recovery",
                env!("CARGO_BIN_EXE_e2e-monitor-recovery"),
            ),
            (
                "slack-retry-queue",
                env!("CARGO_BIN_EXE_e2e-slack-retry-queue"),
            ),
            (
                "registry-fallback",
                env!("CARGO_BIN_EXE_e2e-registry-fallback"),
            ),
            (
                "deployment-time-estimator",
                env!("CARGO_BIN_EXE_e2e-deployment-time-estimator"),
            ),
        ]
    };
}
