//! What a finished operation waited for: the chain of resources that led to its end. Pure.

use super::operation::{Operation, Phase, Run};

/// CloudFormation begins what was waited for within seconds; a longer pause had another reason.
const LONGEST_PAUSE: f64 = 5.0;

/// The critical path, as indices into the operation's runs, in order of time: from the last end back, each time to the release
/// that came last before the beginning.
#[must_use]
pub fn critical_path(operation: &Operation) -> Vec<usize> {
    let runs = &operation.runs;
    let last_of = |phase: Phase| {
        (0..runs.len())
            .filter(|&index| runs[index].phase == phase && runs[index].end.is_some())
            .max_by(|&a, &b| end(&runs[a]).total_cmp(&end(&runs[b])))
    };
    let mut path = Vec::new();
    // The phases follow each other: the last of one leads to the first of the next.
    for &phase in Phase::ALL.iter().rev() {
        let mut at = last_of(phase);
        while let Some(index) = at {
            path.push(index);
            at = runs[index]
                .start
                .and_then(|start| before(runs, phase, start, &path));
        }
    }
    path.reverse();
    path
}

fn end(run: &Run) -> f64 {
    run.end.unwrap_or(0.0)
}

/// The run of the phase whose end, or readiness, came last before `start`, and not long before.
fn before(runs: &[Run], phase: Phase, start: f64, taken: &[usize]) -> Option<usize> {
    let freed = |index: usize| {
        [runs[index].end, runs[index].ready]
            .into_iter()
            .flatten()
            .find(|at| (0.0..=LONGEST_PAUSE).contains(&(start - at)))
    };
    (0..runs.len())
        .filter(|index| runs[*index].phase == phase && !taken.contains(index))
        .filter_map(|index| Some((index, freed(index)?)))
        // Of several that ended at the same moment the one that began first has held things up longest.
        .max_by(|(a, freed_a), (b, freed_b)| {
            let began = |index: usize| runs[index].start.unwrap_or(0.0);
            freed_a
                .total_cmp(freed_b)
                .then(began(*b).total_cmp(&began(*a)))
        })
        .map(|(index, _)| index)
}
