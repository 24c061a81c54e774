//! What must wait for what: from the template, else from the order seen before, else from what such types usually do. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::item::{Item, State};
use super::operation::{Action, Operation, Phase};
use super::past::{Past, plain_id};
use super::references;
use super::table::{Sourced, Table, type_order_of};
use super::template::Template;

/// One thing an item waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait {
    /// The other item, by index.
    pub(super) other: usize,
    /// Whether it may go on when the other is ready and not only when it is complete.
    pub(super) early: bool,
}

/// For each item, what it waits for.
pub(super) fn waits_for(
    items: &[Item],
    template: Option<&Template>,
    past: &Past,
    table: &Table,
) -> Vec<Vec<Wait>> {
    let order = Order {
        items,
        by_id: items
            .iter()
            .enumerate()
            .map(|(index, item)| ((item.phase, item.id.as_str()), index))
            .collect(),
        template,
        seen: past
            .succeeded()
            .rev()
            .take(LOOK_BACK)
            .map(|operation| by_item(items, &seen(operation)))
            .collect(),
        types: type_order(past, table),
        table,
    };
    let mut waits: Vec<Vec<Wait>> = vec![Vec::new(); items.len()];
    for (index, item) in items.iter().enumerate() {
        // What has begun waits for nothing any more; what is removed may still be waited for.
        let before = match (&item.state, item.action) {
            (State::Pending, _) | (State::Running { .. }, Action::Delete) => order.before(index),
            (State::Running { .. } | State::Over { .. }, _) => Vec::new(),
        };
        if item.action == Action::Delete {
            // What others need goes last.
            for needed in before {
                if items[needed].action == Action::Delete {
                    waits[needed].push(Wait {
                        other: index,
                        early: false,
                    });
                }
            }
        } else {
            waits[index].extend(before.into_iter().map(|other| Wait {
                other,
                early: order.is_early(index, other),
            }));
        }
        if let Some(parent) = order.parent(index) {
            waits[parent].push(Wait {
                other: index,
                early: false,
            });
        }
    }
    waits
}

/// How many past operations are asked for their order.
const LOOK_BACK: usize = 5;

/// When a resource began, let others begin, and ended, in a past operation.
#[derive(Debug, Clone, Copy)]
struct Seen {
    begun: f64,
    released: f64,
    ended: f64,
}

struct Order<'a> {
    items: &'a [Item],
    by_id: HashMap<(Phase, &'a str), usize>,
    template: Option<&'a Template>,
    /// Of each past operation, when each item began, let others begin and ended, where it was there.
    seen: Vec<Vec<Option<Seen>>>,
    types: BTreeMap<String, BTreeSet<String>>,
    table: &'a Table,
}

