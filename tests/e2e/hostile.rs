//! Text from AWS, from files and from the command line is data: it controls no terminal, no workflow, no Slack channel, and carries
//! no secret onwards.

use end_to_end::{ID, Outcome, STACK, World};
use serde_json::{Value, json};
use simulators::{Event, Fault, Play, Stack, Trouble};

use crate::world;

/// Terminal escapes, workflow commands old and new, Slack's control sequences, and text that turns around.
const HOSTILE: &str = "red \u{1b}[31m \u{1b}]0;title\u{7} \u{9b}2J\n::set-output name=x::1\n::add-mask::x\r\n::error::forged\n\
    ##[command]forged %0A::warning::forged <!channel> <!here> <@U012AB3CD> <https://evil.example|click> \u{202e}txet";

fn check_output(outcome: &Outcome) {
    for text in [&outcome.stdout, &outcome.stderr] {
        for bad in ['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}', '\r'] {
            assert!(!text.contains(bad), "{bad:?} came through\n{outcome}");
        }
        for line in text.lines() {
            let line = line.trim_start();
            for bad in [
                "::set-output",
                "::add-mask",
                "::error::forged",
                "::warning::forged",
            ] {
                assert!(
                    !line.starts_with(bad),
                    "a workflow command came through\n{outcome}"
                );
            }
            assert!(
                !line.contains("##[command]"),
                "an old workflow command came through\n{outcome}"
            );
        }
    }
}

/// What was sent to Slack: the text of every request's body, decoded.
fn check_slack(world: &World) {
    for message in world.slack.all_messages() {
        let sent = format!("{} {}", message.text, json!(message.blocks));
        for bad in [
            "<!channel",
            "<!here",
            "<@U012AB3CD",
            "<https://evil.example|",
        ] {
            // A `markdown` block is not parsed for control sequences unless they stand in it unescaped.
            assert!(!sent.contains(bad), "{bad} came through to Slack: {sent}");
        }
        assert!(!sent.contains("\\u001b"), "{sent}");
    }
}

#[test]
fn hostile_words_stay_words() {
    let mut world = world();
    world.set("GITHUB_ACTIONS", "true");
    world
        .cloudformation
        .add_stack(Stack::new(STACK).status("UPDATE_COMPLETE"));
    let commands: [&[&str]; 16] = [
        &["slack-notifier", "start", HOSTILE, HOSTILE, HOSTILE],
        &["slack-notifier", "concurrent", ID, "production", HOSTILE],
        &["slack-notifier", "progress", ID, HOSTILE, HOSTILE],
        &["slack-notifier", "complete", ID, HOSTILE, HOSTILE, HOSTILE],
        &["slack-notifier", "failed", ID, HOSTILE, HOSTILE, HOSTILE],
        &["slack-notifier", "stalled", ID, HOSTILE, HOSTILE],
        &["slack-notifier", "alert", ID, HOSTILE, HOSTILE],
        &["slack-notifier", HOSTILE],
        &["slack-retry-queue", "queue", "failed", ID, HOSTILE, HOSTILE],
        &["slack-retry-queue", "process"],
        &["slack-retry-queue", "status"],
        &["slack-retry-queue", "show", HOSTILE],
        &["deployment-coordinator", HOSTILE, HOSTILE],
        &["deployment-coordinator", "can_deploy", HOSTILE],
        &[
            "deployment-coordinator",
            "register",
            ID,
            HOSTILE,
            "production",
        ],
        &["deployment-coordinator", "cleanup", ID, "--reason", HOSTILE],
    ];
    for words in commands {
        check_output(&world.run(words).in_order());
    }
    check_slack(&world);
    assert!(
        world.slack.all_messages().len() >= 6,
        "{}",
        world.slack.text()
    );
}

#[test]
fn a_custom_message_cannot_call_everybody() {
    let world = world();
    check_output(&world.run(&["slack-notifier", "custom", HOSTILE]).expect(0));
    check_slack(&world);
    assert_eq!(world.slack.all_messages().len(), 1);
}

