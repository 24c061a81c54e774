//! stdout is JSON wherever the contract says so: every such command, whatever CloudFormation says and in whatever state the
//! registry is. A workflow reads it with `jq`, which fails on nothing at all as much as on nonsense.

use end_to_end::{ID, Outcome, STACK, World};
use serde_json::{Value, json};

use crate::decision::{Says, each_row, held_world, rows, said, say};
use crate::registry_trouble::{UNUSABLE, as_mortal, locked_world, unusable_world};
use crate::world;

const OTHER: &str = "20260114-130000-def456";

/// A command whose stdout is JSON, and the field that must not be true where it exits with anything but 0.
type Line = (&'static [&'static str], Option<&'static str>);

const COORDINATOR: [Line; 10] = [
    (
        &["deployment-coordinator", "can_deploy", "production"],
        Some("can_deploy"),
    ),
    (
        &[
            "deployment-coordinator",
            "register",
            OTHER,
            "12345",
            "production",
        ],
        Some("registered"),
    ),
    (
        &["deployment-coordinator", "wait", "production", "1ms"],
        None,
    ),
    (
        &["deployment-coordinator", "get_active", "production"],
        None,
    ),
    (&["deployment-coordinator", "get_active"], None),
    (&["deployment-coordinator", "verify", OTHER], Some("holds")),
    (
        &["deployment-coordinator", "status", "--format", "json"],
        None,
    ),
    (
        &[
            "deployment-coordinator",
            "freeze",
            "staging",
            "--reason",
            "why",
        ],
        None,
    ),
    (&["deployment-coordinator", "thaw", "staging"], None),
    (&["deployment-coordinator", "cleanup", OTHER], None),
];

const OTHERS: [Line; 5] = [
    (
        &["registry-fallback", "can_deploy", "production"],
        Some("can_deploy"),
    ),
    (&["registry-fallback", "get_active"], None),
    (&["deployment-time-estimator", "collect", STACK], None),
    (
        &["deployment-time-estimator", "estimate", ID, STACK, "15"],
        None,
    ),
    (
        &["deployment-time-estimator", "update", ID, "25", STACK],
        None,
    ),
];

fn lines() -> impl Iterator<Item = Line> {
    COORDINATOR.into_iter().chain(OTHERS)
}

/// Every document is an object, there is at least one, and none says yes where the exit status does not.
fn check(outcome: &Outcome, yes: Option<&str>, context: &str) {
    let outcome = outcome.clone().in_order();
    let documents = outcome.json_documents();
    assert!(!documents.is_empty(), "{context}\n{outcome}");
    for document in documents {
        assert!(document.is_object(), "{context}\n{outcome}");
        if let Some(field) = yes.filter(|_| outcome.code != Some(0)) {
            assert_ne!(document[field], json!(true), "{context}\n{outcome}");
        }
    }
}

/// Runs every line. Most of the time is spent waiting, for an answer or for the lock.
fn all_at_once(world: &World, context: &str) {
    std::thread::scope(|scope| {
        for (words, yes) in lines() {
            scope.spawn(move || check(&world.run(words), yes, context));
        }
    });
}

#[test]
fn whatever_cloudformation_says() {
    for make in [world as fn() -> World, held_world] {
        each_row(make, |world, says, _| {
            all_at_once(world, &format!("{says:?}"));
        });
    }
}

#[test]
fn whatever_state_the_registry_is_in() {
    for how in UNUSABLE {
        for says in [
            Says::Status("UPDATE_COMPLETE"),
            Says::Status("UPDATE_IN_PROGRESS"),
            Says::Trouble(simulators::Trouble::AccessDenied),
        ] {
            let mut world = unusable_world(how);
            say(&mut world, &says);
            for required in [None, Some("true")] {
                if let Some(required) = required {
                    world.set("REGISTRY_REQUIRED", required);
                }
                for (words, yes) in lines() {
                    let context = format!("{how}, {says:?}, required: {required:?}");
                    check(&as_mortal(&world, words), yes, &context);
                }
            }
        }
    }
}

#[test]
fn also_of_a_registry_whose_lock_somebody_keeps() {
    let mut world = locked_world();
    said(&mut world);
    all_at_once(&world, "locked");
}

#[test]
fn what_cannot_be_estimated_is_null_and_says_why() {
    let mut world = world();
    for (says, _) in rows() {
        let (Says::Trouble(_) | Says::NoCredentials | Says::Unreachable) = says else {
            continue;
        };
        say(&mut world, &says);
        let estimate = ["deployment-time-estimator", "estimate", ID, STACK, "15"];
        let outcome = world.run(&estimate).expect(2);
        let answer = outcome.json();
        assert_eq!(answer["correlation_id"], json!(ID), "{outcome}");
        assert_eq!(answer["stack_name"], json!(STACK), "{outcome}");
        assert_eq!(answer["stack_status"], json!("UNKNOWN"), "{outcome}");
        assert_eq!(answer["elapsed_minutes"], json!(15), "{outcome}");
        for unknown in [
            "estimated_remaining_minutes",
            "confidence_interval",
            "estimated_total_minutes",
            "estimated_completion_time",
        ] {
            assert_eq!(
                answer.get(unknown),
                Some(&Value::Null),
                "{unknown} {outcome}"
            );
        }
        let why = answer["error"].as_str().unwrap_or_default();
        assert!(!why.is_empty() && outcome.stderr.contains(why), "{outcome}");
        said(&mut world);
    }
}

#[test]
fn one_stack_that_cannot_be_collected_does_not_keep_the_others_from_it() {
    let world = world();
    world
        .cloudformation
        .add_stack(simulators::Stack::new(STACK).status("UPDATE_COMPLETE"));
    let denied = simulators::Fault::new(simulators::Trouble::AccessDenied)
        .where_body_has("StackName=Denied");
    world.cloudformation.fault(denied);
    let stacks = format!("Denied,{STACK}");
    let outcome = world
        .run(&["deployment-time-estimator", "collect", &stacks])
        .expect(2);
    let answers = outcome.json();
    assert_eq!(
        answers["stacks"][0]["stack_name"],
        json!("Denied"),
        "{outcome}"
    );
    assert!(answers["stacks"][0]["error"].is_string(), "{outcome}");
    assert_eq!(
        answers["stacks"][1]["stack_name"],
        json!(STACK),
        "{outcome}"
    );
    assert_eq!(answers["stacks"][1].get("error"), None, "{outcome}");
}

#[test]
fn where_the_registrys_address_makes_no_sense() {
    let mut world = world();
    world.set("REGISTRY_URL", "ftp://somewhere");
    all_at_once(&world, "REGISTRY_URL=ftp://somewhere");
}
