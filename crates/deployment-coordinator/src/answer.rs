//! Decisions and entries as the JSON that the contract promises.

use command_line::Status;
use registry_core::clock::Timestamp;
use registry_core::decide::{Decision, Source, Verdict};
use registry_core::slot::{Freeze, Slot, Standing};
use serde_json::{Map, Value, json};

use crate::world::Target;

/// The exit status of a verdict.
pub(crate) fn status_of(verdict: Verdict) -> Status {
    match verdict {
        Verdict::May => Status::Yes,
        Verdict::MayNot => Status::No,
        Verdict::CannotTell => Status::CannotTell,
    }
}

/// A JSON object under construction. Values that are not known are left out.
#[derive(Debug, Default)]
pub(crate) struct Answer(Map<String, Value>);

impl Answer {
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        if !value.is_null() {
            self.0.insert(key.to_owned(), value);
        }
        self
    }

    pub(crate) fn and(mut self, fields: Map<String, Value>) -> Self {
        self.0.extend(fields);
        self
    }

    pub(crate) fn value(self) -> Value {
        Value::Object(self.0)
    }
}

/// The fields of a decision that every command prints.
pub(crate) fn decision(decision: &Decision, target: &Target, scope: Option<&str>) -> Answer {
    let statuses: Map<String, Value> = decision
        .stacks
        .iter()
        .map(|(stack, status)| (stack.clone(), json!(status)))
        .collect();
    let one_status = match decision.stacks.as_slice() {
        [(_, status)] => Some(status.clone()),
        _ => None,
    };
    let fallback = decision.source == Source::Fallback;
    Answer::default()
        .with("reason", decision.reason.as_str())
        .with("message", decision.message.clone())
        .with("environment", target.environment.as_str())
        .with("stack_name", target.names().join(","))
        .with("stack_status", one_status)
        .with(
            "stack_statuses",
            (statuses.len() > 1).then_some(Value::Object(statuses)),
        )
        .with("source", decision.source.as_str())
        .with("exclusive", fallback.then_some(false))
        .with("scope", scope)
        .with("warning", decision.warning.clone())
        .with(
            "active_deployment",
            decision.active.as_ref().map(|active| json!(active)),
        )
        .with("frozen", decision.freeze.as_ref().map(freeze))
        .with(
            "ahead",
            (!decision.ahead.is_empty()).then(|| json!(decision.ahead)),
        )
}

/// A freeze.
pub(crate) fn freeze(freeze: &Freeze) -> Value {
    Answer::default()
        .with("reason", freeze.reason.clone())
        .with("by", freeze.by.clone())
        .with("at", freeze.at.rfc3339())
        .with("until", freeze.until.map(Timestamp::rfc3339))
        .value()
}

/// Who is in front of the caller: the one it is kept for, then the queue up to the caller itself.
pub(crate) fn ahead(slot: &Slot, standing: &Standing, id: Option<&str>) -> Vec<String> {
    if let Standing::Behind(ahead) = standing {
        return ahead.clone();
    }
    slot.queue
        .iter()
        .map(|waiter| waiter.correlation_id.clone())
        .take_while(|waiting| Some(waiting.as_str()) != id)
        .collect()
}
