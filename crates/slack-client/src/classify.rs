//! What an answer of Slack means: a table, matched exactly, and nothing else.
//!
//! Sources: Slack's `chat.postMessage`, `chat.update` and incoming-webhook documentation, slack-api-ref's list of error
//! strings, and its changelog of 2016-05-17 for the webhooks' statuses.

use std::time::Duration;

use registry_core::clock::Timestamp;
use registry_core::text::{one_line, shorten};
use serde_json::Value;

/// What to do about an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Slack has the message.
    Delivered {
        /// The channel's id as Slack names it; `None` from a webhook.
        channel: Option<String>,
        /// The message's timestamp, which is its id; `None` from a webhook.
        ts: Option<String>,
    },
    /// Not posted; nothing may be sent to the channel for so long. Costs no attempt.
    Throttled {
        /// How long.
        retry_after: Duration,
    },
    /// Certainly not posted; try again.
    Transient {
        /// Slack's code or what happened, in words.
        code: String,
    },
    /// Perhaps posted: look before sending again.
    Maybe {
        /// Slack's code or what happened, in words.
        code: String,
    },
    /// Not posted and not soon: try again after minutes, at no cost.
    LongTransient {
        /// Slack's code.
        code: String,
    },
    /// Not posted; a person must change a setting.
    Configuration {
        /// Slack's code or what happened, in words.
        code: String,
        /// Whether it concerns the channel or everything that is sent.
        scope: Scope,
        /// The scope Slack says is needed, where it does.
        needed: Option<String>,
    },
    /// Not posted; the same content will never be. A plainer form may.
    Payload {
        /// Slack's code.
        code: String,
    },
    /// Not posted; the message it answers or changes cannot be answered or changed: post a new one.
    LostTarget {
        /// Slack's code.
        code: String,
    },
    /// Not posted; a code that is not in the tables.
    Unknown {
        /// The code, and the beginning of the answer.
        code: String,
    },
}

/// What a wrong setting concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// This channel only.
    Channel,
    /// Every message.
    Everything,
}

/// An HTTP answer, as far as it matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<String>,
    /// The header `Date`.
    pub date: Option<String>,
    /// The header `X-OAuth-Scopes`: what the token may do.
    pub scopes: Option<String>,
    /// The body.
    pub body: String,
}

#[derive(Debug, Clone, Copy)]
enum Class {
    Throttled,
    Transient,
    Ambiguous,
    LongTransient,
    Token,
    Channel,
    Payload,
    LostTarget,
}

const WEB_API: &[(Class, &[&str])] = &[
    (Class::Throttled, &["ratelimited", "rate_limited"]),
    (
        Class::Transient,
        &["service_unavailable", "request_timeout"],
    ),
    // Both of the first two are documented with "some aspect of the operation may have succeeded".
    (
        Class::Ambiguous,
        &[
            "internal_error",
            "fatal_error",
            "duplicate_message_not_found",
            "duplicate_channel_not_found",
        ],
    ),
    (
        Class::LongTransient,
        &[
            "team_added_to_org",
            "org_login_required",
            "message_limit_exceeded",
            "external_channel_migrating",
            "streaming_state_conflict",
            "update_failed",
        ],
    ),
    (
        Class::Token,
        &[
            "not_authed",
            "invalid_auth",
            "account_inactive",
            "token_revoked",
            "token_expired",
            "not_allowed_token_type",
            "two_factor_setup_required",
            "is_bot",
            "missing_scope",
            "no_permission",
            "access_denied",
            "accesslimited",
            "ekm_access_denied",
            "enterprise_is_restricted",
            "app_access_restricted",
            "team_access_not_granted",
            "as_user_not_supported",
            "send_on_behalf_not_allowed",
            "team_not_found",
            "unknown_method",
            "deprecated_endpoint",
            "method_deprecated",
        ],
    ),
    (
        Class::Channel,
        &[
            "channel_not_found",
            "not_in_channel",
            "is_archived",
            "restricted_action",
            "restricted_action_read_only_channel",
            "restricted_action_thread_only_channel",
            "messages_tab_disabled",
            "slack_connect_canvas_sharing_blocked",
            "slack_connect_file_link_sharing_blocked",
            "slack_connect_lists_sharing_blocked",
            "slack_connect_file_upload_sharing_blocked",
            "slack_connect_blocked_file_type",
        ],
    ),
    (
        Class::Payload,
        &[
            "msg_too_long",
            "msg_blocks_too_long",
            "markdown_text_too_long",
            "invalid_blocks",
            "invalid_blocks_format",
            "markdown_text_conflict",
            "too_many_attachments",
            "attachment_payload_limit_exceeded",
            "metadata_too_large",
            "invalid_metadata_format",
            "invalid_metadata_schema",
            "metadata_must_be_sent_from_app",
            "no_text",
            "too_many_contact_cards",
            "missing_file_data",
            "invalid_arguments",
            "invalid_arg_name",
            "invalid_array_arg",
            "invalid_charset",
            "invalid_form_data",
            "invalid_post_type",
            "missing_post_type",
        ],
    ),
    (
        Class::LostTarget,
        &[
            "message_not_found",
            "cant_update_message",
            "edit_window_closed",
            "is_inactive",
            "block_mismatch",
            "cannot_reply_to_message",
            "thread_not_found",
            "restricted_action_thread_locked",
            "restricted_action_non_threadable_channel",
        ],
    ),
];

