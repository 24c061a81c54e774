//! Slack and GitHub when nothing is wrong with them.
#![expect(clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{ask, slack};
use registry_core::clock::{ManualClock, Timestamp};
use serde_json::{Value, json};
use simulators::{Channel, Fault, GitHub, INTERACT, Run, Scenario, Simulators, Slack, UPDATES};

fn started() -> Slack {
    Slack::start().expect("a simulator")
}

fn post(service: &Slack, text: &str, thread_ts: Option<&Value>) -> Value {
    slack(
        service,
        "chat.postMessage",
        &json!({"channel": UPDATES, "text": text, "thread_ts": thread_ts}),
    )
    .json()
}

#[test]
fn a_thread_reads_as_a_person_sees_it() {
    let service = started();
    let root = post(&service, "🚀 *Deployment Started* &lt;b&gt;", None);
    post(&service, "another deployment", None);
    post(&service, "⏳ half way", Some(&root["ts"]));
    let shown = json!({"channel": UPDATES, "text": "done", "thread_ts": root["ts"], "reply_broadcast": true,
        "blocks": [{"type": "markdown", "text": "✅ **Deployment Successful**\n\n**Duration:** 25 minutes"}]});
    assert_eq!(
        slack(&service, "chat.postMessage", &shown).json()["ok"],
        true
    );
    let changed = json!({"channel": UPDATES, "ts": root["ts"], "text": "🚀 *Deployment Started*\nState: complete"});
    assert_eq!(slack(&service, "chat.update", &changed).json()["ok"], true);
    let page = service.text();
    let lines: Vec<&str> = page
        .lines()
        .map(|line| line.split('[').next().unwrap_or("").trim_end())
        .collect();
    assert_eq!(lines[0], "#kiro-updates (C0A9M9DPFUY)");
    let place = |text: &str| {
        page.find(text)
            .unwrap_or_else(|| panic!("{text} is not in\n{page}"))
    };
    assert!(place("(edited)") < place("State: complete"));
    assert!(place("State: complete") < place("      | ⏳ half way"));
    assert!(place("      | ⏳ half way") < place("      | ✅ **Deployment Successful**"));
    assert!(place("      | ✅ **Deployment Successful**") < place("  another deployment"));
    assert!(
        page.rfind("(also in its thread)").expect("a broadcast") > place("  another deployment")
    );
    let channels = ask(
        &format!("{}/_sim/slack/channels", service.url()),
        "GET",
        &[],
        "",
    )
    .json();
    let updates = channels
        .as_array()
        .and_then(|all| all.iter().find(|c| c["id"] == UPDATES))
        .expect("the channel");
    assert_eq!(updates["messages"].as_array().map(Vec::len), Some(4));
    assert_eq!(updates["messages"][0]["edits"], 1);
}

#[test]
fn what_slack_checks_is_checked() {
    let service = started();
    service.add_channel(Channel {
        is_archived: true,
        ..Channel::new("C1", "old")
    });
    service.add_channel(Channel {
        is_member: false,
        ..Channel::new("C2", "others")
    });
    service.add_channel(Channel {
        is_member: false,
        is_private: true,
        ..Channel::new("C3", "secret")
    });
    let root = post(&service, "root", None);
    let reply = post(&service, "reply", Some(&root["ts"]));
    let section =
        |n: usize| json!([{"type": "section", "text": {"type": "mrkdwn", "text": "x".repeat(n)}}]);
    for (method, arguments, expected) in [
        (
            "chat.postMessage",
            json!({"text": "x"}),
            "channel_not_found",
        ),
        (
            "chat.postMessage",
            json!({"channel": "C9", "text": "x"}),
            "channel_not_found",
        ),
        (
            "chat.postMessage",
            json!({"channel": "C1", "text": "x"}),
            "is_archived",
        ),
        (
            "chat.postMessage",
            json!({"channel": "C2", "text": "x"}),
            "not_in_channel",
        ),
        (
            "chat.postMessage",
            json!({"channel": "C3", "text": "x"}),
            "channel_not_found",
        ),
        ("chat.postMessage", json!({"channel": UPDATES}), "no_text"),
        (
            "chat.postMessage",
            json!({"channel": UPDATES, "blocks": section(3001)}),
            "invalid_blocks",
        ),
        (
            "chat.postMessage",
            json!({"channel": UPDATES, "text": "x", "thread_ts": "1.2"}),
            "cannot_reply_to_message",
        ),
        (
            "chat.postMessage",
            json!({"channel": UPDATES, "text": "x", "thread_ts": reply["ts"]}),
            "cannot_reply_to_message",
        ),
        (
            "chat.postMessage",
            json!({"channel": UPDATES, "text": "x", "metadata": {"event_type": 1}}),
            "invalid_metadata_format",
        ),
        (
            "chat.update",
            json!({"channel": UPDATES, "ts": "1.2", "text": "x"}),
            "message_not_found",
        ),
        (
            "chat.update",
            json!({"channel": UPDATES, "ts": root["ts"], "text": "x".repeat(4001)}),
            "msg_too_long",
        ),
        ("chat.nonsense", json!({}), "unknown_method"),
    ] {
        assert_eq!(
            slack(&service, method, &arguments).json()["error"],
            expected,
            "{method} {}",
            arguments["channel"]
        );
    }
    let markdown =
        json!({"channel": UPDATES, "text": "x", "blocks": [{"type": "markdown", "text": "**x**"}]});
    let posted = slack(&service, "chat.postMessage", &markdown).json();
    assert_eq!(
        posted["message"]["blocks"][0]["type"], "rich_text",
        "Slack keeps its translation only"
    );
    let update = json!({"channel": UPDATES, "ts": posted["ts"], "text": "x", "blocks": section(3)});
    assert_eq!(
        slack(&service, "chat.update", &update).json()["error"],
        "block_mismatch"
    );
}

