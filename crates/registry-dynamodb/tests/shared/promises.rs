//! What the shared store promises, one test each.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use registry_core::clock::{Clock, StopSignal, SystemClock, Timestamp};
use registry_core::registry::{Found, Registry};
use registry_core::slot::{BeatAnswer, Ending, Registration, Standing};
use registry_core::store::{Scope, Store, StoreError, Touches};
use registry_dynamodb::DynamoStore;
use serde_json::{Value, json};

use crate::emulator::dynalite;
use crate::fixture::{
    address, ask, end, new_table, no_stack, raw, register, registry, request, settings, store,
};
use crate::proxy::{self, Mischief};
use crate::slow;

fn holder(answer: &Registration) -> String {
    match answer {
        Registration::Granted(_) => "granted".to_owned(),
        Registration::Already(_) => "already".to_owned(),
        Registration::Refused(Standing::HeldByOther(entry)) => {
            format!("held by {}", entry.correlation_id)
        }
        Registration::Different(_, differences) => {
            let what: Vec<&str> = differences
                .iter()
                .map(|difference| difference.what)
                .collect();
            format!("differs in {}", what.join(", "))
        }
        Registration::Refused(standing) => format!("{standing:?}"),
    }
}

#[test]
fn the_life_of_a_deployment_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let table = new_table(emulator.port);
    let registry = registry(&table, emulator.port);
    assert_eq!(registry.scope(), Scope::Shared);
    assert_eq!(registry.place(), format!("dynamodb://{table}"));
    assert!(registry.snapshot().unwrap().slots.is_empty());

    let try_it = |id: &str| holder(&register(&registry, "production", id, &["Stack"]));
    assert_eq!(try_it("a"), "granted");
    assert_eq!(try_it("a"), "already");
    assert_eq!(try_it("b"), "held by a");
    let a = "a".parse().unwrap();
    let Found::Held(entry) = registry.find(&a).unwrap() else {
        panic!()
    };
    assert!(matches!(
        registry.beat(&a, Some(&entry)).unwrap(),
        BeatAnswer::StillHolds(_)
    ));
    let done = registry.end(&end("a")).unwrap();
    assert_eq!(done.len(), 1);
    assert_eq!(registry.end(&end("a")).unwrap(), Vec::new());
    assert!(matches!(registry.find(&a).unwrap(), Found::Ended(_)));
    assert_eq!(try_it("b"), "granted");
    let Found::Held(after) = registry.find(&"b".parse().unwrap()).unwrap() else {
        panic!()
    };
    assert!(after.fencing_token > entry.fencing_token);
}

#[test]
fn time_is_the_services_own_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let table = new_table(emulator.port);
    let now = SystemClock::default().now();
    for off_by in [-3600, 3600] {
        let at = store(&table, emulator.port, off_by)
            .snapshot()
            .unwrap()
            .now
            .at;
        let off = at.since(now).max(now.since(at));
        assert!(
            off < Duration::from_secs(30),
            "{at} by a clock that is {off_by} s off"
        );
    }
}

#[test]
fn a_namespace_sees_only_itself_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let table = new_table(emulator.port);
    let mine = registry(&table, emulator.port);
    assert_eq!(
        holder(&register(&mine, "production", "a", &["Stack"])),
        "granted"
    );
    let other = registry_dynamodb::Address::new(table, None, &settings("o/other"))
        .unwrap()
        .in_emulator(emulator.port);
    let clock = Arc::new(SystemClock::default());
    let theirs = Registry::over(Box::new(DynamoStore::new(other, clock).unwrap()));
    assert!(theirs.snapshot().unwrap().slots.is_empty());
    assert_eq!(
        holder(&register(&theirs, "production", "b", &["Stack"])),
        "granted"
    );
}

