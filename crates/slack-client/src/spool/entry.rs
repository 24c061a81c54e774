//! One message of the retry queue and its file's format, the scripts' included.

use std::time::Duration;

use registry_core::clock::Timestamp;
use registry_core::notification::{Kind, Notification, Words};
use serde_json::{Map, Value, json};

/// The version this program writes. A file of a later one is left alone.
const VERSION: u64 = 1;

/// A message that is not delivered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name: the file's name without `.json`.
    pub message_id: String,
    /// Its place in the queue; grows with every message.
    pub sequence: i64,
    /// What it says.
    pub notification: Notification,
    /// Where it goes.
    pub channel: String,
    /// The name under which it must not be queued twice, if its sender gave one.
    pub key: Option<String>,
    /// AWS console page of the failed stack's events.
    pub console_url: Option<String>,
    /// When what it says happened.
    pub happened_at: Timestamp,
    /// Failed sends so far.
    pub failures: u32,
    /// Not before this.
    pub next_retry_at: Timestamp,
    /// When that was decided; a clock that shows less was set back.
    pub decided_at: Timestamp,
    /// What was tried, oldest first.
    pub attempts: Vec<Attempt>,
    /// A send whose outcome is not known.
    pub unsure: Option<Unsure>,
    /// It waits for a setting to be mended.
    pub parked: Option<Parked>,
    /// How often it was sent again although the time before may have arrived.
    pub maybe_repeated: u32,
    /// What the file has beside, kept for whoever wrote it.
    extra: Map<String, Value>,
}

/// One try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When.
    pub at: Timestamp,
    /// `transient`, `maybe`, …
    pub outcome: String,
    /// Slack's code or what happened.
    pub detail: String,
}

/// A send that began and did not end with an answer one can rely on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsure {
    /// When it began.
    pub since: Timestamp,
    /// The thread it went to.
    pub thread: Option<String>,
}

/// Why a message waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// Since when.
    pub since: Timestamp,
    /// What Slack said.
    pub reason: String,
    /// What to do.
    pub fix: String,
    /// How often it was tried since.
    pub tries: u64,
}

/// Attempts kept in a file; what came before them is only counted.
const MOST_ATTEMPTS: usize = 20;

/// Why a file is no message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It is damaged: what is wrong, in words.
    Damaged(String),
    /// A later version of this program wrote it.
    Newer(u64),
}

impl Entry {
    /// A new message, due at once.
    pub(crate) fn new(
        message_id: String,
        sequence: i64,
        notification: Notification,
        channel: String,
        now: Timestamp,
    ) -> Self {
        Self {
            message_id,
            sequence,
            notification,
            channel,
            key: None,
            console_url: None,
            happened_at: now,
            failures: 0,
            next_retry_at: now,
            decided_at: now,
            attempts: Vec::new(),
            unsure: None,
            parked: None,
            maybe_repeated: 0,
            extra: Map::new(),
        }
    }

    /// What keeps messages in order: those with the same id and none before them undelivered may go.
    #[must_use]
    pub fn deployment(&self) -> Option<&str> {
        self.notification.id()
    }

    /// How long it still has to wait.
    #[must_use]
    pub fn wait(&self, now: Timestamp) -> Duration {
        if now < self.decided_at {
            // The clock was set back; what it says about the future cannot be waited for.
            return Duration::ZERO;
        }
        self.next_retry_at.since(now)
    }

    pub(crate) fn tried(&mut self, at: Timestamp, outcome: &str, detail: &str) {
        self.attempts.push(Attempt {
            at,
            outcome: outcome.to_owned(),
            detail: detail.to_owned(),
        });
        let surplus = self.attempts.len().saturating_sub(MOST_ATTEMPTS);
        self.attempts.drain(..surplus);
    }

    pub(crate) fn wait_for(&mut self, span: Duration, now: Timestamp) {
        self.decided_at = now;
        self.next_retry_at = now + span;
    }

