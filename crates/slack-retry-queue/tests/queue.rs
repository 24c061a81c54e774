//! The retry queue through the real program against a Slack on loopback.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

#[path = "../../slack-notifier/tests/common/mod.rs"]
mod common;
#[path = "queue/unsure.rs"]
mod unsure;

use std::io::Write as _;
use std::path::Path;

use common::{ID, Place, Ran, Through, files, read_json};
use serde_json::{Value, json};
use simulators::{Fault, INTERACT, Trouble, UPDATES};

const QUEUE: &str = env!("CARGO_BIN_EXE_slack-retry-queue");

fn queue(place: &Place, words: &[&str]) -> String {
    let mut all = vec!["queue"];
    all.extend(words);
    let ran = place.run(QUEUE, &all);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.stdout.trim().to_owned()
}

fn process(place: &Place) -> Ran {
    place.run(QUEUE, &["process"])
}

fn status(place: &Place) -> Value {
    let ran = place.run(QUEUE, &["status", "--json"]);
    serde_json::from_str(&ran.stdout).unwrap()
}

/// Every post to Slack ends so, until faults are cleared.
fn refuse(place: &Place, code: &str) {
    let fault = Fault::error(code).on("chat.postMessage");
    place.slack.fault(fault);
}

/// What a channel shows, message by message.
fn shown_in(place: &Place, channel: &str) -> Vec<String> {
    let messages = place.slack.messages(channel);
    messages.iter().map(simulators::Message::shown).collect()
}

fn shown(place: &Place) -> Vec<String> {
    shown_in(place, UPDATES)
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::File::create(path)
        .unwrap()
        .write_all(bytes)
        .unwrap();
}

// Makes every waiting message due, as if its wait had passed.
fn make_due(place: &Place) {
    for name in place.queued() {
        let path = place.queue().join(&name);
        let mut entry = read_json(&path);
        if name.starts_with("dead_letter_") {
            continue;
        }
        entry["next_retry_at"] = entry["decided_at"].clone();
        write(&path, entry.to_string().as_bytes());
    }
    // And every channel free.
    let _none = std::fs::remove_file(place.queue().join("state"));
}

#[test]
fn the_guides_words() {
    let place = Place::bot();
    let id = queue(&place, &["start", ID, "production", "12345"]);
    assert_eq!(place.queued(), [format!("{id}.json")]);
    assert!(
        place
            .run(QUEUE, &["status"])
            .stdout
            .contains("1 waiting, 0 dead letters")
    );
    let ran = process(&place);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{ran:?}");
    assert!(place.messages()[0].shown().contains("Deployment Started"));
    assert!(place.queued().is_empty());
    let nothing = process(&place);
    assert_eq!(
        (nothing.code, nothing.stderr.as_str()),
        (Some(0), ""),
        "cron mails whatever is said"
    );
}