#[test]
fn the_token_is_checked() {
    let service = started();
    let url = format!("{}auth.test", service.api_url());
    for (headers, expected) in [
        (vec![], json!("not_authed")),
        (
            vec![("Authorization", "Bearer nonsense")],
            json!("invalid_auth"),
        ),
        (vec![("Authorization", "Bearer xoxb-anything")], Value::Null),
    ] {
        assert_eq!(ask(&url, "POST", &headers, "").json()["error"], expected);
    }
    service.set_token("xoxb-right");
    assert_eq!(
        ask(&url, "POST", &[("Authorization", "Bearer xoxb-wrong")], "").json()["error"],
        "invalid_auth"
    );
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(
        ask(&url, "POST", &form, "token=xoxb-right").json()["ok"],
        true
    );
}

#[test]
fn history_finds_a_message_by_its_metadata() {
    let service = started();
    let metadata = json!({"event_type": "deployment", "event_payload": {"id": "m1"}});
    let message = json!({"channel": UPDATES, "text": "one", "metadata": metadata});
    let ts = slack(&service, "chat.postMessage", &message).json()["ts"].clone();
    post(&service, "in the thread", Some(&ts));
    for number in 0..3 {
        post(&service, &number.to_string(), None);
    }
    let history = |more: &Value| {
        let mut arguments = json!({"channel": UPDATES, "limit": 2});
        arguments
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        slack(&service, "conversations.history", &arguments).json()
    };
    let first = history(&json!({}));
    assert_eq!(
        (&first["messages"][0]["text"], &first["has_more"]),
        (&json!("2"), &json!(true)),
        "newest first"
    );
    let cursor = &first["response_metadata"]["next_cursor"];
    let second = history(&json!({"cursor": cursor, "include_all_metadata": true}));
    assert_eq!(
        second["messages"].as_array().map(Vec::len),
        Some(2),
        "replies are not in the history"
    );
    assert_eq!(second["messages"][1]["metadata"], metadata);
    assert!(
        history(&json!({"cursor": cursor}))["messages"][1]["metadata"].is_null(),
        "only when asked for"
    );
    assert_eq!(
        history(&json!({"latest": ts, "inclusive": true}))["messages"][0]["text"],
        "one"
    );
    assert_eq!(history(&json!({"latest": ts}))["messages"], json!([]));
    let replies = slack(
        &service,
        "conversations.replies",
        &json!({"channel": UPDATES, "ts": ts}),
    )
    .json();
    assert_eq!(replies["messages"][1]["text"], "in the thread");
    assert_eq!(
        slack(
            &service,
            "conversations.info",
            &json!({"channel": INTERACT})
        )
        .json()["channel"]["name"],
        "kiro-interact"
    );
}

