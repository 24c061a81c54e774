//! A recorded operation as events, for the reducer.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::stack::{ResourceStatus, STACK_TYPE, StackEvent};
use crate::trace::Trace;

/// The events of a record, oldest first, as the stack with this id would have told them. Where the record has no full
/// timestamp, time is counted from `epoch`. Rows that share an id, or have none, get one made of their position.
#[must_use]
pub fn events_of_trace(trace: &Trace, stack_id: &str, epoch: Timestamp) -> Vec<StackEvent> {
    let stack_name = trace.stack_name().unwrap_or("recorded-stack").to_owned();
    let dated = trace
        .events
        .iter()
        .all(|event| Timestamp::parse_rfc3339(&event.timestamp).is_some());
    trace
        .events
        .iter()
        .enumerate()
        .map(|(position, event)| {
            let from_start = Duration::try_from_secs_f64(event.seconds).unwrap_or_default();
            let timestamp = Timestamp::parse_rfc3339(&event.timestamp)
                .filter(|_| dated)
                .unwrap_or(epoch + from_start);
            StackEvent {
                event_id: event
                    .event_id
                    .clone()
                    .unwrap_or_else(|| format!("event-{}", position + 1)),
                stack_id: stack_id.to_owned(),
                stack_name: stack_name.clone(),
                logical_id: event.logical_id.clone(),
                physical_id: if event.is_stack_event {
                    Some(stack_id.to_owned())
                } else {
                    event.physical_id.clone().filter(|id| id != stack_id)
                },
                resource_type: if event.is_stack_event {
                    STACK_TYPE.to_owned()
                } else {
                    event.resource_type.clone()
                },
                status: ResourceStatus(event.status.clone()),
                reason: event.reason.clone(),
                timestamp,
                operation_id: None,
                detailed_status: event.detailed_status.clone(),
                hook: event.hook.clone(),
            }
        })
        .collect()
}
