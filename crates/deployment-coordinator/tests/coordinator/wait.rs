//! The waiting queue, through real processes.

use rustix::process::Signal;
use simulators::{Fault, Trouble};

use crate::room::{Room, ended, signal, until};

fn waiting(room: &Room, id: &str, ahead: usize) -> std::process::Child {
    let child = room.start_as(id, &["wait", "production", "5m", "--interval", "100ms"]);
    until("in the queue", || {
        room.queue().iter().position(|waiter| waiter == id) == Some(ahead)
    });
    child
}

#[test]
fn first_come_first_served() {
    let room = Room::new();
    room.stack("UPDATE_COMPLETE");
    room.register("holder").exits(0);
    let first = waiting(&room, "first", 0);
    let second = waiting(&room, "second", 1);
    let third = waiting(&room, "third", 2);
    let ran = room.run(&["can_deploy", "production"]).exits(1);
    assert_eq!(ran.json()["queue_length"], 3);
    assert_eq!(ran.json()["ahead"][0], "first");
    room.run(&["cleanup", "holder"]).exits(0);
    let ran = ended(first).exits(0).says("place 1 in the queue");
    assert_eq!(ran.json()["outcome"], "FREE");
    assert_eq!(ran.json()["reserved_for"], "first");
    // Kept for the first, also from one who comes now and from those who wait.
    room.register("passer-by").exits(1).reason("QUEUED_AHEAD");
    room.register("second").exits(1).reason("QUEUED_AHEAD");
    room.register("first").exits(0);
    room.run(&["cleanup", "first"]).exits(0);
    ended(second).exits(0);
    room.register("second").exits(0);
    room.run(&["cleanup", "second"]).exits(0);
    ended(third).exits(0);
}

#[test]
fn a_killed_waiter_is_skipped_and_a_cancelled_one_leaves() {
    let room = Room::new();
    room.stack("UPDATE_COMPLETE");
    room.register("holder").exits(0);
    let mut killed = waiting(&room, "killed", 0);
    let cancelled = waiting(&room, "cancelled", 1);
    let last = waiting(&room, "last", 2);
    signal(&cancelled, Signal::TERM);
    let ran = ended(cancelled).exits(143);
    assert_eq!(ran.json()["outcome"], "STOPPED");
    assert!(!room.queue().contains(&"cancelled".to_owned()));
    killed.kill().unwrap();
    killed.wait().unwrap();
    room.run(&["cleanup", "holder"]).exits(0);
    ended(last).exits(0);
}

#[test]
fn the_limit_is_kept_and_told() {
    let room = Room::new();
    room.register("holder").exits(0);
    let begun = std::time::Instant::now();
    let ran = room
        .run_as("me", &["wait", "production", "1s", "--interval", "30s"])
        .exits(1)
        .says("at most 1s")
        .says("holder holds production since");
    // The interval is longer than the limit, and does not count.
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    assert_eq!(ran.json()["outcome"], "TIMEOUT");
    assert_eq!(ran.json()["active_deployment"]["correlation_id"], "holder");
    assert!(room.queue().is_empty());
    room.run(&["wait", "production", "0"])
        .exits(1)
        .says("0 read as minutes");
}

#[test]
fn what_waiting_cannot_mend_ends_it_at_once() {
    let room = Room::new();
    room.stack("UPDATE_IN_PROGRESS");
    room.aws.fault(Fault::new(Trouble::AccessDenied));
    let ran = room
        .run_as("me", &["wait", "production", "5m"])
        .exits(2)
        .says("waiting does not mend that");
    assert_eq!(ran.json()["outcome"], "CANNOT_TELL");
    assert!(room.queue().is_empty());
    room.aws.clear_faults();
    room.aws.fault(Fault::new(Trouble::InternalError));
    room.run_as("me", &["wait", "production", "1s", "--interval", "200ms"])
        .exits(2);
}

#[test]
fn without_a_registry_cloudformation_is_waited_for() {
    let room = Room::new();
    std::fs::create_dir_all(room.file()).unwrap();
    room.stack("UPDATE_IN_PROGRESS");
    let child = room.start_as("me", &["wait", "production", "5m", "--interval", "100ms"]);
    until("asked", || room.aws.requests("DescribeStacks") > 2);
    room.stack("UPDATE_COMPLETE");
    let ran = ended(child).exits(0).says("Registry unavailable");
    assert_eq!(ran.json()["exclusive"], false);
    assert_eq!(ran.stderr.matches("Registry unavailable").count(), 1);
}

#[test]
fn a_waiter_that_is_cleaned_up_ends() {
    let room = Room::new();
    room.register("holder").exits(0);
    let child = waiting(&room, "me", 0);
    room.run(&["cleanup", "me"]).exits(0);
    let ran = ended(child).exits(1);
    assert_eq!(ran.json()["outcome"], "REMOVED");
    assert!(room.queue().is_empty());
}
