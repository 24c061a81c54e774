use std::time::Duration;

use super::*;
use crate::clock::ManualClock;
use crate::slot::{Ending, HoldKind, Kept};
use crate::stack::{Observed, StackStatus};

const NOON: i64 = 1_768_392_000;

struct Room {
    folder: tempfile::TempDir,
    clock: ManualClock,
    registry: Registry,
}

fn room() -> Room {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(Timestamp::from_seconds(NOON));
    let store = FileStore::open(folder.path().join("reg"), Arc::new(clock.clone())).unwrap();
    Room {
        folder,
        clock,
        registry: Registry::over(Box::new(store)),
    }
}

fn id(text: &str) -> CorrelationId {
    text.parse().unwrap()
}

fn request(id: &str, stack: &str) -> Request {
    Request {
        correlation_id: id.to_owned(),
        workflow_run_id: "12345".to_owned(),
        stacks: vec![stack.to_owned()],
        run_attempt: Some(1),
        runner: Some("runner-1".to_owned()),
        workflow_url: None,
        kind: HoldKind::Registered,
        baseline: Vec::new(),
        server_time: Some(Timestamp::from_seconds(NOON)),
    }
}

fn no_stack(name: &str) -> Vec<Seen> {
    vec![Seen {
        stack: name.parse().unwrap(),
        answer: Ok(Observed {
            value: StackState::Missing,
            server_time: Some(Timestamp::from_seconds(NOON)),
        }),
    }]
}

impl Room {
    fn register(&self, environment: &str, id: &str, stack: &str) -> Registration {
        self.registry
            .register(environment, &request(id, stack), &no_stack(stack))
            .unwrap()
            .answer
    }

    fn hold(&self, id: &str) -> Entry {
        match self.register("production", id, "Stack") {
            Registration::Granted(entry) => *entry,
            other => panic!("{other:?}"),
        }
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("reg/deployments.json")
    }

    #[expect(clippy::disallowed_methods, reason = "as a person's echo does it")]
    fn empty_by_hand(&self) {
        std::fs::write(self.file(), "{\"deployments\":[]}\n").unwrap();
    }

    fn end(&self, id: &str, ending: Ending) -> Vec<(String, EndAnswer)> {
        self.registry
            .end(&End {
                correlation_id: id.to_owned(),
                ending,
                outcome: None,
                purge: false,
                by: None,
                reason: None,
                eviction: false,
            })
            .unwrap()
    }
}

#[test]
fn a_stack_that_another_environment_named_is_refused() {
    let room = room();
    assert!(matches!(
        room.register("production", "a", "Stack"),
        Registration::Granted(_)
    ));
    let Registration::Refused(Standing::HeldByOther(holder)) =
        room.register("staging", "b", "Stack")
    else {
        panic!("two holders of one stack");
    };
    assert_eq!(holder.correlation_id, "a");
    assert!(matches!(
        room.register("staging", "b", "Other"),
        Registration::Granted(_)
    ));
}

#[test]
fn an_id_holds_one_environment_only() {
    let room = room();
    room.hold("a");
    let Registration::Different(_, differences) = room.register("staging", "a", "Stack") else {
        panic!("the id was let in twice");
    };
    assert_eq!(differences[0].what, "environment");
    assert!(matches!(
        room.register("production", "a", "Stack"),
        Registration::Already(_)
    ));
}

#[test]
fn found_in_every_stage_of_its_life() {
    let room = room();
    let find = |name: &str| room.registry.find(&id(name)).unwrap();
    assert_eq!(find("a"), Found::NeverSeen);
    room.hold("a");
    assert!(matches!(find("a"), Found::Held(_)));
    room.end("a", Ending::Success);
    assert!(matches!(find("a"), Found::Ended(_)));
    room.hold("b");
    room.end("b", Ending::Failed);
    assert!(matches!(find("b"), Found::Failed(_)));
    let entry = room.hold("c");
    let seen = entry.last_beat();
    let abandoned = room
        .registry
        .abandon("production", "c", &seen, "proof")
        .unwrap();
    assert!(abandoned.is_some());
    assert!(matches!(find("c"), Found::Abandoned(_)));
    room.clock.advance(Duration::from_secs(8 * 24 * 3600));
    // Anybody's cleanup lets the old go.
    room.end("nobody", Ending::Unknown);
    for name in ["a", "b", "c"] {
        assert_eq!(find(name), Found::NeverSeen, "{name}");
    }
}

#[test]
fn ending_twice_is_ending_once() {
    let room = room();
    room.hold("a");
    assert_eq!(room.end("a", Ending::Success).len(), 1);
    let before = std::fs::read(room.file()).unwrap();
    assert!(room.end("a", Ending::Success).is_empty());
    assert_eq!(std::fs::read(room.file()).unwrap(), before);
}

#[test]
fn a_registry_emptied_under_a_live_holder_gets_its_entry_back_and_keeps_its_tokens_growing() {
    let room = room();
    let entry = room.hold("a");
    assert_eq!(entry.fencing_token, Some(NOON as u64));
    room.empty_by_hand();
    assert_eq!(room.registry.find(&id("a")).unwrap(), Found::NeverSeen);
    let back = room.registry.beat(&id("a"), Some(&entry)).unwrap();
    let BeatAnswer::StillHolds(back) = back else {
        panic!("{back:?}");
    };
    assert_eq!(back.fencing_token, entry.fencing_token);
    room.end("a", Ending::Success);
    let next = room.hold("b");
    assert!(next.fencing_token > entry.fencing_token);
}

#[test]
fn a_beat_does_not_push_out_who_came_meanwhile() {
    let room = room();
    let entry = room.hold("a");
    room.empty_by_hand();
    room.hold("b");
    let lost = room.registry.beat(&id("a"), Some(&entry)).unwrap();
    assert!(matches!(lost, BeatAnswer::Lost(holder) if holder.correlation_id == "b"));
}

#[test]
fn a_beat_does_not_put_an_entry_back_beside_another_environments_holder_of_its_stack() {
    let room = room();
    let entry = room.hold("a");
    room.empty_by_hand();
    room.register("staging", "b", "Stack");
    let BeatAnswer::Lost(holder) = room.registry.beat(&id("a"), Some(&entry)).unwrap() else {
        panic!("two holders of one stack");
    };
    assert_eq!(holder.correlation_id, "b");
    assert_eq!(room.registry.find(&id("a")).unwrap(), Found::NeverSeen);
}

#[test]
fn an_outcome_is_written_down_and_frees_nothing() {
    let room = room();
    room.hold("a");
    let outcome = Outcome {
        stack_status: StackStatus::RollbackComplete,
        first_cause: Some("Db: no capacity".to_owned()),
        at: Timestamp::from_seconds(NOON),
        kept: Kept::default(),
    };
    assert!(room.registry.record_outcome(&id("a"), &outcome).unwrap());
    let Found::Held(entry) = room.registry.find(&id("a")).unwrap() else {
        panic!("the hold is gone");
    };
    assert_eq!(entry.last_outcome.unwrap().first_cause, outcome.first_cause);
    assert!(!room.registry.record_outcome(&id("x"), &outcome).unwrap());
}

#[test]
fn tokens_grow_by_aws_time_however_wrong_ours_is() {
    let room = room();
    room.clock.set_wall(Timestamp::from_seconds(NOON - 3600));
    let first = room.hold("a");
    assert_eq!(first.fencing_token, Some(NOON as u64));
    room.end("a", Ending::Success);
    assert_eq!(room.hold("b").fencing_token, Some(NOON as u64 + 1));
}
