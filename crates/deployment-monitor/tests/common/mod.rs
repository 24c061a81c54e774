//! A monitor's stage: simulators, a folder of its own, a cleared environment.
#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "this module is tests, though not marked as such"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use registry_core::clock::{Clock, StopSignal, SystemClock};
use registry_core::decide::Seen;
use registry_core::registry::Registry;
use registry_core::slot::{End, Ending, HoldKind, Kept, Registration, Request, StackBaseline};
use registry_core::stack::{Observed, StackState};
use registry_core::store::file::FileStore;
use registry_core::trace::Trace;
use serde_json::Value;
use simulators::{CloudFormation, Slack, TOKEN};

/// Nothing here takes longer on a slow machine.
pub(crate) const CAP: Duration = Duration::from_secs(120);

pub(crate) struct Stage {
    pub(crate) aws: CloudFormation,
    pub(crate) slack: Slack,
    pub(crate) folder: tempfile::TempDir,
    monitor: PathBuf,
}

impl Stage {
    /// `monitor` is the monitor's binary.
    pub(crate) fn new(monitor: impl Into<PathBuf>) -> Self {
        let slack = Slack::start().unwrap();
        slack.set_one_per_second(false);
        Self {
            aws: CloudFormation::start().unwrap(),
            slack,
            folder: tempfile::tempdir().unwrap(),
            monitor: monitor.into(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn registry_dir(&self, id: &str) -> PathBuf {
        self.path(&format!("registry-{id}"))
    }

    pub(crate) fn log(&self, id: &str) -> PathBuf {
        self.path(&format!("{id}.log"))
    }

    /// A program in this stage's environment and no other.
    pub(crate) fn command(&self, program: &Path, id: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.folder.path())
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMIexample")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_ENDPOINT_URL", self.aws.url())
            .env("AWS_REGION", "us-east-1")
            .env("NO_PROXY", "*")
            .env("SLACK_API_URL", self.slack.api_url())
            .env("SLACK_BOT_TOKEN", TOKEN)
            .env("SLACK_QUEUE_DIR", self.path(&format!("queue-{id}")))
            .env("REGISTRY_DIR", self.registry_dir(id))
            .env("CHECK_INTERVAL", "40ms")
            .env("RETRY_GRACE", "100ms")
            .stdin(Stdio::null());
        command
    }

    /// A monitor with this id on a stack.
    pub(crate) fn monitor(&self, id: &str, stack: &str) -> Command {
        let mut command = self.command(&self.monitor, id);
        command.args([id, stack, "", self.log(id).to_str().unwrap()]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    pub(crate) fn lines(&self, id: &str) -> Vec<Value> {
        lines(&self.log(id))
    }

    pub(crate) fn events(&self, id: &str) -> Vec<Value> {
        events(&self.log(id))
    }

    /// The log's whole lines while it is being written.
    pub(crate) fn lines_so_far(&self, id: &str) -> Vec<Value> {
        complete_lines(&self.log(id))
    }

    /// Waits until the log has a line that `wanted` likes.
    pub(crate) fn wait_for_line(&self, id: &str, wanted: impl Fn(&Value) -> bool) {
        wait(&format!("a line in the log of {id}"), || {
            complete_lines(&self.log(id)).iter().any(&wanted)
        });
    }
}

/// However a test ends, nothing it started goes on: monitors are sessions of their own, and would watch for hours.
impl Drop for Stage {
    fn drop(&mut self) {
        // Recovery may be about to start another one when it is killed.
        for _ in 0..3 {
            for pid in self.processes() {
                kill(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

impl Stage {
    /// Every process that has this stage's folder for its home.
    fn processes(&self) -> Vec<u32> {
        let home = format!("HOME={}", self.folder.path().display());
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| {
                let environment = std::fs::read(format!("/proc/{pid}/environ"));
                environment.is_ok_and(|all| {
                    all.split(|&byte| byte == 0)
                        .any(|one| one == home.as_bytes())
                })
            })
            .collect()
    }
}

pub(crate) fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < CAP, "waited too long for {what}");
        pause(Duration::from_millis(10));
    }
}

#[expect(clippy::disallowed_methods, reason = "real programs run in real time")]
pub(crate) fn pause(span: Duration) {
    std::thread::sleep(span);
}

pub(crate) fn finish(mut child: Child) -> ExitStatus {
    let mut status = None;
    wait("a monitor's end", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

fn complete_lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// Every line of a log; each must be JSON, and the last must be whole.
pub(crate) fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "torn end");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

pub(crate) fn events(path: &Path) -> Vec<Value> {
    lines(path)
        .into_iter()
        .filter(|line| line["level"] == "EVENT")
        .collect()
}

/// What an event says, without what differs from run to run.
pub(crate) fn gist(event: &Value) -> String {
    ["resource_type", "logical_resource_id", "resource_status"]
        .map(|name| event[name].as_str().unwrap_or_default().to_owned())
        .join(" ")
}

pub(crate) fn assert_each_once(events: &[Value]) {
    let mut seen = BTreeSet::new();
    for event in events {
        let key = (event["stack_id"].to_string(), event["event_id"].to_string());
        assert!(seen.insert(key), "reported twice: {event}");
    }
}

/// Every event of the record is there, in the record's order; the simulator may have completed its ends.
pub(crate) fn assert_tells_the_record(reported: &[Value], trace: &Trace, file: &str) {
    let mut told = reported.iter().map(gist);
    let recorded = trace.operations();
    for event in &recorded.last().unwrap().events {
        let wanted = if event.is_stack_event {
            format!(" {}", event.status)
        } else {
            format!(
                "{} {} {}",
                event.resource_type, event.logical_id, event.status
            )
        };
        assert!(
            told.any(|gist| gist == wanted || (event.is_stack_event && gist.ends_with(&wanted))),
            "{file}: missing or out of order: {wanted}"
        );
    }
}

/// How a reader says each trace ended: file, end, last status, first cause.
pub(crate) fn answers() -> Vec<(String, String, String, String)> {
    let text = std::fs::read_to_string(simulators::trace_file("answers.tsv")).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut words = line.split('\t').map(str::to_owned);
            let mut next = || words.next().unwrap_or_default();
            (next(), next(), next(), next())
        })
        .collect()
}

pub(crate) fn trace(file: &str) -> Trace {
    let bytes = std::fs::read(simulators::trace_file(&format!("{file}.jsonl"))).unwrap();
    Trace::parse(&bytes).unwrap()
}

/// Runs `work` for every item, a few at a time.
pub(crate) fn in_parallel<T: Send + Sync>(items: &[T], at_once: usize, work: impl Fn(&T) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(item) =
                    items.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                {
                    work(item);
                }
            });
        }
    });
}

