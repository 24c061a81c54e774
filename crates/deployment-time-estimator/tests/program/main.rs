//! The real program against a CloudFormation on loopback.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests prepare their own folders and files, and fail where that fails"
)]

mod collect;
mod questions;
mod report;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use registry_core::trace::Trace;
use serde_json::{Value, json};
use simulators::{CloudFormation, Event, Fault, Play, Stack, Trouble, trace_file};

const STACK: &str = "CourtCaseManagementStack";
const ID: &str = "20260114-123456-abc123";

struct Bench {
    folder: tempfile::TempDir,
    aws: CloudFormation,
}

struct Answer {
    status: i32,
    stdout: String,
    stderr: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!(
                "stdout is no JSON ({error}): {:?}\n{}",
                self.stdout, self.stderr
            )
        })
    }
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            aws: CloudFormation::start().unwrap(),
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deployment-time-estimator"));
        command
            .args(words)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("AWS_ENDPOINT_URL", self.aws.url())
            .env("AWS_ACCESS_KEY_ID", "AKIASIMULATED0000000")
            .env("AWS_SECRET_ACCESS_KEY", "simulated")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("NO_PROXY", "*")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Answer {
        self.command(words).output().unwrap().into()
    }

    fn history_path(&self) -> PathBuf {
        self.folder
            .path()
            .join(".deployment-registry/deployment-history.json")
    }

    fn history(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.history_path()).unwrap()).unwrap()
    }

    fn write_history(&self, text: &str) {
        std::fs::create_dir_all(self.history_path().parent().unwrap()).unwrap();
        std::fs::write(self.history_path(), text).unwrap();
    }
}

fn trace(name: &str) -> Trace {
    Trace::parse(&std::fs::read(trace_file(name)).unwrap()).unwrap()
}

/// A creation that began `ago` seconds ago.
fn creating(ago: f64) -> Play {
    Play {
        after: -ago,
        ..Play::default()
    }
}