impl Order<'_> {
    /// The nested stack an item is in.
    fn parent(&self, index: usize) -> Option<usize> {
        let item = &self.items[index];
        let (parent, _) = item.id.rsplit_once('/')?;
        self.by_id.get(&(item.phase, parent)).copied()
    }

    /// What the item needs to be there.
    fn before(&self, index: usize) -> Vec<usize> {
        if let Some(before) = self.by_template(index) {
            return before;
        }
        let known = self.seen.iter().any(|seen| seen[index].is_some());
        let before = if known {
            self.by_past(index)
        } else {
            Vec::new()
        };
        // An order seen once also knows less than the types do: a resource that had no one to wait for then may have now.
        if known && !before.is_empty() {
            return before;
        }
        self.by_type(index)
    }

    fn by_template(&self, index: usize) -> Option<Vec<usize>> {
        let item = &self.items[index];
        let template = self.template?;
        let mut reached: BTreeSet<&str> = BTreeSet::new();
        let mut before = Vec::new();
        let mut open: Vec<&str> = template
            .resources
            .get(&item.id)?
            .waits_for
            .iter()
            .map(String::as_str)
            .collect();
        while let Some(id) = open.pop() {
            if !reached.insert(id) {
                continue;
            }
            match self.by_id.get(&(item.phase, id)) {
                Some(&other) => before.push(other),
                // Not touched by this operation: what it needs itself may be.
                None => open.extend(
                    template
                        .resources
                        .get(id)
                        .into_iter()
                        .flat_map(|resource| resource.waits_for.iter().map(String::as_str)),
                ),
            }
        }
        Some(before)
    }

    /// What was there before it began, in each past operation that had both; of a chain only its last link.
    fn by_past(&self, index: usize) -> Vec<usize> {
        let phase = self.items[index].phase;
        let before: Vec<usize> = (0..self.items.len())
            .filter(|&other| other != index && self.items[other].phase == phase)
            .filter(|&other| {
                let mut together = self.together(index, other).peekable();
                together.peek().is_some()
                    && together.all(|(later, earlier)| earlier.released <= later.begun)
            })
            .collect();
        let Some(newest) = self.seen.iter().find(|seen| seen[index].is_some()) else {
            return before;
        };
        // What was over before another of them began is waited for through that one. Of five hundred resources in a row each
        // would else wait for all before it.
        let last_begun = before
            .iter()
            .filter_map(|&other| Some(newest[other]?.begun))
            .fold(f64::MIN, f64::max);
        before
            .into_iter()
            .filter(|&other| newest[other].is_none_or(|seen| seen.released > last_begun))
            .collect()
    }

    /// Of each past operation that had both, how they were.
    fn together(&self, index: usize, other: usize) -> impl Iterator<Item = (Seen, Seen)> {
        self.seen
            .iter()
            .filter_map(move |seen| Some((seen[index]?, seen[other]?)))
    }

    /// Whether the item may go on when the other is ready: as seen here, else as such types usually do.
    fn is_early(&self, index: usize, other: usize) -> bool {
        let mut here = self
            .together(index, other)
            .map(|(later, earlier)| later.begun < earlier.ended)
            .peekable();
        if here.peek().is_some() {
            return here.any(|early| early);
        }
        let (item, other) = (&self.items[index], &self.items[other]);
        self.table
            .early
            .get(&item.resource_type)
            .is_some_and(|types| types.contains(&other.resource_type))
    }

    /// What it may be waiting for by its type. A choice of several of one type is made by the likeness of the names.
    fn by_type(&self, index: usize) -> Vec<usize> {
        let item = &self.items[index];
        let Some(types) = self.types.get(item.resource_type.as_str()) else {
            return Vec::new();
        };
        let mut before = Vec::new();
        for earlier in types {
            let candidates: Vec<usize> = (0..self.items.len())
                .filter(|&other| other != index && self.items[other].phase == item.phase)
                .filter(|&other| self.items[other].resource_type == *earlier)
                .collect();
            before.extend(most_alike(self.items, index, candidates));
        }
        before
    }
}

fn seen(operation: &Operation) -> HashMap<&str, Seen> {
    operation
        .runs
        .iter()
        .filter(|run| run.phase == Phase::Forward && run.action != Action::Delete)
        .filter_map(|run| {
            let seen = Seen {
                begun: run.start.or(run.end)?,
                released: run.released()?,
                ended: run.end?,
            };
            Some((plain_id(&run.id), seen))
        })
        .collect()
}

fn by_item(items: &[Item], seen: &HashMap<&str, Seen>) -> Vec<Option<Seen>> {
    items
        .iter()
        .map(|item| seen.get(plain_id(&item.id)).copied())
        .collect()
}

/// For each type the types it waits for: as seen here, as shipped, and by reference.
fn type_order(past: &Past, table: &Table) -> BTreeMap<String, BTreeSet<String>> {
    let here: Vec<Sourced<'_>> = past
        .succeeded()
        .rev()
        .take(LOOK_BACK)
        .map(|operation| Sourced {
            source: "",
            operation,
        })
        .collect();
    let mut types = type_order_of(&here);
    for (later, earlier) in &table.waits_for {
        types
            .entry(later.clone())
            .or_default()
            .extend(earlier.iter().cloned());
    }
    for (later, earlier) in references::all() {
        types
            .entry(later.to_owned())
            .or_default()
            .extend(earlier.map(str::to_owned));
    }
    types
}

/// The candidates whose names begin most like the item's; all of them where the names say nothing.
fn most_alike(items: &[Item], index: usize, candidates: Vec<usize>) -> Vec<usize> {
    let unfinished: Vec<usize> = candidates
        .into_iter()
        .filter(|&other| !matches!(items[other].state, State::Over { .. }))
        .collect();
    let alike = |other: usize| common_prefix(&items[index].id, &items[other].id);
    let best = unfinished.iter().map(|&other| alike(other)).max();
    unfinished
        .into_iter()
        .filter(|&other| Some(alike(other)) == best || best < Some(ALIKE))
        .collect()
}

/// Names that share fewer letters at their beginning say nothing.
const ALIKE: usize = 4;

fn common_prefix(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}
