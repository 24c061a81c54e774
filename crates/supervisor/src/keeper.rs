//! Keeps a monitor alive: looks, says what it found, restarts, verifies, gives up.

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use registry_core::clock::{BootInstant, Clock, Timestamp, Wake, human_duration};
use registry_core::notification::Notification;

use crate::files;
use crate::life::{self, Life};
use crate::log_end::{self, LogEnd};
use crate::spec::{MonitorSpec, StartError};
use crate::window::{MOST, SPAN, Window};

/// A started monitor must hold its lock within so long.
const VERIFY: Duration = Duration::from_secs(10);

/// A monitor that is being started by somebody else is waited for so long before its absence counts.
const APPEARS_WITHIN: Duration = Duration::from_secs(5);

/// A monitor that is asked to end has so long for it; what it has written down is whole at every moment.
const ENDS_WITHIN: Duration = Duration::from_secs(3);

/// Between two restarts of a monitor that dies at once.
const BREATH: Duration = Duration::from_secs(1);

/// Something that was found or done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The monitor died, or never ran; it is restarted next.
    Crashed {
        /// What is known about it, as a sentence.
        how: String,
    },
    /// The monitor hung and is ended.
    Hung {
        /// Its process.
        pid: u32,
        /// Its last sign of life was so long ago.
        silent_for: Duration,
        /// Whether it is restarted next; else [`Report::GaveUp`] follows.
        restarts: bool,
    },
    /// It was restarted and works.
    Restarted {
        /// Its process.
        pid: u32,
        /// How many restarts lie in the last five minutes, this one included.
        restarts: usize,
    },
    /// Something went wrong that is tried again.
    Trouble {
        /// What, as a sentence.
        what: String,
    },
    /// It is not restarted any more.
    GaveUp {
        /// What is known about its last end, and its last words.
        how: String,
        /// Its log's last lines, oldest first.
        last_lines: Vec<String>,
    },
}

impl Report {
    /// It as a sentence or two for a person.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Crashed { how } => {
                format!("The deployment monitor is not running: {how}. It is restarted")
            }
            Self::Hung {
                pid,
                silent_for,
                restarts,
            } => format!(
                "The deployment monitor (process {pid}) has given no sign of life for {}. It is ended{}",
                human_duration(*silent_for),
                if *restarts { " and restarted" } else { "" }
            ),
            Self::Restarted { pid, restarts } => format!(
                "The deployment monitor works again (process {pid}, restart {restarts} within five minutes)"
            ),
            Self::Trouble { what } => what.clone(),
            Self::GaveUp { how, last_lines } => {
                let lines = if last_lines.is_empty() {
                    "It left no log lines".to_owned()
                } else {
                    format!("Its last log lines: {}", last_lines.join(" | "))
                };
                format!(
                    "The deployment monitor is not restarted any more: {how}. {lines}. The deployment itself goes on unwatched"
                )
            }
        }
    }

    /// The alert that people should read about it, and the name under which that is queued once; `None`: it is only for the log.
    #[must_use]
    pub fn alert(&self, spec: &MonitorSpec, at: Timestamp) -> Option<(Notification, String)> {
        let kind = match self {
            Self::Crashed { .. } => "crashed",
            Self::Hung { .. } => "hung",
            Self::Restarted { .. } => "restarted",
            Self::GaveUp { .. } => "gave-up",
            Self::Trouble { .. } => return None,
        };
        let note = Notification::Alert {
            id: spec.id.to_string(),
            stack: spec.names(),
            message: self.sentence(),
        };
        let key = format!(
            "{}.{}.recovery.{}.{kind}",
            spec.id,
            spec.names(),
            at.millis()
        );
        Some((note, key))
    }
}

/// Why there is nothing left to keep alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The monitor wrote this outcome: the deployment is over.
    Over(String),
    /// A person stopped it; it stays stopped.
    StoppedByPerson,
    /// It died too often.
    GaveUp,
}

