//! `run`: a whole deployment as one command, whatever happens to it.
//!
//! [`course`] says what is done when COMMAND, a signal or the registry speaks; the rest carries it out.

mod beats;
mod child;
mod course;
mod ending;
mod keeper;
mod program;
mod slack;
mod summary;
mod turn;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use command_line::{Status, signals};
use registry_core::clock::{BootInstant, Clock as _, StopSignal, SystemClock};
use registry_core::decide::Decision;
use registry_core::ids::CorrelationId;
use registry_core::notification::{Active, Notification};
use registry_core::registry::Registry;
use registry_core::settings::CHECK_INTERVAL;
use registry_core::slot::Entry;

use self::beats::{Beater, Beats};
use self::child::Running;
use self::course::{Action, Course, Event, Exit, Signal};
use self::keeper::Watch;
pub(crate) use self::keeper::keep_watch;
use self::slack::Teller;
use self::turn::Turn;
use crate::args;
use crate::error::Problem;
use crate::wait::limit;
use crate::world::{Target, World};

/// `timeout` gives this when the time is up.
const TOO_LATE: u8 = 124;
/// `env` and `timeout` give this when they themselves could not.
const COULD_NOT: u8 = 125;

/// Everything about a `run` that is known before anything is done.
struct Plan {
    id: CorrelationId,
    target: Target,
    program: PathBuf,
    command: Vec<OsString>,
    /// The command's name for people; its arguments may hold secrets.
    shown: String,
    limit: Duration,
    interval: Duration,
    /// The workflow run, else who started this.
    run: String,
    run_url: Option<String>,
    /// Where the application is.
    url: Option<String>,
    channel: Option<String>,
    on_lost: args::OnLost,
    watched: bool,
}

pub(crate) fn run(world: &World, words: &args::Run) -> Result<Status, Problem> {
    let plan = match plan(world, words)? {
        Ok(plan) => plan,
        Err(unfit) => {
            world.console().error(unfit.sentence());
            return Ok(Status::Other(unfit.status()));
        }
    };
    let done = deploy(world, &plan).unwrap_or_else(|problem| {
        world.console().error(&problem.to_string());
        COULD_NOT
    });
    Ok(if done == 0 {
        Status::Yes
    } else {
        Status::Other(done)
    })
}

// Reads and checks the words. Nothing is registered, sent or started before all of them make sense.
fn plan(world: &World, words: &args::Run) -> Result<Result<Plan, program::Unfit>, Problem> {
    let name = words.command.first().filter(|name| !name.is_empty());
    let Some(name) = name else {
        return Err(Problem::Usage(
            "there is no COMMAND: give what deploys after --, as in run production -- cdk deploy"
                .to_owned(),
        ));
    };
    let (limit, _) = limit::read(&words.wait)
        .map_err(|error| Problem::Usage(error.to_string().replacen("MAX", "--wait", 1)))?;
    let target = world.target(&args::Place {
        environment: Some(words.environment.clone()),
        stack: words.stack.clone(),
    })?;
    let interval = world.settings().duration(&CHECK_INTERVAL)?;
    world.leases()?;
    let given = match &words.id {
        Some(id) => Some(id.clone()),
        None => world.id()?,
    };
    let id = match given {
        Some(id) => id,
        None => crate::new_id::make()?,
    };
    let path = world.settings().variable("PATH").unwrap_or_default();
    let program = match program::find(name, &path) {
        Ok(program) => program,
        Err(unfit) => return Ok(Err(unfit)),
    };
    let caller = world.caller();
    let run = caller.run.clone().unwrap_or_else(|| caller.words());
    let run_url = caller
        .run
        .as_deref()
        .and_then(|run| world.settings().workflow_url(run));
    Ok(Ok(Plan {
        id,
        target,
        program,
        shown: Path::new(name).file_name().map_or_else(
            || name.to_string_lossy().into_owned(),
            |name| name.to_string_lossy().into_owned(),
        ),
        command: words.command.clone(),
        limit,
        interval,
        run,
        run_url,
        url: words.url.clone(),
        channel: words.channel.clone(),
        on_lost: words.on_lost,
        watched: !words.no_monitor,
    }))
}

