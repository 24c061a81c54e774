//! Where it is played: a folder, three simulated services, the programs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use simulators::{CloudFormation, GitHub, Slack};

use crate::deployment::monitor_of;
use crate::timeline::Timeline;

/// What a command did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    /// stdout as JSON.
    pub(crate) fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.stdout)
            .with_context(|| format!("stdout is not JSON: {}", self.stdout))
    }
}

/// The stage with everything on it.
pub(crate) struct Scene {
    pub(crate) cloudformation: CloudFormation,
    pub(crate) slack: Slack,
    pub(crate) github: GitHub,
    pub(crate) timeline: Timeline,
    folder: PathBuf,
    variables: BTreeMap<String, String>,
    /// Process groups of what goes on in the background, and the ids it goes on for.
    background: RefCell<Vec<(Pid, String)>>,
}

/// Waiting for anything longer than this means that it will not happen.
const PATIENCE: Duration = Duration::from_secs(60);

impl Scene {
    pub(crate) fn set(folder: &Path) -> Result<Self> {
        let cloudformation = CloudFormation::start()?;
        let slack = Slack::start()?;
        let github = GitHub::start()?;
        slack.keep_text_in(folder.join("slack.txt"))?;
        let variables = [
            ("AWS_ENDPOINT_URL", cloudformation.url()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "AKIASIMULATED0000000".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "simulated".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("SLACK_API_URL", slack.api_url()),
            ("SLACK_BOT_TOKEN", simulators::TOKEN.to_owned()),
            ("GITHUB_API_URL", github.url()),
            ("GITHUB_REPOSITORY", "owner/repo".to_owned()),
            ("NO_PROXY", "127.0.0.1,localhost".to_owned()),
            // A real deployment takes half an hour and is looked at every 30 s. Here it takes seconds.
            ("CHECK_INTERVAL", "300ms".to_owned()),
            ("RECOVERY_INTERVAL", "500ms".to_owned()),
            ("PROGRESS_INTERVAL", "5s".to_owned()),
            ("RETRY_GRACE", "2s".to_owned()),
        ];
        let variables = variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        Ok(Self {
            cloudformation,
            slack,
            github,
            timeline: Timeline::begin(),
            folder: folder.to_owned(),
            variables,
            background: RefCell::default(),
        })
    }

    /// A file in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A file in the folder, read; empty when it is not there yet.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The variables that let somebody use the programs against this scene.
    pub(crate) fn exports(&self) -> String {
        let folder = self.folder.display();
        let path = format!("cd {folder}\nexport PATH={folder}/bin:$PATH\n");
        self.variables.iter().fold(path, |text, (name, value)| {
            format!("{text}export {name}={value}\n")
        })
    }

    fn bash(&self, id: &str, line: &str) -> Command {
        let mut command = Command::new("bash");
        command
            .args(["-c", line])
            .current_dir(&self.folder)
            .env_clear()
            .envs(&self.variables)
            .env(
                "PATH",
                format!(
                    "{}:/usr/local/bin:/usr/bin:/bin",
                    self.path("bin").display()
                ),
            )
            .env("HOME", &self.folder)
            .env("CORRELATION_ID", id)
            .stdin(Stdio::null());
        command
    }

    /// Runs a line of a workflow for the deployment `id` and tells it.
    pub(crate) fn run(&self, who: &str, id: &str, line: &str) -> Result<Done> {
        self.timeline.command(who, line);
        let output = self
            .bash(id, line)
            .output()
            .context("bash could not be started")?;
        let done = Done {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        for line in done.stderr.lines() {
            Timeline::answer(line);
        }
        Ok(done)
    }

    /// As [`Scene::run`]; the exit status must be `code`.
    pub(crate) fn expect(&self, who: &str, id: &str, code: i32, line: &str) -> Result<Done> {
        let done = self.run(who, id, line)?;
        if done.code != code {
            bail!(
                "`{line}` ended with {} where {code} is right: {}{}",
                done.code,
                done.stdout,
                done.stderr
            );
        }
        Ok(done)
    }

    /// Starts a line that goes on by itself.
    pub(crate) fn start(&self, who: &str, id: &str, line: &str) -> Result<Child> {
        self.timeline.command(who, line);
        let mut command = self.bash(id, line);
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        let child = command.spawn().context("bash could not be started")?;
        self.background
            .borrow_mut()
            .push((Pid::from_child(&child), id.to_owned()));
        Ok(child)
    }

    /// Waits until `ask` has an answer.
    pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> Result<T> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(answer) = ask() {
                return Ok(answer);
            }
            pause();
        }
        bail!("waited {} s in vain: {what}", PATIENCE.as_secs())
    }
}

/// However the demo ends, nothing of it goes on.
impl Drop for Scene {
    fn drop(&mut self) {
        for (group, id) in self.background.take() {
            // Most have ended long ago, which is no error.
            let _gone = kill_process_group(group, Signal::KILL);
            if let Some(monitor) = monitor_of(&id) {
                let _gone = kill_process(monitor, Signal::KILL);
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "real programs are waited for in real time, here only"
)]
pub(crate) fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}
