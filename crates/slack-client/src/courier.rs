//! Carries one message to Slack: its thread, its forms, what became of it.

use std::sync::Arc;
use std::time::Duration;

use registry_core::clock::{Clock, Timestamp};
use registry_core::notification::{Kind, Notification};
use serde_json::{Map, Value, json};

use crate::access::{Access, Unusable};
use crate::classify::{Scope, Verdict};
use crate::deadline::Deadline;
use crate::fixes;
use crate::ladder::{Rung, content};
use crate::message::{Circumstances, state_line};
use crate::spool::Entry;
use crate::threads::{Root, Threads};
use crate::web::{Found, Web, Where};

/// What became of one send.
#[derive(Debug)]
pub(crate) struct Tried {
    pub(crate) verdict: Verdict,
    /// The form that was sent last.
    pub(crate) rung: Rung,
    /// Codes of the forms that Slack refused.
    pub(crate) refused: Vec<String>,
}

/// What is known of a send whose answer was lost.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// It arrived.
    Arrived { ts: Option<String> },
    /// It did not.
    Not,
    /// It is not there, but was sent so short ago that it may still come.
    TooSoon,
    /// Nobody can tell. Why, in words.
    CannotTell(String),
}

/// Carries messages.
pub(crate) struct Courier {
    web: Result<Web, Unusable>,
    threads: Threads,
    clock: Arc<dyn Clock>,
    /// For one request.
    limit: Duration,
}

/// The type of our messages' metadata.
const EVENT_TYPE: &str = "deployment_notification";
/// Later than this is told.
const LATE: Duration = Duration::from_secs(60);
/// Arguments longer than this are not worth repeating in the metadata of a root.
const LONGEST_ARGS: usize = 2_000;

impl Courier {
    /// `limit` is for a whole call; a request gets two fifths of it, so that a second one has a chance.
    pub(crate) fn new(
        access: Result<Access, Unusable>,
        threads: Threads,
        clock: Arc<dyn Clock>,
        limit: Duration,
    ) -> Self {
        Self {
            web: access.and_then(Web::new),
            threads,
            clock,
            limit: limit * 2 / 5,
        }
    }

    pub(crate) fn web(&self) -> Result<&Web, &Unusable> {
        self.web.as_ref()
    }

    /// Whether messages go through a webhook: its channel is fixed.
    pub(crate) fn is_webhook(&self) -> bool {
        self.web.as_ref().is_ok_and(Web::is_webhook)
    }

    fn limit(&self, deadline: &Deadline) -> Duration {
        self.limit.min(deadline.remaining())
    }

    /// What to do about a setting Slack refuses.
    pub(crate) fn fix(&self, code: &str, needed: Option<&str>, channel: &str) -> String {
        match &self.web {
            Err(unusable) => unusable.fix.clone(),
            Ok(web) => fixes::fix(code, channel, needed, web.is_webhook()),
        }
    }

    /// The root under which a message goes; looks for it in the channel where this machine does not know it.
    pub(crate) fn root_of(&self, entry: &Entry, deadline: &Deadline) -> Option<Root> {
        let web = self.web.as_ref().ok().filter(|web| !web.is_webhook())?;
        let id = entry.deployment()?;
        let starts = entry.notification.kind() == Kind::Started;
        if let Some(root) = self.threads.load(id) {
            // The start message is the root, also when the deployment was queued before.
            let superseded = starts && root.kind() != Some(Kind::Started);
            return (root.channel == entry.channel && !superseded).then_some(root);
        }
        if starts {
            return None;
        }
        let place = Where {
            channel: &entry.channel,
            thread: None,
            age: None,
        };
        let limit = self.limit(deadline);
        let search = Deadline::after(&self.clock, limit);
        let is_root = |message: &Value| {
            payload(message, "correlation_id") == Some(id)
                && message
                    .get("thread_ts")
                    .is_none_or(|thread| Some(thread) == message.get("ts"))
        };
        let Found::Yes(message) = web.find(place, &|| search.remaining(), &is_root) else {
            return None;
        };
        let root = root_from(&message, &entry.channel)?;
        self.threads.save(&root);
        Some(root)
    }

    /// Whether a message whose answer was lost has arrived.
    pub(crate) fn settle(
        &self,
        entry: &Entry,
        since: Timestamp,
        thread: Option<&str>,
        deadline: &Deadline,
    ) -> Settled {
        let web = match &self.web {
            Ok(web) if web.is_webhook() => {
                return Settled::CannotTell("a webhook cannot look".to_owned());
            }
            Ok(web) => web,
            Err(unusable) => return Settled::CannotTell(unusable.reason.clone()),
        };
        let now = self.clock.now();
        let place = Where {
            channel: &entry.channel,
            thread,
            age: (now >= since).then(|| now.since(since)),
        };
        let search = Deadline::after(&self.clock, self.limit(deadline));
        let wanted =
            |message: &Value| payload(message, "message_id") == Some(entry.message_id.as_str());
        match web.find(place, &|| search.remaining(), &wanted) {
            Found::Yes(message) => Settled::Arrived {
                ts: text(&message, "ts").map(str::to_owned),
            },
            Found::No => Settled::Not,
            Found::CannotTell(why) => Settled::CannotTell(why),
        }
    }

