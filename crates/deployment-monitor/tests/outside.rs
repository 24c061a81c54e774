//! What the outside does to a monitor: AWS in trouble, Slack down, a log that goes away, words that make no sense.

mod common;

#[allow(
    clippy::unwrap_used,
    reason = "tests, their helpers included, fail by panicking"
)]
mod stories {
    use std::fs::OpenOptions;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::common::{Stage, assert_each_once, assert_tells_the_record, finish, trace, wait};
    use registry_core::settings::SLACK_CHANNEL_INTERACT;
    use simulators::{Event, Fault, Play, Stack, Trouble};

    fn stage() -> Stage {
        Stage::new(env!("CARGO_BIN_EXE_deployment-monitor"))
    }

    const OPERATION: &str = "telegram-calendar_telegram-calendar-docker_rollback";

    #[test]
    fn trouble_with_aws_is_said_once_and_is_no_verdict() {
        let troubles = [
            (Trouble::Throttling, "throttled"),
            (Trouble::ExpiredToken, "expired"),
            (Trouble::AccessDenied, "denied"),
            (Trouble::NotItsFormat, "could not be used"),
            (Trouble::Unavailable, "CloudFormation"),
        ];
        std::thread::scope(|scope| {
            for (trouble, word) in troubles {
                scope.spawn(move || {
                    let stage = stage();
                    let trace = trace(OPERATION);
                    let play = Play::at_speed(trace.duration_seconds() / 3.0);
                    stage.aws.play_trace("App", &trace, &play);
                    let child = stage.monitor("m1", "App").spawn().unwrap();
                    stage.wait_for_line("m1", |line| line["level"] == "EVENT");
                    stage.aws.fault(Fault::new(trouble.clone()));
                    let said = |line: &serde_json::Value| {
                        line["level"] == "WARNING"
                            && line["message"]
                                .as_str()
                                .unwrap()
                                .contains("nothing is known until then")
                    };
                    stage.wait_for_line("m1", said);
                    let before = stage.aws.requests("DescribeStacks");
                    wait("further tries", || {
                        stage.aws.requests("DescribeStacks") >= before + 3
                    });
                    stage.aws.clear_faults();
                    assert_eq!(finish(child).code(), Some(1), "{trouble:?}");
                    let lines = stage.lines("m1");
                    let warnings: Vec<_> = lines.iter().filter(|line| said(line)).collect();
                    assert_eq!(warnings.len(), 1, "{trouble:?}: {warnings:?}");
                    assert!(
                        warnings[0]["message"].as_str().unwrap().contains(word),
                        "{warnings:?}"
                    );
                    assert!(lines.iter().any(|line| {
                        line["message"].as_str().unwrap().contains("answers again")
                    }));
                    assert_each_once(&stage.events("m1"));
                    assert_tells_the_record(&stage.events("m1"), &trace, OPERATION);
                });
            }
        });
    }

    #[test]
    fn refused_credentials_are_read_from_the_chain_again() {
        for trouble in [
            Fault::new(Trouble::ExpiredToken),
            Fault::error("InvalidClientTokenId"),
        ] {
            let stage = stage();
            stage
                .aws
                .event("App", Event::own(0.0, "CREATE_IN_PROGRESS"));
            // Says each time that it was asked.
            let asked = stage.path("asked");
            let config = format!(
                "[default]\ncredential_process = sh -c \"echo >> {}; echo '{}'\"\n",
                asked.display(),
                r#"{\"Version\":1,\"AccessKeyId\":\"AKIDEXAMPLE\",\"SecretAccessKey\":\"x\"}"#,
            );
            let file = stage.path("aws-config");
            registry_core::store::atomic::write(&file, config.as_bytes(), 0o600).unwrap();
            let times = || std::fs::read(&asked).map_or(0, |lines| lines.len());
            let child = stage
                .monitor("m1", "App")
                .env_remove("AWS_ACCESS_KEY_ID")
                .env_remove("AWS_SECRET_ACCESS_KEY")
                .env("AWS_CONFIG_FILE", &file)
                .spawn()
                .unwrap();
            stage.wait_for_line("m1", |line| line["level"] == "EVENT");
            assert_eq!(times(), 1, "good credentials are kept");
            stage.aws.fault(trouble);
            wait("the chain to be read again", || times() >= 3);
            stage.aws.clear_faults();
            stage.aws.event("App", Event::own(0.0, "CREATE_COMPLETE"));
            assert_eq!(finish(child).code(), Some(0));
        }
    }

