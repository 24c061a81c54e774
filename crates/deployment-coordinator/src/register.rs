//! `register`: one atomic step, after CloudFormation was asked.

use command_line::output::keepable;
use command_line::{Status, print_json};
use registry_core::decide::{Decision, Reason, Seen, Verdict};
use registry_core::registry::{Decided, Registry, baseline};
use registry_core::slot::{Difference, Entry, HoldKind, Registration, Request, Standing};
use registry_core::store::{StoreError, format};
use serde_json::{Value, json};

use crate::answer::{self, Answer};
use crate::args;
use crate::can_deploy::object;
use crate::error::Problem;
use crate::estimate;
use crate::judge::{View, bury_namesake, fall_back, still_against, when_busy};
use crate::world::{Target, World};

pub(crate) fn run(world: &World, words: &args::Register) -> Result<Status, Problem> {
    let target = world.target(&words.place)?;
    let (run, url) = run_of(world, &words.run)?;
    let registry = world.registry()?;
    let seen = world.look(&target.stacks)?;
    let who = Who {
        id: words.id.as_str(),
        run,
        url,
        kind: HoldKind::Registered,
    };
    let request = request(world, &target, who, &seen)?;
    world.tell_scope(&registry);
    Ok(match take(world, &registry, &target, &request, &seen)? {
        Taken::Answered(decided) => answered(world, &registry, &target, *decided),
        Taken::Alone(decision) => refused(world, &registry, &target, *decision, None),
        Taken::Busy(view, decision) => refused(world, &registry, &target, *decision, Some(&view)),
    })
}

/// Who wants a hold.
pub(crate) struct Who<'a> {
    /// The deployment's id.
    pub(crate) id: &'a str,
    /// The workflow run, or who else started it.
    pub(crate) run: String,
    /// The run's page.
    pub(crate) url: Option<String>,
    /// Who will keep the hold alive.
    pub(crate) kind: HoldKind,
}

/// The request of `who`, with the baseline that the monitor starts from. Asks CloudFormation.
pub(crate) fn request(
    world: &World,
    target: &Target,
    who: Who<'_>,
    seen: &[Seen],
) -> Result<Request, Problem> {
    let caller = world.caller();
    Ok(Request {
        correlation_id: who.id.to_owned(),
        workflow_run_id: who.run,
        stacks: target.names(),
        run_attempt: caller.attempt,
        runner: caller.runner.clone(),
        workflow_url: who.url,
        kind: who.kind,
        baseline: baseline(world.stacks()?, seen),
        server_time: seen
            .iter()
            .filter_map(|seen| seen.answer.as_ref().ok()?.server_time)
            .max(),
    })
}

/// What asking for a hold came to.
pub(crate) enum Taken {
    /// The registry has answered.
    Answered(Box<Decided<Registration>>),
    /// The registry cannot be used: CloudFormation's word alone, which gives no hold.
    Alone(Box<Decision>),
    /// Its lock could not be had in time; what can be seen without it.
    Busy(Box<View>, Box<Decision>),
}

/// One atomic step: the hold, or why not. If dead holders are in the way, they are taken away and it is tried once more.
pub(crate) fn take(
    world: &World,
    registry: &Registry,
    target: &Target,
    request: &Request,
    seen: &[Seen],
) -> Result<Taken, Problem> {
    let id = Some(request.correlation_id.as_str());
    // One that cannot be read is told of now, and not only when somebody may be dead.
    world.leases()?;
    let attempt = || -> Result<Decided<Registration>, Problem> {
        let ask = || registry.register(target.environment.as_str(), request, seen);
        let decided = ask()?;
        let way_is_free = match &decided.answer {
            Registration::Different(entry, _) => bury_namesake(world, registry, entry, seen)?,
            Registration::Refused(Standing::HeldByOther(_)) => {
                let buried = View::take(registry, target, id)
                    .map_err(Problem::from)
                    .and_then(|view| view.bury_the_dead(world, registry, target, id, seen, true));
                match buried {
                    Ok(view) => !matches!(view.standing, Standing::HeldByOther(_)),
                    // Who holds it is known, whatever became of the look for its death.
                    Err(Problem::Store(StoreError::Busy { .. } | StoreError::Unavailable(_))) => {
                        false
                    }
                    Err(other) => return Err(other),
                }
            }
            Registration::Granted(_) | Registration::Already(_) | Registration::Refused(_) => false,
        };
        Ok(if way_is_free { ask()? } else { decided })
    };
    match attempt() {
        Ok(decided) => Ok(Taken::Answered(Box::new(decided))),
        Err(Problem::Store(why @ StoreError::Unavailable(_))) => {
            if let Some((view, decision)) = still_against(registry, target, id, seen) {
                return Ok(Taken::Busy(Box::new(view), Box::new(decision)));
            }
            let decision = fall_back(world, target, seen, &why, true)?;
            Ok(Taken::Alone(Box::new(decision)))
        }
        Err(Problem::Store(why @ StoreError::Busy { .. })) => {
            let (view, decision) = when_busy(world, registry, target, id, seen, &why)?;
            Ok(match &view.standing {
                // The step was done, only its answer was not heard; or it was done before.
                Standing::HeldByCaller(entry) => {
                    let answer = view.slot.already(request, entry);
                    Taken::Answered(Box::new(Decided { answer, decision }))
                }
                Standing::HeldByOther(_)
                | Standing::Frozen(_)
                | Standing::Behind(_)
                | Standing::ReservedForCaller
                | Standing::Free => Taken::Busy(Box::new(view), Box::new(decision)),
            })
        }
        Err(other) => Err(other),
    }
}

