//! `monitor-recovery`: looks after one deployment's monitor and restarts it when it crashes or hangs. What it does is in
//! `supervisor`; here are the words, the log and the alerts.

mod args;
mod journal;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use command_line::console::Level;
use command_line::{Arguments as _, Console, Context, Status, signals};
use registry_core::clock::{Clock, SystemClock, Wake, human_duration};
use registry_core::registry::Registry;
use registry_core::store::atomic;
use registry_core::store::lock::{LockError, Patience, with_lock};
use registry_core::text::Masker;
use slack_client::{Effort, Options, Slack};
use supervisor::{End, Keeper, MonitorSpec, Report, files};

use args::{Plan, RecoveryArguments};
use journal::Journal;

/// Another recovery that is just ending is waited for so long.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// Sending alerts begins nothing after this, so that a Slack that hangs does not keep the monitor waiting.
const SENDING: Duration = Duration::from_secs(10);

/// The words of the command line, for who writes documents and completions from them.
#[must_use]
pub fn command() -> clap::Command {
    <RecoveryArguments as clap::CommandFactory>::command()
}

/// The whole program, for `main` and for tests that build it under another name. `words` begin with the program's name.
pub fn main_with(words: Vec<OsString>) -> Status {
    let arguments = match RecoveryArguments::read_from(words) {
        Ok(arguments) => arguments,
        Err(status) => return status,
    };
    let mut context = match Context::load() {
        Ok(context) => context,
        Err(error) => {
            Console::for_process().error(&error.to_string());
            return Status::CannotTell;
        }
    };
    let told = arguments
        .plan(&mut context)
        .and_then(|plan| run(&arguments, &plan, &context));
    match told {
        Ok(status) => status,
        Err(sentence) => {
            context.console.error(&sentence);
            Status::CannotTell
        }
    }
}

fn run(arguments: &RecoveryArguments, plan: &Plan, context: &Context) -> Result<Status, String> {
    let spec = &plan.spec;
    // No monitor could ever start with an address that nobody understands; that is no crash.
    Registry::location(&context.settings).map_err(|error| error.to_string())?;
    let stop = signals::catch().map_err(|error| format!("signals cannot be caught: {error}"))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(stop));
    let masker = Masker::new(context.settings.secrets());
    let journal =
        Journal::open(&arguments.log, spec, &context.console, masker).map_err(|error| {
            format!(
                "the log {} cannot be written: {error} (give another with --log)",
                arguments.log.display()
            )
        })?;
    let folder = files::folder(&spec.registry_dir, &spec.id);
    atomic::create_folder(&folder, 0o755).map_err(|error| {
        format!(
            "recovery cannot keep its state in {}: {error} (set REGISTRY_DIR to a folder that can be written)",
            folder.display()
        )
    })?;
    let first = spec.stacks.first().ok_or("no stack was given")?;
    let lock = files::recovery_lock(&spec.registry_dir, &spec.id, first);
    let alerts = Alerts {
        slack: Slack::from_settings(&context.settings, Arc::clone(&clock)),
        spec,
        clock: &*clock,
    };
    let looked_after = with_lock(&lock, &*clock, Patience::up_to(LOCK_PATIENCE), |_| {
        look_after(plan, &journal, &alerts, &*clock)
    });
    match looked_after {
        Ok(status) => Ok(status),
        Err(LockError::Busy { holder, .. }) => {
            let who =
                holder.map_or_else(|| "another process".to_owned(), |holder| holder.to_string());
            Err(format!(
                "another recovery already looks after the monitor of {} for {}: {who}",
                spec.names(),
                spec.id
            ))
        }
        Err(LockError::Stopped { .. }) => Ok(Status::Yes),
        Err(error @ LockError::Io { .. }) => Err(error.to_string()),
    }
}

fn look_after(plan: &Plan, journal: &Journal, alerts: &Alerts<'_>, clock: &dyn Clock) -> Status {
    let mut keeper = Keeper::new(plan.spec.clone());
    let say = |level, message: &str| journal.say(clock, level, message);
    say(
        Level::Info,
        &format!(
            "looking after the monitor of {} every {}",
            plan.spec.names(),
            human_duration(plan.interval)
        ),
    );
    let mut last_trouble = String::new();
    loop {
        let end = keeper.tick(clock, &mut |report| {
            let (level, message) = (level(report), report.sentence());
            // The same trouble is said once, not with every look.
            if let Report::Trouble { what } = report {
                if *what == last_trouble {
                    return;
                }
                last_trouble.clone_from(what);
            }
            say(level, &message);
            if let Some(error) = alerts.tell(report) {
                say(
                    Level::Warning,
                    &format!("a Slack message could not be queued: {error}"),
                );
            }
        });
        alerts.send();
        if let Some(end) = end {
            return finish(&end, &say);
        }
        if clock.sleep(plan.interval) == Wake::Stopped {
            say(
                Level::Info,
                "recovery was asked to stop; the monitor goes on without it",
            );
            return Status::Yes;
        }
    }
}

fn finish(end: &End, say: &dyn Fn(Level, &str)) -> Status {
    match end {
        End::Over(outcome) => {
            say(
                Level::Success,
                &format!("the deployment is over ({outcome}); there is nothing left to look after"),
            );
            Status::Yes
        }
        End::StoppedByPerson => {
            say(
                Level::Info,
                "the monitor was stopped by a person and stays stopped",
            );
            Status::Yes
        }
        End::GaveUp => Status::No,
    }
}

fn level(report: &Report) -> Level {
    match report {
        Report::Crashed { .. } | Report::Hung { .. } | Report::Trouble { .. } => Level::Warning,
        Report::Restarted { .. } => Level::Success,
        Report::GaveUp { .. } => Level::Error,
    }
}

struct Alerts<'a> {
    slack: Slack,
    spec: &'a MonitorSpec,
    clock: &'a dyn Clock,
}

impl Alerts<'_> {
    // Returns why it could not be queued.
    fn tell(&self, report: &Report) -> Option<String> {
        let (note, key) = report.alert(self.spec, self.clock.now())?;
        let options = Options {
            channel: self.spec.channel.clone(),
            key: Some(key),
            at: None,
        };
        self.slack
            .enqueue(&note, &options)
            .err()
            .map(|error| error.to_string())
    }

    fn send(&self) {
        if self
            .slack
            .spool()
            .waiting()
            .is_ok_and(|waiting| waiting.is_empty())
        {
            return;
        }
        let effort = Effort {
            drain: None,
            at_most: Some(SENDING),
        };
        // What Slack does not take stays queued, and says so in `slack-retry-queue status`.
        let _report = self.slack.process(effort, &mut |_, _| {});
    }
}
