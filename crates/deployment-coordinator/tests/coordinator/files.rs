//! The registry present, missing, unreadable, corrupt, locked, wrongly set.

use std::fs;
use std::process::Command;

use rustix::process::Signal;
use simulators::{Fault, Trouble};

use crate::room::{Room, signal, until};

const FALLBACK: &str = "Registry unavailable, falling back to CloudFormation-only coordination";

/// A registry that cannot be used; also for root, whom permissions do not stop: the file is a folder.
fn unreadable(room: &Room) {
    fs::create_dir_all(room.file()).unwrap();
}

#[test]
fn unusable_falls_back_and_says_so() {
    for spoil in [unreadable as fn(&Room), |room| room.write("not JSON")] {
        let room = Room::new();
        spoil(&room);
        for (status, code, reason) in [
            ("UPDATE_COMPLETE", 0, "STACK_IDLE"),
            ("ROLLBACK_COMPLETE", 0, "STACK_NEEDS_CLEANUP"),
            ("UPDATE_IN_PROGRESS", 1, "ACTIVE_DEPLOYMENT_IN_PROGRESS"),
            ("NEVER_HEARD_OF", 2, "STATUS_UNKNOWN"),
        ] {
            room.stack(status);
            let ran = room
                .run_as("me", &["can_deploy", "production"])
                .exits(code)
                .reason(reason)
                .says(FALLBACK)
                .says("no holder, queue or freeze can be seen");
            let json = ran.json();
            assert_eq!(json["source"], "cloudformation_fallback");
            assert_eq!(json["exclusive"], false);
            if code == 1 {
                assert_eq!(
                    json["active_deployment"]["source"],
                    "cloudformation_fallback"
                );
                assert_eq!(
                    json["active_deployment"]["correlation_id"],
                    "unknown-fallback"
                );
            }
            let ran = room
                .register("me")
                .exits(code)
                .reason(reason)
                .says(FALLBACK);
            assert_eq!(ran.json()["registered"], false);
            assert_eq!(ran.json()["exclusive"], false);
            let found = room.run(&["get_active", "production"]).says(FALLBACK);
            let expected = match code {
                0 => 1,
                1 => 0,
                other => other,
            };
            assert_eq!(found.code, expected, "{status} {found:?}");
        }
        room.aws.fault(Fault::new(Trouble::Unavailable));
        room.run(&["can_deploy", "production"])
            .exits(2)
            .reason("STATUS_UNKNOWN");
        room.run(&["cleanup", "me"]).exits(2);
        room.run(&["verify", "me"])
            .exits(2)
            .reason("REGISTRY_UNAVAILABLE");
    }
}

#[test]
fn where_the_registry_is_required_nothing_falls_back() {
    let mut room = Room::new();
    unreadable(&room);
    room.stack("UPDATE_COMPLETE");
    room.run(&["can_deploy", "production", "--require-registry"])
        .exits(2)
        .reason("REGISTRY_UNAVAILABLE");
    room.set("REGISTRY_REQUIRED", "true");
    let ran = room.register("me").exits(2).reason("REGISTRY_UNAVAILABLE");
    assert_eq!(ran.json()["registered"], false);
    assert!(!ran.stderr.contains(FALLBACK));
    room.run(&["wait", "production", "1s"]).exits(2);
}

