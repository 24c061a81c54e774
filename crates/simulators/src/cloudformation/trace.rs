//! A recorded operation as events to be played.
//!
//! Records are cut at either end, as real ones are; a monitor still needs a beginning and a verdict. So the stack's own
//! events are completed:
//! - no start: one is put before the first event: `CREATE_IN_PROGRESS`, or `UPDATE_IN_PROGRESS` where the record speaks of
//!   an update;
//! - the end of a rollback without its beginning: `ROLLBACK_IN_PROGRESS` goes right after the start;
//! - no end: resources still in progress are ended, then the stack: as [`super::Play::final_status`] says, else rolled back where
//!   the record has a rollback or a failed resource, else complete.

use registry_core::trace::{Trace, TraceEvent};

use super::spec::Event;

const STACK: &str = "AWS::CloudFormation::Stack";

/// Seconds between the last recorded event and what is made up after it.
const PAUSE: f64 = 1.0;

/// The events of the record's last operation, with a beginning and an end.
pub(crate) fn events(trace: &Trace, stack: &str, final_status: Option<&str>) -> Vec<Event> {
    let operations = trace.operations();
    let recorded = operations.last().unwrap_or(trace);
    let mut events: Vec<Event> = recorded
        .events
        .iter()
        .map(|event| from_recorded(event, stack))
        .collect();
    let kind = Kind::of(&recorded.events);
    begin(&mut events, kind);
    end(&mut events, kind, final_status);
    events
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Create,
    Update,
    Delete,
    Import,
}

impl Kind {
    fn of(events: &[TraceEvent]) -> Self {
        let own = events
            .iter()
            .filter(|event| event.is_stack_event)
            .map(|event| event.status.as_str());
        let all = own.chain(
            events
                .iter()
                .filter(|event| !event.is_stack_event)
                .map(|event| event.status.as_str()),
        );
        let known = all.filter_map(|status| match status {
            _ if status.starts_with("UPDATE_") => Some(Self::Update),
            _ if status.starts_with("IMPORT_") => Some(Self::Import),
            _ if status.starts_with("CREATE_") || status.starts_with("ROLLBACK_") => {
                Some(Self::Create)
            }
            _ => None,
        });
        // A resource that an update adds is created, so one UPDATE outweighs any number of CREATEs.
        let known: Vec<_> = known.collect();
        let started_as_create = events
            .iter()
            .any(|e| e.is_stack_event && e.status == "CREATE_IN_PROGRESS");
        match (known.first(), known.contains(&Self::Update)) {
            (None, _) => Self::Delete,
            (Some(Self::Import), _) => Self::Import,
            (Some(_), true) if !started_as_create => Self::Update,
            (Some(_), _) => Self::Create,
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Import => "IMPORT",
        }
    }

    /// The stack's status when it rolls back: `ROLLBACK_…` for a create, `UPDATE_ROLLBACK_…`, `IMPORT_ROLLBACK_…`.
    fn rollback(self, end: &str) -> String {
        match self {
            Self::Create | Self::Delete => format!("ROLLBACK_{end}"),
            Self::Update => format!("UPDATE_ROLLBACK_{end}"),
            Self::Import => format!("IMPORT_ROLLBACK_{end}"),
        }
    }
}

fn from_recorded(event: &TraceEvent, stack: &str) -> Event {
    let id = (!event.is_stack_event).then(|| event.logical_id.clone());
    // Physical ids of the record stay, except ARNs of nested stacks: those must lead to a stack that is here.
    let is_nested = !event.is_stack_event && event.resource_type == STACK;
    Event {
        at: event.seconds,
        id,
        resource_type: Some(event.resource_type.clone()),
        status: event.status.clone(),
        reason: event.reason.clone(),
        detailed_status: event.detailed_status.clone(),
        hook: event
            .hook
            .clone()
            .map(|hook| [hook.kind, hook.status, hook.reason.unwrap_or_default()]),
        physical_id: event
            .physical_id
            .clone()
            .filter(|_| !event.is_stack_event && !is_nested),
        nested: is_nested.then(|| format!("{stack}-{}", event.logical_id)),
    }
}

fn own(events: &[Event]) -> impl DoubleEndedIterator<Item = &Event> {
    events.iter().filter(|event| event.id.is_none())
}

fn begin(events: &mut Vec<Event>, kind: Kind) {
    let first = own(events)
        .next()
        .map(|event| event.status.clone())
        .unwrap_or_default();
    let started = format!("{}_IN_PROGRESS", kind.verb());
    if first == started || first == "REVIEW_IN_PROGRESS" {
        return;
    }
    events.insert(0, Event::own(0.0, &started).because("User Initiated"));
    let ends_rollback = first.contains("ROLLBACK") && !first.ends_with("ROLLBACK_IN_PROGRESS");
    if ends_rollback {
        events.insert(1, Event::own(0.0, &kind.rollback("IN_PROGRESS")));
    }
}

