//! One piece of work as the forecast sees it: over, running or to come, and how long it usually takes. Pure.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::operation::{Action, Operation, Phase, Run, RunState};
use super::past::Past;
use super::plan::Planned;
use super::spread::{Spread, Sureness, median};
use super::table::Table;
use super::usual::{Source, Usual};

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
    /// Seconds after its beginning at which what waits for it may usually go on.
    ready_after: Option<f64>,
}

impl Item {
    /// When what waits for it may go on, if it begins or began at `since` and is not yet ready `now`; `None` when that is not
    /// before its end, as far as is known.
    pub(super) fn ready_at(&self, since: f64, now: f64) -> Option<f64> {
        // It should have come by now: then it does not come in this stack.
        const LATE: f64 = 3.0;
        let at = since + self.ready_after?;
        (now < at + LATE).then_some(at.max(now))
    }
}

/// How a piece of work stands; seconds since the operation began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum State {
    /// Over at `ended`; what waited only for it to be ready could begin at `released`.
    Over { released: f64, ended: f64 },
    /// Begun at `since`; `ready` once what waits for it may begin.
    Running { since: f64, ready: Option<f64> },
    /// Not begun.
    Pending,
}

/// Gathers the work of an operation: what it has begun, and what is planned.
pub(super) fn gather(
    operation: &Operation,
    planned: &[Planned],
    past: &Past,
    table: &Table,
) -> Vec<Item> {
    let usual = Usual::of(past, table);
    let knowledge = Knowledge {
        speed: speed(operation, &usual),
        usual,
        table,
        shown: shown(operation),
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

struct Knowledge<'a> {
    usual: Usual<'a>,
    table: &'a Table,
    /// What this very operation has shown, by type and action.
    shown: HashMap<(&'a str, Action), Vec<f64>>,
    nobody_knows: Spread,
    /// The factor by which quick work takes longer today than usual.
    speed: f64,
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
            ready_after: self.table.ready.get(resource_type).copied(),
        }
    }

    fn usual(
        &self,
        id: &str,
        resource_type: &str,
        action: Action,
        containers: &BTreeSet<String>,
    ) -> (Spread, Source) {
        let known = self
            .usual
            .duration(id, resource_type, action)
            .map(|(usual, source)| (self.today(usual), source));
        let own = matches!(known, Some((_, Source::Resource)));
        if !own && containers.contains(id) {
            // A nested stack lasts as long as what is in it.
            return (Spread::new(1.0, 0.5), Source::Type);
        }
        // What this very operation has shown of the type counts beside what is known of it.
        let shown = self
            .shown
            .get(&(resource_type, action))
            .and_then(|taken| Spread::of(taken, Sureness::ALIKE));
        match (shown, known) {
            (_, Some((usual, Source::Resource))) => (usual, Source::Resource),
            (Some(now), Some((usual, _))) => (now.pooled(usual), Source::Type),
            (Some(now), None) => (now, Source::Type),
            (None, Some(known)) => known,
            (None, None) => (self.nobody_knows, Source::Unknown),
        }
    }

    /// What is known from other days, at the speed of this one.
    fn today(&self, mut usual: Spread) -> Spread {
        if is_quick(&usual) {
            usual.median *= self.speed;
        }
        usual
    }
}

/// What takes less is a few calls of an API, whose speed differs with the region and the hour; what takes more waits for
/// machines, and has its own habits.
const QUICK: f64 = 30.0;

fn is_quick(usual: &Spread) -> bool {
    usual.median < QUICK
}

/// By which factor the quick work that this operation has done took longer than usual. A few cases say little: the factor begins
/// at one.
fn speed(operation: &Operation, usual: &Usual<'_>) -> f64 {
    // Half of the records have whole seconds only.
    const ROUNDING: f64 = 0.5;
    // As many cases at the usual speed are supposed to have been seen before the first.
    const SUPPOSED: f64 = 5.0;
    let off: Vec<f64> = operation
        .runs
        .iter()
        .filter_map(|run| {
            let took = run.took()?;
            let (usual, _) = usual.duration(&run.id, &run.resource_type, run.action)?;
            let times = (took + ROUNDING) / (usual.median + ROUNDING);
            // One that hung says nothing of the others.
            is_quick(&usual).then(|| times.ln().clamp(-1.0, 1.0))
        })
        .collect();
    (off.iter().sum::<f64>() / (off.len() as f64 + SUPPOSED)).exp()
}