#[test]
fn a_stack_of_two_environments_has_one_holder_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let table = new_table(emulator.port);
    let registry = registry(&table, emulator.port);
    let try_it = |environment: &str, id: &str, stacks: &[&str]| {
        holder(&register(&registry, environment, id, stacks))
    };
    assert_eq!(try_it("production", "a", &["Shared", "Mine"]), "granted");
    assert_eq!(try_it("staging", "b", &["Other", "Shared"]), "held by a");
    assert_eq!(try_it("staging", "b", &["Other"]), "granted");
    registry.end(&end("a")).unwrap();
    assert_eq!(try_it("third", "c", &["Shared"]), "granted");
    assert_eq!(try_it("production", "d", &["Shared"]), "held by c");
    registry.end(&end("c")).unwrap();
    assert_eq!(try_it("production", "d", &["Shared"]), "granted");
    assert_eq!(
        try_it("fourth", "d", &["Fourth"]),
        "differs in environment, stack"
    );
}

#[test]
fn one_name_in_two_regions_is_two_stacks_and_a_bare_name_is_both_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let table = new_table(emulator.port);
    let registry = registry(&table, emulator.port);
    let arn = |region: &str| format!("arn:aws:cloudformation:{region}:123456789012:stack/App/1");
    let try_it = |environment: &str, id: &str, stack: &str| {
        holder(&register(&registry, environment, id, &[stack]))
    };
    assert_eq!(try_it("us", "a", &arn("us-east-1")), "granted");
    assert_eq!(try_it("eu", "b", &arn("eu-west-1")), "granted");
    assert_eq!(try_it("any", "c", "App"), "held by b");
    registry.end(&end("b")).unwrap();
    assert_eq!(try_it("any", "c", "App"), "held by a");
    registry.end(&end("a")).unwrap();
    assert_eq!(try_it("any", "c", "App"), "granted");
    assert_eq!(try_it("eu", "d", &arn("eu-west-1")), "held by c");
}

// Eight environments want overlapping pairs of four stacks, over a connection that loses replies. Whoever is told yes looks
// whether it is alone with its stacks, and gives them back.
#[test]
fn overlapping_stacks_never_have_two_holders_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let table = new_table(emulator.port);
    let mischief = Mischief {
        lose_one_in: 100,
        ..Mischief::default()
    };
    let (port, _) = proxy::start(emulator.port, mischief);
    let stacks = ["S0", "S1", "S2", "S3"];
    let inside: [AtomicUsize; 4] = Default::default();
    let granted = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..8 {
            let (inside, granted, table) = (&inside, &granted, table.as_str());
            scope.spawn(move || {
                let registry = registry(table, port);
                let environment = format!("environment-{number}");
                let mine = [number % 4, (number + 1) % 4];
                for round in 0..25 {
                    let id = format!("d-{number}-{round}");
                    let names = mine.map(|stack| stacks[stack]);
                    match register(&registry, &environment, &id, &names) {
                        Registration::Granted(_) | Registration::Already(_) => {}
                        Registration::Refused(_) => continue,
                        Registration::Different(entry, _) => panic!("{id}: {entry:?}"),
                    }
                    granted.fetch_add(1, Ordering::SeqCst);
                    for stack in mine {
                        let others = inside[stack].fetch_add(1, Ordering::SeqCst);
                        assert_eq!(others, 0, "{} has two holders", stacks[stack]);
                    }
                    thread::yield_now();
                    for stack in mine {
                        inside[stack].fetch_sub(1, Ordering::SeqCst);
                    }
                    registry.end(&end(&id)).unwrap();
                }
            });
        }
    });
    let granted = granted.into_inner();
    assert!(granted > 10, "only {granted} were granted");
}

#[test]
fn every_second_reply_may_be_lost_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let table = new_table(emulator.port);
    let mischief = Mischief {
        lose_one_in: 2,
        ..Mischief::default()
    };
    let (port, lost) = proxy::start(emulator.port, mischief);
    let registry = registry(&table, port);
    assert_eq!(
        holder(&register(&registry, "production", "a", &["Stack"])),
        "granted"
    );
    let ended = registry.end(&end("a")).unwrap();
    assert!(ended[0].1.hold.is_some(), "{ended:?}");
    assert!(lost.load(Ordering::SeqCst) >= 5);
}

