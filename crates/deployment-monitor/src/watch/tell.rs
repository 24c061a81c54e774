//! What is told, once each: to the log, to a person, to Slack.

use std::time::Duration;

use registry_core::clock::{Timestamp, human_duration, whole_minutes};
use registry_core::notification::{Estimate, Notification};
use registry_core::progress::{Happening, OperationKind, Phase};
use registry_core::stack::StackEvent;

use super::{Outside, Pending, StackWatch, Stage};
use crate::lines::{self, Level};
use crate::messages;
use crate::ports::Channel;

/// Says an event to a person.
pub(super) fn say_event(event: &StackEvent, outside: &Outside<'_>) {
    let mut text = lines::sentence(event);
    if let Some(reason) = event.reason.as_deref().filter(|reason| !reason.is_empty()) {
        text += &format!(": {reason}");
    }
    if let Some(hook) = &event.hook {
        let reason = hook.reason.as_deref().unwrap_or("no reason given");
        text += &format!(" [hook {} {}: {reason}]", hook.kind, hook.status);
    }
    (outside.say)(Level::Event, &text);
}

impl StackWatch {
    // Keys are made of the id, the stack and what happened; the same key is never told twice.
    pub(super) fn key(&self, kind: &str) -> String {
        format!("{}.{kind}", self.name.name())
    }

    pub(super) fn attempt_key(&self, kind: &str) -> String {
        let began = self.progress.started_at().map_or(0, Timestamp::millis);
        self.key(&format!("{began}.{kind}"))
    }

    pub(super) fn tell_happenings(&mut self, happenings: &[Happening], outside: &mut Outside<'_>) {
        for happening in happenings {
            match happening {
                Happening::Began { attempt, kind, at } => {
                    self.tell_beginning(*attempt, *kind, *at, outside);
                }
                Happening::PhaseChanged { phase, at } => {
                    let key = self.key(&format!("{}.phase-{}", at.millis(), phase.words()));
                    self.note(&key, Level::Info, &messages::phase(*phase), outside);
                }
                Happening::FirstFailure { failure, revised } => {
                    let text = messages::first_failure(&self.progress, failure);
                    let key = self.key(&format!("{}.failure", failure.event_id));
                    let text = if *revised {
                        format!("The cause lies earlier. {text}")
                    } else {
                        text
                    };
                    self.note(&format!("{key}.log"), Level::Error, &text, outside);
                    self.alert(&key, text, Channel::Updates, outside);
                }
                Happening::CleanUpFailed { failure } => {
                    let key = self.key(&format!("{}.cleanup", failure.event_id));
                    let text = format!(
                        "an old resource could not be removed (this is no failure of the deployment; CloudFormation tries again, then leaves it): {}",
                        failure.sentence()
                    );
                    self.note(&key, Level::Warning, &text, outside);
                }
                Happening::RollbackStepFailed { failure } => {
                    let key = self.key(&format!("{}.rollback", failure.event_id));
                    let text = format!("a step of the rollback failed: {}", failure.sentence());
                    self.note(&key, Level::Warning, &text, outside);
                }
                Happening::Ended { status, at } => {
                    let key = self.key(&format!("{}.ended", at.millis()));
                    let text = format!("the stack's own events say that it is {status}");
                    self.note(&key, Level::Info, &text, outside);
                }
            }
        }
    }

    fn tell_beginning(
        &mut self,
        attempt: u32,
        kind: OperationKind,
        at: Timestamp,
        outside: &mut Outside<'_>,
    ) {
        let what = match kind {
            OperationKind::Create => "the creation of the stack",
            OperationKind::Update => "an update of the stack",
            OperationKind::Import => "an import into the stack",
            OperationKind::Delete => "a deletion of the stack",
            OperationKind::Unknown => "an operation on the stack",
        };
        let mut text = format!("{what} began at {}", at.human());
        if attempt > 1 {
            text += &format!(" (attempt {attempt} of this deployment)");
        }
        let key = self.key(&format!("{}.began", at.millis()));
        self.note(&key, Level::Info, &text, outside);
    }

    // To the log and a person, once.
    pub(super) fn note(
        &mut self,
        key: &str,
        level: Level,
        message: &str,
        outside: &mut Outside<'_>,
    ) {
        if self.cursor.told.insert(key.to_owned()) {
            self.report(level, message, outside);
        }
    }

    /// To Slack, once: on the retry queue first, then remembered.
    pub(super) fn alert(
        &mut self,
        key: &str,
        message: String,
        channel: Channel,
        outside: &mut Outside<'_>,
    ) {
        let note = Notification::Alert {
            id: outside.lines.id.clone(),
            stack: self.name.name().to_owned(),
            message,
        };
        self.tell(key, note, channel, outside);
    }

