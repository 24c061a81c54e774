use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use proptest::prelude::*;

use super::collect::{Bounds, collect};
use super::file::{FILE_NAME, HistoryFile};
use super::*;
use crate::clock::ManualClock;
use crate::estimate::operation::{Action, Outcome, Phase, Run, RunState};
use crate::ids::StackName;
use crate::stack::{
    EventsPage, Observed, ResourceStatus, STACK_TYPE, StackError, StackEvent, StackResource,
    StackSource, StackState,
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + seconds)
}

fn operation(id: &str, started: i64, kind: Kind, seconds: f64) -> Operation {
    Operation {
        id: id.to_owned(),
        kind,
        outcome: Outcome::Succeeded,
        started: at(started),
        took: Some(seconds),
        cleanup_at: None,
        rollback_at: None,
        cut: false,
        first_cause: None,
        runs: vec![Run {
            id: "Db".to_owned(),
            resource_type: "AWS::RDS::DBInstance".to_owned(),
            action: Action::Create,
            phase: Phase::Forward,
            start: Some(2.0),
            ready: None,
            end: Some(seconds - 1.0),
            state: RunState::Completed,
        }],
    }
}

fn add(history: &mut History, operations: &[Operation]) -> usize {
    history.add_operations("App", operations, 20, &Table::shipped(), at(100_000))
}

/// The guide's own example.
const GUIDE: &str = r#"{
  "deployments": [
    {
      "correlation_id": "20260114-123456-abc123",
      "stack_name": "CourtCaseManagementStack",
      "duration_minutes": 25,
      "completed_at": "2026-01-14T12:59:56Z"
    }
  ],
  "resource_averages": {
    "AWS::RDS::DBInstance": 900,
    "AWS::ECS::Service": 180,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": 120
  },
  "average_deployment_minutes": 25,
  "last_updated": "2026-01-14T13:00:00Z"
}
"#;

#[test]
fn the_guides_file_reads_and_writes_back_as_it_was() {
    let history = History::parse(GUIDE.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(history.to_bytes()).unwrap(), GUIDE);
    let past = history.past("CourtCaseManagementStack");
    assert_eq!(past.totals, [(None, 1500.0)]);
    assert_eq!(past.type_averages.get("AWS::ECS::Service"), Some(&180.0));
    assert_eq!(history.average_deployment_minutes(), Some(25.0));
}

#[test]
fn update_adds_the_guides_four_fields_and_the_average_follows() {
    let mut history = History::parse(GUIDE.as_bytes()).unwrap();
    history.add_deployment("b", "CourtCaseManagementStack", 35, at(0));
    assert_eq!(history.average_deployment_minutes(), Some(30.0));
    let text = String::from_utf8(history.to_bytes()).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        value["deployments"][1],
        json!({
            "correlation_id": "b",
            "stack_name": "CourtCaseManagementStack",
            "duration_minutes": 35,
            "completed_at": at(0).rfc3339(),
        })
    );
    assert_eq!(value["last_updated"], json!(at(0).rfc3339()));
    assert_eq!(value["resource_averages"]["AWS::RDS::DBInstance"], 900);
}

#[test]
fn the_same_id_again_replaces_the_minutes_but_another_stack_is_another_deployment() {
    let mut history = History::default();
    history.add_deployment("a", "App", 10, at(0));
    history.add_deployment("a", "App", 20, at(60));
    history.add_deployment("a", "Other", 30, at(120));
    assert_eq!(history.deployments("App").len(), 1);
    assert_eq!(history.past("App").totals, [(None, 1200.0)]);
    assert_eq!(history.deployments("Other").len(), 1);
    assert_eq!(history.average_deployment_minutes(), Some(30.0));
}

#[test]
fn unknown_fields_survive_at_every_level() {
    let text = r#"{"mine": {"a": [1]}, "deployments": [{"correlation_id": "x", "note": "kept"}, "nonsense", 7],
        "operations": [{"strange": true}]}"#;
    let mut history = History::parse(text.as_bytes()).unwrap();
    history.add_deployment("b", "App", 5, at(0));
    add(&mut history, &[operation("one", 1000, Kind::Create, 60.0)]);
    let value: Value = serde_json::from_slice(&history.to_bytes()).unwrap();
    assert_eq!(value["mine"], json!({"a": [1]}));
    assert_eq!(value["deployments"][0]["note"], "kept");
    assert_eq!(value["deployments"][1], "nonsense");
    assert_eq!(value["operations"][0], json!({"strange": true}));
}