const MEDDLED: &str = "meddled";

/// So many writes of the environment's item by somebody else.
fn others_write(port: u16, times: usize) {
    let other = registry(MEDDLED, port);
    for number in 0..times {
        let reason = format!("{number}");
        let freeze = (number % 2 == 0).then_some((reason.as_str(), "alice", None));
        other.set_freeze("production", freeze).unwrap();
    }
}

// The reply of our write is lost, others write, and only then we ask again.
#[test]
fn a_lost_reply_is_no_lost_lock_whatever_others_wrote_meanwhile_needs_dynalite() {
    let few: fn(u16) = |port| others_write(port, 4);
    // More than an item remembers.
    let many: fn(u16) = |port| others_write(port, 12);
    for (meddle, answer) in [(few, "granted"), (many, "already")] {
        let Some(emulator) = dynalite() else { return };
        registry_dynamodb::set_up(address(MEDDLED, emulator.port), &SystemClock::default())
            .unwrap();
        let mischief = Mischief {
            meddle: Some(meddle),
            ..Mischief::default()
        };
        let (port, lost) = proxy::start(emulator.port, mischief);
        let ours = registry(MEDDLED, port);
        let found = register(&ours, "production", "a", &["Stack"]);
        assert_eq!(holder(&found), answer);
        assert!(lost.load(Ordering::SeqCst) > 0);
        let slot = ours.snapshot().unwrap().slots["production"].clone();
        assert_eq!(slot.holds.len(), 1);
        let (Registration::Granted(entry) | Registration::Already(entry)) = found else {
            panic!("{found:?}")
        };
        assert_eq!(slot.holds[0].fencing_token, entry.fencing_token);
        assert_eq!(Some(slot.last_token), entry.fencing_token);
        assert_eq!(slot.freeze, None);
    }
}

#[test]
fn what_has_ended_moves_out_when_the_item_grows_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let table = new_table(emulator.port);
    let registry = registry(&table, emulator.port);
    let reason = "x".repeat(1000);
    for number in 0..40 {
        let id = format!("d-{number}");
        let mut end = end(&id);
        end.reason = Some(reason.clone());
        if number % 2 == 0 {
            end.ending = Ending::Failed;
        }
        assert_eq!(
            holder(&register(&registry, "production", &id, &["Stack"])),
            "granted"
        );
        registry.end(&end).unwrap();
    }
    let item = slot_item(emulator.port, &table);
    let body = item["Item"]["body"]["S"].as_str().unwrap();
    assert!(body.len() <= 16 * 1024, "{} bytes", body.len());
    for number in 0..40 {
        let found = registry
            .find(&format!("d-{number}").parse().unwrap())
            .unwrap();
        match found {
            Found::Failed(entry) if number % 2 == 0 => {
                assert_eq!(entry.ended.unwrap().reason.as_ref(), Some(&reason));
            }
            Found::Ended(tombstone) if number % 2 == 1 => {
                assert_eq!(tombstone.ended.reason.as_ref(), Some(&reason));
            }
            other => panic!("d-{number}: {other:?}"),
        }
    }
    // A purge reaches what has moved out, and so does a new registration.
    let mut purge = end("d-0");
    purge.purge = true;
    assert!(registry.end(&purge).unwrap()[0].1.purged.is_some());
    assert!(matches!(
        registry.find(&"d-0".parse().unwrap()).unwrap(),
        Found::Ended(_)
    ));
    assert_eq!(
        holder(&register(&registry, "production", "d-2", &["Stack"])),
        "granted"
    );
    assert!(matches!(
        registry.find(&"d-2".parse().unwrap()).unwrap(),
        Found::Held(_)
    ));
    let waiter = ask("d-1");
    registry.enqueue("production", &waiter).unwrap();
    let polled = registry.poll(
        "production",
        &waiter,
        &["Stack".to_owned()],
        &no_stack(&["Stack"]),
    );
    assert!(matches!(
        polled.unwrap().answer,
        registry_core::slot::Poll::Waiting(..)
    ));
}

