//! Three plain estimates, to measure ours against. Each knows the same list of resources and the same table.

use std::collections::HashSet;

use registry_core::estimate::operation::{Operation, Phase, RunState};
use registry_core::estimate::plan::Planned;
use registry_core::estimate::{Past, Table, Usual};

/// What an average operation takes, less what has passed.
pub(crate) fn average_total(averages: &[f64], now: f64) -> f64 {
    let mean = averages.iter().sum::<f64>() / (averages.len().max(1)) as f64;
    (mean - now).max(0.0)
}

/// The sum of the averages of all that is not complete, as the scripts had it.
pub(crate) fn sum_of_pending(
    seen: &Operation,
    planned: &[Planned],
    past: &Past,
    table: &Table,
) -> f64 {
    unfinished(seen, planned)
        .into_iter()
        .map(|(plan, _)| average(plan, past, table))
        .sum()
}

/// The longest of all that is not complete, less what it has taken already.
pub(crate) fn longest_pending(
    seen: &Operation,
    planned: &[Planned],
    past: &Past,
    table: &Table,
    now: f64,
) -> f64 {
    unfinished(seen, planned)
        .into_iter()
        .map(|(plan, since)| {
            (average(plan, past, table) - since.map_or(0.0, |since| now - since)).max(0.0)
        })
        .fold(0.0, f64::max)
}

fn average(plan: &Planned, past: &Past, table: &Table) -> f64 {
    Usual::of(past, table)
        .duration(&plan.id, &plan.resource_type, plan.action)
        .map_or(0.0, |(spread, _)| spread.median)
}

fn unfinished<'a>(seen: &Operation, planned: &'a [Planned]) -> Vec<(&'a Planned, Option<f64>)> {
    let over: HashSet<(Phase, &str)> = seen
        .runs
        .iter()
        .filter(|run| run.state != RunState::Running)
        .map(|run| (run.phase, run.id.as_str()))
        .collect();
    planned
        .iter()
        .filter(|plan| !over.contains(&(plan.phase, plan.id.as_str())))
        .map(|plan| {
            let running = seen.runs.iter().find(|run| {
                run.id == plan.id && run.phase == plan.phase && run.state == RunState::Running
            });
            (plan, running.and_then(|run| run.start))
        })
        .collect()
}
