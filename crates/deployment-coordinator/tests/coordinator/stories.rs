//! Stories of deployments that meet each other, each told through the program from its beginning to who holds what at its end.

use std::time::Duration;

use registry_core::clock::{Clock as _, SystemClock};
use registry_core::ids::CorrelationId;
use registry_core::registry::Registry;
use registry_core::slot::{Kept, Outcome};
use registry_core::stack::StackStatus;
use registry_core::store::file::FileStore;
use serde_json::{Value, json};
use simulators::{GitHub, Run, Stack};

use crate::room::{Ran, Room, STACK, STAGING, ended, until};

const RUN: u64 = 7;
const RUNNER: &str = "runner-1";

/// The hold of `a` (run 7, attempt 1, on runner-1), whose last sign of life lies `silent` minutes back; `more` is written over it.
fn hold(room: &Room, silent: u64, more: &Value) {
    let at = SystemClock::default().now() - Duration::from_secs(silent * 60);
    let mut entry = json!({
        "correlation_id": "a", "workflow_run_id": RUN.to_string(), "environment": "production", "stack_name": STACK,
        "status": "IN_PROGRESS", "started_at": at.rfc3339(), "updated_at": at.rfc3339(), "fencing_token": 41,
        "run_attempt": 1, "runner": RUNNER, "beat": {"at": at.rfc3339_millis()}
    });
    for (key, value) in more.as_object().unwrap() {
        entry[key] = value.clone();
    }
    room.write(&json!({ "deployments": [entry] }).to_string());
}

fn run() -> Run {
    Run::in_progress("o/r", RUN).job("deploy", RUNNER)
}

/// A room with an idle stack, where GitHub can be asked.
fn with_github(github: &GitHub) -> Room {
    let mut room = Room::new();
    room.stack("UPDATE_COMPLETE");
    room.set("GITHUB_API_URL", &github.url())
        .set("GITHUB_REPOSITORY", "o/r")
        .set("GITHUB_TOKEN", "a-token-of-the-tests");
    room
}

fn attempt(room: &mut Room, number: &str) {
    room.set("GITHUB_RUN_ATTEMPT", number)
        .set("RUNNER_NAME", "runner-2");
}

fn blocked(room: &Room) {
    let ran = room.register("next").exits(1);
    assert_eq!(ran.json()["active_deployment"]["correlation_id"], "a");
    room.run(&["verify", "a"]).exits(0);
}

fn freed(room: &Room, proof: &str) {
    let next = room.register("next").exits(0).says(proof);
    assert!(next.json()["fencing_token"].as_u64() > Some(41));
    room.run(&["verify", "a", "--token", "41"])
        .exits(1)
        .reason("ABANDONED")
        .says(proof);
}

#[test]
fn the_monitor_dies_of_memory_while_validation_goes_on_for_half_an_hour() {
    let github = GitHub::start().unwrap();
    github.set_run(run());
    let room = with_github(&github);
    hold(&room, 35, &json!({}));
    blocked(&room);
    // The same where GitHub cannot be asked at all.
    let alone = Room::new();
    alone.stack("UPDATE_COMPLETE");
    hold(&alone, 35, &json!({}));
    blocked(&alone);
}

#[test]
fn the_deploy_script_rolls_back_pauses_and_tries_again() {
    let room = Room::new();
    room.stack("UPDATE_COMPLETE");
    let token = room.register("a").exits(0).json()["fencing_token"].to_string();
    // The monitor saw the rollback and wrote it down.
    room.stack("UPDATE_ROLLBACK_COMPLETE");
    saw(&room, "UPDATE_ROLLBACK_COMPLETE", Some("no capacity"));
    room.register("b").exits(1);
    room.run_as("b", &["can_deploy", "production"]).exits(1);
    room.run_as("a", &["can_deploy", "production"]).exits(0);
    room.run(&["verify", "a", "--token", &token]).exits(0);
    room.stack("UPDATE_IN_PROGRESS");
    room.run_as("a", &["can_deploy", "production"])
        .exits(0)
        .reason("HELD_BY_CALLER");
    room.run(&["verify", "a", "--token", &token]).exits(0);
    room.stack("UPDATE_COMPLETE");
    saw(&room, "UPDATE_COMPLETE", None);
    let ran = room.run(&["cleanup", "a"]).exits(0);
    assert_eq!(ran.json()["outcome"], "success", "{ran:?}");
    room.register("b").exits(0);
}

