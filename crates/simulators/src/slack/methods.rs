//! The methods of the Web API and the webhook, as Slack answers them when nothing is wrong with it.

use registry_core::clock::Timestamp;
use serde_json::{Value, json};

use super::channel::{Channel, Message, Workspace};
use super::validate::{self, Complaint};

/// The app's user in the workspace.
const BOT: &str = "U0SIMBOT00";
const TEAM: &str = "T0SIMULATE";

/// What is asked, of which workspace, when.
pub(super) struct Call<'a> {
    pub(super) arguments: &'a Value,
    pub(super) now: Timestamp,
    /// One message per second and channel, as Slack documents; off unless asked for.
    pub(super) one_per_second: bool,
    /// A known `client_msg_id` gives back the message that was posted with it instead of posting again.
    pub(super) dedupe: bool,
}

/// An answer, or Slack's `error` with words.
type Outcome = Result<Value, Complaint>;

fn no<T>(code: &'static str) -> Result<T, Complaint> {
    Err((code, String::new()))
}

impl Call<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.arguments[name]
            .as_str()
            .filter(|text| !text.is_empty())
    }

    fn is_true(&self, name: &str) -> bool {
        self.arguments[name] == true || matches!(self.arguments[name].as_str(), Some("true" | "1"))
    }

    fn number(&self, name: &str) -> Option<u64> {
        let value = &self.arguments[name];
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    }
}

/// The methods this workspace knows.
pub(super) fn method(workspace: &mut Workspace, name: &str, call: &Call<'_>) -> Outcome {
    match name {
        "auth.test" => Ok(
            json!({"ok": true, "url": "https://simulated.slack.com/", "team": "Simulated", "user": "deploy-bot",
            "team_id": TEAM, "user_id": BOT, "bot_id": "B0SIMBOT00", "is_enterprise_install": false}),
        ),
        "api.test" => Ok(json!({"ok": true})),
        "chat.postMessage" => post(workspace, call),
        "chat.update" => update(workspace, call),
        "conversations.info" => info(workspace, call),
        "conversations.history" => history(workspace, call),
        "conversations.replies" => replies(workspace, call),
        _ => no("unknown_method"),
    }
}

fn channel(workspace: &Workspace, call: &Call<'_>) -> Result<Channel, Complaint> {
    let Some(channel) = call
        .text("channel")
        .and_then(|id| workspace.channel_named(id))
    else {
        return no("channel_not_found");
    };
    if channel.is_private && !channel.is_member {
        no("channel_not_found")
    } else {
        Ok(channel.clone())
    }
}

fn open_channel(workspace: &Workspace, call: &Call<'_>) -> Result<Channel, Complaint> {
    let channel = channel(workspace, call)?;
    match channel {
        _ if channel.is_archived => no("is_archived"),
        _ if !channel.is_member => no("not_in_channel"),
        _ => Ok(channel),
    }
}

fn post(workspace: &mut Workspace, call: &Call<'_>) -> Outcome {
    let channel = open_channel(workspace, call)?;
    let blocks = validate::blocks(call.arguments)?;
    validate::attachments(call.arguments)?;
    let text = validate::text(call.arguments, &blocks, false)?;
    let metadata = validate::metadata(call.arguments)?;
    let thread_ts = call.text("thread_ts").map(str::to_owned);
    if let Some(root) = &thread_ts
        && workspace
            .message(&channel.id, root)
            .is_none_or(|message| message.thread_ts.is_some())
    {
        return no("cannot_reply_to_message");
    }
    let client_msg_id = call.text("client_msg_id").map(str::to_owned);
    if call.dedupe && client_msg_id.is_some() {
        let known = workspace
            .in_channel(&channel.id)
            .find(|message| message.client_msg_id == client_msg_id);
        if let Some(known) = known {
            return Ok(posted(known));
        }
    }
    if call.one_per_second && too_soon(workspace, &channel.id, call.now) {
        return no("ratelimited");
    }
    let message = Message {
        ts: workspace.next_ts(&channel.id, call.now),
        channel: channel.id,
        posted_at: call.now.rfc3339_millis(),
        text,
        blocks,
        thread_ts,
        reply_broadcast: call.is_true("reply_broadcast"),
        metadata,
        client_msg_id,
        edited_at: None,
        edits: 0,
        by_webhook: false,
        mrkdwn: call.arguments["mrkdwn"] != false,
    };
    let answer = posted(&message);
    workspace.messages.push(message);
    Ok(answer)
}

