//! The history in the table.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use registry_core::clock::{Clock, SystemClock, Timestamp};
use registry_core::estimate::Table;
use registry_core::estimate::operation::{Action, Kind, Operation, Outcome, Phase, Run, RunState};
use registry_core::history::History;
use registry_core::history::store::{FileHistory, HistoryStore, Part, copy};
use registry_dynamodb::DynamoHistory;
use serde_json::{Value, json};

use crate::emulator::dynalite;
use crate::fixture::{address, new_table, raw};
use crate::proxy::{self, Mischief};
use crate::slow;
use crate::throttle;

fn history(table: &str, port: u16) -> DynamoHistory {
    DynamoHistory::new(address(table, port), Arc::new(SystemClock::default())).unwrap()
}

fn read(history: &dyn HistoryStore) -> History {
    let found = history.read(Part::Everything);
    assert_eq!(found.warning, None);
    found.history
}

fn note(history: &dyn HistoryStore, id: &str, stack: &str, minutes: u64) {
    let warning = history
        .change(&mut |history, now| history.add_deployment(id, stack, minutes, now))
        .unwrap();
    assert_eq!(warning, None);
}

/// The `number`th of a row of operations, with so many resources.
fn operation(number: u64, resources: usize) -> Operation {
    let end = 11.0 + 10.0 * number as f64;
    let run = |number: usize| Run {
        id: format!("Resource{number}"),
        resource_type: "AWS::SQS::Queue".to_owned(),
        action: Action::Update,
        phase: Phase::Forward,
        state: RunState::Completed,
        start: Some(1.0),
        ready: None,
        end: Some(end),
    };
    Operation {
        id: format!("operation-{number}"),
        kind: Kind::Update,
        outcome: Outcome::Succeeded,
        started: Timestamp::from_seconds(1_700_000_000 + i64::try_from(number).unwrap() * 3600),
        took: Some(300.0),
        cleanup_at: None,
        rollback_at: None,
        cut: false,
        first_cause: None,
        runs: (0..resources).map(run).collect(),
    }
}

fn collect(history: &dyn HistoryStore, stack: &str, operations: &[Operation]) {
    let warning = history
        .change(&mut |history, now| {
            history.add_operations(stack, operations, 20, &Table::shipped(), now);
        })
        .unwrap();
    assert_eq!(warning, None);
}

fn items(port: u16, table: &str) -> Vec<Value> {
    let query = json!({"TableName": table, "ConsistentRead": true,
        "KeyConditionExpression": "pk = :pk AND begins_with(sk, :sk)",
        "ExpressionAttributeValues": {":pk": {"S": "o/r/#history"}, ":sk": {"S": "HIST"}}});
    raw(port, "Query", &query)["Items"]
        .as_array()
        .unwrap()
        .clone()
}

#[test]
fn what_one_machine_notes_another_reads_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let table = new_table(emulator.port);
    let (here, there) = (
        history(&table, emulator.port),
        history(&table, emulator.port),
    );
    assert_eq!(read(&here), History::default());
    note(&here, "a", "Stack", 10);
    collect(&there, "Stack", &[operation(0, 2)]);
    note(&here, "b", "Other", 20);
    note(&there, "a", "Stack", 12);
    let found = read(&here);
    let seconds: Vec<f64> = found
        .deployments("Stack")
        .iter()
        .map(|deployment| deployment.seconds)
        .collect();
    assert_eq!(seconds, [300.0, 720.0]);
    assert_eq!(found.operations().len(), 1);
    assert_eq!(found.summary()["resource_averages"]["AWS::SQS::Queue"], 10);
    // An estimate reads its own stack and the averages over all.
    let stacks = ["Other".parse().unwrap()];
    let part = here.read(Part::Stacks(&stacks)).history;
    assert_eq!(part.stacks(), ["Other"]);
    assert_eq!(part.summary(), found.summary());
    // Nobody writes what is there already.
    let before = items(emulator.port, &table);
    collect(&there, "Stack", &[operation(0, 2)]);
    assert_eq!(items(emulator.port, &table), before);
}