fn shown(operation: &Operation) -> HashMap<(&str, Action), Vec<f64>> {
    let mut shown: HashMap<(&str, Action), Vec<f64>> = HashMap::new();
    for run in &operation.runs {
        if let Some(took) = run.took() {
            shown
                .entry((&run.resource_type, run.action))
                .or_default()
                .push(took);
        }
    }
    shown
}

/// A resource of a type nobody knows takes what the middle type takes, give or take a lot.
fn nobody_knows(table: &Table) -> Spread {
    let mut all: Vec<f64> = table
        .durations
        .values()
        .filter_map(|rows| rows.get(Action::Create.as_str()))
        // The rough figures are of slow types only.
        .filter(|row| row.seen > 0)
        .map(|row| row.median)
        .collect();
    all.sort_by(f64::total_cmp);
    Spread::unknown(median(&all).unwrap_or(10.0))
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
        ) => {
            let ended = end.or(start).unwrap_or(0.0);
            State::Over {
                released: run.released().unwrap_or(ended),
                ended,
            }
        }
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

#[cfg(test)]
mod tests {
    use super::super::operation::{Kind, Outcome};
    use super::super::table::Row;
    use super::*;

    /// `Quick` takes 10 s and `Slow` 100 s elsewhere.
    fn table() -> Table {
        let mut table = Table::from_operations(&[]);
        for (resource_type, median) in [("Quick", 10.0), ("Other", 10.0), ("Slow", 100.0)] {
            let row = Row {
                median,
                sigma: 0.2,
                seen: 1,
            };
            let rows = [("create".to_owned(), row)].into();
            table.durations.insert(resource_type.to_owned(), rows);
        }
        table
    }

    /// A creation that has done this: types, and what each took.
    fn done(runs: &[(&str, f64)]) -> Operation {
        Operation {
            id: "op".to_owned(),
            kind: Kind::Create,
            outcome: Outcome::Running,
            started: crate::clock::Timestamp::default(),
            took: None,
            cleanup_at: None,
            rollback_at: None,
            cut: false,
            first_cause: None,
            runs: runs
                .iter()
                .enumerate()
                .map(|(index, (resource_type, took))| Run {
                    id: format!("{resource_type}{index}"),
                    resource_type: (*resource_type).to_owned(),
                    action: Action::Create,
                    phase: Phase::Forward,
                    start: Some(1.0),
                    ready: None,
                    end: Some(1.0 + took),
                    state: RunState::Completed,
                })
                .collect(),
        }
    }

    /// What a pending resource of the type would take in that operation.
    fn left(operation: &Operation, resource_type: &str) -> f64 {
        let planned = Planned {
            id: "Next".to_owned(),
            resource_type: resource_type.to_owned(),
            action: Action::Create,
            phase: Phase::Forward,
            doubtful: false,
        };
        let items = gather(operation, &[planned], &Past::default(), &table());
        items.last().unwrap().usual.median
    }

    #[test]
    fn quick_work_is_as_fast_as_the_quick_work_done_so_far() {
        for (what, runs, resource_type, low, high) in [
            ("nothing is done yet", vec![], "Other", 10.0, 10.0),
            (
                "all as usual",
                vec![("Quick", 10.0); 20],
                "Other",
                9.9,
                10.1,
            ),
            (
                "one slow case says little",
                vec![("Quick", 20.0)],
                "Other",
                10.5,
                12.0,
            ),
            (
                "twenty of them say much",
                vec![("Quick", 20.0); 20],
                "Other",
                16.0,
                19.0,
            ),
            (
                "twenty fast ones too",
                vec![("Quick", 5.0); 20],
                "Other",
                5.3,
                6.7,
            ),
            (
                "one that hung says nothing more",
                vec![("Quick", 9000.0)],
                "Other",
                11.0,
                12.0,
            ),
            (
                "what waits for machines has its habits",
                vec![("Quick", 20.0); 20],
                "Slow",
                100.0,
                100.0,
            ),
            (
                "and says nothing of the quick",
                vec![("Slow", 300.0); 20],
                "Other",
                10.0,
                10.0,
            ),
            (
                "the unknown stays unknown",
                vec![("Quick", 20.0); 20],
                "Strange",
                10.0,
                10.0,
            ),
            // Of its own type it is known already: the day is not counted twice.
            (
                "the same type",
                vec![("Quick", 20.0); 20],
                "Quick",
                19.0,
                20.1,
            ),
        ] {
            let median = left(&done(&runs), resource_type);
            assert!((low..=high).contains(&median), "{what}: {median}");
        }
    }
}