    /// Sends a message, down the ladder of forms as far as Slack makes it go.
    pub(crate) fn send(&self, entry: &Entry, root: Option<&Root>, deadline: &Deadline) -> Tried {
        let no_time = || Verdict::Transient {
            code: "no time left".to_owned(),
        };
        let mut tried = Tried {
            verdict: no_time(),
            rung: Rung::Markdown,
            refused: Vec::new(),
        };
        let web = match &self.web {
            Ok(web) => web,
            Err(unusable) => {
                tried.verdict = Verdict::Configuration {
                    code: unusable.reason.clone(),
                    scope: Scope::Everything,
                    needed: None,
                };
                return tried;
            }
        };
        let circumstances = self.circumstances(entry);
        let mut with_metadata = true;
        loop {
            let limit = self.limit(deadline);
            if limit.is_zero() {
                // Not every form was refused: the rest is tried another time.
                tried.verdict = no_time();
                return tried;
            }
            let pointer = format!(
                "The whole text: slack-retry-queue show {}",
                entry.message_id
            );
            let mut body = content(tried.rung, &entry.notification, &circumstances, &pointer);
            if !web.is_webhook() {
                address(&mut body, entry, root);
                if with_metadata {
                    body.insert("metadata".to_owned(), metadata(entry));
                }
            }
            tried.verdict = web.post(&body, limit, self.clock.now());
            let Verdict::Payload { code } = &tried.verdict else {
                return tried;
            };
            tried.refused.push(format!("{}: {code}", tried.rung.word()));
            if with_metadata && code.contains("metadata") {
                with_metadata = false;
                continue;
            }
            match tried.rung.below() {
                Some(plainer) => tried.rung = plainer,
                None => return tried,
            }
        }
    }

    fn circumstances(&self, entry: &Entry) -> Circumstances {
        let late = self.clock.now().since(entry.happened_at);
        Circumstances {
            at: entry.happened_at,
            console_url: entry.console_url.clone(),
            late: (late > LATE).then_some(late),
            may_be_a_repeat: entry.maybe_repeated > 0,
            state: None,
        }
    }

    /// After a message was found in the channel or in `thread`.
    pub(crate) fn found(
        &self,
        entry: &Entry,
        thread: Option<&str>,
        ts: Option<&str>,
        deadline: &Deadline,
    ) {
        let known = entry.deployment().and_then(|id| self.threads.load(id));
        let root = known.filter(|root| thread == Some(root.ts.as_str()));
        if thread.is_some() == root.is_some() {
            self.delivered(entry, root, None, Rung::Markdown, ts, deadline);
        }
    }

    /// After a message arrived in the form `rung`: it becomes the root, or the root shows the new state.
    pub(crate) fn delivered(
        &self,
        entry: &Entry,
        root: Option<Root>,
        channel: Option<String>,
        rung: Rung,
        ts: Option<&str>,
        deadline: &Deadline,
    ) {
        let before = if root.is_some() {
            root
        } else {
            let earlier = entry.deployment().and_then(|id| self.threads.load(id));
            let channel = channel.unwrap_or_else(|| entry.channel.clone());
            self.becomes_root(entry, channel, rung, ts);
            // A queued message that was the root until now says that its deployment runs.
            earlier.filter(|earlier| earlier.channel == entry.channel)
        };
        if let Some(before) = before {
            self.show_state(before, entry, deadline);
        }
    }

    fn becomes_root(&self, entry: &Entry, channel_id: String, rung: Rung, ts: Option<&str>) {
        let (Some(id), Some(ts)) = (entry.deployment(), ts) else {
            return;
        };
        let known = self.threads.load(id);
        let starts = entry.notification.kind() == Kind::Started;
        // A message that was sent to another channel on purpose does not take the thread along.
        if known.is_some_and(|known| known.channel != entry.channel && !starts) {
            return;
        }
        self.threads.save(&Root {
            correlation_id: id.to_owned(),
            channel: entry.channel.clone(),
            channel_id,
            ts: ts.to_owned(),
            message_id: entry.message_id.clone(),
            notification_type: entry.notification.kind().word().to_owned(),
            args: entry.notification.words().args,
            at: entry.happened_at.rfc3339_millis(),
            state_at: entry.happened_at.millis(),
            editable: is_start_or_queue(entry.notification.kind()),
            form: rung.word().to_owned(),
        });
    }

    /// A thread that cannot be replied to is over.
    pub(crate) fn thread_is_lost(&self, entry: &Entry) {
        if let Some(id) = entry.deployment() {
            self.threads.forget(id);
        }
    }

