//! Bad input: one clear sentence, exit 2, nothing written.

use end_to_end::{ID, STACK, World};
use simulators::{INTERACT, Stack, UPDATES};

use crate::world;

/// A world in which everything would work, if only the words were right.
fn fine_world() -> World {
    let world = world();
    world
        .cloudformation
        .add_stack(Stack::new(STACK).status("UPDATE_COMPLETE"));
    world
}

/// Each is refused, writes nothing, and says all of the texts given with it.
fn check_refused(cases: &[(&[&str], &[&str])]) {
    let world = fine_world();
    for (words, texts) in cases {
        let mut outcome = world.run(words).refused();
        for text in *texts {
            outcome = outcome.says(text);
        }
        assert_eq!(
            world.files(),
            Vec::<String>::new(),
            "nothing is written\n{outcome}"
        );
        assert!(
            world.slack.all_messages().is_empty(),
            "nothing is sent\n{outcome}"
        );
    }
}

/// What is no correlation id.
fn bad_ids() -> Vec<String> {
    let mut bad: Vec<String> = [
        "",
        "a/b",
        "../../etc/passwd",
        "/etc/passwd",
        ".hidden",
        "a b",
        "a\nb",
        "a\u{1b}[31mb",
        "a;rm -rf b",
        "ä",
        "a\\b",
    ]
    .map(str::to_owned)
    .to_vec();
    bad.push("x".repeat(129));
    bad
}

#[test]
fn the_coordinator_refuses() {
    const PROGRAM: &str = "deployment-coordinator";
    check_refused(&[
        (&[PROGRAM], &["can_deploy"]),
        (&[PROGRAM, ""], &[]),
        (&[PROGRAM, "can_deplyo", "production"], &["can_deploy"]),
        (&[PROGRAM, "can_deploy"], &["ENV"]),
        (&[PROGRAM, "can_deploy", ""], &[]),
        (
            &[PROGRAM, "can_deploy", "nowhere"],
            &["nowhere", "production", "staging"],
        ),
        (&[PROGRAM, "can_deploy", "pro/duction"], &[]),
        (&[PROGRAM, "can_deploy", "pro\nduction"], &[]),
        (&[PROGRAM, "can_deploy", "production", "no stack!"], &[]),
        (&[PROGRAM, "can_deploy", "production", ""], &[]),
        (
            &[PROGRAM, "can_deploy", "production", STACK, "surplus"],
            &["surplus"],
        ),
        (
            &[PROGRAM, "can_deploy", "production", "--nosuch"],
            &["--nosuch"],
        ),
        (
            &[
                PROGRAM,
                "can_deploy",
                "production",
                "--correlation-id",
                "a/b",
            ],
            &[],
        ),
        (&[PROGRAM, "register"], &[]),
        (&[PROGRAM, "register", ID], &[]),
        (&[PROGRAM, "register", ID, "12345"], &[]),
        (&[PROGRAM, "register", ID, "12345", "nowhere"], &["nowhere"]),
        (
            &[
                PROGRAM,
                "register",
                ID,
                "12345",
                "production",
                STACK,
                "surplus",
            ],
            &["surplus"],
        ),
        (&[PROGRAM, "wait"], &[]),
        (&[PROGRAM, "wait", "production", "soon"], &["soon"]),
        (&[PROGRAM, "wait", "production", "-5"], &[]),
        (&[PROGRAM, "wait", "production", "1e9"], &[]),
        (&[PROGRAM, "wait", "production", "1.5"], &[]),
        (
            &[PROGRAM, "wait", "production", "99999999999999999999999999"],
            &[],
        ),
        (&[PROGRAM, "wait", "production", ""], &[]),
        (&[PROGRAM, "cleanup"], &["ID"]),
        (&[PROGRAM, "cleanup", ID, "surplus"], &["surplus"]),
        (
            &[PROGRAM, "cleanup", ID, "--outcome", "perhaps"],
            &["perhaps"],
        ),
        (&[PROGRAM, "get_active", "nowhere"], &["nowhere"]),
        (
            &[PROGRAM, "get_active", "production", "surplus", "more"],
            &[],
        ),
    ]);
}

#[test]
fn the_fallback_refuses() {
    const PROGRAM: &str = "registry-fallback";
    check_refused(&[
        (&[PROGRAM], &["can_deploy"]),
        (&[PROGRAM, "get_activ"], &["get_active"]),
        (
            &[PROGRAM, "can_deploy", "nowhere"],
            &["nowhere", "production"],
        ),
        (&[PROGRAM, "can_deploy", "pro/duction"], &[]),
        (
            &[PROGRAM, "get_active", "production", "surplus", "more"],
            &[],
        ),
    ]);
}

#[test]
fn the_monitor_and_its_recovery_refuse() {
    for program in ["deployment-monitor", "monitor-recovery"] {
        check_refused(&[
            (&[program], &[]),
            (&[program, ID], &["STACK"]),
            (&[program, ID, ""], &[]),
            (&[program, ID, "no stack!"], &[]),
            (
                &[program, ID, STACK, UPDATES, "monitor.log", "surplus"],
                &["surplus"],
            ),
        ]);
    }
}

