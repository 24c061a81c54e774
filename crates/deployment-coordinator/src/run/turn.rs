//! The turn of a deployment: waiting for it, and taking the hold when it has come.

use std::time::Duration;

use registry_core::clock::{StopSignal, human_duration};
use registry_core::decide::{Decision, Verdict};
use registry_core::ids::CorrelationId;
use registry_core::registry::Registry;
use registry_core::slot::{Entry, HoldKind, Registration};

use super::Plan;
use crate::error::Problem;
use crate::register::{self, Taken, Who};
use crate::wait::{self, End, Waiting};
use crate::world::World;

/// What became of the waiting.
pub(super) enum Turn {
    /// The environment is ours.
    Hold(Box<Entry>),
    /// The registry cannot be used, CloudFormation says yes: no hold, and no promise.
    Alone,
    /// It was not its turn in time.
    TooLate(String),
    /// A signal.
    Stopped(i32),
    /// It cannot be; why, as a sentence.
    Cannot(String),
}

/// Waits for the turn and takes the hold. `on_no` is told each decision that is waited on.
pub(super) fn take(
    world: &World,
    plan: &Plan,
    registry: &Registry,
    stop: &StopSignal,
    on_no: &mut dyn FnMut(&Decision),
) -> Result<Turn, Problem> {
    let wishes = wait::Plan {
        target: plan.target.clone(),
        id: Some(&plan.id),
        interval: plan.interval,
        limit: plan.limit,
    };
    let mut waiting = Waiting::new(world, wishes, stop, on_no)?;
    loop {
        let (end, decision) = waiting.until_the_end(stop)?;
        let environment = &plan.target.environment;
        let why = |decision: Option<Decision>| {
            decision.map_or_else(String::new, |decision| {
                format!("{}: {}", decision.reason.as_str(), decision.message)
            })
        };
        match end {
            End::Free { .. } => match register(world, plan, registry)? {
                Some(turn) => return Ok(turn),
                // Somebody was faster, or the stack has begun to move; back to the queue.
                None if waiting.pause() => {}
                None => return Ok(too_late(plan, waiting.waited(), String::new())),
            },
            End::Timeout => return Ok(too_late(plan, waiting.waited(), why(decision))),
            End::CannotTell => {
                return Ok(Turn::Cannot(format!(
                    "whether {environment} is free cannot be told: {}",
                    why(decision)
                )));
            }
            End::Removed(tombstone) => {
                let by = tombstone.ended.by.as_deref().unwrap_or("somebody");
                return Ok(Turn::Cannot(format!(
                    "the place in the queue was taken away by {by} (cleanup)"
                )));
            }
            End::Stopped(signal) => return Ok(Turn::Stopped(signal)),
        }
    }
}

fn too_late(plan: &Plan, waited: Duration, why: String) -> Turn {
    let why = if why.is_empty() {
        why
    } else {
        format!(" ({why})")
    };
    Turn::TooLate(format!(
        "{} was not free within {}{why}",
        plan.target.environment,
        human_duration(waited)
    ))
}

// `None`: not now, after all.
fn register(world: &World, plan: &Plan, registry: &Registry) -> Result<Option<Turn>, Problem> {
    let seen = world.look(&plan.target.stacks)?;
    let who = Who {
        id: plan.id.as_str(),
        run: plan.run.clone(),
        url: plan.run_url.clone(),
        kind: HoldKind::Run,
    };
    let request = register::request(world, &plan.target, who, &seen)?;
    let taken = register::take(world, registry, &plan.target, &request, &seen)?;
    Ok(match taken {
        Taken::Answered(decided) => {
            if let Some(warning) = &decided.decision.warning {
                world.console().warning(warning);
            }
            answered(&plan.id, decided.answer)
        }
        Taken::Alone(decision) | Taken::Busy(_, decision) => match decision.verdict {
            Verdict::May => {
                if let Some(warning) = &decision.warning {
                    world.console().warning(warning);
                }
                Some(Turn::Alone)
            }
            Verdict::MayNot => None,
            Verdict::CannotTell => Some(Turn::Cannot(format!(
                "{}: {}",
                decision.reason.as_str(),
                decision.message
            ))),
        },
    })
}

fn answered(id: &CorrelationId, answer: Registration) -> Option<Turn> {
    match answer {
        Registration::Granted(entry) => Some(Turn::Hold(entry)),
        // Registered by a step before this one: the hold is this deployment's.
        Registration::Already(entry) if entry.kind == HoldKind::Registered => {
            Some(Turn::Hold(entry))
        }
        Registration::Already(entry) => Some(Turn::Cannot(format!(
            "{id} is being run already, since {}: give this deployment an id of its own, or, if that one is dead, end it with deployment-coordinator cleanup {id}",
            entry.started_at.human()
        ))),
        Registration::Different(entry, differences) => {
            Some(Turn::Cannot(register::in_use(&entry, &differences)))
        }
        Registration::Refused(_) => None,
    }
}
