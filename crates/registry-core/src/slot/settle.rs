//! What time alone does to a slot: the dead leave the queue, reservations lapse, freezes pass, the old is forgotten, and a
//! holder that was proven dead is abandoned.

use std::time::Duration;

use super::{
    Beat, Ended, Ending, Entry, EntryStatus, HoldKind, Kept, Now, Reservation, Slot, Waiter,
};
use crate::clock::{Timestamp, human_duration};

/// For how long failed entries and tombstones are kept.
pub const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long silence is taken for life.
#[derive(Debug, Clone, Copy)]
pub struct Leases {
    /// For a hold of `register`: the setting `LEASE`.
    pub registered: Duration,
    /// For a hold of `run`.
    pub run: Duration,
    /// Where GitHub has said that the run is over.
    pub after_proof: Duration,
}

impl Default for Leases {
    fn default() -> Self {
        Self {
            registered: Duration::from_secs(120 * 60),
            run: Duration::from_secs(15 * 60),
            after_proof: Duration::from_secs(120),
        }
    }
}

/// What is known of a silent holder from outside the registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Every stack of the holder was asked for, and CloudFormation works on none of them.
    pub stacks_idle: bool,
    /// GitHub's word that the run attempt, or the job on its runner, is over; in words for people.
    pub run_over: Option<String>,
}

impl Leases {
    /// Whether `entry` has been silent for so long that it is worth asking whether it is dead.
    #[must_use]
    pub fn worth_asking(&self, entry: &Entry, now: &Now) -> bool {
        let soonest = self.after_proof.min(self.of(entry.kind));
        entry.status.holds() && now.age(&entry.last_beat()) >= soonest
    }

    // How long silence alone is taken for life.
    fn of(&self, kind: HoldKind) -> Duration {
        match kind {
            HoldKind::Registered => self.registered,
            HoldKind::Run => self.run,
        }
    }

    /// What proves that the holder is dead; `None`: nothing does. While CloudFormation works on a stack, nothing does.
    #[must_use]
    pub fn proof_of_death(&self, entry: &Entry, evidence: &Evidence, now: &Now) -> Option<String> {
        if !entry.status.holds() || !evidence.stacks_idle {
            return None;
        }
        let silent = now.age(&entry.last_beat());
        if let Some(word) = &evidence.run_over
            && silent >= self.after_proof
        {
            return Some(format!(
                "{word}, and there was no sign of life for {}",
                human_duration(silent)
            ));
        }
        let lease = self.of(entry.kind);
        // A hold whose times cannot be read (they stand as 1970) has no age that could prove anything.
        let age_is_known = entry.last_beat() != Beat::default();
        (age_is_known && silent >= lease).then(|| {
            format!(
                "no sign of life for {} (the lease is {}), and CloudFormation is not working on {}",
                human_duration(silent),
                human_duration(lease),
                if entry.stacks.is_empty() {
                    "its stack".to_owned()
                } else {
                    entry.stack_list()
                }
            )
        })
    }
}

impl Waiter {
    fn is_dead(&self, now: &Now) -> bool {
        self.process
            .as_ref()
            .is_some_and(|process| (now.gone)(process))
            || now.age(&self.beat) > self.lease
    }
}

impl Reservation {
    fn is_over(&self, now: &Now) -> bool {
        let age = now.age(&self.granted);
        let waiter_died = self.unanswered.as_ref().is_some_and(|waiter| {
            waiter
                .process
                .as_ref()
                .is_some_and(|process| (now.gone)(process))
                || age > waiter.lease
        });
        waiter_died || age >= self.lasts
    }
}

impl Slot {
    /// Lets time pass: what is over by `now` goes. Holds stay, however old. Every other transition does this first.
    pub fn settle(&mut self, now: &Now) {
        self.queue.retain(|waiter| !waiter.is_dead(now));
        if self
            .reservation
            .as_ref()
            .is_some_and(|reservation| reservation.is_over(now))
        {
            self.reservation = None;
        }
        let thawed = |until: Timestamp| now.at >= until;
        if self
            .freeze
            .as_ref()
            .and_then(|freeze| freeze.until)
            .is_some_and(thawed)
        {
            self.freeze = None;
        }
        let recent = |at: Timestamp| now.at.since(at) < KEPT_FOR;
        self.past.retain(|entry| {
            let ended = entry.ended.as_ref().map(|ended| ended.at);
            recent(ended.unwrap_or(entry.updated_at.max(entry.started_at)))
        });
        self.ended.retain(|tombstone| recent(tombstone.ended.at));
    }

    /// The hold of `id` becomes `ABANDONED`, because of `proof`; only if it has not beaten since `seen`, when the proof was
    /// gathered. Returns the entry as it is then.
    pub fn abandon(&mut self, id: &str, seen: &Beat, proof: &str, now: &Now) -> Option<Entry> {
        self.settle(now);
        let at = self
            .holds
            .iter()
            .position(|entry| entry.correlation_id == id && entry.last_beat() == *seen)?;
        let mut entry = self.holds.remove(at);
        entry.status = EntryStatus::Abandoned;
        entry.updated_at = now.at;
        entry.ended = Some(Ended {
            ending: Ending::Unknown,
            at: now.at,
            by: None,
            reason: Some(proof.to_owned()),
            evicted: false,
            kept: Kept::default(),
        });
        self.past.push(entry.clone());
        Some(entry)
    }
}
