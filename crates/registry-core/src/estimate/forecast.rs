//! When each piece of work will end: the longest chain of what must wait for what. Pure.

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::item::{Item, State};
use super::operation::Phase;
use super::order::Wait;
use super::pace::Pace;

/// When one piece of work will be over, and which other it waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub(super) begin: f64,
    pub(super) end: f64,
    pub(super) released: f64,
    pub(super) after: Option<usize>,
}

/// Something that nothing holds up begins at once; if it has not after so many seconds, it will not come at all.
const GIVEN_UP: f64 = 15.0;

/// When the work of one phase will be over. `opened` is when the phase's first work may begin.
pub(super) fn forecast(
    items: &[Item],
    waits: &[Vec<Wait>],
    phase: Phase,
    pace: &Pace,
    opened: f64,
    now: f64,
    beginning_is_lost: bool,
) -> Vec<Option<Expected>> {
    let mut expected: Vec<Option<Expected>> = vec![None; items.len()];
    let runners_end = first_end_of_runners(items, phase, now);
    for index in in_order(items, waits) {
        let item = &items[index];
        if item.phase != phase {
            continue;
        }
        let mut after: Option<(usize, f64)> = None;
        let mut held_up = false;
        for &Wait { other, early } in &waits[index] {
            if let Some(known) = expected[other] {
                let free = if early { known.released } else { known.end };
                held_up |= free > now;
                if after.is_none_or(|(_, at)| free >= at) {
                    after = Some((other, free));
                }
            }
        }
        expected[index] = match item.state {
            State::Over { released, ended } => Some(Expected {
                begin: released,
                end: ended,
                released,
                after: None,
            }),
            State::Running { since, ready } => {
                let end = now + item.usual.remaining(now - since);
                // A nested stack lasts as long as what is in it.
                let end = after.map_or(end, |(_, at)| end.max(at));
                Some(Expected {
                    begin: since,
                    end,
                    released: ready.or(item.ready_at(since, now)).unwrap_or(end).min(end),
                    after: after.filter(|(_, at)| *at >= end).map(|(other, _)| other),
                })
            }
            State::Pending if beginning_is_lost && !held_up => {
                // It may have been at work since before the record; nobody knows how long, half its time on average.
                let end = now + item.usual.remaining(now + item.usual.median / 2.0);
                Some(Expected {
                    begin: 0.0,
                    end,
                    released: end,
                    after: None,
                })
            }
            State::Pending => pending(item, after, held_up, runners_end, pace, opened, now),
        };
    }
    expected
}

fn pending(
    item: &Item,
    after: Option<(usize, f64)>,
    held_up: bool,
    runners_end: Option<f64>,
    pace: &Pace,
    opened: f64,
    now: f64,
) -> Option<Expected> {
    let free_at = after.map_or(opened, |(_, at)| at + pace.before(item.action));
    if item.doubtful && !held_up && now > free_at + GIVEN_UP {
        return None;
    }
    let begin = match runners_end {
        // CloudFormation begins at once what nothing holds up: something that runs must hold this up.
        Some(end) if !held_up && now > free_at + 1.0 => end + pace.before(item.action),
        _ => free_at.max(now),
    };
    let end = begin + item.usual.median;
    Some(Expected {
        begin,
        end,
        released: item.ready_at(begin, begin).unwrap_or(end).min(end),
        after: after.map(|(other, _)| other),
    })
}

/// The first end among what runs.
fn first_end_of_runners(items: &[Item], phase: Phase, now: f64) -> Option<f64> {
    items
        .iter()
        .filter(|item| item.phase == phase)
        .filter_map(|item| match item.state {
            State::Running { since, .. } => Some(now + item.usual.remaining(now - since)),
            State::Over { .. } | State::Pending => None,
        })
        .min_by(f64::total_cmp)
}

/// Every item after those it waits for. Where guesses go round in a circle, the circle's order is that of the items.
fn in_order(items: &[Item], waits: &[Vec<Wait>]) -> Vec<usize> {
    let mut graph: DiGraph<usize, ()> = DiGraph::with_capacity(items.len(), items.len());
    let nodes: Vec<NodeIndex> = (0..items.len())
        .map(|index| graph.add_node(index))
        .collect();
    for (later, earlier) in waits.iter().enumerate() {
        for wait in earlier {
            graph.add_edge(nodes[later], nodes[wait.other], ());
        }
    }
    // Tarjan's components come with the ends of the edges first: here, what is waited for.
    tarjan_scc(&graph)
        .into_iter()
        .flat_map(|mut circle| {
            circle.sort();
            circle
        })
        .map(|node| graph[node])
        .collect()
}