    // Edits the root. Whatever goes wrong here, the message itself has arrived.
    fn show_state(&self, mut root: Root, latest: &Entry, deadline: &Deadline) {
        let at = latest.happened_at;
        let Some(state) = state_line(&latest.notification, at) else {
            return;
        };
        let limit = self.limit(deadline);
        let Ok(web) = &self.web else { return };
        if !root.editable || at.millis() < root.state_at || limit.is_zero() {
            return;
        }
        let Some((notification, happened_at)) = root.notification() else {
            return;
        };
        let circumstances = Circumstances {
            at: happened_at,
            state: Some(state),
            ..Circumstances::default()
        };
        let is_current = self
            .threads
            .load(&root.correlation_id)
            .is_some_and(|known| known.ts == root.ts);
        // In the form that Slack took the message in; where that is not known, down the ladder as when it was sent.
        let mut form = Rung::named(&root.form).unwrap_or(Rung::Markdown);
        let verdict = loop {
            let body = changed(&root, form, &notification, &circumstances);
            match (web.update(&body, limit, self.clock.now()), form.below()) {
                (Verdict::Payload { .. }, Some(plainer)) if plainer != Rung::Truncated => {
                    form = plainer;
                }
                (verdict, _) => break verdict,
            }
        };
        match verdict {
            Verdict::Delivered { .. } => {
                root.state_at = at.millis();
                form.word().clone_into(&mut root.form);
            }
            Verdict::LostTarget { code } if code == "message_not_found" => {
                if is_current {
                    self.threads.forget(&root.correlation_id);
                }
                return;
            }
            // It can still be replied to.
            Verdict::LostTarget { .. } => root.editable = false,
            Verdict::Throttled { .. }
            | Verdict::Transient { .. }
            | Verdict::Maybe { .. }
            | Verdict::LongTransient { .. }
            | Verdict::Configuration { .. }
            | Verdict::Payload { .. }
            | Verdict::Unknown { .. } => return,
        }
        if is_current {
            self.threads.save(&root);
        }
    }
}

// The root's new text, as `chat.update` takes it.
fn changed(
    root: &Root,
    form: Rung,
    notification: &Notification,
    circumstances: &Circumstances,
) -> Map<String, Value> {
    let mut body = content(form, notification, circumstances, "");
    for setting in ["unfurl_links", "unfurl_media"] {
        body.shift_remove(setting);
    }
    body.insert("channel".to_owned(), root.channel_id.clone().into());
    body.insert("ts".to_owned(), root.ts.clone().into());
    body
}

fn is_start_or_queue(kind: Kind) -> bool {
    matches!(kind, Kind::Started | Kind::Queued)
}

fn address(body: &mut Map<String, Value>, entry: &Entry, root: Option<&Root>) {
    match root {
        Some(root) => {
            body.insert("channel".to_owned(), root.channel_id.clone().into());
            body.insert("thread_ts".to_owned(), root.ts.clone().into());
            if entry.notification.kind().broadcasts() {
                body.insert("reply_broadcast".to_owned(), true.into());
            }
        }
        None => {
            body.insert("channel".to_owned(), entry.channel.clone().into());
        }
    }
}

// By this the message is found again: by its own id where an answer was lost, by the deployment's where a root is looked for.
fn metadata(entry: &Entry) -> Value {
    let kind = entry.notification.kind();
    let mut payload = json!({
        "message_id": entry.message_id,
        "kind": kind.word(),
        "at": entry.happened_at.rfc3339_millis(),
    });
    if let Some(id) = entry.deployment() {
        payload["correlation_id"] = id.into();
    }
    if is_start_or_queue(kind) {
        let args = json!(entry.notification.words().args).to_string();
        if args.len() <= LONGEST_ARGS {
            payload["args"] = args.into();
        }
    }
    json!({"event_type": EVENT_TYPE, "event_payload": payload})
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

fn payload<'a>(message: &'a Value, name: &str) -> Option<&'a str> {
    let metadata = message.get("metadata")?;
    if text(metadata, "event_type")? != EVENT_TYPE {
        return None;
    }
    text(metadata.get("event_payload")?, name)
}

fn root_from(message: &Value, channel: &str) -> Option<Root> {
    let args: Option<Vec<String>> =
        payload(message, "args").and_then(|args| serde_json::from_str(args).ok());
    let kind = payload(message, "kind")?;
    Some(Root {
        correlation_id: payload(message, "correlation_id")?.to_owned(),
        channel: channel.to_owned(),
        channel_id: channel.to_owned(),
        ts: text(message, "ts")?.to_owned(),
        message_id: payload(message, "message_id")?.to_owned(),
        notification_type: kind.to_owned(),
        form: String::new(),
        editable: args.is_some() && Kind::parse(kind).is_some_and(is_start_or_queue),
        args: args.unwrap_or_default(),
        at: payload(message, "at")?.to_owned(),
        state_at: 0,
    })
}
