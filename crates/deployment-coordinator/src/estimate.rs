//! What an answer says beyond the decision: the run's page, and how much longer it will take.

use std::time::Duration;

use registry_core::clock::{Clock as _, SystemClock, Timestamp, whole_minutes};
use registry_core::decide::Decision;
use registry_core::deployment::ActiveDeployment;
use registry_core::estimate::Table;
use registry_core::estimate::left::{Left, longest, on_stack};
use registry_core::estimate::watch::for_stack;
use registry_core::history::History;
use registry_core::history::store::Part;
use registry_core::ids::StackName;
use registry_core::registry::Registry;
use registry_core::slot::{Entry, Standing};
use registry_core::store::Location;

use crate::judge::View;
use crate::world::World;

/// Completes the active deployment of a decision.
pub(crate) fn complete(world: &World, decision: &mut Decision, view: Option<&View>) {
    let entry = view.and_then(|view| match &view.standing {
        Standing::HeldByOther(entry) | Standing::HeldByCaller(entry) => Some(&**entry),
        Standing::Frozen(_)
        | Standing::Behind(_)
        | Standing::ReservedForCaller
        | Standing::Free => None,
    });
    if let Some(active) = &mut decision.active {
        fill(world, active, entry);
    }
}

/// Completes one active deployment; `entry` is the registry's, where it has one.
pub(crate) fn fill(world: &World, active: &mut ActiveDeployment, entry: Option<&Entry>) {
    world.complete(active, entry);
    // A number more is not worth waiting for an AWS that has just not answered.
    if active.estimated_remaining_minutes.is_none() && !world.aws_is_silent() {
        active.estimated_remaining_minutes = remaining(world, active).map(whole_minutes);
    }
}

fn remaining(world: &World, active: &ActiveDeployment) -> Option<Duration> {
    let stacks = StackName::parse_list(active.stack_name.as_deref()?).ok()?;
    let now = SystemClock::default().now();
    let history = history(world, &stacks);
    let source = world.stacks().ok()?;
    let started = active.started_at.as_deref();
    let registered = started.and_then(Timestamp::parse_rfc3339);
    let mut found: Vec<Left> = Vec::new();
    for stack in stacks {
        let past = history.past(stack.name());
        let Ok(watched) = for_stack(source, &past, &Table::shipped(), &stack, now) else {
            world.note_silence();
            return None;
        };
        found.extend(on_stack(&watched, &past, registered, None));
    }
    longest(found, |left| left).map(|left| left.remaining)
}

// A history that cannot be read only makes the estimate poorer.
fn history(world: &World, stacks: &[StackName]) -> History {
    let is_shared = !matches!(
        Registry::location(world.settings()),
        Ok(Location::Folder(_))
    );
    if is_shared && world.has_lost_registry() {
        return History::default();
    }
    world.history().map_or_else(
        |_| History::default(),
        |history| history.read(Part::Stacks(stacks)).history,
    )
}
