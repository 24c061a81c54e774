//! One deployment is one thread; and what a waiting one says of the other.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod common;

use common::{ID, Place, Ran, Through};
use simulators::{Channel, Fault, INTERACT, UPDATES};

const NOTIFIER: &str = env!("CARGO_BIN_EXE_slack-notifier");

fn start(place: &Place) -> Ran {
    place.run(NOTIFIER, &["start", ID, "production", "12345"])
}

#[test]
fn one_deployment_is_one_thread_and_the_root_shows_its_state() {
    let place = Place::bot();
    let guide = ["production", "12345"];
    place.run(NOTIFIER, &["start", ID, guide[0], guide[1]]);
    let root = place.messages().pop().unwrap();
    for (words, broadcast, state) in [
        (
            vec![
                "progress",
                ID,
                "CREATE_IN_PROGRESS",
                "db",
                "--elapsed",
                "15",
                "--remaining",
                "10",
            ],
            false,
            "⏳ CREATE_IN_PROGRESS ▰▰▰▰▰▰▱▱▱▱ 60%",
        ),
        (
            vec!["stalled", ID, "S", "12"],
            true,
            "⚠️ no stack events for 12 minutes",
        ),
        (
            vec!["alert", ID, "S", "overrun"],
            false,
            "⚠️ no stack events for 12 minutes",
        ),
        (
            vec!["failed", ID, "production", "boom"],
            true,
            "❌ failed: boom",
        ),
        (
            vec!["complete", ID, "production", "25"],
            true,
            "✅ successful after 25 minutes",
        ),
    ] {
        let ran = place.run(NOTIFIER, &words);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let messages = place.messages();
        let reply = messages.last().unwrap();
        assert_eq!(reply.thread_ts.as_ref(), Some(&root.ts), "{words:?}");
        assert_eq!(reply.reply_broadcast, broadcast, "{words:?}");
        let now = messages[0].shown();
        assert!(
            now.starts_with(&root.shown()),
            "the guide's words stay: {now}"
        );
        assert!(now.contains(&format!("**Now:** {state}")), "{now}");
    }
    // Another machine: nothing is remembered, the root is found by its metadata.
    std::fs::remove_dir_all(place.folder.path().join(".deployment-registry")).unwrap();
    place.run(NOTIFIER, &["progress", ID, "ROLLBACK_IN_PROGRESS", "x"]);
    let messages = place.messages();
    assert_eq!(messages.last().unwrap().thread_ts.as_ref(), Some(&root.ts));
    assert!(
        messages[0]
            .shown()
            .contains("**Now:** ⏳ ROLLBACK_IN_PROGRESS")
    );
    // A deployment of another id has its own.
    place.run(NOTIFIER, &["complete", "other", "production", "25"]);
    assert_eq!(place.messages().pop().unwrap().thread_ts, None);
}

#[test]
fn a_root_shows_its_state_in_the_form_slack_took_it_in() {
    let place = Place::bot();
    // This workspace takes no markdown blocks at all.
    place
        .slack
        .fault(Fault::error("invalid_blocks").where_body_has("\"type\":\"markdown\""));
    start(&place);
    for (state, forgotten) in [
        ("CREATE_IN_PROGRESS", false),
        ("ROLLBACK_IN_PROGRESS", true),
    ] {
        if forgotten {
            // Another machine finds the root by its metadata, which does not tell the form.
            let known = place.folder.path().join(".deployment-registry");
            std::fs::remove_dir_all(known).unwrap();
        }
        let ran = place.run(NOTIFIER, &["progress", ID, state, "x"]);
        assert!(ran.stderr.contains("Slack has the message"), "{ran:?}");
        let root = place.messages()[0].clone();
        assert_eq!(root.blocks[0]["type"], "section");
        assert!(
            root.shown().contains(&format!("*Now:* ⏳ {state}")),
            "{}",
            root.shown()
        );
    }
}

#[test]
fn what_was_found_in_the_channel_counts_as_sent() {
    let place = Place::bot();
    start(&place);
    // The answer is lost; the message is found in its thread, and the root shows it.
    place.slack.fault(
        Fault::new(simulators::Trouble::Close)
            .on("chat.postMessage")
            .although_applied()
            .times(1),
    );
    let ran = place.run(NOTIFIER, &["complete", ID, "production", "25"]);
    assert!(ran.stderr.contains("Slack has the message"), "{ran:?}");
    assert_eq!(place.messages().len(), 2);
    let root = place.messages()[0].shown();
    assert!(
        root.contains("**Now:** ✅ successful after 25 minutes"),
        "{root}"
    );
}

#[test]
fn a_queued_deployment_starts_its_thread_anew() {
    let place = Place::bot();
    place.run(NOTIFIER, &["concurrent", ID, "production", "30"]);
    start(&place);
    place.run(NOTIFIER, &["progress", ID, "CREATE_IN_PROGRESS", "x"]);
    let messages = place.messages();
    assert_eq!(messages[1].thread_ts, None, "the start message is the root");
    assert_eq!(messages[2].thread_ts.as_ref(), Some(&messages[1].ts));
    assert!(messages[0].shown().contains("**Now:** 🚀 running since"));
    assert!(
        messages[1]
            .shown()
            .contains("**Now:** ⏳ CREATE_IN_PROGRESS")
    );
}

