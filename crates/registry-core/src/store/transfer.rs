//! Copying a registry from one store to another, while nothing is active in either.

use std::time::Duration;

use thiserror::Error;

use super::{Snapshot, Store, StoreError, Touches};
use crate::slot::{Entry, Freeze, Kept, Slot, Tombstone};

/// For how long the old registry lets nobody start, in case the copying itself is killed.
const FROZEN_FOR: Duration = Duration::from_secs(10 * 60);

/// How many records of what has ended are written in one step.
const AT_ONCE: usize = 50;

/// Why nothing, or not all, was copied.
#[derive(Debug, Error)]
pub enum TransferError {
    /// Somebody deploys, waits or was told yes.
    #[error(
        "{id} {does} {environment} in {place}: nothing moves while anything is active (wait for it, or end it with cleanup {id})"
    )]
    Active {
        /// Where.
        place: String,
        /// Which environment.
        environment: String,
        /// Who.
        id: String,
        /// What it does there.
        does: &'static str,
    },
    /// One of the stores.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// Environments.
    pub environments: usize,
    /// Failed and abandoned entries.
    pub entries: usize,
    /// Tombstones.
    pub tombstones: usize,
}

/// Copies every environment of `from` into `to`: fencing tokens (the larger one counts), freezes, what failed and what ended in
/// the last seven days. What `to` has already stays, so that copying twice is the same as once. Meanwhile `from` is frozen in
/// the name of `by`, so that nobody starts in the registry that is being left.
pub fn copy(from: &dyn Store, to: &dyn Store, by: &str) -> Result<Copied, TransferError> {
    let old = from.snapshot()?;
    refuse_active(&old, from)?;
    refuse_active(&to.snapshot()?, to)?;
    let mut copied = Copied::default();
    for name in old.slots.keys() {
        let frozen = freeze(from, to, name, by)?;
        let answer = copy_one(&old.slot(name), to, &mut copied);
        // Also when the copying failed: the old registry is still the one in use.
        let thawed = thaw(from, name, frozen);
        answer?;
        thawed?;
    }
    // An environment that was used for the first time meanwhile could not be frozen.
    refuse_active(&from.snapshot()?, from)?;
    Ok(copied)
}

fn refuse_active(snapshot: &Snapshot, store: &dyn Store) -> Result<(), TransferError> {
    for name in snapshot.slots.keys() {
        if let Some(error) = active(&snapshot.slot(name), store) {
            return Err(error);
        }
    }
    Ok(())
}

fn active(slot: &Slot, store: &dyn Store) -> Option<TransferError> {
    let holds = slot
        .holds
        .iter()
        .map(|entry| (&entry.correlation_id, "holds"));
    let reserved = slot
        .reservation
        .iter()
        .map(|kept| (&kept.correlation_id, "was told yes for"));
    let waits = slot
        .queue
        .iter()
        .map(|waiter| (&waiter.correlation_id, "waits for"));
    let (id, does) = holds.chain(reserved).chain(waits).next()?;
    Some(TransferError::Active {
        place: store.place(),
        environment: slot.environment.clone(),
        id: id.clone(),
        does,
    })
}

fn only(environment: &str) -> Touches<'_> {
    Touches {
        environment,
        id: None,
        stacks: &[],
    }
}

/// The freeze that keeps the environment as it is while it is copied.
fn freeze(
    from: &dyn Store,
    to: &dyn Store,
    environment: &str,
    by: &str,
) -> Result<Freeze, TransferError> {
    let mut answer = None;
    let reason = format!("the registry moves to {}", to.place());
    from.update(only(environment), &mut |slot, _, now| {
        slot.settle(now);
        let ours = Freeze {
            reason: reason.clone(),
            by: by.to_owned(),
            at: now.at,
            until: Some(now.at + FROZEN_FOR),
            kept: Kept::default(),
        };
        let busy = active(slot, from);
        // A freeze that is there already does as well.
        if busy.is_none() && slot.freeze.is_none() {
            slot.freeze = Some(ours.clone());
        }
        answer = Some(busy.map_or(Ok(ours), Err));
    })?;
    answer.unwrap_or_else(|| {
        let silent = "the registry did not run the change".to_owned();
        Err(StoreError::Unavailable(silent).into())
    })
}

fn thaw(from: &dyn Store, environment: &str, ours: Freeze) -> Result<(), TransferError> {
    from.update(only(environment), &mut |slot, _, _| {
        let same = |freeze: &Freeze| {
            freeze.reason == ours.reason && freeze.by == ours.by && freeze.until.is_some()
        };
        if slot.freeze.as_ref().is_some_and(same) {
            slot.freeze = None;
        }
    })?;
    Ok(())
}

