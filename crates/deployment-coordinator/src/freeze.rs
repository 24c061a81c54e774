//! `freeze` and `thaw`: nobody may start, whoever runs may finish.

use command_line::{Status, print_json};
use registry_core::clock::{Clock as _, SystemClock, Timestamp, parse_duration};
use registry_core::ids::Environment;
use registry_core::registry::Registry;

use crate::answer::{self, Answer};
use crate::args;
use crate::error::Problem;
use crate::world::World;

pub(crate) fn freeze(world: &World, words: &args::Freeze) -> Result<Status, Problem> {
    let reason = command_line::output::keepable(&words.reason);
    if reason.is_empty() {
        return Err(Problem::Usage(
            "--reason is empty: say why, everybody who is refused reads it".to_owned(),
        ));
    }
    let until = words.until.as_deref().map(until).transpose()?;
    let registry = world.registry()?;
    refuse_unknown(world, &registry, &words.environment)?;
    let by = world.caller().words();
    registry.set_freeze(words.environment.as_str(), Some((&reason, &by, until)))?;
    let end = until.map_or_else(
        || "until it is thawed".to_owned(),
        |until| format!("until {}", until.human()),
    );
    world.console().success(&format!(
        "{} is frozen {end}: nobody may start, whoever runs may finish (thaw {} lifts it)",
        words.environment, words.environment
    ));
    let slot = registry.snapshot()?.slot(words.environment.as_str());
    let json = Answer::default()
        .with("environment", words.environment.as_str())
        .with("frozen", slot.freeze.as_ref().map(answer::freeze))
        .with("scope", registry.scope().as_str());
    Ok(print_json(&json.value(), Status::Yes))
}

pub(crate) fn thaw(world: &World, words: &args::Thaw) -> Result<Status, Problem> {
    let registry = world.registry()?;
    refuse_unknown(world, &registry, &words.environment)?;
    let lifted = registry.set_freeze(words.environment.as_str(), None)?;
    match &lifted {
        Some(freeze) => world.console().success(&format!(
            "{} is no longer frozen (it was by {}: {})",
            words.environment, freeze.by, freeze.reason
        )),
        None => world.console().info(&format!(
            "nothing to do: {} was not frozen",
            words.environment
        )),
    }
    let json = Answer::default()
        .with("environment", words.environment.as_str())
        .with("thawed", lifted.is_some())
        .with("was", lifted.as_ref().map(answer::freeze))
        .with("scope", registry.scope().as_str());
    Ok(print_json(&json.value(), Status::Yes))
}

// A moment, or a span from now.
fn until(text: &str) -> Result<Timestamp, Problem> {
    let now = SystemClock::default().now();
    let end =
        Timestamp::parse_rfc3339(text).or_else(|| parse_duration(text).map(|span| now + span));
    match end {
        Some(end) if end > now => Ok(end),
        Some(end) => Err(Problem::Usage(format!(
            "--until is {}, which has passed",
            end.human()
        ))),
        None => Err(Problem::Usage(format!(
            "--until is {text:?}: give a time like 2026-01-14T12:34:56Z or a span like 2h"
        ))),
    }
}

// A slip of the finger freezes nothing, and nobody notices.
fn refuse_unknown(
    world: &World,
    registry: &Registry,
    environment: &Environment,
) -> Result<(), Problem> {
    if world.settings().stacks(environment, None).is_ok() {
        return Ok(());
    }
    world.known(environment, &registry.snapshot()?)
}
