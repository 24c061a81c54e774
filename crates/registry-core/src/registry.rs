//! The questions programs ask, over any store. Each change is one atomic step; CloudFormation and GitHub are asked before, never
//! inside.

mod death;
#[cfg(test)]
mod tests;

pub use death::{RunSource, RunState, gather};

use std::sync::Arc;

use crate::clock::{Clock, Timestamp};
use crate::decide::{Decision, Question, Seen, Verdict, decide};
use crate::ids::CorrelationId;
use crate::settings::{self, Settings};
use crate::slot::StackBaseline;
use crate::slot::{
    Ask, Beat, BeatAnswer, Elsewhere, End, EndAnswer, Entry, Freeze, Now, Outcome, Poll,
    Registration, Request, Slot, Standing, Tombstone,
};
use crate::stack::{StackSource, StackState};
use crate::store::file::FileStore;
use crate::store::{About, Location, Scope, Snapshot, Store, StoreError, Touches};

/// What the registry knows of a deployment.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// It holds its environment.
    Held(Box<Entry>),
    /// It was cleaned up as failed, less than seven days ago.
    Failed(Box<Entry>),
    /// It was proven dead.
    Abandoned(Box<Entry>),
    /// It was cleaned up, less than seven days ago.
    Ended(Box<Tombstone>),
    /// The registry knows nothing of it.
    NeverSeen,
}

/// What a registration or a poll came to, with the decision that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided<T> {
    /// What came of it.
    pub answer: T,
    /// The decision at that moment.
    pub decision: Decision,
}

/// The registry.
pub struct Registry {
    store: Box<dyn Store>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Registry")
            .field(&self.store.place())
            .finish()
    }
}

