//! What can break, and how it is made to.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use end_to_end::{Dice, Outcome, World};
use simulators::{Fault as Answer, Trouble};

/// System calls that write or lock, by the names of the libraries', and what the kernel calls them.
const CALLS: [(&str, &str, u64); 5] = [
    ("write", "write,writev,pwrite64,ftruncate", 8),
    ("fsync", "fsync,fdatasync", 3),
    ("rename", "rename,renameat,renameat2", 2),
    ("open", "openat,mkdir", 40),
    ("flock", "flock", 3),
];

const OPEN: usize = 3;

const ERRORS: [&str; 4] = ["ENOSPC", "EIO", "EACCES", "EINTR"];

/// What can strike a step at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    /// Whom it asks.
    pub(crate) asks: &'static [Service],
    /// Whether it changes files of its own.
    pub(crate) writes: bool,
}

/// One thing that breaks while one program runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fault {
    /// The nth call of this kind fails.
    Call {
        call: usize,
        error: &'static str,
        nth: u64,
    },
    /// The program is killed at the nth call of this kind.
    Kill { call: usize, nth: u64 },
    /// The wall clock is wrong by so many seconds.
    Clock(i64),
    /// A service answers so.
    Service(Service, Trouble),
}

/// Who may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    CloudFormation,
    Slack,
    GitHub,
    DynamoDb,
}

const SERVICES: [Service; 4] = [
    Service::CloudFormation,
    Service::Slack,
    Service::GitHub,
    Service::DynamoDb,
];

/// Every way of failing that ends by itself soon.
fn quick_troubles() -> Vec<Trouble> {
    vec![
        Trouble::Throttling,
        Trouble::AccessDenied,
        Trouble::ExpiredToken,
        Trouble::InvalidToken,
        Trouble::NotFound,
        Trouble::InternalError,
        Trouble::Unavailable,
        Trouble::NotItsFormat,
        Trouble::Html,
        Trouble::EmptyBody,
        Trouble::HalfText,
        Trouble::RateLimited {
            retry_after: Some("1".to_owned()),
        },
        Trouble::RateLimited {
            retry_after: Some("soon".to_owned()),
        },
        Trouble::Redirect {
            status: 302,
            location: None,
        },
        Trouble::CloseInBody,
        Trouble::ResetUnread,
        Trouble::Reset,
        Trouble::CloseUnread,
        Trouble::Close,
        Trouble::Delay { seconds: 0.3 },
    ]
}

/// Those after which a program waits until its own time-out.
fn slow_troubles() -> Vec<Trouble> {
    vec![
        Trouble::HangUnread,
        Trouble::Hang,
        Trouble::StallInHeaders,
        Trouble::StallInBody,
        Trouble::Drip { seconds: 0.5 },
    ]
}

impl Fault {
    /// One of those that can strike a step.
    pub(crate) fn drawn(dice: &mut Dice, reach: Reach) -> Self {
        match dice.below(10) {
            0..=4 => {
                let (call, nth) = Self::place(dice, reach);
                let error = ERRORS[dice.index(ERRORS.len())];
                Self::Call { call, error, nth }
            }
            5..=6 => {
                let (call, nth) = Self::place(dice, reach);
                Self::Kill { call, nth }
            }
            7 => Self::Clock(if dice.below(2) == 0 { 3600 } else { -3600 }),
            _ if reach.asks.is_empty() => Self::Clock(3600),
            _ => {
                let service = reach.asks[dice.index(reach.asks.len())];
                let mut troubles = quick_troubles();
                let at = dice.index(troubles.len());
                Self::Service(service, troubles.swap_remove(at))
            }
        }
    }

    fn place(dice: &mut Dice, reach: Reach) -> (usize, u64) {
        let call = if reach.writes {
            dice.index(CALLS.len())
        } else {
            OPEN
        };
        (call, 1 + dice.below(CALLS[call].2))
    }

    /// Every fault there is, each call at each of its first places.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![Self::Clock(3600), Self::Clock(-3600)];
        for (call, (_, _, most)) in CALLS.iter().enumerate() {
            // Most files that are opened are the loader's and the system's.
            let stride = usize::try_from(most / 14 + 1).unwrap_or(1);
            for nth in (1..=*most).step_by(stride) {
                all.push(Self::Kill { call, nth });
                all.extend(ERRORS.map(|error| Self::Call { call, error, nth }));
            }
        }
        for service in SERVICES {
            let troubles = quick_troubles().into_iter().chain(slow_troubles());
            all.extend(troubles.map(|trouble| Self::Service(service, trouble)));
        }
        all
    }

    /// A row of the table in docs/faults.md.
    pub(crate) fn row(&self) -> String {
        match self {
            Self::Call { call, error, .. } => format!("`{}` fails with {error}", CALLS[*call].0),
            Self::Kill { call, .. } => format!("killed at `{}`", CALLS[*call].0),
            Self::Clock(seconds) if *seconds > 0 => "the clock an hour ahead".to_owned(),
            Self::Clock(_) => "the clock an hour behind".to_owned(),
            Self::Service(service, _) => format!("{service:?} fails"),
        }
    }

    pub(crate) fn kills(&self) -> bool {
        matches!(self, Self::Kill { .. })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call { nth, .. } | Self::Kill { nth, .. } => {
                write!(f, "{}, call {nth}", self.row())
            }
            Self::Clock(_) => f.write_str(&self.row()),
            Self::Service(service, trouble) => write!(f, "{service:?} answers {trouble:?}"),
        }
    }
}

