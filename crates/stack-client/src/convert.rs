//! The SDK's types turned into ours.

use aws_sdk_cloudformation::types;
use aws_smithy_types::DateTime;
use registry_core::clock::Timestamp;
use registry_core::stack::{
    Hook, ResourceStatus, Stack, StackError, StackEvent, StackResource, StackStatus,
};

/// What the SDK says for a status that the answer does not have (`serde_util.rs` of `aws-sdk-cloudformation`).
const NO_STATUS: &str = "no value was set";

fn timestamp(at: Option<&DateTime>) -> Timestamp {
    at.and_then(|at| at.to_millis().ok())
        .map_or_else(Timestamp::default, Timestamp::from_millis)
}

fn text(value: Option<&str>) -> String {
    value.unwrap_or_default().to_owned()
}

fn some(value: Option<&str>) -> Option<String> {
    value.filter(|text| !text.is_empty()).map(str::to_owned)
}

// Where a required field is missing, the SDK puts in an empty text, 1970, or a status of its own. Half an answer is none: what
// was read of it could be taken for a stack at rest.
fn required<'a>(what: &str, value: Option<&'a str>) -> Result<&'a str, StackError> {
    value
        .filter(|text| !text.is_empty())
        .ok_or_else(|| incomplete(what))
}

fn required_time(what: &str, at: Option<&DateTime>) -> Result<Timestamp, StackError> {
    Some(timestamp(at))
        .filter(|at| *at != Timestamp::default())
        .ok_or_else(|| incomplete(what))
}

fn incomplete(what: &str) -> StackError {
    StackError::Nonsense {
        detail: format!("the answer lacks {what}"),
    }
}

pub(crate) fn stack(from: &types::Stack) -> Result<Stack, StackError> {
    let id = from.stack_id().unwrap_or_default();
    let status = from
        .stack_status()
        .map(types::StackStatus::as_str)
        .unwrap_or_default();
    if status.is_empty() || status == NO_STATUS {
        return Err(incomplete("the stack's status"));
    }
    Ok(Stack {
        id: id.parse().map_err(|error| StackError::Nonsense {
            detail: format!("DescribeStacks named a stack id that is none: {error}"),
        })?,
        name: required("the stack's name", from.stack_name())?.to_owned(),
        status: StackStatus::parse(status),
        status_reason: some(from.stack_status_reason()),
        created_at: required_time("the time of the stack's creation", from.creation_time())?,
        updated_at: from.last_updated_time().map(|at| timestamp(Some(at))),
        tags: from
            .tags()
            .iter()
            .map(|tag| (text(tag.key()), text(tag.value())))
            .collect(),
        root_id: some(from.root_id()),
        last_operations: from
            .last_operations()
            .iter()
            .map(|operation| {
                let kind = operation.operation_type().map(types::OperationType::as_str);
                (text(operation.operation_id()), text(kind))
            })
            .collect(),
    })
}

pub(crate) fn event(from: &types::StackEvent) -> Result<StackEvent, StackError> {
    Ok(StackEvent {
        event_id: required("an event's id", from.event_id())?.to_owned(),
        stack_id: required("the stack's id of an event", from.stack_id())?.to_owned(),
        stack_name: text(from.stack_name()),
        logical_id: text(from.logical_resource_id()),
        physical_id: some(from.physical_resource_id()),
        resource_type: text(from.resource_type()),
        status: ResourceStatus(text(
            from.resource_status().map(types::ResourceStatus::as_str),
        )),
        reason: some(from.resource_status_reason()),
        timestamp: required_time("the time of an event", from.timestamp())?,
        operation_id: some(from.operation_id()),
        detailed_status: some(from.detailed_status().map(types::DetailedStatus::as_str)),
        hook: Hook::of(
            from.hook_type(),
            from.hook_status().map(types::HookStatus::as_str),
            from.hook_status_reason(),
        ),
    })
}

pub(crate) fn resource(from: &types::StackResourceSummary) -> Result<StackResource, StackError> {
    let id = required("a resource's name", from.logical_resource_id())?;
    Ok(StackResource {
        logical_id: id.to_owned(),
        physical_id: some(from.physical_resource_id()),
        resource_type: text(from.resource_type()),
        status: ResourceStatus(text(
            from.resource_status().map(types::ResourceStatus::as_str),
        )),
        changed_at: required_time("the time of a resource", from.last_updated_timestamp())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonsense<T: std::fmt::Debug>(answer: Result<T, StackError>, lacks: &str) {
        match answer {
            Err(StackError::Nonsense { detail }) => assert!(detail.contains(lacks), "{detail}"),
            other => panic!("{lacks}: {other:?}"),
        }
    }

    // As the SDK leaves what an answer does not have.
    #[test]
    fn half_an_answer_is_none() {
        let arn = "arn:aws:cloudformation:us-east-1:123456789012:stack/App/1";
        let begun = || {
            types::Stack::builder()
                .stack_id(arn)
                .creation_time(DateTime::from_secs(1))
                .stack_status(types::StackStatus::CreateComplete)
        };
        assert!(stack(&begun().stack_name("App").build()).is_ok());
        nonsense(stack(&begun().stack_name("").build()), "name");
        let never = begun()
            .stack_name("App")
            .creation_time(DateTime::from_secs(0));
        nonsense(stack(&never.build()), "time");
        let unset = begun()
            .stack_name("App")
            .stack_status(types::StackStatus::from(NO_STATUS));
        nonsense(stack(&unset.build()), "status");

        let event_of = |id: &str, stack: &str, seconds: i64| {
            let event = types::StackEvent::builder().event_id(id).stack_id(stack);
            event.timestamp(DateTime::from_secs(seconds)).build()
        };
        assert!(event(&event_of("e", arn, 1)).is_ok());
        nonsense(event(&event_of("", arn, 1)), "event's id");
        nonsense(event(&event_of("e", "", 1)), "stack's id");
        nonsense(event(&event_of("e", arn, 0)), "time");

        let resource_of = |name: &str, seconds: i64| {
            let resource = types::StackResourceSummary::builder().logical_resource_id(name);
            let at = DateTime::from_secs(seconds);
            resource.last_updated_timestamp(at).build()
        };
        assert!(resource(&resource_of("Db", 1)).is_ok());
        nonsense(resource(&resource_of("", 1)), "name");
        nonsense(resource(&resource_of("Db", 0)), "time");
    }
}
