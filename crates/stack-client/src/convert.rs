//! The SDK's types turned into ours.

use aws_sdk_cloudformation::types;
use aws_smithy_types::DateTime;
use registry_core::clock::Timestamp;
use registry_core::stack::{
    Hook, ResourceStatus, Stack, StackError, StackEvent, StackResource, StackStatus,
};

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

pub(crate) fn stack(from: &types::Stack) -> Result<Stack, StackError> {
    let id = from.stack_id().unwrap_or_default();
    let status = from
        .stack_status()
        .map(types::StackStatus::as_str)
        .unwrap_or_default();
    if status.is_empty() {
        return Err(StackError::Nonsense {
            detail: "DescribeStacks named a stack without a status".to_owned(),
        });
    }
    Ok(Stack {
        id: id.parse().map_err(|error| StackError::Nonsense {
            detail: format!("DescribeStacks named a stack id that is none: {error}"),
        })?,
        name: text(from.stack_name()),
        status: StackStatus::parse(status),
        status_reason: some(from.stack_status_reason()),
        created_at: timestamp(from.creation_time()),
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

pub(crate) fn event(from: &types::StackEvent) -> StackEvent {
    StackEvent {
        event_id: text(from.event_id()),
        stack_id: text(from.stack_id()),
        stack_name: text(from.stack_name()),
        logical_id: text(from.logical_resource_id()),
        physical_id: some(from.physical_resource_id()),
        resource_type: text(from.resource_type()),
        status: ResourceStatus(text(
            from.resource_status().map(types::ResourceStatus::as_str),
        )),
        reason: some(from.resource_status_reason()),
        timestamp: timestamp(from.timestamp()),
        operation_id: some(from.operation_id()),
        detailed_status: some(from.detailed_status().map(types::DetailedStatus::as_str)),
        hook: Hook::of(
            from.hook_type(),
            from.hook_status().map(types::HookStatus::as_str),
            from.hook_status_reason(),
        ),
    }
}

pub(crate) fn resource(from: &types::StackResourceSummary) -> StackResource {
    StackResource {
        logical_id: text(from.logical_resource_id()),
        physical_id: some(from.physical_resource_id()),
        resource_type: text(from.resource_type()),
        status: ResourceStatus(text(
            from.resource_status().map(types::ResourceStatus::as_str),
        )),
        changed_at: timestamp(from.last_updated_timestamp()),
    }
}
