//! JSON to events: our own rows and AWS's.

use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{TraceError, TraceEvent};
use crate::stack::Hook;

/// All events of a text, in the order they happened as far as the text tells.
pub(super) fn read(text: &str) -> Result<Vec<TraceEvent>, TraceError> {
    match first_line_value(text) {
        Some(Value::Object(first)) if !first.contains_key("StackEvents") => lines(text),
        Some(_) | None => documents(text),
    }
}

fn first_line_value(text: &str) -> Option<Value> {
    let line = text.lines().find(|line| !line.trim().is_empty())?;
    serde_json::from_str(line).ok()
}

fn lines(text: &str) -> Result<Vec<TraceEvent>, TraceError> {
    let mut rows = Vec::new();
    for (index, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let place = format!("line {}", index + 1);
        let value = serde_json::from_str(line).map_err(|e| TraceError::NotJson {
            line: index + 1,
            reason: e.to_string(),
        })?;
        rows.push(row(value, &place)?);
    }
    Ok(in_order(rows))
}

/// One or several whole documents: `{"StackEvents": […]}`, or the bare array that `--query StackEvents` prints.
fn documents(text: &str) -> Result<Vec<TraceEvent>, TraceError> {
    let mut rows = Vec::new();
    for document in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let document = document.map_err(|e| TraceError::NotJson {
            line: e.line(),
            reason: e.to_string(),
        })?;
        let events = match document {
            Value::Object(mut object) => match object.remove("StackEvents") {
                Some(Value::Array(events)) => events,
                Some(_) => return Err(bad("the document", "`StackEvents` is not an array")),
                None => vec![Value::Object(object)],
            },
            Value::Array(events) => events,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                return Err(bad(
                    "the document",
                    "expected an object with `StackEvents`, or an array of events",
                ));
            }
        };
        for event in events {
            let place = format!("event {}", rows.len() + 1);
            rows.push(row(event, &place)?);
        }
    }
    Ok(in_order(rows))
}

/// AWS prints the newest first. Turning the whole list keeps the order of events that share a timestamp.
fn in_order(mut rows: Vec<TraceEvent>) -> Vec<TraceEvent> {
    let newest_first = matches!((rows.first(), rows.last()), (Some(first), Some(last)) if first.seconds > last.seconds)
        || (rows.len() > 1
            && rows.iter().all(|row| row.event_id.is_some())
            && all_at_once_and_newest_first(&rows));
    if newest_first {
        rows.reverse();
    }
    rows
}

/// Where every event has one timestamp, the words must tell: AWS ends a resource after it began.
fn all_at_once_and_newest_first(rows: &[TraceEvent]) -> bool {
    matches!((rows.first(), rows.last()), (Some(first), Some(last))
        if first.seconds.total_cmp(&last.seconds).is_eq()
            && !first.status.ends_with("_IN_PROGRESS") && last.status.ends_with("_IN_PROGRESS"))
}

fn row(value: Value, place: &str) -> Result<TraceEvent, TraceError> {
    if value.get("LogicalResourceId").is_some() {
        let event: AwsRow =
            serde_json::from_value(value).map_err(|e| bad(place, &e.to_string()))?;
        event.into_event(place)
    } else {
        let event: OwnRow =
            serde_json::from_value(value).map_err(|e| bad(place, &e.to_string()))?;
        event.into_event(place)
    }
}

fn bad(place: &str, reason: &str) -> TraceError {
    TraceError::BadRow {
        place: place.to_owned(),
        reason: reason.to_owned(),
    }
}

/// A line of the `traces/` format.
#[derive(Deserialize)]
struct OwnRow {
    t: f64,
    #[serde(default)]
    ts: String,
    logical_id: String,
    #[serde(rename = "type")]
    resource_type: String,
    status: String,
    reason: Option<String>,
    #[serde(default)]
    stack_event: bool,
    detailed_status: Option<String>,
    physical_id: Option<String>,
    event_id: Option<String>,
}

impl OwnRow {
    fn into_event(self, place: &str) -> Result<TraceEvent, TraceError> {
        if !self.t.is_finite() || self.t < 0.0 {
            return Err(bad(place, "`t` must be a number of seconds, zero or more"));
        }
        Ok(TraceEvent {
            seconds: self.t,
            timestamp: self.ts,
            logical_id: self.logical_id,
            resource_type: self.resource_type,
            status: self.status,
            recorded_status: None,
            reason: self.reason,
            is_stack_event: self.stack_event,
            detailed_status: self.detailed_status,
            hook: None,
            physical_id: self.physical_id,
            event_id: self.event_id,
        })
    }
}

/// An element of `StackEvents`; field names are those of the CloudFormation API.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AwsRow {
    stack_id: Option<String>,
    event_id: Option<String>,
    logical_resource_id: String,
    physical_resource_id: Option<String>,
    resource_type: String,
    timestamp: Value,
    resource_status: String,
    resource_status_reason: Option<String>,
    detailed_status: Option<String>,
    hook_type: Option<String>,
    hook_status: Option<String>,
    hook_status_reason: Option<String>,
}

impl AwsRow {
    fn into_event(self, place: &str) -> Result<TraceEvent, TraceError> {
        let physical_id = self.physical_resource_id.filter(|id| !id.is_empty());
        let is_stack_event = self.resource_type == "AWS::CloudFormation::Stack"
            && physical_id.is_some()
            && physical_id == self.stack_id;
        let (seconds, timestamp) = instant(&self.timestamp).ok_or_else(|| {
            bad(
                place,
                &format!(
                    "`Timestamp` {} is neither RFC 3339 nor seconds since 1970",
                    self.timestamp
                ),
            )
        })?;
        Ok(TraceEvent {
            seconds,
            timestamp,
            logical_id: self.logical_resource_id,
            resource_type: self.resource_type,
            status: self.resource_status,
            recorded_status: None,
            reason: self
                .resource_status_reason
                .filter(|reason| !reason.is_empty()),
            is_stack_event,
            detailed_status: self.detailed_status,
            hook: Hook::of(
                self.hook_type.as_deref(),
                self.hook_status.as_deref(),
                self.hook_status_reason.as_deref(),
            ),
            physical_id,
            event_id: self.event_id,
        })
    }
}

/// Seconds since 1970 and the text. The `aws` tool prints RFC 3339; with `cli_timestamp_format = wire` and in some SDK
/// dumps it is a number.
fn instant(value: &Value) -> Option<(f64, String)> {
    match value {
        Value::String(text) => {
            let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
            Some((
                at.unix_timestamp() as f64 + f64::from(at.nanosecond()) / 1e9,
                text.clone(),
            ))
        }
        Value::Number(number) => number.as_f64().map(|seconds| (seconds, number.to_string())),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