fn copy_one(old: &Slot, to: &dyn Store, copied: &mut Copied) -> Result<(), TransferError> {
    let mut busy = None;
    to.update(only(&old.environment), &mut |slot, _, now| {
        slot.settle(now);
        busy = active(slot, to);
        if busy.is_none() {
            slot.last_token = slot.last_token.max(old.last_token);
            slot.freeze = slot.freeze.take().or_else(|| old.freeze.clone());
            if slot.kept == Kept::default() {
                slot.kept = old.kept.clone();
            }
        }
    })?;
    if let Some(error) = busy {
        return Err(error);
    }
    copied.environments += 1;
    for some in old.past.chunks(AT_ONCE) {
        let mut fresh = 0;
        to.update(only(&old.environment), &mut |slot, _, _| {
            let missing: Vec<Entry> = some
                .iter()
                .filter(|entry| !slot.knows(&entry.correlation_id))
                .cloned()
                .collect();
            fresh = missing.len();
            slot.past.extend(missing);
        })?;
        copied.entries += fresh;
    }
    for some in old.ended.chunks(AT_ONCE) {
        let mut fresh = 0;
        to.update(only(&old.environment), &mut |slot, _, _| {
            let missing: Vec<Tombstone> = some
                .iter()
                .filter(|tombstone| !slot.knows(&tombstone.correlation_id))
                .cloned()
                .collect();
            fresh = missing.len();
            slot.ended.extend(missing);
        })?;
        copied.tombstones += fresh;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::{ManualClock, Timestamp};
    use crate::slot::{Ask, Elsewhere, End, Ending, HoldKind, Registration, Request};
    use crate::store::file::FileStore;

    fn store(folder: &tempfile::TempDir, name: &str) -> FileStore {
        let clock = ManualClock::at(Timestamp::from_seconds(1_768_392_000));
        FileStore::open(folder.path().join(name), Arc::new(clock)).unwrap()
    }

    fn change<T>(store: &FileStore, mut what: impl FnMut(&mut Slot, &super::super::Now) -> T) {
        store
            .update(only("production"), &mut |slot, _, now| {
                what(slot, now);
            })
            .unwrap();
    }

    fn register(store: &FileStore, id: &str) {
        let request = Request {
            correlation_id: id.to_owned(),
            workflow_run_id: "1".to_owned(),
            stacks: vec!["Stack".to_owned()],
            run_attempt: None,
            runner: None,
            workflow_url: None,
            kind: HoldKind::Registered,
            baseline: Vec::new(),
            server_time: None,
        };
        change(store, |slot, now| {
            let answer = slot.register(&request, &Elsewhere::default(), &|_| true, now);
            assert!(matches!(answer, Registration::Granted(_)), "{answer:?}");
        });
    }

    fn end(store: &FileStore, id: &str, ending: &Ending) {
        let end = End {
            correlation_id: id.to_owned(),
            ending: ending.clone(),
            outcome: None,
            purge: false,
            by: None,
            reason: None,
            eviction: false,
        };
        change(store, |slot, now| slot.end(&end, now));
    }

    #[test]
    fn everything_but_activity_moves_and_the_old_registry_is_as_before() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (store(&folder, "from"), store(&folder, "to"));
        for (id, ending) in [("a", Ending::Failed), ("b", Ending::Success)] {
            register(&from, id);
            end(&from, id, &ending);
        }
        let before = from.snapshot().unwrap().slots;
        let copied = copy(&from, &to, "alice").unwrap();
        let expected = Copied {
            environments: 1,
            entries: 1,
            tombstones: 1,
        };
        assert_eq!(copied, expected);
        assert_eq!(from.snapshot().unwrap().slots, before);
        let (old, new) = (
            &before["production"],
            to.snapshot().unwrap().slot("production"),
        );
        assert_eq!((new.last_token, &new.past), (old.last_token, &old.past));
        assert_eq!(new.ended, old.ended);
        let again = copy(&from, &to, "alice").unwrap();
        assert_eq!((again.entries, again.tombstones), (0, 0));
    }

    #[test]
    fn a_freeze_moves_and_a_larger_token_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (store(&folder, "from"), store(&folder, "to"));
        change(&from, |slot, now| {
            slot.last_token = 7;
            slot.freeze = Some(Freeze {
                reason: "audit".to_owned(),
                by: "bob".to_owned(),
                at: now.at,
                until: None,
                kept: Kept::default(),
            });
        });
        change(&to, |slot, _| slot.last_token = 9);
        copy(&from, &to, "alice").unwrap();
        let new = to.snapshot().unwrap().slot("production");
        assert_eq!(new.last_token, 9);
        assert_eq!(new.freeze.unwrap().reason, "audit");
        let old = from.snapshot().unwrap().slot("production");
        assert_eq!(old.freeze.unwrap().reason, "audit");
    }

    #[test]
    fn nothing_moves_while_anything_is_active_on_either_side() {
        let waiter = Ask {
            correlation_id: "w".to_owned(),
            reservation: Duration::from_secs(120),
            lease: Duration::from_secs(120),
            process: None,
        };
        for active_side in [0, 1] {
            for kind in ["holds", "waits for", "was told yes for"] {
                let folder = tempfile::tempdir().unwrap();
                let stores = [store(&folder, "from"), store(&folder, "to")];
                let active = &stores[active_side];
                change(&stores[0], |slot, _| slot.last_token = 5);
                match kind {
                    "holds" => register(active, "w"),
                    "waits for" => change(active, |slot, now| slot.enqueue(&waiter, now)),
                    _ => change(active, |slot, now| {
                        slot.reserve(&waiter, &Elsewhere::default(), &|_| true, now);
                    }),
                }
                let before = [0, 1].map(|side: usize| stores[side].snapshot().unwrap().slots);
                let error = copy(&stores[0], &stores[1], "alice")
                    .unwrap_err()
                    .to_string();
                assert!(
                    error.starts_with(&format!("w {kind} production in ")),
                    "{error}"
                );
                let after = [0, 1].map(|side: usize| stores[side].snapshot().unwrap().slots);
                assert_eq!(before, after);
            }
        }
    }
}
