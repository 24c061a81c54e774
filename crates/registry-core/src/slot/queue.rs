//! The waiting queue, and the reservation that carries a yes from the one who asked to its `register`.

use std::time::Duration;

use super::{
    Elsewhere, Kept, Now, Process, Reservation, Slot, Standing, Tombstone, Unanswered, Waiter,
};

/// Who waits, or asks with an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The deployment's id.
    pub correlation_id: String,
    /// How long a yes is kept for it.
    pub reservation: Duration,
    /// For how long it lives without another poll (`wait` only).
    pub lease: Duration,
    /// Its process (`wait` only).
    pub process: Option<Process>,
}

/// What a poll of `wait` came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Poll {
    /// The environment is free and reserved for the one who polled (or held by it).
    Free(Standing),
    /// Not yet; where the one who polled stands, and its place in the queue, counted from 1.
    Waiting(Standing, usize),
    /// Somebody cleaned the waiter up.
    Removed(Box<Tombstone>),
}

impl Slot {
    /// Reserves the environment for one who asked and is told yes. An existing reservation is left as it is.
    pub fn reserve(
        &mut self,
        ask: &Ask,
        elsewhere: &Elsewhere,
        may: &dyn Fn(&Standing) -> bool,
        now: &Now,
    ) -> Standing {
        self.settle(now);
        let standing = self.standing(Some(&ask.correlation_id), elsewhere);
        if standing == Standing::Free && may(&standing) {
            self.keep_for(ask, None, now);
        }
        standing
    }

    fn keep_for(&mut self, ask: &Ask, unanswered: Option<Unanswered>, now: &Now) {
        self.leave(&ask.correlation_id);
        self.reservation = Some(Reservation {
            correlation_id: ask.correlation_id.clone(),
            granted: now.beat(),
            lasts: ask.reservation,
            unanswered,
            kept: Kept::default(),
        });
    }

    /// Takes a place at the end of the queue for one who begins to wait; a tombstone of the same id goes.
    pub fn enqueue(&mut self, ask: &Ask, now: &Now) {
        self.settle(now);
        let id = ask.correlation_id.as_str();
        self.ended
            .retain(|tombstone| tombstone.correlation_id != id);
        let reserved = self
            .reservation
            .as_ref()
            .is_some_and(|reservation| reservation.correlation_id == id);
        let holds = self.holds.iter().any(|entry| entry.correlation_id == id);
        if !reserved && !holds {
            self.stand_in_line(ask, now);
        }
    }

    // Keeps the place of one who has it; a second `wait` of the same id takes it over. A beat that is still young is not written
    // anew: the poll intervals of `wait` are a third of its lease, so this spares only those who ask much more often.
    fn stand_in_line(&mut self, ask: &Ask, now: &Now) {
        if let Some(waiter) = self
            .queue
            .iter_mut()
            .find(|waiter| waiter.correlation_id == ask.correlation_id)
        {
            let same = waiter.lease == ask.lease && waiter.process == ask.process;
            if same && now.age(&waiter.beat) < ask.lease / 4 {
                return;
            }
            waiter.beat = now.beat();
            waiter.lease = ask.lease;
            waiter.process.clone_from(&ask.process);
            return;
        }
        self.queue.push(Waiter {
            correlation_id: ask.correlation_id.clone(),
            since: now.at,
            beat: now.beat(),
            lease: ask.lease,
            process: ask.process.clone(),
            kept: Kept::default(),
        });
    }

    /// One poll of a waiter: a beat, and the grant when its turn has come and `may` (which hears CloudFormation) allows it.
    pub fn poll(
        &mut self,
        ask: &Ask,
        elsewhere: &Elsewhere,
        may: &dyn Fn(&Standing) -> bool,
        now: &Now,
    ) -> Poll {
        self.settle(now);
        let id = ask.correlation_id.as_str();
        if let Some(tombstone) = self.ended.iter().find(|ended| ended.correlation_id == id) {
            return Poll::Removed(Box::new(tombstone.clone()));
        }
        let standing = self.standing(Some(id), elsewhere);
        let (turn, reserve) = match standing {
            Standing::Free => (true, true),
            Standing::ReservedForCaller | Standing::HeldByCaller(_) => (true, false),
            Standing::HeldByOther(_) | Standing::Frozen(_) | Standing::Behind(_) => (false, false),
        };
        if turn && may(&standing) {
            if reserve {
                let unanswered = Unanswered {
                    process: ask.process.clone(),
                    lease: ask.lease,
                };
                self.keep_for(ask, Some(unanswered), now);
            }
            return Poll::Free(standing);
        }
        if !turn || reserve {
            self.stand_in_line(ask, now);
        }
        let place = self
            .queue
            .iter()
            .position(|waiter| waiter.correlation_id == id)
            .map_or(0, |at| at + 1);
        Poll::Waiting(standing, place)
    }

    /// The `wait` of `id` has answered: its reservation no longer ends with its process.
    pub fn answered(&mut self, id: &str) {
        if let Some(reservation) = &mut self.reservation
            && reservation.correlation_id == id
        {
            reservation.unanswered = None;
        }
    }

    /// Gives up the place of `id`, and a reservation its `wait` has not answered yet.
    pub fn leave(&mut self, id: &str) {
        self.queue.retain(|waiter| waiter.correlation_id != id);
        let unanswered =
            |kept: &Reservation| kept.correlation_id == id && kept.unanswered.is_some();
        if self.reservation.as_ref().is_some_and(unanswered) {
            self.reservation = None;
        }
    }
}
