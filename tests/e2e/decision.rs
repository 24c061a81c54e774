//! The decision table of the contract, from argument to exit status: what CloudFormation says, crossed with what a working
//! registry says, asked by a stranger and by the holder.

use end_to_end::{ID, Outcome, STACK, World};
use serde_json::{Value, json};
use simulators::{Fault, Stack, Trouble};

use crate::world;

/// What CloudFormation says.
#[derive(Debug, Clone)]
pub(crate) enum Says {
    NoStack,
    Status(&'static str),
    /// `REVIEW_IN_PROGRESS`, so many seconds old.
    Review(f64),
    Trouble(Trouble),
    NoCredentials,
    Unreachable,
}

/// A row's meaning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Row {
    Missing,
    Idle,
    NeedsCleanup,
    InProgress,
    CannotTell,
}

pub(crate) fn rows() -> Vec<(Says, Row)> {
    let statuses = [
        ("CREATE_IN_PROGRESS", Row::InProgress),
        ("CREATE_FAILED", Row::NeedsCleanup),
        ("CREATE_COMPLETE", Row::Idle),
        ("ROLLBACK_IN_PROGRESS", Row::InProgress),
        ("ROLLBACK_FAILED", Row::NeedsCleanup),
        ("ROLLBACK_COMPLETE", Row::NeedsCleanup),
        ("DELETE_IN_PROGRESS", Row::InProgress),
        ("DELETE_FAILED", Row::NeedsCleanup),
        ("DELETE_COMPLETE", Row::Missing),
        ("UPDATE_IN_PROGRESS", Row::InProgress),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", Row::InProgress),
        ("UPDATE_COMPLETE", Row::Idle),
        ("UPDATE_FAILED", Row::NeedsCleanup),
        ("UPDATE_ROLLBACK_IN_PROGRESS", Row::InProgress),
        ("UPDATE_ROLLBACK_FAILED", Row::NeedsCleanup),
        (
            "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
            Row::InProgress,
        ),
        ("UPDATE_ROLLBACK_COMPLETE", Row::Idle),
        ("IMPORT_IN_PROGRESS", Row::InProgress),
        ("IMPORT_COMPLETE", Row::Idle),
        ("IMPORT_ROLLBACK_IN_PROGRESS", Row::InProgress),
        ("IMPORT_ROLLBACK_FAILED", Row::NeedsCleanup),
        ("IMPORT_ROLLBACK_COMPLETE", Row::Idle),
        // Never heard of.
        ("REFRESH_IN_PROGRESS", Row::InProgress),
        ("SUSPENDED", Row::CannotTell),
    ];
    let mut rows = vec![
        (Says::NoStack, Row::Missing),
        (Says::Review(60.0), Row::InProgress),
        (Says::Review(3600.0), Row::NeedsCleanup),
        (Says::NoCredentials, Row::CannotTell),
        (Says::Unreachable, Row::CannotTell),
    ];
    rows.extend(statuses.map(|(status, row)| (Says::Status(status), row)));
    let troubles = [
        Trouble::AccessDenied,
        Trouble::ExpiredToken,
        Trouble::InvalidToken,
        Trouble::Throttling,
        Trouble::Unavailable,
        Trouble::NotItsFormat,
        Trouble::Html,
        Trouble::EmptyBody,
        Trouble::HalfText,
        Trouble::Reset,
        Trouble::Close,
    ];
    rows.extend(troubles.map(|trouble| (Says::Trouble(trouble), Row::CannotTell)));
    rows
}

/// Goes through all rows, in several worlds at once: most of the time is the SDK's, waiting before it asks again.
pub(crate) fn each_row(make: impl Fn() -> World + Sync, check: impl Fn(&World, &Says, Row) + Sync) {
    const WORLDS: usize = 6;
    let rows = rows();
    let go = &|first: usize| {
        let mut world = make();
        said(&mut world);
        for (says, row) in rows.iter().skip(first).step_by(WORLDS) {
            say(&mut world, says);
            check(&world, says, *row);
            said(&mut world);
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..WORLDS)
            .map(|first| scope.spawn(move || go(first)))
            .collect();
        for thread in threads {
            // The test's own message has been printed by then.
            if let Err(why) = thread.join() {
                std::panic::resume_unwind(why);
            }
        }
    });
}

