//! `can_deploy`: the decision, and with an id a reservation.

use command_line::{Status, print_json};
use registry_core::decide::{Decision, Seen, Verdict};
use registry_core::ids::CorrelationId;
use registry_core::registry::Registry;
use registry_core::settings::CHECK_INTERVAL;
use registry_core::slot::Standing;
use registry_core::store::StoreError;

use crate::args::Place;
use crate::error::Problem;
use crate::judge::{View, fall_back, still_against, when_busy};
use crate::world::{Target, World};
use crate::{answer, estimate};

/// A decision with what is printed beside it.
struct Answered {
    decision: Decision,
    view: Option<View>,
    reserved: bool,
}

pub(crate) fn run(world: &World, words: &Place) -> Result<Status, Problem> {
    let target = world.target(words)?;
    let id = world.id()?;
    let registry = world.registry()?;
    let seen = world.look(&target.stacks)?;
    let mut answered = match ask(world, &registry, &target, id.as_ref(), &seen) {
        Err(Problem::Store(why @ StoreError::Unavailable(_))) => {
            let name = id.as_ref().map(CorrelationId::as_str);
            let (view, decision) = match still_against(&registry, &target, name, &seen) {
                Some((view, decision)) => (Some(view), decision),
                None => (None, fall_back(world, &target, &seen, &why, true)?),
            };
            Answered {
                decision,
                view,
                reserved: false,
            }
        }
        other => other?,
    };
    world.tell_scope(&registry);
    estimate::complete(world, &mut answered.decision, answered.view.as_ref());
    tell(world, &answered.decision);
    let may = answered.decision.verdict == Verdict::May;
    world.github_output(&[
        ("can_proceed", may.to_string()),
        ("reason", answered.decision.reason.as_str().to_owned()),
    ]);
    print(world, &registry, &target, id.as_ref(), &answered)
}

fn ask(
    world: &World,
    registry: &Registry,
    target: &Target,
    id: Option<&CorrelationId>,
    seen: &[Seen],
) -> Result<Answered, Problem> {
    let name = id.map(CorrelationId::as_str);
    let view = View::take(registry, target, name)?;
    let view = view.bury_the_dead(world, registry, target, name, seen, id.is_some());
    let view = match view {
        // Nobody is asked to wait for a lock only to learn who holds the environment.
        Err(Problem::Store(why @ StoreError::Busy { .. })) => {
            let (view, decision) = when_busy(world, registry, target, name, seen, &why)?;
            return Ok(Answered {
                decision,
                view: Some(view),
                reserved: false,
            });
        }
        other => other?,
    };
    let decision = view.decide(target, seen);
    let (Some(id), Standing::Free, Verdict::May) = (id, &view.standing, decision.verdict) else {
        let reserved = view.standing == Standing::ReservedForCaller;
        return Ok(Answered {
            decision,
            view: Some(view),
            reserved,
        });
    };
    let wish = world.ask(id, world.settings().duration(&CHECK_INTERVAL)?)?;
    match registry.reserve(target.environment.as_str(), &wish, &target.names(), seen) {
        Ok(decided) => Ok(Answered {
            reserved: decided.decision.verdict == Verdict::May,
            decision: decided.decision,
            view: Some(view),
        }),
        Err(why @ StoreError::Busy { .. }) => {
            let (view, decision) = when_busy(world, registry, target, name, seen, &why)?;
            Ok(Answered {
                decision,
                view: Some(view),
                reserved: false,
            })
        }
        Err(other) => Err(other.into()),
    }
}

fn tell(world: &World, decision: &Decision) {
    let console = world.console();
    let message = format!("{}: {}", decision.reason.as_str(), decision.message);
    match decision.verdict {
        Verdict::May => console.success(&message),
        Verdict::MayNot => console.info(&message),
        Verdict::CannotTell => console.error(&message),
    }
    if let Some(warning) = &decision.warning {
        console.warning(warning);
    }
}

fn print(
    world: &World,
    registry: &Registry,
    target: &Target,
    id: Option<&CorrelationId>,
    answered: &Answered,
) -> Result<Status, Problem> {
    let decision = &answered.decision;
    let name = id.map(CorrelationId::as_str);
    let mut json = answer::Answer::default()
        .with("can_deploy", decision.verdict == Verdict::May)
        .and(object(
            answer::decision(decision, target, Some(registry.scope().as_str())).value(),
        ));
    if let Some(view) = &answered.view {
        json = json
            .with("queue_length", view.slot.queue.len())
            .with("ahead", answer::ahead(&view.slot, &view.standing, name));
    }
    if answered.reserved {
        let seconds = world
            .settings()
            .duration(&registry_core::settings::RESERVATION)?
            .as_secs();
        json = json
            .with("reserved_for", name)
            .with("reservation_seconds", seconds);
    }
    Ok(print_json(
        &json.value(),
        answer::status_of(decision.verdict),
    ))
}

pub(crate) fn object(value: serde_json::Value) -> serde_json::Map<String, serde_json::Value> {
    match value {
        serde_json::Value::Object(map) => map,
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_)
        | serde_json::Value::Array(_) => serde_json::Map::new(),
    }
}
