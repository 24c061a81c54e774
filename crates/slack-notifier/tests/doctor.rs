//! `slack-notifier doctor`: each thing that keeps messages from arriving is found, with its fix.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod common;

use std::collections::BTreeMap;

use common::{Place, Through};
use serde_json::Value;
use simulators::{Channel, Fault, INTERACT, Trouble, UPDATES};

const NOTIFIER: &str = env!("CARGO_BIN_EXE_slack-notifier");

/// Subject, health and a part of the words or the fix.
fn check(place: &Place, code: i32, subject: &str, health: &str, words: &str) {
    let ran = place.run(NOTIFIER, &["doctor", "--json"]);
    assert_eq!(ran.code, Some(code), "{ran:?}");
    let findings: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap();
    let finding = findings
        .iter()
        .find(|finding| finding["subject"].as_str().unwrap().starts_with(subject));
    let finding = finding.unwrap_or(&Value::Null);
    assert_eq!(finding["health"], health, "{subject}: {ran:?}");
    assert!(finding.to_string().contains(words), "{words}: {finding}");
    let people = place.run(NOTIFIER, &["doctor"]);
    assert_eq!(people.code, Some(code), "{people:?}");
    assert!(
        people.stdout.contains(subject) && !people.stdout.contains(simulators::TOKEN),
        "{people:?}"
    );
    assert!(place.messages().is_empty(), "nothing is posted");
}

fn auth_test(scopes: &str) -> Fault {
    Fault::new(Trouble::Answer {
        status: 200,
        headers: BTreeMap::from([("X-OAuth-Scopes".to_owned(), scopes.to_owned())]),
        body: r#"{"ok":true,"user":"deploy-bot","team":"Simulated"}"#.to_owned(),
    })
    .on("auth.test")
}

#[test]
fn all_is_well() {
    let place = Place::bot();
    place
        .slack
        .fault(auth_test("chat:write,channels:history,channels:read"));
    check(
        &place,
        0,
        "token",
        "good",
        "deploy-bot in the workspace Simulated",
    );
    check(&place, 0, "scopes", "good", "chat:write");
    check(&place, 0, "clock", "good", "as Slack's");
    check(&place, 0, "proxy", "good", "none is used");
    check(
        &place,
        0,
        "channel updates (C0A9M9DPFUY)",
        "good",
        "#kiro-updates",
    );
    check(&place, 0, "queue", "good", "0 waiting, 0 dead letters");
}

#[test]
fn settings_and_tokens() {
    let mut place = Place::bot();
    place
        .slack
        .fault(Fault::error("invalid_auth").on("auth.test"));
    check(&place, 1, "token", "bad", "SLACK_BOT_TOKEN");
    place.set("SLACK_BOT_TOKEN", "https://hooks.slack.com/services/x");
    check(
        &place,
        1,
        "settings",
        "bad",
        "put a webhook's URL into SLACK_WEBHOOK_URL",
    );
    place.set("SLACK_BOT_TOKEN", "");
    check(&place, 1, "settings", "bad", "set SLACK_BOT_TOKEN");
    let hook = Place::new(Through::Webhook);
    check(
        &hook,
        0,
        "webhook",
        "unknown",
        "cannot be tried without posting",
    );
}

#[test]
fn scopes() {
    for (has, code, health, words) in [
        (
            "channels:history",
            1,
            "bad",
            "add the bot token scope chat:write",
        ),
        (
            "chat:write",
            0,
            "weak",
            "add channels:history and channels:read",
        ),
        (
            "chat:write,groups:history, groups:read",
            0,
            "good",
            "groups:read",
        ),
    ] {
        let place = Place::bot();
        place.slack.fault(auth_test(has));
        check(&place, code, "scopes", health, words);
    }
    let place = Place::bot();
    check(&place, 0, "scopes", "unknown", "Slack did not tell them");
}

#[test]
fn channels() {
    let mut place = Place::bot();
    let mut outside = Channel::new(INTERACT, "kiro-interact");
    outside.is_member = false;
    place.slack.add_channel(outside);
    check(
        &place,
        1,
        "channel interact",
        "bad",
        "invite the bot to C0A95T7UU4R",
    );
    place.slack.fault(auth_test(
        "chat:write,chat:write.public,channels:history,channels:read",
    ));
    check(&place, 0, "channel interact", "good", "#kiro-interact");
    place.slack.clear_faults();
    let mut archived = Channel::new(UPDATES, "kiro-updates");
    archived.is_archived = true;
    place.slack.add_channel(archived);
    check(&place, 1, "channel updates", "bad", "unarchive it");
    place
        .slack
        .fault(Fault::error("missing_scope").on("conversations.info"));
    check(&place, 0, "channel updates", "unknown", "channels:read");
    place.slack.clear_faults();
    place.set("SLACK_CHANNEL_INTERACT", "C0NOWHERE");
    check(
        &place,
        1,
        "channel interact (C0NOWHERE)",
        "bad",
        "is a wrong id",
    );
}

#[test]
fn clock_network_and_queue() {
    let mut place = Place::bot();
    place.slack.set_clock_offset(-600.0);
    check(&place, 0, "clock", "weak", "off by 10m");
    place.slack.set_clock_offset(0.0);
    place.slack.fault(Trouble::Html);
    check(&place, 2, "token", "unknown", "the firewall");
    place.slack.clear_faults();
    place.set("SLACK_QUEUE_DIR", "/proc/no-such-place");
    check(&place, 1, "queue", "bad", "give SLACK_QUEUE_DIR a folder");
}

#[test]
fn the_registry_that_concurrent_asks() {
    let mut place = Place::bot();
    check(&place, 0, "registry", "good", ".deployment-registry");
    place.set("REGISTRY_URL", "dynamodb://deployments");
    check(&place, 0, "registry", "weak", "give ACTIVE the answer of");
    place.set("REGISTRY_URL", "postgres://x");
    check(&place, 0, "registry", "weak", "REGISTRY_URL is");
}