// A run's id, or its page: then the id is the number in it.
fn run_of(world: &World, word: &str) -> Result<(String, Option<String>), Problem> {
    const LONGEST: usize = 1024;
    let word = word.trim();
    let length = word.chars().count();
    if length > LONGEST {
        return Err(Problem::Usage(format!(
            "RUN has {length} characters, {LONGEST} is the most: give the workflow run's id, like 12345, or its URL"
        )));
    }
    if word.is_empty() || word.chars().any(char::is_control) {
        return Err(Problem::Usage(
            "RUN is empty or no plain text: give the workflow run's id, like 12345, or its URL"
                .to_owned(),
        ));
    }
    if !word.starts_with("https://") && !word.starts_with("http://") {
        return Ok((keepable(word), world.settings().workflow_url(word)));
    }
    let number = word
        .split_once("/runs/")
        .and_then(|(_, rest)| rest.split(['/', '?', '#']).next())
        .filter(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()));
    // The registry is everybody's to read.
    let url = keepable(word);
    Ok((number.map_or_else(|| url.clone(), str::to_owned), Some(url)))
}

fn answered(
    world: &World,
    registry: &Registry,
    target: &Target,
    decided: Decided<Registration>,
) -> Status {
    let console = world.console();
    match decided.answer {
        Registration::Granted(entry) => {
            console.success(&format!(
                "{} holds {}, fencing token {}",
                entry.correlation_id,
                entry.environment,
                entry.fencing_token.unwrap_or_default()
            ));
            holds(world, registry, &entry, decided.decision.warning)
        }
        Registration::Already(entry) => {
            console.success(&format!(
                "{} held {} already, since {}",
                entry.correlation_id,
                entry.environment,
                entry.started_at.human()
            ));
            holds(world, registry, &entry, decided.decision.warning)
        }
        Registration::Different(entry, differences) => {
            different(world, registry, &entry, &differences)
        }
        Registration::Refused(standing) => {
            let mut decision = decided.decision;
            if let (Standing::HeldByOther(entry), Some(active)) = (&standing, &mut decision.active)
            {
                estimate::fill(world, active, Some(entry));
            }
            refused(world, registry, target, decision, None)
        }
    }
}

fn holds(world: &World, registry: &Registry, entry: &Entry, warning: Option<String>) -> Status {
    if let Some(warning) = &warning {
        world.console().warning(warning);
    }
    let token = entry.fencing_token.map(|token| token.to_string());
    world.github_output(&[
        ("registered", "true".to_owned()),
        ("fencing_token", token.unwrap_or_default()),
        ("correlation_id", entry.correlation_id.clone()),
    ]);
    let json = Answer::default()
        .and(object(format::entry_to_value(entry)))
        .with("registered", true)
        .with("source", "registry")
        .with("scope", registry.scope().as_str())
        .with("warning", warning);
    print_json(&json.value(), Status::Yes)
}

fn different(
    world: &World,
    registry: &Registry,
    entry: &Entry,
    differences: &[Difference],
) -> Status {
    let message = in_use(entry, differences);
    world.console().error(&message);
    world.github_output(&[("registered", "false".to_owned())]);
    let differences: Vec<Value> = differences
        .iter()
        .map(|one| json!({"what": one.what, "registered": one.registered, "asked": one.asked}))
        .collect();
    let json = Answer::default()
        .with("registered", false)
        .with("reason", "ID_IN_USE")
        .with("message", message)
        .with("differences", differences)
        .with("source", "registry")
        .with("scope", registry.scope().as_str())
        .with("entry", format::entry_to_value(entry));
    print_json(&json.value(), Status::No)
}

/// That an id belongs to another deployment, and in what that differs.
pub(crate) fn in_use(entry: &Entry, differences: &[Difference]) -> String {
    let told: Vec<String> = differences
        .iter()
        .map(|one| {
            format!(
                "{} is {} there, {} here",
                one.what, one.registered, one.asked
            )
        })
        .collect();
    format!(
        "the id {} is in use by another deployment since {}: {}; give every deployment, also every leg of a matrix, an id of its own (new_id)",
        entry.correlation_id,
        entry.started_at.human(),
        told.join("; ")
    )
}

// Not registered, and why. A fallback that may go on is a yes without a hold.
fn refused(
    world: &World,
    registry: &Registry,
    target: &Target,
    mut decision: Decision,
    view: Option<&View>,
) -> Status {
    estimate::complete(world, &mut decision, view);
    let console = world.console();
    let message = format!("{}: {}", decision.reason.as_str(), decision.message);
    match decision.verdict {
        Verdict::May => console.warning(&format!("not registered; {message}")),
        Verdict::MayNot => console.info(&format!("not registered, {message}")),
        Verdict::CannotTell if decision.reason == Reason::RegistryBusy => {}
        Verdict::CannotTell => console.error(&format!("not registered, {message}")),
    }
    if let Some(warning) = &decision.warning {
        console.warning(warning);
    }
    world.github_output(&[
        ("registered", "false".to_owned()),
        ("reason", decision.reason.as_str().to_owned()),
    ]);
    let scope = registry.scope().as_str();
    let json = Answer::default().with("registered", false).and(object(
        answer::decision(&decision, target, Some(scope)).value(),
    ));
    print_json(&json.value(), answer::status_of(decision.verdict))
}
