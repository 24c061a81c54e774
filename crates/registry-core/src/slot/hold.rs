//! Taking and keeping a hold: `register`, beats, and what the monitor writes down.

use super::{
    Elsewhere, Ended, Ending, Entry, EntryStatus, HoldKind, Kept, Now, Outcome, Slot,
    StackBaseline, Standing, Tombstone,
};
use crate::clock::Timestamp;

/// Who asks for a hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The deployment's id.
    pub correlation_id: String,
    /// The workflow run.
    pub workflow_run_id: String,
    /// The stacks it will change.
    pub stacks: Vec<String>,
    /// `GITHUB_RUN_ATTEMPT`.
    pub run_attempt: Option<u64>,
    /// `RUNNER_NAME`, else the host.
    pub runner: Option<String>,
    /// The run's page.
    pub workflow_url: Option<String>,
    /// Who will keep it alive.
    pub kind: HoldKind,
    /// The stacks as they are now.
    pub baseline: Vec<StackBaseline>,
    /// AWS's own clock, for the fencing token.
    pub server_time: Option<Timestamp>,
}

/// What `register` came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Registration {
    /// Holds it now.
    Granted(Box<Entry>),
    /// The same deployment held it already; nothing was changed.
    Already(Box<Entry>),
    /// The id is in use by a deployment that differs in these things.
    Different(Box<Entry>, Vec<Difference>),
    /// The way is not free; why.
    Refused(Standing),
}

/// One thing in which two deployments with the same id differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What: `environment`, `stack`, `run`, `run attempt`, `runner`.
    pub what: &'static str,
    /// What the registry has.
    pub registered: String,
    /// What was asked for.
    pub asked: String,
}

/// What a beat came to.
#[derive(Debug, Clone, PartialEq)]
pub enum BeatAnswer {
    /// It holds its environment.
    StillHolds(Box<Entry>),
    /// It was cleaned up as failed.
    Failed(Box<Entry>),
    /// It was proven dead and abandoned.
    Abandoned(Box<Entry>),
    /// It was cleaned up (`ended.evicted`: by somebody else).
    Ended(Box<Tombstone>),
    /// It is not in the registry, and another holds the environment.
    Lost(Box<Entry>),
    /// It is not in the registry.
    NeverSeen,
}

impl Slot {
    /// Takes the environment for `request` if the way is free. `may` has the last word once the registry has none
    /// against it: the decision that also hears CloudFormation.
    pub fn register(
        &mut self,
        request: &Request,
        elsewhere: &Elsewhere,
        may: &dyn Fn(&Standing) -> bool,
        now: &Now,
    ) -> Registration {
        self.settle(now);
        let id = request.correlation_id.as_str();
        let same_id = |entry: &&Entry| entry.correlation_id == id;
        let known = self.holds.iter().find(same_id);
        if let Some(entry) = known.or_else(|| elsewhere.holds.iter().find(same_id)) {
            return self.already(request, entry);
        }
        let standing = self.standing(Some(id), elsewhere);
        let free = match standing {
            Standing::Free | Standing::ReservedForCaller => true,
            Standing::HeldByCaller(_)
            | Standing::HeldByOther(_)
            | Standing::Frozen(_)
            | Standing::Behind(_) => false,
        };
        if !free || !may(&standing) {
            return Registration::Refused(standing);
        }
        Registration::Granted(Box::new(self.grant(request, now)))
    }

    /// What a request comes to whose id `entry` holds: the same deployment again, or another one.
    #[must_use]
    pub fn already(&self, request: &Request, entry: &Entry) -> Registration {
        let differences = differences(entry, request, &self.environment);
        if differences.is_empty() {
            Registration::Already(Box::new(entry.clone()))
        } else {
            Registration::Different(Box::new(entry.clone()), differences)
        }
    }

    fn grant(&mut self, request: &Request, now: &Now) -> Entry {
        let id = request.correlation_id.as_str();
        let by_aws = request.server_time.unwrap_or(now.at).seconds();
        self.last_token = (self.last_token.saturating_add(1)).max(by_aws.unsigned_abs());
        self.forget(id);
        let entry = Entry {
            correlation_id: id.to_owned(),
            workflow_run_id: Some(request.workflow_run_id.clone()),
            environment: self.environment.clone(),
            stacks: request.stacks.clone(),
            status: EntryStatus::InProgress,
            started_at: now.at,
            updated_at: now.at,
            fencing_token: Some(self.last_token),
            run_attempt: request.run_attempt,
            runner: request.runner.clone(),
            workflow_url: request.workflow_url.clone(),
            kind: request.kind,
            beat: Some(now.beat()),
            baseline: request.baseline.clone(),
            last_outcome: None,
            ended: None,
            kept: Kept::default(),
        };
        self.holds.push(entry.clone());
        entry
    }

