//! What a channel holds and what a person would see of it.

use std::collections::{BTreeMap, BTreeSet};

use registry_core::clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A channel of the workspace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// `C0A9M9DPFUY`.
    pub id: String,
    /// Without the `#`.
    pub name: String,
    /// Nothing can be posted any more.
    #[serde(default)]
    pub is_archived: bool,
    /// The app is in it; without it posting gives `not_in_channel`.
    #[serde(default = "yes")]
    pub is_member: bool,
    /// Unknown to an app that is not in it.
    #[serde(default)]
    pub is_private: bool,
}

fn yes() -> bool {
    true
}

impl Channel {
    /// A public channel the app is in.
    #[must_use]
    pub fn new(id: &str, name: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            is_archived: false,
            is_member: true,
            is_private: false,
        }
    }
}

/// A message as it was posted, with what has become of it.
#[derive(Debug, Clone, Serialize)]
pub struct Message {
    /// Slack's own id of it within the channel: seconds and a counter.
    pub ts: String,
    /// The channel's id.
    pub channel: String,
    /// When it was posted, by the server's clock.
    pub posted_at: String,
    /// The `text` argument, as it is now.
    pub text: String,
    /// The `blocks` argument, as it is now.
    pub blocks: Vec<Value>,
    /// The root it answers to.
    pub thread_ts: Option<String>,
    /// Shown in the channel too.
    pub reply_broadcast: bool,
    /// The `metadata` argument.
    pub metadata: Option<Value>,
    /// The `client_msg_id` argument.
    pub client_msg_id: Option<String>,
    /// When it was last changed.
    pub edited_at: Option<String>,
    /// How often it was changed.
    pub edits: u32,
    /// Through the webhook.
    pub by_webhook: bool,
    /// Its `text` is mrkdwn, as it is unless told otherwise.
    pub mrkdwn: bool,
}

impl Message {
    /// What a person reads: the blocks where there are some, else the text.
    pub fn shown(&self) -> String {
        if self.blocks.is_empty() {
            return unescape(&self.text);
        }
        let parts: Vec<String> = self
            .blocks
            .iter()
            .map(block_text)
            .filter(|part| !part.is_empty())
            .collect();
        parts.join("\n")
    }
}

/// A block as text. A `markdown` block shows its source, which is what was written.
fn block_text(block: &Value) -> String {
    let text_of = |value: &Value| value["text"].as_str().map(unescape).unwrap_or_default();
    match block["type"].as_str().unwrap_or_default() {
        "markdown" => block["text"].as_str().map(unescape).unwrap_or_default(),
        "divider" => "────────".to_owned(),
        "section" => {
            let fields = block["fields"]
                .as_array()
                .into_iter()
                .flatten()
                .map(text_of);
            std::iter::once(text_of(&block["text"]))
                .chain(fields)
                .filter(|t| !t.is_empty())
                .collect::<Vec<_>>()
                .join("\n")
        }
        "context" => {
            let elements = block["elements"]
                .as_array()
                .into_iter()
                .flatten()
                .map(text_of);
            elements.collect::<Vec<_>>().join("  ")
        }
        _ => text_of(&block["text"]),
    }
}

/// Slack shows its three entities as the characters they stand for.
fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// The workspace: its channels, and all messages in the order they were posted.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    pub(super) channels: BTreeMap<String, Channel>,
    pub(super) messages: Vec<Message>,
    last_ts: BTreeMap<String, i64>,
}

impl Workspace {
    pub(super) fn channel_named(&self, id_or_name: &str) -> Option<&Channel> {
        let name = id_or_name.trim_start_matches('#');
        self.channels
            .get(id_or_name)
            .or_else(|| self.channels.values().find(|channel| channel.name == name))
    }

    /// A `ts` never given before in the channel: microseconds, counting on where the clock stands still or goes back.
    pub(super) fn next_ts(&mut self, channel: &str, now: Timestamp) -> String {
        let last = self.last_ts.entry(channel.to_owned()).or_default();
        *last = (now.millis() * 1000 + 100).max(*last + 1);
        format!("{}.{:06}", *last / 1_000_000, *last % 1_000_000)
    }

    pub(super) fn message(&mut self, channel: &str, ts: &str) -> Option<&mut Message> {
        self.messages
            .iter_mut()
            .find(|message| message.channel == channel && message.ts == ts)
    }