#[test]
fn the_notifier_refuses_unknown_commands_and_missing_words_only() {
    const PROGRAM: &str = "slack-notifier";
    check_refused(&[
        (&[PROGRAM], &[]),
        (&[PROGRAM, "strat", ID, "production", "12345"], &["start"]),
        (&[PROGRAM, "start"], &[]),
        (&[PROGRAM, "start", ID], &[]),
        (&[PROGRAM, "start", ID, "production"], &[]),
        (&[PROGRAM, "concurrent", ID, "production"], &[]),
        (&[PROGRAM, "progress", ID, "CREATE_IN_PROGRESS"], &[]),
        (&[PROGRAM, "complete", ID, "production"], &[]),
        (&[PROGRAM, "failed", ID, "production"], &[]),
        (&[PROGRAM, "stalled", ID, STACK], &[]),
        (&[PROGRAM, "alert", ID, STACK], &[]),
        (&[PROGRAM, "custom"], &[]),
    ]);
}

#[test]
fn the_notifier_sends_what_makes_no_sense_as_it_is() {
    let world = fine_world();
    let cases: [(&[&str], &str); 6] = [
        (
            &["slack-notifier", "complete", ID, "production", "abc"],
            "abc",
        ),
        (
            &["slack-notifier", "complete", ID, "production", "-7"],
            "-7",
        ),
        (
            &[
                "slack-notifier",
                "complete",
                ID,
                "no such place!",
                "25",
                "no url",
            ],
            "no such place!",
        ),
        (
            &[
                "slack-notifier",
                "stalled",
                ID,
                "no stack!",
                "99999999999999999999",
            ],
            "99999999999999999999",
        ),
        (
            &[
                "slack-notifier",
                "start",
                "../../no/id",
                "production",
                "12345",
            ],
            "../../no/id",
        ),
        (
            &[
                "slack-notifier",
                "concurrent",
                ID,
                "production",
                "{\"status\": ",
            ],
            "UNKNOWN",
        ),
    ];
    for (number, (words, text)) in cases.into_iter().enumerate() {
        let outcome = world.run(words).expect(0);
        let messages = world.slack.all_messages();
        let shown = messages
            .last()
            .map(simulators::Message::shown)
            .unwrap_or_default();
        assert_eq!(messages.len(), number + 1, "{outcome}");
        assert!(shown.contains(text), "{shown}\n{outcome}");
    }
    assert!(world.slack.messages(INTERACT).len() < 6);
    assert!(
        !world
            .files()
            .iter()
            .any(|file| file.contains("passwd") || file.starts_with("no/")),
        "{:?}",
        world.files()
    );
}

#[test]
fn the_retry_queue_refuses() {
    const PROGRAM: &str = "slack-retry-queue";
    check_refused(&[
        (&[PROGRAM], &["process"]),
        (&[PROGRAM, "proces"], &["process"]),
        (&[PROGRAM, "queue"], &[]),
        (&[PROGRAM, "queue", "nosuch", ID], &["nosuch"]),
        (&[PROGRAM, "queue", "start"], &[]),
        (&[PROGRAM, "queue", "start", ID], &[]),
        (&[PROGRAM, "process", "--drain", "abc"], &["abc"]),
        (&[PROGRAM, "process", "surplus"], &["surplus"]),
        (&[PROGRAM, "show"], &[]),
        (&[PROGRAM, "status", "surplus"], &["surplus"]),
    ]);
}

#[test]
fn the_queue_escapes_an_id_that_is_none_and_never_uses_it_as_a_file() {
    for id in bad_ids().into_iter().filter(|id| !id.is_empty()) {
        let world = fine_world();
        let outcome = world
            .run(&[
                "slack-retry-queue",
                "queue",
                "start",
                &id,
                "production",
                "12345",
            ])
            .expect(0);
        let files = world.files();
        assert!(!files.is_empty(), "{outcome}");
        for file in files {
            let name = file.strip_prefix(".slack-retry-queue/").unwrap_or_default();
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            assert!(
                !name.is_empty() && name.chars().all(plain) && !name.contains(".."),
                "{file} for {id:?}"
            );
        }
    }
}

#[test]
fn the_estimator_refuses() {
    const PROGRAM: &str = "deployment-time-estimator";
    check_refused(&[
        (&[PROGRAM], &["estimate"]),
        (&[PROGRAM, "estimte", ID], &["estimate"]),
        (&[PROGRAM, "estimate"], &["ID"]),
        (&[PROGRAM, "estimate", ID, "no stack!"], &[]),
        (&[PROGRAM, "estimate", ID, STACK, "abc"], &["abc"]),
        (&[PROGRAM, "estimate", ID, STACK, "-5"], &[]),
        (
            &[PROGRAM, "estimate", ID, STACK, "15", "surplus"],
            &["surplus"],
        ),
        (&[PROGRAM, "update", ID], &[]),
        (&[PROGRAM, "update", ID, "abc"], &["abc"]),
        (&[PROGRAM, "update", ID, "-5"], &[]),
        (&[PROGRAM, "update", ID, "99999999999999999999"], &[]),
        (&[PROGRAM, "update", ID, "NaN"], &["NaN"]),
        (
            &[PROGRAM, "update", ID, "25", STACK, "surplus"],
            &["surplus"],
        ),
        (&[PROGRAM, "collect", "no stack!"], &[]),
        (&[PROGRAM, "collect", STACK, "surplus"], &["surplus"]),
    ]);
}