const WEBHOOK: &[(Class, &[&str])] = &[
    (
        Class::Payload,
        &[
            "invalid_payload",
            "no_text",
            "too_many_attachments",
            "user_not_found",
            "invalid_blocks",
            "invalid_blocks_format",
        ],
    ),
    (
        Class::Token,
        &[
            "action_prohibited",
            "invalid_token",
            "team_disabled",
            "no_service",
            "no_active_hooks",
            "no_service_id",
            "no_team",
            // A webhook has one channel, so what is wrong with the channel is wrong with the webhook.
            "posting_to_general_channel_denied",
            "channel_not_found",
            "channel_is_archived",
        ],
    ),
    (Class::Ambiguous, &["rollup_error"]),
    (Class::Throttled, &["ratelimited", "rate_limited"]),
];

fn class_of(table: &[(Class, &[&str])], code: &str) -> Option<Class> {
    table
        .iter()
        .find(|(_, codes)| codes.contains(&code))
        .map(|(class, _)| *class)
}

/// Reads an answer of the Web API. `now` is for a `Retry-After` that is a date where the answer has no `Date`.
#[must_use]
pub fn web_api(answer: &Answer, now: Timestamp) -> Verdict {
    let json: Option<Value> = serde_json::from_str(&answer.body).ok();
    let field = |name: &str| {
        json.as_ref()
            .and_then(|json| json.get(name))
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    let ok = json
        .as_ref()
        .and_then(|json| json.get("ok"))
        .and_then(Value::as_bool);
    match (ok, field("error")) {
        (Some(false), Some(code)) => match class_of(WEB_API, &code) {
            Some(class) => verdict(class, code, field("needed"), answer, json.as_ref(), now),
            // The status knows what the code does not say.
            None if answer.status == 429 || answer.status >= 500 => by_status(answer, &code, now),
            None => Verdict::Unknown {
                code: format!("{} ({})", safe(&code), beginning(&answer.body)),
            },
        },
        (Some(true), _) if answer.status == 200 => match field("ts") {
            Some(ts) => Verdict::Delivered {
                channel: field("channel"),
                ts: Some(ts),
            },
            None => Verdict::Maybe {
                code: "an answer with ok but without the message's ts".to_owned(),
            },
        },
        (Some(_) | None, _) => by_status(answer, "", now),
    }
}

/// Reads an answer of an incoming webhook: its body's text first, then the status.
#[must_use]
pub fn webhook(answer: &Answer, now: Timestamp) -> Verdict {
    if answer.status == 200 && answer.body == "ok" {
        return Verdict::Delivered {
            channel: None,
            ts: None,
        };
    }
    let json: Option<Value> = serde_json::from_str(&answer.body).ok();
    let json_code = json
        .as_ref()
        .and_then(|json| json.get("error"))
        .and_then(Value::as_str);
    let code = json_code.unwrap_or(answer.body.trim()).to_owned();
    if answer.status != 200
        && let Some(class) = class_of(WEBHOOK, &code)
    {
        return verdict(class, code, None, answer, json.as_ref(), now);
    }
    by_status(answer, "", now)
}

fn verdict(
    class: Class,
    code: String,
    needed: Option<String>,
    answer: &Answer,
    json: Option<&Value>,
    now: Timestamp,
) -> Verdict {
    match class {
        Class::Throttled => Verdict::Throttled {
            retry_after: retry_after(answer, json, now),
        },
        Class::Transient => Verdict::Transient { code },
        Class::Ambiguous => Verdict::Maybe { code },
        Class::LongTransient => Verdict::LongTransient { code },
        Class::Token => Verdict::Configuration {
            code,
            scope: Scope::Everything,
            needed: needed.map(|needed| safe(&needed)),
        },
        Class::Channel => Verdict::Configuration {
            code,
            scope: Scope::Channel,
            needed: None,
        },
        Class::Payload => Verdict::Payload { code },
        Class::LostTarget => Verdict::LostTarget { code },
    }
}

// The answer is not Slack's, or has no code we could read: only its HTTP status can tell.
fn by_status(answer: &Answer, code: &str, now: Timestamp) -> Verdict {
    let described = || {
        let body = if code.is_empty() {
            beginning(&answer.body)
        } else {
            safe(code)
        };
        format!("HTTP {}: {body}", answer.status)
    };
    match answer.status {
        429 => Verdict::Throttled {
            retry_after: retry_after(answer, None, now),
        },
        300..=399 => Verdict::Configuration {
            code: format!("HTTP {}", answer.status),
            scope: Scope::Everything,
            needed: None,
        },
        401 | 403 | 404 | 405 | 407 | 410 => Verdict::Configuration {
            code: described(),
            scope: Scope::Everything,
            needed: None,
        },
        408 | 425 => Verdict::Transient { code: described() },
        413 => Verdict::Payload { code: described() },
        200..=299 | 500..=599 => Verdict::Maybe { code: described() },
        _ => Verdict::Unknown { code: described() },
    }
}

/// Slack says "wait", but not how long.
const UNTOLD_WAIT: Duration = Duration::from_secs(30);
/// A longer wait than this is no sensible answer; it is asked again then.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

fn retry_after(answer: &Answer, json: Option<&Value>, now: Timestamp) -> Duration {
    let header = answer.retry_after.as_deref().map(str::trim);
    let seconds = header
        .and_then(|text| text.parse::<u64>().ok())
        .or_else(|| json?.get("retry_after")?.as_u64())
        .map(Duration::from_secs);
    let by_date = || {
        let until = Timestamp::parse_http_date(header?)?;
        let now = answer
            .date
            .as_deref()
            .and_then(Timestamp::parse_http_date)
            .unwrap_or(now);
        Some(until.since(now))
    };
    seconds
        .or_else(by_date)
        .unwrap_or(UNTOLD_WAIT)
        .min(LONGEST_WAIT)
}

fn safe(text: &str) -> String {
    shorten(&one_line(text), 80)
}

fn beginning(body: &str) -> String {
    let text = safe(body);
    if text.is_empty() {
        "an empty answer".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests;