#[test]
fn a_corrupt_file_is_left_as_it_is_and_copied_once() {
    let room = Room::new();
    room.write("{\"deployments\": [");
    room.stack("UPDATE_COMPLETE");
    for _ in 0..3 {
        room.register("me").exits(0).says("it is not valid JSON");
    }
    assert_eq!(fs::read(room.file()).unwrap(), b"{\"deployments\": [");
    let copies: Vec<_> = fs::read_dir(room.path(".deployment-registry"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("deployments.json.corrupt-"))
        .collect();
    assert_eq!(copies.len(), 1, "{copies:?}");
    assert_eq!(fs::read(&copies[0]).unwrap(), b"{\"deployments\": [");
    // As the guide says.
    room.write("{\"deployments\":[]}\n");
    let ran = room.register("me").exits(0);
    assert_eq!(ran.json()["registered"], true);
}

#[test]
fn a_wrong_setting_is_neither_unusable_nor_a_yes() {
    let mut room = Room::new();
    room.stack("UPDATE_COMPLETE");
    fs::File::create(room.path("a-file")).unwrap();
    for (name, value, words) in [
        ("REGISTRY_DIR", "a-file", "is a file, not a folder"),
        ("REGISTRY_DIR", "a-file/below", "is a file, not a folder"),
        ("REGISTRY_URL", "redis://host", "this scheme is not known"),
        (
            "REGISTRY_URL",
            "dynamodb://a",
            "a table's name has 3 to 255",
        ),
        ("LEASE", "soon", "LEASE is \"soon\""),
    ] {
        room.set(name, value);
        for command in ["can_deploy", "wait"] {
            let ran = room
                .run_as("me", &[command, "production"])
                .exits(2)
                .says(words);
            assert!(!ran.stderr.contains(FALLBACK), "{ran:?}");
        }
        room.register("me").exits(2).says(words);
        room.set("REGISTRY_DIR", ".deployment-registry");
        room.set(
            name,
            if name == "REGISTRY_DIR" {
                ".deployment-registry"
            } else {
                ""
            },
        );
    }
}

#[test]
fn a_holder_in_a_registry_that_cannot_be_written_still_blocks() {
    let room = Room::new();
    room.register("holder").exits(0);
    room.stack("UPDATE_COMPLETE");
    // Also root cannot write where the lock file is a folder.
    let lock = room.path(".deployment-registry/deployments.json.lock");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    room.run_as("other", &["can_deploy", "production"])
        .exits(1)
        .reason("ACTIVE_DEPLOYMENT_IN_PROGRESS");
    // register has to write, and sees the holder all the same.
    let ran = room.register("other");
    assert_eq!(ran.code, 1, "{ran:?}");
}

#[test]
fn a_stuck_lock_holder_is_waited_for_named_and_never_a_yes() {
    let room = Room::new();
    room.stack("UPDATE_COMPLETE");
    room.register("first").exits(0);
    room.run(&["cleanup", "first"]).exits(0);
    let lock = room.path(".deployment-registry/deployments.json.lock");
    // Somebody else's program holds the lock, stopped; the file still names the last of ours.
    let mut stuck = Command::new("flock")
        .arg("--no-fork")
        .arg(&lock)
        .args(["sleep", "600"])
        .spawn()
        .unwrap();
    until("the lock is held", || {
        registry_core::store::lock::held_by(&lock)
            .unwrap()
            .is_some()
    });
    signal(&stuck, Signal::STOP);
    let ran = room
        .register("me")
        .exits(2)
        .reason("REGISTRY_BUSY")
        .says("has kept its lock");
    assert_eq!(ran.json()["registered"], false);
    // Asking without an id needs no lock.
    room.run(&["can_deploy", "production"]).exits(0);
    signal(&stuck, Signal::KILL);
    stuck.wait().unwrap();
}

/// Each thread wants more memory for its stack than there is: none is to be had, as on a machine where too many run.
#[test]
fn a_machine_without_a_thread_to_spare_is_busy_and_not_a_broken_registry() {
    let mut room = Room::new();
    room.stack("UPDATE_COMPLETE");
    room.run(&["register", "me", "7", "production"]).exits(0);
    room.set("RUST_MIN_STACK", "70000000000000");
    let lock = room.path(".deployment-registry/deployments.json.lock");
    let clock = registry_core::clock::SystemClock::default();
    let patience = registry_core::store::lock::Patience::NONE;
    registry_core::store::lock::with_lock(&lock, &clock, patience, |_| {
        let words = ["register", "other", "8", "staging", "Other"];
        let ran = room.run(&words).exits(2).reason("REGISTRY_BUSY");
        ran.says(&format!("process {} ", std::process::id()));
    })
    .unwrap();
    room.run(&["register", "other", "8", "staging", "Other"])
        .exits(0);
    // The stack cannot be asked without a thread; the hold ends all the same.
    room.run(&["cleanup", "me"])
        .exits(0)
        .says("no thread to spare");
    room.run(&["verify", "me"]).exits(1);
}

#[test]
fn old_files_are_read_as_they_are_and_unknown_fields_survive() {
    let room = Room::new();
    room.stack("UPDATE_COMPLETE");
    room.write(
        r#"{"version": 9, "deployments": [
            {"correlation_id": "old", "workflow_run_id": 12345, "environment": "staging", "stack_name": "S",
             "status": "COMPLETED", "started_at": "2099-01-14T12:34:56Z", "updated_at": "2099-01-14T12:44:56Z", "extra": {"a": 1}},
            "a line that is no entry"
        ], "environments": {"production": {"colour": "red", "queue": []}}}"#,
    );
    let ran = room.register("me").exits(0);
    assert!(ran.json()["fencing_token"].as_u64().unwrap() > 1_700_000_000);
    let registry = room.registry();
    assert_eq!(registry["version"], 9);
    assert_eq!(registry["deployments"][0]["workflow_run_id"], 12345);
    assert_eq!(registry["deployments"][0]["extra"]["a"], 1);
    assert_eq!(registry["deployments"][1], "a line that is no entry");
    assert_eq!(registry["environments"]["production"]["colour"], "red");
    let mine = &registry["deployments"][2];
    for field in [
        "correlation_id",
        "workflow_run_id",
        "environment",
        "stack_name",
        "status",
        "started_at",
        "updated_at",
    ] {
        assert!(mine[field].is_string(), "{field} in {mine}");
    }
}

#[test]
fn an_old_entry_in_progress_holds_and_an_unknown_status_too() {
    for status in ["IN_PROGRESS", "A_NEWER_WORD"] {
        let room = Room::new();
        room.stack("UPDATE_COMPLETE");
        let started =
            registry_core::clock::Clock::now(&registry_core::clock::SystemClock::default());
        room.write(&format!(
            r#"{{"deployments": [{{"correlation_id": "old", "environment": "production", "status": "{status}", "started_at": "{started}"}}]}}"#
        ));
        room.run(&["can_deploy", "production"])
            .exits(1)
            .reason("ACTIVE_DEPLOYMENT_IN_PROGRESS");
        room.run(&["cleanup", "old"]).exits(0);
        room.run(&["can_deploy", "production"]).exits(0);
    }
}
