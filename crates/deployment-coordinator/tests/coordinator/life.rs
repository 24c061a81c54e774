//! From register to the end: cleanup, eviction, verify, freeze, and how dead holders lose their place.

use serde_json::json;
use simulators::{Event, GitHub, Play, Run, Stack};

use crate::room::{Room, STACK, until};

#[test]
fn registering_again_is_success_and_another_deployment_of_the_same_id_is_not() {
    let mut room = Room::new();
    let first = room.register("a").exits(0).json();
    assert_eq!(first["registered"], true);
    assert_eq!(first["workflow_run_id"], "12345");
    assert_eq!(first["baseline"][0]["stack_name"], STACK);
    let again = room.register("a").exits(0).says("already").json();
    assert_eq!(again["fencing_token"], first["fencing_token"]);
    // Two legs of a matrix with one id.
    room.set("RUNNER_NAME", "another-runner");
    let other = room.register("a").exits(1).reason("ID_IN_USE").json();
    assert_eq!(other["differences"][0]["what"], "runner");
    assert_eq!(other["differences"][0]["asked"], "another-runner");
}

#[test]
fn the_baseline_is_awss_clock_the_stack_id_and_the_newest_event() {
    let room = Room::new();
    room.aws
        .add_stack(Stack::new(STACK).status("UPDATE_COMPLETE").history(3));
    let entry = room.register("a").exits(0).json();
    let baseline = &entry["baseline"][0];
    assert_eq!(
        baseline["stack_id"].as_str(),
        room.aws.stack_id(STACK, "us-east-1").as_deref()
    );
    assert!(baseline["event_id"].is_string() && baseline["server_time"].is_string());
}

#[test]
fn tokens_grow_and_follow_awss_clock() {
    let room = Room::new();
    let mut tokens = vec![0];
    // Far ahead of this machine: the SDK corrects its signatures, and the tokens follow.
    room.aws.set_clock_offset(4000.0 * 24.0 * 3600.0);
    for id in ["a", "b", "c"] {
        let token = room.register(id).exits(0).json()["fencing_token"]
            .as_u64()
            .unwrap();
        assert!(token > tokens[tokens.len() - 1], "{token} {tokens:?}");
        tokens.push(token);
        room.run(&["cleanup", id]).exits(0);
    }
    // The first is the clock's word; those after it may be ahead of it, if all came within a second.
    assert!(tokens[1] > 2_000_000_000, "{tokens:?}");
    room.write("{\"deployments\":[]}");
    let token = room.register("d").exits(0).json()["fencing_token"]
        .as_u64()
        .unwrap();
    assert!(token >= tokens[1], "{token} {tokens:?}");
}

#[test]
fn cleanup_says_how_it_ended_and_twice_is_once() {
    let room = Room::new();
    room.stack("UPDATE_COMPLETE");
    room.register("a").exits(0);
    let ran = room
        .run(&["cleanup", "a"])
        .exits(0)
        .says("the stack never moved");
    assert_eq!(ran.json()["stack_moved"], false);
    assert_eq!(ran.json()["hold"], "removed");
    let ran = room.run(&["cleanup", "a"]).exits(0).says("nothing to do");
    assert_eq!(ran.json()["cleaned"], false);
    room.run(&["verify", "a"]).exits(1).reason("ENDED");
    assert_eq!(room.registry()["deployments"], json!([]));
}

#[test]
fn a_failed_deployment_stays_with_its_first_cause_and_blocks_nobody() {
    let room = Room::new();
    room.stack("UPDATE_COMPLETE");
    room.register("a").exits(0);
    room.aws.play(
        STACK,
        &[
            Event::own(0.0, "UPDATE_IN_PROGRESS"),
            Event::resource(1.0, "Db", "AWS::RDS::DBInstance", "CREATE_IN_PROGRESS"),
            Event::resource(2.0, "Db", "AWS::RDS::DBInstance", "CREATE_FAILED")
                .because("no capacity for \u{1b}[31mghp_abcdefghijklmnopqrstuvwx1234567890"),
            Event::resource(3.0, "Web", "AWS::ECS::Service", "CREATE_FAILED")
                .because("Resource creation cancelled"),
            Event::own(4.0, "UPDATE_ROLLBACK_IN_PROGRESS"),
            Event::own(5.0, "UPDATE_ROLLBACK_COMPLETE"),
        ],
        &Play::at_speed(1000.0),
    );
    until("rolled back", || {
        room.run(&["can_deploy", "staging", STACK]).json()["stack_status"]
            == "UPDATE_ROLLBACK_COMPLETE"
    });
    let ran = room.run(&["cleanup", "a"]).exits(0);
    assert_eq!(ran.json()["outcome"], "failed");
    assert_eq!(ran.json()["outcome_from"], "stack");
    let entry = &room.registry()["deployments"][0];
    assert_eq!(entry["status"], "FAILED");
    let cause = entry["last_outcome"]["first_cause"].as_str().unwrap();
    assert!(
        cause.ends_with("no capacity for ***") && !cause.contains("cancelled"),
        "{cause}"
    );
    room.run(&["verify", "a"]).exits(1).reason("FAILED");
    let next = room.register("b").exits(0).json();
    assert!(next["fencing_token"].as_u64() > entry["fencing_token"].as_u64());
    // The same id may try again, and can be purged.
    room.run(&["cleanup", "b", "--outcome", "failed", "--purge"])
        .exits(0);
    room.register("a").exits(0);
    room.run(&["cleanup", "a", "--outcome", "failed"]).exits(0);
    room.run(&["cleanup", "a", "--purge"]).exits(0);
    assert_eq!(room.registry()["deployments"], json!([]));
}