fn deploy(world: &World, plan: &Plan) -> Result<u8, Problem> {
    let (sender, events) = mpsc::channel();
    let each = sender.clone();
    let stop = signals::watch(move |number| {
        let _nobody_listens = each.send(Event::Signal(Signal::from_number(number)));
    })
    .map_err(|error| could_not("the signals could not be caught", &error))?;
    let teller = Teller::new(world.settings(), world.console(), plan.channel.as_deref())
        .map_err(|error| could_not("the thread that tells Slack could not be started", &error))?;
    // Its lock is waited for although a signal came: the end of a deployment must be written down.
    let registry = world.registry()?;
    world.tell_scope(&registry);
    world.github_output(&[("correlation_id", plan.id.to_string())]);
    let mut queued = false;
    let turn = {
        let mut on_no = |decision: &Decision| tell_queued(plan, &teller, decision, &mut queued);
        world
            .console()
            .group(&format!("Waiting for {}", plan.target.environment));
        let turn = turn::take(world, plan, &registry, &stop, &mut on_no);
        world.console().end_group();
        turn
    };
    let held = match turn {
        Ok(Turn::Hold(entry)) => Some(entry),
        Ok(Turn::Alone) => None,
        Ok(Turn::TooLate(why)) => {
            return Ok(not_begun(
                world, plan, teller, &events, queued, &why, TOO_LATE,
            ));
        }
        Ok(Turn::Cannot(why)) => {
            return Ok(not_begun(
                world, plan, teller, &events, queued, &why, COULD_NOT,
            ));
        }
        Ok(Turn::Stopped(number)) => {
            let signal = Signal::from_number(number);
            let why = format!(
                "stopped by {} before it was its turn; nothing was started",
                signal.name()
            );
            let status = Exit::Signal(number).status();
            return Ok(not_begun(
                world, plan, teller, &events, queued, &why, status,
            ));
        }
        Err(problem) => {
            let why = problem.to_string();
            return Ok(not_begun(
                world, plan, teller, &events, queued, &why, COULD_NOT,
            ));
        }
    };
    let run = Deployment {
        world,
        plan,
        registry,
        teller,
        held,
        sender,
        events,
    };
    run.carry_out(&stop)
}

fn could_not(what: &str, error: &std::io::Error) -> Problem {
    Problem::Usage(format!("{what}: {error}"))
}

// Once, and only where somebody is in the way.
fn tell_queued(plan: &Plan, teller: &Teller, decision: &Decision, told: &mut bool) {
    let Some(active) = decision.active.as_ref().filter(|_| !*told) else {
        return;
    };
    *told = true;
    let active = Active {
        deployment: active.clone(),
        ..Active::default()
    };
    teller.tell(Notification::Queued {
        id: plan.id.to_string(),
        environment: plan.target.environment.to_string(),
        active: active.word(),
    });
}

// It never had its turn. Who was told that it waits is told that it waits no longer.
fn not_begun(
    world: &World,
    plan: &Plan,
    teller: Teller,
    events: &Receiver<Event>,
    queued: bool,
    why: &str,
    status: u8,
) -> u8 {
    world.console().error(why);
    world.github_output(&[("can_proceed", "false".to_owned())]);
    if queued {
        teller.tell(Notification::Failed {
            id: plan.id.to_string(),
            environment: plan.target.environment.to_string(),
            error: why.to_owned(),
            stack: Some(plan.target.names().join(",")),
        });
    }
    let _sent = teller.finish(false, events);
    status
}

/// A deployment whose turn has come.
struct Deployment<'a> {
    world: &'a World,
    plan: &'a Plan,
    registry: Registry,
    teller: Teller,
    /// `None`: the registry cannot be used.
    held: Option<Box<Entry>>,
    sender: Sender<Event>,
    events: Receiver<Event>,
}