#[test]
fn the_webhook_posts_to_its_channel() {
    let service = started();
    service.set_webhook_channel(INTERACT);
    let kind = [("Content-Type", "application/json")];
    let seen = ask(
        &service.webhook_url(),
        "POST",
        &kind,
        r#"{"text": "hello", "channel": "C_OTHER"}"#,
    );
    assert_eq!((seen.status, seen.body.as_str()), (200, "ok"));
    assert_eq!(service.messages(INTERACT)[0].text, "hello");
    for (url, body, status, text) in [
        (service.webhook_url(), "not JSON", 400, "invalid_payload"),
        (service.webhook_url(), "{}", 400, "no_text"),
        (
            format!("{}/services/T/B/wrong", service.url()),
            "{}",
            404,
            "no_service",
        ),
    ] {
        let seen = ask(&url, "POST", &kind, body);
        assert_eq!((seen.status, seen.body.as_str()), (status, text));
    }
    service.add_channel(Channel {
        is_archived: true,
        ..Channel::new(INTERACT, "kiro-interact")
    });
    assert_eq!(
        ask(&service.webhook_url(), "POST", &kind, r#"{"text": "x"}"#).status,
        410
    );
}

#[test]
fn one_message_per_second_where_asked_for() {
    let clock = ManualClock::at(Timestamp::from_seconds(1_800_000_000));
    let service = Slack::start_with_clock(Arc::new(clock.clone())).expect("a simulator");
    service.set_one_per_second(true);
    assert_eq!(post(&service, "a", None)["ok"], true);
    let second = slack(
        &service,
        "chat.postMessage",
        &json!({"channel": UPDATES, "text": "b"}),
    );
    assert_eq!(
        (second.status, second.header("retry-after")),
        (429, Some("1"))
    );
    let other = slack(
        &service,
        "chat.postMessage",
        &json!({"channel": INTERACT, "text": "b"}),
    );
    assert_eq!(other.json()["ok"], true, "the limit is for each channel");
    clock.advance(Duration::from_secs(1));
    assert_eq!(post(&service, "b", None)["ok"], true);
}

#[test]
fn duplicates_are_counted_or_refused() {
    let service = started();
    let message = json!({"channel": UPDATES, "text": "x", "client_msg_id": "a"});
    let first = slack(&service, "chat.postMessage", &message).json();
    slack(&service, "chat.postMessage", &message);
    assert_eq!(service.duplicates().client_msg_id, 1);
    service.set_dedupe(true);
    assert_eq!(
        slack(&service, "chat.postMessage", &message).json()["ts"],
        first["ts"]
    );
    assert_eq!(service.messages(UPDATES).len(), 2);
}

#[test]
fn runs_attempts_and_jobs() {
    let github = GitHub::start().expect("a simulator");
    github.set_run(
        Run::in_progress("owner/repo", 7)
            .job("deploy", "runner-1")
            .completed("failure"),
    );
    github.set_run(
        Run::in_progress("owner/repo", 7)
            .attempt(2)
            .job("deploy", "runner-2"),
    );
    github.set_run(
        Run::in_progress("owner/repo", 7)
            .attempt(2)
            .completed("success")
            .after(3600.0),
    );
    let get = |path: &str| {
        ask(
            &format!("{}/repos/owner/repo/actions/runs/7{path}", github.url()),
            "GET",
            &[],
            "",
        )
        .json()
    };
    assert_eq!(
        (&get("")["run_attempt"], &get("")["status"]),
        (&json!(2), &json!("in_progress")),
        "an hour too early"
    );
    assert_eq!(get("/attempts/1")["conclusion"], "failure");
    assert_eq!(get("/jobs")["jobs"][0]["runner_name"], "runner-2");
    assert_eq!(get("/attempts/1/jobs")["jobs"][0]["status"], "completed");
    assert_eq!(get("/attempts/3")["message"], "Not Found");
    github.set_token("right");
    assert_eq!(get("")["message"], "Bad credentials");
    assert_eq!(github.requests("run"), 5);
}

#[test]
fn all_three_play_one_scenario() {
    let simulators = Simulators::start().expect("simulators");
    let scenario = "[[stack]]\nname = 'App'\n[[slack.fault]]\ntrouble = 'html'\n\
                    [[github.run]]\nrepository = 'o/r'\nid = 1\nstatus = 'queued'";
    simulators.run(&Scenario::parse(scenario, std::path::Path::new("")).expect("a scenario"));
    assert!(
        simulators
            .cloudformation
            .stack_id("App", "us-east-1")
            .is_some()
    );
    assert!(
        slack(&simulators.slack, "auth.test", &json!({}))
            .body
            .starts_with("<!DOCTYPE html>")
    );
    simulators.slack.clear_faults();
    simulators.slack.fault(Fault::error("fatal_error").times(1));
    assert_eq!(
        slack(&simulators.slack, "auth.test", &json!({})).json()["error"],
        "fatal_error"
    );
    let run = ask(
        &format!("{}/repos/o/r/actions/runs/1", simulators.github.url()),
        "GET",
        &[],
        "",
    );
    assert_eq!(run.json()["status"], "queued");
    let names: Vec<_> = simulators
        .environment()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert!(
        names.contains(&"AWS_ENDPOINT_URL")
            && names.contains(&"SLACK_API_URL")
            && names.contains(&"GITHUB_API_URL")
    );
}
