//! The simulator against the real `aws` command line, so that it is not only what we believe of CloudFormation.
//!
//! The tool is taken from `AWS_CLI`, else from `PATH`. Without one these tests say so and pass, except where `CI` is set.
#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test may fail, and says what it skips"
)]

use std::path::PathBuf;
use std::process::{Command, Output};

use registry_core::trace::Trace;
use serde_json::Value;
use simulators::{CloudFormation, Event, Fault, Play, Stack, Trouble, trace_file};

#[expect(
    clippy::disallowed_methods,
    reason = "a test finds its tool in the environment"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn aws_cli() -> Option<PathBuf> {
    let named = variable("AWS_CLI").map(PathBuf::from);
    let on_path = || {
        let path = variable("PATH")?;
        std::env::split_paths(&path)
            .map(|folder| folder.join("aws"))
            .find(|file| file.is_file())
    };
    let found = named.or_else(on_path);
    assert!(
        found.is_some() || variable("CI").is_none(),
        "CI is set, and there is no `aws`: install it or set AWS_CLI"
    );
    if found.is_none() {
        eprintln!("skipped: there is no `aws` on PATH, and AWS_CLI is not set");
    }
    found
}

fn run(aws: &PathBuf, cloudformation: &CloudFormation, region: &str, words: &[&str]) -> Output {
    Command::new(aws)
        .args([
            "--endpoint-url",
            &cloudformation.url(),
            "--region",
            region,
            "--output",
            "json",
        ])
        .args(words)
        .envs([
            ("AWS_ACCESS_KEY_ID", "AKIASIMULATED"),
            ("AWS_SECRET_ACCESS_KEY", "simulated"),
            ("AWS_PAGER", ""),
        ])
        .env("AWS_MAX_ATTEMPTS", "1")
        .env_remove("AWS_PROFILE")
        .envs([
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ])
        .output()
        .expect("aws runs")
}

