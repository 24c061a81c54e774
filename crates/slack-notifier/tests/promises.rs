//! What `slack-notifier` promises beside its answers' table: never in the way, never more than 15 s, no secrets.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod common;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use common::{ID, Place, Ran, Through, all_text, files, read_json};
use simulators::{Fault, TOKEN, Trouble, UPDATES};

const NOTIFIER: &str = env!("CARGO_BIN_EXE_slack-notifier");

fn start(place: &Place) -> Ran {
    place.run(NOTIFIER, &["start", ID, "production", "12345"])
}

// Settings: 1 s instead of 15, so that a test does not take so long.
const LIMIT: Duration = Duration::from_secs(1);
// A loaded machine starts a process and writes a file in this.
const MARGIN: Duration = Duration::from_secs(4);

fn check_held_up(place: &Place, name: &str) {
    let ran = start(place);
    assert_eq!(ran.code, Some(0), "{name}: {ran:?}");
    assert!(ran.took < LIMIT + MARGIN, "{name}: {ran:?}");
    assert_eq!(place.queued().len(), 1, "{name}: {ran:?}");
    assert!(
        ran.stderr.contains("kept in the retry queue"),
        "{name}: {ran:?}"
    );
}

#[test]
fn a_slack_that_hangs_in_any_phase_holds_nothing_up() {
    for (name, trouble) in [
        ("request not read", Trouble::HangUnread),
        ("no answer", Trouble::Hang),
        ("headers stall", Trouble::StallInHeaders),
        ("body stalls", Trouble::StallInBody),
        ("one byte a second", Trouble::Drip { seconds: 1.0 }),
    ] {
        for through in [Through::Bot, Through::Webhook] {
            let mut place = Place::new(through);
            place.set("SLACK_TIMEOUT", "1s");
            place.slack.fault(trouble.clone());
            check_held_up(&place, name);
        }
    }
}

#[test]
fn a_connection_or_a_tls_handshake_that_hangs_holds_nothing_up() {
    // Accepts (the kernel does) and never says anything.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut place = Place::bot();
    place.set("SLACK_TIMEOUT", "1s");
    place.set("SLACK_API_URL", &format!("https://127.0.0.1:{port}/api/"));
    check_held_up(&place, "TLS");
    // Nobody listens on this one, so it is refused at once; three tries.
    drop(silent);
    place = Place::bot();
    place.set("SLACK_API_URL", &format!("http://127.0.0.1:{port}/api/"));
    check_held_up(&place, "refused");
}

#[test]
fn without_settings_a_message_is_kept_and_the_deployment_goes_on() {
    let mut place = Place::bot();
    place.variables.clear();
    let ran = start(&place);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.stderr.contains("Slack is not configured")
            && ran.stderr.contains("set SLACK_BOT_TOKEN"),
        "{ran:?}"
    );
    assert_eq!(place.queued().len(), 1);
    assert!(place.entries()[0]["parked"]["fix"].is_string());
    assert_eq!(
        place.entries()[0]["failures"],
        0,
        "a setting costs no attempt"
    );
    let strict = place.run(NOTIFIER, &["--strict", "custom", "x"]);
    assert_eq!(strict.code, Some(1), "{strict:?}");
}

#[test]
fn settings_of_the_wrong_kind_are_named_without_their_value() {
    for (variables, words) in [
        (
            vec![(
                "SLACK_BOT_TOKEN",
                "https://hooks.slack.com/services/T0/B0/sssecret",
            )],
            "SLACK_BOT_TOKEN has a URL in it",
        ),
        (
            vec![("SLACK_WEBHOOK_URL", "xoxb-sssecret")],
            "SLACK_WEBHOOK_URL has a token in it",
        ),
        (
            vec![(
                "SLACK_WEBHOOK_URL",
                "http://hooks.slack.com/services/T0/B0/sssecret",
            )],
            "is not https",
        ),
        (
            vec![("SLACK_BOT_TOKEN", "xoxb-sss ecret")],
            "a character no token has",
        ),
        (
            vec![
                ("SLACK_BOT_TOKEN", "xoxb-sssecret"),
                ("SLACK_API_URL", "http://example.com/api/"),
            ],
            "SLACK_API_URL is not https",
        ),
    ] {
        let mut place = Place::bot();
        place.variables.clear();
        for (name, value) in variables {
            place.set(name, value);
        }
        let ran = start(&place);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stderr.contains(words), "{ran:?}");
        assert!(
            !ran.stderr.contains("sss") && !all_text(place.folder.path()).contains("sss"),
            "{ran:?}"
        );
    }
}

