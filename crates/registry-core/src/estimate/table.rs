//! The shipped table: how long each type of resource takes where a stack has no past of its own, made from the recorded
//! operations in `crates/simulators/traces` by `cargo xtask durations`. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::operation::{Action, Kind, Operation, Phase, Run};
use super::pace::Pace;
use super::references;
use super::slow;
use super::spread::{Spread, Sureness, median};
use crate::stack::STACK_TYPE;

/// What is known without any history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// How it was made.
    pub made_by: String,
    /// By type, then by action.
    pub durations: BTreeMap<String, BTreeMap<String, Row>>,
    /// By type: the types seen to hold it up.
    pub waits_for: BTreeMap<String, BTreeSet<String>>,
    /// By type: seconds until `CONFIGURATION_COMPLETE`, where it comes well before the end.
    pub ready: BTreeMap<String, f64>,
    /// By type: the types of which it only waits for `CONFIGURATION_COMPLETE`.
    pub early: BTreeMap<String, BTreeSet<String>>,
    /// How quickly CloudFormation moves on.
    pub pace: Pace,
    /// Seconds of a whole operation, by kind.
    pub operations: BTreeMap<String, f64>,
}

/// One duration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Seconds.
    pub median: f64,
    /// See [`Spread::sigma`].
    pub sigma: f64,
    /// How many were seen; 0 for a rough figure nobody recorded.
    pub seen: usize,
}

/// An operation, and who recorded it: no source may outweigh the others.
#[derive(Debug, Clone, Copy)]
pub struct Sourced<'a> {
    /// For example a repository's name.
    pub source: &'a str,
    /// What it did.
    pub operation: &'a Operation,
}

/// Measured on the recorded operations whose timestamps have milliseconds; used where a table is made from none.
const USUAL_PACE: Pace = Pace {
    first: 2.5,
    before_create: 0.6,
    before_update: 1.3,
    before_delete: 0.5,
    last: 0.9,
    before_cleanup: 1.1,
    first_cleanup: 1.1,
    after_cleanup: 0.2,
    empty_cleanup: 0.9,
};

impl Table {
    /// The table that ships with the programs.
    #[must_use]
    pub fn shipped() -> Self {
        serde_json::from_str(include_str!("../../data/resource-durations.json"))
            .unwrap_or_else(|_| Self::from_operations(&[]))
    }

    /// Makes a table.
    #[must_use]
    pub fn from_operations(operations: &[Sourced<'_>]) -> Self {
        let mut seen: BTreeMap<(&str, Action), BTreeMap<&str, Vec<f64>>> = BTreeMap::new();
        for sourced in operations {
            for run in &sourced.operation.runs {
                if let (Some(took), false) = (run.took(), run.is_nested_stack()) {
                    seen.entry((run.resource_type.as_str(), run.action))
                        .or_default()
                        .entry(sourced.source)
                        .or_default()
                        .push(took);
                }
            }
        }
        let mut durations: BTreeMap<String, BTreeMap<String, Row>> = BTreeMap::new();
        for ((resource_type, action), by_source) in &seen {
            if let Some(row) = row(by_source) {
                durations
                    .entry((*resource_type).to_owned())
                    .or_default()
                    .insert(action.as_str().to_owned(), row);
            }
        }
        for (resource_type, seconds) in slow::CREATE {
            durations
                .entry(resource_type.to_owned())
                .or_default()
                .entry(Action::Create.as_str().to_owned())
                .or_insert(Row {
                    median: seconds,
                    sigma: slow::SIGMA,
                    seen: 0,
                });
        }
        Self {
            made_by: "cargo xtask durations, from crates/simulators/traces".to_owned(),
            durations,
            waits_for: type_order_of(operations),
            ready: ready(operations),
            early: early(operations),
            pace: Pace::of(operations.iter().map(|s| s.operation), &USUAL_PACE),
            operations: totals(operations),
        }
    }

    /// How long an action on a type takes; `None` where nobody knows.
    #[must_use]
    pub fn duration(&self, resource_type: &str, action: Action) -> Option<Spread> {
        let row = self.durations.get(resource_type)?.get(action.as_str())?;
        Some(Spread::new(row.median, row.sigma))
    }

    /// Seconds of a whole operation of this kind, where nothing else is known.
    #[must_use]
    pub fn whole_operation(&self, kind: Kind) -> f64 {
        self.operations.get(kind.as_str()).copied().unwrap_or(300.0)
    }
}

/// The middle of the sources' own middles: eighty subnets of one stack say no more than one stack does.
fn row(by_source: &BTreeMap<&str, Vec<f64>>) -> Option<Row> {
    let mut middles: Vec<f64> = Vec::new();
    let mut within: Vec<f64> = Vec::new();
    for taken in by_source.values() {
        let spread = Spread::of(
            taken,
            Sureness {
                one: 0.0,
                many: 0.0,
            },
        )?;
        middles.push(spread.median);
        within.push(spread.sigma);
    }
    within.sort_by(f64::total_cmp);
    let between = Spread::of(&middles, Sureness::STRANGE)?;
    let sigma = between.sigma.hypot(median(&within)?);
    Some(Row {
        median: (between.median * 10.0).round() / 10.0,
        sigma: (sigma * 100.0).round() / 100.0,
        seen: by_source.values().map(Vec::len).sum(),
    })
}

fn totals(operations: &[Sourced<'_>]) -> BTreeMap<String, f64> {
    let mut totals: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for sourced in operations {
        if let (Some(took), false) = (sourced.operation.took, sourced.operation.cut) {
            totals
                .entry(sourced.operation.kind.as_str().to_owned())
                .or_default()
                .push(took);
        }
    }
    totals
        .into_iter()
        .filter_map(|(kind, mut taken)| {
            taken.sort_by(f64::total_cmp);
            Some((kind, median(&taken)?.round()))
        })
        .collect()
}

/// A release this long before a beginning may have caused it; half the sources have whole seconds only.
const CAUSE: f64 = 2.0;

/// For each type, the types whose end let it begin: in at least half of its beginnings that had to wait, and never the other
/// way round.
pub(super) fn type_order_of(operations: &[Sourced<'_>]) -> BTreeMap<String, BTreeSet<String>> {
    let mut tally: BTreeMap<(&str, &str), Tally> = BTreeMap::new();
    for sourced in operations {
        let runs: Vec<&Run> = sourced
            .operation
            .runs
            .iter()
            .filter(|run| run.phase == Phase::Forward && run.action != Action::Delete)
            .filter(|run| run.resource_type != STACK_TYPE)
            .collect();
        let released = releases(&runs);
        for later in &runs {
            if let Some(start) = later.start {
                count(&mut tally, &released, &later.resource_type, start);
            }
        }
    }
    let mut waits: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for ((earlier, later), tally) in tally {
        if tally.against == 0 && tally.caused * 2 >= tally.together && tally.caused > 0 {
            waits
                .entry(later.to_owned())
                .or_default()
                .insert(earlier.to_owned());
        }
    }
    waits
}

#[derive(Default)]
struct Tally {
    /// Beginnings of the later type in operations that have the earlier one too.
    together: usize,
    /// Those just after an end of the earlier type.
    caused: usize,
    /// Those before any of the earlier type had ended.
    against: usize,
}

/// When resources of each type let others begin, sorted.
fn releases<'a>(runs: &[&'a Run]) -> BTreeMap<&'a str, Vec<f64>> {
    let mut released: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for run in runs {
        let of_type = released.entry(&run.resource_type).or_default();
        of_type.extend(run.released());
    }
    for times in released.values_mut() {
        times.sort_by(f64::total_cmp);
    }
    released
}