#[test]
fn somebody_elses_cleanup_is_an_eviction() {
    let mut room = Room::new();
    room.set("RUNNER_NAME", "runner-1")
        .set("GITHUB_RUN_ID", "12345");
    room.register("a").exits(0);
    room.run(&["verify", "a"]).exits(0).reason("HOLDS");
    room.set("RUNNER_NAME", "laptop")
        .set("GITHUB_RUN_ID", "")
        .set("USER", "alice");
    let ran = room.run(&["cleanup", "a", "--reason", "it hangs"]).exits(0);
    assert_eq!(ran.json()["evicted"], true);
    let told = room.run(&["verify", "a"]).exits(1).reason("EVICTED");
    assert!(
        told.stderr.contains("alice") && told.stderr.contains("it hangs"),
        "{told:?}"
    );
}

#[test]
fn a_token_of_an_earlier_hold_is_no_longer_good() {
    let room = Room::new();
    let first = room.register("a").exits(0).json()["fencing_token"].to_string();
    room.run(&["verify", "a", "--token", &first]).exits(0);
    room.run(&["cleanup", "a"]).exits(0);
    room.register("a").exits(0);
    room.run(&["verify", "a", "--token", &first])
        .exits(1)
        .reason("OTHER_TOKEN");
    room.run(&["verify", "never"])
        .exits(1)
        .reason("NOT_REGISTERED");
}

#[test]
fn in_a_freeze_nobody_starts_and_whoever_runs_may_finish() {
    let room = Room::new();
    room.register("a").exits(0);
    room.run(&[
        "freeze",
        "production",
        "--reason",
        "holidays",
        "--until",
        "2h",
    ])
    .exits(0);
    room.run_as("a", &["can_deploy", "production"]).exits(0);
    room.run(&["verify", "a"]).exits(0);
    room.run(&["cleanup", "a"]).exits(0);
    let ran = room
        .run(&["can_deploy", "production"])
        .exits(1)
        .reason("FROZEN")
        .says("holidays");
    assert_eq!(ran.json()["frozen"]["reason"], "holidays");
    room.register("b").exits(1).reason("FROZEN");
    room.run(&["can_deploy", "staging"]).exits(0);
    room.run(&["thaw", "production"]).exits(0);
    room.register("b").exits(0);
}

#[test]
fn status_shows_every_environment() {
    let room = Room::new();
    room.register("a").exits(0);
    let text = room.run(&["status"]).exits(0).stdout;
    assert!(
        text.contains("production: held") && text.contains("staging: free"),
        "{text}"
    );
    let json = room.run(&["status", "--format", "json"]).exits(0).json();
    assert_eq!(json["environments"][0]["holder"]["correlation_id"], "a");
    assert_eq!(json["environments"][1]["state"], "free");
}

/// A hold whose last beat lies so many minutes back.
fn silent(room: &Room, minutes: u64, kind: &str) {
    let clock = registry_core::clock::SystemClock::default();
    let now = registry_core::clock::Clock::now(&clock);
    let at = now - std::time::Duration::from_secs(minutes * 60);
    room.write(
        &json!({"deployments": [{
            "correlation_id": "dead", "workflow_run_id": "7", "environment": "production", "stack_name": STACK,
            "status": "IN_PROGRESS", "started_at": at.rfc3339(), "updated_at": at.rfc3339(), "kind": kind,
            "run_attempt": 1, "runner": "runner-1", "beat": {"at": at.rfc3339_millis()}
        }]})
        .to_string(),
    );
}

#[test]
fn a_lease_ends_only_after_its_time_and_only_while_the_stack_stands_still() {
    for (minutes, kind, stack, code) in [
        (119, "registered", "UPDATE_COMPLETE", 1),
        (121, "registered", "UPDATE_COMPLETE", 0),
        (121, "registered", "UPDATE_IN_PROGRESS", 1),
        (14, "run", "UPDATE_COMPLETE", 1),
        (16, "run", "UPDATE_COMPLETE", 0),
        (16, "run", "UPDATE_ROLLBACK_IN_PROGRESS", 1),
    ] {
        let room = Room::new();
        room.stack(stack);
        silent(&room, minutes, kind);
        // Without an id nothing is changed, and the answer is the same.
        let before = room.registry();
        let ran = room.run(&["can_deploy", "production"]);
        assert_eq!(ran.code, code, "{minutes} {kind} {stack} {ran:?}");
        assert_eq!(room.registry(), before);
        let ran = room.register("next");
        assert_eq!(ran.code, code, "{minutes} {kind} {stack} {ran:?}");
        if code == 0 {
            assert_eq!(room.registry()["deployments"][0]["status"], "ABANDONED");
            let ran = room.run(&["verify", "dead"]).exits(1).reason("ABANDONED");
            assert!(ran.stderr.contains("no sign of life"), "{ran:?}");
        }
    }
}

#[test]
fn githubs_word_ends_a_hold_after_two_silent_minutes() {
    let github = GitHub::start().unwrap();
    let mut room = Room::new();
    room.stack("UPDATE_COMPLETE");
    room.set("GITHUB_API_URL", &github.url())
        .set("GITHUB_REPOSITORY", "o/r")
        .set("GITHUB_TOKEN", "a-token-of-the-tests");
    let running = Run::in_progress("o/r", 7).job("deploy", "runner-1");
    github.set_run(running.clone());
    silent(&room, 30, "registered");
    room.register("next").exits(1);
    github.set_run(running.completed("cancelled"));
    // It beat a minute ago: whatever GitHub says, it lives.
    silent(&room, 1, "registered");
    room.register("next").exits(1);
    silent(&room, 3, "registered");
    room.stack("UPDATE_IN_PROGRESS");
    room.register("next").exits(1);
    room.stack("UPDATE_COMPLETE");
    room.register("next")
        .exits(0)
        .says("GitHub says that run 7 has completed");
}
