//! A world for one test.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use simulators::{CloudFormation, GitHub, Slack};
use tempfile::TempDir;

use crate::outcome::Outcome;
use crate::poll::pause;
use crate::programs::Programs;

/// The guide's correlation id.
pub const ID: &str = "20260114-123456-abc123";
/// The guide's stack, which is production's.
pub const STACK: &str = "CourtCaseManagementStack";

/// Variables whose values nobody may ever see.
const SECRETS: [&str; 6] = [
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "SLACK_BOT_TOKEN",
    "SLACK_WEBHOOK_URL",
    "GITHUB_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
];

/// No command of a test takes longer; one that does is ended, and the test fails.
const CAP: Duration = Duration::from_secs(120);

/// A folder, three services and an environment of a test's own. Every process that was started in it, also in the background,
/// is ended with it.
pub struct World {
    /// The services the programs see.
    pub cloudformation: CloudFormation,
    /// Slack.
    pub slack: Slack,
    /// GitHub; asked only where the test sets GitHub's variables.
    pub github: GitHub,
    folder: TempDir,
    variables: BTreeMap<String, String>,
    commands: AtomicUsize,
}

#[expect(
    clippy::expect_used,
    reason = "a test's world cannot be made: the test fails"
)]
impl World {
    /// A world where nothing is deployed and Slack takes messages.
    #[must_use]
    pub fn new(programs: &Programs) -> Self {
        let folder = TempDir::with_prefix("world-").expect("a temporary folder");
        let cloudformation = CloudFormation::start().expect("CloudFormation on loopback");
        let slack = Slack::start().expect("Slack on loopback");
        let github = GitHub::start().expect("GitHub on loopback");
        for name in ["home", "tmp", "work", "out"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let mut world = Self {
            cloudformation,
            slack,
            github,
            folder,
            variables: BTreeMap::new(),
            commands: AtomicUsize::new(0),
        };
        world.set_up(programs);
        world
    }

    fn set_up(&mut self, programs: &Programs) {
        let home = self.below("home");
        let nothing = self.below("home/no-such-file");
        let path = format!(
            "{}:/usr/local/bin:/usr/bin:/bin",
            programs.folder().display()
        );
        let (cloudformation, slack) = (self.cloudformation.url(), self.slack.api_url());
        let github = self.github.url();
        let variables = [
            ("PATH", path.as_str()),
            ("HOME", &home),
            ("TMPDIR", &self.below("tmp")),
            ("LANG", "C.UTF-8"),
            // Nobody's clock is in UTC; what the programs print is.
            ("TZ", "Asia/Kolkata"),
            ("AWS_ACCESS_KEY_ID", "AKIASIMULATED0000000"),
            (
                "AWS_SECRET_ACCESS_KEY",
                "simulated-secret-access-key-0123456789ab",
            ),
            ("AWS_CONFIG_FILE", &nothing),
            ("AWS_SHARED_CREDENTIALS_FILE", &nothing),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_ENDPOINT_URL", &cloudformation),
            ("AWS_PAGER", ""),
            ("NO_PROXY", "127.0.0.1,localhost"),
            ("SLACK_API_URL", &slack),
            ("SLACK_BOT_TOKEN", simulators::TOKEN),
            ("GITHUB_API_URL", &github),
            // A panic would be told in full.
            ("RUST_BACKTRACE", "1"),
        ];
        for (name, value) in variables {
            self.variables.insert(name.to_owned(), value.to_owned());
        }
    }

    fn below(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    /// A path in the folder that the programs run in.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    /// Sets an environment variable for what is started from now on.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Takes an environment variable away.
    pub fn unset(&mut self, name: &str) -> &mut Self {
        self.variables.remove(name);
        self
    }

    /// The value of a variable that is set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Runs a program to its end. The words are passed as they are, by no shell.
    pub fn run(&self, words: &[&str]) -> Outcome {
        let (program, arguments) = words.split_first().expect("a program's name");
        let mut command = self.command(program);
        command.args(arguments);
        self.finish(command, words.join(" "))
    }

    /// Runs a line in bash.
    pub fn bash(&self, line: &str) -> Outcome {
        let mut command = self.command("bash");
        command.args(["-c", line]);
        self.finish(command, line.to_owned())
    }

    /// Starts a program and leaves it running; its output goes to the file `log` in the working folder.
    #[must_use]
    pub fn start(&self, words: &[&str], log: &str) -> Running {
        let (program, arguments) = words.split_first().expect("a program's name");
        let log = File::create(self.path(log)).expect("a log");
        let mut command = self.command(program);
        command.args(arguments);
        command
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log);
        Running(command.spawn().expect("the program starts"))
    }

    /// A command in this world's environment and working folder, not started, with no stdin.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        // Looked up by us: `Command` would look along the PATH of the test itself.
        let path = self.get("PATH").unwrap_or_default();
        let found = std::env::split_paths(path)
            .map(|folder| folder.join(program))
            .find(|file| file.is_file());
        let mut command = Command::new(found.unwrap_or_else(|| PathBuf::from(program)));
        // In a group of its own, so that a Ctrl-C in the terminal of the tests is theirs to handle.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command
            .env_clear()
            .envs(&self.variables)
            .current_dir(self.path(""))
            .stdin(Stdio::null());
        command
    }

