//! How much longer the active deployment will take, in the answers.

use simulators::{Event, Fault, Play, Trouble};

use crate::room::{Room, STACK};

fn updating(room: &Room) {
    room.stack("UPDATE_COMPLETE");
    room.aws.play(
        STACK,
        &[
            Event::own(0.0, "UPDATE_IN_PROGRESS"),
            Event::resource(1.0, "Db", "AWS::RDS::DBInstance", "CREATE_IN_PROGRESS"),
            Event::resource(900.0, "Db", "AWS::RDS::DBInstance", "CREATE_COMPLETE"),
            Event::own(910.0, "UPDATE_COMPLETE"),
        ],
        &Play::default(),
    );
}

#[test]
fn what_is_in_progress_is_estimated() {
    let room = Room::new();
    room.register("a").exits(0);
    updating(&room);
    crate::room::until("the database is in progress", || {
        let ran = room.run_as("b", &["can_deploy", "production"]).exits(1);
        let active = ran.json()["active_deployment"].clone();
        assert_eq!(active["status"], "UPDATE_IN_PROGRESS");
        assert_eq!(active["source"], "registry");
        // A database takes more than a few minutes wherever one is created.
        active["estimated_remaining_minutes"].as_u64() > Some(3)
    });
    let found = room.run(&["get_active", "production"]).exits(0);
    assert!(found.json()["estimated_remaining_minutes"].is_u64());
}

#[test]
fn what_has_not_begun_takes_what_the_last_ones_took() {
    let room = Room::new();
    room.stack("UPDATE_COMPLETE");
    room.register("a").exits(0);
    let ran = room.run(&["get_active", "production"]).exits(0);
    assert!(
        ran.json()["estimated_remaining_minutes"].is_null(),
        "{ran:?}"
    );
    room.write_beside(
        "deployment-history.json",
        &format!(r#"{{"deployments": [{{"correlation_id": "x", "stack_name": "{STACK}", "duration_minutes": 25, "completed_at": "2026-01-14T12:59:56Z"}}]}}"#),
    );
    let ran = room.run(&["get_active", "production"]).exits(0);
    assert_eq!(ran.json()["estimated_remaining_minutes"], 25, "{ran:?}");
}

#[test]
fn an_aws_that_did_not_answer_is_not_asked_for_numbers() {
    let room = Room::new();
    room.register("a").exits(0);
    room.aws.fault(Fault::new(Trouble::AccessDenied));
    room.aws.forget_requests();
    room.run_as("b", &["can_deploy", "production"]).exits(1);
    assert_eq!(room.aws.requests("DescribeStacks"), 1);
}
