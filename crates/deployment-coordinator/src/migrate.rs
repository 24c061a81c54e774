//! `migrate`: copies a registry and its history to another store.

use std::path::Path;
use std::sync::Arc;

use command_line::{Status, print_json};
use registry_core::clock::SystemClock;
use registry_core::history::file::FILE_NAME;
use registry_core::store::transfer::{Copied, TransferError, copy};
use registry_core::store::{Location, Store, atomic};

use crate::answer::Answer;
use crate::args;
use crate::error::Problem;
use crate::world::World;

const HISTORY_MODE: u32 = 0o644;

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
    let found = copied.environments > 0 || history;
    if found {
        tell(world, &copied, &*old, &*new, &to);
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
        .with("history", history);
    let status = if found { Status::Yes } else { Status::No };
    Ok(print_json(&json.value(), status))
}

fn tell(world: &World, copied: &Copied, old: &dyn Store, new: &dyn Store, to: &Location) {
    world.console().success(&format!(
        "copied from {} to {}: {} environment(s), {} failed entries, {} tombstones",
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

/// Copies the history from folder to folder; returns whether it did. In a shared registry there is none: the history stays where
/// the estimator keeps it, in the folder REGISTRY_DIR.
fn move_history(world: &World, from: &Location, to: &Location) -> Result<bool, Problem> {
    let (Location::Folder(from), Location::Folder(to)) = (from, to) else {
        world
            .console()
            .info("the history of durations stays where it is, in the folder REGISTRY_DIR");
        return Ok(false);
    };
    let (source, target) = (from.join(FILE_NAME), to.join(FILE_NAME));
    if target.exists() {
        world.console().warning(&format!(
            "{} is there already and stays; the history in {} was not copied",
            target.display(),
            source.display()
        ));
        return Ok(false);
    }
    let failed = |path: &Path, error: std::io::Error| {
        Problem::Usage(format!(
            "the registry was copied, but not its history {}: {error}",
            path.display()
        ))
    };
    let bytes = match std::fs::read(&source) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed(&source, error)),
    };
    atomic::create_folder(to, 0o755)
        .and_then(|()| atomic::write(&target, &bytes, HISTORY_MODE))
        .map_err(|error| failed(&target, error))?;
    Ok(true)
}