fn too_soon(workspace: &Workspace, channel: &str, now: Timestamp) -> bool {
    workspace
        .last_posted_millis(channel)
        .is_some_and(|last| (0..1000).contains(&(now.millis() - last)))
}

fn posted(message: &Message) -> Value {
    json!({"ok": true, "channel": message.channel, "ts": message.ts, "message": wire(message, true)})
}

/// A message as the API gives it back. Slack keeps what it translated a `markdown` block into, not the block.
fn wire(message: &Message, with_metadata: bool) -> Value {
    let blocks: Vec<Value> = message
        .blocks
        .iter()
        .enumerate()
        .map(stored_block)
        .collect();
    let mut value = json!({"type": "message", "user": BOT, "bot_id": "B0SIMBOT00", "app_id": "A0SIMAPP00", "team": TEAM,
        "ts": message.ts, "text": message.text, "blocks": blocks});
    if let Some(root) = &message.thread_ts {
        value["thread_ts"] = root.as_str().into();
    }
    if message.reply_broadcast {
        value["subtype"] = "thread_broadcast".into();
    }
    if message.edited_at.is_some() {
        value["edited"] = json!({"user": BOT, "ts": message.ts});
    }
    if let Some(metadata) = message.metadata.as_ref().filter(|_| with_metadata) {
        value["metadata"] = metadata.clone();
    }
    if let Some(id) = &message.client_msg_id {
        value["client_msg_id"] = id.as_str().into();
    }
    value
}