    /// The file's text. The first six fields are the scripts'.
    pub(crate) fn to_text(&self) -> String {
        let words = self.notification.words();
        let mut file = Map::new();
        let mut put = |name: &str, value: Value| file.insert(name.to_owned(), value);
        put("message_id", json!(self.message_id));
        put("notification_type", json!(self.notification.kind().word()));
        put("args", json!(words.args));
        put("retry_count", json!(self.failures.saturating_sub(1)));
        put("queued_at", json!(self.happened_at.rfc3339_millis()));
        put("next_retry_at", json!(self.next_retry_at.rfc3339_millis()));
        put("version", json!(VERSION));
        put("correlation_id", json!(self.notification.id()));
        put("channel", json!(self.channel));
        put("sequence", json!(self.sequence));
        put("failures", json!(self.failures));
        put("decided_at", json!(self.decided_at.rfc3339_millis()));
        for (name, text) in [
            ("details", &words.details),
            ("elapsed", &words.elapsed),
            ("remaining", &words.remaining),
            ("key", &self.key),
            ("console_url", &self.console_url),
        ] {
            if let Some(text) = text {
                put(name, json!(text));
            }
        }
        if let Some(unsure) = &self.unsure {
            put(
                "unsure",
                json!({"since": unsure.since.rfc3339_millis(), "thread": unsure.thread}),
            );
        }
        if let Some(parked) = &self.parked {
            put(
                "parked",
                json!({"since": parked.since.rfc3339_millis(), "reason": parked.reason, "fix": parked.fix,
                    "tries": parked.tries}),
            );
        }
        if self.maybe_repeated > 0 {
            put("maybe_repeated", json!(self.maybe_repeated));
        }
        let attempts: Vec<Value> = self
            .attempts
            .iter()
            .map(|attempt| {
                json!({"at": attempt.at.rfc3339_millis(), "outcome": attempt.outcome, "detail": attempt.detail})
            })
            .collect();
        put("attempts", attempts.into());
        for (name, value) in &self.extra {
            file.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let mut text = serde_json::to_string_pretty(&Value::Object(file)).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads a file. `name` is the file's name without `.json`; `updates` the channel of messages that name none.
    pub(crate) fn read(name: &str, bytes: &[u8], updates: &str) -> Result<Self, Unreadable> {
        let damaged = |what: &str| Unreadable::Damaged(what.to_owned());
        let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is not UTF-8"))?;
        let value: Value = serde_json::from_str(text)
            .map_err(|error| Unreadable::Damaged(format!("it is not JSON: {error}")))?;
        let Value::Object(mut file) = value else {
            return Err(damaged("it is not a JSON object"));
        };
        if let Some(version) = file.remove("version") {
            match version.as_u64() {
                Some(VERSION) => {}
                Some(newer) if newer > VERSION => return Err(Unreadable::Newer(newer)),
                Some(_) | None => {
                    return Err(damaged("its version is no number this program knows"));
                }
            }
        }
        let mut fields = Fields(file);
        let kind = fields
            .text("notification_type")
            .as_deref()
            .and_then(Kind::parse)
            .ok_or_else(|| damaged("its notification_type is missing or unknown"))?;
        let words = Words {
            args: fields
                .args(kind)
                .ok_or_else(|| damaged("its args are missing"))?,
            details: fields.text("details"),
            elapsed: fields.text("elapsed"),
            remaining: fields.text("remaining"),
        };
        let parsed = Notification::from_words(kind, words)
            .map_err(|error| Unreadable::Damaged(format!("its args are wrong: {error}")))?;
        let happened_at = fields
            .time("queued_at")
            .ok_or_else(|| damaged("its queued_at is no time"))?;
        let next_retry_at = fields.time("next_retry_at").unwrap_or(happened_at);
        let retries = fields.count("retry_count");
        let channel = fields.text("channel").or(parsed.channel);
        let _told_by_the_words = (fields.text("correlation_id"), fields.text("message_id"));
        Ok(Self {
            message_id: name.to_owned(),
            sequence: fields.number("sequence").unwrap_or(happened_at.millis()),
            notification: parsed.notification,
            channel: channel.unwrap_or_else(|| updates.to_owned()),
            key: fields.text("key"),
            console_url: fields.text("console_url"),
            happened_at,
            // The scripts queued a message after its first send had failed, and did not count that one.
            failures: fields
                .number("failures")
                .and_then(|failures| u32::try_from(failures).ok())
                .unwrap_or(retries.saturating_add(1)),
            next_retry_at,
            decided_at: fields.time("decided_at").unwrap_or(happened_at),
            attempts: fields.attempts(),
            unsure: fields.object("unsure").and_then(|mut unsure| {
                Some(Unsure {
                    since: unsure.time("since")?,
                    thread: unsure.text("thread"),
                })
            }),
            parked: fields.object("parked").and_then(|mut parked| {
                Some(Parked {
                    since: parked.time("since")?,
                    reason: parked.text("reason")?,
                    fix: parked.text("fix").unwrap_or_default(),
                    tries: u64::from(parked.count("tries")),
                })
            }),
            maybe_repeated: fields.count("maybe_repeated"),
            extra: fields.0,
        })
    }
}

/// Fields that are taken out one by one; what is left is not ours.
struct Fields(Map<String, Value>);

impl Fields {
    fn text(&mut self, name: &str) -> Option<String> {
        match self.0.shift_remove(name)? {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn number(&mut self, name: &str) -> Option<i64> {
        self.text(name)?.trim().parse().ok()
    }

    fn count(&mut self, name: &str) -> u32 {
        self.number(name)
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(0)
    }

    // RFC 3339, or seconds since 1970 as `date +%s` gives them.
    fn time(&mut self, name: &str) -> Option<Timestamp> {
        let text = self.text(name)?;
        Timestamp::parse_rfc3339(&text)
            .or_else(|| text.trim().parse().ok().map(Timestamp::from_seconds))
    }

    fn object(&mut self, name: &str) -> Option<Fields> {
        match self.0.shift_remove(name)? {
            Value::Object(fields) => Some(Fields(fields)),
            _ => None,
        }
    }

    // An array of words; or one text, where the last word that is needed takes what is left.
    fn args(&mut self, kind: Kind) -> Option<Vec<String>> {
        match self.0.shift_remove("args")? {
            Value::Array(words) => Some(
                words
                    .into_iter()
                    .map(|word| match word {
                        Value::String(text) => text,
                        Value::Null => String::new(),
                        other => other.to_string(),
                    })
                    .collect(),
            ),
            Value::String(text) => match serde_json::from_str(&text) {
                Ok(words) => Some(words),
                Err(_) => Some(
                    text.trim()
                        .splitn(kind.required().len(), char::is_whitespace)
                        .map(|word| word.trim().to_owned())
                        .collect(),
                ),
            },
            _ => None,
        }
    }

    fn attempts(&mut self) -> Vec<Attempt> {
        let Some(Value::Array(attempts)) = self.0.shift_remove("attempts") else {
            return Vec::new();
        };
        let read = |attempt| {
            let Value::Object(fields) = attempt else {
                return None;
            };
            let mut fields = Fields(fields);
            Some(Attempt {
                at: fields.time("at")?,
                outcome: fields.text("outcome")?,
                detail: fields.text("detail").unwrap_or_default(),
            })
        };
        attempts.into_iter().filter_map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn of_noon() -> Entry {
        let message = "m".into();
        let noon = at("2026-01-14T12:00:00Z");
        Entry::new(
            "1".into(),
            1,
            Notification::Custom { message },
            "C".into(),
            noon,
        )
    }

    #[test]
    fn a_file_and_back() {
        let notification = Notification::Stalled {
            id: "a".into(),
            stack: "S".into(),
            minutes: "12".into(),
            details: Some("x\ny".into()),
        };
        let mut entry = Entry::new(
            "1-a".into(),
            7,
            notification,
            "C1".into(),
            at("2026-01-14T12:34:56Z"),
        );
        entry.key = Some("k".into());
        entry.failures = 3;
        entry.tried(at("2026-01-14T12:35:00Z"), "transient", "refused");
        entry.unsure = Some(Unsure {
            since: at("2026-01-14T12:35:00Z"),
            thread: Some("1.2".into()),
        });
        entry.parked = Some(Parked {
            since: at("2026-01-14T12:35:00Z"),
            reason: "invalid_auth".into(),
            fix: "x".into(),
            tries: 2,
        });
        entry.maybe_repeated = 1;
        entry.extra.insert("later".into(), json!([1]));
        let again = Entry::read("1-a", entry.to_text().as_bytes(), "C0").unwrap();
        assert_eq!(again, entry);
    }

    #[test]
    fn files_of_the_scripts() {
        let forms = [
            r#"{"message_id":"m1","notification_type":"start","args":["20260114-123456-abc123","production","12345"],
                "retry_count":2,"queued_at":"2026-01-14T12:34:56Z","next_retry_at":"2026-01-14T12:35:06Z"}"#,
            r#"{"message_id":"m1","notification_type":"start","args":"20260114-123456-abc123 production 12345",
                "retry_count":"2","queued_at":1768394096,"next_retry_at":1768394106}"#,
            r#"{"message_id":"m1","notification_type":"start","args":"[\"20260114-123456-abc123\",\"production\",\"12345\"]",
                "retry_count":2,"queued_at":"1768394096","next_retry_at":"1768394106"}"#,
        ];
        for text in forms {
            let entry = Entry::read("m1", text.as_bytes(), "C0").unwrap();
            assert_eq!(entry.message_id, "m1");
            assert_eq!(entry.deployment(), Some("20260114-123456-abc123"));
            assert_eq!(entry.failures, 3, "a first send and two retries");
            assert_eq!(entry.happened_at, at("2026-01-14T12:34:56Z"));
            assert_eq!(entry.next_retry_at, at("2026-01-14T12:35:06Z"));
            assert_eq!(entry.channel, "C0");
        }
        let spaces = r#"{"notification_type":"failed","args":"id production the disk is full","queued_at":1}"#;
        let entry = Entry::read("m2", spaces.as_bytes(), "C0").unwrap();
        assert_eq!(
            entry.notification.words().args,
            ["id", "production", "the disk is full", ""]
        );
    }

    #[test]
    fn damaged_and_newer_files() {
        for bytes in [
            &b""[..],
            b"{",
            b"\xff\xfe",
            b"[]",
            b"null",
            b"{}",
            br#"{"notification_type":"start"}"#,
            br#"{"notification_type":"dance","args":["a"],"queued_at":1}"#,
            br#"{"notification_type":"start","args":["a"],"queued_at":1}"#,
            br#"{"notification_type":"custom","args":["a"]}"#,
            br#"{"notification_type":"custom","args":["a"],"queued_at":1,"version":"x"}"#,
        ] {
            assert!(
                matches!(Entry::read("m", bytes, "C0"), Err(Unreadable::Damaged(_))),
                "{}",
                String::from_utf8_lossy(bytes)
            );
        }
        let newer = br#"{"version":2,"something":"else"}"#;
        assert_eq!(Entry::read("m", newer, "C0"), Err(Unreadable::Newer(2)));
    }

    #[test]
    fn a_clock_that_was_set_back_is_not_waited_for() {
        let mut entry = of_noon();
        entry.wait_for(Duration::from_secs(80), at("2026-01-14T12:00:00Z"));
        assert_eq!(
            entry.wait(at("2026-01-14T12:00:10Z")),
            Duration::from_secs(70)
        );
        assert_eq!(entry.wait(at("2026-01-13T12:00:00Z")), Duration::ZERO);
    }

    #[test]
    fn the_history_does_not_grow_without_end() {
        let mut entry = of_noon();
        for n in 0..100 {
            entry.tried(Timestamp::from_seconds(n), "transient", "x");
        }
        assert_eq!(entry.attempts.len(), MOST_ATTEMPTS);
        assert_eq!(
            entry.attempts.last().unwrap().at,
            Timestamp::from_seconds(99)
        );
    }
}