#[test]
fn what_is_collected_twice_is_there_once() {
    let mut history = History::default();
    let operations = [
        operation("one", 0, Kind::Create, 600.0),
        operation("two", 10_000, Kind::Update, 120.0),
    ];
    assert_eq!(add(&mut history, &operations), 2);
    let first = history.to_bytes();
    assert_eq!(add(&mut history, &operations), 0);
    assert_eq!(history.to_bytes(), first);
    let read = History::parse(&first).unwrap();
    assert_eq!(read, history);
    assert_eq!(read.operations()[0].operation, operations[0]);
    assert_eq!(read.past("App").totals.len(), 2);
    // Kinds are averaged apart: the newest was an update of two minutes.
    assert_eq!(read.average_deployment_minutes(), Some(2.0));
}

#[test]
fn running_and_cut_operations_are_not_recorded() {
    let mut history = History::default();
    let mut running = operation("r", 0, Kind::Update, 60.0);
    running.took = None;
    let mut cut = operation("c", 0, Kind::Update, 60.0);
    cut.cut = true;
    assert_eq!(add(&mut history, &[running, cut]), 0);
    assert!(history.operations().is_empty());
}

#[test]
fn a_failed_operation_is_recorded_but_is_no_deployment() {
    let mut history = History::default();
    let mut failed = operation("f", 0, Kind::Update, 60.0);
    failed.outcome = Outcome::RolledBack;
    add(&mut history, &[failed]);
    assert_eq!(history.operations().len(), 1);
    assert!(history.deployments("App").is_empty());
}

#[test]
fn one_deployment_reported_and_collected_counts_once_in_either_order() {
    let ran = operation("one", 0, Kind::Update, 600.0);
    let reported_at = at(660);
    let check = |history: &History| {
        let deployments = history.deployments("App");
        assert_eq!(deployments.len(), 1, "{deployments:?}");
        assert_eq!(deployments[0].correlation_id.as_deref(), Some("a"));
        assert_eq!(deployments[0].operation_id.as_deref(), Some("one"));
        assert_eq!(deployments[0].kind, Some(Kind::Update));
    };
    let mut history = History::default();
    history.add_deployment("a", "App", 11, reported_at);
    add(&mut history, std::slice::from_ref(&ran));
    check(&history);
    let mut history = History::default();
    add(&mut history, &[ran]);
    history.add_deployment("a", "App", 11, reported_at);
    check(&history);
    // The next day's deployment is another one.
    history.add_deployment("b", "App", 11, at(90_000));
    assert_eq!(history.deployments("App").len(), 2);
}

#[test]
fn only_the_newest_operations_of_a_stack_are_kept() {
    let mut history = History::default();
    let many: Vec<Operation> = (0..50)
        .map(|n| operation(&format!("op{n}"), n * 1000, Kind::Update, 100.0))
        .collect();
    add(&mut history, &many);
    let kept: Vec<String> = history
        .operations()
        .into_iter()
        .map(|recorded| recorded.operation.id)
        .collect();
    assert_eq!(kept.len(), KEPT_OPERATIONS);
    assert_eq!(kept.first().map(String::as_str), Some("op30"));
    assert_eq!(history.deployments("App").len(), KEPT_OPERATIONS);
    // Operations too old to be kept do not come back.
    assert_eq!(add(&mut history, &many), 0);
}

#[test]
fn averages_are_seconds_by_type() {
    let mut history = History::default();
    add(
        &mut history,
        &[
            operation("one", 0, Kind::Create, 603.0),
            operation("two", 10_000, Kind::Create, 403.0),
        ],
    );
    let value: Value = serde_json::from_slice(&history.to_bytes()).unwrap();
    assert_eq!(value["resource_averages"]["AWS::RDS::DBInstance"], 500);
}

