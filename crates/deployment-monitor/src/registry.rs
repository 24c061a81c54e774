//! The registry as the watching sees it.

use std::sync::Arc;
use std::time::Duration;

use registry_core::clock::{BootInstant, Clock};
use registry_core::ids::CorrelationId;
use registry_core::registry::{Found, Registry};
use registry_core::slot::{BeatAnswer, Ended, Entry, Kept, Outcome, StackBaseline};
use registry_core::store::StoreError;

use crate::ports::{Baseline, Deployments, Ending, Standing};

/// A beat is written no more often than this, however often the monitor looks.
const BEAT_EVERY: Duration = Duration::from_secs(10);

/// One deployment in the registry.
pub(crate) struct InRegistry {
    registry: Registry,
    id: CorrelationId,
    clock: Arc<dyn Clock>,
    known: Option<Box<Entry>>,
    last_beat: Option<BootInstant>,
}

impl InRegistry {
    /// The deployment `id` in `registry`.
    pub(crate) fn new(registry: Registry, id: CorrelationId, clock: Arc<dyn Clock>) -> Self {
        Self {
            registry,
            id,
            clock,
            known: None,
            last_beat: None,
        }
    }

    fn is_beat_due(&self) -> bool {
        self.last_beat.as_ref().is_none_or(|last| {
            self.clock
                .boot()
                .since(last)
                .is_none_or(|passed| passed >= BEAT_EVERY)
        })
    }

    fn found(&mut self, found: Found) -> Standing {
        match found {
            Found::Held(entry) => self.held(entry),
            Found::Failed(entry) => ended("it was cleaned up as failed", entry.ended.as_ref()),
            Found::Abandoned(entry) => ended("its hold was given up as dead", entry.ended.as_ref()),
            Found::Ended(tombstone) => ended("it was cleaned up", Some(&tombstone.ended)),
            Found::NeverSeen => Standing::NeverSeen,
        }
    }

    fn answered(&mut self, answer: BeatAnswer) -> Standing {
        match answer {
            BeatAnswer::StillHolds(entry) => self.held(entry),
            BeatAnswer::Failed(entry) => self.found(Found::Failed(entry)),
            BeatAnswer::Abandoned(entry) => self.found(Found::Abandoned(entry)),
            BeatAnswer::Ended(tombstone) => self.found(Found::Ended(tombstone)),
            BeatAnswer::Lost(other) => Standing::Ended {
                how: format!(
                    "it is not in the registry any more, and {} holds {} now",
                    other.correlation_id, other.environment
                ),
                taken_away: true,
            },
            BeatAnswer::NeverSeen => Standing::NeverSeen,
        }
    }

    fn held(&mut self, entry: Box<Entry>) -> Standing {
        let standing = Standing::Held {
            environment: entry.environment.clone(),
            registration: format!(
                "{} {}",
                entry.environment,
                entry.fencing_token.map_or_else(
                    || entry.started_at.rfc3339_millis(),
                    |token| token.to_string()
                )
            ),
            baselines: entry.baseline.iter().map(baseline).collect(),
        };
        self.known = Some(entry);
        standing
    }
}

fn baseline(saved: &StackBaseline) -> Baseline {
    Baseline {
        stack_name: saved.stack_name.clone(),
        server_time: saved.server_time,
        stack_id: saved.stack_id.clone(),
        event_id: saved.event_id.clone(),
    }
}

fn ended(how: &str, end: Option<&Ended>) -> Standing {
    let mut text = how.to_owned();
    if let Some(end) = end {
        text += &format!(" at {}", end.at.human());
        if let Some(by) = &end.by {
            text += &format!(" by {by}");
        }
        if let Some(reason) = &end.reason {
            text += &format!(" ({reason})");
        }
    }
    Standing::Ended {
        how: text,
        taken_away: end.is_some_and(|end| end.evicted),
    }
}

impl Deployments for InRegistry {
    fn look(&mut self) -> Standing {
        let answer = if self.is_beat_due() {
            self.last_beat = Some(self.clock.boot());
            self.registry
                .beat(&self.id, self.known.as_deref())
                .map(|answer| self.answered(answer))
        } else {
            self.registry.find(&self.id).map(|found| self.found(found))
        };
        answer.unwrap_or_else(|error| Standing::Unavailable(error.to_string()))
    }

    fn record(&mut self, ending: &Ending) -> Result<(), String> {
        let outcome = Outcome {
            stack_status: ending.status.clone(),
            first_cause: ending.first_cause.clone(),
            at: ending.at,
            kept: Kept::default(),
        };
        // `false`: the id was never registered, or is cleaned up; there is nothing to write to.
        self.registry
            .record_outcome(&self.id, &outcome)
            .map(drop)
            .map_err(|error: StoreError| error.to_string())
    }
}
