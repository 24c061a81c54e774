//! Exit status, as grep has it.

use std::process::ExitCode;

/// How a program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Status {
    /// 0: yes, or done.
    Yes,
    /// 1: no: an active deployment, a timeout, a failed deployment, nothing found.
    No,
    /// 2: could not tell, or wrong usage.
    CannotTell,
    /// Another program's exit status, passed on, or one of `timeout`'s and `env`'s (124 to 127).
    Other(u8),
}

impl Status {
    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Yes => 0,
            Self::No => 1,
            Self::CannotTell => 2,
            Self::Other(code) => code,
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status.code())
    }
}

/// The part of every program's `--help` that tells its exit status.
pub const HELP: &str = "\
Exit status: 0 yes or done; 1 no (an active deployment, a timeout, a failed deployment, nothing found); \
2 could not tell, or wrong usage";