#[test]
fn what_is_no_history_is_told() {
    for (text, expected) in [
        ("{", "it is not JSON: "),
        ("[]", "it is not a JSON object"),
        (r#"{"deployments": 5}"#, "its `deployments`"),
    ] {
        let error = History::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
    assert_eq!(History::parse(b" \n"), Ok(History::default()));
}

#[test]
fn a_damaged_file_is_kept_aside_once_and_work_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = HistoryFile::in_folder(folder.path());
    let clock = ManualClock::at(at(0));
    crate::store::atomic::write(&file.path(), b"{broken", 0o644).unwrap();
    let found = file.read(at(0));
    assert_eq!(found.history, History::default());
    let warning = found.warning.unwrap();
    assert!(
        warning.contains("is damaged") && warning.contains(".corrupt-"),
        "{warning}"
    );
    // Looking again makes no second copy, and looking changes nothing.
    drop(file.read(at(1000)));
    assert_eq!(std::fs::read(file.path()).unwrap(), b"{broken");
    let ((), warning) = file
        .change(&clock, |history| {
            history.add_deployment("a", "App", 5, at(0));
        })
        .unwrap();
    assert!(warning.is_some());
    assert_eq!(file.read(at(0)).history.deployments("App").len(), 1);
    let copies: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(&format!("{FILE_NAME}.corrupt-")))
        .collect();
    assert_eq!(copies.len(), 1, "{copies:?}");
    assert_eq!(
        std::fs::read(folder.path().join(&copies[0])).unwrap(),
        b"{broken"
    );
}

#[test]
fn a_change_that_changes_nothing_leaves_the_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = HistoryFile::in_folder(&folder.path().join("new/folder"));
    let clock = ManualClock::at(at(0));
    file.change(&clock, |history| {
        history.add_deployment("a", "App", 5, at(0));
    })
    .unwrap();
    let before = std::fs::metadata(file.path()).unwrap();
    file.change(&clock, |_| ()).unwrap();
    let after = std::fs::metadata(file.path()).unwrap();
    assert_eq!(before.ino(), after.ino());
    assert_eq!(after.mode() & 0o777, 0o644);
}

/// A stack of many operations, each of `resources` resources; counts the pages asked for.
struct LongPast {
    events: Vec<StackEvent>,
    asked: std::cell::Cell<usize>,
}

const ARN: &str = "arn:aws:cloudformation:us-east-1:123456789012:stack/App/1";

impl LongPast {
    fn new(operations: i64, resources: i64) -> Self {
        let mut events = Vec::new();
        let mut push = |seconds: i64, id: &str, status: &str| {
            let own = id == "App";
            events.push(StackEvent {
                event_id: format!("e{}", events.len()),
                stack_id: ARN.to_owned(),
                stack_name: "App".to_owned(),
                logical_id: id.to_owned(),
                physical_id: own.then(|| ARN.to_owned()),
                resource_type: if own { STACK_TYPE } else { "AWS::S3::Bucket" }.to_owned(),
                status: ResourceStatus(status.to_owned()),
                reason: None,
                timestamp: at(seconds),
                operation_id: None,
                detailed_status: None,
                hook: None,
            });
        };
        for number in 0..operations {
            let begin = number * 10_000;
            push(begin, "App", "UPDATE_IN_PROGRESS");
            for resource in 0..resources {
                push(
                    begin + 2 + resource,
                    &format!("R{resource}"),
                    "UPDATE_IN_PROGRESS",
                );
                push(
                    begin + 9 + resource,
                    &format!("R{resource}"),
                    "UPDATE_COMPLETE",
                );
            }
            push(
                begin + 12 + resources,
                "App",
                "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
            );
            push(begin + 13 + resources, "App", "UPDATE_COMPLETE");
        }
        Self {
            events,
            asked: std::cell::Cell::new(0),
        }
    }
}

impl StackSource for LongPast {
    fn describe(&self, _: &StackName) -> Result<Observed<StackState>, StackError> {
        Ok(Observed {
            value: StackState::Missing,
            server_time: None,
        })
    }
    fn events(
        &self,
        _: &StackName,
        next: Option<&str>,
    ) -> Result<Observed<EventsPage>, StackError> {
        self.asked.set(self.asked.get() + 1);
        let from: usize = next.map_or(0, |next| next.parse().unwrap());
        let events: Vec<StackEvent> = self
            .events
            .iter()
            .rev()
            .skip(from)
            .take(100)
            .cloned()
            .collect();
        let next = (from + 100 < self.events.len()).then(|| (from + 100).to_string());
        Ok(Observed {
            value: EventsPage { events, next },
            server_time: None,
        })
    }
    fn resources(&self, _: &StackName) -> Result<Vec<StackResource>, StackError> {
        Ok(Vec::new())
    }
    fn template(&self, _: &StackName) -> Result<String, StackError> {
        Ok(String::new())
    }
}

