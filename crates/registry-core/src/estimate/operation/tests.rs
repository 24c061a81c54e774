use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::estimate::replay;
use crate::stack::ResourceStatus;
use crate::trace::Trace;

const ROOT: &str = "arn:aws:cloudformation:us-east-1:123456789012:stack/App/1";

fn base() -> Timestamp {
    Timestamp::from_seconds(1_800_000_000)
}

/// `SECONDS ID STATUS REASON…`; the id `App` is the stack itself.
fn events(lines: &[&str]) -> Vec<StackEvent> {
    lines
        .iter()
        .enumerate()
        .map(|(index, line)| {
            let mut words = line.splitn(4, ' ');
            let at: f64 = words.next().unwrap().parse().unwrap();
            let id = words.next().unwrap();
            let own = id == "App";
            StackEvent {
                event_id: format!("e{index}"),
                stack_id: ROOT.to_owned(),
                stack_name: "App".to_owned(),
                logical_id: id.to_owned(),
                physical_id: Some(if own { ROOT } else { "physical" }.to_owned()),
                resource_type: if own { STACK_TYPE } else { "AWS::X::Y" }.to_owned(),
                status: ResourceStatus(words.next().unwrap().to_owned()),
                reason: words.next().map(str::to_owned),
                timestamp: base() + Duration::from_secs_f64(at),
                operation_id: None,
                detailed_status: None,
                hook: None,
            }
        })
        .collect()
}

/// Each run as `ID ACTION PHASE STATE TOOK`.
fn told(operation: &Operation) -> Vec<String> {
    operation
        .runs
        .iter()
        .map(|run| {
            format!(
                "{} {} {} {} {:?}",
                run.id,
                run.action.as_str(),
                run.phase.as_str(),
                run.state.as_str(),
                run.took()
            )
        })
        .collect()
}

#[test]
fn several_in_progress_events_are_one_start() {
    let found = operations(&events(&[
        "0 App CREATE_IN_PROGRESS",
        "1 Db CREATE_IN_PROGRESS",
        "2 Db CREATE_IN_PROGRESS Resource creation Initiated",
        "5 Db CREATE_IN_PROGRESS Eventual consistency check initiated",
        "9 Db CREATE_COMPLETE",
        "10 App CREATE_COMPLETE",
    ]));
    let [operation] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(told(operation), ["Db create forward completed Some(8.0)"]);
    assert_eq!(operation.runs[0].ready, Some(5.0));
    assert_eq!(operation.took, Some(10.0));
    assert_eq!(operation.outcome, Outcome::Succeeded);
    assert!(operation.is_healthy() && !operation.cut);
}

#[test]
fn failed_and_cancelled_work_is_no_duration_and_the_rollback_is_apart() {
    let found = operations(&events(&[
        "0 App CREATE_IN_PROGRESS",
        "1 A CREATE_IN_PROGRESS",
        "1 B CREATE_IN_PROGRESS",
        "1 C CREATE_IN_PROGRESS",
        "4 C CREATE_COMPLETE",
        "5 A CREATE_FAILED no room",
        "6 B CREATE_FAILED Resource creation cancelled",
        "7 App ROLLBACK_IN_PROGRESS",
        "8 C DELETE_IN_PROGRESS",
        "9 C DELETE_COMPLETE",
        "9 K DELETE_SKIPPED",
        "10 App ROLLBACK_COMPLETE",
    ]));
    let operation = &found[0];
    assert_eq!(
        told(operation),
        [
            "A create forward failed None",
            "B create forward cancelled None",
            "C create forward completed Some(3.0)",
            "C delete rollback completed Some(1.0)",
            "K delete rollback skipped None",
        ]
    );
    assert_eq!(operation.first_cause.as_deref(), Some("A: no room"));
    assert_eq!(operation.outcome, Outcome::RolledBack);
    assert_eq!(operation.rollback_at, Some(7.0));
    assert!(!operation.is_healthy());
}