impl Registry {
    /// The registry the settings name, where it is one of this machine's folders. A shared one is opened by the crate that knows
    /// it and handed to [`Registry::over`]; [`Registry::location`] tells which it is.
    pub fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        match Self::location(settings)? {
            Location::Folder(folder) => Ok(Self::over(Box::new(FileStore::open(folder, clock)?))),
            Location::DynamoDb { .. } => Err(StoreError::Wrong(
                "this program was built without the DynamoDB registry that REGISTRY_URL names: unset REGISTRY_URL to use the folder REGISTRY_DIR".to_owned(),
            )),
        }
    }

    /// Where the settings say the registry is.
    pub fn location(settings: &Settings) -> Result<Location, StoreError> {
        let url = settings.text(&settings::REGISTRY_URL);
        let location = Location::parse(&url, settings.path(&settings::REGISTRY_DIR))?;
        Ok(match location {
            Location::Folder(folder) if !url.is_empty() => {
                Location::Folder(settings.counted_from(&settings::REGISTRY_URL, folder))
            }
            Location::Folder(_) | Location::DynamoDb { .. } => location,
        })
    }

    /// The registry in `store`.
    #[must_use]
    pub fn over(store: Box<dyn Store>) -> Self {
        Self { store }
    }

    /// How far it reaches.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.store.scope()
    }

    /// Where it is, for messages.
    #[must_use]
    pub fn place(&self) -> String {
        self.store.place()
    }

    /// Whether it could be changed, as far as that is known without changing anything ([`Store::check_writable`]).
    pub fn check_writable(&self) -> Result<(), StoreError> {
        self.store.check_writable()
    }

    /// Everything at one moment, without a lock.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.store.snapshot()
    }

    /// What `about` asks for at one moment, without a lock; other environments may be missing from it.
    pub fn look(&self, about: About<'_>) -> Result<Snapshot, StoreError> {
        self.store.look(about)
    }

    /// Every hold of every environment, by environment. Takes no lock.
    pub fn active(&self) -> Result<Vec<Entry>, StoreError> {
        let snapshot = self.store.snapshot()?;
        Ok(snapshot
            .slots
            .into_values()
            .flat_map(|slot| slot.holds)
            .collect())
    }

    /// What the registry knows of `id`. Takes no lock.
    pub fn find(&self, id: &CorrelationId) -> Result<Found, StoreError> {
        let snapshot = self.store.look(About {
            id: Some(id.as_str()),
            ..About::default()
        })?;
        Ok(find_in(snapshot.slots.values(), id.as_str()))
    }

    fn update<T>(
        &self,
        touches: Touches<'_>,
        mut change: impl FnMut(&mut Slot, &Elsewhere, &Now) -> T,
    ) -> Result<T, StoreError> {
        let mut answer = None;
        self.store.update(touches, &mut |slot, elsewhere, now| {
            answer = Some(change(slot, elsewhere, now));
        })?;
        answer.ok_or_else(|| {
            StoreError::Unavailable("the registry did not run the change".to_owned())
        })
    }

    /// `register`: one atomic step. `seen` is what CloudFormation said just before.
    pub fn register(
        &self,
        environment: &str,
        request: &Request,
        seen: &[Seen],
    ) -> Result<Decided<Registration>, StoreError> {
        let touches = Touches {
            environment,
            id: Some(&request.correlation_id),
            stacks: &request.stacks,
        };
        self.update(touches, |slot, elsewhere, now| {
            let decided = |standing: &Standing| judge(environment, standing, seen, now);
            let may = |standing: &Standing| decided(standing).verdict == Verdict::May;
            let answer = slot.register(request, elsewhere, &may, now);
            let decision = match &answer {
                Registration::Refused(standing) => decided(standing),
                Registration::Granted(entry) | Registration::Already(entry) => {
                    decided(&Standing::HeldByCaller(entry.clone()))
                }
                Registration::Different(entry, _) => decided(&Standing::HeldByOther(entry.clone())),
            };
            Decided { answer, decision }
        })
    }

    /// `can_deploy` with an id: a yes is kept for it.
    pub fn reserve(
        &self,
        environment: &str,
        ask: &Ask,
        stacks: &[String],
        seen: &[Seen],
    ) -> Result<Decided<Standing>, StoreError> {
        let touches = Touches {
            environment,
            id: Some(&ask.correlation_id),
            stacks,
        };
        self.update(touches, |slot, elsewhere, now| {
            let decided = |standing: &Standing| judge(environment, standing, seen, now);
            let may = |standing: &Standing| decided(standing).verdict == Verdict::May;
            let answer = slot.reserve(ask, elsewhere, &may, now);
            let decision = decided(&answer);
            Decided { answer, decision }
        })
    }

    /// Takes a place in the waiting queue.
    pub fn enqueue(&self, environment: &str, ask: &Ask) -> Result<(), StoreError> {
        self.update(about(environment, &ask.correlation_id), |slot, _, now| {
            slot.enqueue(ask, now);
        })
    }

    /// One poll of `wait`: a beat, and the grant when the turn has come.
    pub fn poll(
        &self,
        environment: &str,
        ask: &Ask,
        stacks: &[String],
        seen: &[Seen],
    ) -> Result<Decided<Poll>, StoreError> {
        let touches = Touches {
            environment,
            id: Some(&ask.correlation_id),
            stacks,
        };
        self.update(touches, |slot, elsewhere, now| {
            let decided = |standing: &Standing| judge(environment, standing, seen, now);
            let may = |standing: &Standing| decided(standing).verdict == Verdict::May;
            let answer = slot.poll(ask, elsewhere, &may, now);
            let standing = match &answer {
                Poll::Free(standing) | Poll::Waiting(standing, _) => standing.clone(),
                Poll::Removed(_) => slot.standing(Some(&ask.correlation_id), elsewhere),
            };
            let decision = decided(&standing);
            Decided { answer, decision }
        })
    }

    /// `wait` has answered: its reservation no longer ends with its process.
    pub fn answered(&self, environment: &str, id: &str) -> Result<(), StoreError> {
        self.update(about(environment, id), |slot, _, _| slot.answered(id))
    }

    /// Gives up the place in the queue.
    pub fn leave(&self, environment: &str, id: &str) -> Result<(), StoreError> {
        self.update(about(environment, id), |slot, _, _| slot.leave(id))
    }

    /// A sign of life of the holder `id`. `known` is its entry as the caller last saw it (as [`Registry::find`] or an earlier beat
    /// gave it): with it, an entry that the registry has lost is put back. Without it and without an entry:
    /// [`BeatAnswer::NeverSeen`].
    pub fn beat(
        &self,
        id: &CorrelationId,
        known: Option<&Entry>,
    ) -> Result<BeatAnswer, StoreError> {
        let environment = match known {
            Some(entry) => entry.environment.clone(),
            None => match self.find(id)? {
                Found::Held(entry) => entry.environment,
                Found::Failed(entry) => return Ok(BeatAnswer::Failed(entry)),
                Found::Abandoned(entry) => return Ok(BeatAnswer::Abandoned(entry)),
                Found::Ended(tombstone) => return Ok(BeatAnswer::Ended(tombstone)),
                Found::NeverSeen => return Ok(BeatAnswer::NeverSeen),
            },
        };
        let touches = Touches {
            stacks: known.map_or(&[], |entry| &entry.stacks),
            ..about(&environment, id.as_str())
        };
        self.update(touches, |slot, elsewhere, now| {
            let lost = known.is_some_and(|entry| entry.status.holds())
                && slot.holds.is_empty()
                && slot.remembered(id.as_str()).is_none();
            match elsewhere.holds.first() {
                // An entry that was lost is not put back beside another environment's holder of its stacks.
                Some(other) if lost => BeatAnswer::Lost(Box::new(other.clone())),
                Some(_) | None => slot.beat(id.as_str(), known, now),
            }
        })
    }

    /// Writes down how a stack's last operation ended (`at` by AWS's clock). Frees nothing; `false` when `id` has no entry.
    pub fn record_outcome(
        &self,
        id: &CorrelationId,
        outcome: &Outcome,
    ) -> Result<bool, StoreError> {
        let environment = match self.find(id)? {
            Found::Held(entry) | Found::Failed(entry) | Found::Abandoned(entry) => {
                entry.environment
            }
            Found::Ended(_) | Found::NeverSeen => return Ok(false),
        };
        self.update(about(&environment, id.as_str()), |slot, _, now| {
            slot.record_outcome(id.as_str(), outcome.clone(), now)
        })
    }

    /// `cleanup`: ends whatever `end.correlation_id` has, in every environment, and lets the old go everywhere. Returns what was
    /// done in each environment where there was something to do.
    pub fn end(&self, end: &End) -> Result<Vec<(String, EndAnswer)>, StoreError> {
        let id = end.correlation_id.as_str();
        let mut done = Vec::new();
        let snapshot = match self.store.snapshot() {
            // A record of another environment that cannot be read keeps nobody from ending.
            Err(StoreError::Unavailable(_)) if self.scope() == Scope::Machine => {
                self.store.look(About {
                    id: Some(id),
                    ..About::default()
                })?
            }
            snapshot => snapshot?,
        };
        for (environment, slot) in &snapshot.slots {
            // Spares the write, and the wait for the lock, where there is nothing to do.
            if !slot.knows(id) && snapshot.slot(environment) == *slot {
                continue;
            }
            let answer = self.update(about(environment, id), |slot, _, now| slot.end(end, now))?;
            if !answer.is_empty() {
                done.push((environment.clone(), answer));
            }
        }
        Ok(done)
    }

    /// Abandons the hold of `id` because of `proof`, if it has not beaten since `seen`.
    pub fn abandon(
        &self,
        environment: &str,
        id: &str,
        seen: &Beat,
        proof: &str,
    ) -> Result<Option<Entry>, StoreError> {
        self.update(about(environment, id), |slot, _, now| {
            slot.abandon(id, seen, proof, now)
        })
    }

    /// Sets or lifts a freeze; returns the one that was there.
    pub fn set_freeze(
        &self,
        environment: &str,
        freeze: Option<(&str, &str, Option<Timestamp>)>,
    ) -> Result<Option<Freeze>, StoreError> {
        let touches = Touches {
            environment,
            id: None,
            stacks: &[],
        };
        self.update(touches, |slot, _, now| {
            slot.settle(now);
            let fresh = freeze.map(|(reason, by, until)| Freeze {
                reason: reason.to_owned(),
                by: by.to_owned(),
                at: now.at,
                until,
                kept: crate::slot::Kept::default(),
            });
            std::mem::replace(&mut slot.freeze, fresh)
        })
    }
}