/// What a program did under a fault, and where the fault struck.
pub(crate) struct Struck {
    pub(crate) outcome: Outcome,
    /// The system calls that failed, as strace shows them; what a service got instead of an answer.
    pub(crate) hits: Vec<String>,
}

impl Struck {
    pub(crate) fn hit_output(&self, which: u8) -> bool {
        let call = format!("({which}<");
        self.hits.iter().any(|hit| hit.contains(&call))
    }

    /// Whether it could happen: the system's loader is not ours, and what is no file never fails so.
    pub(crate) fn is_real(&self) -> bool {
        let unreal = |hit: &String| hit.contains("anon_inode:");
        let failed = "error while loading shared libraries";
        !self.outcome.stderr.contains(failed) && !self.hits.iter().any(unreal)
    }
}

/// Makes faults in worlds.
pub(crate) struct Breaker {
    /// The wrong clock, built.
    clock: PathBuf,
}

impl Breaker {
    pub(crate) fn new(folder: &Path) -> Self {
        let clock = folder.join(format!("clock-{}.so", std::process::id()));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("faults/clock.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]);
        let built = compiler.arg(&clock).arg(source).arg("-ldl").status();
        assert!(
            built.is_ok_and(|status| status.success()),
            "a C compiler is needed to set a clock wrong: install gcc"
        );
        Self { clock }
    }

    /// Runs `words` while the fault is there.
    pub(crate) fn run(&self, world: &mut World, fault: &Fault, words: &[&str]) -> Struck {
        match fault {
            Fault::Call { call, error, nth } => {
                let inject = format!("{}:error={error}:when={nth}", CALLS[*call].1);
                traced(world, CALLS[*call].1, &inject, words)
            }
            Fault::Kill { call, nth } => {
                let inject = format!("{}:signal=KILL:when={nth}", CALLS[*call].1);
                traced(world, CALLS[*call].1, &inject, words)
            }
            Fault::Clock(seconds) => {
                let preload = format!("LD_PRELOAD={}", self.clock.display());
                let step = format!("CLOCK_STEP={seconds}");
                let all = [&["env", preload.as_str(), step.as_str()], words].concat();
                Struck {
                    outcome: world.run(&all),
                    hits: vec![fault.to_string()],
                }
            }
            Fault::Service(service, trouble) => answered(world, *service, trouble, words),
        }
    }
}

fn traced(world: &World, calls: &str, inject: &str, words: &[&str]) -> Struck {
    let trace = world.path("../out/strace");
    let trace_path = trace.to_string_lossy().into_owned();
    let (trace_of, injection) = (format!("trace={calls}"), format!("inject={inject}"));
    let mut strace = vec!["strace", "-f", "-q", "-y", "-o", &trace_path];
    // Stops at the traced calls only, which is faster; strace 6.1 sends no signals then.
    if !inject.contains(":signal=") {
        strace.push("--seccomp-bpf");
    }
    strace.extend(["-e", &trace_of, "-e", &injection]);
    let outcome = world.run(&[&strace[..], words].concat());
    let text = std::fs::read_to_string(&trace).unwrap_or_default();
    let struck =
        |line: &&str| line.contains("(INJECTED)") || line.contains("+++ killed by SIGKILL");
    let hits = text.lines().filter(struck).map(str::to_owned).collect();
    Struck { outcome, hits }
}

fn answered(world: &mut World, service: Service, trouble: &Trouble, words: &[&str]) -> Struck {
    let mut fault = Answer::new(trouble.clone());
    if words.contains(&"deployment-monitor") {
        // It looks until it has seen the end, and would not see it as long as nobody answers.
        fault = fault.between(0.0, 1.5);
    }
    let before = requests(world, service);
    match service {
        Service::CloudFormation => world.cloudformation.fault(fault),
        Service::Slack => world.slack.fault(fault),
        Service::GitHub => world.github.fault(fault),
        // A table that is asked for in a world without one: whatever answers there is no DynamoDB.
        Service::DynamoDb => {
            world.cloudformation.fault(fault);
            let url = world.cloudformation.url();
            world.set("REGISTRY_URL", "dynamodb://deployments");
            world.set("REGISTRY_NAMESPACE", "owner/repo");
            world.set("REGISTRY_PATIENCE", "1s");
            world.set("AWS_ENDPOINT_URL_DYNAMODB", &url);
        }
    }
    let outcome = world.run(words);
    for name in [
        "REGISTRY_URL",
        "REGISTRY_NAMESPACE",
        "REGISTRY_PATIENCE",
        "AWS_ENDPOINT_URL_DYNAMODB",
    ] {
        world.unset(name);
    }
    let struck = requests(world, service) - before;
    world.cloudformation.clear_faults();
    world.slack.clear_faults();
    world.github.clear_faults();
    let hits = (struck > 0).then(|| format!("{service:?}: {struck} requests"));
    Struck {
        outcome,
        hits: hits.into_iter().collect(),
    }
}

fn requests(world: &World, service: Service) -> usize {
    match service {
        Service::CloudFormation | Service::DynamoDb => world.cloudformation.recorded().len(),
        Service::Slack => world.slack.recorded().len(),
        Service::GitHub => world.github.recorded().len(),
    }
}