fn saw(room: &Room, status: &str, first_cause: Option<&str>) {
    let clock = SystemClock::default();
    let folder = room.path(".deployment-registry");
    let store = FileStore::open(folder, std::sync::Arc::new(clock.clone())).unwrap();
    let id: CorrelationId = "a".parse().unwrap();
    let outcome = Outcome {
        stack_status: StackStatus::parse(status),
        first_cause: first_cause.map(str::to_owned),
        at: clock.now(),
        kept: Kept::default(),
    };
    assert!(
        Registry::over(Box::new(store))
            .record_outcome(&id, &outcome)
            .unwrap()
    );
}

#[test]
fn a_rerun_of_the_same_run_is_a_new_attempt_with_a_new_id() {
    let github = GitHub::start().unwrap();
    github.set_run(run().attempt(2));
    let mut room = with_github(&github);
    attempt(&mut room, "2");
    // Beaten a minute ago: it lives, whatever GitHub says.
    hold(&room, 1, &json!({}));
    blocked(&room);
    hold(&room, 3, &json!({}));
    freed(&room, "attempt 2 of run 7 has begun");
}

#[test]
fn a_rerun_of_the_same_run_is_a_new_attempt_with_the_same_id() {
    let github = GitHub::start().unwrap();
    let mut room = with_github(&github);
    attempt(&mut room, "2");
    let again = |room: &Room| room.run(&["register", "a", "7", "production"]);
    github.set_run(run());
    hold(&room, 3, &json!({}));
    let ran = again(&room).exits(1).reason("ID_IN_USE");
    assert_eq!(ran.json()["differences"][0]["what"], "run attempt");
    github.set_run(run().attempt(2));
    hold(&room, 1, &json!({}));
    again(&room).exits(1).reason("ID_IN_USE");
    hold(&room, 3, &json!({}));
    let ran = again(&room).exits(0).says("attempt 2 of run 7 has begun");
    assert_eq!(ran.json()["run_attempt"], 2);
    assert!(ran.json()["fencing_token"].as_u64() > Some(41));
    room.run(&["verify", "a", "--token", "41"])
        .exits(1)
        .reason("OTHER_TOKEN");
}

#[test]
fn a_job_is_killed_in_a_run_whose_other_jobs_go_on() {
    let github = GitHub::start().unwrap();
    let mut others_go_on = run().job("test", "runner-2");
    others_go_on.jobs[0].status = "completed".to_owned();
    github.set_run(others_go_on.clone());
    let room = with_github(&github);
    hold(&room, 3, &json!({ "runner": "runner-2" }));
    blocked(&room);
    hold(&room, 3, &json!({}));
    freed(&room, "the job of run 7 on runner-1 has completed");
}

#[test]
fn a_run_id_that_github_does_not_know_proves_nothing() {
    let github = GitHub::start().unwrap();
    let room = with_github(&github);
    hold(&room, 119, &json!({}));
    blocked(&room);
    hold(&room, 121, &json!({}));
    freed(&room, "no sign of life for");
}

#[test]
fn a_partitioned_runner_loses_its_hold_only_when_nothing_moves_and_learns_it_when_it_is_back() {
    let github = GitHub::start().unwrap();
    // GitHub has lost the runner and ended its job; the runner goes on with what it has begun.
    github.set_run(run().completed("failure"));
    let room = with_github(&github);
    hold(&room, 3, &json!({}));
    room.stack("UPDATE_IN_PROGRESS");
    blocked(&room);
    room.stack("UPDATE_COMPLETE");
    freed(&room, "run 7 has completed");
    // Back again, it is told no, and its cleanup takes nothing from the one who holds now.
    room.run(&["cleanup", "a"]).exits(0);
    room.run(&["verify", "next"]).exits(0);
    room.register("third").exits(1);
}

#[test]
fn two_legs_of_a_matrix_share_an_id() {
    let github = GitHub::start().unwrap();
    github.set_run(run().job("deploy (2)", "runner-2"));
    let mut room = with_github(&github);
    room.set("RUNNER_NAME", RUNNER)
        .set("GITHUB_RUN_ATTEMPT", "1");
    let register = ["register", "a", "7", "production"];
    let token = room.run(&register).exits(0).json()["fencing_token"].to_string();
    room.set("RUNNER_NAME", "runner-2");
    let ran = room.run(&register).exits(1).reason("ID_IN_USE");
    assert_eq!(ran.json()["differences"][0]["what"], "runner");
    // Silent for long, but its own leg goes on.
    hold(&room, 30, &json!({}));
    room.run(&register).exits(1).reason("ID_IN_USE");
    room.run(&["verify", "a", "--token", &token]).exits(1);
    room.run(&["verify", "a", "--token", "41"]).exits(0);
}