#[test]
fn a_queue_that_cannot_be_written_costs_nothing_while_slack_answers() {
    let mut place = Place::bot();
    place.set("SLACK_QUEUE_DIR", "/proc/no-such-place");
    let ran = start(&place);
    assert_eq!((ran.code, place.messages().len()), (Some(0), 1), "{ran:?}");
    // Neither sent nor stored: an error with the whole message.
    place.slack.fault(Fault::error("invalid_auth"));
    place.set("GITHUB_ACTIONS", "true");
    let ran = place.run(NOTIFIER, &["failed", ID, "production", "the disk is full"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.starts_with("::error::"), "{ran:?}");
    for words in [
        "neither delivered nor kept",
        "SLACK_BOT_TOKEN",
        "❌ Deployment Failed",
        "the disk is full",
        ID,
    ] {
        assert!(ran.stderr.contains(words), "{words}: {ran:?}");
    }
    let strict = place.run(NOTIFIER, &["failed", ID, "production", "x", "--strict"]);
    assert_eq!(strict.code, Some(1), "{strict:?}");
}

#[test]
fn a_full_disk_is_a_queue_that_cannot_be_written() {
    // /dev/full is where every write ends in ENOSPC; a folder it cannot be, so the queue's own file system is played by a limit
    // on the size of files: a write beyond it fails just as one on a full disk does.
    let mut place = Place::bot();
    place.set("SLACK_QUEUE_DIR", &place.queue().display().to_string());
    let words = format!("trap '' XFSZ; ulimit -f 0; exec {NOTIFIER} start {ID} production 12345");
    let sent = place.run("/bin/bash", &["-c", &words]);
    assert_eq!(
        (sent.code, place.messages().len()),
        (Some(0), 1),
        "{sent:?}"
    );
    place.slack.fault(Fault::error("service_unavailable"));
    let lost = place.run("/bin/bash", &["-c", &words]);
    assert_eq!(lost.code, Some(0), "{lost:?}");
    assert!(
        lost.stderr.contains("neither delivered nor kept"),
        "{lost:?}"
    );
    assert!(
        place.queued().is_empty(),
        "no half file: {:?}",
        place.queued()
    );
}

#[test]
fn wrong_words_are_one_sentence_and_nothing_is_written() {
    let place = Place::bot();
    for (words, sentence) in [
        (&["strat", ID, "production", "1"][..], "did you mean start?"),
        (&["start", ID], "`start` lacks ENV and RUN_OR_URL"),
        (&[], "missing the command"),
    ] {
        let ran = place.run(NOTIFIER, words);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
        assert!(
            ran.stderr.contains(sentence) && ran.stderr.lines().count() == 1,
            "{ran:?}"
        );
    }
    assert!(files(place.folder.path()).is_empty());
    assert!(place.messages().is_empty());
}

#[test]
fn values_without_sense_go_out_as_they_are_with_a_warning() {
    let place = Place::bot();
    for (words, warning, shown) in [
        (
            vec!["complete", ID, "production", "abc"],
            "MINUTES is \"abc\"",
            "**Duration:** abc",
        ),
        (
            vec!["concurrent", ID, "production", ""],
            "ACTIVE is empty",
            "- Status: UNKNOWN",
        ),
        (
            vec!["concurrent", ID, "production", "nonsense"],
            "neither JSON nor a number",
            "- Elapsed: UNKNOWN",
        ),
        (
            vec!["concurrent", ID, "production", "-3"],
            "no JSON object",
            "- Status: UNKNOWN",
        ),
        (
            vec!["custom", "hello", "a channel with spaces"],
            "is no channel's id or name",
            "hello",
        ),
        (
            vec!["progress", ID, "S", "d", "--remaining", "soon"],
            "--remaining is \"soon\", not a whole number of minutes: it is left out",
            "**Status:** S",
        ),
        (
            vec!["custom", ""],
            "MESSAGE of `custom` is empty",
            "(a message without text)",
        ),
        (
            vec!["start", "../../etc/passwd", "", "\n"],
            "ENV of `start` is empty",
            "`../../etc/passwd`",
        ),
    ] {
        let ran = place.run(NOTIFIER, &words);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stderr.contains(warning), "{ran:?}");
        let last = place.messages().pop().unwrap().shown();
        assert!(last.contains(shown), "{last}");
    }
    assert!(
        files(&place.folder.path().join(".."))
            .iter()
            .all(|name| name != "passwd")
    );
}