    #[test]
    fn a_network_that_is_cut_is_waited_for() {
        let stage = stage();
        let trace = trace(OPERATION);
        let play = Play::at_speed(trace.duration_seconds() / 2.0);
        stage.aws.play_trace("App", &trace, &play);
        let child = stage.monitor("m1", "App").spawn().unwrap();
        stage.wait_for_line("m1", |line| line["level"] == "EVENT");
        stage.aws.fault(Fault::new(Trouble::Reset));
        stage.wait_for_line("m1", |line| {
            line["message"]
                .as_str()
                .unwrap()
                .contains("could not be reached")
        });
        stage.aws.clear_faults();
        assert_eq!(finish(child).code(), Some(1));
        assert_tells_the_record(&stage.events("m1"), &trace, OPERATION);
    }

    #[test]
    fn slack_is_told_of_progress_a_stall_an_overrun_and_asked_for_help() {
        let stage = stage();
        stage.aws.play(
            "App",
            &[
                Event::own(0.0, "UPDATE_IN_PROGRESS"),
                Event::resource(0.1, "Web", "AWS::ECS::Service", "UPDATE_IN_PROGRESS"),
            ],
            &Play::default(),
        );
        let child = stage
            .monitor("m1", "App")
            .env("STALL_THRESHOLD", "1500ms")
            .env("MAX_DURATION", "2s")
            .env("PROGRESS_INTERVAL", "1s")
            .spawn()
            .unwrap();
        let has = |part: &str| {
            stage
                .slack
                .all_messages()
                .iter()
                .filter(|message| message.text.contains(part))
                .count()
        };
        wait("a stall", || {
            has("Web (AWS::ECS::Service), updating for") == 1
        });
        wait("what it waits for", || has("image pull") == 1);
        wait("an overrun", || has("longer than the") == 1);
        wait("progress", || {
            has("0 done, 1 in progress: updating Web") >= 2
        });
        assert_eq!(has("usually"), 1);
        stage.aws.play(
            "App",
            &[
                Event::resource(0.0, "Web", "AWS::ECS::Service", "UPDATE_FAILED")
                    .because("bad <!channel> token xoxb-1234567890-abcdef"),
                Event::own(0.05, "UPDATE_ROLLBACK_IN_PROGRESS"),
                Event::own(0.1, "UPDATE_ROLLBACK_FAILED"),
            ],
            &Play::default(),
        );
        assert_eq!(finish(child).code(), Some(1));
        wait("the failure", || has("A resource failed: Web") == 1);
        let asked = || {
            stage
                .slack
                .messages(SLACK_CHANNEL_INTERACT.default)
                .iter()
                .any(|message| {
                    message
                        .text
                        .contains("continue-update-rollback --stack-name App")
                })
        };
        wait("the question", asked);
        assert_eq!(has("Web (AWS::ECS::Service), updating for"), 1, "one stall");
        assert_eq!(has("longer than the"), 1, "one overrun");
        assert_eq!(has("xoxb"), 0);
        assert_eq!(has("<!channel>"), 0);
        let log = std::fs::read_to_string(stage.log("m1")).unwrap();
        assert!(!log.contains("xoxb-"), "secrets are masked");
    }