#[test]
fn hostile_words_of_aws_stay_words() {
    let mut world = world();
    world
        .set("GITHUB_ACTIONS", "true")
        .set("CHECK_INTERVAL", "100ms")
        .set("RETRY_GRACE", "200ms");
    world.cloudformation.add_stack(
        Stack::new(STACK)
            .status("UPDATE_COMPLETE")
            .tag("CorrelationId", HOSTILE),
    );
    let events = [
        Event::own(0.0, "UPDATE_IN_PROGRESS").because(HOSTILE),
        Event::resource(0.5, "Database", "AWS::RDS::DBInstance", "UPDATE_FAILED").because(HOSTILE),
        Event::own(1.0, "UPDATE_ROLLBACK_IN_PROGRESS").because(HOSTILE),
        Event::own(600.0, "UPDATE_ROLLBACK_COMPLETE").because(HOSTILE),
    ];
    world
        .cloudformation
        .play(STACK, &events, &Play::default().after(-2.0));
    let commands: [&[&str]; 5] = [
        &["deployment-coordinator", "can_deploy", "production"],
        &["deployment-coordinator", "get_active"],
        &["registry-fallback", "can_deploy", "production"],
        &["registry-fallback", "get_active"],
        &["deployment-time-estimator", "estimate", ID, STACK, "1"],
    ];
    for words in commands {
        check_output(&world.run(words).in_order());
    }
    let end = Event::own(0.0, "UPDATE_ROLLBACK_COMPLETE").because(HOSTILE);
    world
        .cloudformation
        .play(STACK, &events[..3], &Play::default());
    world
        .cloudformation
        .play(STACK, &[end], &Play::default().after(1.5));
    check_output(&world.run(&["deployment-monitor", ID, STACK]).in_order());
    let log = world.read("deployment-monitor.log");
    assert!(log.contains("UPDATE_FAILED"), "{log}");
    for line in log.lines() {
        let line: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(!line.to_string().contains("\\u001b"), "{line}");
    }
    check_slack(&world);
    // An error that is told in words.
    world.cloudformation.fault(Fault::new(Trouble::Error {
        code: "AccessDenied".to_owned(),
        message: HOSTILE.to_owned(),
        status: Some(403),
    }));
    for words in commands {
        check_output(&world.run(words).in_order());
    }
}

#[test]
fn hostile_files_stay_data() {
    let mut world = world();
    world.set("GITHUB_ACTIONS", "true");
    world
        .cloudformation
        .add_stack(Stack::new(STACK).status("UPDATE_COMPLETE"));
    let entry = json!({"correlation_id": HOSTILE, "workflow_run_id": HOSTILE, "environment": "production",
        "stack_name": HOSTILE, "status": HOSTILE, "started_at": HOSTILE, "updated_at": "2026-01-14T12:44:56Z"});
    let now = json!({"correlation_id": ID, "workflow_run_id": HOSTILE, "environment": "production",
        "stack_name": STACK, "status": "IN_PROGRESS", "started_at": "2026-01-14T12:34:56Z", "updated_at": HOSTILE});
    let history = json!({"deployments": [{"correlation_id": HOSTILE, "stack_name": STACK, "duration_minutes": 25,
        "completed_at": HOSTILE}], "resource_averages": {HOSTILE: 900}, "average_deployment_minutes": 25});
    let queued = json!({"message_id": HOSTILE, "notification_type": "failed", "args": [ID, HOSTILE, HOSTILE],
        "retry_count": 1, "queued_at": HOSTILE, "next_retry_at": HOSTILE});
    world.write(
        ".deployment-registry/deployment-history.json",
        &history.to_string(),
    );
    world.write(".slack-retry-queue/message.json", &queued.to_string());
    for deployments in [
        json!([entry]),
        json!([now]),
        json!([entry, now]),
        json!(HOSTILE),
        json!([HOSTILE]),
    ] {
        world.write(
            ".deployment-registry/deployments.json",
            &json!({"deployments": deployments}).to_string(),
        );
        let commands: [&[&str]; 8] = [
            &["deployment-coordinator", "can_deploy", "production"],
            &["deployment-coordinator", "get_active"],
            &[
                "deployment-coordinator",
                "register",
                "20260114-130000-def456",
                "1",
                "production",
            ],
            &["deployment-coordinator", "cleanup", ID],
            &["deployment-time-estimator", "estimate", ID, STACK, "15"],
            &["deployment-time-estimator", "report"],
            &["slack-retry-queue", "status"],
            &["slack-retry-queue", "process"],
        ];
        for words in commands {
            check_output(&world.run(words).in_order());
        }
    }
    check_slack(&world);
}

