//! The estimate for callers that only have a [`StackSource`]: at most three questions to CloudFormation.

use std::time::Duration;

use super::operation::{Kind, Outcome, operations};
use super::{Estimate, EstimateInput, Operation, Past, Table, Template, estimate, plan};
use crate::clock::Timestamp;
use crate::ids::StackName;
use crate::stack::{Stack, StackError, StackEvent, StackSource, StackState, StackStatus};

/// What CloudFormation said of a stack, and what follows for its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    /// The stack; `None` when there is none.
    pub stack: Option<Box<Stack>>,
    /// When CloudFormation said so, by its own clock where it told it.
    pub at: Timestamp,
    /// The operation that runs or ran last, as far as its events were read.
    pub operation: Option<Operation>,
    /// How long the operation in progress will still take; `None` when nothing is in progress.
    pub estimate: Option<Estimate>,
    /// Sentences for a person about what could not be used and what was done instead.
    pub notes: Vec<String>,
}

impl Watched {
    /// The stack's status, where there is a stack.
    #[must_use]
    pub fn status(&self) -> Option<&StackStatus> {
        self.stack.as_ref().map(|stack| &stack.status)
    }
}

/// Estimates the operation in progress on a stack: asks for its state, its newest events, and its template (or, where the
/// newest events do not reach back to the operation's beginning, the next page of them). `now` is used only where
/// CloudFormation does not tell its own time.
///
/// A template that cannot be read is no error: a note says so, and the estimate goes on without.
pub fn for_stack(
    source: &dyn StackSource,
    past: &Past,
    table: &Table,
    stack: &StackName,
    now: Timestamp,
) -> Result<Watched, StackError> {
    let seen = source.describe(stack)?;
    let now = seen.server_time.unwrap_or(now);
    match seen.value {
        StackState::Missing => Ok(Watched {
            stack: None,
            at: now,
            operation: None,
            estimate: None,
            notes: Vec::new(),
        }),
        StackState::Exists(found) => for_described(source, past, table, &found, now),
    }
}

/// As [`for_stack`], for a caller that has just asked for the stack's state: at most two questions more.
pub fn for_described(
    source: &dyn StackSource,
    past: &Past,
    table: &Table,
    stack: &Stack,
    now: Timestamp,
) -> Result<Watched, StackError> {
    let mut watched = Watched {
        stack: Some(Box::new(stack.clone())),
        at: now,
        operation: None,
        estimate: None,
        notes: Vec::new(),
    };
    if !stack.status.class().is_in_progress() {
        return Ok(watched);
    }
    let mut page = source.events(&stack.id, None)?.value;
    let mut whole = newest_operation(&page.events);
    let mut template = None;
    match (whole.as_ref().is_none_or(|found| found.cut), &page.next) {
        (true, Some(next)) => {
            page.events
                .extend(source.events(&stack.id, Some(next))?.value.events);
            whole = newest_operation(&page.events);
        }
        (true, None) | (false, _) => template = read_template(source, stack, &mut watched.notes),
    }
    let operation = whole.map_or_else(|| unseen(stack), |found| in_progress(found, stack));
    let planned = plan::expected(&operation, template.as_ref(), past);
    let elapsed = now.since(operation.started);
    watched.estimate = Some(estimate(&EstimateInput {
        operation: &operation,
        planned: &planned,
        template: template.as_ref(),
        past,
        table,
        now: elapsed.as_secs_f64(),
    }));
    watched.operation = Some(operation);
    Ok(watched)
}

/// The last operation that events, newest first, tell of.
fn newest_operation(newest_first: &[StackEvent]) -> Option<Operation> {
    let oldest_first: Vec<StackEvent> = newest_first.iter().rev().cloned().collect();
    operations(&oldest_first).pop()
}

fn read_template(
    source: &dyn StackSource,
    stack: &Stack,
    notes: &mut Vec<String>,
) -> Option<Template> {
    let without = "the order of the resources is taken from earlier operations";
    let text = match source.template(&stack.id) {
        Ok(text) => text,
        Err(error) => {
            notes.push(format!(
                "the template of {} was not read: {error}; {without}",
                stack.name
            ));
            return None;
        }
    };
    match Template::parse(&text) {
        Ok(template) => Some(template),
        Err(error) => {
            notes.push(format!(
                "the template of {} was not used: {error}; {without}",
                stack.name
            ));
            None
        }
    }
}

/// The events lag behind the state, or reach back less far than the operation: the stack's own times say when it began.
fn in_progress(mut operation: Operation, stack: &Stack) -> Operation {
    let changed = stack.changed_at();
    if operation.outcome != Outcome::Running && changed > operation.started {
        return unseen(stack);
    }
    if operation.cut && changed < operation.started {
        shift(&mut operation, changed);
        operation.kind = kind_of(&stack.status, operation.kind);
    }
    operation
}

/// Counts an operation's seconds from an earlier beginning.
fn shift(operation: &mut Operation, started: Timestamp) {
    let by = operation.started.since(started).as_secs_f64();
    operation.started = started;
    let times = operation
        .runs
        .iter_mut()
        .flat_map(|run| [&mut run.start, &mut run.ready, &mut run.end])
        .chain([
            &mut operation.took,
            &mut operation.cleanup_at,
            &mut operation.rollback_at,
        ]);
    for at in times.flatten() {
        *at += by;
    }
}

/// An operation of which only the stack's state is known.
fn unseen(stack: &Stack) -> Operation {
    let rolls_back = stack.status.as_str().contains("ROLLBACK");
    Operation {
        id: String::new(),
        kind: kind_of(&stack.status, Kind::Update),
        outcome: Outcome::Running,
        started: stack.changed_at(),
        took: None,
        cleanup_at: None,
        rollback_at: rolls_back.then_some(0.0),
        cut: true,
        first_cause: None,
        runs: Vec::new(),
    }
}

fn kind_of(status: &StackStatus, otherwise: Kind) -> Kind {
    let begins = |word| status.as_str().starts_with(word);
    if begins("CREATE_") || begins("ROLLBACK_") {
        Kind::Create
    } else if begins("UPDATE_") {
        Kind::Update
    } else if begins("DELETE_") {
        Kind::Delete
    } else if begins("IMPORT_") {
        Kind::Import
    } else {
        otherwise
    }
}

/// What a deployment will take that has not begun yet: the average of the last ten; `None` where nothing is known.
#[must_use]
pub fn not_begun(past: &Past) -> Option<Duration> {
    past.average_total(None).map(super::span)
}
