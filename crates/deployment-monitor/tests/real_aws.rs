//! Against the real `aws` command, with the simulator and with moto behind it: what it prints can be replayed, what people are told
//! to type into it is a command that it knows, and moto's events are watched like the simulator's.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::zombie_processes,
    reason = "tests, their helpers included, fail by panicking, and say what they skip"
)]

mod common;
#[allow(dead_code, reason = "dynalite is for other test programs")]
#[path = "../../registry-dynamodb/tests/shared/emulator.rs"]
mod emulator;
#[path = "../../registry-dynamodb/tests/shared/moto.rs"]
mod moto;

mod stories {
    use std::path::Path;
    use std::process::{Command, Output};

    use super::common::{Stage, answers, finish, gist, register, trace};
    use super::emulator::{Emulator, tool};
    use super::moto::moto;
    use registry_core::advice;
    use registry_core::ids::StackName;
    use registry_core::stack::StackStatus;
    use serde_json::Value;
    use simulators::Play;

    /// Failures: one with long reasons, one whose rollback failed, one with nested stacks, one with a rollback to nothing.
    const OPERATIONS: [&str; 4] = [
        "ai-chatbot_ai-chatbot_update7",
        "chat-booking-backend_ChatBooking-dev-Backend_update",
        "smart-device-api_smart-device-api-stack_update9",
        "telegram-calendar_telegram-calendar-docker_rollback",
    ];

    fn stage() -> Stage {
        Stage::new(env!("CARGO_BIN_EXE_deployment-monitor"))
    }

    fn aws() -> Option<std::path::PathBuf> {
        tool("AWS_CLI", "python/bin/aws")
    }

    // `aws cloudformation …` in this stage's environment.
    fn ask(stage: &Stage, aws: &Path, url: &str, words: &[&str]) -> Output {
        let mut command = stage.command(aws, "aws");
        command
            .env("AWS_ENDPOINT_URL", url)
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_MAX_ATTEMPTS", "1")
            .arg("cloudformation")
            .args(words);
        command.output().unwrap()
    }

    fn good(output: &Output) -> &[u8] {
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        &output.stdout
    }

