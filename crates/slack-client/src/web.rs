//! The calls to Slack that this crate makes, and how their answers are read.

use std::time::Duration;

use registry_core::clock::Timestamp;
use serde_json::{Map, Value};

use crate::access::{Access, Unusable, Way};
use crate::classify::{self, Answer, Verdict};
use crate::wire::{Sent, Wire};

/// A connection to Slack.
#[derive(Debug)]
pub(crate) struct Web {
    access: Access,
    wire: Wire,
}

/// Whether something is in a channel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Found {
    /// This message.
    Yes(Value),
    /// It is not there.
    No,
    /// The channel cannot be read, or not far enough back. Why, in words.
    CannotTell(String),
}

/// Where to look for a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Where<'a> {
    pub(crate) channel: &'a str,
    /// In this thread; else in the channel itself.
    pub(crate) thread: Option<&'a str>,
    /// It is not older than this; `None`: any age.
    pub(crate) age: Option<Duration>,
}

/// Messages asked for at once, and how often more are asked for. A tier 3 method: 50 a minute.
const PAGE: &str = "200";
const MOST_PAGES: usize = 5;
/// Slack's clock and its order of messages are good to this.
const CLOCK_MARGIN: Duration = Duration::from_secs(120);

impl Web {
    pub(crate) fn new(access: Access) -> Result<Self, Unusable> {
        let wire = Wire::new(&access)?;
        Ok(Self { access, wire })
    }

    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// Whether messages go through a webhook: no channel, no thread, no history.
    pub(crate) fn is_webhook(&self) -> bool {
        matches!(self.access.way, Way::Webhook(_))
    }

    /// Posts a message. What only the Web API takes (`channel`, `thread_ts`, `metadata`) is for the caller to leave out.
    pub(crate) fn post(
        &self,
        body: &Map<String, Value>,
        limit: Duration,
        now: Timestamp,
    ) -> Verdict {
        match &self.access.way {
            Way::Bot(_) => self.call("chat.postMessage", body, limit, now),
            Way::Webhook(url) => {
                let json = serde_json::to_string(body).unwrap_or_default();
                let sent = self.masked(self.wire.post(url, None, &json, limit));
                read(sent, |answer| classify::webhook(answer, now))
            }
        }
    }

    /// Changes a message of ours.
    pub(crate) fn update(
        &self,
        body: &Map<String, Value>,
        limit: Duration,
        now: Timestamp,
    ) -> Verdict {
        self.call("chat.update", body, limit, now)
    }

    fn call(
        &self,
        method: &str,
        body: &Map<String, Value>,
        limit: Duration,
        now: Timestamp,
    ) -> Verdict {
        let json = serde_json::to_string(body).unwrap_or_default();
        let url = format!("{}{method}", self.access.api);
        let Way::Bot(token) = &self.access.way else {
            return Verdict::LostTarget {
                code: "a webhook cannot do this".to_owned(),
            };
        };
        let sent = self.masked(self.wire.post(&url, Some(&token.header()), &json, limit));
        read(sent, |answer| classify::web_api(answer, now))
    }

    /// A method that only reads. Slack takes their arguments in the query, not as JSON. `Err`: why there is no answer.
    pub(crate) fn read(
        &self,
        method: &str,
        query: &[(&str, &str)],
        limit: Duration,
    ) -> Result<(Value, Answer), String> {
        let Way::Bot(token) = &self.access.way else {
            return Err("a webhook cannot read".to_owned());
        };
        let url = format!("{}{method}", self.access.api);
        let answer = match self.wire.get(&url, &token.header(), query, limit) {
            Sent::Answer(answer) => answer,
            Sent::Not(why) | Sent::Maybe(why) => return Err(why),
        };
        let json: Value = serde_json::from_str(&answer.body)
            .map_err(|_| format!("HTTP {} without JSON", answer.status))?;
        if json.get("ok").and_then(Value::as_bool) == Some(true) {
            return Ok((json, answer));
        }
        let code = json.get("error").and_then(Value::as_str);
        let code = code.unwrap_or("an answer without ok");
        Err(self.access.masker.mask(code))
    }

    // Before anything of it is shortened or kept: half a secret is not known for one.
    fn masked(&self, sent: Sent) -> Sent {
        match sent {
            Sent::Answer(answer) => Sent::Answer(Answer {
                body: self.access.masker.mask(&answer.body),
                ..answer
            }),
            other @ (Sent::Not(_) | Sent::Maybe(_)) => other,
        }
    }

    /// Looks for a message of ours. `remaining` tells how much time is left.
    pub(crate) fn find(
        &self,
        place: Where<'_>,
        remaining: &dyn Fn() -> Duration,
        wanted: &dyn Fn(&Value) -> bool,
    ) -> Found {
        let mut cursor = String::new();
        for _ in 0..MOST_PAGES {
            let limit = remaining();
            if limit.is_zero() {
                return Found::CannotTell("no time left to look".to_owned());
            }
            let mut query = vec![
                ("channel", place.channel),
                ("limit", PAGE),
                ("include_all_metadata", "true"),
            ];
            let method = match place.thread {
                Some(ts) => {
                    query.push(("ts", ts));
                    "conversations.replies"
                }
                None => "conversations.history",
            };
            if !cursor.is_empty() {
                query.push(("cursor", &cursor));
            }
            let (json, answer) = match self.read(method, &query, limit) {
                Ok(read) => read,
                Err(why) => return Found::CannotTell(why),
            };
            let Some(messages) = json.get("messages").and_then(Value::as_array) else {
                return Found::CannotTell("an answer without messages".to_owned());
            };
            if let Some(found) = messages.iter().find(|message| wanted(message)) {
                return Found::Yes(found.clone());
            }
            let next = json.pointer("/response_metadata/next_cursor");
            match next.and_then(Value::as_str).filter(|next| !next.is_empty()) {
                None => return Found::No,
                Some(_) if place.thread.is_none() && older_than(messages, place.age, &answer) => {
                    return Found::No;
                }
                Some(next) => next.clone_into(&mut cursor),
            }
        }
        Found::CannotTell("the channel has too many newer messages".to_owned())
    }
}

// History comes newest first: once a page ends before the message can have been posted, it is not there. By Slack's clock.
fn older_than(messages: &[Value], age: Option<Duration>, answer: &Answer) -> bool {
    let last = messages
        .last()
        .and_then(|message| message.get("ts")?.as_str()?.split('.').next()?.parse().ok())
        .map(Timestamp::from_seconds);
    let now = answer.date.as_deref().and_then(Timestamp::parse_http_date);
    match (last, now, age) {
        (Some(last), Some(now), Some(age)) => last < now - age - CLOCK_MARGIN,
        _ => false,
    }
}

fn read(sent: Sent, classify: impl FnOnce(&Answer) -> Verdict) -> Verdict {
    match sent {
        Sent::Answer(answer) => classify(&answer),
        Sent::Not(code) => Verdict::Transient { code },
        Sent::Maybe(code) => Verdict::Maybe { code },
    }
}
