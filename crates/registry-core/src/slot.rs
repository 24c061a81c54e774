//! One environment as one value: its holder, its waiting queue, its reservation, its freeze, its fencing token and its
//! recent past. Every transition is a pure function of (slot, event, now); the same functions serve every store.

mod end;
mod hold;
mod queue;
mod settle;
#[cfg(test)]
mod tests;

pub use end::{End, EndAnswer};
pub use hold::{BeatAnswer, Difference, Registration, Request};
pub use queue::{Ask, Poll};
pub use settle::{Evidence, KEPT_FOR, Leases};

use std::time::Duration;

use serde_json::{Map, Value};

use crate::clock::{BootInstant, Timestamp};
use crate::stack::StackStatus;

/// What a file or a shared store had in a record beyond what this version knows; written back as it was.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kept(pub(crate) Map<String, Value>);

/// A sign of life, in every time we can tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beat {
    /// Wall clock: the machine's for the file store, the store's own for a shared one.
    pub at: Timestamp,
    /// The machine's steady clock; `None` over a shared store, and in records of the old scripts.
    pub boot: Option<BootInstant>,
    /// The machine's name, to tell a restarted machine from another one.
    pub host: Option<String>,
}

/// A process of one machine, so that its death can be seen from another process there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// When it started, in the kernel's ticks since boot: pids are used again.
    pub started: u64,
    /// Boot and pid namespace in which the pid means something.
    pub machine: String,
}

/// The moment a transition happens at, and the machine it happens on.
#[derive(Debug, Clone)]
pub struct Now {
    /// Wall clock, from the same source as [`Beat::at`].
    pub at: Timestamp,
    /// The machine's steady clock, where beats carry it.
    pub boot: Option<BootInstant>,
    /// The machine's name.
    pub host: Option<String>,
    /// Whether a process is known to be gone. `false` also when it cannot be told.
    pub gone: fn(&Process) -> bool,
}

impl Now {
    /// A sign of life given now.
    #[must_use]
    pub fn beat(&self) -> Beat {
        Beat {
            at: self.at,
            boot: self.boot.clone(),
            host: self.host.clone(),
        }
    }

    /// How long ago `beat` was, for certain.
    ///
    /// Of the same boot: by the steady clock, which nobody can set. Of an earlier boot of this machine: at least since this
    /// boot began. Else by the wall clocks, which is all there is.
    #[must_use]
    pub fn age(&self, beat: &Beat) -> Duration {
        if let (Some(now), Some(then)) = (&self.boot, &beat.boot) {
            if let Some(span) = now.since(then) {
                return span;
            }
            let restarted = now.boot_id.is_some()
                && then.boot_id.is_some()
                && self.host.is_some()
                && self.host == beat.host;
            if restarted {
                return now.since_boot;
            }
        }
        self.at.since(beat.at)
    }
}

/// The status of an entry in `deployments`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryStatus {
    /// Holds its environment.
    InProgress,
    /// Was cleaned up as failed; kept for troubleshooting, blocks nobody.
    Failed,
    /// Its holder was proven dead; blocks nobody.
    Abandoned,
    /// The old scripts' other ends (`COMPLETED`, `SUCCESS`, …); blocks nobody.
    Over(String),
    /// A status we have never heard of: taken for a hold, since a newer version may mean one.
    Unknown(String),
}