fn about<'a>(environment: &'a str, id: &'a str) -> Touches<'a> {
    Touches {
        environment,
        id: Some(id),
        stacks: &[],
    }
}

fn judge(environment: &str, standing: &Standing, seen: &[Seen], now: &Now) -> Decision {
    let question = Question {
        environment,
        standing,
        now: now.at,
    };
    decide(&question, seen)
}

/// What `slots` know of `id`: a hold before everything else, then what is left of one, then a tombstone.
pub fn find_in<'a>(slots: impl IntoIterator<Item = &'a Slot> + Clone, id: &str) -> Found {
    let held = slots
        .clone()
        .into_iter()
        .flat_map(|slot| &slot.holds)
        .find(|entry| entry.correlation_id == id);
    if let Some(entry) = held {
        return Found::Held(Box::new(entry.clone()));
    }
    let remembered: Vec<BeatAnswer> = slots
        .into_iter()
        .filter_map(|slot| slot.remembered(id))
        .collect();
    let mut ended = Found::NeverSeen;
    for answer in remembered {
        match answer {
            BeatAnswer::Failed(entry) => return Found::Failed(entry),
            BeatAnswer::Abandoned(entry) => return Found::Abandoned(entry),
            BeatAnswer::Ended(tombstone) => ended = Found::Ended(tombstone),
            BeatAnswer::StillHolds(_) | BeatAnswer::Lost(_) | BeatAnswer::NeverSeen => {}
        }
    }
    ended
}

/// The baseline the monitor starts from, for every stack seen: AWS's clock, the StackId, the newest EventId.
pub fn baseline(source: &dyn StackSource, seen: &[Seen]) -> Vec<StackBaseline> {
    seen.iter()
        .map(|seen| {
            let answer = seen.answer.as_ref().ok();
            let stack_id = answer.and_then(|observed| match &observed.value {
                StackState::Exists(stack) => Some(stack.id.clone()),
                StackState::Missing => None,
            });
            let newest = stack_id.as_ref().and_then(|id| {
                let page = source.events(id, None).ok()?;
                page.value
                    .events
                    .first()
                    .map(|event| event.event_id.clone())
            });
            StackBaseline {
                stack_name: seen.stack.to_string(),
                server_time: answer.and_then(|observed| observed.server_time),
                stack_id: stack_id.map(|id| id.to_string()),
                event_id: newest,
                kept: crate::slot::Kept::default(),
            }
        })
        .collect()
}
