//! Watches one stack: one look at a time, its state kept so that a killed monitor goes on where it was.

mod begin;
mod end;
mod tell;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use registry_core::clock::{Clock, Timestamp};
use registry_core::ids::StackName;
use registry_core::notification::Notification;
use registry_core::progress::{Happening, Phase, ResourceRow, StackProgress, Verdict, verdict_of};
use registry_core::reader::{Batch, Floor, Reader, begins_operation};
use registry_core::stack::{Stack, StackError, StackEvent, StackSource, StackState, StackStatus};

use crate::aws_clock::AwsClock;
use crate::cursor::Cursor;
use crate::judge::{Judge, Judgement};
use crate::lines::{Level, Lines};
use crate::log::{EventKey, EventLog, Position};
use crate::pace::Look;
use crate::ports::{Baseline, Channel, Deployments, Ending, Telling};

/// The durations a monitor keeps to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How often it looks.
    pub(crate) interval: Duration,
    /// So long without an event is a stall.
    pub(crate) stall: Duration,
    /// So long an operation may take.
    pub(crate) most: Duration,
    /// How often progress is told.
    pub(crate) progress: Duration,
    /// So long after registration an operation should have begun.
    pub(crate) start_grace: Duration,
    /// How long it waits for another attempt after a failure.
    pub(crate) retry_grace: Duration,
    /// How long it waits for a beginning at all.
    pub(crate) give_up: Duration,
}

/// Everything a look needs from outside.
pub(crate) struct Outside<'a> {
    /// CloudFormation.
    pub(crate) source: &'a dyn StackSource,
    /// Time.
    pub(crate) clock: &'a dyn Clock,
    /// The registry.
    pub(crate) deployments: &'a mut dyn Deployments,
    /// Slack.
    pub(crate) slack: &'a dyn Telling,
    /// The log.
    pub(crate) log: &'a mut EventLog,
    /// How lines are made.
    pub(crate) lines: &'a Lines,
    /// Says a line to a person too, where there is one.
    pub(crate) say: &'a dyn Fn(Level, &str),
    /// How long a resource usually takes.
    pub(crate) usual: &'a dyn Fn(&StackProgress, &ResourceRow) -> Option<Duration>,
    /// Whole minutes that are likely left, where that is known.
    pub(crate) remaining: &'a dyn Fn(&StackProgress, Timestamp) -> Option<u64>,
}

/// How the watching of a stack ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The new version is live.
    Deployed(StackStatus),
    /// It failed.
    Failed(StackStatus),
    /// Nothing of this deployment was ever seen.
    NothingSeen,
    /// Its hold ended before its operation did.
    HoldEnded,
}

/// Where the watching stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    NotBegun,
    Running,
    // Failed; another attempt may come.
    Lingering {
        since: Timestamp,
        status: StackStatus,
    },
    Over(Outcome),
}

/// What the registration says about where to begin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Beginning {
    /// The registration; empty for an id that was never registered.
    pub(crate) registration: String,
    /// When it was registered, as far as known.
    pub(crate) registered_at: Option<Timestamp>,
    /// Where the stack stood then.
    pub(crate) baseline: Option<Baseline>,
}

/// The watching of one stack.
pub(crate) struct StackWatch {
    name: StackName,
    cursor: Cursor,
    cursor_path: PathBuf,
    beginning: Beginning,
    limits: Limits,
    stage: Stage,
    reader: Reader,
    progress: StackProgress,
    floor: Option<Floor>,
    reported: BTreeSet<EventKey>,
    judge: Judge,
    aws: AwsClock,
    described: Option<Stack>,
    // By the last look there is no stack of this name, and none was ever seen.
    missing: bool,
    // The stack id that was watched is gone; its name may come back with another.
    gone: bool,
    // After our operation's end another deployment's began.
    followed: bool,
    ending: Option<u32>,
    failed_before: Option<StackStatus>,
    pending: Vec<Pending>,
    said: BTreeSet<String>,
}