#[test]
fn eight_that_note_at_once_over_a_bad_line_lose_nothing_and_double_nothing_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let table = new_table(emulator.port);
    let mischief = Mischief {
        lose_one_in: 20,
        ..Mischief::default()
    };
    let (port, lost) = proxy::start(emulator.port, mischief);
    thread::scope(|scope| {
        for number in 0..8_u64 {
            let history = history(&table, port);
            scope.spawn(move || {
                let id = format!("d-{number}");
                note(&history, &id, "Stack", number + 1);
                collect(&history, "Stack", &[operation(number, 3)]);
            });
        }
    });
    assert!(lost.load(Ordering::SeqCst) > 0);
    let found = read(&history(&table, emulator.port));
    let mut ids: Vec<String> = found
        .deployments("Stack")
        .into_iter()
        .filter_map(|deployment| deployment.correlation_id)
        .collect();
    ids.sort();
    let expected: Vec<String> = (0..8).map(|number| format!("d-{number}")).collect();
    assert_eq!(ids, expected);
    assert_eq!(found.operations().len(), 8);
    assert_eq!(found.deployments("Stack").len(), 16);
    // The figures are those of all that is there, whoever wrote them last.
    let mut again = found.clone();
    again.recompute(Timestamp::default());
    for figure in ["resource_averages", "average_deployment_minutes"] {
        assert_eq!(found.summary()[figure], again.summary()[figure], "{figure}");
    }
}

#[test]
fn who_was_overtaken_begins_anew_and_the_figures_count_both_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let table = new_table(emulator.port);
    let (one, other) = (
        history(&table, emulator.port),
        history(&table, emulator.port),
    );
    let mut runs = 0;
    one.change(&mut |history, now| {
        runs += 1;
        history.add_operations("Stack", &[operation(1, 1)], 20, &Table::shipped(), now);
        if runs == 1 {
            // Between the reading and the writing.
            collect(&other, "Stack", &[operation(2, 1)]);
        }
    })
    .unwrap();
    assert_eq!(runs, 2);
    let found = read(&one);
    assert_eq!(found.operations().len(), 2);
    let mean = &found.summary()["resource_averages"]["AWS::SQS::Queue"];
    assert_eq!(*mean, 25, "of 20 and 30 seconds");
}

#[test]
fn what_is_too_old_becomes_garbage_with_a_time_to_live_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let table = new_table(emulator.port);
    let history = history(&table, emulator.port);
    let all: Vec<Operation> = (0..25).map(|number| operation(number, 1)).collect();
    collect(&history, "Stack", &all[..20]);
    collect(&history, "Stack", &all[20..]);
    let kept = read(&history).operations();
    let ids: Vec<&str> = kept.iter().map(|kept| kept.operation.id.as_str()).collect();
    assert_eq!(
        (ids.len(), ids[0], ids[19]),
        (20, "operation-5", "operation-24")
    );
    let items = items(emulator.port, &table);
    let garbage: Vec<&Value> = items
        .iter()
        .filter(|item| item.get("ttl").is_some())
        .collect();
    assert_eq!(garbage.len(), 5);
    let now = SystemClock::default().now().seconds();
    for item in garbage {
        assert!(item.get("body").is_none(), "{item}");
        let ttl: i64 = item["ttl"]["N"].as_str().unwrap().parse().unwrap();
        assert!(ttl > now, "{item}");
    }
    // One that is wanted again comes back, and is no garbage any more.
    let first = all[0].clone();
    let warning = history.change(&mut |history, now| {
        *history = History::default();
        history.add_operations(
            "Stack",
            std::slice::from_ref(&first),
            20,
            &Table::shipped(),
            now,
        );
    });
    assert_eq!(warning.unwrap(), None);
    assert_eq!(read(&history).operations()[0].operation.id, "operation-0");
}

#[test]
fn a_history_larger_than_a_page_is_read_whole_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let table = new_table(emulator.port);
    let history = history(&table, emulator.port);
    // Some 100 KB each: a page of DynamoDB ends after 1 MB.
    let all: Vec<Operation> = (0..15).map(|number| operation(number, 1400)).collect();
    collect(&history, "Stack", &all);
    let size: usize = items(emulator.port, &table)
        .iter()
        .map(|item| item.to_string().len())
        .sum();
    assert!(size < 1_500_000, "the test's own query sees a page: {size}");
    assert_eq!(read(&history).operations().len(), 15);
    let stacks = ["Stack".parse().unwrap()];
    let part = history.read(Part::Stacks(&stacks)).history;
    assert_eq!(part.operations().len(), 15);
}

#[test]
fn an_entry_too_large_for_an_item_is_told_and_left_out_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let table = new_table(emulator.port);
    let history = history(&table, emulator.port);
    let large = [operation(0, 1), operation(1, 8000)];
    let warning = history
        .change(&mut |history, now| {
            history.add_operations("Stack", &large, 20, &Table::shipped(), now);
        })
        .unwrap()
        .unwrap();
    assert!(
        warning.contains("operation-1") && warning.contains("left out"),
        "{warning}"
    );
    assert_eq!(read(&history).operations().len(), 1);
}