#[test]
fn after_a_first_send_and_five_retries_a_message_is_a_dead_letter_with_its_history() {
    let place = Place::bot();
    refuse(&place, "service_unavailable");
    let id = queue(&place, &["failed", ID, "production", "boom"]);
    let mut waits = Vec::new();
    for _ in 0..5 {
        process(&place);
        let entry = place.entries().remove(0);
        let time = |name: &str| {
            let text = entry[name].as_str().unwrap();
            registry_core::clock::Timestamp::parse_rfc3339(text).unwrap()
        };
        waits.push(time("next_retry_at").since(time("decided_at")).as_secs());
        // Not before it is due.
        let before = place.slack.requests("chat.postMessage");
        process(&place);
        assert_eq!(place.slack.requests("chat.postMessage"), before);
        make_due(&place);
    }
    assert_eq!(waits, [5, 10, 20, 40, 80]);
    let last = process(&place);
    assert!(
        last.stderr
            .contains("is a dead letter: service_unavailable"),
        "{last:?}"
    );
    assert_eq!(place.queued(), [format!("dead_letter_{id}.json")]);
    assert_eq!(place.slack.requests("chat.postMessage"), 6);
    let dead = place.entries().remove(0);
    let attempts = dead["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 6);
    assert!(
        attempts
            .iter()
            .all(|a| a["outcome"] == "transient" && a["detail"] == "service_unavailable")
    );
    let status = place.run(QUEUE, &["status"]);
    assert_eq!(status.code, Some(1), "cron mails: {status:?}");
    let shown = place.run(QUEUE, &["show", &id]);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(
        (&shown[0]["state"], &shown[0]["message"]["correlation_id"]),
        (&json!("dead"), &json!(ID))
    );

    place.slack.clear_faults();
    process(&place);
    assert!(place.messages().is_empty(), "a dead letter is left alone");
    let revived = place.run(QUEUE, &["retry_dead", &id]);
    assert_eq!(
        (revived.code, revived.stdout.trim()),
        (Some(0), id.as_str())
    );
    process(&place);
    assert_eq!(place.messages().len(), 1);
    assert_eq!(
        place.run(QUEUE, &["retry_dead", &id]).code,
        Some(1),
        "nothing found"
    );
    assert_eq!(
        place.run(QUEUE, &["show", &id]).code,
        Some(1),
        "nothing found"
    );
    assert_eq!(
        place.run(QUEUE, &["retry-dead"]).code,
        Some(0),
        "nothing to do"
    );
}

#[test]
fn a_wrong_setting_parks_the_queue_and_costs_no_attempt() {
    let place = Place::bot();
    refuse(&place, "invalid_auth");
    for n in 0..3 {
        queue(&place, &["custom", &format!("message {n}")]);
    }
    for tries in 1..=3 {
        let ran = process(&place);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(
            ran.stderr
                .contains("messages are parked: invalid_auth: the token is wrong"),
            "{ran:?}"
        );
        assert_eq!(
            place.slack.requests("chat.postMessage"),
            tries,
            "only the oldest is tried, once"
        );
    }
    assert!(
        place
            .entries()
            .iter()
            .all(|entry| entry["failures"] == 0 && entry["retry_count"] == 0)
    );
    let status = status(&place);
    assert_eq!(
        (&status["pending"], &status["parked"]),
        (&json!(3), &json!(1))
    );
    assert!(
        status["fixes"][0]
            .as_str()
            .unwrap()
            .contains("SLACK_BOT_TOKEN")
    );
    place.slack.clear_faults();
    process(&place);
    let shown = shown(&place);
    assert_eq!(shown, ["message 0", "message 1", "message 2"]);
}

#[test]
fn a_wrong_channel_parks_only_what_goes_there() {
    let place = Place::bot();
    queue(&place, &["custom", "lost", "C0NOWHERE"]);
    queue(&place, &["custom", "lost too", "C0NOWHERE"]);
    queue(&place, &["custom", "found", INTERACT]);
    let ran = process(&place);
    assert!(ran.stderr.contains("C0NOWHERE is a wrong id"), "{ran:?}");
    assert_eq!(place.slack.messages(INTERACT).len(), 1);
    assert_eq!(
        (
            place.queued().len(),
            place.slack.requests("chat.postMessage")
        ),
        (2, 2)
    );
}

#[test]
fn a_channel_that_a_person_must_mend_keeps_no_message_of_the_deployment_from_another() {
    let place = Place::bot();
    let stuck = queue(&place, &["alert", ID, "S", "stuck", "C0NOWHERE"]);
    let after = queue(&place, &["alert", ID, "S", "stuck, too", "C0NOWHERE"]);
    queue(&place, &["failed", ID, "production", "boom"]);
    let before = place.run(QUEUE, &["status"]).stdout;
    let waits = format!(" {after} waiting `alert` of {ID} to C0NOWHERE, goes after {stuck}\n");
    assert!(before.contains(&waits), "{before}");
    assert!(
        before.contains(&format!(
            " {stuck} waiting `alert` of {ID} to C0NOWHERE, due\n"
        )),
        "{before}"
    );
    process(&place);
    assert!(shown(&place)[0].contains("Deployment Failed"));
    assert_eq!(place.queued().len(), 2);
    let after = place.run(QUEUE, &["status"]).stdout;
    assert!(after.contains("2 waiting (1 parked), "), "{after}");
    // Once the channel is there they go, in order.
    let channel = simulators::Channel::new("C0NOWHERE", "somewhere");
    place.slack.add_channel(channel);
    process(&place);
    let shown = shown_in(&place, "C0NOWHERE");
    assert!(
        shown.len() == 2 && shown[0].ends_with("stuck") && shown[1].ends_with("stuck, too"),
        "{shown:?}"
    );
}

#[test]
fn retry_after_holds_the_channel_and_costs_no_attempt() {
    let place = Place::bot();
    place.slack.fault(
        Fault::rate_limited(Some("30"))
            .on("chat.postMessage")
            .times(1),
    );
    queue(&place, &["custom", "one"]);
    queue(&place, &["custom", "two"]);
    queue(&place, &["custom", "elsewhere", INTERACT]);
    process(&place);
    assert_eq!(
        place.slack.requests("chat.postMessage"),
        2,
        "the other channel is free"
    );
    assert!(place.entries().iter().all(|entry| entry["failures"] == 0));
    process(&place);
    assert_eq!(place.slack.requests("chat.postMessage"), 2, "held for 30 s");
    make_due(&place);
    process(&place);
    assert_eq!(place.messages().len(), 2);
}

#[test]
fn drain_waits_for_what_falls_due() {
    let place = Place::bot();
    place.slack.fault(
        Fault::error("service_unavailable")
            .on("chat.postMessage")
            .times(1),
    );
    queue(&place, &["custom", "x"]);
    let ran = place.run(QUEUE, &["process", "--drain", "60s", "--strict"]);
    assert_eq!((ran.code, place.messages().len()), (Some(0), 1), "{ran:?}");
    assert!((5..20).contains(&ran.took.as_secs()), "{ran:?}");
    refuse(&place, "service_unavailable");
    queue(&place, &["custom", "y"]);
    let ran = place.run(QUEUE, &["process", "--drain", "2s", "--strict"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.took.as_secs() < 5, "{ran:?}");
}

#[test]
fn newer_progress_replaces_older_and_old_progress_expires() {
    let place = Place::bot();
    refuse(&place, "invalid_auth");
    for n in 0..3 {
        queue(
            &place,
            &["progress", ID, "UPDATE_IN_PROGRESS", &format!("step {n}")],
        );
        queue(
            &place,
            &[
                "progress",
                "other",
                "UPDATE_IN_PROGRESS",
                &format!("step {n}"),
            ],
        );
    }
    assert_eq!(place.queued().len(), 2);
    let kept = [
        ("progress", vec![ID, "S", "x"]),
        ("stalled", vec![ID, "S", "12"]),
        ("complete", vec![ID, "production", "25"]),
        ("alert", vec![ID, "S", "x"]),
        ("failed", vec![ID, "production", "x"]),
    ];
    let old = registry_core::clock::Timestamp::from_seconds(1_700_000_000).rfc3339();
    for (number, (kind, args)) in kept.iter().enumerate() {
        let entry = json!({"message_id": "m", "notification_type": kind, "args": args, "retry_count": 0,
            "queued_at": old, "next_retry_at": old});
        write(
            &place.queue().join(format!("old_{number}.json")),
            entry.to_string().as_bytes(),
        );
    }
    process(&place);
    let kinds: Vec<String> = place
        .entries()
        .iter()
        .map(|e| e["notification_type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        kinds.iter().filter(|kind| *kind == "progress").count(),
        2,
        "{kinds:?}"
    );
    assert!(!kinds.contains(&"stalled".to_owned()), "{kinds:?}");
    let status = status(&place);
    assert_eq!(
        (&status["expired"], &status["replaced"], &status["pending"]),
        (&json!(2), &json!(4), &json!(5))
    );
}

#[test]
fn late_messages_say_how_late_they_are() {
    let place = Place::bot();
    let now = registry_core::clock::Clock::now(&registry_core::clock::SystemClock::default());
    let then = now - std::time::Duration::from_secs(42 * 60);
    let entry = json!({"message_id": "m", "notification_type": "failed", "args": [ID, "production", "boom"], "retry_count": 1,
        "queued_at": then.rfc3339(), "next_retry_at": then.rfc3339()});
    write(&place.queue().join("m.json"), entry.to_string().as_bytes());
    process(&place);
    let shown = place.messages()[0].shown();
    assert!(
        shown.contains(&format!("**Failed:** {}", then.human())),
        "{shown}"
    );
    assert!(
        shown.ends_with(&format!(
            "🕓 Sent 42m late: this happened at {}.",
            then.human()
        )),
        "{shown}"
    );
}

#[test]
fn damaged_files_go_aside_and_newer_ones_are_left_alone() {
    let place = Place::bot();
    queue(&place, &["custom", "good"]);
    for (name, bytes) in [
        ("empty.json", &b""[..]),
        ("torn.json", b"{\"message_id\": \"x\", \"notif"),
        ("binary.json", b"\xff\xfe\x00"),
        (
            "unknown.json",
            br#"{"notification_type":"dance","args":["a"],"queued_at":1}"#,
        ),
        ("newer.json", br#"{"version":99,"more":"than we know"}"#),
        ("not-a-message.txt", b"x"),
    ] {
        write(&place.queue().join(name), bytes);
    }
    write(
        &place.queue().join("corrupt/empty.json"),
        b"an earlier one of the same name",
    );
    std::fs::create_dir(place.queue().join("folder.json")).unwrap();
    let ran = process(&place);
    assert_eq!((ran.code, place.messages().len()), (Some(0), 1), "{ran:?}");
    for told in [
        "empty.json is no message (it is not JSON: ",
        "binary.json is no message (it is not UTF-8): it lies in corrupt/ now",
    ] {
        assert!(ran.stderr.contains(told), "{ran:?}");
    }
    assert_eq!(place.queued(), ["folder.json", "newer.json"]);
    assert_eq!(
        files(&place.queue().join("corrupt")),
        [
            "binary.json",
            "empty.1.json",
            "empty.json",
            "torn.json",
            "unknown.json"
        ]
    );
    let status = status(&place);
    assert_eq!(
        (&status["corrupt"], &status["newer_version"]),
        (&json!(5), &json!(1))
    );
}

#[test]
fn many_at_once_send_each_message_once_in_order() {
    let place = Place::bot();
    for n in 0..3 {
        queue(&place, &["alert", ID, "S", &format!("message {n}")]);
        queue(
            &place,
            &["alert", "other", "S", &format!("message {n}"), INTERACT],
        );
    }
    let mut children: Vec<_> = (0..6)
        .map(|_| {
            let mut command = place.command(QUEUE, &["process"]);
            command.stderr(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    for channel in [UPDATES, INTERACT] {
        let shown = shown_in(&place, channel);
        assert_eq!(shown.len(), 3, "{shown:?}");
        for (n, text) in shown.iter().enumerate() {
            assert!(text.ends_with(&format!("message {n}")), "{shown:?}");
        }
    }
    assert!(place.queued().is_empty());
}

#[test]
fn a_clock_that_was_set_back_keeps_order_and_keeps_nothing_waiting() {
    let place = Place::bot();
    place.slack.fault(
        Fault::error("service_unavailable")
            .on("chat.postMessage")
            .times(1),
    );
    queue(&place, &["alert", ID, "S", "first"]);
    process(&place);
    // Queued in what is now the future, and due even later.
    let path = place.queue().join(&place.queued()[0]);
    let mut entry = read_json(&path);
    for name in ["queued_at", "next_retry_at", "decided_at"] {
        entry[name] = json!("2099-01-01T00:00:00Z");
    }
    entry["sequence"] = json!(4_070_908_800_000_i64);
    std::fs::remove_file(&path).unwrap();
    write(
        &place.queue().join("4070908800000-00000001.json"),
        entry.to_string().as_bytes(),
    );
    queue(&place, &["alert", ID, "S", "second"]);
    process(&place);
    let shown = shown(&place);
    assert!(
        shown.len() == 2 && shown[0].ends_with("first") && shown[1].ends_with("second"),
        "{shown:?}"
    );
}

#[test]
fn a_queue_that_cannot_be_used_is_told_in_one_sentence() {
    let mut place = Place::bot();
    place.set("SLACK_QUEUE_DIR", "/proc/no-such-place");
    for words in [&["queue", "custom", "x"][..], &["process"]] {
        let ran = place.run(QUEUE, words);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
        assert!(
            ran.stderr
                .contains("the retry queue /proc/no-such-place cannot be used"),
            "{ran:?}"
        );
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    }
}

#[test]
fn wrong_words_are_one_sentence() {
    let place = Place::bot();
    for (words, sentence) in [
        (&["proces"][..], "did you mean process?"),
        (&["queue"], "missing <TYPE>"),
        (
            &["queue", "dance", "x"],
            "there is no type \"dance\": known are start, concurrent",
        ),
        (
            &["queue", "strat", "x"],
            "there is no type \"strat\": did you mean start?",
        ),
        (&["queue", "start", "x"], "`start` lacks ENV and RUN_OR_URL"),
        (&["process", "--drain", "soon"], "\"soon\" is no duration"),
        (&["show"], "missing <ID>"),
        (&["process", "more"], "\"more\" is one too many"),
        (&["status", "more"], "\"more\" is one too many"),
        (&["retry_dead", "x", "more"], "\"more\" is one too many"),
        (&["show", "x", "more"], "\"more\" is one too many"),
    ] {
        let ran = place.run(QUEUE, words);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
        assert!(
            ran.stderr.contains(sentence) && ran.stderr.lines().count() == 1,
            "{ran:?}"
        );
    }
    assert!(files(place.folder.path()).is_empty());
    // Those of a message are the message's, as in slack-notifier.
    let ran = place.run(QUEUE, &["queue", "custom", "the", "disk", "is", "full"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.stderr.contains("`custom` has words too many"),
        "{ran:?}"
    );
    assert_eq!(place.entries()[0]["args"], json!(["the disk is full"]));
    let help = place.run(QUEUE, &["--help"]).stdout;
    assert!(
        help.contains("Exit status: 0 done; 1 dead letters") && help.contains("Examples:"),
        "{help}"
    );
}