// A message that could not be queued; it is tried again with each look.
struct Pending {
    key: String,
    note: Notification,
    channel: Channel,
}

impl StackWatch {
    /// Goes on from `cursor`, or begins. `reported` are the events found in the log behind the cursor.
    pub(crate) fn new(
        name: StackName,
        cursor: Cursor,
        cursor_path: PathBuf,
        beginning: Beginning,
        limits: Limits,
        reported: BTreeSet<EventKey>,
    ) -> Self {
        let goes_on = cursor.outcome.is_none() && cursor.registration == beginning.registration;
        let floor = cursor.floor.as_ref().filter(|_| goes_on).map(Floor::from);
        let mut cursor = cursor;
        if !goes_on {
            cursor.floor = None;
            cursor.stack_id = None;
            cursor.first_look_ms = None;
            cursor.failed_at_ms = None;
            cursor.attempts_before = 0;
            cursor.outcome = None;
            cursor.registration.clone_from(&beginning.registration);
        }
        let mut progress = StackProgress::new();
        if let Some(root) = &cursor.stack_id {
            progress.set_root(root);
        }
        progress.count_attempts_from(cursor.attempts_before);
        Self {
            reader: Reader::resume(cursor.reader_tails()),
            name,
            cursor,
            cursor_path,
            beginning,
            limits,
            stage: Stage::NotBegun,
            progress,
            floor,
            reported,
            judge: Judge::default(),
            aws: AwsClock::default(),
            described: None,
            missing: false,
            gone: false,
            followed: false,
            ending: None,
            failed_before: None,
            pending: Vec::new(),
            said: BTreeSet::new(),
        }
    }

    /// The stack's name.
    pub(crate) fn name(&self) -> &str {
        self.name.name()
    }

    /// What is known of the operation.
    pub(crate) fn progress(&self) -> &StackProgress {
        &self.progress
    }

    /// The time, for AWS.
    pub(crate) fn now(&self, clock: &dyn Clock) -> Timestamp {
        self.aws.now(clock)
    }

