//! What the answer says beyond the decision: the run's page, and how much longer it will take.

use registry_core::decide::Decision;
use registry_core::deployment::ActiveDeployment;
use registry_core::slot::{Entry, Standing};

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
}