fn stored_block((index, block): (usize, &Value)) -> Value {
    let mut stored = if block["type"] == "markdown" {
        let text = json!({"type": "text", "text": block["text"]});
        json!({"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [text]}]})
    } else {
        block.clone()
    };
    if stored["block_id"].is_null() {
        stored["block_id"] = format!("b{index}").into();
    }
    stored
}

fn update(workspace: &mut Workspace, call: &Call<'_>) -> Outcome {
    let channel = open_channel(workspace, call)?;
    let blocks = validate::blocks(call.arguments)?;
    let text = validate::text(call.arguments, &blocks, true)?;
    let metadata = validate::metadata(call.arguments)?;
    let Some(message) = call
        .text("ts")
        .and_then(|ts| workspace.message(&channel.id, ts))
    else {
        return no("message_not_found");
    };
    if message.by_webhook {
        return no("cant_update_message");
    }
    let is_rich = |block: &Value| block["type"] == "markdown" || block["type"] == "rich_text";
    if !blocks.is_empty() && message.blocks.iter().any(is_rich) && !blocks.iter().any(is_rich) {
        return no("block_mismatch");
    }
    (message.text, message.blocks) = (text, blocks);
    message.metadata = metadata.or(message.metadata.take());
    message.edited_at = Some(call.now.rfc3339_millis());
    message.edits += 1;
    Ok(
        json!({"ok": true, "channel": channel.id, "ts": message.ts, "text": message.text, "message": wire(message, true)}),
    )
}

fn info(workspace: &Workspace, call: &Call<'_>) -> Outcome {
    let channel = channel(workspace, call)?;
    Ok(
        json!({"ok": true, "channel": {"id": channel.id, "name": channel.name, "is_channel": true,
        "is_archived": channel.is_archived, "is_member": channel.is_member, "is_private": channel.is_private}}),
    )
}

/// Newest first. Replies in threads are not there unless they were broadcast.
fn history(workspace: &Workspace, call: &Call<'_>) -> Outcome {
    let channel = channel(workspace, call)?;
    if !channel.is_member {
        return no("not_in_channel");
    }
    let shown = workspace
        .in_channel(&channel.id)
        .rev()
        .filter(|m| m.thread_ts.is_none() || m.reply_broadcast);
    Ok(page(shown, call))
}

/// The root and its replies, oldest first.
fn replies(workspace: &Workspace, call: &Call<'_>) -> Outcome {
    let channel = channel(workspace, call)?;
    let Some(root) = call.text("ts") else {
        return no("thread_not_found");
    };
    let in_thread =
        |message: &&Message| message.ts == root || message.thread_ts.as_deref() == Some(root);
    if !workspace
        .in_channel(&channel.id)
        .any(|message| message.ts == root)
    {
        return no("thread_not_found");
    }
    Ok(page(
        workspace.in_channel(&channel.id).filter(in_thread),
        call,
    ))
}

const CURSOR: &str = "next:";

fn page<'a>(messages: impl Iterator<Item = &'a Message>, call: &Call<'_>) -> Value {
    let (oldest, latest, inclusive) = (
        call.text("oldest"),
        call.text("latest"),
        call.is_true("inclusive"),
    );
    let bound = |text: Option<&str>| text.and_then(micros);
    let (oldest, latest) = (bound(oldest), bound(latest));
    let within = |message: &&Message| {
        let at = micros(&message.ts).unwrap_or(0);
        let after = oldest.is_none_or(|bound| at > bound || (inclusive && at == bound));
        after && latest.is_none_or(|bound| at < bound || (inclusive && at == bound))
    };
    let limit = call.number("limit").unwrap_or(100).clamp(1, 999) as usize;
    let skip = call
        .text("cursor")
        .and_then(|cursor| cursor.strip_prefix(CURSOR)?.parse().ok())
        .unwrap_or(0);
    let all: Vec<&Message> = messages.filter(within).collect();
    let with_metadata = call.is_true("include_all_metadata");
    let shown: Vec<Value> = all
        .iter()
        .skip(skip)
        .take(limit)
        .map(|message| wire(message, with_metadata))
        .collect();
    let next = skip + limit;
    let has_more = next < all.len();
    let mut answer = json!({"ok": true, "messages": shown, "has_more": has_more});
    if has_more {
        answer["response_metadata"] = json!({"next_cursor": format!("{CURSOR}{next}")});
    }
    answer
}

/// `1700000000.000100` in microseconds; as text, numbers of different length would not compare.
fn micros(ts: &str) -> Option<i64> {
    let (seconds, fraction) = ts.split_once('.').unwrap_or((ts, "0"));
    let fraction: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    seconds
        .parse::<i64>()
        .ok()?
        .checked_mul(1_000_000)?
        .checked_add(fraction)
}

/// The incoming webhook: its channel is fixed, what it answers is plain text. `Err`: status and body.
pub(super) fn webhook(
    workspace: &mut Workspace,
    call: &Call<'_>,
    channel: &str,
) -> Result<(), (u16, String)> {
    let to_webhook = |(code, _): Complaint| (400, code.to_owned());
    match workspace.channels.get(channel) {
        None => return Err((404, "channel_not_found".to_owned())),
        Some(channel) if channel.is_archived => {
            return Err((410, "channel_is_archived".to_owned()));
        }
        Some(_) => {}
    }
    if !call.arguments.is_object() {
        return Err((400, "invalid_payload".to_owned()));
    }
    let blocks = validate::blocks(call.arguments).map_err(to_webhook)?;
    validate::attachments(call.arguments).map_err(to_webhook)?;
    let text = validate::text(call.arguments, &blocks, false).map_err(to_webhook)?;
    let metadata = validate::metadata(call.arguments).map_err(to_webhook)?;
    if call.one_per_second && too_soon(workspace, channel, call.now) {
        return Err((429, "rate_limited".to_owned()));
    }
    let message = Message {
        ts: workspace.next_ts(channel, call.now),
        channel: channel.to_owned(),
        posted_at: call.now.rfc3339_millis(),
        text,
        blocks,
        thread_ts: call.text("thread_ts").map(str::to_owned),
        reply_broadcast: call.is_true("reply_broadcast"),
        metadata,
        client_msg_id: None,
        edited_at: None,
        edits: 0,
        by_webhook: true,
        mrkdwn: call.arguments["mrkdwn"] != false,
    };
    workspace.messages.push(message);
    Ok(())
}
