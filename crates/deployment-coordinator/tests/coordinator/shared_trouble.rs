//! A shared registry that cannot be used: what the program says and does. Never a local file.

use serde_json::{Value, json};

use crate::emulator::dynalite;
use crate::proxy::{self, Mischief};
use crate::raw::raw;
use crate::room::Room;
use crate::shared::{URL, room_at};
use crate::throttle;

const DENIED: &str = r#"{"__type":"x#AccessDeniedException","Message":"User: arn:aws:iam::1:user/x is not authorized"}"#;
const THROTTLED: &str =
    r#"{"__type":"x#ProvisionedThroughputExceededException","message":"slow down"}"#;
const CONDITION: &str =
    r#"{"__type":"x#ConditionalCheckFailedException","message":"The conditional request failed"}"#;
const OTHER_REGION: &str = r#"{"__type":"x#InvalidSignatureException","message":"Credential should be scoped to a valid region."}"#;
const EXPIRED: &str =
    r#"{"__type":"x#ExpiredTokenException","message":"The security token is expired"}"#;

/// A port that nobody listens on.
fn nobody() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// The findings of `doctor` about the registry that are no good news.
fn complaints(room: &Room) -> Vec<Value> {
    let ran = room.run(&["doctor", "production", "--format", "json"]);
    let found = ran.json();
    found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["group"] == "registry" && finding["health"] != "good")
        .cloned()
        .collect()
}

#[track_caller]
fn doctor_says(room: &Room, words: &str, fix: &str) {
    let found = complaints(room);
    let [one] = found.as_slice() else {
        panic!("not one complaint: {found:?}");
    };
    assert_eq!(one["health"], "bad", "{one}");
    for (part, wanted) in [("words", words), ("fix", fix)] {
        let text = one[part].as_str().unwrap();
        assert!(text.contains(wanted), "no {wanted:?} in {one}");
        assert!(
            !text.contains('\n') && !text.contains("deployments.json"),
            "{one}"
        );
    }
}

fn broken(port: u16) -> Room {
    let room = room_at(port);
    room.stack("UPDATE_COMPLETE");
    room
}

#[test]
fn doctor_names_what_is_wrong_with_the_table_and_the_fix() {
    for (port, words, fix) in [
        (
            throttle::always(400, DENIED),
            "AWS denied dynamodb:GetItem on the table deployment-registry",
            "allow the action in the role's IAM policy",
        ),
        (
            throttle::always(400, OTHER_REGION),
            "the region us-east-1 is not the one that DynamoDB answers for",
            "set REGISTRY_URL=dynamodb://TABLE?region=REGION",
        ),
        (
            throttle::always(400, EXPIRED),
            "the AWS credentials for the shared registry have expired",
            "renew them",
        ),
        (
            nobody(),
            "DynamoDB in us-east-1 could not be reached",
            "see to the network, the region",
        ),
        (
            throttle::always(200, "<html>hello</html>"),
            "an answer that could not be used",
            "is a proxy between?",
        ),
    ] {
        doctor_says(&broken(port), words, fix);
    }
    let mut room = broken(nobody());
    room.set("GITHUB_REPOSITORY", "");
    doctor_says(&room, "needs a namespace", "REGISTRY_NAMESPACE");
    room.set("REGISTRY_URL", "redis://x");
    let found = complaints(&room);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0]["words"]
            .as_str()
            .unwrap()
            .contains("this scheme is not known"),
        "{found:?}"
    );
}

