//! Through the Web API with a bot's token.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use simulators::{DeadEnd, Fault, Trouble};

use super::common::Through;
use super::{Case, case, code, post, redirect};

/// The address of a port at which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    format!("http://{}/api/", listener.local_addr().unwrap())
}

/// An address whose name no resolver can know: its first part is longer than names may be (63), so nobody is even asked.
fn no_name() -> String {
    format!("https://{}.invalid/api/", "a".repeat(64))
}

/// The address of something that answers a TLS greeting with HTTP.
fn no_tls() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream: TcpStream = stream.unwrap();
            let _greeting = stream.read(&mut [0; 4096]);
            let _gone = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
    });
    format!("https://{address}/api/")
}

pub(super) fn cases(dead_end: &DeadEnd) -> Vec<Case> {
    use Through::Bot;
    let date = "Wed, 14 Jan 2026 12:35:16 GMT";
    vec![
        case(
            "`ok: true` with a ts",
            Bot,
            [],
            "delivered",
            "Slack has the message `start` in C0A9M9DPFUY",
        ),
        case(
            "`ok: true` without a ts, always",
            Bot,
            [post(Trouble::OkWithoutTs)],
            "kept",
            "an answer with ok but without the message's ts",
        ),
        case(
            "HTML with 200 once, nothing posted",
            Bot,
            [post(Trouble::Html).times(1)],
            "delivered",
            "Slack has the message",
        ),
        case(
            "HTML with 200 once, although posted",
            Bot,
            [post(Trouble::Html).times(1).although_applied()],
            "delivered",
            "Slack has the message",
        ),
        case(
            "HTML with 200, always",
            Bot,
            [post(Trouble::Html)],
            "kept",
            "HTTP 200: <",
        ),
        case(
            "an empty 200",
            Bot,
            [post(Trouble::EmptyBody)],
            "kept",
            "HTTP 200: an empty answer",
        ),
        case(
            "JSON with 200 but without `ok`",
            Bot,
            [Fault::status(200, r#"{"status":"fine"}"#).on("chat.postMessage")],
            "kept",
            r#"HTTP 200: {"status":"fine"}"#,
        ),
        case(
            "half a JSON, although posted",
            Bot,
            [post(Trouble::HalfText)],
            "delivered",
            "Slack has the message",
        ),
        case(
            "301",
            Bot,
            [post(redirect(301))],
            "kept",
            "HTTP 301; it is kept",
        ),
        case(
            "302",
            Bot,
            [post(redirect(302))],
            "kept",
            "check SLACK_API_URL",
        ),
        case("303", Bot, [post(redirect(303))], "kept", "HTTP 303"),
        case("307", Bot, [post(redirect(307))], "kept", "HTTP 307"),
        case("308", Bot, [post(redirect(308))], "kept", "HTTP 308"),
        case(
            "403 of a firewall",
            Bot,
            [Fault::status(403, "Forbidden").on("chat.postMessage")],
            "kept",
            "the proxy and the firewall",
        ),
        case(
            "408",
            Bot,
            [Fault::status(408, "").on("chat.postMessage")],
            "kept",
            "HTTP 408",
        ),
        case(
            "413 for the richest form",
            Bot,
            [Fault::status(413, "").on("chat.postMessage").times(1)],
            "delivered",
            "Slack has the message",
        ),
        case(
            "425",
            Bot,
            [Fault::status(425, "").on("chat.postMessage")],
            "kept",
            "HTTP 425",
        ),
        case(
            "429, Retry-After 0, once",
            Bot,
            [Fault::rate_limited(Some("0"))
                .on("chat.postMessage")
                .times(1)],
            "delivered",
            "Slack has the message",
        ),
        case(
            "429, Retry-After 1, once",
            Bot,
            [Fault::rate_limited(Some("1"))
                .on("chat.postMessage")
                .times(1)],
            "delivered",
            "Slack has the message",
        ),
        case(
            "429, Retry-After 30",
            Bot,
            [Fault::rate_limited(Some("30")).on("chat.postMessage")],
            "kept",
            "Slack asks to wait 30 s",
        ),
        case(
            "429, Retry-After abc",
            Bot,
            [Fault::rate_limited(Some("abc")).on("chat.postMessage")],
            "kept",
            "Slack asks to wait 30 s",
        ),
        case(
            "429 without Retry-After",
            Bot,
            [Fault::rate_limited(None).on("chat.postMessage")],
            "kept",
            "Slack asks to wait 30 s",
        ),
        case(
            "429 with `retry_after` in its body only, once",
            Bot,
            [Fault::status(
                429,
                r#"{"retry_after":1,"ok":false,"error":"rate_limited"}"#,
            )
            .on("chat.postMessage")
            .times(1)],
            "delivered",
            "Slack has the message",
        ),
        case(
            "429, Retry-After a date that has passed, once",
            Bot,
            [Fault::rate_limited(Some(date))
                .on("chat.postMessage")
                .times(1)],
            "delivered",
            "Slack has the message",
        ),
        case(
            "500 of something before Slack",
            Bot,
            [post(Trouble::NotItsFormat)],
            "kept",
            "HTTP 500",
        ),
        case(
            "503",
            Bot,
            [Fault::status(503, "").on("chat.postMessage")],
            "kept",
            "HTTP 503",
        ),
        case(
            "`internal_error` once, although posted",
            Bot,
            [code("internal_error").times(1).although_applied()],
            "delivered",
            "Slack has the message",
        ),
        case(
            "`fatal_error`, always",
            Bot,
            [code("fatal_error")],
            "kept",
            "fatal_error",
        ),
        case(
            "`service_unavailable` twice",
            Bot,
            [code("service_unavailable").times(2)],
            "delivered",
            "Slack has the message",
        ),
        case(
            "`request_timeout`, always",
            Bot,
            [code("request_timeout")],
            "kept",
            "request_timeout",
        ),
        case(
            "`message_limit_exceeded`",
            Bot,
            [code("message_limit_exceeded")],
            "kept",
            "message_limit_exceeded",
        ),
        case(
            "`invalid_auth`",
            Bot,
            [code("invalid_auth")],
            "kept",
            "copy the Bot User OAuth Token (xoxb-…) of the app into SLACK_BOT_TOKEN",
        ),
        case(
            "`not_allowed_token_type`",
            Bot,
            [code("not_allowed_token_type")],
            "kept",
            "SLACK_BOT_TOKEN takes the Bot User OAuth Token",
        ),
        case(
            "`missing_scope`",
            Bot,
            [code("missing_scope")],
            "kept",
            "add the bot token scope chat:write",
        ),
        case(
            "`channel_not_found`",
            Bot,
            [code("channel_not_found")],
            "kept",
            "is a wrong id, or a channel of another workspace, or a private one",
        ),
        case(
            "`not_in_channel`",
            Bot,
            [code("not_in_channel")],
            "kept",
            "invite the bot to C0A9M9DPFUY",
        ),
        case(
            "`is_archived`",
            Bot,
            [code("is_archived")],
            "kept",
            "C0A9M9DPFUY is archived",
        ),
        case(
            "`restricted_action`",
            Bot,
            [code("restricted_action")],
            "kept",
            "a workspace admin can change who may post there",
        ),
        case(
            "`msg_too_long` for the richest form",
            Bot,
            [code("msg_too_long").times(1)],
            "delivered",
            "Slack has the message",
        ),
        case(
            "`invalid_blocks` for every form",
            Bot,
            [code("invalid_blocks")],
            "dead letter",
            "Slack refuses the message in every form (invalid_blocks)",
        ),
        case(
            "`metadata_too_large` while metadata is there",
            Bot,
            [code("metadata_too_large").where_body_has("event_payload")],
            "delivered",
            "Slack has the message",
        ),
        case(
            "a code that is in no table",
            Bot,
            [code("something_new")],
            "kept",
            "something_new",
        ),
        case(
            "the connection is closed before anything was read, once",
            Bot,
            [Fault::new(Trouble::CloseUnread).times(1)],
            "delivered",
            "Slack has the message",
        ),
        case(
            "the connection is reset before anything was read, always",
            Bot,
            [Fault::new(Trouble::ResetUnread)],
            "kept",
            "the connection was",
        ),
        case(
            "the request is read, then the end, once",
            Bot,
            [post(Trouble::Close).times(1)],
            "delivered",
            "Slack has the message",
        ),
        case(
            "the request is posted, then the end",
            Bot,
            [post(Trouble::Close).times(1).although_applied()],
            "delivered",
            "Slack has the message",
        ),
        case(
            "the request is read, then a reset, always",
            Bot,
            [post(Trouble::Reset)],
            "kept",
            "the connection was",
        ),
        case(
            "the end in the middle of the answer, although posted",
            Bot,
            [post(Trouble::CloseInBody).times(1).although_applied()],
            "delivered",
            "Slack has the message",
        ),
        case(
            "the answer is lost and history cannot be read",
            Bot,
            [
                post(Trouble::Close).times(1).although_applied(),
                Fault::error("missing_scope").on("conversations.history"),
            ],
            "kept",
            "the connection was closed without an answer",
        ),
        case(
            "`ratelimited`, once",
            Bot,
            [code("ratelimited").times(1)],
            "delivered",
            "Slack has the message",
        ),
        case(
            "`duplicate_message_not_found`, always",
            Bot,
            [code("duplicate_message_not_found")],
            "kept",
            "duplicate_message_not_found",
        ),
        case(
            "`team_added_to_org`",
            Bot,
            [code("team_added_to_org")],
            "kept",
            "team_added_to_org",
        ),
        case(
            "`account_inactive`",
            Bot,
            [code("account_inactive")],
            "kept",
            "the token no longer works",
        ),
        case(
            "`ekm_access_denied`",
            Bot,
            [code("ekm_access_denied")],
            "kept",
            "a workspace admin must allow the app",
        ),
        case(
            "`unknown_method`",
            Bot,
            [code("unknown_method")],
            "kept",
            "this program is too old for Slack",
        ),
        case(
            "`restricted_action_thread_only_channel`",
            Bot,
            [code("restricted_action_thread_only_channel")],
            "kept",
            "only takes replies in threads",
        ),
        case(
            "`cannot_reply_to_message` to a reply, once",
            Bot,
            [code("cannot_reply_to_message").times(1)],
            "delivered",
            "Slack has the message `progress`",
        )
        .in_thread(),
        case(
            "`restricted_action_thread_locked` to a reply, once",
            Bot,
            [code("restricted_action_thread_locked").times(1)],
            "delivered",
            "Slack has the message `progress`",
        )
        .in_thread(),
        case(
            "`message_not_found` to the change of the root",
            Bot,
            [Fault::error("message_not_found").on("chat.update")],
            "delivered",
            "Slack has the message `progress`",
        )
        .in_thread(),
        case(
            "`external_channel_migrating` to the change of the root",
            Bot,
            [Fault::error("external_channel_migrating").on("chat.update")],
            "delivered",
            "Slack has the message `progress`",
        )
        .in_thread(),
        case(
            "`block_mismatch` to the change of the root",
            Bot,
            [Fault::error("block_mismatch").on("chat.update")],
            "delivered",
            "Slack has the message `progress`",
        )
        .in_thread(),
        case(
            "no answer in time, always",
            Bot,
            [post(Trouble::Hang)],
            "kept",
            "no answer in time",
        )
        .within("5s"),
        case(
            "no answer in time once, although posted",
            Bot,
            [post(Trouble::Hang).times(1).although_applied()],
            "delivered",
            "Slack has the message",
        )
        .within("5s"),
        case(
            "nobody listens there",
            Bot,
            [],
            "kept",
            "the connection was refused",
        )
        .at(nobody()),
        case(
            "a connection that is never accepted",
            Bot,
            [],
            "kept",
            "no answer in time",
        )
        .at(format!("http://{}/api/", dead_end.address()))
        .within("5s"),
        case("the name has no address (DNS)", Bot, [], "kept", "(DNS)").at(no_name()),
        case("no TLS there", Bot, [], "kept", "TLS: ").at(no_tls()),
    ]
}