    fn tell(&mut self, key: &str, note: Notification, channel: Channel, outside: &mut Outside<'_>) {
        if self.cursor.told.contains(key) || self.pending.iter().any(|other| other.key == key) {
            return;
        }
        let full = format!("{}.{key}", outside.lines.id);
        let note = masked(note, outside);
        match outside.slack.tell(&full, note.clone(), channel) {
            Ok(()) => {
                self.cursor.told.insert(key.to_owned());
                self.said.remove("slack");
            }
            Err(error) => {
                self.pending.push(Pending {
                    key: key.to_owned(),
                    note,
                    channel,
                });
                let text =
                    format!("a Slack message could not be queued: {error}; it is tried again");
                self.say_once("slack", Level::Warning, &text, outside);
            }
        }
    }

    pub(super) fn send_pending(&mut self, outside: &mut Outside<'_>) {
        for message in std::mem::take(&mut self.pending) {
            self.tell(&message.key, message.note, message.channel, outside);
        }
    }

    // Stall, overrun, progress: all by AWS's clock, counted from the operation's first event, and only after all was read.
    pub(super) fn watch_the_clocks(&mut self, outside: &mut Outside<'_>) {
        if self.stage != Stage::Running
            || matches!(self.progress.phase(), Phase::NotBegun | Phase::Ended)
        {
            return;
        }
        let now = self.aws.now(outside.clock);
        let Some(elapsed) = self.progress.elapsed(now) else {
            return;
        };
        if let Some(quiet) = self.progress.quiet_for(now)
            && quiet >= self.limits.stall
        {
            let last = self.progress.last_event_id().unwrap_or_default();
            let key = self.key(&format!("{last}.stall"));
            self.tell_stall(&key, quiet, now, outside);
        }
        if elapsed >= self.limits.most {
            let key = self.attempt_key("overrun");
            let text = messages::overrun(&self.progress, now, self.limits.most);
            self.note(&format!("{key}.log"), Level::Warning, &text, outside);
            self.alert(&key, text, Channel::Updates, outside);
        }
        self.tell_progress(now, elapsed, outside);
    }

    fn tell_stall(
        &mut self,
        key: &str,
        quiet: Duration,
        now: Timestamp,
        outside: &mut Outside<'_>,
    ) {
        let usual = |row: &_| (outside.usual)(&self.progress, row);
        let details = messages::stall(&self.progress, now, &usual);
        let told = human_duration(quiet);
        let items: Vec<&str> = details
            .lines()
            .map(|line| line.trim_start_matches("- "))
            .collect();
        let text = format!("no stack event for {told}: {}", items.join("; "));
        self.note(&format!("{key}.log"), Level::Warning, &text, outside);
        let note = Notification::Stalled {
            id: outside.lines.id.clone(),
            stack: self.name.name().to_owned(),
            minutes: whole_minutes(quiet).to_string(),
            details: Some(details),
        };
        self.tell(key, note, Channel::Updates, outside);
    }

    fn tell_progress(&mut self, now: Timestamp, elapsed: Duration, outside: &mut Outside<'_>) {
        let step = elapsed.as_millis() / self.limits.progress.as_millis().max(1);
        if step == 0 {
            return;
        }
        let key = self.attempt_key(&format!("progress-{step}"));
        if self.cursor.told.contains(&key) {
            return;
        }
        // Only the newest step is remembered: a long operation does not fill the cursor.
        let prefix = self.attempt_key("progress-");
        self.cursor.told.retain(|told| !told.starts_with(&prefix));
        let remaining = (outside.remaining)(&self.progress, now);
        let note = Notification::Progress {
            id: outside.lines.id.clone(),
            status: self
                .status()
                .map_or_else(|| "IN_PROGRESS".to_owned(), ToString::to_string),
            details: messages::progress(&self.progress, now),
            estimate: remaining.map(|remaining_minutes| Estimate {
                elapsed_minutes: Some(whole_minutes(elapsed)),
                remaining_minutes,
            }),
        };
        let text = format!("progress: {}", messages::progress(&self.progress, now));
        self.note(&format!("{key}.log"), Level::Info, &text, outside);
        self.tell(&key, note, Channel::Updates, outside);
    }
}

// What AWS says may hold a secret; nothing of it is queued.
fn masked(note: Notification, outside: &Outside<'_>) -> Notification {
    let mask = |text: String| outside.lines.masker.mask(&text);
    match note {
        Notification::Alert { id, stack, message } => Notification::Alert {
            id,
            stack,
            message: mask(message),
        },
        Notification::Stalled {
            id,
            stack,
            minutes,
            details,
        } => Notification::Stalled {
            id,
            stack,
            minutes,
            details: details.map(mask),
        },
        other @ (Notification::Started { .. }
        | Notification::Queued { .. }
        | Notification::Progress { .. }
        | Notification::Complete { .. }
        | Notification::Failed { .. }
        | Notification::Custom { .. }) => other,
    }
}