#[test]
fn the_guides_three_commands_do_what_it_says() {
    let bench = Bench::new();
    bench.aws.play_trace(
        STACK,
        &trace("ai-chatbot_ai-chatbot_create.jsonl"),
        &creating(3600.0),
    );
    let collected = bench.run(&["collect"]);
    assert_eq!(collected.status, 0, "{}", collected.stderr);
    assert_eq!(collected.json()["new_operations"], 1);
    let estimated = bench.run(&["estimate", ID, STACK, "15"]);
    assert_eq!(estimated.status, 0, "{}", estimated.stderr);
    assert_eq!(estimated.json()["elapsed_minutes"], 15);
    let updated = bench.run(&["update", ID, "25"]);
    assert_eq!(updated.status, 0, "{}", updated.stderr);
    assert_eq!(
        updated.json()["average_deployment_minutes"].to_string(),
        "13"
    );
    let history = bench.history();
    let entry = &history["deployments"][1];
    assert_eq!(entry["correlation_id"], ID);
    assert_eq!(entry["stack_name"], STACK);
    assert_eq!(entry["duration_minutes"], 25);
    // Half a minute collected and 25 reported.
    assert_eq!(history["average_deployment_minutes"], 13);
    assert_eq!(history["resource_averages"]["AWS::DynamoDB::Table"], 13);
    assert!(history["last_updated"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn an_estimate_has_the_contracts_fields_and_costs_three_questions() {
    let bench = Bench::new();
    bench.aws.play_trace(
        STACK,
        &trace("rlhf-synth-fixer_secure-web-stack_create3.jsonl"),
        &creating(120.0),
    );
    bench.aws.forget_requests();
    let answer = bench.run(&["estimate", ID, STACK]);
    assert_eq!(answer.status, 0, "{}", answer.stderr);
    let told = answer.json();
    assert_eq!(told["correlation_id"], ID);
    assert_eq!(told["stack_name"], STACK);
    assert_eq!(told["stack_status"], "CREATE_IN_PROGRESS");
    assert_eq!(told["elapsed_minutes"], 2);
    let minutes = |name: &str| told[name].as_u64().unwrap();
    // 237 s are left: the load balancer and the distribution are at work side by side.
    assert!(
        (2..=6).contains(&minutes("estimated_remaining_minutes")),
        "{told}"
    );
    assert_eq!(
        minutes("estimated_total_minutes"),
        minutes("elapsed_minutes") + minutes("estimated_remaining_minutes")
    );
    let interval = &told["confidence_interval"];
    assert!(
        interval["low"].as_u64() <= told["estimated_remaining_minutes"].as_u64(),
        "{told}"
    );
    assert!(
        interval["high"].as_u64() >= told["estimated_remaining_minutes"].as_u64(),
        "{told}"
    );
    let completion = told["estimated_completion_time"].as_str().unwrap();
    assert!(
        completion.ends_with(" UTC") && completion.len() == 23,
        "{completion}"
    );
    assert_eq!(bench.aws.recorded().len(), 3);
}

#[test]
fn the_estimate_follows_the_template_and_names_what_it_does_not_know() {
    let bench = Bench::new();
    let template = "Resources:\n  A:\n    Type: AWS::Strange::Thing\n  B:\n    Type: AWS::RDS::DBInstance\n    Properties:\n      X: !GetAtt A.Arn\n";
    bench.aws.add_stack(Stack::absent(STACK).template(template));
    let events = [
        Event::own(0.0, "CREATE_IN_PROGRESS"),
        Event::resource(1.0, "A", "AWS::Strange::Thing", "CREATE_IN_PROGRESS"),
        Event::resource(900.0, "A", "AWS::Strange::Thing", "CREATE_COMPLETE"),
    ];
    bench.aws.play(STACK, &events, &creating(30.0));
    let answer = bench.run(&["estimate", ID, STACK]);
    let told = answer.json();
    assert_eq!(
        told["unknown_resource_types"],
        json!(["AWS::Strange::Thing"])
    );
    let path: Vec<&str> = told["critical_path"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["logical_resource_id"].as_str().unwrap())
        .collect();
    assert_eq!(path, ["A", "B"]);
    assert!(
        answer.stderr.contains("no history for AWS::Strange::Thing"),
        "{}",
        answer.stderr
    );
}

#[test]
fn a_second_collection_adds_nothing() {
    let bench = Bench::new();
    bench
        .aws
        .add_stack(Stack::new(STACK).status("UPDATE_COMPLETE").history(100_000));
    bench.aws.forget_requests();
    let first = bench.run(&["collect", STACK, "--operations", "60"]);
    assert_eq!(first.status, 0, "{}", first.stderr);
    assert_eq!(first.json()["new_operations"], 60);
    assert!(
        bench.aws.recorded().len() < 20,
        "{}",
        bench.aws.recorded().len()
    );
    let before = std::fs::read(bench.history_path()).unwrap();
    bench.aws.forget_requests();
    let second = bench.run(&["collect", STACK, "--operations", "60"]);
    assert_eq!(second.json()["new_operations"], 0);
    assert_eq!(std::fs::read(bench.history_path()).unwrap(), before);
    assert!(
        bench.aws.recorded().len() <= 3,
        "{}",
        bench.aws.recorded().len()
    );
}

#[test]
fn nested_stacks_are_collected_with_their_parent() {
    let bench = Bench::new();
    let nested = "AWS::CloudFormation::Stack";
    bench.aws.play(
        STACK,
        &[
            Event::own(0.0, "CREATE_IN_PROGRESS"),
            Event::resource(1.0, "Network", nested, "CREATE_IN_PROGRESS").nested("Net"),
            Event::resource(17.0, "Network", nested, "CREATE_COMPLETE").nested("Net"),
            Event::own(18.0, "CREATE_COMPLETE"),
        ],
        &creating(600.0),
    );
    bench.aws.play(
        "Net",
        &[
            Event::own(2.0, "CREATE_IN_PROGRESS"),
            Event::resource(3.0, "Vpc", "AWS::EC2::VPC", "CREATE_IN_PROGRESS"),
            Event::resource(15.0, "Vpc", "AWS::EC2::VPC", "CREATE_COMPLETE"),
            Event::own(16.0, "CREATE_COMPLETE"),
        ],
        &creating(600.0),
    );
    let answer = bench.run(&["collect", STACK]);
    assert_eq!(answer.status, 0, "{}", answer.stderr);
    let history = bench.history();
    let rows = history["operations"][0]["resources"].as_array().unwrap();
    let ids: Vec<&str> = rows.iter().map(|row| row[0].as_str().unwrap()).collect();
    assert_eq!(ids, ["Network", "Network/Vpc"]);
    assert_eq!(history["resource_averages"], json!({"AWS::EC2::VPC": 12}));
}

#[test]
fn fifty_updates_at_once_are_fifty_entries() {
    let bench = Bench::new();
    let children: Vec<_> = (0..50)
        .map(|number| {
            bench
                .command(&["update", &format!("id-{number}"), "25", STACK])
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    assert_eq!(bench.history()["deployments"].as_array().unwrap().len(), 50);
}

#[test]
fn wrong_words_are_one_sentence_and_nothing_is_written() {
    let bench = Bench::new();
    let check = |words: &[&str], expected: &str| {
        let answer = bench.run(words);
        assert_eq!(answer.status, 2, "{words:?}: {}", answer.stderr);
        assert_eq!(answer.stdout, "", "{words:?}");
        assert_eq!(
            answer.stderr.lines().count(),
            1,
            "{words:?}: {}",
            answer.stderr
        );
        assert!(
            answer.stderr.contains(expected),
            "{words:?}: {}",
            answer.stderr
        );
    };
    for minutes in ["-5", "0", "abc", "99999999", "1e3", "25.5"] {
        check(&["update", ID, minutes], "whole minutes, 1 to 10080");
    }
    check(&["update", ID, ""], "<MINUTES> has no value");
    check(&["update", ID], "missing <MINUTES>");
    check(&["update", "a/b", "5"], "correlation id");
    check(&["update", ID, "5", "no_stack"], "stack name");
    check(&["update", ID, "5", STACK, "more"], "one too many");
    check(&["estimate", ID, STACK, "soon"], "<ELAPSED>");
    check(&["estimate", ID, STACK, "-3"], "<ELAPSED>");
    check(&["estimate", "new\nline"], "correlation id");
    check(
        &["collect", STACK, "--operations", "0"],
        "whole number from 1 to 1000",
    );
    check(&["colect"], "did you mean collect?");
    check(&[], "missing the command");
    check(&["report", "--trace", "missing.jsonl"], "could not be read");
    assert!(!bench.history_path().exists());
}

#[test]
fn what_cannot_be_asked_is_exit_2_and_what_is_not_there_exit_1() {
    let bench = Bench::new();
    let missing = bench.run(&["estimate", ID, "NoSuchStack"]);
    assert_eq!((missing.status, missing.stdout.trim()), (1, "{}"));
    assert!(
        missing.stderr.contains("nothing is known of NoSuchStack"),
        "{}",
        missing.stderr
    );
    let missing = bench.run(&["collect", "NoSuchStack"]);
    assert_eq!((missing.status, missing.stdout.trim()), (1, "{}"));
    bench.aws.fault(Fault::new(Trouble::AccessDenied));
    for words in [&["estimate", ID, STACK][..], &["collect", STACK][..]] {
        let denied = bench.run(words);
        assert_eq!(denied.status, 2, "{}", denied.stderr);
        assert!(
            denied
                .stderr
                .contains("AWS denied cloudformation:DescribeStacks"),
            "{}",
            denied.stderr
        );
        let error = denied.json()["error"].clone();
        let why = error.as_str().unwrap();
        assert!(why.contains("DescribeStacks"), "{}", denied.stdout);
        assert!(denied.stderr.contains(why), "{}", denied.stderr);
    }
}

#[test]
fn a_damaged_history_is_kept_aside_and_the_shipped_figures_are_used() {
    let bench = Bench::new();
    bench.write_history("{ this is not JSON");
    bench.aws.play_trace(
        STACK,
        &trace("ai-chatbot_ai-chatbot_create.jsonl"),
        &creating(10.0),
    );
    let answer = bench.run(&["estimate", ID, STACK]);
    assert_eq!(answer.status, 0, "{}", answer.stderr);
    assert!(answer.json()["estimated_remaining_seconds"].as_u64() > Some(5));
    assert!(answer.stderr.contains("is damaged"), "{}", answer.stderr);
    let aside = |folder: &Path| {
        std::fs::read_dir(folder)
            .unwrap()
            .filter(|entry| {
                let name = entry.as_ref().unwrap().file_name();
                name.to_string_lossy().contains(".corrupt-")
            })
            .count()
    };
    assert_eq!(aside(bench.history_path().parent().unwrap()), 1);
    let updated = bench.run(&["update", ID, "25", STACK]);
    assert_eq!(updated.status, 0, "{}", updated.stderr);
    assert_eq!(bench.history()["deployments"][0]["duration_minutes"], 25);
    assert_eq!(aside(bench.history_path().parent().unwrap()), 1);
}

#[test]
fn a_template_that_does_not_parse_costs_only_a_sentence() {
    let bench = Bench::new();
    bench
        .aws
        .add_stack(Stack::absent(STACK).template("{ not: [a template"));
    bench.aws.play_trace(
        STACK,
        &trace("ai-chatbot_ai-chatbot_create.jsonl"),
        &creating(10.0),
    );
    let answer = bench.run(&["estimate", ID, STACK]);
    assert_eq!(answer.status, 0, "{}", answer.stderr);
    assert!(
        answer
            .stderr
            .contains("the template of CourtCaseManagementStack was not used"),
        "{}",
        answer.stderr
    );
    assert!(answer.json()["estimated_remaining_seconds"].as_u64() > Some(5));
}

#[test]
fn the_stack_comes_from_the_registry_then_from_the_settings() {
    let bench = Bench::new();
    let folder = bench.folder.path().join(".deployment-registry");
    std::fs::create_dir_all(&folder).unwrap();
    let entry = json!({"deployments": [{
        "correlation_id": "registered", "workflow_run_id": "1", "environment": "production", "stack_name": "Registered",
        "status": "IN_PROGRESS", "started_at": "2026-01-14T12:34:56Z", "updated_at": "2026-01-14T12:34:56Z"}]});
    std::fs::write(folder.join("deployments.json"), entry.to_string()).unwrap();
    let stack = |words: &[&str], variables: &[(&str, &str)]| {
        let output = bench
            .command(words)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        Answer::from(output).json()["stack_name"].clone()
    };
    let named = [("STACK_NAME", "Named")];
    assert_eq!(stack(&["update", "registered", "5"], &named), "Registered");
    assert_eq!(stack(&["update", "other", "5"], &named), "Named");
    assert_eq!(stack(&["update", "other", "5", "Given"], &named), "Given");
    assert_eq!(
        stack(&["update", "other", "5"], &[("ENVIRONMENT", "staging")]),
        "CourtCaseManagementStack-Staging"
    );
    assert_eq!(stack(&["update", "other", "5"], &[]), STACK);
}

#[test]
fn a_registered_deployment_that_has_not_begun_is_not_over() {
    let bench = Bench::new();
    bench.aws.add_stack(
        Stack::new(STACK)
            .status("UPDATE_COMPLETE")
            .operation_ago(86_400.0),
    );
    bench.run(&["update", "earlier", "25", STACK]);
    let over = bench.run(&["estimate", ID, STACK]).json();
    assert_eq!(over["estimated_remaining_minutes"], 0);
    let registry = bench.history_path().with_file_name("deployments.json");
    let now = registry_core::clock::Clock::now(&registry_core::clock::SystemClock::default());
    let began = (now - std::time::Duration::from_secs(300)).rfc3339();
    let entry = json!({"deployments": [{
        "correlation_id": ID, "workflow_run_id": "1", "environment": "production", "stack_name": STACK,
        "status": "IN_PROGRESS", "started_at": began, "updated_at": began}]});
    std::fs::write(registry, entry.to_string()).unwrap();
    let waiting = bench.run(&["estimate", ID, STACK]).json();
    assert_eq!(waiting["elapsed_minutes"], 5);
    assert_eq!(waiting["estimated_remaining_minutes"], 20);
    assert_eq!(
        waiting["confidence_interval"],
        json!({"low": 16, "high": 24})
    );
}

#[test]
fn help_tells_the_exit_status_of_each_command() {
    let bench = Bench::new();
    for command in ["collect", "estimate", "update", "report"] {
        let help = bench.run(&[command, "--help"]);
        assert_eq!(help.status, 0);
        assert!(help.stdout.contains("Exit status: 0"), "{}", help.stdout);
    }
}