#[test]
fn cdk_deploy_all_moves_two_stacks_one_after_the_other() {
    let github = GitHub::start().unwrap();
    github.set_run(run().completed("cancelled"));
    let room = with_github(&github);
    let both = json!({ "stack_name": format!("{STACK},Second") });
    let second = |status: &str| room.aws.add_stack(Stack::new("Second").status(status));
    // The first is done, the second moves: the hold lives, by whichever stack another asks.
    second("UPDATE_IN_PROGRESS");
    hold(&room, 121, &both);
    blocked(&room);
    let ran = room
        .run(&["register", "next", "8", "staging", "Second"])
        .exits(1);
    assert_eq!(ran.json()["active_deployment"]["correlation_id"], "a");
    // Between the two nothing moves, and the holder has just beaten.
    second("UPDATE_COMPLETE");
    hold(&room, 1, &both);
    blocked(&room);
    room.run(&["register", "next", "8", "staging", "Second"])
        .exits(1);
    hold(&room, 3, &both);
    freed(&room, "run 7 has completed");
}

#[test]
fn staging_and_production_point_at_one_stack_by_mistake() {
    let room = Room::new();
    room.stack("UPDATE_COMPLETE");
    room.register("a").exits(0);
    let ran = room
        .run(&["register", "next", "8", "staging", STACK])
        .exits(1);
    assert_eq!(ran.json()["active_deployment"]["environment"], "production");
    room.run_as("next", &["can_deploy", "staging", STACK])
        .exits(1);
    room.run(&["register", "next", "8", "staging", STAGING])
        .exits(0);
}

/// A `run` that holds production until the file `go` is there, and beats ten times a second.
fn running(room: &Room) -> std::process::Child {
    let go = room.path("go");
    let script = format!("until [ -e {} ]; do sleep 0.05; done", go.display());
    let words = ["run", "production", "--no-monitor", "--id", "a", "--"];
    let words: Vec<&str> = words.into_iter().chain(["sh", "-c", &script]).collect();
    let child = room.start_as("", &words);
    until("it holds production", || {
        holder(room).as_deref() == Some("a")
    });
    child
}

fn holder(room: &Room) -> Option<String> {
    let text = std::fs::read(room.file()).ok()?;
    let registry: Value = serde_json::from_slice(&text).ok()?;
    let entry = registry["deployments"].as_array()?.first()?;
    Some(entry["correlation_id"].as_str()?.to_owned())
}

fn go(room: &Room, child: std::process::Child) -> Ran {
    std::fs::File::create(room.path("go")).unwrap();
    ended(child)
}

#[test]
fn the_registry_is_emptied_by_hand_or_removed_under_a_live_holder() {
    let mut room = Room::new();
    room.stack("UPDATE_COMPLETE");
    room.set("CHECK_INTERVAL", "100ms");
    let child = running(&room);
    let token = room.registry()["deployments"][0]["fencing_token"].to_string();
    room.write("{\"deployments\":[]}");
    until("it is back", || holder(&room).as_deref() == Some("a"));
    room.run(&["verify", "a", "--token", &token]).exits(0);
    std::fs::remove_dir_all(room.path(".deployment-registry")).unwrap();
    until("it is back", || holder(&room).as_deref() == Some("a"));
    blocked(&room);
    go(&room, child).exits(0);
    room.register("next").exits(0);
}

#[test]
fn the_registry_is_emptied_and_another_comes_before_the_holder_is_back() {
    let mut room = Room::new();
    room.stack("UPDATE_COMPLETE");
    room.set("CHECK_INTERVAL", "100ms");
    let child = running(&room);
    let token = room.registry()["deployments"][0]["fencing_token"].as_u64();
    // In one step, as if between two beats.
    let at = SystemClock::default().now();
    room.write(
        &json!({"deployments": [{"correlation_id": "next", "environment": "production", "stack_name": STACK,
            "status": "IN_PROGRESS", "started_at": at.rfc3339(), "fencing_token": token.map(|token| token + 1)}]})
        .to_string(),
    );
    let ran = ended(child).says("is no longer in the registry, and next holds production now");
    assert_ne!(ran.code, 0);
    assert_eq!(holder(&room).as_deref(), Some("next"));
}

#[test]
fn an_evicted_holder_is_told_by_its_next_beat() {
    let mut room = Room::new();
    room.stack("UPDATE_COMPLETE");
    room.set("CHECK_INTERVAL", "100ms");
    let child = running(&room);
    room.set("RUNNER_NAME", "laptop").set("USER", "alice");
    let words = ["cleanup", "a", "--reason", "the incident of today"];
    room.run(&words).exits(0);
    let ran = ended(child).says("alice").says("the incident of today");
    assert_ne!(ran.code, 0);
    room.run(&["verify", "a"]).exits(1).reason("EVICTED");
}