#[test]
fn doctor_tells_a_table_that_is_none_from_one_that_may_not_be_written_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let mut room = broken(emulator.port);
    doctor_says(
        &room,
        "there is no table deployment-registry in the region us-east-1",
        "deployment-coordinator init makes a table",
    );
    room.run(&["init"]);
    assert_eq!(complaints(&room), Vec::<Value>::new());
    for operation in ["PutItem", "UpdateItem"] {
        let mischief = Mischief {
            refuse: Some((operation, DENIED)),
            ..Mischief::default()
        };
        let (port, _) = proxy::start(emulator.port, mischief);
        doctor_says(
            &broken(port),
            &format!("AWS denied dynamodb:{operation} on the table deployment-registry"),
            "IAM policy",
        );
    }
    // Asking changed nothing.
    let all = json!({"TableName": "deployment-registry"});
    assert_eq!(raw(emulator.port, "Scan", &all)["Count"], 0);
    let schema = json!({"TableName": "other-keys", "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]});
    raw(emulator.port, "CreateTable", &schema);
    room.set("REGISTRY_URL", "dynamodb://other-keys");
    doctor_says(
        &room,
        "the table other-keys has other keys than pk and sk",
        "set REGISTRY_URL",
    );
}

#[test]
fn a_store_that_is_down_falls_back_to_cloudformation_and_never_to_a_file() {
    for (what, port) in [
        ("nobody there", nobody()),
        ("denied", throttle::always(400, DENIED)),
        ("expired", throttle::always(400, EXPIRED)),
        ("nonsense", throttle::always(200, "<html>hello</html>")),
    ] {
        let mut room = broken(port);
        let falling = "Registry unavailable, falling back to CloudFormation-only coordination";
        let ran = room.register("a").exits(0).says(falling);
        assert_eq!(ran.json()["registered"], false, "{what}");
        let ran = room
            .run(&["can_deploy", "production"])
            .exits(0)
            .says(falling);
        assert_eq!(ran.json()["source"], "cloudformation_fallback", "{what}");
        assert_eq!(ran.json()["exclusive"], false, "{what}");
        let ran = room.run_as("a", &["wait", "production", "1s"]).exits(0);
        assert!(ran.stderr.contains(falling), "{what}: {ran:?}");
        room.run(&["status"]).exits(2);
        room.run(&["verify", "a"]).exits(2);
        room.run(&["cleanup", "a"]).exits(2);
        assert!(!room.path(".deployment-registry").exists(), "{what}");
        room.set("REGISTRY_REQUIRED", "true");
        let ran = room.register("a").exits(2);
        assert!(!ran.stderr.contains("falling back"), "{what}: {ran:?}");
        let ran = room.run(&["can_deploy", "production"]).exits(2);
        assert!(!ran.stderr.contains("falling back"), "{what}: {ran:?}");
        assert!(!room.path(".deployment-registry").exists(), "{what}");
    }
}

#[test]
fn who_never_gets_through_gives_up_with_2_and_a_sentence_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    room_at(emulator.port).run(&["init"]);
    for (operation, body) in [
        ("PutItem", CONDITION),
        ("PutItem", THROTTLED),
        ("BatchGetItem", THROTTLED),
    ] {
        let mischief = Mischief {
            refuse: Some((operation, body)),
            ..Mischief::default()
        };
        let (port, _) = proxy::start(emulator.port, mischief);
        let mut room = broken(port);
        room.set("REGISTRY_PATIENCE", "500ms");
        let ran = room.register("a").exits(2);
        assert!(ran.stderr.contains("the registry is busy"), "{ran:?}");
        assert!(!ran.stderr.contains("falling back"), "{ran:?}");
        let errors = ran.stderr.matches("[ERROR]").count();
        assert_eq!(errors, 1, "{ran:?}");
        let ran = room.run_as("a", &["can_deploy", "production"]).exits(2);
        assert!(ran.stderr.contains("the registry is busy"), "{ran:?}");
        assert!(!room.path(".deployment-registry").exists());
        // And nothing was taken.
        let clear = room_at(emulator.port);
        let status = clear.run(&["status", "--format", "json"]).exits(0);
        assert!(!status.stdout.contains("\"a\""), "{operation}: {status:?}");
    }
    // Who asks reads everything; `register` has its answer without.
    let mischief = Mischief {
        refuse: Some(("GetItem", THROTTLED)),
        ..Mischief::default()
    };
    let (port, _) = proxy::start(emulator.port, mischief);
    let mut room = broken(port);
    room.set("REGISTRY_PATIENCE", "500ms");
    let ran = room.run_as("a", &["can_deploy", "production"]).exits(2);
    assert!(ran.stderr.contains("the registry is busy"), "{ran:?}");
    room.register("a").exits(0);
    room.register("b")
        .exits(1)
        .reason("ACTIVE_DEPLOYMENT_IN_PROGRESS");
    let mut room = broken(emulator.port);
    room.set("REGISTRY_PATIENCE", "soon");
    room.register("a").exits(2).says("REGISTRY_PATIENCE");
}

#[test]
fn a_holder_is_still_seen_where_nothing_can_be_written_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let room = broken(emulator.port);
    room.run(&["init", URL]);
    room.register("a").exits(0);
    for (body, code) in [(THROTTLED, 1), (CONDITION, 1), (DENIED, 1)] {
        let mischief = Mischief {
            refuse: Some(("PutItem", body)),
            ..Mischief::default()
        };
        let (port, _) = proxy::start(emulator.port, mischief);
        let mut other = broken(port);
        other.set("REGISTRY_PATIENCE", "300ms");
        let ran = other.register("b").exits(code);
        assert_eq!(
            ran.json()["active_deployment"]["correlation_id"],
            "a",
            "{ran:?}"
        );
    }
}

#[test]
fn status_shows_a_shared_registry_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let (here, there) = (broken(emulator.port), broken(emulator.port));
    here.run(&["init"]);
    let token = here.register("a").exits(0).json()["fencing_token"].clone();
    there
        .run(&["freeze", "staging", "--reason", "audit"])
        .exits(0);
    there.run_as("b", &["wait", "production", "0s"]).exits(1);
    let status = there.run(&["status", "--format", "json"]).exits(0).json();
    assert_eq!(status["registry"], URL, "{status}");
    let environments = status["environments"].as_array().unwrap();
    let of = |name: &str| {
        let found = environments.iter().find(|one| one["environment"] == name);
        found
            .unwrap_or_else(|| panic!("no {name} in {status}"))
            .clone()
    };
    let text = of("production").to_string();
    assert!(
        text.contains("\"a\"") && text.contains(&token.to_string()),
        "{text}"
    );
    assert!(of("staging").to_string().contains("audit"), "{status}");
    there.run(&["status"]).exits(0);
}