/// Makes CloudFormation say it.
pub(crate) fn say(world: &mut World, says: &Says) {
    let stack = Stack::new(STACK);
    match says {
        Says::NoStack => world.cloudformation.delete_stack(STACK),
        Says::Status("DELETE_COMPLETE") => {
            world
                .cloudformation
                .add_stack(stack.status("CREATE_COMPLETE"));
            world.cloudformation.delete_stack(STACK);
        }
        Says::Status(status) => world.cloudformation.add_stack(stack.status(status)),
        Says::Review(ago) => {
            let stack = stack
                .status("REVIEW_IN_PROGRESS")
                .created_ago(*ago)
                .operation_ago(*ago);
            world.cloudformation.add_stack(stack);
        }
        Says::Trouble(trouble) => world.cloudformation.fault(Fault::new(trouble.clone())),
        Says::NoCredentials => {
            world
                .unset("AWS_ACCESS_KEY_ID")
                .unset("AWS_SECRET_ACCESS_KEY");
        }
        // Nothing listens on port 1.
        Says::Unreachable => {
            world.set("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
        }
    }
}

/// Puts back what [`say`] changed.
pub(crate) fn said(world: &mut World) {
    let url = world.cloudformation.url();
    say(world, &Says::Status("UPDATE_COMPLETE"));
    world.cloudformation.clear_faults();
    world
        .set("AWS_ENDPOINT_URL", &url)
        .set("AWS_ACCESS_KEY_ID", "AKIASIMULATED0000000")
        .set(
            "AWS_SECRET_ACCESS_KEY",
            "simulated-secret-access-key-0123456789ab",
        );
}

/// One answer of the table.
pub(crate) fn check_answer(outcome: &Outcome, code: i32, reason: &str, context: &str) -> Value {
    assert_eq!(outcome.code, Some(code), "{context}\n{outcome}");
    let answer = outcome.json();
    assert_eq!(
        answer["can_deploy"],
        json!(code == 0),
        "{context}\n{outcome}"
    );
    assert_eq!(answer["reason"], json!(reason), "{context}\n{outcome}");
    assert!(
        answer["source"].is_string(),
        "every answer names its source: {context}\n{outcome}"
    );
    assert!(!outcome.stderr.contains("panicked"), "{context}\n{outcome}");
    answer
}

pub(crate) fn by_stack_alone(row: Row) -> (i32, &'static str) {
    match row {
        Row::Missing => (0, "NO_STACK_EXISTS"),
        Row::Idle => (0, "STACK_IDLE"),
        Row::NeedsCleanup => (0, "STACK_NEEDS_CLEANUP"),
        Row::InProgress => (1, "ACTIVE_DEPLOYMENT_IN_PROGRESS"),
        Row::CannotTell => (2, "STATUS_UNKNOWN"),
    }
}

pub(crate) fn check_warning(answer: &Value, row: Row, outcome: &Outcome) {
    let warning = answer["warning"].as_str().unwrap_or_default();
    if row == Row::NeedsCleanup {
        assert!(
            warning.contains("aws cloudformation"),
            "the exact next commands\n{outcome}"
        );
    }
}

pub(crate) fn check_active(answer: &Value, source: &str, outcome: &Outcome) {
    let active = &answer["active_deployment"];
    let fields = [
        "correlation_id",
        "environment",
        "stack_name",
        "status",
        "started_at",
        "elapsed_minutes",
        "estimated_remaining_minutes",
        "workflow_url",
        "source",
    ];
    for field in fields {
        assert!(
            active.get(field).is_some(),
            "active_deployment has {field}\n{outcome}"
        );
    }
    assert_eq!(active["source"], json!(source), "{outcome}");
    assert_eq!(active["environment"], json!("production"), "{outcome}");
}

pub(crate) const CAN_DEPLOY: [&str; 3] = ["deployment-coordinator", "can_deploy", "production"];
pub(crate) const FALLING_BACK: &str =
    "Registry unavailable, falling back to CloudFormation-only coordination";

#[test]
fn a_free_registry_leaves_it_to_cloudformation() {
    const REGISTRY: &str = ".deployment-registry/deployments.json";
    for registry in [None, Some("{\"deployments\":[]}")] {
        let fresh = || {
            let world = world();
            if let Some(text) = registry {
                world.write(REGISTRY, text);
            }
            world
        };
        each_row(fresh, |world, says, row| {
            let outcome = world.run(&CAN_DEPLOY).never_says(FALLING_BACK);
            let (code, reason) = by_stack_alone(row);
            let answer = check_answer(&outcome, code, reason, &format!("{says:?}"));
            check_warning(&answer, row, &outcome);
            if row == Row::InProgress {
                check_active(&answer, "cloudformation", &outcome);
            }
            if row == Row::CannotTell {
                assert!(
                    outcome.stderr.contains("[ERROR]"),
                    "the error is told in words: {outcome}"
                );
            }
            // With no id can_deploy changes nothing.
            assert_eq!(world.read(REGISTRY), registry.unwrap_or_default());
        });
    }
}

pub(crate) fn held_world() -> World {
    let mut world = world();
    say(&mut world, &Says::Status("UPDATE_COMPLETE"));
    let register = [
        "deployment-coordinator",
        "register",
        ID,
        "12345",
        "production",
    ];
    let entry = world.run(&register).expect(0).json();
    assert_eq!(entry["correlation_id"], json!(ID));
    world
}

#[test]
fn another_holder_means_no_whatever_cloudformation_says() {
    for caller in [None, Some("20260114-130000-def456")] {
        let held = || {
            let mut world = held_world();
            if let Some(id) = caller {
                world.set("CORRELATION_ID", id);
            }
            world
        };
        each_row(held, |world, says, _| {
            let outcome = world.run(&CAN_DEPLOY);
            let context = format!("{says:?}");
            let answer = check_answer(&outcome, 1, "ACTIVE_DEPLOYMENT_IN_PROGRESS", &context);
            check_active(&answer, "registry", &outcome);
            assert_eq!(answer["active_deployment"]["correlation_id"], json!(ID));
        });
    }
}

#[test]
fn the_holder_itself_may() {
    let held = || {
        let mut world = held_world();
        world.set("CORRELATION_ID", ID);
        world
    };
    each_row(held, |world, says, row| {
        let outcome = world.run(&CAN_DEPLOY);
        let code = if row == Row::CannotTell { 2 } else { 0 };
        assert_eq!(outcome.code, Some(code), "{says:?}\n{outcome}");
        assert_eq!(
            outcome.json()["can_deploy"],
            json!(code == 0),
            "{says:?}\n{outcome}"
        );
    });
}

#[test]
fn get_active_tells_the_holder() {
    each_row(held_world, |world, says, _| {
        for words in [
            &["deployment-coordinator", "get_active", "production"][..],
            &["deployment-coordinator", "get_active"],
        ] {
            let outcome = world.run(words);
            assert_eq!(outcome.code, Some(0), "{says:?}\n{outcome}");
            assert_eq!(
                outcome.json()["correlation_id"],
                json!(ID),
                "{says:?}\n{outcome}"
            );
        }
    });
}

#[test]
fn with_no_holder_get_active_tells_what_cloudformation_does() {
    each_row(world, |world, says, row| {
        let outcome = world.run(&["deployment-coordinator", "get_active", "production"]);
        let code = match row {
            Row::Missing | Row::Idle | Row::NeedsCleanup => 1,
            Row::InProgress => 0,
            Row::CannotTell => 2,
        };
        assert_eq!(outcome.code, Some(code), "{says:?}\n{outcome}");
        if code == 1 {
            assert_eq!(outcome.json(), json!({}), "{outcome}");
        }
    });
}

#[test]
fn no_question_hangs_longer_than_twenty_seconds() {
    for trouble in [Trouble::HangUnread, Trouble::Hang, Trouble::StallInBody] {
        let mut world = world();
        say(&mut world, &Says::Trouble(trouble.clone()));
        let begun = std::time::Instant::now();
        let outcome = world.run(&CAN_DEPLOY);
        check_answer(&outcome, 2, "STATUS_UNKNOWN", &format!("{trouble:?}"));
        // The rest is for a busy machine; without a limit the SDK alone waits for more than 80 s.
        assert!(
            begun.elapsed().as_secs() < 30,
            "{trouble:?} took {:?}\n{outcome}",
            begun.elapsed()
        );
    }
}
