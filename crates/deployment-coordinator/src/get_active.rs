//! `get_active`: the registry's holder, else what CloudFormation shows in progress.

use command_line::output::{print_json_lines, print_line};
use command_line::{Status, print_json};
use registry_core::clock::Timestamp;
use registry_core::decide::{active_entry, active_stack, doubt, mark_fallback, working};
use registry_core::deployment::ActiveDeployment;
use registry_core::ids::{Environment, StackName};
use registry_core::slot::Entry;
use registry_core::stack::StackError;
use registry_core::store::{Snapshot, StoreError};

use crate::args;
use crate::error::Problem;
use crate::estimate;
use crate::judge::FALLBACK_WORDS;
use crate::world::World;

/// What was found, and what could not be told.
#[derive(Default)]
struct Found {
    active: Vec<ActiveDeployment>,
    doubts: Vec<StackError>,
}

pub(crate) fn run(world: &World, words: &args::GetActive) -> Result<Status, Problem> {
    let registry = world.registry()?;
    let snapshot = match registry.snapshot() {
        Ok(snapshot) => Some(snapshot),
        Err(why @ StoreError::Unavailable(_)) => {
            if world.registry_required()? {
                return Err(why.into());
            }
            world.console().warning(FALLBACK_WORDS);
            world.console().warning(&why.to_string());
            None
        }
        Err(other) => return Err(other.into()),
    };
    let mut found = Found::default();
    for (environment, stacks) in wanted(world, words.environment.as_ref(), snapshot.as_ref())? {
        look_at(world, &environment, &stacks, snapshot.as_ref(), &mut found)?;
    }
    Ok(print(world, &found, words.environment.is_some()))
}

/// The named environment; else all that the settings or the registry know.
fn wanted(
    world: &World,
    named: Option<&Environment>,
    snapshot: Option<&Snapshot>,
) -> Result<Vec<(String, Vec<StackName>)>, Problem> {
    if let Some(environment) = named {
        let stacks = world.settings().stacks(environment, None);
        let held = snapshot.is_some_and(|all| !all.slot(environment.as_str()).holds.is_empty());
        // A holder is an answer even where no stack is known.
        let stacks = if held {
            stacks.unwrap_or_default()
        } else {
            stacks?
        };
        return Ok(vec![(environment.to_string(), stacks)]);
    }
    let mut all: Vec<(String, Vec<StackName>)> = world
        .settings()
        .environments()
        .into_iter()
        .map(|(environment, stacks)| (environment.to_string(), stacks))
        .collect();
    for slot in snapshot.iter().flat_map(|snapshot| snapshot.slots.values()) {
        let known = all.iter().any(|(name, _)| *name == slot.environment);
        if !known && !slot.holds.is_empty() {
            all.push((slot.environment.clone(), Vec::new()));
        }
    }
    all.sort();
    Ok(all)
}

fn look_at(
    world: &World,
    environment: &str,
    stacks: &[StackName],
    snapshot: Option<&Snapshot>,
    found: &mut Found,
) -> Result<(), Problem> {
    let holds = snapshot.map(|snapshot| (snapshot.slot(environment).holds, snapshot.now.at));
    if let Some((entries, now)) = holds.filter(|(entries, _)| !entries.is_empty()) {
        for entry in &entries {
            found.active.push(holder(world, entry, now)?);
        }
        return Ok(());
    }
    let local = registry_core::clock::Clock::now(&registry_core::clock::SystemClock::default());
    let seen = world.look(stacks)?;
    if let Some((stack, now)) = working(&seen, local) {
        let mut active = active_stack(stack, environment, now);
        if snapshot.is_none() {
            mark_fallback(&mut active);
        }
        estimate::fill(world, &mut active, None);
        found.active.push(active);
        return Ok(());
    }
    found.doubts.extend(seen.iter().filter_map(doubt));
    Ok(())
}

// The stack's own status says more than the registry's, while CloudFormation works on it.
fn holder(world: &World, entry: &Entry, now: Timestamp) -> Result<ActiveDeployment, Problem> {
    let mut active = active_entry(entry, now);
    let stacks: Vec<StackName> = entry
        .stacks
        .iter()
        .filter_map(|name| name.parse().ok())
        .collect();
    let seen = world.look(&stacks)?;
    if let Some((stack, _)) = working(&seen, now) {
        active.status = Some(stack.status.as_str().to_owned());
    }
    estimate::fill(world, &mut active, Some(entry));
    Ok(active)
}

fn print(world: &World, found: &Found, one: bool) -> Status {
    for doubt in &found.doubts {
        world.console().error(&doubt.to_string());
    }
    let status = match (found.active.is_empty(), found.doubts.is_empty()) {
        (false, _) => Status::Yes,
        (true, true) => Status::No,
        (true, false) => Status::CannotTell,
    };
    match found.active.as_slice() {
        [] => print_line("{}", status),
        [active] if one => print_json(active, status),
        all => print_json_lines(all, status),
    }
}
