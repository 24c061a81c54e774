//! The lines of the log: what stands in each.

use registry_core::clock::Timestamp;
use registry_core::progress::StackProgress;
use registry_core::stack::StackEvent;
use registry_core::text::{Masker, one_line, printable};
use serde_json::{Map, Value};

use crate::log::EventKey;

/// The level of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// What is going on.
    Info,
    /// It went well.
    Success,
    /// Something is not as it should be.
    Warning,
    /// It went wrong.
    Error,
    /// A stack event; exactly one such line each.
    Event,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Success => "SUCCESS",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Event => "EVENT",
        }
    }
}

/// Makes the lines of one deployment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines {
    /// Correlation id.
    pub(crate) id: String,
    /// Environment; empty when not known.
    pub(crate) environment: String,
    /// Masks secrets in everything that is written.
    pub(crate) masker: Masker,
}

impl Lines {
    /// One line: `message` about `stack`, with further fields.
    pub(crate) fn line(
        &self,
        at: Timestamp,
        level: Level,
        stack: &str,
        message: &str,
        more: Vec<(&str, Value)>,
    ) -> String {
        let mut object = Map::new();
        let text = |value: &str| Value::String(value.to_owned());
        object.insert("timestamp".to_owned(), text(&at.rfc3339_millis()));
        object.insert("level".to_owned(), text(level.word()));
        object.insert("correlation_id".to_owned(), text(&self.id));
        object.insert(
            "message".to_owned(),
            text(&self.masker.mask(&one_line(message))),
        );
        object.insert("stack_name".to_owned(), text(stack));
        object.insert("environment".to_owned(), text(&self.environment));
        for (name, value) in more {
            object.insert(name.to_owned(), self.clean(value));
        }
        Value::Object(object).to_string()
    }

    /// The line of an event; there is exactly one for each.
    ///
    /// `watched` is the stack that the monitor was asked to watch: `event` may be of one nested in it.
    pub(crate) fn event(
        &self,
        at: Timestamp,
        event: &StackEvent,
        watched: &str,
        progress: &StackProgress,
    ) -> String {
        let text = |value: &str| Value::String(value.to_owned());
        let mut more = vec![
            ("event_id", text(&event.event_id)),
            ("event_timestamp", text(&event.timestamp.rfc3339_millis())),
            ("logical_resource_id", text(&event.logical_id)),
            ("resource_type", text(&event.resource_type)),
            ("resource_status", text(event.status.as_str())),
            (
                "resource_status_reason",
                text(event.reason.as_deref().unwrap_or_default()),
            ),
            ("stack_id", text(&event.stack_id)),
            ("watched_stack", text(watched)),
        ];
        if let Some(physical) = event.physical_id.as_deref().filter(|id| !id.is_empty()) {
            more.push(("physical_resource_id", text(physical)));
        }
        if let Some(detail) = &event.detailed_status {
            more.push(("detailed_status", text(detail)));
        }
        if let Some(hook) = &event.hook {
            more.push(("hook_type", text(&hook.kind)));
            more.push(("hook_status", text(&hook.status)));
            let reason = hook.reason.as_deref().unwrap_or_default();
            more.push(("hook_status_reason", text(reason)));
        }
        let chain = progress.chain(&event.stack_id, &event.logical_id);
        if chain.len() > 1 {
            more.push(("path", text(&chain.join(" > "))));
        }
        self.line(at, Level::Event, &event.stack_name, &sentence(event), more)
    }

    /// How an event is told apart in the log, as [`Lines::event`] writes it.
    pub(crate) fn key(&self, event: &StackEvent) -> EventKey {
        let written = |text: &str| self.masker.mask(&printable(text));
        (written(&event.stack_id), written(&event.event_id))
    }

    fn clean(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.masker.mask(&printable(&text))),
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|item| self.clean(item)).collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value,
        }
    }
}

/// `TYPE (LOGICAL_ID) -> STATUS`.
pub(crate) fn sentence(event: &StackEvent) -> String {
    format!(
        "{} ({}) -> {}",
        event.resource_type,
        event.logical_id,
        event.status.as_str()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use registry_core::stack::{Hook, ResourceStatus};

    #[test]
    fn every_field_of_an_event_is_in_the_documents() {
        let page = std::fs::read_to_string(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/monitor.md"
        ))
        .unwrap();
        let event = StackEvent {
            event_id: "e1".to_owned(),
            stack_id: "arn:x".to_owned(),
            stack_name: "App".to_owned(),
            logical_id: "Web".to_owned(),
            physical_id: Some("web-1".to_owned()),
            resource_type: "AWS::ECS::Service".to_owned(),
            status: ResourceStatus("CREATE_IN_PROGRESS".to_owned()),
            reason: None,
            timestamp: Timestamp::from_seconds(0),
            operation_id: None,
            detailed_status: Some("CONFIGURATION_COMPLETE".to_owned()),
            hook: Hook::of(Some("A::B::C"), Some("HOOK_COMPLETE_FAILED"), Some("no")),
        };
        let at = Timestamp::from_seconds(1);
        let line = Lines::default().event(at, &event, "App", &StackProgress::new());
        let line: Value = serde_json::from_str(&line).unwrap();
        let fields = line.as_object().unwrap();
        assert!(fields.len() >= 19, "{fields:?}");
        for name in fields.keys() {
            assert!(page.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn an_event_has_the_contracts_fields_and_no_secret() {
        let lines = Lines {
            id: "20260114-123456-abc123".to_owned(),
            environment: "production".to_owned(),
            masker: Masker::default(),
        };
        let event = StackEvent {
            event_id: "e1".to_owned(),
            stack_id: "arn:x".to_owned(),
            stack_name: "App".to_owned(),
            logical_id: "Web".to_owned(),
            physical_id: None,
            resource_type: "AWS::ECS::Service".to_owned(),
            status: ResourceStatus("CREATE_FAILED".to_owned()),
            reason: Some("bad \u{1b}[31mtoken xoxb-1234567890-abcdef".to_owned()),
            timestamp: Timestamp::from_seconds(1_768_394_096),
            operation_id: None,
            detailed_status: None,
            hook: None,
        };
        let line = lines.event(
            Timestamp::from_seconds(1_768_394_100),
            &event,
            "App",
            &StackProgress::new(),
        );
        assert_eq!(
            line,
            "{\"timestamp\":\"2026-01-14T12:35:00.000Z\",\"level\":\"EVENT\",\
             \"correlation_id\":\"20260114-123456-abc123\",\
             \"message\":\"AWS::ECS::Service (Web) -> CREATE_FAILED\",\"stack_name\":\"App\",\
             \"environment\":\"production\",\"event_id\":\"e1\",\
             \"event_timestamp\":\"2026-01-14T12:34:56.000Z\",\"logical_resource_id\":\"Web\",\
             \"resource_type\":\"AWS::ECS::Service\",\"resource_status\":\"CREATE_FAILED\",\
             \"resource_status_reason\":\"bad token ***\",\"stack_id\":\"arn:x\",\"watched_stack\":\"App\"}"
        );
    }
}
