//! Wrong answers in Slack's words. A Web API method says `ok: false` with HTTP 200; a webhook says it with the status.

use serde_json::{Value, json};

use crate::fault::Trouble;
use crate::http::Answer;
use crate::respond::{Wrong, with_retry_after};

/// Which of Slack's two doors was knocked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Api,
    Webhook,
}

/// A trouble as Slack tells it at this door.
pub(super) fn wrong(trouble: &Trouble, door: Door) -> Wrong {
    let answer = match trouble {
        Trouble::Throttling => rate_limited(Some("1"), door),
        Trouble::RateLimited { retry_after } => rate_limited(retry_after.as_deref(), door),
        Trouble::AccessDenied => match door {
            Door::Api => Answer::json(
                200,
                &json!({"ok": false, "error": "missing_scope", "needed": "chat:write", "provided": "identify"}),
            ),
            Door::Webhook => error("action_prohibited", None, door),
        },
        Trouble::ExpiredToken => match door {
            Door::Api => error("token_expired", None, door),
            Door::Webhook => error("no_active_hooks", None, door),
        },
        Trouble::InvalidToken => match door {
            Door::Api => error("invalid_auth", None, door),
            Door::Webhook => error("invalid_token", None, door),
        },
        Trouble::NotFound => error("channel_not_found", None, door),
        Trouble::InternalError => match door {
            Door::Api => error("internal_error", None, door),
            Door::Webhook => error("rollup_error", None, door),
        },
        Trouble::Unavailable => match door {
            Door::Api => error("service_unavailable", Some(503), door),
            Door::Webhook => Answer::text(503, "service_unavailable"),
        },
        Trouble::Error { code, status, .. } => error(code, *status, door),
        Trouble::OkWithoutTs => match door {
            Door::Api => Answer::json(200, &json!({"ok": true, "channel": "C0A9M9DPFUY"})),
            Door::Webhook => Answer::text(200, "no"),
        },
        _ => return Wrong::General,
    };
    Wrong::Answer(answer)
}

/// An error by its code.
pub(super) fn error(code: &str, status: Option<u16>, door: Door) -> Answer {
    match door {
        Door::Api if matches!(code, "ratelimited" | "rate_limited") => with_retry_after(
            Answer::json(status.unwrap_or(429), &json!({"ok": false, "error": code})),
            Some("1"),
        ),
        Door::Api => {
            let mut body = json!({"ok": false, "error": code});
            if code == "missing_scope" {
                body["needed"] = "chat:write".into();
                body["provided"] = "identify".into();
            }
            Answer::json(status.unwrap_or(200), &body)
        }
        Door::Webhook => Answer::text(status.unwrap_or_else(|| webhook_status(code)), code),
    }
}

/// Which HTTP status a webhook gives with which body (api.slack.com, changelog of 2016-05-17).
fn webhook_status(code: &str) -> u16 {
    match code {
        "action_prohibited"
        | "invalid_token"
        | "posting_to_general_channel_denied"
        | "team_disabled" => 403,
        "channel_not_found" | "no_service" | "no_active_hooks" | "no_service_id" | "no_team" => 404,
        "channel_is_archived" => 410,
        "rate_limited" | "ratelimited" => 429,
        "rollup_error" => 500,
        _ => 400,
    }
}

fn rate_limited(retry_after: Option<&str>, door: Door) -> Answer {
    let answer = match door {
        Door::Api => {
            let mut body = json!({"ok": false, "error": "ratelimited"});
            if let Some(seconds) = retry_after.and_then(|text| text.parse::<u64>().ok()) {
                body["retry_after"] = Value::from(seconds);
            }
            Answer::json(429, &body)
        }
        Door::Webhook => Answer::text(429, "rate_limited"),
    };
    with_retry_after(answer, retry_after)
}