    #[test]
    fn the_words_of_a_failed_hook_reach_the_log_slack_and_the_last_line() {
        let stage = stage();
        let (bucket, kind) = ("AWS::S3::Bucket", "Private::Guard::Buckets");
        let hook = Event {
            hook: Some([kind, "HOOK_COMPLETE_FAILED", "no public buckets"].map(str::to_owned)),
            ..Event::resource(0.02, "Logs", bucket, "CREATE_IN_PROGRESS")
        };
        let failed = format!("The following hook(s) failed: [{kind}]");
        stage.aws.play(
            "App",
            &[
                Event::own(0.0, "CREATE_IN_PROGRESS"),
                Event::resource(0.01, "Logs", bucket, "CREATE_IN_PROGRESS"),
                hook,
                Event::resource(0.3, "Logs", bucket, "CREATE_FAILED").because(&failed),
                Event::own(0.31, "ROLLBACK_IN_PROGRESS"),
                Event::own(0.6, "ROLLBACK_COMPLETE"),
            ],
            &Play::default(),
        );
        let child = stage.monitor("m1", "App").spawn().unwrap();
        assert_eq!(finish(child).code(), Some(1));
        let told = stage.events("m1");
        let line = told
            .iter()
            .find(|line| line["hook_type"] == kind)
            .expect("the hook's event");
        assert_eq!(line["hook_status"], "HOOK_COMPLETE_FAILED");
        assert_eq!(line["hook_status_reason"], "no public buckets");
        let cause = format!("{failed}; {kind} said: no public buckets");
        let last = stage.lines("m1").pop().unwrap();
        assert_eq!(
            last["first_cause"],
            format!("Logs ({bucket}) CREATE_FAILED: {cause}")
        );
        let in_slack = |part: &str| {
            let all = stage.slack.all_messages();
            all.iter().any(|message| message.text.contains(part))
        };
        wait("the alert", || in_slack("said: no public buckets"));
    }

    #[test]
    fn a_slack_that_hangs_does_not_hold_the_monitor_up() {
        let stage = stage();
        stage.slack.fault(Fault::new(Trouble::Hang));
        let trace = trace(OPERATION);
        let play = Play::at_speed(trace.duration_seconds());
        stage.aws.play_trace("App", &trace, &play);
        let child = stage.monitor("m1", "App").spawn().unwrap();
        assert_eq!(finish(child).code(), Some(1));
        assert_tells_the_record(&stage.events("m1"), &trace, OPERATION);
        let queued = std::fs::read_dir(stage.path("queue-m1"))
            .unwrap()
            .filter(|file| {
                file.as_ref()
                    .unwrap()
                    .path()
                    .extension()
                    .is_some_and(|e| e == "json")
            })
            .count();
        assert!(queued >= 1, "the alert waits in the queue");
    }

    #[test]
    fn output_into_the_log_itself_adds_nothing_to_it() {
        let stage = stage();
        stage
            .aws
            .event("App", Event::own(0.0, "CREATE_IN_PROGRESS"));
        let log = OpenOptions::new()
            .append(true)
            .create(true)
            .open(stage.log("m1"))
            .unwrap();
        let child = stage
            .monitor("m1", "App")
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        stage.wait_for_line("m1", |line| line["level"] == "EVENT");
        let again = OpenOptions::new()
            .append(true)
            .open(stage.log("m1"))
            .unwrap();
        let second = stage.monitor("m1", "App").stderr(again).status().unwrap();
        assert_eq!(second.code(), Some(2));
        stage.aws.event("App", Event::own(0.0, "CREATE_COMPLETE"));
        assert_eq!(finish(child).code(), Some(0));
        // `lines` fails on anything that is not JSON.
        assert!(stage.lines("m1").iter().any(|line| {
            line["message"]
                .as_str()
                .unwrap()
                .contains("another monitor already watches")
        }));
    }

