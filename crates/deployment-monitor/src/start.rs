//! From the words to the watching: what is checked, opened and locked before the first look.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use command_line::{Console, Context, Status, signals};
use registry_core::clock::{Clock, SystemClock};
use registry_core::estimate::{Past, Table};
use registry_core::history::store::Part;
use registry_core::ids::StackName;
use registry_core::registry::Registry;
use registry_core::settings::{HUNG_AFTER, REGISTRY_DIR, Settings};
use registry_core::store::lock::{Held, LockError, Patience, with_lock};
use registry_core::store::{Location, atomic};
use registry_core::text::Masker;
use stack_client::AwsStacks;
use supervisor::files;

use crate::args::Plan;
use crate::cursor::Cursor;
use crate::estimating::Estimator;
use crate::face::Face;
use crate::lines::{Level, Lines};
use crate::log::EventLog;
use crate::monitor::{Monitor, Watched};
use crate::outcome;
use crate::ports::{Deployments as _, Standing};
use crate::registry::InRegistry;
use crate::slack::SlackQueue;
use crate::watch::{Beginning, StackWatch};

/// A monitor that is just ending is waited for so long.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// Runs the monitor; one sentence on stderr where it cannot.
pub(crate) fn run(plan: &Plan, context: &Context, detach: bool) -> Status {
    if detach {
        // Fails only for a process that leads a group already; then it is nobody's to take along either.
        let _session = rustix::process::setsid();
    }
    match try_run(plan, context) {
        Ok(status) => status,
        Err(sentence) => {
            context.console.error(&sentence);
            Status::CannotTell
        }
    }
}

fn try_run(plan: &Plan, context: &Context) -> Result<Status, String> {
    let settings = &context.settings;
    let hung_after = settings
        .duration(&HUNG_AFTER)
        .map_err(|error| error.to_string())?;
    let stop = signals::catch().map_err(|error| format!("signals cannot be caught: {error}"))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(stop.clone()));
    let source = AwsStacks::new(settings).map_err(|error| error.to_string())?;
    check_regions(&plan.stacks, &source)?;
    let registry = registry_dynamodb::open_registry(settings, Arc::clone(&clock))
        .map_err(|error| error.to_string())?;
    let mut log = EventLog::open(&plan.log_file).map_err(|error| error.to_string())?;
    let own_log = log.is_standard_stream().unwrap_or(false);
    let registry_dir = settings.path(&REGISTRY_DIR);
    let folder = files::folder(&registry_dir, &plan.id);
    atomic::create_folder(&folder, 0o755).map_err(|error| {
        format!(
            "the monitor cannot keep its state in {}: {error} (set REGISTRY_DIR to a folder that can be written)",
            folder.display()
        )
    })?;
    files::remove_old(&registry_dir, clock.now());
    let mut deployments = InRegistry::new(registry, plan.id.clone(), Arc::clone(&clock));
    let standing = deployments.look();
    let environment = environment_of(plan, context, &standing);
    let lines = Lines {
        id: plan.id.to_string(),
        environment,
        masker: Masker::new(settings.secrets()),
    };
    let console = if own_log {
        Console::silent()
    } else {
        context.console.clone()
    };
    let locks: Vec<PathBuf> = plan
        .stacks
        .iter()
        .map(|stack| files::lock(&registry_dir, &plan.id, stack))
        .collect();
    let mut job = Some((log, deployments));
    let locked = lock_all(&locks, &*clock, &[], &mut |held| {
        let (mut log, mut deployments) = job.take()?;
        let watched = watch_stacks(plan, &registry_dir, &standing, &mut log)
            .map_err(|error| {
                context.console.error(&format!(
                    "the log file {} cannot be used: {error}",
                    plan.log_file.display()
                ));
            })
            .ok()?;
        let slack = SlackQueue::new(context, plan, Arc::clone(&clock));
        let monitor = Monitor {
            plan,
            source: &source,
            clock: &*clock,
            stop: &stop,
            lines: &lines,
            held,
            hung_after,
            slack: &slack,
            face: Face::new(console.clone(), plan, own_log),
            summary: settings.variable("GITHUB_STEP_SUMMARY").map(PathBuf::from),
        };
        let status = monitor.run(
            watched,
            &standing,
            &mut log,
            &mut deployments,
            &mut estimators(plan, settings, &standing),
        );
        slack.finish();
        Some(status)
    });
    match locked {
        Ok(status) => Ok(status.unwrap_or(Status::CannotTell)),
        Err(LockError::Busy { holder, .. }) => {
            let who =
                holder.map_or_else(|| "another process".to_owned(), |holder| holder.to_string());
            let sentence = format!(
                "another monitor already watches {} for {}: {who}",
                outcome::names(&plan.stacks),
                plan.id
            );
            if own_log {
                let line = lines.line(
                    clock.now(),
                    Level::Warning,
                    &outcome::names(&plan.stacks),
                    &sentence,
                    Vec::new(),
                );
                if let Some((mut log, _)) = job.take() {
                    log.append(&[line]).map_err(|error| error.to_string())?;
                }
                return Ok(Status::CannotTell);
            }
            Err(sentence)
        }
        Err(LockError::Stopped { .. }) => Ok(Status::Yes),
        Err(error @ LockError::Io { .. }) => Err(error.to_string()),
    }
}

