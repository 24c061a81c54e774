//! `migrate`: copies a registry and its history to another store.

use std::sync::Arc;

use command_line::{Status, print_json};
use registry_core::clock::SystemClock;
use registry_core::history::store::copy as copy_history;
use registry_core::store::transfer::{Copied, TransferError, copy};
use registry_core::store::{Location, Store};

use crate::answer::Answer;
use crate::args;
use crate::error::Problem;
use crate::world::World;

pub(crate) fn run(world: &World, words: &args::Migrate) -> Result<Status, Problem> {
    let (from, to) = (location(&words.from)?, location(&words.to)?);
    if from == to {
        return Err(Problem::Usage(format!(
            "FROM and TO are the same registry, {:?}",
            words.from
        )));
    }
    let (old, new) = (open(world, &from)?, open(world, &to)?);
    let by = world.caller().words();
    let copied = match copy(&*old, &*new, &by) {
        Ok(copied) => copied,
        Err(error @ TransferError::Active { .. }) => {
            world.console().error(&error.to_string());
            let json = Answer::default()
                .with("migrated", false)
                .with("error", error.to_string());
            return Ok(print_json(&json.value(), Status::No));
        }
        Err(TransferError::Store(error)) => return Err(error.into()),
    };
    let history = move_history(world, &from, &to)?;
    let found = copied.environments > 0 || history > 0;
    if found {
        tell(world, &copied, history, &*old, &*new, &to);
    } else {
        world.console().warning(&format!(
            "nothing was copied: there is nothing in {}",
            old.place()
        ));
    }
    let json = Answer::default()
        .with("migrated", found)
        .with("from", old.place())
        .with("to", new.place())
        .with("environments", copied.environments)
        .with("entries", copied.entries)
        .with("tombstones", copied.tombstones)
        .with("history", history > 0)
        .with("history_entries", history);
    let status = if found { Status::Yes } else { Status::No };
    Ok(print_json(&json.value(), status))
}

fn tell(
    world: &World,
    copied: &Copied,
    history: usize,
    old: &dyn Store,
    new: &dyn Store,
    to: &Location,
) {
    world.console().success(&format!(
        "copied from {} to {}: {} environment(s), {} failed entries, {} tombstones, {history} entries of the history",
        old.place(),
        new.place(),
        copied.environments,
        copied.entries,
        copied.tombstones,
    ));
    let setting = match to {
        Location::Folder(folder) => format!("REGISTRY_DIR={}", folder.display()),
        Location::DynamoDb { .. } => format!("REGISTRY_URL={}", new.place()),
    };
    world.console().info(&format!(
        "set {setting} wherever deployments start, and only then remove {}: two registries in use do not see each other",
        old.place()
    ));
}

// As REGISTRY_URL has it; a word without a scheme is a folder.
fn location(word: &str) -> Result<Location, Problem> {
    if word.contains("://") {
        return Ok(Location::parse(word, word.into())?);
    }
    Ok(Location::Folder(word.into()))
}

fn open(world: &World, location: &Location) -> Result<Box<dyn Store>, Problem> {
    let clock = Arc::new(SystemClock::default());
    Ok(registry_dynamodb::open(
        location.clone(),
        world.settings(),
        clock,
    )?)
}

/// Copies the history; returns how many of its entries were new in the other place.
fn move_history(world: &World, from: &Location, to: &Location) -> Result<usize, Problem> {
    let history = |location: &Location| {
        let clock = Arc::new(SystemClock::default());
        registry_dynamodb::history_at(location.clone(), world.settings(), clock)
    };
    let (old, new) = (history(from)?, history(to)?);
    let moved = copy_history(&*old, &*new).map_err(|error| {
        Problem::Usage(format!(
            "the registry was copied, but not its history: {error} (run this command again)"
        ))
    })?;
    for warning in &moved.warnings {
        world.console().warning(warning);
    }
    if moved.nameless > 0 {
        world.console().warning(&format!(
            "{} entries of the history in {} name no stack and no deployment, and stay there",
            moved.nameless,
            old.place()
        ));
    }
    Ok(moved.entries)
}