impl EntryStatus {
    /// Reads the status of an entry; a missing one (`""`) is taken for a hold.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        const OVER: [&str; 10] = [
            "COMPLETED",
            "COMPLETE",
            "SUCCESS",
            "SUCCEEDED",
            "SUCCESSFUL",
            "FINISHED",
            "CANCELLED",
            "CANCELED",
            "ROLLED_BACK",
            "ENDED",
        ];
        match text.to_ascii_uppercase().as_str() {
            "IN_PROGRESS" | "" => Self::InProgress,
            "FAILED" => Self::Failed,
            "ABANDONED" => Self::Abandoned,
            upper
                if OVER.contains(&upper)
                    || upper.ends_with("_COMPLETE")
                    || upper.ends_with("_FAILED") =>
            {
                Self::Over(text.to_owned())
            }
            _ => Self::Unknown(text.to_owned()),
        }
    }

    /// The status as the registry spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Failed => "FAILED",
            Self::Abandoned => "ABANDONED",
            Self::Over(text) | Self::Unknown(text) => text,
        }
    }

    /// Whether an entry of this status holds its environment.
    #[must_use]
    pub fn holds(&self) -> bool {
        match self {
            Self::InProgress | Self::Unknown(_) => true,
            Self::Failed | Self::Abandoned | Self::Over(_) => false,
        }
    }
}

/// Who keeps a hold alive; decides how long silence is taken for life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HoldKind {
    /// Made by `register`: monitors beat for it, but the workflow may go on long without one.
    #[default]
    Registered,
    /// Made by `run`, whose beats end with its command.
    Run,
}

/// What the monitor starts from: the stack as it was when the deployment was registered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StackBaseline {
    /// The stack's name as it was registered.
    pub stack_name: String,
    /// AWS's own clock (the `Date` header) at that moment.
    pub server_time: Option<Timestamp>,
    /// The StackId; `None` when there was no stack.
    pub stack_id: Option<String>,
    /// The newest EventId; `None` when there was no stack, or its events could not be read.
    pub event_id: Option<String>,
    /// Unknown fields.
    pub kept: Kept,
}

/// How the stack's last operation ended, as the monitor saw it. Frees nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The stack's status.
    pub stack_status: StackStatus,
    /// The first resource that failed and why.
    pub first_cause: Option<String>,
    /// When, by AWS's clock.
    pub at: Timestamp,
    /// Unknown fields.
    pub kept: Kept,
}

/// How a deployment ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It deployed.
    Success,
    /// It did not.
    Failed,
    /// Nobody could tell.
    Unknown,
}

impl Ending {
    /// `success`, `failed` or `unknown`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    /// Reads an ending; what is not known is [`Ending::Unknown`].
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "success" => Self::Success,
            "failed" => Self::Failed,
            _ => Self::Unknown,
        }
    }
}

/// That and how something ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// How.
    pub ending: Ending,
    /// When, by the store's clock.
    pub at: Timestamp,
    /// Who ended it (`run 12345`, `alice@host`).
    pub by: Option<String>,
    /// Why, where somebody said so, or what proved that the holder is dead.
    pub reason: Option<String>,
    /// Whether somebody else than its holder ended it.
    pub evicted: bool,
    /// Unknown fields.
    pub kept: Kept,
}

/// One entry of `deployments`: a hold, or what is left of one that failed or was abandoned.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The deployment's id. Text, since an old file may have anything here.
    pub correlation_id: String,
    /// The workflow run that registered it.
    pub workflow_run_id: Option<String>,
    /// Its environment; empty in a broken entry.
    pub environment: String,
    /// Its stacks, by the names it was registered with.
    pub stacks: Vec<String>,
    /// What it is.
    pub status: EntryStatus,
    /// When it was registered.
    pub started_at: Timestamp,
    /// When it last changed or beat.
    pub updated_at: Timestamp,
    /// Grows with every hold of the environment; `None` in entries of the old scripts.
    pub fencing_token: Option<u64>,
    /// `GITHUB_RUN_ATTEMPT`.
    pub run_attempt: Option<u64>,
    /// `RUNNER_NAME`, else the host.
    pub runner: Option<String>,
    /// The run's page.
    pub workflow_url: Option<String>,
    /// Who keeps it alive.
    pub kind: HoldKind,
    /// Its last sign of life; `None` in entries of the old scripts, for which `updated_at` stands.
    pub beat: Option<Beat>,
    /// What the monitor starts from, per stack.
    pub baseline: Vec<StackBaseline>,
    /// How the stack's last operation ended.
    pub last_outcome: Option<Outcome>,
    /// That and how it ended.
    pub ended: Option<Ended>,
    /// Unknown fields.
    pub kept: Kept,
}