    /// How it ended, once it has.
    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        match &self.stage {
            Stage::Over(outcome) => Some(outcome),
            Stage::NotBegun | Stage::Running | Stage::Lingering { .. } => None,
        }
    }

    /// The stack's last status as it was described or told.
    pub(crate) fn status(&self) -> Option<&StackStatus> {
        match &self.stage {
            Stage::Over(Outcome::Deployed(status) | Outcome::Failed(status)) => Some(status),
            Stage::NotBegun => self.progress.status(),
            Stage::Running | Stage::Lingering { .. } | Stage::Over(_) => self
                .described
                .as_ref()
                .map(|stack| &stack.status)
                .or_else(|| self.progress.status()),
        }
    }

    /// From now on only what is left is read: the hold has ended.
    pub(crate) fn end_soon(&mut self) {
        self.ending.get_or_insert(0);
    }

    /// The hold has ended, and what is left cannot be read.
    pub(crate) fn end_now(&mut self) {
        if self.outcome().is_none() {
            self.stage = Stage::Over(self.outcome_without_verdict());
        }
    }

    fn outcome_without_verdict(&self) -> Outcome {
        match (&self.stage, &self.failed_before) {
            (Stage::Lingering { status, .. }, _) | (_, Some(status)) => {
                Outcome::Failed(status.clone())
            }
            (Stage::NotBegun | Stage::Running | Stage::Over(_), None) => Outcome::HoldEnded,
        }
    }

    /// One look: describes the stack, reads what is new, tells it, and keeps where it stands.
    pub(crate) fn look(&mut self, outside: &mut Outside<'_>) -> Result<Look, StackError> {
        if self.outcome().is_some() {
            return Ok(Look::Quiet);
        }
        let asked = self.ask_for();
        let observed = outside.source.describe(&asked)?;
        self.aws.hear(observed.server_time, outside.clock);
        self.note_first_look(outside);
        let stack = match observed.value {
            StackState::Missing => None,
            StackState::Exists(stack) => Some(*stack),
        };
        self.missing = stack.is_none() && self.cursor.stack_id.is_none();
        let batch = match &stack {
            Some(stack) => self.read(stack, outside)?,
            None => self.read_deleted(outside)?,
        };
        let mut look = Look::Quiet;
        if let Some(batch) = batch {
            self.aws.hear(batch.server_time, outside.clock);
            if !self.take_in(&batch, outside) {
                return Ok(Look::Blind);
            }
            if !batch.events.is_empty() {
                look = Look::News;
            }
        }
        self.described = stack.or_else(|| self.described.take());
        self.gone |= self.was_deleted();
        self.send_pending(outside);
        if self.decide(outside) == Judgement::Closing {
            look = Look::Closing;
        }
        self.watch_the_clocks(outside);
        self.save(outside);
        Ok(look)
    }

    // By id once it is known; by name again when that id is gone, since a new stack may bear it.
    fn ask_for(&self) -> StackName {
        if self.gone {
            return self.name.clone();
        }
        self.cursor
            .stack_id
            .as_ref()
            .and_then(|id| id.parse().ok())
            .unwrap_or_else(|| self.name.clone())
    }

    // Its own id still finds a deleted stack, for 90 days.
    fn was_deleted(&self) -> bool {
        self.progress.status() == Some(&StackStatus::DeleteComplete)
            && self
                .described
                .as_ref()
                .is_some_and(|stack| stack.status == StackStatus::DeleteComplete)
    }

    fn note_first_look(&mut self, outside: &Outside<'_>) {
        if self.cursor.first_look_ms.is_none() {
            self.cursor.first_look_ms = Some(self.aws.now(outside.clock).millis());
        }
    }

    fn read(
        &mut self,
        stack: &Stack,
        outside: &mut Outside<'_>,
    ) -> Result<Option<Batch>, StackError> {
        let id = stack.id.as_str();
        let known = self.cursor.stack_id.clone();
        if known.as_deref() != Some(id) {
            if known.is_some() {
                self.follow_new_incarnation(id, outside);
            } else {
                self.floor = Some(self.floor_for(stack, outside)?);
            }
        }
        let floor = self.floor.clone().unwrap_or_default();
        let batch = self
            .reader
            .poll(outside.source, &stack.id, &floor, &self.progress)?;
        if !batch.events.is_empty() && self.cursor.stack_id.as_deref() != Some(id) {
            self.adopt(id, &batch);
        }
        Ok(Some(batch))
    }

    // The stack is gone; its events can still be read by its id.
    fn read_deleted(&mut self, outside: &mut Outside<'_>) -> Result<Option<Batch>, StackError> {
        let Some(id) = self
            .cursor
            .stack_id
            .as_ref()
            .and_then(|id| id.parse::<StackName>().ok())
        else {
            return Ok(None);
        };
        let read_to_the_end = self.gone;
        self.gone = true;
        if read_to_the_end {
            return Ok(None);
        }
        let floor = self.floor.clone().unwrap_or_default();
        self.reader
            .poll(outside.source, &id, &floor, &self.progress)
            .map(Some)
    }

    // Logs what is new, tells it, remembers it: in this order. `false`: the log could not be written, nothing is remembered.
    fn take_in(&mut self, batch: &Batch, outside: &mut Outside<'_>) -> bool {
        let now = outside.clock.now();
        let mut lines = Vec::new();
        let mut shown = Vec::new();
        let mut happenings: Vec<Happening> = Vec::new();
        for seen in &batch.events {
            let event = &seen.event;
            if self.belongs_to_the_next(event) {
                self.followed = true;
                break;
            }
            happenings.extend(self.progress.apply(event));
            let key = outside.lines.key(event);
            if !seen.reported && !self.reported.remove(&key) {
                lines.push(
                    outside
                        .lines
                        .event(now, event, self.name.name(), &self.progress),
                );
                shown.push(event);
            }
        }
        if !lines.is_empty() {
            match outside.log.append(&lines) {
                Ok(position) => self.advance_log(position),
                Err(error) => {
                    self.start_reading_again();
                    self.say_once(
                        "log",
                        Level::Error,
                        &format!("the log cannot be written: {error}; the monitor tries again"),
                        outside,
                    );
                    return false;
                }
            }
            self.said.remove("log");
        }
        for event in shown {
            tell::say_event(event, outside);
        }
        self.tell_happenings(&happenings, outside);
        self.note_unread(batch, outside);
        self.reader.commit(batch);
        for id in &batch.quiet {
            let open = self.progress.nested_in_progress();
            if open.iter().any(|node| &*node.id == id && !node.row_open) {
                self.progress.release(id);
            }
        }
        true
    }

    // After our success, or once our hold has ended, another operation is another deployment's.
    fn belongs_to_the_next(&self, event: &StackEvent) -> bool {
        let own = event.stack_id == self.progress.root().unwrap_or_default();
        if !own || !begins_operation(event) || self.progress.phase() != Phase::Ended {
            return false;
        }
        let succeeded = self
            .progress
            .status()
            .and_then(|status| verdict_of(status, self.progress.is_undone()))
            == Some(Verdict::Deployed);
        succeeded || self.ending.is_some()
    }

    // The state is built anew from the events; those that the cursor knows are marked as reported.
    fn start_reading_again(&mut self) {
        self.reader = Reader::resume(self.reader.tails());
        self.progress = StackProgress::new();
        if let Some(root) = &self.cursor.stack_id {
            self.progress.set_root(root);
        }
        self.progress
            .count_attempts_from(self.cursor.attempts_before);
    }

    fn note_unread(&mut self, batch: &Batch, outside: &mut Outside<'_>) {
        for (id, error) in &batch.unread {
            let key = format!("unread {id}");
            self.say_once(
                &key,
                Level::Warning,
                &format!("the nested stack {id} cannot be read: {error}"),
                outside,
            );
        }
    }

    fn save(&mut self, outside: &mut Outside<'_>) {
        let tails = self.reader.tails();
        self.cursor.keep_tails(&tails);
        self.cursor.floor = self.floor.as_ref().map(Into::into);
        match self.cursor.save_if_changed(&self.cursor_path) {
            Ok(()) => {
                self.said.remove("cursor");
            }
            Err(error) => {
                let text = format!(
                    "the monitor's state {} cannot be written: {error}; a restart would read everything again",
                    self.cursor_path.display()
                );
                self.say_once("cursor", Level::Warning, &text, outside);
            }
        }
    }

    /// Keeps where the log begins, before anything is written to it.
    pub(crate) fn save_first(&mut self) -> std::io::Result<()> {
        self.cursor.save_if_changed(&self.cursor_path)
    }

    /// The end: a monitor that is started again begins anew.
    pub(crate) fn close(&mut self, outcome: &str) {
        self.cursor.outcome = Some(outcome.to_owned());
        // The log's last line says the same.
        let _saved = self.cursor.save_if_changed(&self.cursor_path);
    }

    /// Writes a line about this stack, and says it.
    pub(crate) fn report(&mut self, level: Level, message: &str, outside: &mut Outside<'_>) {
        let line = outside.lines.line(
            outside.clock.now(),
            level,
            self.name.name(),
            message,
            Vec::new(),
        );
        match outside.log.append(&[line]) {
            Ok(position) => self.advance_log(position),
            Err(error) => {
                (outside.say)(Level::Error, &format!("the log cannot be written: {error}"));
            }
        }
        (outside.say)(level, message);
    }

    // While events found behind the cursor have not come by again, the place they stand at must stay behind the cursor.
    fn advance_log(&mut self, position: Position) {
        if self.reported.is_empty() {
            self.cursor.log = Some(position);
        }
    }

    fn say_once(&mut self, key: &str, level: Level, message: &str, outside: &mut Outside<'_>) {
        if self.said.insert(key.to_owned()) {
            self.report(level, message, outside);
        }
    }
}
