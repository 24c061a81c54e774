//! The program as its callers use it, against CloudFormation on loopback: the first column of the decision table.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;

use serde_json::Value;
use simulators::{CloudFormation, Event, Fault, Play, Stack, Trouble};

const STACK: &str = "CourtCaseManagementStack";
const STAGING: &str = "CourtCaseManagementStack-Staging";

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

fn run_with(aws: &CloudFormation, words: &[&str], variables: &[(&str, &str)]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_registry-fallback"))
        .args(words)
        .current_dir(folder.path())
        .env_clear()
        .env("HOME", folder.path())
        .env("AWS_ENDPOINT_URL", aws.url())
        .env("AWS_ACCESS_KEY_ID", "AKIDOFTHETESTSONLY00")
        .env("AWS_SECRET_ACCESS_KEY", "not-a-secret-of-anybody")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn run(aws: &CloudFormation, words: &[&str]) -> Ran {
    run_with(aws, words, &[])
}

#[test]
fn its_own_words_for_every_kind_of_answer() {
    let aws = CloudFormation::start().unwrap();
    for (status, code, reason, active) in [
        ("", 0, "no_active_deployment", 1),
        ("UPDATE_COMPLETE", 0, "no_active_deployment", 1),
        ("UPDATE_ROLLBACK_COMPLETE", 0, "no_active_deployment", 1),
        ("ROLLBACK_COMPLETE", 0, "stack_in_failed_state", 1),
        ("UPDATE_ROLLBACK_FAILED", 0, "stack_in_failed_state", 1),
        ("UPDATE_IN_PROGRESS", 1, "active_deployment", 0),
        ("NEW_WORD_IN_PROGRESS", 1, "active_deployment", 0),
        ("NEW_WORD", 2, "status_unknown", 2),
    ] {
        if !status.is_empty() {
            aws.add_stack(Stack::new(STACK).status(status));
        }
        let ran = run(&aws, &["can_deploy", "production"]);
        let json = ran.json();
        assert_eq!(
            (ran.code, json["reason"].as_str()),
            (code, Some(reason)),
            "{status}"
        );
        assert_eq!(json["can_deploy"], code == 0);
        assert_eq!(json["source"], "cloudformation_fallback");
        assert_eq!(
            json["warning"].is_string(),
            reason == "stack_in_failed_state"
        );
        if reason == "stack_in_failed_state" {
            assert_eq!(json["stack_status"], status);
        }
        let ran = run(&aws, &["get_active", "production"]);
        assert_eq!(ran.code, active, "{status} {}", ran.stderr);
        if active == 0 {
            let shown = &json["active_deployment"];
            assert_eq!(shown["source"], "cloudformation_fallback");
            assert_eq!(shown["correlation_id"], "unknown-fallback");
            assert_eq!(ran.json()["status"], status);
        } else {
            assert_eq!(ran.stdout, "{}\n");
        }
    }
}

#[test]
fn what_cannot_be_asked_is_never_a_yes() {
    let aws = CloudFormation::start().unwrap();
    aws.fault(Fault::new(Trouble::ExpiredToken));
    let ran = run(&aws, &["can_deploy", "production"]);
    assert_eq!(ran.code, 2);
    assert_eq!(ran.json()["reason"], "status_unknown");
    let ran = run(&aws, &["get_active"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, "{}\n"));
    assert!(ran.stderr.contains("expired"), "{}", ran.stderr);
}

#[test]
fn the_stacks_tag_names_the_deployment() {
    let aws = CloudFormation::start().unwrap();
    aws.add_stack(
        Stack::new(STACK)
            .status("CREATE_IN_PROGRESS")
            .tag("CorrelationId", "20260114-123456-abc123"),
    );
    let ran = run(&aws, &["get_active"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["correlation_id"], "20260114-123456-abc123");
    assert_eq!(ran.json()["environment"], "production");
}

#[test]
fn how_long_it_still_takes_is_estimated_from_the_stacks_events() {
    let aws = CloudFormation::start().unwrap();
    // A database that began two minutes ago, and that nobody has any history of.
    let events = [
        Event::own(0.0, "CREATE_IN_PROGRESS"),
        Event::resource(2.0, "Db", "AWS::RDS::DBInstance", "CREATE_IN_PROGRESS"),
        Event::own(9000.0, "CREATE_COMPLETE"),
    ];
    aws.play(STACK, &events, &Play::default().after(-120.0));
    let ran = run(&aws, &["get_active", "production"]);
    let json = ran.json();
    assert_eq!((ran.code, &json["elapsed_minutes"]), (0, &2.into()));
    let left = json["estimated_remaining_minutes"].as_u64().unwrap();
    assert!(
        (1..=13).contains(&left),
        "a database takes up to 15 minutes in all: {json}"
    );
}

#[test]
fn with_no_environment_all_are_asked() {
    let aws = CloudFormation::start().unwrap();
    aws.add_stack(Stack::new(STACK).status("UPDATE_COMPLETE"));
    aws.add_stack(Stack::new(STAGING).status("UPDATE_IN_PROGRESS"));
    let ran = run(&aws, &["can_deploy"]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.json()["environment"], "staging");
    aws.add_stack(Stack::new(STACK).status("UPDATE_IN_PROGRESS"));
    let ran = run(&aws, &["get_active"]);
    assert_eq!(
        (ran.code, ran.stdout.lines().count()),
        (0, 2),
        "{}",
        ran.stdout
    );
    // ENVIRONMENT and STACK_NAME narrow it down.
    aws.add_stack(Stack::new(STACK).status("UPDATE_COMPLETE"));
    let ran = run_with(&aws, &["can_deploy"], &[("ENVIRONMENT", "production")]);
    assert_eq!(ran.code, 0);
    let ran = run_with(&aws, &["can_deploy"], &[("STACK_NAME", STAGING)]);
    assert_eq!(ran.code, 1);
}

#[test]
fn wrong_words_are_one_sentence() {
    let aws = CloudFormation::start().unwrap();
    for words in [
        &[] as &[&str],
        &["can_deploy", "nowhere"],
        &["can_deploy", ""],
        &["can_deploy", "production", "surplus"],
        &["get_activ"],
    ] {
        let ran = run(&aws, words);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{words:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    }
}
