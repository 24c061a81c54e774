//! The monitor of a `run`: a process of its own looks after it, and ends it when `run` is gone, also when `run` was killed.
//!
//! That process holds the reading end of a pipe whose other end only `run` has: it is closed when `run` ends, however it ends.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command as Process, Stdio};
use std::sync::Arc;
use std::time::Duration;

use command_line::{Status, signals};
use registry_core::clock::{Clock, SystemClock, Wake};
use registry_core::settings::{AWS_REGION, RECOVERY_INTERVAL, REGISTRY_DIR, REGISTRY_URL};
use slack_client::{Options, Slack};
use supervisor::{Keeper, MonitorSpec, Report, find_program};

use super::Plan;
use crate::args;
use crate::error::Problem;
use crate::world::World;

/// LOG_FILE of every monitor where none is given.
const MONITOR_LOG: &str = "deployment-monitor.log";

/// The keeper ends its monitor within three seconds.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

/// For an alert; the keeper has nothing better to do, but must see its lifeline.
const ALERT: Duration = Duration::from_secs(5);

/// A keeper that was started by this `run`.
pub(super) struct Watch {
    keeper: Child,
    lifeline: Option<ChildStdin>,
}

impl Watch {
    /// Starts the keeper, which starts the monitor. Without one the deployment goes on unwatched.
    pub(super) fn start(world: &World, plan: &Plan) -> Option<Self> {
        let settings = world.settings();
        let path = settings.variable("PATH");
        let started = find_program(path.as_deref())
            .map_err(|error| error.to_string())
            .and_then(|_| {
                let program = std::env::current_exe().map_err(|error| error.to_string())?;
                let mut command = Process::new(program);
                command
                    .arg("keep_watch")
                    .arg(plan.id.as_str())
                    .arg(plan.target.names().join(","))
                    .arg(plan.channel.as_deref().unwrap_or_default())
                    // Flags of ours, for a monitor that only has the environment.
                    .env(REGISTRY_DIR.name, settings.path(&REGISTRY_DIR))
                    .stdin(Stdio::piped())
                    .stdout(Stdio::null())
                    // A Ctrl-C is for COMMAND; the keeper ends when we do.
                    .process_group(0);
                for setting in [&AWS_REGION, &REGISTRY_URL] {
                    if let Some((value, registry_core::settings::Origin::Flag(_))) =
                        settings.get(setting)
                    {
                        command.env(setting.name, value);
                    }
                }
                command.spawn().map_err(|error| error.to_string())
            });
        match started {
            Ok(mut keeper) => Some(Self {
                lifeline: keeper.stdin.take(),
                keeper,
            }),
            Err(why) => {
                world.console().warning(&format!(
                    "nobody watches this deployment, Slack hears of its start and its end only: {why}"
                ));
                None
            }
        }
    }

    /// Lets the monitor end, and waits for that unless in a `hurry`.
    pub(super) fn end(mut self, hurry: bool) {
        const STEP: Duration = Duration::from_millis(10);
        drop(self.lifeline.take());
        if hurry {
            return;
        }
        let clock = SystemClock::default();
        let began = clock.boot().since_boot;
        while matches!(self.keeper.try_wait(), Ok(None)) {
            if clock.boot().since_boot.saturating_sub(began) >= ENDS_WITHIN {
                let _gone = self.keeper.kill();
                let _reaped = self.keeper.wait();
                return;
            }
            let _woken = clock.sleep(STEP);
        }
    }
}

/// The keeper's own process.
pub(crate) fn keep_watch(world: &World, words: &args::KeepWatch) -> Result<Status, Problem> {
    let stop = signals::catch().map_err(|error| super::could_not("signals", &error))?;
    let lifeline = stop.clone();
    std::thread::Builder::new()
        .name("lifeline".to_owned())
        .spawn(move || {
            // Nothing is ever written to it: this returns when its other end is closed.
            let _closed = std::io::stdin().read(&mut [0]);
            lifeline.stop(signal_hook::consts::SIGTERM);
        })
        .map_err(|error| super::could_not("the lifeline cannot be watched", &error))?;
    let settings = world.settings();
    let path = settings.variable("PATH");
    let spec = MonitorSpec {
        program: find_program(path.as_deref())
            .map_err(|error| Problem::Usage(error.to_string()))?,
        id: words.id.clone(),
        stacks: registry_core::ids::StackName::parse_list(&words.stacks)?,
        channel: Some(words.channel.clone()).filter(|channel| !channel.is_empty()),
        log_file: MONITOR_LOG.into(),
        registry_dir: settings.path(&REGISTRY_DIR),
    };
    let interval = settings.duration(&RECOVERY_INTERVAL)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(stop));
    let slack = Slack::from_settings(settings, Arc::clone(&clock));
    let mut keeper = Keeper::new(spec);
    if let Err(error) = keeper.start() {
        world.console().warning(&error.to_string());
    }
    while clock.sleep(interval) == Wake::Elapsed {
        let spec = keeper.spec().clone();
        let mut tell = |report: &Report| alert(world, &slack, &spec, &*clock, report);
        if keeper.tick(&*clock, &mut tell).is_some() {
            break;
        }
    }
    keeper.end(&SystemClock::default());
    Ok(Status::Yes)
}

fn alert(world: &World, slack: &Slack, spec: &MonitorSpec, clock: &dyn Clock, report: &Report) {
    world.console().warning(&report.sentence());
    let Some((note, key)) = report.alert(spec, clock.now()) else {
        return;
    };
    let options = Options {
        channel: spec.channel.clone(),
        key: Some(key),
        at: None,
    };
    match slack.enqueue(&note, &options) {
        // What Slack does not take stays in the queue.
        Ok(queued) => drop(slack.send_queued(queued.message_id(), ALERT)),
        Err(error) => world
            .console()
            .warning(&format!("a Slack message could not be queued: {error}")),
    }
}