#[test]
fn what_is_no_correlation_id_is_refused_everywhere_it_counts() {
    let world = fine_world();
    for id in bad_ids() {
        let commands: [&[&str]; 6] = [
            &[
                "deployment-coordinator",
                "register",
                &id,
                "12345",
                "production",
            ],
            &["deployment-coordinator", "cleanup", &id],
            &["deployment-monitor", &id, STACK],
            &["monitor-recovery", &id, STACK],
            &["deployment-time-estimator", "estimate", &id],
            &["deployment-time-estimator", "update", &id, "25"],
        ];
        for words in commands {
            let outcome = world.run(words).refused().never_says("\u{1b}");
            assert_eq!(
                world.files(),
                Vec::<String>::new(),
                "nothing is written\n{outcome}"
            );
        }
    }
    // The longest that is one.
    world
        .run(&[
            "deployment-coordinator",
            "register",
            &"x".repeat(128),
            "12345",
            "production",
        ])
        .expect(0);
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let mut world = fine_world();
    for (name, value) in [
        ("CORRELATION_ID", "a/b"),
        ("CHECK_INTERVAL", "often"),
        ("CHECK_INTERVAL", "-1"),
        ("CHECK_INTERVAL", "0"),
        ("CHECK_INTERVAL", "99999999999999999999h"),
    ] {
        world.set(name, value);
        let wait = ["deployment-coordinator", "wait", "production", "30m"];
        world.run(&wait).refused().says(name);
        world.unset(name);
    }
    for text in ["no = = toml", "surprise = 1", "[environments]\nqa = 7"] {
        world.write("deployment-coordination.toml", text);
        let can_deploy = ["deployment-coordinator", "can_deploy", "production"];
        world
            .run(&can_deploy)
            .refused()
            .says("deployment-coordination.toml");
    }
    assert_eq!(world.files(), ["deployment-coordination.toml"]);
}

#[test]
fn words_that_are_not_unicode_are_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let world = fine_world();
    for program in end_to_end::PROGRAMS {
        let mut command = world.command(program);
        command
            .arg(OsStr::from_bytes(b"can_deploy\xff\xfe"))
            .arg(OsStr::from_bytes(b"\xc3\x28"));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{program}: {said}");
        assert!(
            said.starts_with("[ERROR] ") && said.lines().count() == 1,
            "{program}: {said}"
        );
    }
    assert_eq!(world.files(), Vec::<String>::new());
}

/// The SDK takes these settings as they are; three of them ended every program with a panic.
#[test]
fn settings_of_aws_from_which_no_question_can_be_made() {
    let asking: [&[&str]; 4] = [
        &["deployment-coordinator", "can_deploy", "production"],
        &["registry-fallback", "can_deploy", "production"],
        &["deployment-coordinator", "run", "production", "--", "true"],
        &["deployment-coordinator", "wait", "production", "1h"],
    ];
    for (variable, value, says) in [
        (
            "AWS_ACCESS_KEY_ID",
            "AKIASIMULATED0000000\n",
            "access key id (AWS_ACCESS_KEY_ID) has a space, a line break",
        ),
        (
            "AWS_SESSION_TOKEN",
            "one\ntwo",
            "session token (AWS_SESSION_TOKEN) has a space, a line break",
        ),
        ("AWS_ENDPOINT_URL", "127.0.0.1:1", "AWS_ENDPOINT_URL"),
        ("AWS_REGION", "bad region!", "AWS_REGION"),
    ] {
        for words in asking {
            let mut world = fine_world();
            world.set(variable, value);
            let code = if words.contains(&"run") { 125 } else { 2 };
            let outcome = world
                .run(words)
                .expect(code)
                .says(says)
                .says("AWS cannot be asked");
            let outcome = outcome.never_says("panicked").never_says("SdkBody");
            assert_eq!(world.slack.all_messages().len(), 0, "{outcome}");
        }
    }
}

/// A variable of GitHub Actions that is not set arrives empty.
#[test]
fn an_empty_endpoint_is_as_good_as_none() {
    for variable in [
        "AWS_ENDPOINT_URL_CLOUDFORMATION",
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_ENDPOINT_URL_STS",
    ] {
        let mut world = fine_world();
        world.set(variable, "");
        world
            .run(&["deployment-coordinator", "can_deploy", "production"])
            .expect(0);
        world
            .run(&["deployment-coordinator", "doctor", "production"])
            .never_says("broke down");
    }
}