#[test]
fn a_thread_that_is_lost_is_replaced_by_a_new_root() {
    let place = Place::bot();
    start(&place);
    place.slack.fault(
        Fault::error("cannot_reply_to_message")
            .on("chat.postMessage")
            .times(1),
    );
    let ran = place.run(NOTIFIER, &["progress", ID, "CREATE_IN_PROGRESS", "x"]);
    assert!(ran.stderr.contains("Slack has the message"), "{ran:?}");
    let messages = place.messages();
    assert_eq!((messages.len(), messages[1].thread_ts.as_ref()), (2, None));
    place.run(NOTIFIER, &["complete", ID, "production", "25"]);
    assert_eq!(
        place.messages()[2].thread_ts.as_ref(),
        Some(&messages[1].ts)
    );
}

#[test]
fn another_channel_is_another_conversation() {
    let place = Place::bot();
    place.slack.add_channel(Channel::new("C0OTHER", "other"));
    start(&place);
    for channel in [INTERACT, "interact", "#kiro-interact"] {
        let ran = place.run(NOTIFIER, &["alert", ID, "S", "help", channel]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let last = place.slack.messages(INTERACT).pop().unwrap();
        assert_eq!(last.thread_ts, None);
    }
    place.run(NOTIFIER, &["complete", ID, "production", "25"]);
    assert!(
        place.messages()[1].thread_ts.is_some(),
        "the thread stayed where it was"
    );
    let mut hook = Place::new(Through::Webhook);
    hook.set("SLACK_CHANNEL_UPDATES", UPDATES);
    let ran = hook.run(NOTIFIER, &["custom", "x", INTERACT]);
    assert!(
        ran.stderr
            .contains("a webhook posts to the channel it was made for"),
        "{ran:?}"
    );
}

#[test]
fn what_is_not_known_of_the_other_deployment_is_looked_up() {
    let place = Place::bot();
    let registry = place.folder.path().join(".deployment-registry");
    std::fs::create_dir(&registry).unwrap();
    let write = |name: &str, text: &str| {
        let mut file = std::fs::File::create(registry.join(name)).unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    };
    write(
        "deployments.json",
        r#"{"deployments":[{"correlation_id":"other","workflow_run_id":"1","environment":"production","stack_name":"S",
            "status":"IN_PROGRESS","started_at":"2026-01-14T12:34:56Z","updated_at":"2026-01-14T12:44:56Z"}]}"#,
    );
    write(
        "deployment-history.json",
        r#"{"deployments":[],"average_deployment_minutes":25}"#,
    );
    let ran = place.run(NOTIFIER, &["concurrent", ID, "production", "30"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let shown = place.messages().pop().unwrap().shown();
    assert!(
        shown.contains("- Status: IN_PROGRESS\n- Started: 2026-01-14 12:34:56 UTC\n- Elapsed: "),
        "{shown}"
    );
    assert!(!shown.contains("- Elapsed: UNKNOWN"), "{shown}");
    assert!(shown.contains("It gives up after 30 minutes."), "{shown}");
    // What the caller says counts more.
    place.run(
        NOTIFIER,
        &[
            "concurrent",
            ID,
            "production",
            r#"{"status":"UPDATE_IN_PROGRESS","elapsed_minutes":3}"#,
        ],
    );
    let shown = place.messages().pop().unwrap().shown();
    assert!(
        shown.contains("- Status: UPDATE_IN_PROGRESS\n")
            && shown.contains("- Elapsed: 3 minutes\n"),
        "{shown}"
    );
    assert!(
        shown.contains("- Estimated Remaining: 22 minutes\n"),
        "{shown}"
    );
    // A registry out of reach of this program: what is known goes out, and it is said what to do.
    let mut shared = Place::bot();
    shared.set("REGISTRY_URL", "dynamodb://deployments");
    let ran = shared.run(NOTIFIER, &["concurrent", ID, "production", "30"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for words in [
        "does not read the shared registry of REGISTRY_URL",
        "the answer of `deployment-coordinator can_deploy`",
    ] {
        assert!(ran.stderr.contains(words), "{words}: {ran:?}");
    }
    let shown = shared.messages().pop().unwrap().shown();
    assert!(
        shown.contains("- Status: UNKNOWN\n") && shown.contains("gives up after 30 minutes"),
        "{shown}"
    );
    // An address that nobody understands is told of where it is needed, and stops no message.
    let mut wrong = Place::bot();
    wrong.set("REGISTRY_URL", "postgres://deployments");
    let ran = wrong.run(NOTIFIER, &["concurrent", ID, "production", "30"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.stderr.contains("this scheme is not known") && ran.stderr.contains("reads UNKNOWN"),
        "{ran:?}"
    );
    assert!(
        wrong
            .messages()
            .pop()
            .unwrap()
            .shown()
            .contains("- Status: UNKNOWN\n")
    );
    let answer =
        r#"{"can_deploy":false,"active_deployment":{"status":"IN_PROGRESS","elapsed_minutes":3}}"#;
    let ran = shared.run(NOTIFIER, &["concurrent", ID, "production", answer]);
    assert!(
        !ran.stderr.contains("REGISTRY_URL"),
        "nothing is lacking: {ran:?}"
    );
}
