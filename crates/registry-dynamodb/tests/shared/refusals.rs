//! What goes wrong before anything can be decided: one sentence each, and the right kind of error.

use std::sync::Arc;
use std::time::{Duration, Instant};

use registry_core::clock::SystemClock;
use registry_core::slot::Registration;
use registry_core::store::{Store, StoreError};
use registry_dynamodb::{DynamoStore, set_up};
use serde_json::json;

use crate::emulator::dynalite;
use crate::fixture::{address, end, new_name, new_table, raw, register, registry};
use crate::moto::moto;
use crate::slow;
use crate::throttle;

fn refusal(table: &str, port: u16) -> StoreError {
    DynamoStore::new(address(table, port), Arc::new(SystemClock::default()))
        .unwrap()
        .snapshot()
        .unwrap_err()
}

fn check(error: &StoreError, kind: &str, words: &str) {
    let (found, sentence) = match error {
        StoreError::Wrong(sentence) => ("wrong", sentence.clone()),
        StoreError::Unavailable(sentence) => ("unavailable", sentence.clone()),
        StoreError::Busy { .. } | StoreError::Stopped => ("other", error.to_string()),
    };
    assert_eq!(found, kind, "{sentence}");
    assert!(sentence.contains(words), "{sentence}");
    assert!(!sentence.contains('\n'), "{sentence}");
}

#[test]
fn a_table_that_is_none_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let port = emulator.port;
    check(
        &refusal("no-such-table", port),
        "wrong",
        "there is no table no-such-table in the region us-east-1: create it with 'deployment-coordinator init'",
    );
    for (table, keys) in [
        ("one-key", vec![("pk", "S", "HASH")]),
        (
            "other-names",
            vec![("id", "S", "HASH"), ("sort", "S", "RANGE")],
        ),
        ("numbers", vec![("pk", "N", "HASH"), ("sk", "N", "RANGE")]),
    ] {
        let schema: Vec<_> = keys
            .iter()
            .map(|(name, _, kind)| json!({"AttributeName": name, "KeyType": kind}))
            .collect();
        let attributes: Vec<_> = keys
            .iter()
            .map(|(name, kind, _)| json!({"AttributeName": name, "AttributeType": kind}))
            .collect();
        let create = json!({"TableName": table, "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": schema, "AttributeDefinitions": attributes});
        raw(port, "CreateTable", &create);
        let error = set_up(address(table, port), &SystemClock::default()).unwrap_err();
        check(&error, "wrong", "and a registry has pk and sk");
        check(
            &refusal(table, port),
            "wrong",
            &format!("the table {table} has other keys than pk and sk"),
        );
    }
}

#[test]
fn answers_that_decide_nothing() {
    for (status, body, kind, words) in [
        (
            400,
            r#"{"__type":"x#AccessDeniedException","Message":"User: arn:aws:iam::1:user/x is not authorized"}"#,
            "unavailable",
            "AWS denied dynamodb:GetItem on the table my-table: AccessDeniedException: User: arn:aws:iam::1:user/x is not authorized",
        ),
        (
            400,
            r#"{"__type":"x#ExpiredTokenException","message":"The security token is expired"}"#,
            "unavailable",
            "have expired",
        ),
        (
            400,
            r#"{"__type":"x#InvalidSignatureException","message":"Credential should be scoped to a valid region."}"#,
            "wrong",
            "the region us-east-1 is not the one that DynamoDB answers for",
        ),
        (
            400,
            r#"{"__type":"x#ResourceNotFoundException","message":"Requested resource not found"}"#,
            "wrong",
            "there is no table my-table in the region us-east-1",
        ),
        (
            200,
            "<html>hello</html>",
            "unavailable",
            "could not be used",
        ),
        (503, "no service", "unavailable", "could not be used"),
        // An answer, but without a Date header: nobody's age could be told.
        (200, "{}", "unavailable", "no Date header"),
    ] {
        let port = throttle::always(status, body);
        check(&refusal("my-table", port), kind, words);
    }
}

#[test]
fn nobody_there() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    check(
        &refusal("my-table", port),
        "unavailable",
        "DynamoDB in us-east-1 could not be reached",
    );
}

#[test]
fn a_server_that_never_answers_is_given_up_in_time() {
    let port = slow::silent();
    let begun = Instant::now();
    check(
        &refusal("my-table", port),
        "unavailable",
        "could not be reached",
    );
    let took = begun.elapsed();
    assert!(took <= Duration::from_secs(21), "{took:?}");
}

#[test]
fn init_makes_the_table_and_twice_is_the_same_as_once_needs_moto() {
    let Some(emulator) = moto() else { return };
    let table = new_name();
    let clock = SystemClock::default();
    let first = set_up(address(&table, emulator.port), &clock).unwrap();
    assert!(first.created);
    assert_eq!(first.missing, Vec::<String>::new());
    let second = set_up(address(&table, emulator.port), &clock).unwrap();
    assert!(!second.created);
    assert_eq!(second.missing, Vec::<String>::new());
    let ttl = raw(
        emulator.port,
        "DescribeTimeToLive",
        &json!({"TableName": table}),
    );
    assert_eq!(ttl["TimeToLiveDescription"]["AttributeName"], "ttl");
}

#[test]
fn init_says_what_an_existing_table_lacks_needs_moto() {
    let Some(emulator) = moto() else { return };
    let create = json!({"TableName": "bare", "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"}]});
    raw(emulator.port, "CreateTable", &create);
    let setup = set_up(address("bare", emulator.port), &SystemClock::default()).unwrap();
    assert!(!setup.created);
    assert_eq!(setup.missing.len(), 2, "{:?}", setup.missing);
    assert!(
        setup.missing[0]
            .contains("aws dynamodb update-time-to-live --region us-east-1 --table-name bare")
    );
    assert!(setup.missing[1].contains("aws dynamodb update-continuous-backups"));
}

// dynalite gives no item back when a condition fails; moto, as AWS, does.
#[test]
fn a_refusal_may_carry_the_item_needs_moto() {
    let Some(emulator) = moto() else { return };
    let table = new_table(emulator.port);
    let mischief = crate::proxy::Mischief {
        lose_one_in: 3,
        ..Default::default()
    };
    let (port, lost) = crate::proxy::start(emulator.port, mischief);
    let registry = registry(&table, port);
    for round in 0..2 {
        let id = format!("d-{round}");
        let answer = register(&registry, "production", &id, &["Stack"]);
        assert!(matches!(answer, Registration::Granted(_)), "{answer:?}");
        let ended = registry.end(&end(&id)).unwrap();
        assert!(ended[0].1.hold.is_some(), "{ended:?}");
    }
    assert!(lost.load(std::sync::atomic::Ordering::SeqCst) >= 3);
}
