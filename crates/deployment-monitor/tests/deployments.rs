//! Which operation is this deployment's, and how the watching of it ends.

mod common;
#[allow(
    clippy::unwrap_used,
    reason = "tests, their helpers included, fail by panicking"
)]
mod stories {
    use super::common::{
        Stage, assert_each_once, clean_up, finish, gist, holder, in_parallel, kill, register, wait,
    };
    use rustix::process::Signal;
    use simulators::{CloudFormation, Event, Play, Stack};

    fn stage() -> Stage {
        Stage::new(env!("CARGO_BIN_EXE_deployment-monitor"))
    }

    fn update(aws: &CloudFormation, end: &[&str]) {
        let mut events = vec![
            Event::own(0.0, "UPDATE_IN_PROGRESS").because("User Initiated"),
            Event::resource(0.05, "Web", "AWS::ECS::Service", "UPDATE_IN_PROGRESS"),
        ];
        let good = end == ["UPDATE_COMPLETE"];
        events.push(if good {
            Event::resource(0.2, "Web", "AWS::ECS::Service", "UPDATE_COMPLETE")
        } else {
            Event::resource(0.2, "Web", "AWS::ECS::Service", "UPDATE_FAILED").because("unhealthy")
        });
        for (at, status) in (3..).map(|n| f64::from(n) / 10.0).zip(end) {
            events.push(Event::own(at, status));
        }
        aws.play("App", &events, &Play::default());
    }

    const ROLLED_BACK: [&str; 2] = ["UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"];

    // Looks so many times more.
    fn wait_for_looks(stage: &Stage, looks: usize) {
        let before = stage.aws.requests("DescribeStacks");
        wait("more looks", || {
            stage.aws.requests("DescribeStacks") >= before + looks
        });
    }

    #[test]
    fn only_what_is_newer_than_the_registration_at_the_same_price_on_any_history() {
        for history in [10, 1_000, 100_000] {
            let stage = stage();
            let old = Stack::new("App").status("UPDATE_COMPLETE").history(history);
            stage.aws.add_stack(old);
            register(&stage, "m1", true);
            let child = stage.monitor("m1", "App").spawn().unwrap();
            wait_for_looks(&stage, 10);
            assert!(stage.events("m1").is_empty());
            update(&stage.aws, &["UPDATE_COMPLETE"]);
            assert_eq!(finish(child).code(), Some(0));
            let told: Vec<String> = stage.events("m1").iter().map(gist).collect();
            assert_eq!(
                told,
                [
                    "AWS::CloudFormation::Stack App UPDATE_IN_PROGRESS",
                    "AWS::ECS::Service Web UPDATE_IN_PROGRESS",
                    "AWS::ECS::Service Web UPDATE_COMPLETE",
                    "AWS::CloudFormation::Stack App UPDATE_COMPLETE",
                ]
            );
            let describes = stage.aws.requests("DescribeStacks");
            let reads = stage.aws.requests("DescribeStackEvents");
            assert!(
                reads <= describes,
                "{reads} reads in {describes} looks, {history}"
            );
            assert!(stage.aws.requests("GetTemplate") <= 1);
        }
    }

    #[test]
    fn a_quiet_nested_stack_costs_one_request_more() {
        let stage = stage();
        let play = Play::default();
        stage.aws.add_stack(Stack::absent("App-Db"));
        let db = |at, status: &str| {
            Event::resource(at, "Db", "AWS::CloudFormation::Stack", status).nested("App-Db")
        };
        let begin = [
            Event::own(0.0, "CREATE_IN_PROGRESS"),
            db(0.0, "CREATE_IN_PROGRESS"),
        ];
        stage.aws.play("App", &begin, &play);
        let inside = [
            Event::own(0.0, "CREATE_IN_PROGRESS"),
            Event::resource(0.0, "Cluster", "AWS::RDS::DBCluster", "CREATE_IN_PROGRESS"),
        ];
        stage.aws.play("App-Db", &inside, &play);
        stage.aws.event("App", db(0.0, "CREATE_IN_PROGRESS"));
        let child = stage.monitor("m1", "App").spawn().unwrap();
        stage.wait_for_line("m1", |line| line["path"] == "Db > Cluster");
        stage.aws.forget_requests();
        wait_for_looks(&stage, 20);
        let describes = stage.aws.requests("DescribeStacks");
        let reads = stage.aws.requests("DescribeStackEvents");
        assert!(
            reads.abs_diff(2 * describes) <= 2,
            "{reads} reads in {describes} looks"
        );
        let inside = [
            Event::resource(0.0, "Cluster", "AWS::RDS::DBCluster", "CREATE_FAILED")
                .because("No capacity"),
            Event::own(0.01, "ROLLBACK_IN_PROGRESS"),
            Event::own(0.02, "ROLLBACK_COMPLETE"),
        ];
        stage.aws.play("App-Db", &inside, &play);
        let outside = [
            db(0.03, "CREATE_FAILED").because("Embedded stack x was not successfully created"),
            Event::own(0.04, "ROLLBACK_IN_PROGRESS"),
            Event::own(0.3, "ROLLBACK_COMPLETE"),
        ];
        stage.aws.play("App", &outside, &play);
        assert_eq!(finish(child).code(), Some(1));
        assert_each_once(&stage.events("m1"));
        assert_eq!(
            stage.lines("m1").pop().unwrap()["first_cause"],
            "Db > Cluster (AWS::RDS::DBCluster) CREATE_FAILED: No capacity"
        );
    }

