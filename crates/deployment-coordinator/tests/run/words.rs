//! Words that make no sense: one sentence, the right status, nothing registered, sent or started.

use crate::place::{Place, Ran};

#[track_caller]
fn refused(words: &[&str], code: i32, sentence: &str) {
    let place = Place::new();
    let Ran {
        status,
        stdout,
        stderr,
    } = place.run(words);
    assert_eq!(status.code(), Some(code), "{stderr}");
    assert_eq!(stdout, "");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains(sentence), "{stderr}");
    assert!(!place.path(".deployment-registry").exists());
    assert!(!place.path(".slack-retry-queue").exists());
    assert_eq!(place.slack.all_messages().len(), 0);
    assert_eq!(place.aws.requests("DescribeStacks"), 0);
}

#[test]
fn words_that_make_no_sense_do_nothing() {
    refused(&["run", "production"], 2, "there is no COMMAND");
    refused(&["run", "production", "--"], 2, "there is no COMMAND");
    refused(&["run", "production", "--", ""], 2, "there is no COMMAND");
    let forgotten = ["run", "production", "cdk", "deploy"];
    refused(&forgotten, 2, "\"cdk\"");
    refused(&forgotten, 2, "what is to be run stands after --");
    refused(&["run", "--", "true"], 2, "missing <ENV>");
    let wait = ["run", "production", "--wait", "soon", "--", "true"];
    refused(&wait, 2, "--wait is \"soon\"");
    let id = ["run", "production", "--id", "../x", "--", "true"];
    refused(&id, 2, "the correlation id \"../x\"");
    let lost = ["run", "production", "--on-lost", "sulk", "--", "true"];
    refused(&lost, 2, "\"sulk\"");
    refused(&["run", "elsewhere", "--", "true"], 2, "elsewhere");
}

#[test]
fn a_command_that_cannot_be_run_is_told_as_env_tells_it() {
    let none = ["run", "production", "--", "no-such-program"];
    refused(&none, 127, "no-such-program is in no folder of PATH");
    let none = ["run", "production", "--", "./no-such-program"];
    refused(&none, 127, "there is no ./no-such-program");
    refused(
        &["run", "production", "--", "/tmp"],
        126,
        "/tmp is a folder",
    );
    let plain = ["run", "production", "--", "/etc/passwd"];
    refused(&plain, 126, "/etc/passwd may not be executed");
}
