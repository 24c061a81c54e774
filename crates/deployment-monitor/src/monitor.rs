//! The loop: look, tell, keep, pause.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

use command_line::Status;
use registry_core::clock::{Clock, StopSignal, Timestamp, Wake, human_duration};
use registry_core::estimate::Template;
use registry_core::ids::StackName;
use registry_core::notification::Notification;
use registry_core::progress::StackProgress;
use registry_core::stack::{
    EventsPage, Observed, StackError, StackResource, StackSource, StackState,
};
use registry_core::store::lock::Held;
use serde_json::{Value, json};
use supervisor::Beat;

use crate::args::Plan;
use crate::estimating::Estimator;
use crate::face::Face;
use crate::lines::{Level, Lines};
use crate::log::EventLog;
use crate::outcome::{self, Ending};
use crate::pace::{Look, Pace};
use crate::ports::{Channel, Deployments, Standing, Telling};
use crate::summary;
use crate::watch::{Outside, StackWatch};

/// After the hold has ended, so many looks in a row may fail before the watching ends without them.
const LAST_TRIES: u32 = 3;

/// One stack, and whether an earlier run had begun to watch it.
pub(crate) struct Watched {
    pub(crate) watch: StackWatch,
    pub(crate) resumes: bool,
}

/// A monitor that holds its locks.
pub(crate) struct Monitor<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) source: &'a dyn StackSource,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) stop: &'a StopSignal,
    pub(crate) lines: &'a Lines,
    pub(crate) held: &'a [&'a Held<'a>],
    pub(crate) hung_after: Duration,
    pub(crate) slack: &'a dyn Telling,
    pub(crate) face: Face,
    pub(crate) summary: Option<PathBuf>,
}

// What is wrong with AWS now, said once.
struct Trouble {
    kind: std::mem::Discriminant<StackError>,
    since: Timestamp,
    told: bool,
}

impl Monitor<'_> {
    /// Watches until the end, and says how it ended.
    pub(crate) fn run(
        self,
        watched: Vec<Watched>,
        standing: &Standing,
        log: &mut EventLog,
        deployments: &mut dyn Deployments,
        estimators: &mut [Estimator],
    ) -> Status {
        let face = RefCell::new(self.face);
        let monitor = Loop {
            plan: self.plan,
            source: Beating {
                source: self.source,
                clock: self.clock,
                held: self.held,
                hung_after: self.hung_after,
            },
            clock: self.clock,
            stop: self.stop,
            lines: self.lines,
            slack: self.slack,
            face: &face,
        };
        let resumes = watched.iter().any(|stack| stack.resumes);
        let mut stacks: Vec<StackWatch> = watched.into_iter().map(|stack| stack.watch).collect();
        let ending = match standing {
            Standing::Ended { how, .. } if !resumes => Ending::EndedBefore(how.clone()),
            Standing::Ended { .. }
            | Standing::Held { .. }
            | Standing::NeverSeen
            | Standing::Unavailable(_) => {
                monitor.greet(resumes, standing, log);
                monitor.watch(&mut stacks, standing.clone(), log, deployments, estimators)
            }
        };
        monitor.finish(&ending, &mut stacks, log);
        if let Some(path) = &self.summary {
            let now = self.clock.now();
            let text = summary::markdown(&ending, &stacks, now);
            if let Err(error) = summary::append(path, &text) {
                face.borrow_mut().say(
                    Level::Warning,
                    &format!("the step summary could not be written: {error}"),
                );
            }
        }
        ending.status()
    }
}

struct Loop<'a> {
    plan: &'a Plan,
    source: Beating<'a>,
    clock: &'a dyn Clock,
    stop: &'a StopSignal,
    lines: &'a Lines,
    slack: &'a dyn Telling,
    face: &'a RefCell<Face>,
}

