//! The registry as the watching sees it.

use std::sync::Arc;
use std::time::Duration;

use command_line::output::keepable;
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

    // A registry that cannot be written (a full disk) can mostly still be read, and has the baseline: without it a monitor would not
    // know an operation for its own that has ended already. What was there and is gone may be lost, which only a beat can mend.
    fn read_only(&mut self) -> Option<Standing> {
        match self.registry.find(&self.id).ok()? {
            Found::NeverSeen if self.known.is_some() => None,
            found => Some(self.found(found)),
        }
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
            match self.registry.beat(&self.id, self.known.as_deref()) {
                Ok(answer) => Ok(self.answered(answer)),
                Err(error) => self.read_only().ok_or(error),
            }
        } else {
            self.registry.find(&self.id).map(|found| self.found(found))
        };
        answer.unwrap_or_else(|error| Standing::Unavailable(error.to_string()))
    }

    fn record(&mut self, ending: &Ending) -> Result<(), String> {
        let outcome = Outcome {
            stack_status: ending.status.clone(),
            // The registry is everybody's to read.
            first_cause: ending.first_cause.as_deref().map(keepable),
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use registry_core::clock::{ManualClock, Timestamp};
    use registry_core::store::atomic;
    use registry_core::store::file::{FILE_NAME, FileStore, lock_path};

    use super::*;

    #[test]
    fn the_first_cause_is_written_down_without_secrets_and_escapes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE_NAME);
        let entry = br#"{"deployments": [{"correlation_id": "m1", "environment": "production", "stack_name": "App",
            "status": "IN_PROGRESS", "started_at": "2026-01-14T12:34:56Z"}]}"#;
        atomic::write(&file, entry, 0o644).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::from_seconds(1)));
        let store = FileStore::open(folder.path().to_owned(), Arc::clone(&clock)).unwrap();
        let registry = Registry::over(Box::new(store));
        let mut one = InRegistry::new(registry, "m1".parse().unwrap(), clock);
        one.record(&Ending {
            status: registry_core::stack::StackStatus::RollbackComplete,
            first_cause: Some("Db: \u{1b}[31mAKIAIOSFODNN7EXAMPLE\nno room".to_owned()),
            at: Timestamp::from_seconds(1),
        })
        .unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("\"Db: *** no room\""), "{text}");
    }

    #[test]
    fn a_registry_that_can_only_be_read_still_tells_where_to_begin() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE_NAME);
        let entry = br#"{"deployments": [{"correlation_id": "m1", "environment": "production", "stack_name": "App",
            "status": "IN_PROGRESS", "started_at": "2026-01-14T12:34:56Z", "fencing_token": 7,
            "baseline": [{"stack_name": "App", "event_id": "e7"}]}]}"#;
        atomic::write(&file, entry, 0o644).unwrap();
        // Nobody can lock it, and so nobody write it.
        symlink("nowhere", lock_path(&file)).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::from_seconds(1)));
        let store = FileStore::open(folder.path().to_owned(), Arc::clone(&clock)).unwrap();
        let registry = Registry::over(Box::new(store));
        let mut one = InRegistry::new(registry, "m1".parse().unwrap(), clock);
        match one.look() {
            Standing::Held { baselines, .. } => {
                assert_eq!(baselines[0].event_id.as_deref(), Some("e7"));
            }
            other => panic!("{other:?}"),
        }
        // Gone while it cannot be put back: that is no news of the deployment.
        atomic::write(&file, br#"{"deployments": []}"#, 0o644).unwrap();
        one.last_beat = None;
        assert!(matches!(one.look(), Standing::Unavailable(_)));
    }
}
