//! Which monitor, and how it is started.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use registry_core::ids::{CorrelationId, StackName};
use registry_core::store::atomic;
use thiserror::Error;

use crate::files;

/// `argv[0]` of every monitor, so that `pgrep -f "deployment-monitor.sh"` finds it.
pub const ARGV0: &str = "deployment-monitor.sh";

/// The program's name on disk.
const PROGRAM: &str = "deployment-monitor";

/// Why a monitor could not be started. One sentence.
#[derive(Debug, Error)]
pub enum StartError {
    /// There is no such program.
    #[error(
        "deployment-monitor was found neither beside this program nor on PATH: install it there (cargo install --path crates/deployment-monitor)"
    )]
    NotFound,
    /// It was found and could not be run.
    #[error("{} could not be started: {source}", .program.display())]
    Failed {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// One monitor: what it watches and where its files are.
#[derive(Debug, Clone)]
pub struct MonitorSpec {
    /// The program, as [`find_program`] found it.
    pub program: PathBuf,
    /// The deployment.
    pub id: CorrelationId,
    /// The stacks, at least one.
    pub stacks: Vec<StackName>,
    /// The Slack channel to pass on.
    pub channel: Option<String>,
    /// The monitor's log.
    pub log_file: PathBuf,
    /// The registry's folder, where the monitor's lock and state are.
    pub registry_dir: PathBuf,
}

impl MonitorSpec {
    /// The stacks, separated by commas, as they are given to the monitor.
    #[must_use]
    pub fn stack_list(&self) -> String {
        let names: Vec<&str> = self.stacks.iter().map(StackName::as_str).collect();
        names.join(",")
    }

    /// The stacks' plain names, separated by commas, as they stand in the log.
    #[must_use]
    pub fn names(&self) -> String {
        let names: Vec<&str> = self.stacks.iter().map(StackName::name).collect();
        names.join(",")
    }

    /// The lock that the monitor holds while it lives: that of its first stack (it holds those of all).
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.file(files::lock)
    }

    pub(crate) fn file(&self, of: fn(&Path, &CorrelationId, &StackName) -> PathBuf) -> PathBuf {
        // The parser of lists gives at least one; an empty list would only name a file that is not there.
        self.stacks.first().map_or_else(PathBuf::new, |stack| {
            of(&self.registry_dir, &self.id, stack)
        })
    }

    /// Starts the monitor as a session of its own, so that it outlives whoever started it. It takes its lock itself: a lock is not
    /// passed on to a child (`O_CLOEXEC`).
    pub fn start(&self) -> Result<Child, StartError> {
        let failed = |source| StartError::Failed {
            program: self.program.clone(),
            source,
        };
        atomic::create_folder(&files::folder(&self.registry_dir, &self.id), 0o755)
            .map_err(failed)?;
        let last_words = self.file(files::last_words);
        // Made anew: a link that somebody put there is not followed.
        match std::fs::remove_file(&last_words) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            Ok(()) | Err(_) => {}
        }
        let last_words = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(last_words)
            .map_err(failed)?;
        Command::new(&self.program)
            .arg0(ARGV0)
            // First, so that `pgrep -f "deployment-monitor.sh ID"` finds it. Neither can begin with a dash.
            .arg(self.id.as_str())
            .arg(self.stack_list())
            .arg("--detach")
            .arg("--")
            .arg(self.channel.as_deref().unwrap_or_default())
            .arg(&self.log_file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(last_words)
            .spawn()
            .map_err(failed)
    }
}

/// The monitor's program: beside the program that runs now, else on `path` (the variable `PATH`).
pub fn find_program(path: Option<&str>) -> Result<PathBuf, StartError> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|own| own.parent().map(|folder| folder.join(PROGRAM)));
    beside
        .into_iter()
        .chain(on_path(path.unwrap_or_default()))
        .find(|candidate| is_program(candidate))
        .ok_or(StartError::NotFound)
}

// An empty or relative entry means wherever one happens to stand, and a checkout may bring a program of this name.
fn on_path(path: &str) -> impl Iterator<Item = PathBuf> {
    path.split(':')
        .filter(|folder| folder.starts_with('/'))
        .map(|folder| Path::new(folder).join(PROGRAM))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_folder_of_path_is_not_looked_into() {
        let looked: Vec<PathBuf> = on_path(":.:bin:../x:/usr/bin:").collect();
        assert_eq!(looked, [Path::new("/usr/bin/deployment-monitor")]);
    }
}