/// Keeps one monitor alive.
#[derive(Debug)]
pub struct Keeper {
    spec: MonitorSpec,
    window: Window,
    window_path: PathBuf,
    began: Option<BootInstant>,
    seen: bool,
    child: Option<Child>,
    last_exit: Option<ExitStatus>,
}

impl Keeper {
    /// A keeper of this monitor, whoever started it. Restarts of an earlier keeper count.
    #[must_use]
    pub fn new(spec: MonitorSpec) -> Self {
        let window_path = spec.file(files::restarts);
        Self {
            window: Window::load(&window_path),
            window_path,
            spec,
            began: None,
            seen: false,
            child: None,
            last_exit: None,
        }
    }

    /// The monitor.
    #[must_use]
    pub fn spec(&self) -> &MonitorSpec {
        &self.spec
    }

    /// Starts the monitor as a child of this process, which [`Keeper::end`] ends.
    pub fn start(&mut self) -> Result<(), StartError> {
        self.child = Some(self.spec.start()?);
        Ok(())
    }

    /// Ends the monitor if it was started here, and waits for that; one that somebody else started is left alone. `clock` must
    /// not be one that was stopped.
    pub fn end(&mut self, clock: &dyn Clock) {
        const STEP: Duration = Duration::from_millis(20);
        let Some(mut child) = self.child.take() else {
            return;
        };
        // Not reaped yet, so the number is its own. It may have ended by itself.
        let _gone = rustix::process::kill_process(
            rustix::process::Pid::from_child(&child),
            rustix::process::Signal::TERM,
        );
        let began = clock.boot();
        while matches!(child.try_wait(), Ok(None)) {
            let waited = clock.boot().since_boot.saturating_sub(began.since_boot);
            if waited >= ENDS_WITHIN {
                let _gone = child.kill();
                let _reaped = child.wait();
                return;
            }
            let _woken = clock.sleep(STEP);
        }
    }

    /// One look, and what follows from it. `tell` hears each report as it happens. `Some` when there is nothing left to do.
    pub fn tick(&mut self, clock: &dyn Clock, tell: &mut dyn FnMut(&Report)) -> Option<End> {
        self.reap();
        match Life::of(&self.spec.lock(), clock) {
            Ok(Life::Works { .. }) => {
                self.seen = true;
                None
            }
            Ok(Life::Hangs { pid, silent_for }) => {
                let restarts = self.window.count(clock) < MOST;
                tell(&Report::Hung {
                    pid,
                    silent_for,
                    restarts,
                });
                if let Err(what) = life::end(pid, &self.spec.lock(), clock) {
                    tell(&Report::Trouble { what });
                    return None;
                }
                self.reap();
                self.restart_until_it_works(clock, tell)
            }
            Ok(Life::Dead) => self.dead(clock, tell),
            Err(error) => {
                let what = format!(
                    "the monitor's lock {} cannot be looked at: {error}",
                    self.spec.lock().display()
                );
                tell(&Report::Trouble { what });
                None
            }
        }
    }

    fn dead(&mut self, clock: &dyn Clock, tell: &mut dyn FnMut(&Report)) -> Option<End> {
        let now = clock.boot();
        let began = self.began.get_or_insert_with(|| now.clone());
        let young = now.since(began).is_some_and(|age| age < APPEARS_WITHIN);
        // It may just be starting, and an outcome in the log may be an earlier run's.
        if !self.seen && young {
            if clock.sleep(APPEARS_WITHIN / 10) == Wake::Stopped {
                return None;
            }
            return self.tick(clock, tell);
        }
        if let Some(end) = self.end_in_log(tell) {
            return Some(end);
        }
        // Nobody is told of a restart that does not come: giving up says itself how the monitor ended.
        if self.window.count(clock) < MOST {
            let how = self.how_it_ended();
            tell(&Report::Crashed { how });
        }
        self.restart_until_it_works(clock, tell)
    }

    fn log_end(&self, tell: &mut dyn FnMut(&Report)) -> LogEnd {
        log_end::read(
            &self.spec.log_file,
            self.spec.id.as_str(),
            &self.spec.names(),
        )
        .unwrap_or_else(|error| {
            let what = format!(
                "the monitor's log {} cannot be read: {error}",
                self.spec.log_file.display()
            );
            tell(&Report::Trouble { what });
            LogEnd::default()
        })
    }

