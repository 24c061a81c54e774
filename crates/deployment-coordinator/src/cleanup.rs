//! `cleanup`: ends whatever an id has, whoever asks.

use command_line::{Status, print_json};
use registry_core::progress::{Verdict, verdict_of};
use registry_core::registry::{Found, Registry};
use registry_core::slot::{End, EndAnswer, Ending, Entry, Outcome};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::args;
use crate::error::Problem;
use crate::outcome::{self, Reading};
use crate::world::{World, whole_place};

/// Who said how it ended.
#[derive(Debug, Clone, Copy)]
enum Told {
    Flag,
    Monitor,
    Stack,
    Nobody,
}

impl Told {
    fn as_str(self) -> &'static str {
        match self {
            Self::Flag => "given",
            Self::Monitor => "monitor",
            Self::Stack => "stack",
            Self::Nobody => "nobody",
        }
    }
}

/// How a deployment ended, and who said so.
pub(crate) struct Verdicts {
    /// How.
    pub(crate) ending: Ending,
    told: Told,
    /// What its stack came to, where that is known.
    pub(crate) outcome: Option<Outcome>,
    reading: Option<Reading>,
}

/// What `cleanup` did.
pub(crate) struct Done {
    held: Option<Entry>,
    /// How the deployment ended.
    pub(crate) verdicts: Verdicts,
    changes: Vec<(String, EndAnswer)>,
    eviction: bool,
}

impl Done {
    /// Tells what a person should know about the stack.
    pub(crate) fn tell_about_the_stack(&self, world: &World) {
        if let Some(reading) = &self.verdicts.reading {
            tell_reading(world, reading);
        }
    }
}

/// Who ends a deployment, and how much time there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct By {
    /// The deployment itself.
    pub(crate) own: bool,
    /// Whether the stack may be asked how it ended, which takes ten seconds at most.
    pub(crate) ask: bool,
}

/// Ends whatever `words.id` has.
pub(crate) fn end(
    world: &World,
    registry: &Registry,
    words: &args::Cleanup,
    by: By,
) -> Result<Done, Problem> {
    let held = match registry.find(&words.id)? {
        Found::Held(entry) => Some(*entry),
        Found::Failed(_) | Found::Abandoned(_) | Found::Ended(_) | Found::NeverSeen => None,
    };
    let verdicts = ending(world, words, held.as_ref(), by.ask)?;
    let caller = world.caller();
    let eviction = held
        .as_ref()
        .is_some_and(|entry| !by.own && !caller.may_be_holder_of(entry));
    let changes = registry.end(&End {
        correlation_id: words.id.to_string(),
        ending: verdicts.ending.clone(),
        outcome: verdicts.outcome.clone(),
        purge: words.purge,
        by: Some(caller.words()),
        reason: words.reason.as_deref().map(command_line::output::keepable),
        eviction,
    })?;
    Ok(Done {
        held,
        verdicts,
        changes,
        eviction,
    })
}

pub(crate) fn run(world: &World, words: &args::Cleanup) -> Result<Status, Problem> {
    let registry = world.registry()?;
    let own = world.id().ok().flatten().as_ref() == Some(&words.id);
    let Done {
        held,
        verdicts,
        changes: done,
        eviction,
    } = end(world, &registry, words, By { own, ask: true })?;
    let message = tell(world, &registry, words, &done, &verdicts, eviction);
    let did: Vec<Value> = done
        .iter()
        .map(|(environment, answer)| one(environment, answer))
        .collect();
    let first = did.first().cloned().unwrap_or(Value::Null);
    let hold = first.get("hold").cloned().unwrap_or_else(|| json!("none"));
    let json = Answer::default()
        .with("correlation_id", words.id.as_str())
        .with("cleaned", !done.is_empty())
        .with("message", message)
        .with("environment", first.get("environment").cloned())
        .with("hold", hold)
        .with("outcome", held.as_ref().map(|_| verdicts.ending.as_str()))
        .with(
            "outcome_from",
            held.as_ref().map(|_| verdicts.told.as_str()),
        )
        .with(
            "stack_moved",
            verdicts.reading.as_ref().and_then(|reading| reading.moved),
        )
        .with("evicted", eviction.then_some(true))
        .with("done", did)
        .with("scope", registry.scope().as_str());
    Ok(print_json(&json.value(), Status::Yes))
}