#[test]
fn a_long_past_is_read_within_bounds_and_a_second_time_hardly_at_all() {
    let source = LongPast::new(60, 830);
    assert!(source.events.len() > 99_000);
    let stack: StackName = "App".parse().unwrap();
    let first = collect(&source, &stack, Bounds::default(), &BTreeSet::new()).unwrap();
    assert_eq!(first.operations.len(), 20);
    assert!(first.operations.iter().all(|operation| !operation.cut));
    // 20 of 60 operations are a third of the thousand pages.
    assert!(source.asked.get() <= 335, "{} pages", source.asked.get());
    let known: BTreeSet<String> = first.operations.iter().map(|o| o.id.clone()).collect();
    source.asked.set(0);
    let second = collect(&source, &stack, Bounds::default(), &known).unwrap();
    assert!(source.asked.get() <= 18, "{} pages", source.asked.get());
    assert!(
        second
            .operations
            .iter()
            .all(|o| o.cut || known.contains(&o.id))
    );
    let few = Bounds {
        operations: 20,
        pages: 10,
    };
    let bounded = collect(&source, &stack, few, &BTreeSet::new()).unwrap();
    assert_eq!(bounded.pages, 10);
    assert!(
        bounded.notes[0].contains("older operations were left out"),
        "{:?}",
        bounded.notes
    );
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(text in "[{}\\[\\]\":,a-z0-9 .-]{0,120}") {
        if let Ok(mut history) = History::parse(text.as_bytes()) {
            history.add_deployment("a", "App", 5, at(0));
            prop_assert!(History::parse(&history.to_bytes()).is_ok());
        }
    }

    #[test]
    fn whatever_is_added_is_read_back(minutes in proptest::collection::vec(1u64..10_000, 1..30)) {
        let mut history = History::default();
        for (index, minutes) in (0i64..).zip(&minutes) {
            history.add_deployment(&format!("id{index}"), "App", *minutes, at(index * 7));
        }
        let read = History::parse(&history.to_bytes()).unwrap();
        let seconds: Vec<f64> = read.deployments("App").iter().map(|d| d.seconds).collect();
        let expected: Vec<f64> = minutes.iter().map(|m| *m as f64 * 60.0).collect();
        prop_assert_eq!(seconds, expected);
        let last: Vec<u64> = minutes.iter().rev().take(10).copied().collect();
        let mean = last.iter().sum::<u64>() as f64 / last.len() as f64;
        prop_assert_eq!(read.average_deployment_minutes(), Some(mean.round()));
    }
}

#[test]
fn durations_survive_the_file_to_a_hundredth_of_a_second() {
    let mut history = History::default();
    let mut ran = operation("one", 0, Kind::Update, 60.0);
    ran.started = ran.started + Duration::from_millis(123);
    ran.runs[0].end = Some(33.337);
    add(&mut history, &[ran.clone()]);
    let read = &history.operations()[0].operation;
    assert_eq!(read.started, ran.started);
    assert!((read.runs[0].took().unwrap() - 31.337).abs() < 0.01);
}

#[test]
fn seconds_that_no_operation_can_take_are_not_known() {
    let told = json!({
        "operations": [{
            "stack_name": "App", "operation_id": "a", "kind": "create", "outcome": "succeeded",
            "started_at": "2026-01-14T12:00:00Z", "duration_seconds": 1e300, "resources": [
                ["Topic", "AWS::SNS::Topic", "create", "forward", "completed", -5, null, 1e308],
                ["Queue", "AWS::SQS::Queue", "create", "forward", "completed", 1, null, 9],
            ],
        }],
    });
    let history = History::parse(told.to_string().as_bytes()).unwrap();
    let operation = &history.operations()[0].operation;
    assert_eq!(operation.took, None);
    assert_eq!(
        (operation.runs[0].start, operation.runs[0].end),
        (None, None)
    );
    assert_eq!(operation.runs[1].took(), Some(8.0));
}
