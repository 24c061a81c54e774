//! Which resources an operation touches: what it has begun, and what is known to come. Pure.

use std::collections::{BTreeMap, HashSet};

use super::operation::{Action, Kind, Operation, Phase, Run, RunState};
use super::past::{Past, plain_id};
use super::template::Template;

/// A piece of work that is known to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The logical id, as [`Run::id`].
    pub id: String,
    /// For example `AWS::ECS::Service`.
    pub resource_type: String,
    /// What will be done.
    pub action: Action,
    /// In which part of the operation.
    pub phase: Phase,
    /// Whether it may not come at all; it is given up when it does not begin although nothing holds it up.
    pub doubtful: bool,
}

/// How many of the last updates are looked at for what an update usually touches.
const LOOK_BACK: usize = 5;

/// What can be told about the rest of an operation from its kind: a creation makes all that the template has, a deletion removes
/// all that is there, a rollback undoes what was done, an update touches what updates of this stack usually touch.
#[must_use]
pub fn expected(operation: &Operation, template: Option<&Template>, past: &Past) -> Vec<Planned> {
    if operation.phase() == Phase::Rollback {
        return undone(operation);
    }
    match (operation.kind, template) {
        (Kind::Create, Some(template)) => created(template),
        (Kind::Create | Kind::Update | Kind::Import | Kind::Delete, _) => usual(operation, past),
        (Kind::Rollback, _) => Vec::new(),
    }
}

fn created(template: &Template) -> Vec<Planned> {
    template
        .resources
        .iter()
        .map(|(id, resource)| Planned {
            id: id.clone(),
            resource_type: resource.resource_type.clone(),
            action: Action::Create,
            phase: Phase::Forward,
            doubtful: resource.conditional,
        })
        .collect()
}

/// A rollback deletes what was created and changes back what was changed.
fn undone(operation: &Operation) -> Vec<Planned> {
    let mut planned: BTreeMap<&str, Planned> = BTreeMap::new();
    for run in &operation.runs {
        if run.phase != Phase::Forward || run.state == RunState::Skipped {
            continue;
        }
        let action = match run.action {
            Action::Create | Action::Import => Action::Delete,
            Action::Update | Action::Replace => Action::Update,
            Action::Delete => continue,
        };
        planned.insert(
            &run.id,
            Planned {
                id: run.id.clone(),
                resource_type: run.resource_type.clone(),
                action,
                phase: Phase::Rollback,
                // What failed at once was never there.
                doubtful: run.state != RunState::Completed,
            },
        );
    }
    planned.into_values().collect()
}

/// What at least half of the last operations of this kind touched. Its ids may bear another hash by now.
fn usual(operation: &Operation, past: &Past) -> Vec<Planned> {
    let recent: Vec<&Operation> = past
        .succeeded()
        .rev()
        .filter(|earlier| earlier.kind == operation.kind)
        .take(LOOK_BACK)
        .collect();
    let mut times: BTreeMap<(Phase, &str, Action), (usize, &Run)> = BTreeMap::new();
    for earlier in &recent {
        for run in &earlier.runs {
            let key = (run.phase, plain_id(&run.id), run.action);
            times.entry(key).or_insert((0, run)).0 += 1;
        }
    }
    let begun: HashSet<(Phase, &str)> = operation
        .runs
        .iter()
        .map(|run| (run.phase, plain_id(&run.id)))
        .collect();
    times
        .into_iter()
        .filter(|((phase, id, _), (times, _))| {
            times * 2 >= recent.len() && !begun.contains(&(*phase, *id))
        })
        .map(|((phase, _, action), (_, run))| Planned {
            id: run.id.clone(),
            resource_type: run.resource_type.clone(),
            action,
            phase,
            doubtful: true,
        })
        .collect()
}