fn ending(
    world: &World,
    words: &args::Cleanup,
    held: Option<&Entry>,
    ask: bool,
) -> Result<Verdicts, Problem> {
    let recorded = held.and_then(|entry| entry.last_outcome.clone());
    let by = |ending, told, reading: Option<Reading>| Verdicts {
        ending,
        told,
        outcome: reading
            .as_ref()
            .and_then(|reading| reading.outcome.clone())
            .or_else(|| recorded.clone()),
        reading,
    };
    match words.outcome {
        Some(args::Outcome::Success) => return Ok(by(Ending::Success, Told::Flag, None)),
        Some(args::Outcome::Failed) => {
            // The first cause is worth ten seconds, unless the monitor has it already.
            let reading = match (held, &recorded) {
                (Some(entry), None) if ask => Some(outcome::read(world, entry)?),
                (Some(_) | None, _) => None,
            };
            return Ok(by(Ending::Failed, Told::Flag, reading));
        }
        None => {}
    }
    let verdict = recorded
        .as_ref()
        .and_then(|outcome| verdict_of(&outcome.stack_status, false));
    Ok(match (held, verdict) {
        (None, _) => by(Ending::Unknown, Told::Nobody, None),
        (Some(_), Some(Verdict::Deployed)) => by(Ending::Success, Told::Monitor, None),
        (Some(_), Some(Verdict::Failed)) => by(Ending::Failed, Told::Monitor, None),
        (Some(entry), None) => {
            let reading = outcome::read(world, entry)?;
            let told = if reading.ending == Ending::Unknown {
                Told::Nobody
            } else {
                Told::Stack
            };
            by(reading.ending.clone(), told, Some(reading))
        }
    })
}

fn one(environment: &str, answer: &EndAnswer) -> Value {
    let hold = match (&answer.hold, &answer.stays, &answer.purged) {
        (Some(_), Some(_), _) => "kept_as_failed",
        (Some(_), None, _) => "removed",
        (None, _, Some(_)) => "purged",
        (None, _, None) => "none",
    };
    json!({
        "environment": environment,
        "hold": hold,
        "reservation": answer.reservation,
        "place": answer.place,
    })
}

fn tell(
    world: &World,
    registry: &Registry,
    words: &args::Cleanup,
    done: &[(String, EndAnswer)],
    verdicts: &Verdicts,
    eviction: bool,
) -> String {
    let console = world.console();
    if let Some(reading) = &verdicts.reading {
        tell_reading(world, reading);
    }
    if done.is_empty() {
        let message = format!(
            "nothing to do: {} has nothing in the registry {}",
            words.id,
            whole_place(registry)
        );
        console.info(&message);
        return message;
    }
    let mut told = Vec::new();
    for (environment, answer) in done {
        let what = match (&answer.hold, &answer.stays, &answer.purged) {
            (Some(_), Some(_), _) => {
                "its hold ended; it stays for seven days as FAILED (--purge removes it)"
            }
            (Some(_), None, _) => "its hold ended",
            (None, _, Some(_)) => "its failed entry was removed",
            (None, _, None) if answer.place => "it no longer waits",
            (None, _, None) => "its reservation ended",
        };
        told.push(format!("{} in {environment}: {what}", words.id));
    }
    let mut message = told.join("; ");
    if eviction {
        message.push_str("; it was evicted, its next verify or heartbeat tells it so");
    }
    console.success(&message);
    message
}

fn tell_reading(world: &World, reading: &Reading) {
    let console = world.console();
    if reading.moved == Some(false) {
        console.warning("the stack never moved during this deployment");
    }
    if let Some((stack, status)) = &reading.working {
        console.warning(&format!(
            "the stack {stack} is still in {status}: nobody may deploy until it has ended"
        ));
    }
    if let Some(doubt) = &reading.doubt {
        console.warning(&format!(
            "how the deployment ended could not be read from its stack: {doubt} (give --outcome success or --outcome failed)"
        ));
    }
}