/// A beat `ago` by the steady clock, `wall` seconds from now by the wall clock.
fn beat(ago: Duration, wall: i64) -> Value {
    let clock = SystemClock::default();
    let boot = clock.boot();
    let then = boot.since_boot.saturating_sub(ago);
    let at = registry_core::clock::Timestamp::from_seconds(clock.now().seconds() + wall);
    json!({"beat": {"at": at.rfc3339_millis(), "boot_id": boot.boot_id, "since_boot_ms": then.as_millis() as u64},
        "started_at": at.rfc3339(), "updated_at": at.rfc3339()})
}

#[test]
fn a_wall_clock_that_is_an_hour_off_or_set_meanwhile_neither_steals_nor_keeps() {
    let mut room = Room::new();
    room.stack("UPDATE_COMPLETE");
    room.set("LEASE", "40s");
    for hours in [-2, -1, 0, 1] {
        hold(&room, 0, &beat(Duration::from_secs(5), hours * 3600));
        blocked(&room);
        hold(&room, 0, &beat(Duration::from_secs(45), hours * 3600));
        freed(&room, "no sign of life for");
    }
}

#[test]
fn a_freeze_with_an_end_passes_by_itself() {
    let room = Room::new();
    room.stack("UPDATE_COMPLETE");
    let freeze = ["freeze", "production", "--reason", "a short one", "--until"];
    let words: Vec<&str> = freeze.into_iter().chain(["1h"]).collect();
    room.run(&words).exits(0);
    room.register("a").exits(1).reason("FROZEN");
    let words: Vec<&str> = freeze.into_iter().chain(["2s"]).collect();
    room.run(&words).exits(0);
    until("it is thawed", || room.register("a").code == 0);
}

#[test]
fn status_tells_holder_age_heartbeat_queue_token_freeze_and_past() {
    let room = Room::new();
    room.stack("UPDATE_COMPLETE");
    let at = SystemClock::default().now();
    let then = (at - Duration::from_secs(600)).rfc3339();
    let beat = (at - Duration::from_secs(180)).rfc3339_millis();
    let lives = at.rfc3339_millis();
    room.write(&json!({
        "deployments": [
            {"correlation_id": "a", "workflow_run_id": "7", "environment": "production", "stack_name": STACK, "runner": RUNNER,
             "status": "IN_PROGRESS", "started_at": then, "updated_at": then, "fencing_token": 41, "beat": {"at": beat}},
            {"correlation_id": "f", "environment": "production", "status": "FAILED", "started_at": then, "updated_at": then,
             "last_outcome": {"stack_status": "UPDATE_ROLLBACK_COMPLETE", "first_cause": "no capacity", "at": then}}],
        "environments": {
            "production": {"fencing_token": 41, "queue": [
                {"correlation_id": "w1", "since": then, "beat": {"at": lives}, "lease_ms": 600_000},
                {"correlation_id": "w2", "since": then, "beat": {"at": lives}, "lease_ms": 600_000}]},
            "qa": {"freeze": {"reason": "holidays", "by": "alice", "at": then}}}
    }).to_string());
    let text = room.run(&["status"]).exits(0).stdout;
    for words in [
        "production: held",
        "a since ",
        "(10m",
        "run 7",
        STACK,
        "token 41",
        "waiting 1  w1",
        "waiting 2  w2",
        "failed     f: no capacity",
        "staging: free",
        "qa: frozen",
        "holidays",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    assert!(text.contains("heartbeat  3m"), "{text}");
    let json = room.run(&["status", "--format", "json"]).exits(0).json();
    let all = json["environments"].as_array().unwrap();
    let of = |name: &str| all.iter().find(|one| one["environment"] == name).unwrap();
    let production = of("production");
    let holder = &production["holder"];
    assert_eq!(holder["correlation_id"], "a");
    assert_eq!(holder["started_at"], then);
    assert_eq!(holder["fencing_token"], 41);
    assert_eq!(holder["runner"], RUNNER);
    assert!((180..240).contains(&holder["heartbeat_age_seconds"].as_u64().unwrap()));
    assert!(holder.get("estimated_remaining_minutes").is_some());
    let queue: Vec<&Value> = production["queue"].as_array().unwrap().iter().collect();
    assert_eq!(
        (queue.len(), &queue[0]["correlation_id"], &queue[0]["since"]),
        (2, &json!("w1"), &json!(then))
    );
    assert_eq!(production["past"][0]["correlation_id"], "f");
    assert_eq!(of("qa")["frozen"]["reason"], "holidays");
    assert_eq!(of("staging")["state"], "free");
}