fn count<'a>(
    tally: &mut BTreeMap<(&'a str, &'a str), Tally>,
    released: &BTreeMap<&'a str, Vec<f64>>,
    later: &'a str,
    start: f64,
) {
    for (earlier, times) in released {
        if *earlier == later {
            continue;
        }
        let tally = tally.entry((earlier, later)).or_default();
        let before = times.partition_point(|at| *at <= start);
        let last = before.checked_sub(1).map(|last| times[last]);
        tally.together += 1;
        tally.caused += usize::from(last.is_some_and(|at| start - at <= CAUSE));
        tally.against += usize::from(last.is_none());
    }
}

/// A shorter head start is not worth a rule.
const HEAD_START: f64 = 3.0;

fn ready(operations: &[Sourced<'_>]) -> BTreeMap<String, f64> {
    let mut seen: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for run in operations.iter().flat_map(|s| &s.operation.runs) {
        if let (Some(start), Some(ready), Some(end)) = (run.start, run.ready, run.end)
            && end - ready > HEAD_START
        {
            seen.entry(&run.resource_type)
                .or_default()
                .push(ready - start);
        }
    }
    seen.into_iter()
        .filter_map(|(resource_type, mut after)| {
            after.sort_by(f64::total_cmp);
            let middle = median(&after)?;
            Some((resource_type.to_owned(), (middle * 10.0).round() / 10.0))
        })
        .collect()
}

/// Pairs of types of which the later one refers to the earlier and was seen to begin between its `CONFIGURATION_COMPLETE` and its end
/// more often than only after its end.
fn early(operations: &[Sourced<'_>]) -> BTreeMap<String, BTreeSet<String>> {
    let mut tally: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
    for sourced in operations {
        let runs = &sourced.operation.runs;
        let held: Vec<(&Run, f64, f64)> = runs
            .iter()
            .filter_map(|run| Some((run, run.ready?, run.end?)))
            .filter(|(_, ready, end)| end - ready > HEAD_START)
            .collect();
        for (earlier, ready, end) in &held {
            for later in runs.iter().filter(|run| refers(run, earlier)) {
                let Some(start) = later.start else { continue };
                let (before, after) = tally
                    .entry((&later.resource_type, &earlier.resource_type))
                    .or_default();
                *before += usize::from((0.0..=CAUSE).contains(&(start - ready)) && start < *end);
                *after += usize::from((0.0..=CAUSE).contains(&(start - end)));
            }
        }
    }
    let mut early: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for ((later, earlier), (before, after)) in tally {
        if before > after {
            early
                .entry(later.to_owned())
                .or_default()
                .insert(earlier.to_owned());
        }
    }
    early
}

fn refers(later: &Run, earlier: &Run) -> bool {
    later.phase == earlier.phase
        && references::all()
            .filter(|(name, _)| *name == later.resource_type)
            .any(|(_, mut needed)| needed.any(|name| name == earlier.resource_type))
}
