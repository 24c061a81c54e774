//! The end of a hold: `cleanup` by its holder, eviction by somebody else.

use super::{Ended, Ending, Entry, EntryStatus, Now, Outcome, Slot, Tombstone};

/// How somebody ends a deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// Whose.
    pub correlation_id: String,
    /// How it ended.
    pub ending: Ending,
    /// How the stack's last operation ended, for a failed entry whose monitor has not written it down.
    pub outcome: Option<Outcome>,
    /// Remove a failed entry at once.
    pub purge: bool,
    /// Who ends it.
    pub by: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Whether the one who ends it is not its holder.
    pub eviction: bool,
}

/// What was there to end.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EndAnswer {
    /// The hold that ended.
    pub hold: Option<Entry>,
    /// A failed or abandoned entry that was purged.
    pub purged: Option<Entry>,
    /// It had a reservation.
    pub reservation: bool,
    /// It had a place in the queue.
    pub place: bool,
    /// The entry as it stays, if it stays.
    pub stays: Option<Entry>,
}

impl EndAnswer {
    /// Whether there was nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hold.is_none() && self.purged.is_none() && !self.reservation && !self.place
    }
}

impl Slot {
    /// Ends whatever `id` has here: hold, reservation, place. A failed hold stays as `FAILED` unless purged; everything else
    /// leaves a tombstone. Ending twice is the same as ending once.
    pub fn end(&mut self, end: &End, now: &Now) -> EndAnswer {
        self.settle(now);
        let id = end.correlation_id.as_str();
        let mut answer = EndAnswer {
            place: self.queue.iter().any(|waiter| waiter.correlation_id == id),
            reservation: self
                .reservation
                .as_ref()
                .is_some_and(|reservation| reservation.correlation_id == id),
            ..EndAnswer::default()
        };
        self.leave(id);
        if answer.reservation {
            self.reservation = None;
        }
        if let Some(at) = self
            .holds
            .iter()
            .position(|entry| entry.correlation_id == id)
        {
            let entry = self.holds.remove(at);
            answer.hold = Some(entry.clone());
            if end.ending == Ending::Failed && !end.purge {
                answer.stays = Some(self.stay_as_failed(entry, end, now));
                return answer;
            }
        } else if end.purge
            && let Some(at) = self
                .past
                .iter()
                .position(|entry| entry.correlation_id == id)
        {
            answer.purged = Some(self.past.remove(at));
        }
        if !answer.is_empty() {
            let ended = answer.hold.as_ref().or(answer.purged.as_ref());
            let token = ended.and_then(|entry| entry.fencing_token);
            self.bury(end, token, now);
        }
        answer
    }

    fn stay_as_failed(&mut self, mut entry: Entry, end: &End, now: &Now) -> Entry {
        entry.status = EntryStatus::Failed;
        entry.updated_at = now.at;
        entry.ended = Some(ended(end, now));
        if entry.last_outcome.is_none() {
            entry.last_outcome.clone_from(&end.outcome);
        }
        self.past
            .retain(|old| old.correlation_id != end.correlation_id);
        self.past.push(entry.clone());
        entry
    }

    fn bury(&mut self, end: &End, fencing_token: Option<u64>, now: &Now) {
        let id = end.correlation_id.as_str();
        self.ended
            .retain(|tombstone| tombstone.correlation_id != id);
        self.ended.push(Tombstone {
            correlation_id: id.to_owned(),
            environment: self.environment.clone(),
            fencing_token,
            ended: ended(end, now),
            kept: super::Kept::default(),
        });
    }
}

fn ended(end: &End, now: &Now) -> Ended {
    Ended {
        ending: end.ending.clone(),
        at: now.at,
        by: end.by.clone(),
        reason: end.reason.clone(),
        evicted: end.eviction,
        kept: super::Kept::default(),
    }
}
