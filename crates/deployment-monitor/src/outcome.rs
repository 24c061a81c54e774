//! How the whole watching ended: the last line of the log, and the exit status.

use command_line::Status;
use registry_core::ids::StackName;

use crate::lines::Level;
use crate::watch::Outcome;

/// How the monitor ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Every stack has ended, each as told.
    Watched(Vec<(String, Outcome)>),
    /// A person, or the system, asked it to stop.
    Stopped(i32),
    /// The deployment had ended before the monitor began.
    EndedBefore(String),
}

impl Ending {
    /// The word of the log's `outcome` field.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Stopped(_) => "stopped",
            Self::EndedBefore(_) => "ended_before",
            Self::Watched(stacks) => match worst(stacks) {
                Some(Outcome::Failed(_)) => "failed",
                Some(Outcome::NothingSeen) => "nothing_seen",
                Some(Outcome::HoldEnded) => "hold_ended",
                Some(Outcome::Deployed(_)) | None => "deployed",
            },
        }
    }

    /// The exit status.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Stopped(_) | Self::EndedBefore(_) => Status::Yes,
            Self::Watched(stacks) => match worst(stacks) {
                Some(Outcome::Failed(_)) => Status::No,
                Some(Outcome::NothingSeen) => Status::CannotTell,
                Some(Outcome::HoldEnded | Outcome::Deployed(_)) | None => Status::Yes,
            },
        }
    }

    /// The level of the last line.
    pub(crate) fn level(&self) -> Level {
        match self.word() {
            "deployed" => Level::Success,
            "failed" => Level::Error,
            "nothing_seen" => Level::Warning,
            _ => Level::Info,
        }
    }

    /// The last line in words.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::Stopped(signal) => {
                format!(
                    "the monitor was asked to stop (signal {signal}); the deployment goes on without it"
                )
            }
            Self::EndedBefore(how) => {
                format!("there is nothing to watch: the deployment has ended, {how}")
            }
            Self::Watched(stacks) => stacks
                .iter()
                .map(|(stack, outcome)| match outcome {
                    Outcome::Deployed(status) => format!("{stack} was deployed ({status})"),
                    Outcome::Failed(status) => format!("{stack} was not deployed ({status})"),
                    Outcome::NothingSeen => {
                        format!("no operation of this deployment was ever seen on {stack}")
                    }
                    Outcome::HoldEnded => {
                        format!(
                            "the watching of {stack} ends, since the deployment's hold has ended"
                        )
                    }
                })
                .collect::<Vec<_>>()
                .join("; "),
        }
    }
}

// A failure outweighs everything, what was never seen outweighs a success.
fn worst(stacks: &[(String, Outcome)]) -> Option<&Outcome> {
    stacks
        .iter()
        .map(|(_, outcome)| outcome)
        .max_by_key(|outcome| match outcome {
            Outcome::Failed(_) => 3,
            Outcome::NothingSeen => 2,
            Outcome::HoldEnded => 1,
            Outcome::Deployed(_) => 0,
        })
}

/// Names of stacks, separated by commas.
pub(crate) fn names(stacks: &[StackName]) -> String {
    stacks
        .iter()
        .map(StackName::name)
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use registry_core::stack::StackStatus;

    #[test]
    fn the_worst_stack_decides() {
        let deployed = || {
            (
                "A".to_owned(),
                Outcome::Deployed(StackStatus::UpdateComplete),
            )
        };
        let failed = (
            "B".to_owned(),
            Outcome::Failed(StackStatus::RollbackComplete),
        );
        let nothing = ("C".to_owned(), Outcome::NothingSeen);
        let cases = [
            (vec![deployed()], "deployed", 0),
            (vec![deployed(), failed.clone()], "failed", 1),
            (vec![failed, nothing.clone()], "failed", 1),
            (vec![deployed(), nothing], "nothing_seen", 2),
            (vec![("D".to_owned(), Outcome::HoldEnded)], "hold_ended", 0),
        ];
        for (stacks, word, code) in cases {
            let ending = Ending::Watched(stacks);
            assert_eq!((ending.word(), ending.status().code()), (word, code));
        }
        assert_eq!(Ending::Stopped(15).status().code(), 0);
    }
}
