//! Through an incoming webhook.

use simulators::{Fault, Trouble};

use super::common::Through;
use super::{Case, case, redirect};

pub(super) fn cases() -> Vec<Case> {
    use Through::Webhook;
    let hook = |trouble| Fault::new(trouble).on("webhook");
    let code = |code| Fault::error(code).on("webhook");
    vec![
        case(
            "`ok`",
            Webhook,
            [],
            "delivered",
            "Slack has the message `start`",
        ),
        case(
            "200 with another body",
            Webhook,
            [hook(Trouble::Html)],
            "kept",
            "HTTP 200: <",
        ),
        case(
            "302",
            Webhook,
            [hook(redirect(302))],
            "kept",
            "the URL is not a webhook, it redirects",
        ),
        case(
            "`invalid_payload` for the richest form",
            Webhook,
            [code("invalid_payload").times(1)],
            "delivered",
            "Slack has the message",
        ),
        case(
            "`no_text` for every form",
            Webhook,
            [code("no_text")],
            "dead letter",
            "in every form (no_text)",
        ),
        case(
            "`invalid_token`",
            Webhook,
            [code("invalid_token")],
            "kept",
            "the webhook no longer works",
        ),
        case(
            "`action_prohibited`",
            Webhook,
            [code("action_prohibited")],
            "kept",
            "a workspace admin does not allow this app",
        ),
        case(
            "`no_service`",
            Webhook,
            [code("no_service")],
            "kept",
            "make a new one",
        ),
        case(
            "`no_active_hooks`",
            Webhook,
            [code("no_active_hooks")],
            "kept",
            "make a new one",
        ),
        case(
            "`channel_not_found`",
            Webhook,
            [code("channel_not_found")],
            "kept",
            "the webhook's channel is gone",
        ),
        case(
            "`channel_is_archived`",
            Webhook,
            [code("channel_is_archived")],
            "kept",
            "the webhook's channel is archived",
        ),
        case(
            "429, Retry-After 1, once",
            Webhook,
            [Fault::rate_limited(Some("1")).on("webhook").times(1)],
            "delivered",
            "Slack has the message",
        ),
        case(
            "`rollup_error` with 500",
            Webhook,
            [code("rollup_error")],
            "kept",
            "rollup_error",
        ),
        case(
            "the request is posted, then the end",
            Webhook,
            [hook(Trouble::Close).although_applied()],
            "kept",
            "the connection was closed without an answer",
        ),
        case(
            "301",
            Webhook,
            [hook(redirect(301))],
            "kept",
            "the URL is not a webhook, it redirects",
        ),
        case(
            "303",
            Webhook,
            [hook(redirect(303))],
            "kept",
            "the URL is not a webhook, it redirects",
        ),
        case(
            "307",
            Webhook,
            [hook(redirect(307))],
            "kept",
            "the URL is not a webhook, it redirects",
        ),
        case(
            "308",
            Webhook,
            [hook(redirect(308))],
            "kept",
            "the URL is not a webhook, it redirects",
        ),
        case(
            "`user_not_found` for every form",
            Webhook,
            [code("user_not_found")],
            "dead letter",
            "in every form (user_not_found)",
        ),
        case(
            "`too_many_attachments` for every form",
            Webhook,
            [code("too_many_attachments")],
            "dead letter",
            "in every form (too_many_attachments)",
        ),
        case(
            "`invalid_blocks` for the forms with blocks",
            Webhook,
            [code("invalid_blocks").times(2)],
            "delivered",
            "Slack has the message",
        ),
        case(
            "`posting_to_general_channel_denied`",
            Webhook,
            [code("posting_to_general_channel_denied")],
            "kept",
            "a workspace admin does not allow this app",
        ),
        case(
            "`team_disabled`",
            Webhook,
            [code("team_disabled")],
            "kept",
            "the webhook's workspace is gone or disabled",
        ),
        case(
            "`no_service_id`",
            Webhook,
            [code("no_service_id")],
            "kept",
            "make a new one",
        ),
        case(
            "`no_team`",
            Webhook,
            [code("no_team")],
            "kept",
            "the webhook's workspace is gone or disabled",
        ),
        case(
            "408",
            Webhook,
            [Fault::status(408, "").on("webhook")],
            "kept",
            "HTTP 408",
        ),
        case(
            "425",
            Webhook,
            [Fault::status(425, "").on("webhook")],
            "kept",
            "HTTP 425",
        ),
        case(
            "413 for the richest form",
            Webhook,
            [Fault::status(413, "").on("webhook").times(1)],
            "delivered",
            "Slack has the message",
        ),
        case(
            "429 without Retry-After",
            Webhook,
            [Fault::rate_limited(None).on("webhook")],
            "kept",
            "Slack asks to wait 30 s",
        ),
        case(
            "503",
            Webhook,
            [Fault::status(503, "").on("webhook")],
            "kept",
            "HTTP 503",
        ),
        case(
            "no answer in time",
            Webhook,
            [hook(Trouble::Hang)],
            "kept",
            "no answer in time",
        )
        .within("5s"),
        case(
            "the end in the middle of the answer",
            Webhook,
            [hook(Trouble::CloseInBody).although_applied()],
            "kept",
            "without an answer",
        ),
    ]
}