/// The process that holds the monitor's lock, as the lock file says.
pub(crate) fn holder(registry_dir: &Path, id: &str, stack: &str) -> Option<u32> {
    let lock = registry_dir
        .join("monitors")
        .join(id)
        .join(format!("{stack}.lock"));
    let held = registry_core::store::lock::held_by(&lock).ok()??;
    held.map(|holder| holder.pid)
}

pub(crate) fn kill(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    // It may just have ended by itself.
    let _gone = rustix::process::kill_process(pid, signal);
}

/// Numbers that look random and are the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// Below `most`.
    pub(crate) fn roll(&mut self, most: u64) -> u64 {
        // Knuth's MMIX generator; its high bits are good enough to choose instants.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most.max(1)
    }
}

/// The registry in a deployment's folder.
pub(crate) fn registry(stage: &Stage, id: &str) -> Registry {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(StopSignal::default()));
    let store = FileStore::open(stage.registry_dir(id), clock).unwrap();
    Registry::over(Box::new(store))
}

/// Registers a deployment of `App` now. `there`: the stack exists, so that only what is newer is this deployment's.
pub(crate) fn register(stage: &Stage, id: &str, there: bool) {
    let now = SystemClock::new(StopSignal::default()).now();
    let stack_id = there
        .then(|| stage.aws.stack_id("App", "us-east-1"))
        .flatten();
    let request = Request {
        correlation_id: id.to_owned(),
        workflow_run_id: "1".to_owned(),
        stacks: vec!["App".to_owned()],
        run_attempt: None,
        runner: None,
        workflow_url: None,
        kind: HoldKind::Registered,
        baseline: vec![StackBaseline {
            stack_name: "App".to_owned(),
            server_time: Some(now),
            stack_id,
            event_id: None,
            kept: Kept::default(),
        }],
        server_time: Some(now),
    };
    let seen = [Seen {
        stack: "App".parse().unwrap(),
        answer: Ok(Observed {
            value: StackState::Missing,
            server_time: Some(now),
        }),
    }];
    let decided = registry(stage, id)
        .register("production", &request, &seen)
        .unwrap();
    assert!(
        matches!(decided.answer, Registration::Granted(_)),
        "{decided:?}"
    );
}

/// `cleanup`.
pub(crate) fn clean_up(stage: &Stage, id: &str, eviction: bool) {
    let end = End {
        correlation_id: id.to_owned(),
        ending: Ending::Unknown,
        outcome: None,
        purge: false,
        by: Some("alice@host".to_owned()),
        reason: None,
        eviction,
    };
    registry(stage, id).end(&end).unwrap();
}