    #[test]
    fn a_log_that_is_taken_away_is_made_anew() {
        let stage = stage();
        stage
            .aws
            .event("App", Event::own(0.0, "CREATE_IN_PROGRESS"));
        let child = stage.monitor("m1", "App").spawn().unwrap();
        stage.wait_for_line("m1", |line| line["level"] == "EVENT");
        std::fs::remove_file(stage.log("m1")).unwrap();
        stage.aws.event("App", Event::own(0.0, "CREATE_COMPLETE"));
        assert_eq!(finish(child).code(), Some(0));
        let told: Vec<_> = stage.events("m1");
        assert_eq!(told.len(), 1, "only what is new: {told:?}");
        assert_eq!(stage.lines("m1").pop().unwrap()["outcome"], "deployed");
    }

    #[test]
    fn the_step_summary_has_the_cause_the_slowest_and_a_chart() {
        let stage = stage();
        let trace = trace(OPERATION);
        let play = Play::at_speed(trace.duration_seconds());
        stage.aws.play_trace("App", &trace, &play);
        let summary = stage.path("summary.md");
        let child = stage
            .monitor("m1", "App")
            .env("GITHUB_STEP_SUMMARY", &summary)
            .spawn()
            .unwrap();
        assert_eq!(finish(child).code(), Some(1));
        let text = std::fs::read_to_string(summary).unwrap();
        for part in [
            "## ❌ App was not deployed (ROLLBACK_COMPLETE)",
            "**First cause:** DbInstance (AWS::RDS::DBInstance) CREATE_FAILED",
            "aws cloudformation delete-stack --stack-name App",
            "```mermaid\ngantt\n",
        ] {
            assert!(text.contains(part), "{part:?} is missing in {text}");
        }
    }

    fn told(command: &mut Command) -> (Option<i32>, String, String) {
        let output = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }

