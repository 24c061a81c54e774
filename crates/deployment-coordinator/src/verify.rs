//! `verify`: does this deployment still hold its environment? For a workflow to ask before each step that changes something.

use command_line::{Status, print_json};
use registry_core::registry::Found;
use registry_core::slot::{Ended, Entry};
use registry_core::store::StoreError;

use crate::answer::Answer;
use crate::args;
use crate::error::Problem;
use crate::world::World;

pub(crate) fn run(world: &World, words: &args::Verify) -> Result<Status, Problem> {
    let registry = world.registry()?;
    let scope = registry.scope().as_str();
    let base = Answer::default().with("correlation_id", words.id.as_str());
    let found = match registry.find(&words.id) {
        Ok(found) => found,
        Err(why @ (StoreError::Unavailable(_) | StoreError::Busy { .. } | StoreError::Stopped)) => {
            world.console().error(&why.to_string());
            let json = base
                .with("holds", false)
                .with("reason", "REGISTRY_UNAVAILABLE")
                .with("message", why.to_string())
                .with("scope", scope);
            return Ok(print_json(&json.value(), Status::CannotTell));
        }
        Err(wrong @ StoreError::Wrong(_)) => return Err(wrong.into()),
    };
    let id = &words.id;
    let (reason, message, entry) = match found {
        Found::Held(entry) => held(words, entry),
        Found::Failed(entry) => {
            let how = ended(entry.ended.as_ref());
            (
                "FAILED",
                format!("{id} was cleaned up as failed{how}"),
                Some(entry),
            )
        }
        Found::Abandoned(entry) => {
            let how = ended(entry.ended.as_ref());
            ("ABANDONED", format!("{id} lost its hold{how}"), Some(entry))
        }
        Found::Ended(tombstone) => {
            let how = ended(Some(&tombstone.ended));
            if tombstone.ended.evicted {
                ("EVICTED", format!("{id} was evicted{how}"), None)
            } else {
                ("ENDED", format!("{id} was cleaned up{how}"), None)
            }
        }
        Found::NeverSeen => (
            "NOT_REGISTERED",
            format!(
                "{id} is not in the registry {}: register it first",
                registry.place()
            ),
            None,
        ),
    };
    let holds = reason == "HOLDS";
    if holds {
        world.console().success(&message);
    } else {
        world.console().error(&message);
    }
    let json = base
        .with("holds", holds)
        .with("reason", reason)
        .with("message", message)
        .with(
            "environment",
            entry.as_ref().map(|entry| entry.environment.clone()),
        )
        .with(
            "fencing_token",
            entry.as_ref().and_then(|entry| entry.fencing_token),
        )
        .with("scope", scope);
    Ok(print_json(
        &json.value(),
        if holds { Status::Yes } else { Status::No },
    ))
}

fn held(words: &args::Verify, entry: Box<Entry>) -> (&'static str, String, Option<Box<Entry>>) {
    let id = &words.id;
    match (words.token, entry.fencing_token) {
        (Some(asked), current) if current != Some(asked) => (
            "OTHER_TOKEN",
            format!(
                "{id} holds {} with the fencing token {}, not {asked}: it was registered anew",
                entry.environment,
                current.map_or_else(|| "none".to_owned(), |token| token.to_string())
            ),
            Some(entry),
        ),
        (Some(_) | None, _) => {
            let message = format!(
                "{id} holds {} since {}",
                entry.environment,
                entry.started_at.human()
            );
            ("HOLDS", message, Some(entry))
        }
    }
}

/// By whom, when and why something ended: ` by alice at 2026-01-14 12:34:56 UTC: stuck`.
pub(crate) fn ended(ended: Option<&Ended>) -> String {
    let Some(ended) = ended else {
        return String::new();
    };
    let by = ended
        .by
        .as_ref()
        .map_or_else(String::new, |by| format!(" by {by}"));
    let why = ended
        .reason
        .as_ref()
        .map_or_else(String::new, |reason| format!(": {reason}"));
    format!("{by} at {}{why}", ended.at.human())
}
