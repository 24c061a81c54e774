//! The guide's `deployments`: what each successful deployment took.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::estimate::operation::{Kind, Operation, Outcome};

/// A successful deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// Whose; `None` where `collect` found an operation that nobody reported.
    pub correlation_id: Option<String>,
    /// Which stack.
    pub stack_name: String,
    /// Seconds it took.
    pub seconds: f64,
    /// When it was complete.
    pub completed_at: Timestamp,
    /// What it was, where known.
    pub kind: Option<Kind>,
    /// Which recorded operation it was, where known.
    pub operation_id: Option<String>,
}

/// No deployment takes longer than a week; a longer one is a slip of the finger.
pub const LONGEST_MINUTES: u64 = 7 * 24 * 60;

/// How many entries of a stack are kept.
const KEPT: usize = 500;

pub(super) fn read(entry: &Value) -> Option<Deployment> {
    let text = |name: &str| entry.get(name)?.as_str();
    let seconds = entry
        .get("duration_seconds")
        .and_then(Value::as_f64)
        .or_else(|| Some(entry.get("duration_minutes")?.as_f64()? * 60.0))?;
    (seconds.is_finite() && (0.0..=LONGEST_MINUTES as f64 * 60.0).contains(&seconds)).then_some(
        Deployment {
            correlation_id: text("correlation_id").map(str::to_owned),
            stack_name: text("stack_name")?.to_owned(),
            seconds,
            completed_at: Timestamp::parse_rfc3339(text("completed_at")?)?,
            kind: text("kind").and_then(Kind::parse),
            operation_id: text("operation_id").map(str::to_owned),
        },
    )
}

/// Whether an operation is the one that a deployment of `minutes`, complete at `completed`, has made: most of it lies within.
pub(super) fn is_same(operation: &Operation, minutes: u64, completed: Timestamp) -> bool {
    let Some(took) = operation.took else {
        return false;
    };
    let begun = (completed - Duration::from_secs(minutes * 60)).millis();
    let operation_end = operation.started.millis() + (took * 1000.0) as i64;
    // Minutes are rounded, and a workflow reports some time after the stack is complete.
    let overlap =
        operation_end.min(completed.millis()) - operation.started.millis().max(begun - 30_000);
    operation.outcome == Outcome::Succeeded && overlap as f64 >= took * 500.0 && overlap > 0
}

/// Adds a deployment, or gives its id to the entry that `collect` made of the same operation.
pub(super) fn add(
    entries: &mut Vec<Value>,
    id: &str,
    stack: &str,
    minutes: u64,
    now: Timestamp,
    operation: Option<&Operation>,
) {
    let of_operation = |entry: &Value| {
        operation.is_some_and(|operation| text(entry, "operation_id") == Some(&operation.id))
    };
    let known = entries.iter().position(|entry| {
        text(entry, "stack_name") == Some(stack)
            && (text(entry, "correlation_id") == Some(id)
                || (of_operation(entry) && text(entry, "correlation_id").is_none()))
    });
    let mut entry = match known.map(|index| entries.remove(index)) {
        Some(Value::Object(entry)) => entry,
        Some(_) | None => Map::new(),
    };
    // The guide's four fields first, as it shows them.
    let mut fields = Map::new();
    for (name, value) in [
        ("correlation_id", json!(id)),
        ("stack_name", json!(stack)),
        ("duration_minutes", json!(minutes)),
        ("completed_at", json!(now.rfc3339())),
    ] {
        entry.shift_remove(name);
        fields.insert(name.to_owned(), value);
    }
    entry.shift_remove("duration_seconds");
    fields.extend(entry);
    if let Some(operation) = operation {
        fields.insert("kind".to_owned(), json!(operation.kind.as_str()));
        fields.insert("operation_id".to_owned(), json!(operation.id));
    }
    entries.push(Value::Object(fields));
    forget_old(entries, stack);
}

/// Adds a successful operation, or notes in the deployment that `update` has reported which operation it was.
pub(super) fn add_operation(entries: &mut Vec<Value>, stack: &str, operation: &Operation) {
    let (Outcome::Succeeded, Some(took)) = (operation.outcome, operation.took) else {
        return;
    };
    let reported = entries.iter_mut().find(|entry| {
        let minutes = entry.get("duration_minutes").and_then(Value::as_u64);
        let completed = text(entry, "completed_at").and_then(Timestamp::parse_rfc3339);
        text(entry, "stack_name") == Some(stack)
            && text(entry, "operation_id").is_none()
            && match (minutes, completed) {
                (Some(minutes), Some(completed)) => is_same(operation, minutes, completed),
                (Some(_) | None, _) => false,
            }
    });
    if let Some(Value::Object(entry)) = reported {
        entry.insert("kind".to_owned(), json!(operation.kind.as_str()));
        entry.insert("operation_id".to_owned(), json!(operation.id));
        return;
    }
    let completed = operation.started + Duration::from_secs_f64(took);
    entries.push(json!({
        "correlation_id": null,
        "stack_name": stack,
        "duration_minutes": (took / 60.0).round() as u64,
        "completed_at": completed.rfc3339(),
        "duration_seconds": (took * 10.0).round() / 10.0,
        "kind": operation.kind.as_str(),
        "operation_id": operation.id,
    }));
    forget_old(entries, stack);
}

fn forget_old(entries: &mut Vec<Value>, stack: &str) {
    let of_stack = |entry: &Value| text(entry, "stack_name") == Some(stack);
    let mut surplus = entries
        .iter()
        .filter(|entry| of_stack(entry))
        .count()
        .saturating_sub(KEPT);
    entries.retain(|entry| {
        let goes = surplus > 0 && of_stack(entry);
        surplus -= usize::from(goes);
        !goes
    });
}

fn text<'a>(entry: &'a Value, name: &str) -> Option<&'a str> {
    entry.get(name)?.as_str()
}