    #[test]
    fn what_was_cleaned_up_before_is_one_sentence() {
        let stage = stage();
        register(&stage, "m1", false);
        clean_up(&stage, "m1", false);
        let output = stage
            .monitor("m1", "App")
            .stderr(std::process::Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(
            told.starts_with(
                "[INFO] there is nothing to watch: the deployment has ended, it was cleaned up at "
            ),
            "{told}"
        );
        assert_eq!(stage.aws.requests("DescribeStacks"), 0);
        assert_eq!(stage.lines("m1").pop().unwrap()["outcome"], "ended_before");
    }

    #[test]
    fn a_deployment_without_changes_ends_when_it_is_cleaned_up() {
        let stage = stage();
        stage
            .aws
            .add_stack(Stack::new("App").status("UPDATE_COMPLETE"));
        register(&stage, "m1", true);
        let child = stage.monitor("m1", "App").spawn().unwrap();
        wait_for_looks(&stage, 3);
        clean_up(&stage, "m1", false);
        assert_eq!(finish(child).code(), Some(0));
        assert_eq!(stage.lines("m1").pop().unwrap()["outcome"], "hold_ended");
    }

    #[test]
    fn cleaned_up_in_the_middle_it_reads_once_more_and_ends() {
        let stage = stage();
        register(&stage, "m1", false);
        stage
            .aws
            .event("App", Event::own(0.0, "CREATE_IN_PROGRESS"));
        let child = stage.monitor("m1", "App").spawn().unwrap();
        stage.wait_for_line("m1", |line| line["level"] == "EVENT");
        clean_up(&stage, "m1", false);
        assert_eq!(finish(child).code(), Some(0));
        assert_eq!(stage.lines("m1").pop().unwrap()["outcome"], "hold_ended");
    }

    #[test]
    fn an_eviction_is_told() {
        let stage = stage();
        register(&stage, "m1", false);
        let child = stage.monitor("m1", "App").spawn().unwrap();
        wait_for_looks(&stage, 2);
        clean_up(&stage, "m1", true);
        assert_eq!(finish(child).code(), Some(0));
        wait("the alert", || {
            stage
                .slack
                .all_messages()
                .iter()
                .any(|message| message.text.contains("has lost its hold"))
        });
    }

    #[test]
    fn a_failure_is_lingered_after_and_the_next_attempt_is_watched() {
        let stage = stage();
        stage
            .aws
            .add_stack(Stack::new("App").status("UPDATE_COMPLETE"));
        register(&stage, "m1", true);
        let child = stage
            .monitor("m1", "App")
            .env("RETRY_GRACE", "1h")
            .spawn()
            .unwrap();
        wait_for_looks(&stage, 2);
        update(&stage.aws, &ROLLED_BACK);
        stage.wait_for_line("m1", |line| {
            line["level"] == "ERROR"
                && line["message"]
                    .as_str()
                    .unwrap()
                    .contains("Another attempt")
        });
        update(&stage.aws, &["UPDATE_COMPLETE"]);
        assert_eq!(finish(child).code(), Some(0));
        assert_each_once(&stage.events("m1"));
        assert_eq!(stage.events("m1").len(), 9);
        let entry =
            std::fs::read_to_string(stage.registry_dir("m1").join("deployments.json")).unwrap();
        assert!(
            entry.contains("UPDATE_COMPLETE"),
            "the outcome is recorded: {entry}"
        );
    }

    // The stack's own events of every way to fail, and the command that comes next.
    const FAILURES: [(&[&str], &str); 10] = [
        (
            &["CREATE_IN_PROGRESS", "CREATE_FAILED"],
            "cdk deploy App --no-rollback",
        ),
        (
            &[
                "CREATE_IN_PROGRESS",
                "ROLLBACK_IN_PROGRESS",
                "ROLLBACK_COMPLETE",
            ],
            "aws cloudformation delete-stack --stack-name App",
        ),
        (
            &[
                "CREATE_IN_PROGRESS",
                "ROLLBACK_IN_PROGRESS",
                "ROLLBACK_FAILED",
            ],
            "aws cloudformation describe-stack-resources --stack-name App",
        ),
        (
            &["CREATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "DELETE_FAILED"],
            "aws cloudformation delete-stack --deletion-mode FORCE_DELETE_STACK --stack-name App",
        ),
        (
            &[
                "CREATE_IN_PROGRESS",
                "DELETE_IN_PROGRESS",
                "DELETE_COMPLETE",
            ],
            "cdk deploy App",
        ),
        (
            &["UPDATE_IN_PROGRESS", "UPDATE_FAILED"],
            "aws cloudformation rollback-stack --stack-name App",
        ),
        (
            &[
                "UPDATE_IN_PROGRESS",
                "UPDATE_ROLLBACK_IN_PROGRESS",
                "UPDATE_ROLLBACK_FAILED",
            ],
            "aws cloudformation continue-update-rollback --stack-name App",
        ),
        (
            &[
                "UPDATE_IN_PROGRESS",
                "UPDATE_ROLLBACK_IN_PROGRESS",
                "UPDATE_ROLLBACK_COMPLETE",
            ],
            "cdk deploy App",
        ),
        (
            &[
                "IMPORT_IN_PROGRESS",
                "IMPORT_ROLLBACK_IN_PROGRESS",
                "IMPORT_ROLLBACK_FAILED",
            ],
            "aws cloudformation describe-stack-resources --stack-name App",
        ),
        (
            &[
                "IMPORT_IN_PROGRESS",
                "IMPORT_ROLLBACK_IN_PROGRESS",
                "IMPORT_ROLLBACK_COMPLETE",
            ],
            "cdk import App",
        ),
    ];

    #[test]
    fn every_failed_state_is_told_with_the_next_command() {
        in_parallel(&FAILURES, 5, |(statuses, command)| {
            let stage = stage();
            let events: Vec<Event> = (0..)
                .map(|n| 0.3 + f64::from(n) / 5.0)
                .zip(*statuses)
                .map(|(at, status)| Event::own(at, status))
                .collect();
            register(&stage, "m1", false);
            stage.aws.play("App", &events, &Play::default());
            let summary = stage.path("summary.md");
            let mut monitor = stage.monitor("m1", "App");
            let child = monitor.env("GITHUB_STEP_SUMMARY", &summary).spawn();
            assert_eq!(finish(child.unwrap()).code(), Some(1), "{statuses:?}");
            let last = statuses.last().unwrap();
            let lines = stage.lines("m1");
            let failed = format!("the deployment failed: the stack is {last}");
            let mut told = lines
                .iter()
                .map(|line| line["message"].as_str().unwrap())
                .skip_while(|message| !message.starts_with(&failed));
            assert!(told.next().is_some(), "{lines:#?}");
            let next: Vec<&str> = told
                .take_while(|told| told.starts_with("next, to ") || told.starts_with("or, to "))
                .collect();
            assert!(next.iter().any(|line| line.contains(command)), "{lines:#?}");
            let summary = std::fs::read_to_string(summary).unwrap();
            assert!(summary.contains("**What to do:** "), "{summary}");
            let block = summary.split("```sh\n").skip(1).any(|block| {
                let lines = block.lines().take_while(|line| *line != "```");
                lines.into_iter().any(|line| line.starts_with(command))
            });
            assert!(block, "{summary}");
        });
    }

    #[test]
    fn a_cleaned_up_failure_is_a_failure() {
        let stage = stage();
        stage
            .aws
            .add_stack(Stack::new("App").status("UPDATE_COMPLETE"));
        register(&stage, "m1", true);
        let child = stage
            .monitor("m1", "App")
            .env("RETRY_GRACE", "1h")
            .spawn()
            .unwrap();
        wait_for_looks(&stage, 2);
        update(&stage.aws, &ROLLED_BACK);
        stage.wait_for_line("m1", |line| {
            line["message"]
                .as_str()
                .unwrap()
                .contains("Another attempt")
        });
        clean_up(&stage, "m1", false);
        assert_eq!(finish(child).code(), Some(1));
    }

    #[test]
    fn deleted_and_created_anew_is_the_next_attempt() {
        let stage = stage();
        register(&stage, "m1", false);
        let create = |end: &[&str]| {
            let mut events = vec![Event::own(0.0, "CREATE_IN_PROGRESS")];
            events.extend(
                (1..)
                    .map(f64::from)
                    .zip(end)
                    .map(|(at, status)| Event::own(at / 10.0, status)),
            );
            stage.aws.play("App", &events, &Play::default());
        };
        let child = stage
            .monitor("m1", "App")
            .env("RETRY_GRACE", "1h")
            .spawn()
            .unwrap();
        create(&["ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"]);
        stage.wait_for_line("m1", |line| {
            line["message"]
                .as_str()
                .unwrap()
                .contains("Another attempt")
        });
        stage.aws.play(
            "App",
            &[
                Event::own(0.0, "DELETE_IN_PROGRESS"),
                Event::own(0.2, "DELETE_COMPLETE"),
            ],
            &Play::default(),
        );
        stage.wait_for_line("m1", |line| line["resource_status"] == "DELETE_COMPLETE");
        create(&["CREATE_COMPLETE"]);
        assert_eq!(finish(child).code(), Some(0));
        assert_each_once(&stage.events("m1"));
        assert!(
            stage
                .lines("m1")
                .iter()
                .any(|line| line["message"].as_str().unwrap().contains("attempt 2"))
        );
    }

    #[test]
    fn a_lagging_describe_gives_no_wrong_verdict() {
        let stage = stage();
        stage
            .aws
            .add_stack(Stack::new("App").status("UPDATE_COMPLETE"));
        stage.aws.set_lag(0.7);
        register(&stage, "m1", true);
        let child = stage.monitor("m1", "App").spawn().unwrap();
        wait_for_looks(&stage, 2);
        update(&stage.aws, &ROLLED_BACK);
        assert_eq!(finish(child).code(), Some(1));
        assert_eq!(
            stage.lines("m1").pop().unwrap()["stack_status"],
            "UPDATE_ROLLBACK_COMPLETE"
        );
    }

    #[test]
    fn the_next_deployments_operation_is_not_ours() {
        let stage = stage();
        stage
            .aws
            .add_stack(Stack::new("App").status("UPDATE_COMPLETE"));
        register(&stage, "m1", true);
        // Both operations fall between two looks.
        let child = stage
            .monitor("m1", "App")
            .env("CHECK_INTERVAL", "1500ms")
            .spawn()
            .unwrap();
        wait_for_looks(&stage, 1);
        stage.aws.play(
            "App",
            &[
                Event::own(0.0, "UPDATE_IN_PROGRESS"),
                Event::own(0.1, "UPDATE_COMPLETE"),
                Event::own(0.2, "UPDATE_IN_PROGRESS"),
                Event::resource(0.3, "Web", "AWS::ECS::Service", "UPDATE_FAILED")
                    .because("not ours"),
            ],
            &Play::default(),
        );
        assert_eq!(finish(child).code(), Some(0));
        assert_eq!(stage.events("m1").len(), 2);
        let last = stage.lines("m1").pop().unwrap();
        assert_eq!(last["stack_status"], "UPDATE_COMPLETE");
        assert_eq!(last["outcome"], "deployed");
    }

    #[test]
    fn several_stacks_are_watched_to_the_worst_end() {
        let stage = stage();
        for name in ["App", "Other"] {
            stage.aws.play(
                name,
                &[
                    Event::own(0.0, "CREATE_IN_PROGRESS"),
                    Event::own(
                        0.4,
                        if name == "App" {
                            "CREATE_COMPLETE"
                        } else {
                            "CREATE_FAILED"
                        },
                    ),
                ],
                &Play::default(),
            );
        }
        let child = stage.monitor("m1", "App,Other").spawn().unwrap();
        assert_eq!(finish(child).code(), Some(1));
        let last = stage.lines("m1").pop().unwrap();
        assert_eq!(last["stack_name"], "App,Other");
        assert_eq!(
            last["stack_status"],
            serde_json::json!(["CREATE_COMPLETE", "CREATE_FAILED"])
        );
        assert_eq!(stage.events("m1").len(), 4);
    }

    #[test]
    fn a_second_monitor_says_so_and_exits() {
        let stage = stage();
        stage
            .aws
            .event("App", Event::own(0.0, "CREATE_IN_PROGRESS"));
        let first = stage.monitor("m1", "App").spawn().unwrap();
        stage.wait_for_line("m1", |line| line["level"] == "EVENT");
        let second = stage
            .monitor("m1", "App")
            .stderr(std::process::Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(second.status.code(), Some(2));
        let told = String::from_utf8(second.stderr).unwrap();
        assert!(
            told.starts_with("[ERROR] another monitor already watches App for m1: process "),
            "{told}"
        );
        let pid = holder(&stage.registry_dir("m1"), "m1", "App").unwrap();
        assert_eq!(pid, first.id());
        // What `pgrep -f deployment-monitor.sh` and `pgrep deployment-mon` look at; it was started under its own name.
        let seen = |what| std::fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap();
        assert!(seen("cmdline").starts_with("deployment-monitor.sh\0m1\0App\0"));
        assert_eq!(seen("comm"), "deployment-moni\n");
        kill(pid, Signal::TERM);
        assert_eq!(finish(first).code(), Some(0));
        assert_eq!(stage.lines("m1").pop().unwrap()["outcome"], "stopped");
    }
}
