//! A folder, the services, and the program between them.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot set up has failed it"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use simulators::{CloudFormation, Event, Message, Slack, Stack, TOKEN, UPDATES};

pub(crate) const STACK: &str = "CourtCaseManagementStack";
pub(crate) const ID: &str = "20260114-123456-abc123";

/// No `run` of a test takes longer.
const CAP: Duration = Duration::from_secs(60);

pub(crate) struct Place {
    pub(crate) aws: CloudFormation,
    pub(crate) slack: Slack,
    folder: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

/// The program alone in a folder, so that it finds no monitor beside itself but the one on PATH.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("alone");
    std::fs::create_dir_all(&folder).unwrap();
    let fresh = folder.join(format!("fresh.{}", std::process::id()));
    std::fs::hard_link(env!("CARGO_BIN_EXE_deployment-coordinator"), &fresh).unwrap();
    let program = folder.join("deployment-coordinator");
    #[expect(
        clippy::disallowed_methods,
        reason = "a test's file outlives no power cut"
    )]
    std::fs::rename(&fresh, &program).unwrap();
    // Renaming one link of a file over another does nothing at all, says POSIX.
    drop(std::fs::remove_file(&fresh));
    program
});

/// A `run` that was started.
pub(crate) struct Started {
    child: Child,
    name: String,
    place: PathBuf,
}

/// A `run` that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "no {words:?} in {self:?}");
        self
    }
}

