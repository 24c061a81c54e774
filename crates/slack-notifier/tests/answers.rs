//! Every kind of answer Slack, or something in its place, can give: what becomes of the message, the exit status, the words.
//! The table in docs/slack.md is this test's.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod common;

use std::fmt::Write as _;
use std::sync::Mutex;

use common::{ID, Place, Ran, Through};
use simulators::{Fault, Trouble};

const NOTIFIER: &str = env!("CARGO_BIN_EXE_slack-notifier");

struct Case {
    name: &'static str,
    through: Through,
    faults: Vec<Fault>,
    outcome: &'static str,
    words: &'static str,
}

fn case(
    name: &'static str,
    through: Through,
    faults: impl IntoIterator<Item = Fault>,
    outcome: &'static str,
    words: &'static str,
) -> Case {
    Case {
        name,
        through,
        faults: faults.into_iter().collect(),
        outcome,
        words,
    }
}

fn post(trouble: Trouble) -> Fault {
    Fault::new(trouble).on("chat.postMessage")
}

fn code(code: &str) -> Fault {
    Fault::error(code).on("chat.postMessage")
}

fn redirect(status: u16) -> Trouble {
    Trouble::Redirect {
        status,
        location: None,
    }
}

fn bot_cases() -> Vec<Case> {
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
    ]
}

fn webhook_cases() -> Vec<Case> {
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
    ]
}

struct Row {
    order: usize,
    text: String,
}

#[test]
fn every_answer_has_its_outcome_its_status_and_its_words() {
    let cases: Vec<(usize, Case)> = bot_cases()
        .into_iter()
        .chain(webhook_cases())
        .enumerate()
        .collect();
    let waiting = Mutex::new(cases.into_iter());
    let rows = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().unwrap().next();
                    let Some((order, case)) = next else { break };
                    let text = play(&case);
                    rows.lock().unwrap().push(Row { order, text });
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|row| row.order);
    let mut table = String::from(
        "| Slack answers | through | outcome | exit | words on stderr |\n|---|---|---|---|---|\n",
    );
    for row in rows {
        writeln!(table, "{}", row.text).unwrap();
    }
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/slack.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(
        page.contains(&table),
        "docs/slack.md should have this table:\n{table}"
    );
}

fn play(case: &Case) -> String {
    let place = Place::new(case.through);
    for fault in &case.faults {
        place.slack.fault(fault.clone());
    }
    let words = ["start", ID, "production", "12345"];
    let ran = place.run(NOTIFIER, &words);
    let shown = format!("{}: {ran:?}", case.name);
    assert_eq!(ran.code, Some(0), "{shown}");
    assert_eq!(ran.stdout, "", "{shown}");
    assert!(ran.stderr.contains(case.words), "{shown}");
    let queued = place.queued();
    let dead = queued.iter().any(|name| name.starts_with("dead_letter_"));
    let outcome = match (queued.len(), dead) {
        (0, _) => "delivered",
        (_, false) => "kept",
        (_, true) => "dead letter",
    };
    assert_eq!(outcome, case.outcome, "{shown}");
    if outcome == "delivered" {
        assert_eq!(place.messages().len(), 1, "{shown}");
    }
    let through = match case.through {
        Through::Bot => "bot",
        Through::Webhook => "webhook",
    };
    let last = last_words(&ran, &queued);
    format!("| {} | {through} | {outcome} | 0 | {last} |", case.name)
}

// The last line of stderr, without the names that differ from run to run.
fn last_words(ran: &Ran, queued: &[String]) -> String {
    let line = ran.stderr.lines().last().unwrap_or_default();
    let mut line = line.replace('|', "\\|").replace('<', "&lt;");
    for name in queued {
        let id = name
            .trim_start_matches("dead_letter_")
            .trim_end_matches(".json");
        line = line.replace(id, "NAME");
    }
    line
}