fn json(output: &Output) -> Value {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The name is the mark by which `cargo xtask test` leaves these out where there is no `aws`.
mod needs_aws_cli {
    use super::*;

    #[test]
    fn stacks_events_resources_template_and_identity() {
        let Some(aws) = aws_cli() else { return };
        let cloudformation = CloudFormation::start().expect("a simulator");
        cloudformation.add_stack(
            Stack::new("App")
                .status("UPDATE_COMPLETE")
                .tag("CorrelationId", "a<b>&\"c\"")
                .output("Url", "http://x")
                .history(250),
        );
        cloudformation.add_stack(Stack::new("Gone"));
        let gone = cloudformation.stack_id("Gone", "us-east-1").expect("an id");
        cloudformation.delete_stack("Gone");
        let ask = |words: &[&str]| {
            run(
                &aws,
                &cloudformation,
                "us-east-1",
                &[&["cloudformation"], words].concat(),
            )
        };

        let stacks = json(&ask(&["describe-stacks"]));
        assert_eq!(
            stacks["Stacks"].as_array().map(Vec::len),
            Some(1),
            "deleted ones are not listed: {stacks}"
        );
        let stack = &stacks["Stacks"][0];
        assert_eq!(stack["StackStatus"], "UPDATE_COMPLETE");
        assert_eq!(stack["Tags"][0]["Value"], "a<b>&\"c\"");
        assert_eq!(stack["Outputs"][0]["OutputKey"], "Url");

        let events = json(&ask(&["describe-stack-events", "--stack-name", "App"]));
        assert_eq!(
            events["StackEvents"].as_array().map(Vec::len),
            Some(250),
            "three pages, put together by the tool"
        );
        assert_eq!(cloudformation.requests("DescribeStackEvents"), 3);
        assert_eq!(
            Trace::parse(&serde_json::to_vec(&events).expect("JSON"))
                .expect("a trace")
                .operations()
                .len(),
            27
        );

        let resources = json(&ask(&["describe-stack-resources", "--stack-name", "App"]));
        assert_eq!(
            resources["StackResources"].as_array().map(Vec::len),
            Some(3)
        );
        let listed = json(&ask(&["list-stack-resources", "--stack-name", "App"]));
        assert_eq!(
            listed["StackResourceSummaries"][0]["LogicalResourceId"],
            "Bucket"
        );
        let template = json(&ask(&["get-template", "--stack-name", "App"]));
        assert_eq!(
            template["TemplateBody"]["Resources"]["Database"]["Type"],
            "AWS::RDS::DBInstance"
        );

        let by_name = ask(&["describe-stacks", "--stack-name", "Gone"]);
        assert!(String::from_utf8_lossy(&by_name.stderr).contains(
        "An error occurred (ValidationError) when calling the DescribeStacks operation: Stack with id Gone does not exist"
    ));
        assert_eq!(
            json(&ask(&["describe-stacks", "--stack-name", &gone]))["Stacks"][0]["StackStatus"],
            "DELETE_COMPLETE"
        );
        let no_events = ask(&["describe-stack-events", "--stack-name", "Never"]);
        assert!(
            String::from_utf8_lossy(&no_events.stderr).contains("Stack [Never] does not exist")
        );

        let identity = json(&run(
            &aws,
            &cloudformation,
            "us-east-1",
            &["sts", "get-caller-identity"],
        ));
        assert_eq!(identity["Account"], simulators::ACCOUNT);
    }

    #[test]
    fn any_region_and_partition() {
        let Some(aws) = aws_cli() else { return };
        let cloudformation = CloudFormation::start().expect("a simulator");
        cloudformation.add_stack(Stack::new("Everywhere"));
        cloudformation.add_stack(Stack::new("There").region("us-gov-west-1"));
        for (region, start, stacks) in [
            ("cn-north-1", "arn:aws-cn:cloudformation:cn-north-1:", 1),
            (
                "us-gov-west-1",
                "arn:aws-us-gov:cloudformation:us-gov-west-1:",
                2,
            ),
            ("eu-west-1", "arn:aws:cloudformation:eu-west-1:", 1),
        ] {
            let listed = json(&run(
                &aws,
                &cloudformation,
                region,
                &["cloudformation", "describe-stacks"],
            ));
            assert_eq!(
                listed["Stacks"].as_array().map(Vec::len),
                Some(stacks),
                "{region}"
            );
            for stack in listed["Stacks"].as_array().expect("an array") {
                let id = stack["StackId"].as_str().expect("an id");
                assert!(id.starts_with(start), "{id}");
                let by_arn = json(&run(
                    &aws,
                    &cloudformation,
                    region,
                    &["cloudformation", "describe-stacks", "--stack-name", id],
                ));
                assert_eq!(by_arn["Stacks"][0]["StackId"], id);
            }
        }
    }

    #[test]
    fn errors_are_told_in_the_words_of_aws() {
        let Some(aws) = aws_cli() else { return };
        let cloudformation = CloudFormation::start().expect("a simulator");
        cloudformation.add_stack(Stack::new("App"));
        for (trouble, words) in [
            (Trouble::Throttling, "(Throttling)"),
            (
                Trouble::AccessDenied,
                "is not authorized to perform: cloudformation:DescribeStacks",
            ),
            (Trouble::ExpiredToken, "(ExpiredToken)"),
            (Trouble::InvalidToken, "(InvalidClientTokenId)"),
            (Trouble::Unavailable, "(ServiceUnavailable)"),
        ] {
            cloudformation.clear_faults();
            cloudformation.fault(Fault::new(trouble).on("DescribeStacks"));
            let output = run(
                &aws,
                &cloudformation,
                "us-east-1",
                &["cloudformation", "describe-stacks"],
            );
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(
                !output.status.success() && stderr.contains(words),
                "{words}: {stderr}"
            );
        }
    }

    #[test]
    fn a_wrong_clock_is_refused_as_aws_does() {
        let Some(aws) = aws_cli() else { return };
        let cloudformation = CloudFormation::start().expect("a simulator");
        cloudformation.set_clock_offset(-1200.0);
        let output = run(
            &aws,
            &cloudformation,
            "us-east-1",
            &["cloudformation", "describe-stacks"],
        );
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            stderr.contains("(SignatureDoesNotMatch)")
                && stderr.contains("Signature not yet current"),
            "{stderr}"
        );
    }

    #[test]
    fn a_recorded_operation_reads_back_as_it_was() {
        let Some(aws) = aws_cli() else { return };
        let cloudformation = CloudFormation::start().expect("a simulator");
        let trace = Trace::parse(
            &std::fs::read(trace_file("ai-chatbot_ai-chatbot_create.jsonl")).expect("a file"),
        )
        .expect("a trace");
        // Begun ten minutes ago at double speed: all of it has happened.
        cloudformation.play_trace("App", &trace, &Play::at_speed(2.0).after(-600.0));
        let words = [
            "cloudformation",
            "describe-stack-events",
            "--stack-name",
            "App",
        ];
        let output = run(&aws, &cloudformation, "us-east-1", &words);
        let read = Trace::parse(&output.stdout).expect("a trace");
        assert_eq!(read.events.len(), trace.events.len());
        for (read, recorded) in read.events.iter().zip(&trace.events) {
            assert_eq!(
                (&read.status, &read.reason, read.is_stack_event),
                (&recorded.status, &recorded.reason, recorded.is_stack_event)
            );
            assert!(
                (read.seconds * 2.0 - recorded.seconds).abs() < 0.01,
                "{read:?} {recorded:?}"
            );
        }
    }

    #[test]
    fn deleting_plays_a_deletion() {
        let Some(aws) = aws_cli() else { return };
        let cloudformation = CloudFormation::start().expect("a simulator");
        cloudformation.add_stack(Stack::new("App"));
        cloudformation.event("App", Event::own(0.0, "UPDATE_FAILED"));
        let deleted = run(
            &aws,
            &cloudformation,
            "us-east-1",
            &["cloudformation", "delete-stack", "--stack-name", "App"],
        );
        assert!(
            deleted.status.success(),
            "{}",
            String::from_utf8_lossy(&deleted.stderr)
        );
        let listed = json(&run(
            &aws,
            &cloudformation,
            "us-east-1",
            &["cloudformation", "describe-stacks"],
        ));
        let status = &listed["Stacks"][0]["StackStatus"];
        assert!(
            status == "DELETE_IN_PROGRESS" || status.is_null(),
            "{listed}"
        );
    }
}
