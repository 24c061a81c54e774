//! The course of a `run` while COMMAND lives, as a pure machine: what happens goes in, what is to be done comes out.

use std::time::Duration;

use crate::args::OnLost;

/// So long COMMAND may take to end itself once its hold is lost.
pub(super) const LOST_GRACE: Duration = Duration::from_secs(10);

/// GitHub's cancel is SIGINT, SIGTERM 7.5 s later, and SIGKILL 2.5 s after that (actions/runner, ProcessInvoker.cs). What is
/// left after the second has to do for COMMAND, the registry and the queue.
pub(super) const CANCEL_GRACE: Duration = Duration::from_millis(1000);

/// The signals that ask to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Interrupt,
    Terminate,
    Hangup,
}

impl Signal {
    pub(super) fn from_number(number: i32) -> Self {
        match number {
            signal_hook::consts::SIGINT => Self::Interrupt,
            signal_hook::consts::SIGHUP => Self::Hangup,
            // Only these three are caught.
            _ => Self::Terminate,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::Hangup => "SIGHUP",
        }
    }
}

/// How COMMAND ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// By itself, with this status.
    Code(u8),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// As a shell tells it.
    pub(super) fn status(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => u8::try_from(signal.saturating_add(128)).unwrap_or(u8::MAX),
        }
    }

    pub(super) fn words(self) -> String {
        match self {
            Self::Code(code) => format!("ended with exit status {code}"),
            Self::Signal(signal) => format!("was ended by signal {signal}"),
        }
    }
}

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// Somebody asks `run` to stop.
    Signal(Signal),
    /// The hold is not COMMAND's any more; why, as a sentence.
    Lost(String),
    /// COMMAND has had the time it was given.
    GraceOver,
    /// COMMAND is gone.
    Exited,
}

/// Something is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Give COMMAND this signal.
    Pass(Signal),
    /// End COMMAND and what it started, now.
    Kill,
    /// [`Event::GraceOver`] comes after so long, unless COMMAND is gone before.
    Grace(Duration),
    /// Tell the person that the hold is lost, and what that means.
    TellLost { why: String, ends: bool },
    /// Tell the person that `run` was asked to stop.
    TellSignal(Signal),
    /// COMMAND is gone: end the deployment.
    Finish,
}

/// Where a `run` stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Course {
    on_lost: OnLost,
    /// Whether COMMAND is in the process group of the terminal, which gives it Ctrl-C itself.
    shares_terminal: bool,
    /// The first signal that asked to stop.
    pub(super) stopped_by: Option<Signal>,
    signals: u32,
    /// Why the hold was lost.
    pub(super) lost: Option<String>,
    /// Whether somebody is about to end `run` with SIGKILL.
    pub(super) hurry: bool,
}

impl Course {
    pub(super) fn new(on_lost: OnLost, shares_terminal: bool) -> Self {
        Self {
            on_lost,
            shares_terminal,
            stopped_by: None,
            signals: 0,
            lost: None,
            hurry: false,
        }
    }

    /// Whether `run` itself ended COMMAND, or was asked to.
    pub(super) fn was_ended(&self) -> bool {
        self.stopped_by.is_some() || (self.lost.is_some() && self.on_lost == OnLost::End)
    }

    pub(super) fn step(&mut self, event: Event) -> Vec<Action> {
        match event {
            Event::Signal(signal) => self.signal(signal),
            Event::Lost(why) => self.lose(why),
            Event::GraceOver => vec![Action::Kill],
            Event::Exited => vec![Action::Finish],
        }
    }

    fn signal(&mut self, signal: Signal) -> Vec<Action> {
        self.signals += 1;
        let mut actions = Vec::new();
        if self.stopped_by.is_none() {
            self.stopped_by = Some(signal);
            actions.push(Action::TellSignal(signal));
        }
        // The terminal has given Ctrl-C to the whole group; once more would make many programs stop the hard way.
        let has_it = self.shares_terminal && signal == Signal::Interrupt;
        if !has_it {
            actions.push(Action::Pass(signal));
        }
        if signal == Signal::Terminate && self.signals > 1 {
            self.hurry = true;
            actions.push(Action::Grace(CANCEL_GRACE));
        }
        actions
    }