fn slot_key() -> Value {
    json!({"pk": {"S": "o/r/production"}, "sk": {"S": "SLOT"}})
}

fn slot_item(port: u16, table: &str) -> Value {
    let question = json!({"TableName": table, "Key": slot_key(), "ConsistentRead": true});
    raw(port, "GetItem", &question)
}

#[test]
fn what_a_newer_version_wrote_survives_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let table = new_table(emulator.port);
    let registry = registry(&table, emulator.port);
    register(&registry, "production", "a", &["Stack"]);
    let mut item = slot_item(emulator.port, &table)["Item"].clone();
    let mut body: Value = serde_json::from_str(item["body"]["S"].as_str().unwrap()).unwrap();
    body["deployments"][0]["colour"] = json!("blue");
    body["environments"]["production"]["mood"] = json!("good");
    item["body"]["S"] = json!(body.to_string());
    item["weather"] = json!({"S": "fine"});
    raw(
        emulator.port,
        "PutItem",
        &json!({"TableName": table, "Item": item}),
    );

    registry
        .set_freeze("production", Some(("audit", "alice", None)))
        .unwrap();
    let item = slot_item(emulator.port, &table)["Item"].clone();
    assert_eq!(item["weather"]["S"], "fine");
    let body = item["body"]["S"].as_str().unwrap();
    assert!(
        body.contains("blue") && body.contains("mood") && body.contains("audit"),
        "{body}"
    );

    let newer = json!({"TableName": table, "Key": slot_key(),
        "UpdateExpression": "SET #f = :two", "ExpressionAttributeNames": {"#f": "format"},
        "ExpressionAttributeValues": {":two": {"N": "2"}}});
    raw(emulator.port, "UpdateItem", &newer);
    let error = registry.snapshot().unwrap_err();
    assert!(matches!(error, StoreError::Wrong(_)), "{error}");
}

#[test]
fn an_item_that_is_not_json_makes_the_registry_unavailable_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let table = new_table(emulator.port);
    let registry = registry(&table, emulator.port);
    register(&registry, "production", "a", &["Stack"]);
    let spoil = json!({"TableName": table, "Key": slot_key(),
        "UpdateExpression": "SET body = :x", "ExpressionAttributeValues": {":x": {"S": "oops"}}});
    raw(emulator.port, "UpdateItem", &spoil);
    let error = registry.snapshot().unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert_eq!(
        slot_item(emulator.port, &table)["Item"]["body"]["S"],
        "oops"
    );
}

#[test]
fn an_item_deleted_by_hand_comes_back_with_the_holders_beat_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let table = new_table(emulator.port);
    let registry = registry(&table, emulator.port);
    let Registration::Granted(entry) = register(&registry, "production", "a", &["Stack"]) else {
        panic!()
    };
    for (pk, sk) in [
        ("o/r/production", "SLOT"),
        ("o/r", "INDEX"),
        ("o/r", "STACK#Stack"),
    ] {
        let key = json!({"pk": {"S": pk}, "sk": {"S": sk}});
        raw(
            emulator.port,
            "DeleteItem",
            &json!({"TableName": table, "Key": key}),
        );
    }
    assert!(registry.snapshot().unwrap().slots.is_empty());
    let a = "a".parse().unwrap();
    assert!(matches!(
        registry.beat(&a, Some(&entry)).unwrap(),
        BeatAnswer::StillHolds(_)
    ));
    assert_eq!(
        holder(&register(&registry, "production", "b", &["Stack"])),
        "held by a"
    );
    assert_eq!(
        holder(&register(&registry, "staging", "c", &["Stack"])),
        "held by a"
    );
}