    /// Drops every trace of `id` but a hold: place, reservation, what is left of an earlier hold, tombstone.
    pub(super) fn forget(&mut self, id: &str) {
        self.leave(id);
        if self
            .reservation
            .as_ref()
            .is_some_and(|kept| kept.correlation_id == id)
        {
            self.reservation = None;
        }
        self.past.retain(|entry| entry.correlation_id != id);
        self.ended
            .retain(|tombstone| tombstone.correlation_id != id);
    }

    /// A sign of life of the holder `id`. `known` is its entry as it was last seen: if the registry has lost it (emptied by
    /// hand) and nobody else has come, it is put back.
    pub fn beat(&mut self, id: &str, known: Option<&Entry>, now: &Now) -> BeatAnswer {
        self.settle(now);
        if let Some(entry) = self
            .holds
            .iter_mut()
            .find(|entry| entry.correlation_id == id)
        {
            entry.beat = Some(now.beat());
            entry.updated_at = now.at;
            return BeatAnswer::StillHolds(Box::new(entry.clone()));
        }
        if let Some(answer) = self.remembered(id) {
            return answer;
        }
        let Some(known) = known.filter(|known| known.status.holds()) else {
            return BeatAnswer::NeverSeen;
        };
        if let Some(other) = self.holds.first() {
            return BeatAnswer::Lost(Box::new(other.clone()));
        }
        let mut entry = known.clone();
        entry.beat = Some(now.beat());
        entry.updated_at = now.at;
        self.last_token = self.last_token.max(entry.fencing_token.unwrap_or(0));
        self.leave(id);
        self.holds.push(entry.clone());
        BeatAnswer::StillHolds(Box::new(entry))
    }

    /// What is remembered of `id` when it holds nothing; the newest entry first.
    #[must_use]
    pub fn remembered(&self, id: &str) -> Option<BeatAnswer> {
        let past = self
            .past
            .iter()
            .filter(|entry| entry.correlation_id == id)
            .max_by_key(|entry| entry.updated_at);
        if let Some(entry) = past {
            let entry = Box::new(entry.clone());
            return Some(match entry.status {
                EntryStatus::Abandoned => BeatAnswer::Abandoned(entry),
                EntryStatus::Over(_) => BeatAnswer::Ended(Box::new(tombstone_of(&entry))),
                EntryStatus::Failed | EntryStatus::InProgress | EntryStatus::Unknown(_) => {
                    BeatAnswer::Failed(entry)
                }
            });
        }
        let tombstone = self
            .ended
            .iter()
            .filter(|tombstone| tombstone.correlation_id == id)
            .max_by_key(|tombstone| tombstone.ended.at);
        tombstone.map(|tombstone| BeatAnswer::Ended(Box::new(tombstone.clone())))
    }

    /// Writes down how the stack's last operation ended. Frees nothing; `false` when `id` has no entry.
    pub fn record_outcome(&mut self, id: &str, outcome: Outcome, now: &Now) -> bool {
        self.settle(now);
        let entry = self
            .holds
            .iter_mut()
            .chain(self.past.iter_mut())
            .find(|entry| entry.correlation_id == id);
        let Some(entry) = entry else {
            return false;
        };
        entry.last_outcome = Some(outcome);
        entry.updated_at = now.at;
        true
    }
}

fn differences(entry: &Entry, request: &Request, environment: &str) -> Vec<Difference> {
    let text = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
    let number = |value: Option<u64>| text(value.map(|number| number.to_string()));
    let pairs = [
        (
            "environment",
            entry.environment.clone(),
            environment.to_owned(),
        ),
        ("stack", entry.stack_list(), request.stacks.join(",")),
        (
            "run",
            text(entry.workflow_run_id.clone()),
            request.workflow_run_id.clone(),
        ),
        (
            "run attempt",
            number(entry.run_attempt),
            number(request.run_attempt),
        ),
        (
            "runner",
            text(entry.runner.clone()),
            text(request.runner.clone()),
        ),
    ];
    pairs
        .into_iter()
        .filter(|(_, registered, asked)| registered != asked)
        .map(|(what, registered, asked)| Difference {
            what,
            registered,
            asked,
        })
        .collect()
}

// What the old scripts left of a deployment that ended.
fn tombstone_of(entry: &Entry) -> Tombstone {
    Tombstone {
        correlation_id: entry.correlation_id.clone(),
        environment: entry.environment.clone(),
        fencing_token: entry.fencing_token,
        ended: Ended {
            ending: Ending::Unknown,
            at: entry.updated_at,
            by: None,
            reason: Some(format!("the registry has it as {}", entry.status.as_str())),
            evicted: false,
            kept: Kept::default(),
        },
        kept: Kept::default(),
    }
}