impl Entry {
    /// Its last sign of life.
    #[must_use]
    pub fn last_beat(&self) -> Beat {
        self.beat.clone().unwrap_or_else(|| Beat {
            at: self.updated_at.max(self.started_at),
            ..Beat::default()
        })
    }

    /// Its stacks as one word, as the registry file and STACK have them.
    #[must_use]
    pub fn stack_list(&self) -> String {
        self.stacks.join(",")
    }
}

/// A place in the waiting queue.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiter {
    /// Who waits.
    pub correlation_id: String,
    /// Since when.
    pub since: Timestamp,
    /// Its last poll.
    pub beat: Beat,
    /// For how long it lives without another.
    pub lease: Duration,
    /// Its process.
    pub process: Option<Process>,
    /// Unknown fields.
    pub kept: Kept,
}

/// The environment kept for one who was told yes.
#[derive(Debug, Clone, PartialEq)]
pub struct Reservation {
    /// For whom.
    pub correlation_id: String,
    /// When it was told.
    pub granted: Beat,
    /// How long it lasts.
    pub lasts: Duration,
    /// The `wait` that has not answered yet: if it dies first, the reservation ends with it.
    pub unanswered: Option<Unanswered>,
    /// Unknown fields.
    pub kept: Kept,
}

/// A `wait` that was granted the environment and has not said so yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// Its process.
    pub process: Option<Process>,
    /// For how long it is believed to be alive where its process cannot be seen.
    pub lease: Duration,
}

/// Nobody may start.
#[derive(Debug, Clone, PartialEq)]
pub struct Freeze {
    /// Why.
    pub reason: String,
    /// Who froze it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Until when; `None`: until somebody thaws it.
    pub until: Option<Timestamp>,
    /// Unknown fields.
    pub kept: Kept,
}

/// What is left of a deployment that was cleaned up, so that "ended" is not taken for "never registered".
#[derive(Debug, Clone, PartialEq)]
pub struct Tombstone {
    /// Whose.
    pub correlation_id: String,
    /// Where it was.
    pub environment: String,
    /// The token it held, if it held one.
    pub fencing_token: Option<u64>,
    /// How it ended.
    pub ended: Ended,
    /// Unknown fields.
    pub kept: Kept,
}

/// One environment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Slot {
    /// Its name.
    pub environment: String,
    /// Who holds it: nobody or one. More only in a file that the old scripts or a hand wrote; then every one of them blocks.
    pub holds: Vec<Entry>,
    /// Entries that failed or were abandoned, up to seven days old.
    pub past: Vec<Entry>,
    /// Who wants it next, first come first.
    pub queue: Vec<Waiter>,
    /// For whom it is kept.
    pub reservation: Option<Reservation>,
    /// Whether anybody may start.
    pub freeze: Option<Freeze>,
    /// The last fencing token given out.
    pub last_token: u64,
    /// Who has ended in the last seven days.
    pub ended: Vec<Tombstone>,
    /// Unknown fields.
    pub kept: Kept,
}

/// What another environment has that touches a request: who holds one of its stacks, or its id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Elsewhere {
    /// A holder of another environment that named one of the stacks, or holds the same id.
    pub holds: Vec<Entry>,
}

impl Elsewhere {
    /// What `slots` (every environment) have that touches a request of `id` for `stacks` in `environment`.
    pub fn of<'a>(
        slots: impl IntoIterator<Item = &'a Slot>,
        environment: &str,
        id: Option<&str>,
        stacks: &[String],
    ) -> Self {
        let others = slots
            .into_iter()
            .filter(|slot| slot.environment != environment)
            .flat_map(|slot| &slot.holds);
        Self::among(others, id, stacks)
    }

    /// Which of `holds` (of other environments) touch a request of `id` for `stacks`.
    pub fn among<'a>(
        holds: impl IntoIterator<Item = &'a Entry>,
        id: Option<&str>,
        stacks: &[String],
    ) -> Self {
        let touches = |entry: &&Entry| {
            id == Some(entry.correlation_id.as_str())
                || entry
                    .stacks
                    .iter()
                    .any(|named| stacks.iter().any(|wanted| same_stack(named, wanted)))
        };
        let holds = holds.into_iter().filter(touches).cloned().collect();
        Self { holds }
    }
}

