//! A folder, a Slack on loopback and a program run in them with nothing inherited.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use simulators::{Message, Slack, TOKEN, UPDATES};

pub(crate) const ID: &str = "20260114-123456-abc123";

/// How messages get to Slack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Through {
    Bot,
    Webhook,
}

pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) slack: Slack,
    pub(crate) through: Through,
    pub(crate) variables: Vec<(String, String)>,
}

#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Place {
    pub(crate) fn new(through: Through) -> Self {
        let slack = Slack::start().unwrap();
        let mut variables = vec![("SLACK_API_URL".to_owned(), slack.api_url())];
        variables.push(match through {
            Through::Bot => ("SLACK_BOT_TOKEN".to_owned(), TOKEN.to_owned()),
            Through::Webhook => ("SLACK_WEBHOOK_URL".to_owned(), slack.webhook_url()),
        });
        Self {
            folder: tempfile::tempdir().unwrap(),
            slack,
            through,
            variables,
        }
    }

    pub(crate) fn bot() -> Self {
        Self::new(Through::Bot)
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn command<S: AsRef<OsStr>>(&self, program: &str, words: &[S]) -> Command {
        let mut command = Command::new(program);
        command
            .args(words)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, program: &str, words: &[S]) -> Ran {
        let begun = Instant::now();
        let output: Output = self.command(program, words).output().unwrap();
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            took: begun.elapsed(),
        }
    }

    pub(crate) fn queue(&self) -> PathBuf {
        self.folder.path().join(".slack-retry-queue")
    }

    /// Names of the queue's messages, waiting and dead, sorted.
    pub(crate) fn queued(&self) -> Vec<String> {
        files(&self.queue())
            .into_iter()
            .filter(|name| name.strip_suffix(".json").is_some())
            .collect()
    }

    /// The content of the queue's messages, in order.
    pub(crate) fn entries(&self) -> Vec<Value> {
        self.queued()
            .iter()
            .map(|name| read_json(&self.queue().join(name)))
            .collect()
    }

    pub(crate) fn messages(&self) -> Vec<Message> {
        self.slack.messages(UPDATES)
    }
}

pub(crate) fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub(crate) fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Everything below a folder as one text, to look for what must not be there.
pub(crate) fn all_text(folder: &Path) -> String {
    let mut text = String::new();
    for name in files(folder) {
        let path = folder.join(&name);
        if path.is_dir() {
            text.push_str(&all_text(&path));
        } else {
            text.push_str(&String::from_utf8_lossy(&std::fs::read(&path).unwrap()));
        }
    }
    text
}