impl Place {
    /// A place with an idle stack.
    pub(crate) fn new() -> Self {
        let aws = CloudFormation::start().unwrap();
        aws.add_stack(Stack::new(STACK).status("UPDATE_COMPLETE"));
        let slack = Slack::start().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (home, aws_url, slack_url) = (folder.path().display(), aws.url(), slack.api_url());
        let variables = [
            ("PATH", format!("{home}/bin:/usr/bin:/bin")),
            ("HOME", home.to_string()),
            ("USER", "tester".to_owned()),
            ("AWS_ENDPOINT_URL", aws_url),
            ("AWS_ACCESS_KEY_ID", "AKIDOFTHETESTSONLY00".to_owned()),
            (
                "AWS_SECRET_ACCESS_KEY",
                "not-a-secret-of-anybody".to_owned(),
            ),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("NO_PROXY", "127.0.0.1,localhost".to_owned()),
            ("SLACK_API_URL", slack_url),
            ("SLACK_BOT_TOKEN", TOKEN.to_owned()),
            ("CHECK_INTERVAL", "200ms".to_owned()),
        ];
        let variables = variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        Self {
            aws,
            slack,
            folder,
            variables,
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn unset(&mut self, name: &str) -> &mut Self {
        self.variables.remove(name);
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// A monitor that does nothing but note that it began (with its words) and that it was ended.
    pub(crate) fn monitor(&self) {
        std::fs::create_dir(self.path("bin")).unwrap();
        self.script(
            "bin/deployment-monitor",
            "trap 'kill $!; echo yes > monitor.ended; exit' TERM\nsleep 300 &\necho \"$*\" > monitor.began\nwait",
        );
    }

    /// An executable script.
    #[expect(
        clippy::disallowed_methods,
        reason = "a test's file outlives no power cut"
    )]
    pub(crate) fn script(&self, name: &str, text: &str) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path(name);
        std::fs::write(&path, format!("#!/bin/bash\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&*PROGRAM);
        command
            .args(words)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(&self.variables)
            .process_group(0)
            .stdin(Stdio::null());
        command
    }

    /// Starts the program; its outputs go to files, since what it leaves behind might keep a pipe open.
    pub(crate) fn start(&self, name: &str, words: &[&str]) -> Started {
        let [out, err] =
            ["out", "err"].map(|kind| File::create(self.path(&format!("{name}.{kind}"))).unwrap());
        let child = self.command(words).stdout(out).stderr(err).spawn().unwrap();
        Started {
            child,
            name: name.to_owned(),
            place: self.folder.path().to_owned(),
        }
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        self.start("run", words).ended()
    }

    /// `run production` with the guide's id.
    pub(crate) fn deploy(&self, command: &[&str]) -> Ran {
        self.run(&[&["run", "production", "--id", ID, "--"], command].concat())
    }

    /// A script that does `first` and then deploys until [`Place::deployed`].
    pub(crate) fn deploying(&self, first: &str) -> String {
        let wait = "touch ready; while [ ! -e go ]; do sleep 0.05; done";
        self.script("deploy", &format!("{first}\n{wait}"))
    }

    /// Waits until the script of [`Place::deploying`] deploys, moves the stack as it would, and lets it end.
    pub(crate) fn deployed(&self) {
        until("the command runs", || self.path("ready").exists());
        for status in ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"] {
            self.aws.event(STACK, Event::own(0.0, status));
        }
        File::create(self.path("go")).unwrap();
    }

    pub(crate) fn registry(&self) -> Value {
        serde_json::from_str(&self.read(".deployment-registry/deployments.json")).unwrap()
    }

    /// Ids and statuses in the registry's `deployments`.
    pub(crate) fn deployments(&self) -> Vec<(String, String)> {
        let text = self.read(".deployment-registry/deployments.json");
        let Ok(registry) = serde_json::from_str::<Value>(&text) else {
            return Vec::new();
        };
        let word = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
        registry["deployments"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| (word(entry, "correlation_id"), word(entry, "status")))
            .collect()
    }

    /// The ids in production's waiting queue.
    pub(crate) fn queue(&self) -> Vec<String> {
        let text = self.read(".deployment-registry/deployments.json");
        let registry: Value = serde_json::from_str(&text).unwrap_or_default();
        registry["environments"]["production"]["queue"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|waiter| waiter["correlation_id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Ids in the history.
    pub(crate) fn history(&self) -> Vec<String> {
        let text = self.read(".deployment-registry/deployment-history.json");
        let history: Value = serde_json::from_str(&text).unwrap_or_default();
        history["deployments"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry["correlation_id"].as_str()?.to_owned()))
            .collect()
    }

    /// Files of this deployment's messages that are not sent.
    pub(crate) fn unsent(&self) -> Vec<PathBuf> {
        let Ok(folder) = std::fs::read_dir(self.path(".slack-retry-queue")) else {
            return Vec::new();
        };
        folder
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .filter(|path| std::fs::read_to_string(path).unwrap().contains(ID))
            .collect()
    }

    /// The kinds of the channel's messages, oldest first; those in the thread of the first one have a `>` before them.
    pub(crate) fn told(&self) -> Vec<String> {
        let messages = self.slack.messages(UPDATES);
        let root = messages.first().map(|message| message.ts.clone());
        messages
            .iter()
            .map(|message| {
                let in_thread = message.thread_ts.is_some() && message.thread_ts == root;
                format!("{}{}", if in_thread { ">" } else { "" }, kind(message))
            })
            .collect()
    }

    /// The last message as it reads in the channel.
    pub(crate) fn last_text(&self) -> String {
        let messages = self.slack.messages(UPDATES);
        messages.last().map(Message::shown).unwrap_or_default()
    }

    /// Processes of this place.
    pub(crate) fn processes(&self) -> Vec<String> {
        let mark = format!("HOME={}", self.folder.path().display());
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let text = |name: &str| {
                let bytes = std::fs::read(entry.path().join(name)).unwrap_or_default();
                String::from_utf8_lossy(&bytes).into_owned()
            };
            if text("environ").split('\0').any(|one| one == mark) {
                found.push(text("cmdline").replace('\0', " "));
            }
        }
        found
    }

    /// Nothing of a `run` is left: no process, no hold, no place in the queue.
    #[track_caller]
    pub(crate) fn is_clean(&self) {
        assert_eq!(self.processes(), Vec::<String>::new());
        assert_eq!(self.queue(), Vec::<String>::new());
        let holds: Vec<_> = self
            .deployments()
            .into_iter()
            .filter(|(_, status)| status == "IN_PROGRESS")
            .collect();
        assert_eq!(holds, []);
    }
}

fn kind(message: &Message) -> String {
    let payload = message
        .metadata
        .as_ref()
        .map(|data| &data["event_payload"]["kind"]);
    payload
        .and_then(Value::as_str)
        .unwrap_or("no kind")
        .to_owned()
}

impl Started {
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(self.place.join(format!("{}.err", self.name))).unwrap()
    }

    #[track_caller]
    pub(crate) fn ended(mut self) -> Ran {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                begun.elapsed() < CAP,
                "{} does not end: {}",
                self.name,
                self.stderr()
            );
            pause();
        };
        let read = |kind| {
            std::fs::read_to_string(self.place.join(format!("{}.{kind}", self.name))).unwrap()
        };
        assert_eq!(status.signal().filter(|signal| *signal != 9), None);
        Ran {
            status,
            stdout: read("out"),
            stderr: read("err"),
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _gone = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _reaped = self.child.wait();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "between two looks at another process"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}

/// Waits until `is_so`, with a cap far above what it should take.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < CAP, "never came: {what}");
        pause();
    }
}
