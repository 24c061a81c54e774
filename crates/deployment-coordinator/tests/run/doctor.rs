//! `doctor` before a table of broken set-ups: it names the fault and the fix, raises no false alarm, and prints no secret.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot set up has failed it"
)]

use simulators::{Channel, Fault, GitHub, Run, Stack, TOKEN, Trouble};

use crate::place::{Place, Ran, STACK};

const PROGRAMS: [&str; 6] = [
    "deployment-monitor",
    "slack-notifier",
    "monitor-recovery",
    "slack-retry-queue",
    "registry-fallback",
    "deployment-time-estimator",
];

const HISTORY: &str = r#"{"deployments":[{"correlation_id":"a","stack_name":"CourtCaseManagementStack","duration_minutes":25,
"completed_at":"2026-01-14T12:59:56Z"}],"resource_averages":{},"average_deployment_minutes":25,"last_updated":"2026-01-14T13:00:00Z"}"#;

fn version(place: &Place, name: &str, version: &str) {
    place.script(&format!("bin/{name}"), &format!("echo {name} {version}"));
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's file outlives no power cut"
)]
fn write(place: &Place, name: &str, text: &str) {
    let path = place.path(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn sound() -> Place {
    let place = Place::new();
    std::fs::create_dir(place.path("bin")).unwrap();
    for name in PROGRAMS {
        version(&place, name, env!("CARGO_PKG_VERSION"));
    }
    write(
        &place,
        ".deployment-registry/deployment-history.json",
        HISTORY,
    );
    place
}

fn doctor(place: &Place) -> Ran {
    let ran = place.run(&["doctor", "production"]);
    for secret in [TOKEN, "not-a-secret-of-anybody", "hunter2"] {
        let said = ran.stdout.contains(secret) || ran.stderr.contains(secret);
        assert!(!said, "a secret is printed: {ran:?}");
    }
    if let Some(last) = ran.stdout.lines().last() {
        let verdict = match ran.status.code() {
            Some(0) => "; nothing found that would stop a deployment",
            Some(1) => " BAD",
            _ => "; whether a deployment would start is not known",
        };
        assert!(
            last.starts_with("in all: ") && last.contains(verdict),
            "{ran:?}"
        );
    }
    ran
}

#[track_caller]
fn check(what: &str, code: i32, says: &str, fix: &str, break_it: impl Fn(&mut Place)) {
    let mut place = sound();
    break_it(&mut place);
    let ran = doctor(&place);
    let text = format!("{what}\n{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.status.code(), Some(code), "{text}");
    let mut lines = ran.stdout.lines().peekable();
    let mut found = ran.stdout.is_empty() && text.contains(says) && text.contains(fix);
    while let Some(line) = lines.next() {
        if line.starts_with("good") || !line.contains(says) {
            continue;
        }
        let next = lines.peek().copied().unwrap_or_default();
        found = found || line.contains(fix) || next.contains(fix);
    }
    assert!(found, "no line says {says:?} with {fix:?}: {text}");
}

fn status(name: &'static str) -> impl Fn(&mut Place) {
    move |place| place.aws.add_stack(Stack::new(STACK).status(name))
}

fn actions(place: &mut Place, github: &GitHub) {
    github.set_token("ghs_hunter2hunter2hunter2");
    github.set_run(Run::in_progress("owner/repo", 12345).job("deploy", "runner-7"));
    place
        .set("GITHUB_ACTIONS", "true")
        .set("GITHUB_API_URL", &github.url())
        .set("GITHUB_REPOSITORY", "owner/repo")
        .set("GITHUB_RUN_ID", "12345")
        .set("GITHUB_RUN_ATTEMPT", "1")
        .set("RUNNER_NAME", "runner-7")
        .set("GITHUB_TOKEN", "ghs_hunter2hunter2hunter2");
}

#[test]
fn a_sound_set_up_has_no_fault() {
    let github = GitHub::start().unwrap();
    let mut place = sound();
    let check = |place: &Place| {
        let ran = doctor(place).exits(0);
        assert_eq!(ran.stderr, "");
        // This Slack does not tell what a token may do.
        let known = |line: &&str| !line.contains("slack scopes");
        let lines: Vec<&str> = ran.stdout.lines().filter(known).collect();
        let (last, lines) = lines.split_last().unwrap();
        for line in lines {
            assert!(line.starts_with("good"), "{line}");
        }
        assert!(!last.contains("BAD"), "{last}");
    };
    check(&place);
    actions(&mut place, &github);
    check(&place);
    place.aws.delete_stack(STACK);
    check(&place);
    assert_eq!(place.slack.all_messages().len(), 0);
    assert_eq!(place.deployments(), []);
}

#[test]
fn aws() {
    let fault = |fault: Fault| move |place: &mut Place| place.aws.fault(fault.clone());
    check(
        "no keys",
        1,
        "no AWS credentials",
        "aws sso login",
        |place| {
            place
                .unset("AWS_ACCESS_KEY_ID")
                .unset("AWS_SECRET_ACCESS_KEY");
        },
    );
    let expired = fault(Trouble::ExpiredToken.into());
    check("expired", 1, "expired", "sign in again", expired);
    let wrong = fault(Trouble::InvalidToken.into());
    check("wrong key", 1, "credentials", "check the key", wrong);
    for action in [
        "DescribeStacks",
        "DescribeStackEvents",
        "ListStackResources",
    ] {
        let denied = fault(Fault::new(Trouble::AccessDenied).on(action));
        let says = format!("AWS denied cloudformation:{action}");
        let fix = format!("allow cloudformation:{action}");
        check(action, 1, &says, &fix, denied);
    }
    let denied = fault(Fault::new(Trouble::AccessDenied).on("GetTemplate"));
    let fix = "allow cloudformation:GetTemplate";
    check("GetTemplate", 0, "GetTemplate", fix, denied);
    check("unreachable", 2, "could not be reached", "proxy", |place| {
        place.set("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    });
    check(
        "throttled",
        2,
        "throttled",
        "try again",
        fault(Trouble::Throttling.into()),
    );
    check(
        "slow clock",
        1,
        "behind AWS's",
        "set the machine's clock",
        |place| {
            place.aws.set_clock_offset(3600.0);
        },
    );
    check(
        "fast clock",
        0,
        "ahead of AWS's",
        "set the machine's clock",
        |place| {
            place.aws.set_clock_offset(-90.0);
        },
    );
}

#[test]
fn stacks() {
    let failed = "mended it";
    check(
        "failed creation",
        1,
        failed,
        "delete-stack",
        status("ROLLBACK_COMPLETE"),
    );
    let stuck = status("UPDATE_ROLLBACK_FAILED");
    check(
        "stuck rollback",
        1,
        failed,
        "continue-update-rollback",
        stuck,
    );
    check(
        "stuck deletion",
        1,
        failed,
        "FORCE_DELETE_STACK",
        status("DELETE_FAILED"),
    );
    let works = status("UPDATE_IN_PROGRESS");
    check(
        "in progress",
        0,
        "works on it",
        "deployment-coordinator wait",
        works,
    );
    check(
        "unheard of",
        2,
        "SUSPENDED",
        "does not know",
        status("SUSPENDED"),
    );
}

#[test]
fn registry() {
    const FILE: &str = ".deployment-registry/deployments.json";
    let text = |text: &'static str| move |place: &mut Place| write(place, FILE, text);
    check("not JSON", 1, "cannot be used", "echo", text("[ oops"));
    check("empty", 1, "cannot be used", "echo", text(""));
    check("a file", 1, "registry", "REGISTRY_DIR", |place| {
        place.set("REGISTRY_DIR", "/etc/passwd");
    });
    check("not writable", 1, "cannot be written", "chown", |place| {
        place.set("REGISTRY_DIR", "/proc/registry");
    });
    check("scheme", 1, "REGISTRY_URL", "REGISTRY_URL", |place| {
        place.set("REGISTRY_URL", "etcd://somewhere");
    });
    check(
        "a dead holder",
        0,
        "no sign of life",
        "cleanup dead-one",
        text(
            r#"{"deployments":[{"correlation_id":"dead-one","environment":"production","status":"IN_PROGRESS",
        "started_at":"2026-01-14T12:00:00Z","updated_at":"2026-01-14T12:00:00Z","stack_name":"CourtCaseManagementStack"}]}"#,
        ),
    );
    check("frozen", 0, "release day", "thaw production", |place| {
        let words = ["freeze", "production", "--reason", "release day"];
        let _frozen = place.run(&words).exits(0);
    });
    check("history", 1, "history", "mend or remove", |place| {
        write(place, ".deployment-registry/deployment-history.json", "{");
    });
    check("no history", 0, "nothing is known", "collect", |place| {
        std::fs::remove_file(place.path(".deployment-registry/deployment-history.json")).unwrap();
    });
}

#[test]
fn slack() {
    check(
        "no token",
        1,
        "SLACK_BOT_TOKEN",
        "SLACK_BOT_TOKEN",
        |place| {
            place.unset("SLACK_BOT_TOKEN");
        },
    );
    check(
        "wrong token",
        1,
        "invalid_auth",
        "SLACK_BOT_TOKEN",
        |place| {
            place.slack.set_token("xoxb-another");
            place.set("SLACK_BOT_TOKEN", "xoxb-hunter2-hunter2-hunter2");
        },
    );
    check(
        "no such channel",
        1,
        "channel_not_found",
        "C0NOSUCH",
        |place| {
            place.set("SLACK_CHANNEL_UPDATES", "C0NOSUCH");
        },
    );
    check(
        "not in the channel",
        1,
        "kiro-updates",
        "/invite",
        |place| {
            let mut channel = Channel::new(simulators::UPDATES, "kiro-updates");
            channel.is_member = false;
            place.slack.add_channel(channel);
        },
    );
    check("unreachable", 0, "slack", "SLACK_API_URL", |place| {
        place.set("SLACK_API_URL", "http://127.0.0.1:9/");
    });
}

#[test]
fn the_machine_and_github() {
    check(
        "no monitor",
        1,
        "deployment-monitor",
        "cargo install",
        |place| {
            std::fs::remove_file(place.path("bin/deployment-monitor")).unwrap();
        },
    );
    check("an old notifier", 1, "0.0.9", "from one release", |place| {
        version(place, "slack-notifier", "0.0.9");
    });
    check("a setting", 1, "CHECK_INTERVAL", "set it", |place| {
        place.set("CHECK_INTERVAL", "often");
    });
    check(
        "the settings file",
        2,
        "environments.production must be",
        "a stack's name",
        |place| {
            let text = "[environments]\nproduction = 1";
            write(place, "deployment-coordination.toml", text);
        },
    );
    let place = sound();
    let ran = place.run(&["doctor", "elsewhere"]).exits(2);
    drop(ran.says("[environments] in deployment-coordination.toml"));
    let github = GitHub::start().unwrap();
    let fix = "actions: read";
    check("no token", 0, "GITHUB_TOKEN is not set", fix, |place| {
        actions(place, &github);
        place.unset("GITHUB_TOKEN");
    });
    check("no right", 0, "cannot be read", fix, |place| {
        actions(place, &github);
        place.set("GITHUB_TOKEN", "ghs_hunter2hunter2wrong");
    });
    check("no run", 1, "GITHUB_RUN_ID", "pass GitHub's own", |place| {
        actions(place, &github);
        place.unset("GITHUB_RUN_ID");
    });
    check(
        "hosted",
        0,
        "this job only",
        "REGISTRY_URL=dynamodb",
        |place| {
            actions(place, &github);
            place.set("RUNNER_ENVIRONMENT", "github-hosted");
        },
    );
}
