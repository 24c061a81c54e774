//! The binary as a person starts it.
#![expect(clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{ask, cloudformation};
use registry_core::clock::{StopSignal, Wake};
use serde_json::json;

struct Served {
    child: Child,
    environment: Vec<(String, String)>,
}

impl Served {
    fn start(words: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_simulators"))
            .args(["serve", "--until-stdin-closes"])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut environment = Vec::new();
        for line in stdout.lines() {
            let line = line.expect("a line");
            let end = line.starts_with("# ");
            let pair = line.trim_start_matches("# ").trim_start_matches("export ");
            let (name, value) = pair.split_once('=').expect("a setting");
            environment.push((name.to_owned(), value.trim_matches('\'').to_owned()));
            if end {
                break;
            }
        }
        Self { child, environment }
    }

    fn get(&self, name: &str) -> &str {
        let found = self.environment.iter().find(|(key, _)| key == name);
        found.map_or_else(
            || panic!("{name} is not in {:?}", self.environment),
            |(_, value)| value,
        )
    }
}

impl Served {
    /// The exit status, or `None` when it has not ended after ten seconds.
    fn end(&mut self) -> Option<i32> {
        let patience = StopSignal::default();
        for _ in 0..500 {
            if let Some(status) = self.child.try_wait().expect("a state") {
                return status.code();
            }
            if patience.wait(Duration::from_millis(20)) == Wake::Stopped {
                break;
            }
        }
        None
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn crate_file(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(path)
        .display()
        .to_string()
}

#[test]
fn it_serves_a_trace_and_writes_what_it_was_asked_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let (page, file) = (
        folder.path().join("slack.txt"),
        folder.path().join("env.sh"),
    );
    let trace = crate_file("traces/ai-chatbot_ai-chatbot_create.jsonl");
    let served = Served::start(&[
        "--trace",
        &trace,
        "--stack",
        "App",
        "--speed",
        "100000",
        "--slack-text",
        page.to_str().expect("text"),
        "--env-file",
        file.to_str().expect("text"),
    ]);
    let url = served.get("AWS_ENDPOINT_URL");
    let seen = cloudformation(url, "Action=DescribeStackEvents&StackName=App");
    assert!(
        seen.body.contains("<ResourceStatus>CREATE_IN_PROGRESS"),
        "{seen:?}"
    );
    let webhook = served.get("SLACK_WEBHOOK_URL");
    assert_eq!(
        ask(
            webhook,
            "POST",
            &[("Content-Type", "application/json")],
            &json!({"text": "hello"}).to_string()
        )
        .body,
        "ok"
    );
    assert!(
        std::fs::read_to_string(&page)
            .expect("the page")
            .contains("  hello")
    );
    let exports = std::fs::read_to_string(&file).expect("the environment");
    assert!(
        exports.contains(&format!("export AWS_ENDPOINT_URL='{url}'")),
        "{exports}"
    );
    assert!(
        exports.contains("export SLACK_BOT_TOKEN='xoxb-"),
        "{exports}"
    );
}

#[test]
fn it_ends_when_stdin_closes_and_when_told_to() {
    let mut served = Served::start(&["--scenario", &crate_file("scenarios/two-deployments.toml")]);
    assert_eq!(
        ask(
            &format!("{}/_sim/stacks", served.get("AWS_ENDPOINT_URL")),
            "GET",
            &[],
            ""
        )
        .status,
        200
    );
    drop(served.child.stdin.take());
    assert_eq!(served.end(), Some(0));
    let mut served = Served::start(&[]);
    let signalled = Command::new("kill")
        .arg(served.child.id().to_string())
        .status()
        .expect("kill");
    assert!(signalled.success());
    assert_eq!(served.end(), Some(0));
}

#[test]
fn what_is_wrong_is_said_in_a_sentence() {
    for (words, expected) in [
        (
            vec!["serve", "--speed", "0"],
            "--speed must be more than zero",
        ),
        (vec!["serve", "--trace", "/nowhere"], "cannot read /nowhere"),
        (
            vec!["serve", "--scenario", "/nowhere"],
            "cannot read /nowhere",
        ),
        (vec!["serve", "--stack", "App"], "--trace"),
        (
            vec!["serve", "--slack-text", "/nowhere/x"],
            "cannot write /nowhere/x",
        ),
        (vec!["srve"], "serve"),
        (vec![], "command"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_simulators"))
            .args(&words)
            .output()
            .expect("the binary");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(2) && stderr.contains(expected),
            "{words:?}: {stderr}"
        );
        assert!(output.stdout.is_empty(), "{words:?}");
    }
}
