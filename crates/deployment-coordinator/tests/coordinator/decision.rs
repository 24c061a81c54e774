//! The contract's table, through the program: every state of a stack, every kind of error, every state of the registry.

use simulators::{Fault, Stack, Trouble};

use crate::room::{Room, STACK, STAGING};

#[test]
fn every_state_with_a_free_registry() {
    let room = Room::new();
    room.run(&["can_deploy", "production"])
        .exits(0)
        .reason("NO_STACK_EXISTS");
    for (status, code, reason) in [
        ("CREATE_COMPLETE", 0, "STACK_IDLE"),
        ("UPDATE_ROLLBACK_COMPLETE", 0, "STACK_IDLE"),
        ("IMPORT_ROLLBACK_COMPLETE", 0, "STACK_IDLE"),
        ("ROLLBACK_COMPLETE", 0, "STACK_NEEDS_CLEANUP"),
        ("UPDATE_ROLLBACK_FAILED", 0, "STACK_NEEDS_CLEANUP"),
        ("UPDATE_IN_PROGRESS", 1, "ACTIVE_DEPLOYMENT_IN_PROGRESS"),
        ("DELETE_IN_PROGRESS", 1, "ACTIVE_DEPLOYMENT_IN_PROGRESS"),
        (
            "NEVER_HEARD_OF_IN_PROGRESS",
            1,
            "ACTIVE_DEPLOYMENT_IN_PROGRESS",
        ),
        ("NEVER_HEARD_OF", 2, "STATUS_UNKNOWN"),
    ] {
        room.stack(status);
        let ran = room
            .run(&["can_deploy", "production"])
            .exits(code)
            .reason(reason);
        let json = ran.json();
        assert_eq!(json["can_deploy"], code == 0, "{status}");
        assert_eq!(json["source"], "cloudformation");
        assert_eq!(json["scope"], "machine");
        assert_eq!(json["warning"].is_string(), reason == "STACK_NEEDS_CLEANUP");
        assert_eq!(json["active_deployment"].is_object(), code == 1);
    }
    // Nothing was written by asking without an id.
    assert!(!room.file().exists());
}

#[test]
fn what_cannot_be_asked_is_never_a_yes() {
    let room = Room::new();
    room.stack("UPDATE_COMPLETE");
    for trouble in [
        Trouble::AccessDenied,
        Trouble::ExpiredToken,
        Trouble::InvalidToken,
        Trouble::Throttling,
        Trouble::NotItsFormat,
        Trouble::Reset,
    ] {
        room.aws.clear_faults();
        room.aws.fault(Fault::new(trouble.clone()));
        let ran = room
            .run(&["can_deploy", "production"])
            .exits(2)
            .reason("STATUS_UNKNOWN");
        assert_eq!(ran.json()["can_deploy"], false, "{trouble:?}");
        let registered = room.register("a").exits(2);
        assert_eq!(registered.json()["registered"], false, "{trouble:?}");
    }
    assert!(!room.file().exists());
}

#[test]
fn no_credentials_is_told_in_words() {
    let mut room = Room::new();
    room.set("AWS_ACCESS_KEY_ID", "")
        .set("AWS_SECRET_ACCESS_KEY", "");
    room.run(&["can_deploy", "production"])
        .exits(2)
        .says("no AWS credentials found")
        .reason("STATUS_UNKNOWN");
}

#[test]
fn held_by_another_is_a_no_whatever_cloudformation_says() {
    let room = Room::new();
    room.register("holder").exits(0);
    for prepare in [
        (|room: &Room| room.stack("CREATE_COMPLETE")) as fn(&Room),
        |room| room.stack("ROLLBACK_COMPLETE"),
        |room| room.stack("NEVER_HEARD_OF"),
        |room| room.aws.fault(Fault::new(Trouble::AccessDenied)),
    ] {
        prepare(&room);
        let ran = room
            .run_as("other", &["can_deploy", "production"])
            .exits(1)
            .reason("ACTIVE_DEPLOYMENT_IN_PROGRESS");
        let active = &ran.json()["active_deployment"];
        assert_eq!(active["correlation_id"], "holder");
        assert_eq!(active["source"], "registry");
        assert_eq!(active["status"], "IN_PROGRESS");
    }
}

#[test]
fn an_id_never_blocks_itself() {
    let room = Room::new();
    room.run_as("me", &["can_deploy", "production"]).exits(0);
    // Reserved for the caller: still a yes for it, a no for others.
    room.run_as("me", &["can_deploy", "production"]).exits(0);
    room.run_as("other", &["can_deploy", "production"])
        .exits(1)
        .reason("QUEUED_AHEAD");
    // Reserved, but a stack is moving: somebody else's doing.
    room.stack("UPDATE_IN_PROGRESS");
    room.run_as("me", &["can_deploy", "production"]).exits(1);
    room.stack("UPDATE_COMPLETE");
    room.register("me").exits(0);
    room.stack("UPDATE_IN_PROGRESS");
    room.run_as("me", &["can_deploy", "production"])
        .exits(0)
        .reason("HELD_BY_CALLER");
    room.aws.fault(Fault::new(Trouble::AccessDenied));
    room.run_as("me", &["can_deploy", "production"]).exits(2);
}

#[test]
fn several_stacks_are_all_asked() {
    let room = Room::new();
    room.stack("UPDATE_COMPLETE");
    room.aws
        .add_stack(Stack::new("Second").status("UPDATE_IN_PROGRESS"));
    let both = format!("{STACK},Second");
    let ran = room.run(&["can_deploy", "production", &both]).exits(1);
    assert_eq!(ran.json()["active_deployment"]["stack_name"], "Second");
    room.run(&["can_deploy", "production", STACK]).exits(0);
}

#[test]
fn a_stack_that_another_environment_holds_is_refused() {
    let room = Room::new();
    room.register("a").exits(0);
    room.run(&["register", "b", "7", "staging", STACK])
        .exits(1)
        .reason("ACTIVE_DEPLOYMENT_IN_PROGRESS");
    room.run_as("b", &["can_deploy", "staging", STACK]).exits(1);
    room.run(&["register", "b", "7", "staging", STAGING])
        .exits(0);
}

#[test]
fn a_change_set_that_is_about_to_be_executed_blocks_for_ten_minutes() {
    let room = Room::new();
    room.aws.add_stack(
        Stack::new(STACK)
            .status("REVIEW_IN_PROGRESS")
            .created_ago(300.0),
    );
    room.run(&["can_deploy", "production"]).exits(1);
    room.aws.add_stack(
        Stack::new(STACK)
            .status("REVIEW_IN_PROGRESS")
            .created_ago(660.0),
    );
    room.run(&["can_deploy", "production"])
        .exits(0)
        .reason("STACK_NEEDS_CLEANUP");
}

#[test]
fn what_cloudformation_works_on_is_named_by_its_tag() {
    let room = Room::new();
    room.aws.add_stack(
        Stack::new(STACK)
            .status("UPDATE_IN_PROGRESS")
            .tag("CorrelationId", "tagged-1"),
    );
    let ran = room.run(&["can_deploy", "production"]).exits(1);
    assert_eq!(
        ran.json()["active_deployment"]["correlation_id"],
        "tagged-1"
    );
    assert_eq!(ran.json()["active_deployment"]["source"], "cloudformation");
    let ran = room.run(&["get_active", "production"]).exits(0);
    assert_eq!(ran.json()["correlation_id"], "tagged-1");
}