#[test]
fn an_update_replaces_and_cleans_up() {
    let found = operations(&events(&[
        "0 App UPDATE_IN_PROGRESS",
        "1 A UPDATE_IN_PROGRESS Requested update requires the creation of a new physical resource; hence creating one.",
        "2 A UPDATE_IN_PROGRESS Resource creation Initiated",
        "4 A UPDATE_COMPLETE",
        "4 Same UPDATE_COMPLETE",
        "5 App UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "6 A DELETE_IN_PROGRESS",
        "8 A DELETE_COMPLETE",
        "9 App UPDATE_COMPLETE",
    ]));
    assert_eq!(
        told(&found[0]),
        [
            "A replace forward completed Some(3.0)",
            "Same update forward completed None",
            "A delete cleanup completed Some(2.0)",
        ]
    );
    assert_eq!(found[0].cleanup_at, Some(5.0));
}

#[test]
fn a_history_is_cut_where_operations_begin() {
    let found = operations(&events(&[
        "0 Old UPDATE_COMPLETE",
        "1 App UPDATE_COMPLETE",
        "100 App UPDATE_IN_PROGRESS",
        "101 A UPDATE_IN_PROGRESS",
        "102 A UPDATE_FAILED no",
        "103 App UPDATE_FAILED",
        "200 App UPDATE_ROLLBACK_IN_PROGRESS",
        "201 A UPDATE_IN_PROGRESS",
        "202 A UPDATE_COMPLETE",
        "203 App UPDATE_ROLLBACK_COMPLETE",
        "300 App DELETE_IN_PROGRESS",
    ]));
    let shown: Vec<_> = found
        .iter()
        .map(|o| (o.kind, o.outcome, o.took, o.cut))
        .collect();
    assert_eq!(
        shown,
        [
            (Kind::Update, Outcome::Succeeded, Some(1.0), true),
            (Kind::Update, Outcome::Failed, Some(3.0), false),
            (Kind::Rollback, Outcome::RolledBack, Some(3.0), false),
            (Kind::Delete, Outcome::Running, None, false),
        ]
    );
}

#[test]
fn a_record_that_begins_in_a_rollback_is_one() {
    let found = operations(&events(&[
        "0 A DELETE_COMPLETE",
        "1 B DELETE_IN_PROGRESS",
        "3 B DELETE_COMPLETE",
        "4 App ROLLBACK_COMPLETE",
    ]));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].kind, Kind::Rollback);
    assert_eq!(
        told(&found[0]),
        [
            "A delete rollback completed None",
            "B delete rollback completed Some(2.0)"
        ]
    );
}

#[test]
fn nested_stacks_are_merged_under_their_path() {
    let child = "arn:aws:cloudformation:us-east-1:123456789012:stack/App-Net-1/2";
    let mut all = events(&[
        "0 App CREATE_IN_PROGRESS",
        "1 Net CREATE_IN_PROGRESS",
        "2 App CREATE_IN_PROGRESS",
        "3 Vpc CREATE_IN_PROGRESS",
        "5 Vpc CREATE_COMPLETE",
        "6 App CREATE_COMPLETE",
        "7 Net CREATE_COMPLETE",
        "8 App CREATE_COMPLETE",
    ]);
    for index in [1, 6] {
        all[index].resource_type = STACK_TYPE.to_owned();
        all[index].physical_id = Some(child.to_owned());
    }
    for index in [2, 3, 4, 5] {
        all[index].stack_id = child.to_owned();
    }
    for index in [2, 5] {
        all[index].physical_id = Some(child.to_owned());
    }
    let found = operations(&all);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        told(&found[0]),
        [
            "Net create forward completed Some(6.0)",
            "Net/Vpc create forward completed Some(2.0)"
        ]
    );
}