#[test]
fn too_long_a_queue_is_told_and_changes_nothing_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let table = new_table(emulator.port);
    let store = store(&table, emulator.port, 0);
    let mut length = 0;
    let error = loop {
        let answer = store.update(
            Touches {
                environment: "production",
                id: None,
                stacks: &[],
            },
            &mut |slot, _, now| {
                for number in 0..20 {
                    slot.enqueue(&ask(&format!("waiter-{length}-{number}")), now);
                }
            },
        );
        match answer {
            Ok(()) => length += 20,
            Err(error) => break error,
        }
        assert!(length < 10_000);
    };
    let StoreError::Wrong(sentence) = &error else {
        panic!("{error:?}")
    };
    assert!(sentence.contains("40960 is the most"), "{sentence}");
    assert_eq!(
        store.snapshot().unwrap().slots["production"].queue.len(),
        length
    );
    // Fill it to the last place: whoever is served then has room to become the holder, to beat and to end.
    let registry = Registry::over(Box::new(store));
    while registry
        .enqueue("production", &ask(&format!("waiter-last-{length}")))
        .is_ok()
    {
        length += 1;
    }
    let mut long = request("waiter-0-0", &["Stack", "Another", "Third"]);
    long.workflow_url = Some(format!("https://example.com/{}", "x".repeat(1000)));
    let stacks = ["Stack", "Another", "Third"];
    let answer = registry.register("production", &long, &no_stack(&stacks));
    assert_eq!(holder(&answer.unwrap().answer), "granted");
    let id = "waiter-0-0".parse().unwrap();
    assert!(matches!(
        registry.beat(&id, None).unwrap(),
        BeatAnswer::StillHolds(_)
    ));
    registry.end(&end("waiter-0-0")).unwrap();
    let queue = &registry.snapshot().unwrap().slots["production"].queue;
    assert_eq!(queue.len(), length - 1);
}

#[test]
fn a_table_that_asks_to_go_slower_is_busy_and_a_stop_ends_the_wait() {
    let port = slow::throttled();
    let hasty = address("table", port).with_patience(Duration::from_millis(1));
    let busy = DynamoStore::new(hasty, Arc::new(SystemClock::default())).unwrap();
    let error = Registry::over(Box::new(busy))
        .register(
            "production",
            &request("a", &["Stack"]),
            &no_stack(&["Stack"]),
        )
        .unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error:?}");
    assert!(
        error.to_string().starts_with("the registry is busy: "),
        "{error}"
    );

    let stop = StopSignal::default();
    stop.stop(15);
    let clock = SystemClock::new(stop);
    let stopped = DynamoStore::new(address("table", port), Arc::new(clock)).unwrap();
    assert!(matches!(
        stopped.snapshot().unwrap_err(),
        StoreError::Stopped
    ));
}

#[test]
fn a_change_that_changes_nothing_writes_nothing_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let table = new_table(emulator.port);
    let registry = registry(&table, emulator.port);
    register(&registry, "production", "a", &["Stack"]);
    let before = slot_item(emulator.port, &table);
    register(&registry, "production", "a", &["Stack"]);
    register(&registry, "production", "b", &["Stack"]);
    assert_eq!(slot_item(emulator.port, &table), before);
    let seen = Mutex::new(Timestamp::default());
    let store = store(&table, emulator.port, 0);
    let touches = Touches {
        environment: "never-used",
        id: None,
        stacks: &[],
    };
    store
        .update(touches, &mut |_, _, now| *seen.lock().unwrap() = now.at)
        .unwrap();
    assert!(*seen.lock().unwrap() > Timestamp::default());
    assert_eq!(registry.snapshot().unwrap().slots.len(), 1);
}
