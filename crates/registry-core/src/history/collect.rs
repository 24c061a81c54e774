//! Reading a stack's past operations from CloudFormation: newest first, page by page, nested stacks included, within bounds.

use std::collections::BTreeSet;

use crate::clock::Timestamp;
use crate::estimate::operation::{Operation, operations};
use crate::ids::StackName;
use crate::stack::{STACK_TYPE, StackError, StackEvent, StackSource};

/// How far to read.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// At most so many of the stack's last operations.
    pub operations: usize,
    /// At most so many pages (of 100 events) of the stack and its nested stacks together.
    pub pages: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        // 50,000 events; about 50 MB while they are read.
        Self {
            operations: super::KEPT_OPERATIONS,
            pages: 500,
        }
    }
}

/// What was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Collected {
    /// The operations, oldest first. The oldest may lack its beginning, the newest may still run.
    pub operations: Vec<Operation>,
    /// How many pages were asked for.
    pub pages: usize,
    /// Sentences for a person about what was left out.
    pub notes: Vec<String>,
}

/// Reads a stack's last operations. `known` tells whether an operation, by its id, needs no second reading: when so many are
/// known as `bounds` asks for, reading ends at the first of them.
pub fn collect(
    source: &dyn StackSource,
    stack: &StackName,
    bounds: Bounds,
    known: &BTreeSet<String>,
) -> Result<Collected, StackError> {
    let mut reader = Reader {
        source,
        bounds,
        pages: 0,
        notes: Vec::new(),
    };
    let mut events = reader.own_events(stack, known)?;
    let oldest = events.last().map(|event| event.timestamp);
    if let Some(oldest) = oldest {
        let nested = reader.nested_events(&events, oldest);
        events.extend(nested);
    }
    // Each stack's events are newest first; a stable sort keeps the order of those of one instant.
    events.reverse();
    events.sort_by_key(|event| event.timestamp);
    Ok(Collected {
        operations: operations(&events),
        pages: reader.pages,
        notes: reader.notes,
    })
}

struct Reader<'a> {
    source: &'a dyn StackSource,
    bounds: Bounds,
    pages: usize,
    notes: Vec<String>,
}

impl Reader<'_> {
    /// The stack's own events, newest first, back to the beginning of the last operation that is wanted.
    fn own_events(
        &mut self,
        stack: &StackName,
        known: &BTreeSet<String>,
    ) -> Result<Vec<StackEvent>, StackError> {
        let stop_at_known = known.len() >= self.bounds.operations;
        let mut events: Vec<StackEvent> = Vec::new();
        let mut begun = 0;
        let mut next: Option<String> = None;
        loop {
            if self.pages >= self.bounds.pages {
                self.notes.push(format!(
                    "{} has more events than the {} pages that are read; its older operations were left out",
                    stack.name(),
                    self.bounds.pages
                ));
                return Ok(events);
            }
            self.pages += 1;
            let page = self.source.events(stack, next.as_deref())?.value;
            for event in page.events {
                if stop_at_known && known.contains(&event.event_id) {
                    return Ok(events);
                }
                let begins = begins_operation(&event);
                events.push(event);
                begun += usize::from(begins);
                if begun >= self.bounds.operations {
                    return Ok(events);
                }
            }
            match page.next {
                Some(token) => next = Some(token),
                None => return Ok(events),
            }
        }
    }

    /// The events of nested stacks since `oldest`, newest first for each. One that cannot be read is left out: its row in the
    /// parent still tells how long it took.
    fn nested_events(&mut self, events: &[StackEvent], oldest: Timestamp) -> Vec<StackEvent> {
        let mut found: Vec<StackEvent> = Vec::new();
        let mut read: BTreeSet<String> = BTreeSet::new();
        let mut open = nested_stacks(events);
        while let Some(id) = open.pop() {
            let Ok(name) = id.parse::<StackName>() else {
                continue;
            };
            if !read.insert(id) {
                continue;
            }
            match self.events_since(&name, oldest) {
                Ok(events) => {
                    open.extend(nested_stacks(&events));
                    found.extend(events);
                }
                Err(error) => self.notes.push(format!(
                    "the nested stack {} was left out: {error}",
                    name.name()
                )),
            }
        }
        found
    }

    fn events_since(
        &mut self,
        stack: &StackName,
        oldest: Timestamp,
    ) -> Result<Vec<StackEvent>, StackError> {
        let mut events: Vec<StackEvent> = Vec::new();
        let mut next: Option<String> = None;
        while self.pages < self.bounds.pages {
            self.pages += 1;
            let page = self.source.events(stack, next.as_deref())?.value;
            let before = events.len();
            let all = page.events.len();
            events.extend(
                page.events
                    .into_iter()
                    .take_while(|event| event.timestamp >= oldest),
            );
            match page.next {
                Some(token) if events.len() - before == all => next = Some(token),
                Some(_) | None => break,
            }
        }
        Ok(events)
    }
}

fn begins_operation(event: &StackEvent) -> bool {
    event.is_stack_itself()
        && matches!(
            event.status.as_str(),
            "CREATE_IN_PROGRESS"
                | "UPDATE_IN_PROGRESS"
                | "DELETE_IN_PROGRESS"
                | "IMPORT_IN_PROGRESS"
        )
}

fn nested_stacks(events: &[StackEvent]) -> Vec<String> {
    let ids: BTreeSet<String> = events
        .iter()
        .filter(|event| event.resource_type == STACK_TYPE && !event.is_stack_itself())
        .filter_map(|event| event.physical_id.clone())
        .filter(|id| id.starts_with("arn:"))
        .collect();
    ids.into_iter().collect()
}