#[test]
fn a_nested_stack_that_names_itself_its_parent_ends() {
    let mut all = events(&["0 A CREATE_IN_PROGRESS", "1 B CREATE_IN_PROGRESS"]);
    for (event, other) in all.iter_mut().zip(["two", "one"]) {
        event.resource_type = STACK_TYPE.to_owned();
        event.physical_id = Some(other.to_owned());
    }
    all[0].stack_id = "one".to_owned();
    all[1].stack_id = "two".to_owned();
    assert_eq!(operations(&all).len(), 1);
}

fn recorded(name: &str) -> Vec<Operation> {
    let path = format!("{}/../simulators/traces/{name}", env!("CARGO_MANIFEST_DIR"));
    let trace = Trace::parse(&std::fs::read(path).unwrap()).unwrap();
    operations(&replay::events(&trace))
}

#[test]
fn recorded_operations_read_as_their_sources_say() {
    let check = |name: &str, kind: Kind, outcome: Outcome, seconds: f64, healthy: bool| {
        let found = recorded(name);
        assert_eq!(found.len(), 1, "{name}: {} operations", found.len());
        assert_eq!((found[0].kind, found[0].outcome), (kind, outcome), "{name}");
        assert!((found[0].last_known() - seconds).abs() < 0.1, "{name}");
        assert_eq!(found[0].is_healthy(), healthy, "{name}");
    };
    check(
        "ai-chatbot_ai-chatbot_create.jsonl",
        Kind::Create,
        Outcome::Succeeded,
        31.6,
        true,
    );
    check(
        "ai-chatbot_ai-chatbot_update7.jsonl",
        Kind::Update,
        Outcome::RolledBack,
        394.7,
        false,
    );
    check(
        "excerpt_chatapp_rollback.jsonl",
        Kind::Rollback,
        Outcome::RolledBack,
        307.0,
        true,
    );
    check(
        "excerpt_fargate-webapp-dev_create.jsonl",
        Kind::Create,
        Outcome::Running,
        215.0,
        true,
    );
    check(
        "hawking-edison_hawking-edison-dev_update.jsonl",
        Kind::Update,
        Outcome::RolledBack,
        141.0,
        false,
    );
    check(
        "rlhf-synth-fixer_TapStacksynth6ekmx_create.jsonl",
        Kind::Create,
        Outcome::Running,
        590.0,
        true,
    );
}

#[test]
fn no_recorded_duration_is_negative_or_longer_than_its_operation() {
    let folder = format!("{}/../simulators/traces", env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "jsonl")
        {
            for operation in recorded(path.file_name().unwrap().to_str().unwrap()) {
                for run in &operation.runs {
                    let took = run.took().unwrap_or(0.0);
                    assert!(
                        (0.0..=operation.last_known()).contains(&took),
                        "{path:?} {run:?}"
                    );
                    seen += usize::from(run.took().is_some());
                }
            }
        }
    }
    assert!(seen > 900, "{seen} durations");
}

proptest! {
    #[test]
    fn any_order_of_any_events_is_survived(
        rows in proptest::collection::vec((0u32..50, 0usize..4, 0usize..12), 0..60)
    ) {
        const IDS: [&str; 4] = ["App", "A", "B", "C"];
        const STATUSES: [&str; 12] = [
            "CREATE_IN_PROGRESS", "CREATE_COMPLETE", "CREATE_FAILED", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE",
            "DELETE_IN_PROGRESS", "DELETE_COMPLETE", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE",
            "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "SOMETHING_NEW", "",
        ];
        let mut rows = rows;
        rows.sort_unstable();
        let lines: Vec<String> = rows
            .iter()
            .map(|(at, id, status)| format!("{at} {} {}", IDS[*id], STATUSES[*status]))
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        for operation in operations(&events(&lines)) {
            for run in &operation.runs {
                prop_assert!(run.took().is_none_or(|took| took >= 0.0));
                prop_assert!(run.start.is_none_or(|at| at <= operation.last_known()));
            }
        }
    }
}