    fn replay(stage: &Stage, file: &Path) -> (Option<i32>, Value) {
        let mut command = stage.command(
            Path::new(env!("CARGO_BIN_EXE_deployment-monitor")),
            "replay",
        );
        let output = command
            .args(["replay", "--json"])
            .arg(file)
            .output()
            .unwrap();
        assert!(output.stderr.is_empty(), "{output:?}");
        let json = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), json)
    }

    // What the command prints for a stack, in a file.
    fn saved(stage: &Stage, aws: &Path, url: &str) -> std::path::PathBuf {
        let words = ["describe-stack-events", "--stack-name", "App"];
        let output = ask(stage, aws, url, &words);
        let file = stage.path("events.json");
        registry_core::store::atomic::write(&file, good(&output), 0o644).unwrap();
        file
    }

    #[test]
    fn what_the_command_prints_of_the_simulator_replays_as_the_record_does_needs_aws_cli() {
        let Some(aws) = aws() else { return };
        for file in OPERATIONS {
            let stage = stage();
            let recorded = trace(file);
            stage.aws.play_trace("App", &recorded, &Play::at_speed(1e6));
            let (code, json) = replay(&stage, &saved(&stage, &aws, &stage.aws.url()));
            let answers = answers();
            let (_, end, status, cause) = answers.iter().find(|(name, ..)| name == file).unwrap();
            let operations = json.as_array().unwrap();
            let last = operations.last().unwrap();
            assert_eq!(last["stack_status"], status.as_str(), "{file}");
            assert_eq!(
                last["outcome"] == "deployed",
                code == Some(0),
                "{file}: {end}"
            );
            let first = last["first_cause"]["logical_resource_id"].as_str();
            assert_eq!(first.unwrap_or("-"), cause, "{file}");
            let events = recorded.operations().pop().unwrap().events.len() as u64;
            assert!(last["events"].as_u64().unwrap() >= events, "{file}: {last}");
        }
    }

    // moto's CloudFormation, where the stack was created and then updated.
    fn moto_with_a_stack(stage: &Stage, aws: &Path) -> Option<(Emulator, String)> {
        let emulator = moto()?;
        let url = format!("http://127.0.0.1:{}", emulator.port);
        let change = |verb, template| {
            let words = [verb, "--stack-name", "App", "--template-body", template];
            good(&ask(stage, aws, &url, &words));
        };
        change(
            "create-stack",
            r#"{"Resources":{"Topic":{"Type":"AWS::SNS::Topic"}}}"#,
        );
        change(
            "update-stack",
            r#"{"Resources":{"Topic":{"Type":"AWS::SNS::Topic"},"Queue":{"Type":"AWS::SQS::Queue"}}}"#,
        );
        Some((emulator, url))
    }

    #[test]
    fn motos_events_are_replayed_as_two_operations_and_watched_as_the_first_needs_aws_cli_needs_moto()
     {
        let stage = stage();
        let Some(aws) = aws() else { return };
        register(&stage, "m1", false);
        let Some((_emulator, url)) = moto_with_a_stack(&stage, &aws) else {
            return;
        };
        let (code, json) = replay(&stage, &saved(&stage, &aws, &url));
        assert_eq!(code, Some(0), "{json}");
        let words = |one: &Value| {
            let words = ["stack_name", "outcome", "stack_status"]
                .map(|name| one[name].as_str().unwrap_or("-"));
            words.join(" ")
        };
        let told: Vec<String> = json.as_array().unwrap().iter().map(words).collect();
        assert_eq!(
            told,
            [
                "App deployed CREATE_COMPLETE",
                "App deployed UPDATE_COMPLETE"
            ]
        );
        // After a success, the next operation is another deployment's.
        let mut monitor = stage.monitor("m1", "App");
        let child = monitor.env("AWS_ENDPOINT_URL", &url).spawn().unwrap();
        assert_eq!(finish(child).code(), Some(0));
        let told: Vec<String> = stage.events("m1").iter().map(gist).collect();
        let own = |status| format!("AWS::CloudFormation::Stack App {status}");
        assert_eq!(told, ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"].map(own));
        let last = stage.lines("m1").pop().unwrap();
        assert_eq!(
            (last["outcome"].as_str(), last["stack_status"].as_str()),
            (Some("deployed"), Some("CREATE_COMPLETE"))
        );
    }

    #[test]
    fn every_next_command_is_one_that_the_command_knows_needs_aws_cli() {
        let Some(aws) = aws() else { return };
        let stage = stage();
        let stack: StackName = "App".parse().unwrap();
        let ways = StackStatus::ALL.iter().flat_map(|status| {
            let mut ways = advice::next_commands(status, &stack);
            ways.extend(advice::commands_after_failure(status, &stack));
            ways
        });
        let mut commands: Vec<String> = ways.flat_map(|way| way.commands).collect();
        // Named in the words beside the command.
        commands.push(
            "aws cloudformation continue-update-rollback --resources-to-skip LOGICAL_ID --stack-name App".to_owned(),
        );
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/monitor.md");
        let page = std::fs::read_to_string(page).unwrap();
        let documented = page.lines().filter_map(|line| line.strip_prefix("$ "));
        let id = "5f4dcc3b-5aa7-65d6-1d83-27deb882cf99";
        commands.extend(documented.map(|line| line.replace("HOOK_INVOCATION_ID", id)));
        commands.sort();
        commands.dedup();
        commands.retain(|command| command.starts_with("aws "));
        assert!(commands.len() >= 10, "{commands:?}");
        // Nobody listens there: a command that is understood fails to connect (255), a wrong one is refused before (2 or 252).
        let bin = aws.parent().unwrap().display();
        let tried = |command: &str| {
            let script = format!("PATH={bin}:$PATH; {command}");
            let mut shell: Command = stage.command(Path::new("/bin/sh"), "aws");
            shell
                .args(["-c", &script])
                .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
                .env("AWS_DEFAULT_REGION", "us-east-1")
                .env("AWS_MAX_ATTEMPTS", "1");
            let output = shell.output().unwrap();
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            (output.status.code(), told)
        };
        let (code, told) = tried("aws cloudformation rollback-stak --stack-name App");
        assert_ne!(
            code,
            Some(255),
            "a wrong command is told from a right one: {told}"
        );
        for command in commands {
            let (code, told) = tried(&command);
            assert!(
                code == Some(255) && told.contains("Could not connect"),
                "{command}: {code:?} {told}"
            );
        }
    }
}