fn end(events: &mut Vec<Event>, kind: Kind, final_status: Option<&str>) {
    let last = own(events)
        .next_back()
        .map(|event| event.status.clone())
        .unwrap_or_default();
    if !last.ends_with("_IN_PROGRESS") {
        return;
    }
    let failed = events
        .iter()
        .any(|event| event.id.is_some() && event.status.ends_with("_FAILED"));
    let rolling_back = last.contains("ROLLBACK");
    let last_status = match final_status {
        Some(status) => status.to_owned(),
        None if rolling_back || (failed && kind != Kind::Delete) => kind.rollback("COMPLETE"),
        None => format!("{}_COMPLETE", kind.verb()),
    };
    let mut at = events.last().map_or(0.0, |event| event.at) + PAUSE;
    let goes_back = last_status.contains("ROLLBACK");
    let cancelled = goes_back || last_status.ends_with("_FAILED");
    for event in still_in_progress(events) {
        events.push(ended(&event, at, cancelled));
    }
    if goes_back && !rolling_back {
        at += PAUSE;
        events.push(Event::own(at, &kind.rollback("IN_PROGRESS")));
    }
    events.push(Event::own(at + PAUSE, &last_status));
}

/// The last event of each resource whose last event is in progress.
fn still_in_progress(events: &[Event]) -> Vec<Event> {
    let is_last = |(index, event): &(usize, &Event)| {
        event.id.is_some() && !events[index + 1..].iter().any(|later| later.id == event.id)
    };
    let last_ones = events
        .iter()
        .enumerate()
        .filter(is_last)
        .map(|(_, event)| event);
    last_ones
        .filter(|event| event.status.ends_with("_IN_PROGRESS"))
        .cloned()
        .collect()
}

fn ended(event: &Event, at: f64, cancelled: bool) -> Event {
    let verb = event.status.trim_end_matches("_IN_PROGRESS");
    let (status, reason) = match verb {
        "CREATE" if cancelled => (
            "CREATE_FAILED".to_owned(),
            Some("Resource creation cancelled".to_owned()),
        ),
        "UPDATE" if cancelled => (
            "UPDATE_FAILED".to_owned(),
            Some("Resource update cancelled".to_owned()),
        ),
        _ => (format!("{verb}_COMPLETE"), None),
    };
    Event {
        at,
        status,
        reason,
        detailed_status: None,
        hook: None,
        ..event.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace_file;

    fn own_statuses(name: &str, final_status: Option<&str>) -> Vec<String> {
        let trace = Trace::parse(&std::fs::read(trace_file(name)).unwrap()).unwrap();
        let events = events(&trace, "S", final_status);
        assert!(events.is_sorted_by(|a, b| a.at <= b.at), "{name}");
        own(&events).map(|event| event.status.clone()).collect()
    }

    #[test]
    fn every_recorded_trace_begins_and_ends() {
        let folder = trace_file("");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.extension().is_none_or(|end| end != "jsonl") {
                continue;
            }
            let own = own_statuses(&name, None);
            let (first, last) = (&own[0], &own[own.len() - 1]);
            assert!(
                ["CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"].contains(&first.as_str()),
                "{name}: {own:?}"
            );
            assert!(!last.ends_with("_IN_PROGRESS"), "{name}: {own:?}");
            assert_eq!(
                name.contains("_update"),
                first == "UPDATE_IN_PROGRESS",
                "{name}: {own:?}"
            );
            seen += 1;
        }
        assert_eq!(seen, 50);
    }

    #[test]
    fn what_a_record_lacks_is_made_up() {
        let cases = [
            (
                "excerpt_fargate-webapp-dev_create.jsonl",
                None,
                "CREATE_IN_PROGRESS CREATE_COMPLETE",
            ),
            (
                "excerpt_chatapp_rollback.jsonl",
                None,
                "CREATE_IN_PROGRESS ROLLBACK_IN_PROGRESS ROLLBACK_COMPLETE",
            ),
            (
                "intelpulse_IntelPulseStack_rollback.jsonl",
                None,
                "CREATE_IN_PROGRESS ROLLBACK_IN_PROGRESS ROLLBACK_COMPLETE",
            ),
            (
                "eyereadeverythingapp_EyereadStack_create.jsonl",
                Some("CREATE_FAILED"),
                "CREATE_IN_PROGRESS CREATE_FAILED",
            ),
            (
                "excerpt_CdkClusterStack_create.jsonl",
                Some("ROLLBACK_FAILED"),
                "CREATE_IN_PROGRESS CREATE_COMPLETE",
            ),
        ];
        for (name, final_status, expected) in cases {
            assert_eq!(
                own_statuses(name, final_status).join(" "),
                expected,
                "{name}"
            );
        }
    }
}
