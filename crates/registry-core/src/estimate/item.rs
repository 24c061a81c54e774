//! One piece of work as the forecast sees it: over, running or to come, and how long it usually takes. Pure.

use std::collections::{BTreeSet, HashSet};

use super::operation::{Action, Operation, Phase, Run, RunState};
use super::past::Past;
use super::plan::Planned;
use super::spread::{Spread, median};
use super::table::Table;

/// A piece of work.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) resource_type: String,
    pub(super) action: Action,
    pub(super) phase: Phase,
    pub(super) doubtful: bool,
    pub(super) state: State,
    pub(super) usual: Spread,
    pub(super) source: Source,
}

/// How a piece of work stands; seconds since the operation began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum State {
    /// Over; what waited for it could begin at `released`.
    Over { released: f64 },
    /// Begun at `since`; `ready` once what waits for it may begin.
    Running { since: f64, ready: Option<f64> },
    /// Not begun.
    Pending,
}

/// Where a usual duration comes from, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// This resource, in this stack, before.
    Resource,
    /// Resources of the type, in this stack or another of the same history.
    Type,
    /// The shipped table.
    Shipped,
    /// Nobody knows the type.
    Unknown,
}

/// Gathers the work of an operation: what it has begun, and what is planned.
pub(super) fn gather(
    operation: &Operation,
    planned: &[Planned],
    past: &Past,
    table: &Table,
) -> Vec<Item> {
    let knowledge = Knowledge {
        operation,
        past,
        table,
        nobody_knows: nobody_knows(table),
    };
    let containers = nested_stacks_with_children(operation, planned);
    let mut items: Vec<Item> = Vec::new();
    let mut begun: HashSet<(Phase, &str)> = HashSet::new();
    for run in newest_runs(operation) {
        begun.insert((run.phase, &run.id));
        items.push(knowledge.item(
            (&run.id, &run.resource_type, run.action, run.phase),
            false,
            state(run),
            &containers,
        ));
    }
    for plan in planned {
        if !begun.contains(&(plan.phase, plan.id.as_str())) {
            items.push(knowledge.item(
                (&plan.id, &plan.resource_type, plan.action, plan.phase),
                plan.doubtful,
                State::Pending,
                &containers,
            ));
        }
    }
    items
}

/// How long an action on a resource usually takes, in seconds, and where that is known from.
#[must_use]
pub fn usual(
    id: &str,
    resource_type: &str,
    action: Action,
    past: &Past,
    table: &Table,
) -> Option<(Spread, Source)> {
    if let Some(spread) = past.of_resource(id, action) {
        return Some((spread, Source::Resource));
    }
    if let Some(spread) = past.of_type(resource_type, action) {
        return Some((spread, Source::Type));
    }
    let elsewhere = past.elsewhere.get(resource_type);
    if let Some(spread) = elsewhere.and_then(|actions| actions.get(&action)) {
        return Some((*spread, Source::Type));
    }
    // The file of the old scripts has one figure per type, whatever was done.
    if let (Some(&seconds), true) = (
        past.type_averages.get(resource_type),
        action != Action::Delete,
    ) {
        let spread = Spread {
            median: seconds,
            sigma: 0.3,
        };
        return Some((spread, Source::Type));
    }
    if let Some(spread) = table.duration(resource_type, action) {
        return Some((spread, Source::Shipped));
    }
    match action {
        // A replacement, an import and an update nobody saw take at most what a creation takes.
        Action::Replace | Action::Import | Action::Update => {
            usual(id, resource_type, Action::Create, past, table)
        }
        Action::Create | Action::Delete => None,
    }
}

struct Knowledge<'a> {
    operation: &'a Operation,
    past: &'a Past,
    table: &'a Table,
    nobody_knows: Spread,
}

impl Knowledge<'_> {
    fn item(
        &self,
        (id, resource_type, action, phase): (&str, &str, Action, Phase),
        doubtful: bool,
        state: State,
        containers: &BTreeSet<String>,
    ) -> Item {
        let (usual, source) = self.usual(id, resource_type, action, containers);
        Item {
            id: id.to_owned(),
            resource_type: resource_type.to_owned(),
            action,
            phase,
            doubtful,
            state,
            usual,
            source,
        }
    }

    fn usual(
        &self,
        id: &str,
        resource_type: &str,
        action: Action,
        containers: &BTreeSet<String>,
    ) -> (Spread, Source) {
        if let Some(own) = self.past.of_resource(id, action) {
            return (own, Source::Resource);
        }
        if containers.contains(id) {
            // A nested stack lasts as long as what is in it.
            let moment = Spread {
                median: 1.0,
                sigma: 0.5,
            };
            return (moment, Source::Type);
        }
        // What this very operation has shown of the type counts like its past.
        if self.past.of_type(resource_type, action).is_none()
            && let Some(now) = self.shown(resource_type, action)
        {
            return (now, Source::Type);
        }
        usual(id, resource_type, action, self.past, self.table)
            .unwrap_or((self.nobody_knows, Source::Unknown))
    }

    fn shown(&self, resource_type: &str, action: Action) -> Option<Spread> {
        let taken: Vec<f64> = self
            .operation
            .runs
            .iter()
            .filter(|run| run.resource_type == resource_type && run.action == action)
            .filter_map(Run::took)
            .collect();
        Spread::of(&taken, 0.15)
    }
}

/// A resource of a type nobody knows takes what the middle type takes, give or take a lot.
fn nobody_knows(table: &Table) -> Spread {
    let mut all: Vec<f64> = table
        .durations
        .values()
        .filter_map(|rows| rows.get(Action::Create.as_str()))
        .map(|row| row.median)
        .collect();
    all.sort_by(f64::total_cmp);
    Spread {
        median: median(&all).unwrap_or(10.0),
        sigma: 1.5,
    }
}

/// The newest run of each resource in each phase.
fn newest_runs(operation: &Operation) -> Vec<&Run> {
    let mut seen: HashSet<(Phase, &str)> = HashSet::new();
    let mut runs: Vec<&Run> = operation
        .runs
        .iter()
        .rev()
        .filter(|run| seen.insert((run.phase, &run.id)))
        .collect();
    runs.reverse();
    runs
}

fn state(run: &Run) -> State {
    match (run.state, run.start, run.end) {
        (RunState::Running, since, _) => State::Running {
            since: since.unwrap_or(0.0),
            ready: run.ready,
        },
        (
            RunState::Completed | RunState::Failed | RunState::Cancelled | RunState::Skipped,
            start,
            end,
        ) => State::Over {
            released: run.released().or(end).or(start).unwrap_or(0.0),
        },
    }
}

/// The nested stacks whose own resources are known too.
fn nested_stacks_with_children(operation: &Operation, planned: &[Planned]) -> BTreeSet<String> {
    operation
        .runs
        .iter()
        .map(|run| run.id.as_str())
        .chain(planned.iter().map(|plan| plan.id.as_str()))
        .filter_map(|id| id.rsplit_once('/'))
        .map(|(parent, _)| parent.to_owned())
        .collect()
}