    pub(super) fn in_channel(&self, id: &str) -> impl DoubleEndedIterator<Item = &Message> {
        let id = id.to_owned();
        self.messages
            .iter()
            .filter(move |message| message.channel == id)
    }

    /// When the newest message of the channel was posted, in milliseconds.
    pub(super) fn last_posted_millis(&self, channel: &str) -> Option<i64> {
        self.last_ts.get(channel).map(|micros| micros / 1000)
    }

    /// `/_sim/slack/channels`.
    pub(super) fn json(&self) -> Value {
        let channels = self.channels.values().map(|channel| {
            let messages: Vec<Value> = self.in_channel(&channel.id).map(shown_json).collect();
            let duplicates = duplicates(&self.in_channel(&channel.id).collect::<Vec<_>>());
            json!({"id": channel.id, "name": channel.name, "messages": messages, "duplicates": duplicates})
        });
        channels.collect()
    }

    /// How often a message was posted again, all channels together.
    pub(super) fn duplicates(&self) -> Duplicates {
        duplicates(&self.messages.iter().collect::<Vec<_>>())
    }

    /// The channels as a person sees them.
    pub(super) fn text(&self) -> String {
        let mut page = String::new();
        for channel in self.channels.values() {
            let roots: Vec<&Message> = self
                .in_channel(&channel.id)
                .filter(|m| m.thread_ts.is_none())
                .collect();
            if roots.is_empty() {
                continue;
            }
            write_line(&mut page, &format!("#{} ({})", channel.name, channel.id));
            for message in self.in_channel(&channel.id) {
                if message.thread_ts.is_none() {
                    self.write_root(&mut page, message);
                } else if message.reply_broadcast {
                    write_message(&mut page, message, "  ", " (also in its thread)");
                }
            }
            page.push('\n');
        }
        page
    }

    fn write_root(&self, page: &mut String, root: &Message) {
        write_message(page, root, "  ", "");
        let replies = self
            .in_channel(&root.channel)
            .filter(|m| m.thread_ts.as_deref() == Some(&root.ts));
        for reply in replies {
            write_message(
                page,
                reply,
                "      | ",
                if reply.reply_broadcast {
                    " (also in the channel)"
                } else {
                    ""
                },
            );
        }
    }
}

fn shown_json(message: &Message) -> Value {
    let mut value = json!(message);
    value["shown"] = message.shown().into();
    value
}

fn write_line(page: &mut String, line: &str) {
    page.push_str(line);
    page.push('\n');
}

fn write_message(page: &mut String, message: &Message, indent: &str, note: &str) {
    let edited = if message.edits > 0 { " (edited)" } else { "" };
    let who = if message.by_webhook {
        "webhook"
    } else {
        "deploy-bot"
    };
    write_line(
        page,
        &format!("{indent}[{}] {who}{edited}{note}", message.posted_at),
    );
    for line in message.shown().lines() {
        write_line(page, format!("{indent}{line}").trim_end());
    }
    write_line(page, indent.trim_end());
}

/// How often a message was posted that had been posted already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Duplicates {
    /// With a `client_msg_id` that was there already.
    pub client_msg_id: usize,
    /// With the same `metadata`: the same `id` in its payload where it has one, else all of it the same.
    pub metadata: usize,
    /// With the same words in the same place.
    pub text: usize,
}

fn duplicates(messages: &[&Message]) -> Duplicates {
    let again = |key: &dyn Fn(&Message) -> Option<String>| {
        let keys: Vec<String> = messages.iter().filter_map(|message| key(message)).collect();
        keys.len() - keys.iter().collect::<BTreeSet<_>>().len()
    };
    let place = |message: &Message| format!("{}/{:?}", message.channel, message.thread_ts);
    Duplicates {
        client_msg_id: again(&|message| message.client_msg_id.clone()),
        metadata: again(&|message| {
            message
                .metadata
                .as_ref()
                .map(|it| format!("{}/{}", message.channel, identity(it)))
        }),
        text: again(&|message| Some(format!("{}/{}", place(message), message.shown()))),
    }
}

fn identity(metadata: &Value) -> String {
    let payload = &metadata["event_payload"];
    let id = ["id", "message_id"]
        .iter()
        .find_map(|name| payload.get(*name));
    format!("{}/{}", metadata["event_type"], id.unwrap_or(payload))
}
