//! Recorded stack operations: what `aws cloudformation describe-stack-events` printed, or one JSON object per line in the
//! `traces/` format. Pure: bytes in, events out, oldest first.
//!
//! Both the simulator, which plays them, and the programs, which replay and measure them, read records through this one door.

mod decode;
mod rows;

use thiserror::Error;

use crate::stack::Hook;

/// A record of what one stack did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trace {
    /// Oldest first; events of one instant are in the order they happened.
    pub events: Vec<TraceEvent>,
}

/// One line of a record. Text is kept as it was published.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceEvent {
    /// Seconds since the first event of the record.
    pub seconds: f64,
    /// The event's own timestamp as published: RFC 3339, or only a time of day where the source had no more.
    pub timestamp: String,
    /// `LogicalResourceId`; the stack's name on the stack's own events.
    pub logical_id: String,
    /// `ResourceType`.
    pub resource_type: String,
    /// `ResourceStatus`, with CDK's cut to 20 characters mended (see [`TraceEvent::recorded_status`]).
    pub status: String,
    /// What the record had where `status` was mended: CDK's log prints `UPDATE_ROLLBACK_COMP`.
    pub recorded_status: Option<String>,
    /// `ResourceStatusReason`, where there was one.
    pub reason: Option<String>,
    /// True on the root stack's own events, and not on a nested stack's row in its parent.
    pub is_stack_event: bool,
    /// `DetailedStatus`, e.g. `CONFIGURATION_COMPLETE`, where there was one.
    pub detailed_status: Option<String>,
    /// `HookType` with its status and reason, where the event told of a hook.
    pub hook: Option<Hook>,
    /// `PhysicalResourceId`, where there was one.
    pub physical_id: Option<String>,
    /// `EventId`, where there was one.
    pub event_id: Option<String>,
}

/// Why a file is not a record. Lines count from one.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TraceError {
    /// Neither UTF-8 nor UTF-16.
    #[error("the trace is not text: byte {offset} fits neither UTF-8 nor UTF-16")]
    NotText {
        /// Where the first wrong byte stands.
        offset: usize,
    },
    /// A line, or the whole document, is not JSON.
    #[error("line {line} of the trace is not JSON: {reason}")]
    NotJson {
        /// The line at fault.
        line: usize,
        /// What the JSON reader says.
        reason: String,
    },
    /// A row lacks a field, or a field makes no sense.
    #[error("{place} of the trace: {reason}")]
    BadRow {
        /// `line 3`, or `event 3` where one document holds all.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing in it.
    #[error(
        "the trace has no events: expected one JSON object per line, or the output of `aws cloudformation describe-stack-events`"
    )]
    Empty,
}

impl Trace {
    /// Reads a record: JSON lines of the `traces/` format, or the output of `aws cloudformation describe-stack-events`
    /// (newest first, as AWS prints it; also several such documents one after the other), in UTF-8 or UTF-16.
    pub fn parse(bytes: &[u8]) -> Result<Trace, TraceError> {
        let text = decode::text(bytes)?;
        let mut events = rows::read(&text)?;
        if events.is_empty() {
            return Err(TraceError::Empty);
        }
        events.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        from_zero(&mut events);
        mend_cut_statuses(&mut events);
        Ok(Trace { events })
    }

    /// Seconds from the first event to the last.
    pub fn duration_seconds(&self) -> f64 {
        self.events.last().map_or(0.0, |event| event.seconds)
    }

    /// The name of the stack, where the record has one of its own events.
    pub fn stack_name(&self) -> Option<&str> {
        self.events
            .iter()
            .find(|event| event.is_stack_event)
            .map(|event| event.logical_id.as_str())
    }

    /// The record cut into operations, oldest first. A new one begins at each of the stack's own events that starts an
    /// operation; a rollback belongs to the operation that it undoes. Each has its seconds counted from its own first event.
    pub fn operations(&self) -> Vec<Trace> {
        let mut operations: Vec<Trace> = Vec::new();
        for event in &self.events {
            let starts = event.is_stack_event && starts_operation(&event.status);
            match operations.last_mut() {
                Some(current) if !(starts && current.has_stack_event()) => {
                    current.events.push(event.clone());
                }
                Some(_) | None => operations.push(Trace {
                    events: vec![event.clone()],
                }),
            }
        }
        for operation in &mut operations {
            from_zero(&mut operation.events);
        }
        operations
    }

    fn has_stack_event(&self) -> bool {
        self.events.iter().any(|event| event.is_stack_event)
    }
}

/// Whether this status of a stack begins an operation that somebody asked for.
fn starts_operation(status: &str) -> bool {
    matches!(
        status,
        "REVIEW_IN_PROGRESS"
            | "CREATE_IN_PROGRESS"
            | "UPDATE_IN_PROGRESS"
            | "DELETE_IN_PROGRESS"
            | "IMPORT_IN_PROGRESS"
    )
}

fn from_zero(events: &mut [TraceEvent]) {
    let first = events.first().map_or(0.0, |event| event.seconds);
    for event in events {
        event.seconds -= first;
    }
}

/// Longer than the 20 characters that CDK's log keeps of a status.
const LONG_STATUSES: [&str; 8] = [
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_ROLLBACK_IN_PROGRESS",
    "UPDATE_ROLLBACK_FAILED",
    "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
    "IMPORT_ROLLBACK_IN_PROGRESS",
    "IMPORT_ROLLBACK_FAILED",
    "IMPORT_ROLLBACK_COMPLETE",
];
const CUT: usize = 20;

/// CDK's log prints statuses in a column of 20 characters. A cut one is completed; of the two that begin with
/// `UPDATE_ROLLBACK_COMP` the stack's last event is the end, an earlier one the clean-up before it.
fn mend_cut_statuses(events: &mut [TraceEvent]) {
    let last = events.iter().rposition(|event| event.is_stack_event);
    for (index, event) in events.iter_mut().enumerate() {
        if event.status.len() != CUT {
            continue;
        }
        let is_end = Some(index) == last;
        let fits = LONG_STATUSES
            .iter()
            .filter(|long| long.starts_with(&event.status) && long.len() > CUT);
        let chosen = fits.min_by_key(|long| long.ends_with("_CLEANUP_IN_PROGRESS") == is_end);
        if let Some(whole) = chosen {
            event.recorded_status = Some(std::mem::replace(&mut event.status, (*whole).to_owned()));
        }
    }
}

#[cfg(test)]
mod tests;