impl Loop<'_> {
    fn greet(&self, resumes: bool, standing: &Standing, log: &mut EventLog) {
        let names = outcome::names(&self.plan.stacks);
        let verb = if resumes {
            "goes on watching"
        } else {
            "watches"
        };
        self.write(
            Level::Info,
            &format!("the monitor {verb} {names}"),
            Vec::new(),
            log,
        );
        if let Standing::Unavailable(why) = standing {
            self.tell_no_registry(why, log);
        }
    }

    fn tell_no_registry(&self, why: &str, log: &mut EventLog) {
        let text = format!("the registry cannot be asked, the monitor goes on without it: {why}");
        self.write(Level::Warning, &text, Vec::new(), log);
    }

    fn watch(
        &self,
        stacks: &mut [StackWatch],
        first: Standing,
        log: &mut EventLog,
        deployments: &mut dyn Deployments,
        estimators: &mut [Estimator],
    ) -> Ending {
        let mut pace = Pace::new(self.plan.limits.interval, self.plan.adaptive);
        let mut trouble: Option<Trouble> = None;
        let mut standing = first;
        let mut hold_ended = false;
        let mut failed_looks = 0;
        let mut without_registry = matches!(standing, Standing::Unavailable(_));
        loop {
            if let Standing::Unavailable(why) = &standing {
                if !without_registry {
                    self.tell_no_registry(why, log);
                }
                without_registry = true;
            } else {
                without_registry = false;
            }
            if let Standing::Ended { how, taken_away } = &standing
                && !hold_ended
            {
                hold_ended = true;
                self.tell_end_of_hold(how, *taken_away, log);
                for stack in stacks.iter_mut() {
                    stack.end_soon();
                }
            }
            let look = self.look_at_all(stacks, log, deployments, estimators, &mut trouble);
            failed_looks = match look {
                Look::Throttled | Look::Blind => failed_looks + 1,
                Look::News | Look::Quiet | Look::Closing => 0,
            };
            if hold_ended && failed_looks >= LAST_TRIES {
                for stack in stacks.iter_mut() {
                    stack.end_now();
                }
            }
            self.slack.push();
            if let Some(ending) = ended(stacks) {
                return ending;
            }
            let pause = pace.after(look, chance(self.clock));
            self.source.beat(pause);
            self.face
                .borrow_mut()
                .draw(stacks, estimators, self.clock, pause);
            if self.clock.sleep(pause) == Wake::Stopped {
                return Ending::Stopped(self.stop.signal().unwrap_or_default());
            }
            standing = deployments.look();
        }
    }

    fn look_at_all(
        &self,
        stacks: &mut [StackWatch],
        log: &mut EventLog,
        deployments: &mut dyn Deployments,
        estimators: &mut [Estimator],
        trouble: &mut Option<Trouble>,
    ) -> Look {
        let mut found = Look::Quiet;
        for (stack, estimator) in stacks.iter_mut().zip(estimators) {
            let say = |level: Level, text: &str| self.face.borrow_mut().say(level, text);
            let known: &Estimator = estimator;
            let usual = |progress: &StackProgress, row: &_| known.usual(progress, row);
            let remaining =
                |progress: &StackProgress, now: Timestamp| known.remaining(progress, now);
            let mut outside = Outside {
                source: &self.source,
                clock: self.clock,
                deployments: &mut *deployments,
                slack: self.slack,
                log: &mut *log,
                lines: self.lines,
                say: &say,
                usual: &usual,
                remaining: &remaining,
            };
            match stack.look(&mut outside) {
                Ok(look) => {
                    found = busier(found, look);
                    self.recover(trouble, log);
                    if estimator.template.is_none() && stack.progress().attempt() > 0 {
                        estimator.template = self.template_of(stack);
                    }
                }
                Err(error) => {
                    self.note_trouble(&error, trouble, stack.name(), log);
                    // The other stacks would meet the same.
                    return Look::of(&error);
                }
            }
        }
        found
    }

    // Asked once; without it the estimate goes by what the stack did before.
    fn template_of(&self, stack: &StackWatch) -> Option<Template> {
        let text = self.source.template(&stack.stack_id()?).unwrap_or_default();
        Some(Template::parse(&text).unwrap_or_default())
    }

    fn note_trouble(
        &self,
        error: &StackError,
        trouble: &mut Option<Trouble>,
        stack: &str,
        log: &mut EventLog,
    ) {
        let kind = std::mem::discriminant(error);
        let now = self.clock.now();
        let since = trouble.as_ref().map_or(now, |known| known.since);
        if trouble.as_ref().is_none_or(|known| known.kind != kind) {
            let text = format!("{error}. The monitor goes on asking; nothing is known until then");
            self.write(Level::Warning, &text, Vec::new(), log);
            let told = trouble.as_ref().is_some_and(|known| known.told);
            *trouble = Some(Trouble { kind, since, told });
        }
        let blind_for = now.since(since);
        if let Some(known) = trouble.as_mut()
            && !known.told
            && blind_for >= self.plan.limits.stall
        {
            known.told = true;
            let note = Notification::Alert {
                id: self.lines.id.clone(),
                stack: stack.to_owned(),
                message: self.lines.masker.mask(&format!(
                    "The monitor has not been able to see the stack for {}: {error}. The deployment may well go on.",
                    human_duration(blind_for)
                )),
            };
            let key = format!("{}.{stack}.blind-{}", self.lines.id, since.millis());
            if let Err(error) = self.slack.tell(&key, note, Channel::Updates) {
                let text = format!("a Slack message could not be queued: {error}");
                self.write(Level::Warning, &text, Vec::new(), log);
            }
        }
    }

    fn recover(&self, trouble: &mut Option<Trouble>, log: &mut EventLog) {
        if let Some(known) = trouble.take() {
            let blind_for = human_duration(self.clock.now().since(known.since));
            let text = format!("CloudFormation answers again after {blind_for}");
            self.write(Level::Info, &text, Vec::new(), log);
        }
    }

    fn tell_end_of_hold(&self, how: &str, taken_away: bool, log: &mut EventLog) {
        let names = outcome::names(&self.plan.stacks);
        if !taken_away {
            let text =
                format!("the deployment's hold has ended, {how}; what is left is read once more");
            self.write(Level::Info, &text, Vec::new(), log);
            return;
        }
        let text = format!(
            "The deployment has lost its hold: {how}. Somebody else may deploy now; stop what still runs"
        );
        self.write(Level::Warning, &text, Vec::new(), log);
        let note = Notification::Alert {
            id: self.lines.id.clone(),
            stack: names,
            message: self.lines.masker.mask(&text),
        };
        let key = format!("{}.hold-lost", self.lines.id);
        if let Err(error) = self.slack.tell(&key, note, Channel::Updates) {
            let text = format!("a Slack message could not be queued: {error}");
            self.write(Level::Warning, &text, Vec::new(), log);
        }
    }

    fn finish(&self, ending: &Ending, stacks: &mut [StackWatch], log: &mut EventLog) {
        let statuses: Vec<Value> = stacks
            .iter()
            .filter_map(|stack| stack.status())
            .map(|status| json!(status.as_str()))
            .collect();
        let causes: Vec<Value> = stacks
            .iter()
            .filter_map(|stack| stack.progress().first_failure())
            .map(|failure| json!(failure.sentence()))
            .collect();
        let mut more = vec![
            ("outcome", json!(ending.word())),
            ("exit_status", json!(ending.status().code())),
        ];
        for (name, mut values) in [("stack_status", statuses), ("first_cause", causes)] {
            match values.len() {
                0 => {}
                1 => more.push((name, values.remove(0))),
                _ => more.push((name, Value::Array(values))),
            }
        }
        self.face.borrow_mut().leave();
        self.write(ending.level(), &ending.sentence(), more, log);
        for stack in stacks {
            stack.close(ending.word());
        }
    }

    fn write(&self, level: Level, message: &str, more: Vec<(&str, Value)>, log: &mut EventLog) {
        let names = outcome::names(&self.plan.stacks);
        let line = self
            .lines
            .line(self.clock.now(), level, &names, message, more);
        let written = log.append(&[line]);
        let mut face = self.face.borrow_mut();
        if let Err(error) = written {
            face.say(Level::Error, &format!("the log cannot be written: {error}"));
        }
        face.say(level, message);
    }
}

