//! How long an operation on a stack will still take. Pure: a function of what the stack has done so far, what it did before,
//! and its template if that may be read.
//!
//! One function for every number that is shown, [`estimate`]. A caller that follows the events itself (the monitor) builds an
//! [`Operation`] with [`operation::operations`] and calls it; a caller that only has a [`crate::stack::StackSource`] calls
//! [`watch::for_stack`], which asks at most three questions.

mod forecast;
pub mod interval;
mod item;
pub mod left;
pub mod operation;
mod order;
pub mod pace;
pub mod past;
pub mod path;
pub mod plan;
mod references;
pub mod replay;
mod slow;
pub mod spread;
pub mod table;
pub mod template;
pub mod usual;
pub mod watch;
mod words;

use std::time::Duration;

pub use operation::Operation;
pub use past::Past;
pub use table::Table;
pub use template::Template;
pub use usual::{Source, Usual, usual_duration};

use forecast::{Expected, forecast};
use item::{Item, State};
use operation::{Kind, Outcome, Phase};
use order::Wait;
use pace::Pace;
use plan::Planned;

/// What an estimate is made from.
#[derive(Debug, Clone, Copy)]
pub struct EstimateInput<'a> {
    /// What the operation has done so far.
    pub operation: &'a Operation,
    /// What it is known to do yet; [`plan::expected`] tells what can be told.
    pub planned: &'a [Planned],
    /// The stack's template, where it may be read.
    pub template: Option<&'a Template>,
    /// What the stack did before; [`crate::history::History::past`].
    pub past: &'a Past,
    /// What is known of other people's stacks; [`Table::shipped`].
    pub table: &'a Table,
    /// Seconds since the operation's first event, by AWS's clock.
    pub now: f64,
}

/// What an estimate rests on, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// Nothing is left to do.
    Over,
    /// The longest chain of what is left.
    Chain,
    /// The average of earlier deployments.
    Average,
    /// No more than what such operations take elsewhere.
    Shipped,
}

impl Basis {
    /// The word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Over => "over",
            Self::Chain => "critical_path",
            Self::Average => "average",
            Self::Shipped => "shipped",
        }
    }
}

/// How long it will still take.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Time since the operation began.
    pub elapsed: Duration,
    /// Time it will still take.
    pub remaining: Duration,
    /// Lower end of the interval for `remaining`.
    pub low: Duration,
    /// Upper end.
    pub high: Duration,
    /// `elapsed` and `remaining` together.
    pub total: Duration,
    /// What it rests on.
    pub basis: Basis,
    /// Types nobody has a figure for, sorted, of what is running or to come.
    pub unknown_types: Vec<String>,
    /// Types that only the shipped table knows, sorted, of what is running or to come: there is no history of ours for them.
    pub shipped_types: Vec<String>,
    /// What the end waits for, in order: the longest chain that is left.
    pub path: Vec<Step>,
}

/// One step of the longest chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The logical id.
    pub id: String,
    /// For example `AWS::ECS::Service`.
    pub resource_type: String,
    /// When it begins or began, in seconds since the operation's first event.
    pub begin: f64,
    /// When it will end.
    pub end: f64,
    /// Where its usual duration is known from.
    pub source: Source,
}

/// How long the operation will still take.
#[must_use]
pub fn estimate(input: &EstimateInput<'_>) -> Estimate {
    let operation = input.operation;
    if operation.outcome != Outcome::Running {
        return finished(operation, input.now);
    }
    let now = input.now.max(0.0);
    let pace = Pace::of(&input.past.operations, &input.table.pace);
    let items = item::gather(operation, input.planned, input.past, input.table);
    let waits = order::waits_for(&items, input.template, input.past, input.table);
    let chain = Chain::follow(operation, &items, &waits, &pace, now);
    let known = items.iter().any(|item| item.phase == operation.phase());
    let (remaining, basis) = if known {
        (chain.end - now, Basis::Chain)
    } else {
        from_average(input, now)
    };
    let remaining = remaining.max(0.0);
    let share = now / (now + remaining).max(f64::MIN_POSITIVE);
    let (low, high) = interval::around(remaining, share, &input.past.errors);
    Estimate {
        elapsed: span(now),
        remaining: span(remaining),
        low: span(low),
        high: span(high),
        total: span(now + remaining),
        basis,
        unknown_types: types_known_from(Source::Unknown, &items),
        shipped_types: types_known_from(Source::Shipped, &items),
        path: if known { chain.path } else { Vec::new() },
    }
}