/// Whether two names (or ARNs) are the same stack. A name without a region may be in any.
#[must_use]
pub fn same_stack(a: &str, b: &str) -> bool {
    // Two plain names; only an ARN has a colon.
    if a == b || !(a.contains(':') || b.contains(':')) {
        return a == b;
    }
    let (Ok(a), Ok(b)) = (
        a.parse::<crate::ids::StackName>(),
        b.parse::<crate::ids::StackName>(),
    ) else {
        return false;
    };
    let regions_differ = matches!((a.region(), b.region()), (Some(a), Some(b)) if a != b);
    a.name() == b.name() && !regions_differ
}

/// Where a caller stands in an environment, before CloudFormation is heard.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// The caller holds it.
    HeldByCaller(Box<Entry>),
    /// Another holds it, or holds one of the stacks from another environment.
    HeldByOther(Box<Entry>),
    /// Nobody may start.
    Frozen(Freeze),
    /// Others come first; their ids, first one first.
    Behind(Vec<String>),
    /// It is kept for the caller.
    ReservedForCaller,
    /// Nobody has it.
    Free,
}

impl Slot {
    /// An environment nobody has ever used.
    #[must_use]
    pub fn new(environment: &str) -> Self {
        Self {
            environment: environment.to_owned(),
            ..Self::default()
        }
    }

    /// Whether `id` has anything here: a hold, what is left of one, a place, a reservation, a tombstone.
    #[must_use]
    pub fn knows(&self, id: &str) -> bool {
        let entries = self
            .holds
            .iter()
            .chain(&self.past)
            .map(|entry| &entry.correlation_id);
        let waiting = self.queue.iter().map(|waiter| &waiter.correlation_id);
        let reserved = self.reservation.iter().map(|kept| &kept.correlation_id);
        let ended = self.ended.iter().map(|tombstone| &tombstone.correlation_id);
        entries
            .chain(waiting)
            .chain(reserved)
            .chain(ended)
            .any(|known| known == id)
    }

    /// Where `caller` stands (a caller without an id stands behind everybody). The slot must have been settled.
    #[must_use]
    pub fn standing(&self, caller: Option<&str>, elsewhere: &Elsewhere) -> Standing {
        let mine = |entry: &&Entry| Some(entry.correlation_id.as_str()) == caller;
        if let Some(entry) = self.holds.iter().find(|entry| !mine(entry)) {
            return Standing::HeldByOther(Box::new(entry.clone()));
        }
        if let Some(entry) = self.holds.first() {
            return Standing::HeldByCaller(Box::new(entry.clone()));
        }
        if let Some(entry) = elsewhere.holds.first() {
            return Standing::HeldByOther(Box::new(entry.clone()));
        }
        if let Some(freeze) = &self.freeze {
            return Standing::Frozen(freeze.clone());
        }
        let reserved_for = self
            .reservation
            .as_ref()
            .map(|reservation| reservation.correlation_id.as_str());
        if reserved_for.is_some() && reserved_for == caller {
            return Standing::ReservedForCaller;
        }
        let waiting = self
            .queue
            .iter()
            .map(|waiter| waiter.correlation_id.as_str())
            .take_while(|id| Some(*id) != caller);
        let ahead: Vec<String> = reserved_for
            .into_iter()
            .chain(waiting)
            .map(str::to_owned)
            .collect();
        if ahead.is_empty() {
            Standing::Free
        } else {
            Standing::Behind(ahead)
        }
    }
}