    // Files, not pipes: a process that goes on in the background may keep its outputs open for as long as it likes.
    fn finish(&self, mut command: Command, line: String) -> Outcome {
        let number = self.commands.fetch_add(1, Ordering::Relaxed);
        let [out, err] = ["stdout", "stderr"]
            .map(|name| self.folder.path().join(format!("out/{number}.{name}")));
        command
            .stdout(File::create(&out).expect("a file"))
            .stderr(File::create(&err).expect("a file"));
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| not_started(&line, &error));
        let status = end(&mut child, CAP);
        let read = |path: &Path| {
            String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
        };
        let mut outcome = Outcome {
            line,
            stdout: read(&out),
            stderr: read(&err),
            code: status.and_then(|status| status.code()),
        };
        if status.is_none() {
            outcome
                .stderr
                .push_str("\n(it took too long and was ended)\n");
        }
        self.no_secret_in(&outcome.stdout, &outcome.line);
        self.no_secret_in(&outcome.stderr, &outcome.line);
        outcome
    }

    // Whatever a test is about: no output of anything that was run in a world has one of the secrets it was given.
    fn no_secret_in(&self, text: &str, whose: &str) {
        for name in SECRETS {
            let secret = self.get(name).filter(|secret| secret.len() > 8);
            let found = secret.is_some_and(|secret| text.contains(secret));
            assert!(
                !found,
                "the value of {name} is in what {whose} left: {text}"
            );
        }
    }

    /// The text of a file in the working folder; empty where there is none.
    #[must_use]
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Writes a file in the working folder, with the folders it is in.
    #[expect(
        clippy::disallowed_methods,
        reason = "a test's own files need not outlive a power cut"
    )]
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    /// Names of all files below the working folder, sorted.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        let mut folders = vec![self.path("")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else if let Ok(name) = entry.path().strip_prefix(self.path("")) {
                    files.push(name.to_string_lossy().into_owned());
                }
            }
        }
        files.sort();
        files
    }

    /// Processes of this world (those whose HOME is ours) whose command line is as asked.
    #[must_use]
    pub fn processes(&self, wanted: impl Fn(&[String]) -> bool) -> Vec<u32> {
        let mark = format!("HOME={}", self.below("home"));
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            let strings = |name: &str| -> Vec<String> {
                let bytes = std::fs::read(entry.path().join(name)).unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes).into_owned();
                text.split('\0').map(str::to_owned).collect()
            };
            if strings("environ").contains(&mark) && wanted(&strings("cmdline")) {
                found.push(pid);
            }
        }
        found
    }
}

#[expect(clippy::panic, reason = "a test's own complaint")]
fn not_started(line: &str, error: &std::io::Error) -> Child {
    panic!("{line} could not be started: {error}")
}

/// Waits for the end; after `cap` ends it, and returns `None`.
fn end(child: &mut Child, cap: Duration) -> Option<ExitStatus> {
    let begun = Instant::now();
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if begun.elapsed() > cap {
            kill_group(child);
            drop(child.wait());
            return None;
        }
        pause();
    }
}

fn kill_group(child: &Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended by itself.
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

/// A program that runs. Ended when dropped.
#[derive(Debug)]
pub struct Running(Child);

#[expect(clippy::expect_used, reason = "a test's own complaints")]
impl Running {
    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Sends a signal to it alone.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id())
            .ok()
            .and_then(Pid::from_raw)
            .expect("a process id");
        kill_process(pid, signal).expect("it is there");
    }

    /// Waits for its end; `None`: a signal ended it, or we did after two minutes.
    pub fn wait(mut self) -> Option<i32> {
        end(&mut self.0, CAP).and_then(|status| status.code())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            kill_group(&self.0);
            drop(self.0.wait());
        }
    }
}

impl Drop for World {
    /// Ends what is still running in this world, and lets the folder be removed. What was written in it, and what Slack was sent, has
    /// no secret either.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            for file in self.files() {
                self.no_secret_in(&self.read(&file), &file);
            }
            for message in self.slack.all_messages() {
                self.no_secret_in(&message.text, "a message to Slack");
            }
        }
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        drop(std::fs::set_permissions(
            self.path(".deployment-registry"),
            open,
        ));
        for pid in self.processes(|_| true) {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                // It may have ended by itself.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}