#[test]
fn an_item_that_makes_no_sense_is_told_and_left_alone_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let table = new_table(emulator.port);
    let history = history(&table, emulator.port);
    note(&history, "a", "Stack", 10);
    note(&history, "b", "Stack", 10);
    let spoil = json!({"TableName": table,
        "Key": {"pk": {"S": "o/r/#history"}, "sk": {"S": "HIST#Stack#D#a"}},
        "UpdateExpression": "SET body = :x", "ExpressionAttributeValues": {":x": {"S": "oops"}}});
    raw(emulator.port, "UpdateItem", &spoil);
    let found = history.read(Part::Everything);
    let warning = found.warning.unwrap();
    assert!(
        warning.contains("\"HIST#Stack#D#a\" cannot be used"),
        "{warning}"
    );
    assert_eq!(found.history.deployments("Stack").len(), 1);
    let warning = history
        .change(&mut |history, now| history.add_deployment("c", "Stack", 5, now))
        .unwrap();
    assert!(warning.is_some());
    let items = items(emulator.port, &table);
    let spoilt = items
        .iter()
        .find(|item| item["sk"]["S"] == "HIST#Stack#D#a");
    assert_eq!(spoilt.unwrap()["body"]["S"], "oops");
    // What a newer version wrote is not touched at all.
    let newer = json!({"TableName": table,
        "Key": {"pk": {"S": "o/r/#history"}, "sk": {"S": "HIST"}},
        "UpdateExpression": "SET #f = :two", "ExpressionAttributeNames": {"#f": "format"},
        "ExpressionAttributeValues": {":two": {"N": "2"}}});
    raw(emulator.port, "UpdateItem", &newer);
    let error = history
        .change(&mut |history, now| history.add_deployment("d", "Stack", 5, now))
        .unwrap_err();
    assert!(
        error.to_string().contains("install the newer version"),
        "{error}"
    );
}

#[test]
fn a_history_moves_from_folder_to_table_and_back_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let table = new_table(emulator.port);
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let file = |name: &str| FileHistory::in_folder(&folder.path().join(name), Arc::clone(&clock));
    let (old, shared, new) = (file("old"), history(&table, emulator.port), file("new"));
    note(&old, "a", "Stack", 10);
    collect(&old, "Stack", &[operation(0, 2), operation(1, 2)]);
    old.change(&mut |history, _| {
        let text = String::from_utf8(history.to_bytes()).unwrap();
        let text = text.replacen('{', "{\"mood\": \"good\",", 1);
        *history = History::parse(text.as_bytes()).unwrap();
    })
    .unwrap();
    let there = copy(&old, &shared).unwrap();
    assert_eq!((there.entries, there.nameless), (5, 0));
    assert_eq!(copy(&old, &shared).unwrap().entries, 0);
    assert_eq!(copy(&shared, &new).unwrap().entries, 5);
    let (before, after) = (read(&old), read(&new));
    assert_eq!(after.summary(), before.summary());
    assert_eq!(after.summary()["mood"], "good");
    assert_eq!(after.operations(), before.operations());
    assert_eq!(after.deployments("Stack"), before.deployments("Stack"));
}

#[test]
fn a_history_that_cannot_be_read_is_empty_and_said_so() {
    let port = throttle::always(
        400,
        r#"{"__type":"x#AccessDeniedException","Message":"not for you"}"#,
    );
    let history = history("table", port);
    let found = history.read(Part::Everything);
    assert_eq!(found.history, History::default());
    let warning = found.warning.unwrap();
    assert!(
        warning.starts_with("the deployment history in dynamodb://table cannot be read: AWS denied dynamodb:Query on the table table"),
        "{warning}"
    );
    let error = history
        .change(&mut |_, _| panic!("nothing was read"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("was not changed: AWS denied"), "{error}");
    assert!(!error.contains('\n'), "{error}");
}

#[test]
fn a_throttled_history_is_given_up_soon() {
    let begun = SystemClock::default().boot();
    let found = history("table", slow::throttled()).read(Part::Everything);
    assert!(found.warning.unwrap().contains("the registry is busy"));
    let waited = SystemClock::default().boot().since(&begun).unwrap();
    assert!(waited < Duration::from_secs(30), "{waited:?}");
}