const SECRETS: [(&str, &str); 6] = [
    (
        "AWS_SECRET_ACCESS_KEY",
        "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYab",
    ),
    (
        "AWS_SESSION_TOKEN",
        "IQoJb3JpZ2luX2VjEXAMPLEsessiontoken0123456789",
    ),
    ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
    ("SLACK_BOT_TOKEN", "xoxb-123456789012-abcdefGHIJKL"),
    ("GITHUB_TOKEN", "ghp_0123456789abcdefghijABCDEFGHIJ012345"),
    (
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "eyJhbGciOiJSUzI1NiJ9.secret-part.signature",
    ),
];
/// Secrets by their shape, that no variable holds.
const SHAPES: [&str; 4] = [
    "xoxp-998877665544-otherTOKEN",
    "hunter2hunter2@",
    "services/T000/B000/XXXXsecretXXXX",
    "ghs_zyxwvutsrqponmlkjihgfedcba0123456789",
];

#[test]
fn secrets_are_masked_before_anything_is_printed_kept_or_sent() {
    let mut world = world();
    for (name, value) in SECRETS {
        world.set(name, value);
    }
    world.slack.set_token(SECRETS[3].1);
    world
        .set("GITHUB_REPOSITORY", "owner/repo")
        .set("CHECK_INTERVAL", "100ms")
        .set("RETRY_GRACE", "100ms");
    let values: Vec<&str> = SECRETS
        .iter()
        .map(|(_, value)| *value)
        .chain(SHAPES)
        .collect();
    let told = format!(
        "deploy failed: {} https://ci:{}host/x https://hooks.slack.com/{} {} {} {}",
        SECRETS.map(|(_, value)| value).join(" "),
        SHAPES[1],
        SHAPES[2],
        SHAPES[0],
        SHAPES[3],
        format_args!("aws_secret_access_key={}", SECRETS[0].1),
    );
    world
        .cloudformation
        .add_stack(Stack::new(STACK).status("UPDATE_COMPLETE"));
    let commands: [&[&str]; 9] = [
        &[
            "deployment-coordinator",
            "register",
            ID,
            "12345",
            "production",
        ],
        &["deployment-coordinator", "can_deploy", "production"],
        &["slack-notifier", "failed", ID, "production", &told],
        &["slack-notifier", "custom", &told],
        &["slack-notifier", "start", &told, "production", "12345"],
        &[
            "slack-retry-queue",
            "queue",
            "failed",
            ID,
            "production",
            &told,
        ],
        &["slack-retry-queue", "status"],
        &["deployment-coordinator", "can_deploy", &told],
        &["deployment-coordinator", "cleanup", ID, "--reason", &told],
    ];
    let never = |outcome: &Outcome| {
        for value in &values {
            let said = outcome.stdout.contains(value) || outcome.stderr.contains(value);
            assert!(!said, "{value} came through\n{outcome}");
        }
    };
    for trouble in [None, Some(Trouble::InvalidToken), Some(Trouble::HalfText)] {
        if let Some(trouble) = trouble {
            let message = told.clone();
            world.slack.fault(Fault::new(trouble));
            world.cloudformation.fault(Fault::new(Trouble::Error {
                code: "AccessDenied".to_owned(),
                message,
                status: Some(403),
            }));
        }
        for words in commands {
            never(&world.run(words).in_order());
        }
        world.cloudformation.clear_faults();
        let events = [
            Event::own(0.0, "UPDATE_IN_PROGRESS"),
            Event::resource(0.1, "Database", "AWS::RDS::DBInstance", "UPDATE_FAILED")
                .because(&told),
            Event::own(0.3, "UPDATE_ROLLBACK_IN_PROGRESS"),
            Event::own(0.6, "UPDATE_ROLLBACK_COMPLETE"),
        ];
        world.cloudformation.play(STACK, &events, &Play::default());
        never(&world.run(&["deployment-monitor", ID, STACK]).in_order());
    }
    let message = world.slack.text();
    for value in &values {
        assert!(
            !message.contains(value),
            "{value} came through to Slack: {message}"
        );
        for file in world.files() {
            assert!(
                !world.read(&file).contains(value),
                "{value} is in {file}: {}",
                world.read(&file)
            );
        }
    }
    assert!(message.contains("deploy failed"), "{message}");
    assert!(
        world
            .files()
            .iter()
            .any(|file| world.read(file).contains("deploy failed")),
        "{:?}",
        world.files()
    );
}