fn ended(stacks: &[StackWatch]) -> Option<Ending> {
    stacks
        .iter()
        .map(|stack| Some((stack.name().to_owned(), stack.outcome()?.clone())))
        .collect::<Option<Vec<_>>>()
        .map(Ending::Watched)
}

fn busier(a: Look, b: Look) -> Look {
    let rank = |look: Look| match look {
        Look::Quiet => 0,
        Look::News => 1,
        Look::Closing => 2,
        Look::Throttled => 3,
        Look::Blind => 4,
    };
    if rank(b) > rank(a) { b } else { a }
}

// Spreads looks out; how is of no importance, only that two monitors differ.
fn chance(clock: &dyn Clock) -> f64 {
    f64::from(clock.boot().since_boot.subsec_nanos() % 1_000_003) / 1_000_003.0
}

/// CloudFormation, with a sign of life before each question: a question takes 20 s at most.
struct Beating<'a> {
    source: &'a dyn StackSource,
    clock: &'a dyn Clock,
    held: &'a [&'a Held<'a>],
    hung_after: Duration,
}

impl Beating<'_> {
    fn beat(&self, pause: Duration) {
        let beat = Beat {
            at: self.clock.boot(),
            next_within: pause + self.hung_after,
        };
        for lock in self.held {
            // A full disk does not make a working monitor a hung one: the old beat counts on, and recovery ends what it must.
            let _written = lock.note(beat.to_note());
        }
    }
}

impl StackSource for Beating<'_> {
    fn describe(&self, stack: &StackName) -> Result<Observed<StackState>, StackError> {
        self.beat(Duration::ZERO);
        self.source.describe(stack)
    }

    fn events(
        &self,
        stack: &StackName,
        next: Option<&str>,
    ) -> Result<Observed<EventsPage>, StackError> {
        self.beat(Duration::ZERO);
        self.source.events(stack, next)
    }

    fn resources(&self, stack: &StackName) -> Result<Vec<StackResource>, StackError> {
        self.beat(Duration::ZERO);
        self.source.resources(stack)
    }

    fn template(&self, stack: &StackName) -> Result<String, StackError> {
        self.beat(Duration::ZERO);
        self.source.template(stack)
    }
}

#[cfg(test)]
mod tests;
