//! kill -9 at random instants: no event is lost or reported twice, no alert queued twice.
#![allow(
    clippy::unwrap_used,
    reason = "tests, their helpers included, fail by panicking"
)]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::{
    Dice, Stage, assert_each_once, assert_tells_the_record, finish, gist, holder, pause, register,
    trace, wait,
};
use simulators::{Event, Play};

const LONG: &str = "rlhf-synth-fixer_tap-serverless-pr2695_create";

/// As many as the contract's promise was measured with.
const KILLS: usize = 600;

// Starts a monitor, waits until it works, and kills it a moment later. Says whether it had reported anything.
fn start_and_kill(stage: &Stage, dice: &mut Dice) -> bool {
    let log = stage.log("m1");
    let length = || std::fs::metadata(&log).map_or(0, |metadata| metadata.len());
    let before = length();
    let mut child = stage.monitor("m1", "App").spawn().unwrap();
    wait("a monitor that holds its lock, or is done", || {
        holder(&stage.registry_dir("m1"), "m1", "App") == Some(child.id())
            || child.try_wait().unwrap().is_some()
    });
    pause(Duration::from_millis(dice.roll(60)));
    child.kill().unwrap();
    child.wait().unwrap();
    length() > before
}

// Plays `LONG` in so many seconds, kills the monitor so often, then lets it finish.
fn killed(stage: &Stage, kills: usize, seconds: f64) -> Vec<serde_json::Value> {
    let trace = trace(LONG);
    let play = Play::at_speed(trace.duration_seconds() / seconds);
    // On a slow machine the operation may end before the last kill, even before the first look: registered, it is still ours.
    register(stage, "m1", false);
    stage.aws.play_trace("App", &trace, &play);
    let mut dice = Dice(20_260_114);
    let told = (0..kills)
        .filter(|_| start_and_kill(stage, &mut dice))
        .count();
    assert!(told >= kills / 4, "only {told} of {kills} had said a word");
    finish(stage.monitor("m1", "App").spawn().unwrap());
    stage.events("m1")
}

#[test]
fn six_hundred_kills_lose_and_double_nothing() {
    let stage = Stage::new(env!("CARGO_BIN_EXE_deployment-monitor"));
    let events = killed(&stage, KILLS, 50.0);
    assert_each_once(&events);
    assert_tells_the_record(&events, &trace(LONG), LONG);
    let quiet = Stage::new(env!("CARGO_BIN_EXE_deployment-monitor"));
    let told: Vec<String> = events.iter().map(gist).collect();
    let undisturbed: Vec<String> = killed(&quiet, 0, 2.0).iter().map(gist).collect();
    assert_eq!(told, undisturbed);
    let failures = stage
        .slack
        .all_messages()
        .iter()
        .filter(|message| message.text.contains("A resource failed"))
        .count();
    assert_eq!(failures, 1);
}

// Killed at the worst instant: three events are in the log and synced, the cursor does not know of them yet. Returns how many
// events stand in the log twice after the next run. `without_tail`: the log is another file with the same content, so that what
// stands behind the cursor cannot be read back.
fn doubled_after_the_worst_kill(without_tail: bool) -> usize {
    let stage = Stage::new(env!("CARGO_BIN_EXE_deployment-monitor"));
    let log = stage.log("m1");
    let cursor = stage.registry_dir("m1").join("monitors/m1/App.json");
    let run_until = |events: usize| {
        let mut child = stage.monitor("m1", "App").spawn().unwrap();
        wait("events in the log and in the cursor", || {
            let saved = std::fs::read_to_string(&cursor).unwrap_or_default();
            stage
                .lines_so_far("m1")
                .iter()
                .filter(|line| line["level"] == "EVENT")
                .filter(|line| saved.contains(line["event_id"].as_str().unwrap()))
                .count()
                >= events
        });
        child.kill().unwrap();
        child.wait().unwrap();
    };
    stage
        .aws
        .event("App", Event::own(0.0, "CREATE_IN_PROGRESS"));
    run_until(1);
    let before = std::fs::read(&cursor).unwrap();
    for id in ["A", "B", "C"] {
        let event = Event::resource(0.0, id, "AWS::SNS::Topic", "CREATE_IN_PROGRESS");
        stage.aws.event("App", event);
    }
    run_until(4);
    registry_core::store::atomic::write(&cursor, &before, 0o644).unwrap();
    if without_tail {
        let copy = log.with_extension("copy");
        std::fs::copy(&log, &copy).unwrap();
        rename(&copy, &log);
    }
    stage.aws.event("App", Event::own(0.0, "CREATE_COMPLETE"));
    assert_eq!(
        finish(stage.monitor("m1", "App").spawn().unwrap()).code(),
        Some(0)
    );
    let events: Vec<String> = stage
        .events("m1")
        .iter()
        .map(|event| format!("{} {}", event["stack_id"], event["event_id"]))
        .collect();
    let unlike: BTreeSet<&String> = events.iter().collect();
    assert_eq!(unlike.len(), 5, "none is lost");
    events.len() - unlike.len()
}

#[test]
fn the_tail_behind_the_cursor_is_read_back() {
    assert_eq!(doubled_after_the_worst_kill(false), 0);
}

// The negative control: without the tail the same kill doubles events; else the tests above prove nothing.
#[test]
fn without_the_tail_the_same_kill_doubles_events() {
    assert_eq!(doubled_after_the_worst_kill(true), 3);
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test takes the log away on purpose"
)]
fn rename(from: &std::path::Path, to: &std::path::Path) {
    std::fs::rename(from, to).unwrap();
}