fn finished(operation: &Operation, now: f64) -> Estimate {
    let took = span(operation.took.unwrap_or(now));
    Estimate {
        elapsed: took,
        remaining: Duration::ZERO,
        low: Duration::ZERO,
        high: Duration::ZERO,
        total: took,
        basis: Basis::Over,
        unknown_types: Vec::new(),
        shipped_types: Vec::new(),
        path: Vec::new(),
    }
}

/// Nothing is known of the operation's resources: what such deployments took, less what has passed.
fn from_average(input: &EstimateInput<'_>, now: f64) -> (f64, Basis) {
    let kind = Some(input.operation.kind);
    let (total, sigma, basis) = match input.past.average_total(kind) {
        Some(total) => (total, 0.2, Basis::Average),
        None => (
            input.table.whole_operation(input.operation.kind),
            1.0,
            Basis::Shipped,
        ),
    };
    let spread = spread::Spread::new(total, sigma);
    (spread.remaining(now), basis)
}

fn types_known_from(source: Source, items: &[Item]) -> Vec<String> {
    let mut types: Vec<String> = items
        .iter()
        .filter(|item| item.source == source && !matches!(item.state, State::Over { .. }))
        .map(|item| item.resource_type.clone())
        .collect();
    types.sort();
    types.dedup();
    types
}

/// The end of an operation and the chain that leads to it.
struct Chain {
    end: f64,
    path: Vec<Step>,
}

impl Chain {
    fn follow(
        operation: &Operation,
        items: &[Item],
        waits: &[Vec<Wait>],
        pace: &Pace,
        now: f64,
    ) -> Self {
        let at_work = match operation.phase() {
            Phase::Rollback => Phase::Rollback,
            Phase::Forward | Phase::CleanUp => Phase::Forward,
        };
        let opened = match at_work {
            Phase::Rollback => operation.rollback_at.unwrap_or(0.0),
            Phase::Forward | Phase::CleanUp => pace.first,
        };
        let expected = forecast(items, waits, at_work, pace, opened, now, operation.cut);
        let (mut end, mut path) = last(items, &expected).unwrap_or((now, Vec::new()));
        let is_update = matches!(operation.kind, Kind::Update | Kind::Import);
        if at_work == Phase::Rollback || !is_update {
            return Self {
                end: (end + pace.last).max(now),
                path,
            };
        }
        let cleanup_at = operation
            .cleanup_at
            .unwrap_or_else(|| (end + pace.before_cleanup).max(now));
        let opened = cleanup_at + pace.first_cleanup;
        let expected = forecast(
            items,
            waits,
            Phase::CleanUp,
            pace,
            opened,
            now,
            operation.cut,
        );
        end = match last(items, &expected) {
            Some((end, rest)) => {
                path.extend(rest);
                end + pace.after_cleanup
            }
            None => cleanup_at + pace.empty_cleanup,
        };
        Self {
            end: end.max(now),
            path,
        }
    }
}

/// The last end, and the chain of unfinished work that leads to it.
fn last(items: &[Item], expected: &[Option<Expected>]) -> Option<(f64, Vec<Step>)> {
    let (mut at, end) = expected
        .iter()
        .enumerate()
        .filter_map(|(index, known)| Some((index, known.as_ref()?.end)))
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    let mut path = Vec::new();
    while let Some(known) = expected[at].filter(|_| path.len() < items.len()) {
        if !matches!(items[at].state, State::Over { .. }) {
            path.push(Step {
                id: items[at].id.clone(),
                resource_type: items[at].resource_type.clone(),
                begin: known.begin,
                end: known.end,
                source: items[at].source,
            });
        }
        match known.after {
            Some(before) => at = before,
            None => break,
        }
    }
    path.reverse();
    Some((end, path))
}

fn span(seconds: f64) -> Duration {
    // A year is longer than any operation, and keeps sums in range.
    Duration::try_from_secs_f64(seconds.clamp(0.0, 31_536_000.0)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