    fn end_in_log(&self, tell: &mut dyn FnMut(&Report)) -> Option<End> {
        let outcome = self.log_end(tell).outcome?;
        Some(if outcome == "stopped" {
            End::StoppedByPerson
        } else {
            End::Over(outcome)
        })
    }

    fn restart_until_it_works(
        &mut self,
        clock: &dyn Clock,
        tell: &mut dyn FnMut(&Report),
    ) -> Option<End> {
        loop {
            if self.window.count(clock) >= MOST {
                let last_lines = self.last_lines(tell);
                tell(&Report::GaveUp {
                    how: format!(
                        "it was restarted {MOST} times within {}; {}",
                        human_duration(SPAN),
                        self.how_it_ended()
                    ),
                    last_lines,
                });
                return Some(End::GaveUp);
            }
            if let Err(error) = self.window.add(&self.window_path, clock) {
                // Without a record a crash loop could not be told from bad luck after our own restart.
                let what = format!(
                    "the restarts cannot be recorded in {}: {error}",
                    self.window_path.display()
                );
                tell(&Report::Trouble { what });
            }
            match self.spec.start() {
                Ok(child) => self.child = Some(child),
                Err(error) => tell(&Report::Trouble {
                    what: error.to_string(),
                }),
            }
            if let Some(pid) = self.verify(clock) {
                self.seen = true;
                let restarts = self.window.count(clock);
                tell(&Report::Restarted { pid, restarts });
                return None;
            }
            // It may have found the deployment over, and said so.
            if let Some(end) = self.end_in_log(tell) {
                return Some(end);
            }
            if clock.sleep(BREATH) == Wake::Stopped {
                return None;
            }
        }
    }

    // Waits until the started monitor, or another one, holds the lock; `None`: it is gone again.
    fn verify(&mut self, clock: &dyn Clock) -> Option<u32> {
        const STEP: Duration = Duration::from_millis(50);
        let began = clock.boot();
        loop {
            if let Ok(Life::Works { pid: Some(pid) }) = Life::of(&self.spec.lock(), clock) {
                return Some(pid);
            }
            self.reap();
            self.child.as_ref()?;
            let waited = clock.boot().since(&began).unwrap_or(VERIFY);
            if waited >= VERIFY || clock.sleep(STEP) == Wake::Stopped {
                return None;
            }
        }
    }

    fn reap(&mut self) {
        if let Some(child) = &mut self.child
            && let Ok(Some(status)) = child.try_wait()
        {
            self.last_exit = Some(status);
            self.child = None;
        }
    }

    fn how_it_ended(&self) -> String {
        match self.last_exit {
            None if self.seen => {
                "how it ended is not known, since it was not started here".to_owned()
            }
            None => "no monitor has been running".to_owned(),
            Some(status) => match (status.code(), status.signal()) {
                (Some(code), _) => format!("its last exit status was {code}"),
                (None, Some(signal)) => format!("signal {signal} ended it last"),
                (None, None) => "how it ended is not known".to_owned(),
            },
        }
    }

    fn last_lines(&self, tell: &mut dyn FnMut(&Report)) -> Vec<String> {
        let mut lines = self.log_end(tell).last_lines;
        let last_words = std::fs::read_to_string(self.spec.file(files::last_words));
        lines.extend(
            last_words
                .unwrap_or_default()
                .lines()
                .rev()
                .take(3)
                .map(str::to_owned),
        );
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn giving_up_tells_the_last_lines() {
        let message = Report::GaveUp {
            how: "its last exit status was 101".to_owned(),
            last_lines: vec!["t INFO a".to_owned(), "t EVENT b".to_owned()],
        }
        .sentence();
        assert_eq!(
            message,
            "The deployment monitor is not restarted any more: its last exit status was 101. \
             Its last log lines: t INFO a | t EVENT b. The deployment itself goes on unwatched"
        );
    }
}