#[test]
fn words_too_many_are_a_message_with_a_warning() {
    let place = Place::bot();
    for (words, shown) in [
        (
            "start ID production 12345 CHANNEL more",
            "**Workflow:** 12345",
        ),
        (
            "concurrent ID production 30 CHANNEL more",
            "It gives up after 30 minutes.",
        ),
        (
            "progress ID S creating the data base",
            "\n\ncreating the data base",
        ),
        (
            "complete ID production 25 http://u CHANNEL more",
            "**Duration:** 25 minutes",
        ),
        (
            "failed ID production the disk is full",
            "\nthe disk is full\n",
        ),
        (
            "stalled ID Stack 12 CHANNEL more",
            "**No Stack Events For:** 12 minutes",
        ),
        (
            "alert ID Stack no events since noon",
            "\n\nno events since noon",
        ),
        ("custom the disk is full", "the disk is full"),
    ] {
        let words = words.replace("ID", ID).replace("CHANNEL", UPDATES);
        let words: Vec<&str> = words.split(' ').collect();
        let ran = place.run(NOTIFIER, &words);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{ran:?}");
        let warning = format!("[WARNING] `{}` has words too many, ", words[0]);
        assert_eq!(ran.stderr.matches(&warning).count(), 1, "{ran:?}");
        let last = place.messages().pop().unwrap().shown();
        assert!(last.contains(shown), "{last}");
    }
    // It is no message, so nothing is lost by refusing it.
    let ran = place.run(NOTIFIER, &["doctor", "more"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
}

#[test]
fn each_form_is_tried_once_and_slack_takes_it_at_every_length() {
    // The lengths at which Slack's limits lie, and just beyond; the simulator refuses what Slack refuses.
    std::thread::scope(|scope| {
        for length in [151, 2_999, 3_000, 3_001, 9_999, 12_001] {
            scope.spawn(move || (0..4).for_each(|refused| check_form(length, refused)));
        }
    });
}

fn check_form(length: usize, refused: u32) {
    let mut place = Place::bot();
    // A loaded machine may take its time.
    place.set("SLACK_TIMEOUT", "60s");
    if refused > 0 {
        let fault = Fault::error("invalid_blocks").on("chat.postMessage");
        place.slack.fault(fault.times(refused));
    }
    let text = "é&<".repeat(length / 3 + 1);
    let text: String = text.chars().take(length).collect();
    let ran = place.run(NOTIFIER, &["custom", &text]);
    let what = format!("{length} characters, {refused} forms refused: {ran:?}");
    assert!(ran.stderr.contains("Slack has the message"), "{what}");
    let requests = place.slack.requests("chat.postMessage");
    assert_eq!(requests, refused as usize + 1, "{what}");
    let message = place.messages().pop().unwrap();
    let kinds: Vec<&str> = message
        .blocks
        .iter()
        .map(|block| block["type"].as_str().unwrap())
        .collect();
    match refused {
        0 => assert_eq!(kinds, ["markdown"], "{what}"),
        1 => assert!(
            (1..=50).contains(&kinds.len()) && kinds.iter().all(|kind| *kind == "section"),
            "{what}"
        ),
        _ => assert!(kinds.is_empty(), "{what}"),
    }
    assert!(message.shown().starts_with("é&<é&<"), "{what}");
    let pointer = message
        .shown()
        .contains("The whole text: slack-retry-queue show ");
    assert_eq!(pointer, refused == 3, "{what}");
    // The same message each time.
    let ids: std::collections::BTreeSet<String> = place
        .slack
        .recorded()
        .iter()
        .filter(|post| post.action == "chat.postMessage")
        .map(|post| {
            let body: serde_json::Value = serde_json::from_str(&post.body).unwrap();
            body["metadata"]["event_payload"]["message_id"].to_string()
        })
        .collect();
    assert_eq!(ids.len(), 1, "{what}");
}

#[test]
fn a_text_of_100_kb_arrives_with_its_beginning_and_its_end() {
    for through in [Through::Bot, Through::Webhook] {
        let place = Place::new(through);
        let error = format!("BEGIN {} END", "line of a log <x> & **y**\n".repeat(4_000));
        let ran = place.run(NOTIFIER, &["failed", ID, "production", &error]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let message = place.messages().pop().unwrap();
        for text in [message.shown(), message.text.clone()] {
            assert!(
                text.contains("BEGIN line") && text.contains(" END\n"),
                "{text}"
            );
            assert!(
                text.ends_with("Check the deployment troubleshooting guide."),
                "{text}"
            );
        }
        assert!(message.text.encode_utf16().count() <= 4_000);
    }
}

#[test]
fn secrets_are_in_no_file_no_log_and_no_message() {
    for through in [Through::Bot, Through::Webhook] {
        let mut place = Place::new(through);
        let secret = match through {
            Through::Bot => TOKEN.to_owned(),
            Through::Webhook => "simulatedwebhooksecret".to_owned(),
        };
        place.set("GITHUB_TOKEN", "ghs_topsecrettopsecret1");
        place.slack.fault(
            Fault::error(if through == Through::Bot {
                "invalid_auth"
            } else {
                "no_service"
            })
            .times(4),
        );
        let error = format!(
            "{} AKIAIOSFODNN7EXAMPLE ghs_topsecrettopsecret1 https://u:hunter2hunter2@x/",
            place.variables[1].1
        );
        let ran = place.run(NOTIFIER, &["failed", ID, "production", &error]);
        assert_eq!(place.queued().len(), 1, "{ran:?}");
        place.slack.clear_faults();
        let sent = place.run(NOTIFIER, &["alert", ID, "S", &error]);
        assert!(place.queued().is_empty(), "{sent:?}");
        let bodies: String = place
            .slack
            .recorded()
            .iter()
            .map(|post| post.body.clone())
            .collect();
        let everything = format!(
            "{}{}{}{bodies}",
            ran.stderr,
            sent.stderr,
            all_text(place.folder.path())
        );
        for secret in [
            secret.as_str(),
            "AKIAIOSFODNN7EXAMPLE",
            "topsecret",
            "hunter2",
        ] {
            assert!(!everything.contains(secret), "{secret} in {everything}");
        }
        assert!(bodies.contains("***"));
    }
}

#[test]
fn the_queue_is_for_its_user_only() {
    let place = Place::bot();
    place.slack.fault(Fault::error("invalid_auth"));
    start(&place);
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.queue()), 0o700);
    for name in place.queued() {
        assert_eq!(mode(&place.queue().join(&name)), 0o600, "{name}");
        let entry = read_json(&place.queue().join(&name));
        assert_eq!(entry["correlation_id"], ID);
    }
}

#[test]
fn messages_of_one_deployment_leave_in_order() {
    let place = Place::bot();
    place
        .slack
        .fault(Fault::error("service_unavailable").times(3));
    start(&place);
    // Not before the first one, which waits for its next try.
    let ran = place.run(NOTIFIER, &["failed", ID, "production", "boom"]);
    assert!(
        ran.stderr.contains("an earlier message of this deployment"),
        "{ran:?}"
    );
    assert_eq!((place.messages().len(), place.queued().len()), (0, 2));
    // Another deployment's goes.
    place.run(NOTIFIER, &["start", "other", "staging", "1"]);
    assert_eq!(place.messages().len(), 1);
}

#[test]
fn a_call_tries_three_times_where_that_helps_and_once_where_it_does_not() {
    for (code, tries) in [
        ("service_unavailable", 3),
        ("something_new", 3),
        ("internal_error", 3),
        ("invalid_auth", 1),
        ("team_added_to_org", 1),
    ] {
        let place = Place::bot();
        place.slack.fault(Fault::error(code).on("chat.postMessage"));
        let ran = start(&place);
        assert!(ran.stderr.contains("kept in the retry queue"), "{ran:?}");
        let requests = place.slack.requests("chat.postMessage");
        assert_eq!(requests, tries, "{code}: {ran:?}");
    }
}

#[test]
fn a_channel_gets_one_message_a_second() {
    let place = Place::bot();
    place.slack.set_one_per_second(true);
    for _ in 0..3 {
        let ran = place.run(NOTIFIER, &["custom", "x"]);
        assert!(ran.stderr.contains("Slack has the message"), "{ran:?}");
    }
    assert_eq!(
        place.slack.requests("chat.postMessage"),
        3,
        "never refused for being too fast"
    );
}

#[test]
fn the_help_tells_the_exit_status_and_examples() {
    let place = Place::bot();
    for words in [&["--help"][..], &["start", "--help"]] {
        let ran = place.run(NOTIFIER, words);
        assert_eq!(ran.code, Some(0));
        assert!(!ran.stdout.is_empty() && ran.stderr.is_empty());
    }
    let help = place.run(NOTIFIER, &["--help"]).stdout;
    assert!(
        help.contains("Exit status: 0 ") && help.contains("slack-notifier start 2026"),
        "{help}"
    );
}