fn check_regions(stacks: &[StackName], source: &AwsStacks) -> Result<(), String> {
    for stack in stacks {
        if let Some(region) = stack.region() {
            let asked = source.region();
            if region != asked {
                return Err(format!(
                    "the stack {stack} is in region {region}, but the region to ask is {asked}: set AWS_REGION={region}, or give the stack's name"
                ));
            }
        }
    }
    Ok(())
}

fn environment_of(plan: &Plan, context: &Context, standing: &Standing) -> String {
    if let Standing::Held { environment, .. } = standing {
        return environment.clone();
    }
    let by_stack = plan
        .stacks
        .first()
        .and_then(|stack| context.settings.environment_of(stack))
        .map(|environment| environment.to_string());
    by_stack
        .or_else(|| context.settings.variable("ENVIRONMENT"))
        .unwrap_or_default()
}

// Takes every lock, one inside the other; `None` in the closure's answer is a failure that was told.
fn lock_all<T>(
    paths: &[PathBuf],
    clock: &dyn Clock,
    held: &[&Held<'_>],
    work: &mut dyn FnMut(&[&Held<'_>]) -> T,
) -> Result<T, LockError> {
    let Some((first, rest)) = paths.split_first() else {
        return Ok(work(held));
    };
    with_lock(first, clock, Patience::up_to(LOCK_PATIENCE), |lock| {
        let mut all = held.to_vec();
        all.push(lock);
        lock_all(rest, clock, &all, work)
    })?
}

fn watch_stacks(
    plan: &Plan,
    registry_dir: &Path,
    standing: &Standing,
    log: &mut EventLog,
) -> std::io::Result<Vec<Watched>> {
    let mut watched = Vec::new();
    for stack in &plan.stacks {
        let path = files::cursor(registry_dir, &plan.id, stack);
        let mut cursor = Cursor::load(&path);
        let resumes = cursor.log.is_some() && cursor.outcome.is_none();
        let reported: BTreeSet<_> =
            log.read_back(cursor.log.as_ref(), plan.id.as_str(), stack.name())?;
        // Before the first line is written it must be on disk where the lines begin.
        if cursor.log.is_none() || reported.is_empty() {
            cursor.log = Some(log.position()?);
        }
        let beginning = beginning(standing, stack, &cursor);
        let mut watch = StackWatch::new(
            stack.clone(),
            cursor,
            path,
            beginning,
            plan.limits,
            reported,
        );
        watch.save_first()?;
        watched.push(Watched { watch, resumes });
    }
    Ok(watched)
}

fn beginning(standing: &Standing, stack: &StackName, cursor: &Cursor) -> Beginning {
    match standing {
        Standing::Held {
            registration,
            baselines,
            ..
        } => {
            let baseline = baselines
                .iter()
                .find(|baseline| same_name(&baseline.stack_name, stack))
                .cloned();
            Beginning {
                registration: registration.clone(),
                registered_at: baseline.as_ref().and_then(|baseline| baseline.server_time),
                baseline,
            }
        }
        // What was begun under a registration goes on under it.
        Standing::Ended { .. } | Standing::Unavailable(_) => Beginning {
            registration: cursor.registration.clone(),
            ..Beginning::default()
        },
        Standing::NeverSeen => Beginning::default(),
    }
}

fn same_name(registered: &str, stack: &StackName) -> bool {
    registered
        .parse::<StackName>()
        .is_ok_and(|registered| registered.name() == stack.name())
}

fn is_shared(settings: &Settings) -> bool {
    !matches!(Registry::location(settings), Ok(Location::Folder(_)))
}

// What the stacks did before. A history that cannot be read only makes the estimate poorer.
fn estimators(plan: &Plan, settings: &Settings, standing: &Standing) -> Vec<Estimator> {
    let history = match standing {
        // Where the registry did not answer, its history will not either.
        Standing::Unavailable(_) if is_shared(settings) => None,
        Standing::Unavailable(_)
        | Standing::Held { .. }
        | Standing::Ended { .. }
        | Standing::NeverSeen => {
            registry_dynamodb::open_history(settings, Arc::new(SystemClock::default())).ok()
        }
    };
    let history = history.map(|history| history.read(Part::Stacks(&plan.stacks)).history);
    plan.stacks
        .iter()
        .map(|stack| Estimator {
            past: history
                .as_ref()
                .map_or_else(Past::default, |history| history.past(stack.name())),
            table: Table::shipped(),
            template: None,
        })
        .collect()
}
