//! A folder, a CloudFormation, and the program between them.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use simulators::{CloudFormation, Stack};

/// The built-in stack of `production`.
pub(crate) const STACK: &str = "CourtCaseManagementStack";
/// The built-in stack of `staging`.
pub(crate) const STAGING: &str = "CourtCaseManagementStack-Staging";

pub(crate) struct Room {
    pub(crate) aws: CloudFormation,
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

/// What a run of the program came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    /// stdout as JSON; that it is JSON is part of every test that looks.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "no {words:?} in {self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn reason(self, word: &str) -> Self {
        assert_eq!(self.json()["reason"], word, "{self:?}");
        self
    }
}

impl Room {
    pub(crate) fn new() -> Self {
        Self {
            aws: CloudFormation::start().unwrap(),
            folder: tempfile::tempdir().unwrap(),
            variables: Vec::new(),
        }
    }

    /// Sets a variable for every later run.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.path(".deployment-registry/deployments.json")
    }

    pub(crate) fn stack(&self, status: &str) {
        self.aws.add_stack(Stack::new(STACK).status(status));
    }

    pub(crate) fn registry(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.file()).unwrap()).unwrap()
    }

    pub(crate) fn write(&self, text: &str) {
        self.write_beside("deployments.json", text);
    }

    #[expect(clippy::disallowed_methods, reason = "as a person's echo does it")]
    pub(crate) fn write_beside(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.path(".deployment-registry")).unwrap();
        std::fs::write(self.path(".deployment-registry").join(name), text).unwrap();
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deployment-coordinator"));
        command
            .args(words)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.folder.path())
            .env("AWS_ENDPOINT_URL", self.aws.url())
            .env("AWS_ACCESS_KEY_ID", "AKIDOFTHETESTSONLY00")
            .env("AWS_SECRET_ACCESS_KEY", "not-a-secret-of-anybody")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("NO_PROXY", "127.0.0.1,localhost")
            .envs(self.variables.clone())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        Ran::of(&self.command(words).output().unwrap())
    }

    /// As `run`, with an id in `CORRELATION_ID`.
    pub(crate) fn run_as(&self, id: &str, words: &[&str]) -> Ran {
        Ran::of(
            &self
                .command(words)
                .env("CORRELATION_ID", id)
                .output()
                .unwrap(),
        )
    }

    pub(crate) fn start_as(&self, id: &str, words: &[&str]) -> Child {
        self.command(words)
            .env("CORRELATION_ID", id)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    pub(crate) fn register(&self, id: &str) -> Ran {
        self.run(&["register", id, "12345", "production"])
    }

    /// The ids in production's waiting queue.
    pub(crate) fn queue(&self) -> Vec<String> {
        let Ok(text) = std::fs::read(self.file()) else {
            return Vec::new();
        };
        let registry: Value = serde_json::from_slice(&text).unwrap();
        registry["environments"]["production"]["queue"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|waiter| waiter["correlation_id"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// Waits until `true`, with a cap far above what it should take.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "never came: {what}"
        );
        #[expect(
            clippy::disallowed_methods,
            reason = "between two looks at another process"
        )]
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn ended(child: Child) -> Ran {
    Ran::of(&child.wait_with_output().unwrap())
}

pub(crate) fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).unwrap();
}