    // Words, environment, a part of what is said.
    type Bad<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);

    #[test]
    fn bad_words_are_one_sentence_and_leave_nothing_behind() {
        let stage = stage();
        let program = Path::new(env!("CARGO_BIN_EXE_deployment-monitor"));
        let arn = "arn:aws:cloudformation:eu-west-1:123456789012:stack/App/1";
        let cases: &[Bad<'_>] = &[
            (&[], &[], "correlation id is empty"),
            (&["m1"], &[], "stack name is empty"),
            (&["../m1", "App"], &[], "'.' at position 1"),
            (&["m1\n", "App"], &[], "'\\n' at position 3"),
            (&["m1", "A_b"], &[], "'_' at position 2"),
            (&["m1", "App,,Db"], &[], "stack name is empty"),
            (
                &["m1", arn],
                &[],
                "is in region eu-west-1, but the region to ask is us-east-1",
            ),
            (
                &["m1", "App", "", "nowhere/m.log"],
                &[],
                "create its folder first",
            ),
            (&["m1", "App", "", "."], &[], "cannot be written"),
            (
                &["m1", "App"],
                &[("CHECK_INTERVAL", "0")],
                "CHECK_INTERVAL is \"0\"",
            ),
            (
                &["m1", "App"],
                &[("RETRY_GRACE", "abc")],
                "RETRY_GRACE is \"abc\"",
            ),
            (&["m1", "App", "--interval", "-5"], &[], "--interval"),
            (&["m1", "App", "", "m.log", "surplus"], &[], "one too many"),
            (
                &["m1", "App", "--intervall", "5s"],
                &[],
                "did you mean --interval?",
            ),
            (&["replay", "nowhere.json"], &[], "cannot be read"),
            (&["replay"], &[], "missing <FILE>"),
        ];
        for (words, variables, part) in cases {
            let mut command = stage.command(program, "bad");
            command.args(*words).envs(variables.iter().copied());
            let (code, out, err) = told(&mut command);
            assert_eq!((code, out.as_str()), (Some(2), ""), "{words:?}: {err}");
            assert!(err.contains(part), "{words:?}: {err}");
            assert_eq!(err.lines().count(), 1, "{words:?}: {err}");
        }
        let left: Vec<_> = std::fs::read_dir(stage.folder.path())
            .unwrap()
            .map(|file| file.unwrap().file_name())
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }

    #[test]
    fn replay_reads_both_formats() {
        let stage = stage();
        let program = Path::new(env!("CARGO_BIN_EXE_deployment-monitor"));
        let file = simulators::trace_file(&format!("{OPERATION}.jsonl"));
        let (code, out, err) = told(stage.command(program, "r").arg("replay").arg(&file));
        assert_eq!((code, err.as_str()), (Some(1), ""));
        assert!(
            out.starts_with(
                "telegram-calendar-docker: failed (ROLLBACK_COMPLETE), 30 events in 37s;"
            ),
            "{out}"
        );
        assert!(out.contains("first cause: DbInstance (AWS::RDS::DBInstance) CREATE_FAILED: "));
        let aws = stage.path("events.json");
        let events = r#"{"StackEvents": [
            {"StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/App/1", "EventId": "b", "StackName": "App",
             "LogicalResourceId": "App", "PhysicalResourceId": "arn:aws:cloudformation:us-east-1:123456789012:stack/App/1",
             "ResourceType": "AWS::CloudFormation::Stack", "Timestamp": "2026-01-14T12:00:09Z", "ResourceStatus": "UPDATE_COMPLETE"},
            {"StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/App/1", "EventId": "a", "StackName": "App",
             "LogicalResourceId": "App", "PhysicalResourceId": "arn:aws:cloudformation:us-east-1:123456789012:stack/App/1",
             "ResourceType": "AWS::CloudFormation::Stack", "Timestamp": "2026-01-14T12:00:00Z", "ResourceStatus": "UPDATE_IN_PROGRESS"}]}"#;
        registry_core::store::atomic::write(&aws, events.as_bytes(), 0o644).unwrap();
        let (code, out, _) = told(
            stage
                .command(program, "r")
                .args(["replay", "--json"])
                .arg(&aws),
        );
        assert_eq!(code, Some(0), "{out}");
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        // As its help says.
        let (_, help, _) = told(stage.command(program, "r").args(["replay", "--help"]));
        assert!(help.contains("Print a JSON array"), "{help}");
        assert_eq!(json.as_array().map(Vec::len), Some(1));
        assert_eq!(json[0]["outcome"], "deployed");
        assert_eq!(json[0]["seconds"], 9.0);
    }

    #[test]
    fn a_review_that_was_left_behind_has_not_begun() {
        let stage = stage();
        stage.aws.add_stack(
            Stack::new("App")
                .status("REVIEW_IN_PROGRESS")
                .created_ago(5.0),
        );
        super::common::register(&stage, "m1", false);
        let child = stage
            .monitor("m1", "App")
            .env("START_GRACE", "300ms")
            .spawn()
            .unwrap();
        stage.wait_for_line("m1", |line| {
            line["level"] == "WARNING"
                && line["message"]
                    .as_str()
                    .unwrap()
                    .contains("deployment-coordinator cleanup m1")
        });
        super::common::clean_up(&stage, "m1", false);
        assert_eq!(finish(child).code(), Some(0));
        assert_eq!(stage.lines("m1").pop().unwrap()["outcome"], "hold_ended");
    }

    #[test]
    fn a_stack_that_there_is_not_is_told_where_nothing_begins() {
        let stage = stage();
        super::common::register(&stage, "m1", false);
        let child = stage
            .monitor("m1", "App")
            .env("START_GRACE", "300ms")
            .spawn()
            .unwrap();
        stage.wait_for_line("m1", |line| {
            let message = line["message"].as_str().unwrap_or_default();
            line["level"] == "WARNING"
                && message.contains("No stack operation has begun")
                && message.contains("CloudFormation has no stack App in this region")
        });
        super::common::clean_up(&stage, "m1", false);
        finish(child);
    }
}