    fn lose(&mut self, why: String) -> Vec<Action> {
        if self.lost.is_some() {
            return Vec::new();
        }
        self.lost = Some(why.clone());
        match self.on_lost {
            OnLost::Keep => vec![Action::TellLost { why, ends: false }],
            OnLost::End => vec![
                Action::TellLost { why, ends: true },
                Action::Pass(Signal::Terminate),
                Action::Grace(LOST_GRACE),
            ],
        }
    }
}

/// The exit status of `run`.
pub(super) fn status(course: &Course, exit: Exit) -> u8 {
    let ended = course.lost.is_some() && course.on_lost == OnLost::End;
    match exit {
        // Ended for a lost hold is no success, however politely the command went.
        Exit::Code(0) if ended => 125,
        Exit::Code(_) | Exit::Signal(_) => exit.status(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INT: Event = Event::Signal(Signal::Interrupt);
    const TERM: Event = Event::Signal(Signal::Terminate);
    const HUP: Event = Event::Signal(Signal::Hangup);

    fn lost() -> Event {
        Event::Lost("gone".to_owned())
    }

    fn word(action: &Action) -> String {
        match action {
            Action::Pass(signal) => format!("pass {}", signal.name()),
            Action::Kill => "kill".to_owned(),
            Action::Grace(span) => format!("grace {}ms", span.as_millis()),
            Action::TellLost { ends, .. } => format!("tell lost ends={ends}"),
            Action::TellSignal(signal) => format!("tell {}", signal.name()),
            Action::Finish => "finish".to_owned(),
        }
    }

    fn check(
        on_lost: OnLost,
        terminal: bool,
        events: &[Event],
        exit: Exit,
        actions: &[&str],
        status_is: u8,
    ) {
        let mut course = Course::new(on_lost, terminal);
        let mut words = Vec::new();
        for event in events.iter().chain([&Event::Exited]) {
            words.extend(course.step(event.clone()).iter().map(word));
        }
        assert_eq!(words.pop().as_deref(), Some("finish"), "{events:?}");
        assert_eq!(words, actions, "{events:?}");
        assert_eq!(status(&course, exit), status_is, "{events:?}");
    }

    #[test]
    fn every_course() {
        use Exit::Code;
        use OnLost::{End, Keep};
        let killed = Exit::Signal;
        check(End, false, &[], Code(0), &[], 0);
        check(End, false, &[], Code(3), &[], 3);
        check(End, false, &[], killed(9), &[], 137);
        let passed = ["tell SIGINT", "pass SIGINT"];
        check(End, false, &[INT], killed(2), &passed, 130);
        // A terminal gives it to COMMAND itself.
        let told = ["tell SIGINT"];
        check(End, true, &[INT, INT], killed(2), &told, 130);
        let passed = ["tell SIGTERM", "pass SIGTERM"];
        check(End, true, &[TERM], killed(15), &passed, 143);
        // One SIGTERM sets no limit: a command may need minutes to end in order.
        check(End, false, &[TERM], Code(0), &passed, 0);
        let passed = ["tell SIGHUP", "pass SIGHUP"];
        check(End, false, &[HUP], killed(1), &passed, 129);
        // GitHub's cancel.
        let cancelled = [
            "tell SIGINT",
            "pass SIGINT",
            "pass SIGTERM",
            "grace 1000ms",
            "kill",
        ];
        let cancel = [INT, TERM, Event::GraceOver];
        check(End, false, &cancel, killed(9), &cancelled, 137);
        check(End, false, &cancel[..2], Code(7), &cancelled[..4], 7);
        let ended = [
            "tell lost ends=true",
            "pass SIGTERM",
            "grace 10000ms",
            "kill",
        ];
        let events = [lost(), lost(), Event::GraceOver];
        check(End, false, &events, killed(9), &ended, 137);
        check(End, false, &events[..2], killed(15), &ended[..3], 143);
        // What was ended because its hold was lost has not succeeded.
        check(End, false, &events[..2], Code(0), &ended[..3], 125);
        let kept = ["tell lost ends=false"];
        check(Keep, false, &events[..2], Code(0), &kept, 0);
    }
}