impl Deployment<'_> {
    fn carry_out(self, stop: &StopSignal) -> Result<u8, Problem> {
        let (world, plan) = (self.world, self.plan);
        self.tell_start();
        let clock = SystemClock::default();
        let mut course = Course::new(plan.on_lost, child::shares_terminal());
        let begun = clock.boot();
        let beats = self.beat()?;
        let watch = plan.watched.then(|| Watch::start(world, plan)).flatten();
        let exit = match stop.signal() {
            Some(number) => {
                course.stopped_by = Some(Signal::from_number(number));
                Ok(Exit::Signal(number))
            }
            None => self.start().map(|child| self.watch(&mut course, child)),
        };
        if let Some(beats) = beats {
            beats.end();
        }
        let took = passed(&clock, &begun);
        let (exit, status) = match exit {
            Ok(exit) => (exit, course::status(&course, exit)),
            Err(error) => {
                let file = plan.program.display();
                world
                    .console()
                    .error(&format!("{file} cannot be run: {error}"));
                (Exit::Code(126), 126)
            }
        };
        let result = ending::put_away(world, plan, &self.registry, &course, exit, took);
        self.teller
            .tell(ending::notification(plan, &course, &result));
        ending::record(world, plan, &course, &result);
        if let Some(watch) = watch {
            watch.end(course.hurry);
        }
        ending::tell(world, plan, &course, &result);
        summary::write(world, plan, self.held.as_deref(), &course, &result);
        if !self.teller.finish(course.hurry, &self.events) {
            world
                .console()
                .warning("Slack has not been told everything; the rest is in the retry queue (slack-retry-queue process sends it)");
        }
        Ok(status)
    }

    fn tell_start(&self) {
        let (world, plan) = (self.world, self.plan);
        let token = self.held.as_ref().and_then(|entry| entry.fencing_token);
        match token {
            Some(token) => world.console().success(&format!(
                "{} holds {}, fencing token {token}",
                plan.id, plan.target.environment
            )),
            None => world.console().warning(&format!(
                "{} deploys {} without a hold",
                plan.id, plan.target.environment
            )),
        }
        world.github_output(&[
            ("can_proceed", "true".to_owned()),
            ("registered", self.held.is_some().to_string()),
            (
                "fencing_token",
                token.map(|token| token.to_string()).unwrap_or_default(),
            ),
            ("url", plan.url.clone().unwrap_or_default()),
        ]);
        self.teller.tell(Notification::Started {
            id: plan.id.to_string(),
            environment: plan.target.environment.to_string(),
            run: plan.run_url.clone().unwrap_or_else(|| plan.run.clone()),
        });
    }

    fn beat(&self) -> Result<Option<Beats>, Problem> {
        let Some(entry) = self.held.clone() else {
            return Ok(None);
        };
        let stop = StopSignal::default();
        let beater = Beater {
            registry: self.world.registry_until(&stop)?,
            stop,
            id: self.plan.id.clone(),
            entry,
            interval: self.plan.interval,
            console: self.world.console().clone(),
            events: self.sender.clone(),
        };
        Beats::start(beater)
            .map(Some)
            .map_err(|error| could_not("the thread that beats could not be started", &error))
    }

    fn start(&self) -> std::io::Result<Running> {
        let plan = self.plan;
        let token = self.held.as_ref().and_then(|entry| entry.fencing_token);
        let variables = [
            ("CORRELATION_ID", Some(plan.id.to_string())),
            ("FENCING_TOKEN", token.map(|token| token.to_string())),
            ("STACK_NAME", Some(plan.target.names().join(","))),
        ];
        Running::start(
            &plan.program,
            &plan.command,
            &variables,
            self.sender.clone(),
        )
    }

    // Until COMMAND is gone.
    fn watch(&self, course: &mut Course, child: Running) -> Exit {
        let clock = SystemClock::default();
        let mut grace: Option<(BootInstant, Duration)> = None;
        loop {
            let event = match &grace {
                // The other ends of the channel are ours: it is never closed.
                None => self.events.recv().unwrap_or(Event::Exited),
                Some((since, span)) => {
                    let left = span.saturating_sub(passed(&clock, since));
                    match self.events.recv_timeout(left) {
                        Ok(event) => event,
                        Err(RecvTimeoutError::Timeout) => {
                            grace = None;
                            Event::GraceOver
                        }
                        Err(RecvTimeoutError::Disconnected) => Event::Exited,
                    }
                }
            };
            for action in course.step(event) {
                match action {
                    Action::Pass(signal) => child.pass(signal),
                    Action::Kill => child.kill(),
                    Action::Grace(span) => grace = Some((clock.boot(), span)),
                    Action::TellLost { why, ends } => self.tell_lost(&why, ends),
                    Action::TellSignal(signal) => self.world.console().info(&format!(
                        "{} came; waiting for {} to end",
                        signal.name(),
                        self.plan.shown
                    )),
                    Action::Finish => return child.reap(course.was_ended()),
                }
            }
        }
    }

    fn tell_lost(&self, why: &str, ends: bool) {
        let what = if ends {
            "is ended (--on-lost keep lets it go on)"
        } else {
            "goes on without it"
        };
        self.world.console().error(&format!(
            "the hold on {} is lost, {} {what}: {why}",
            self.plan.target.environment, self.plan.shown
        ));
    }
}

fn passed(clock: &SystemClock, since: &BootInstant) -> Duration {
    clock.boot().since_boot.saturating_sub(since.since_boot)
}
