//! kill -9 at random instants: no event is lost or reported twice, no alert queued twice.
#![allow(
    clippy::unwrap_used,
    reason = "tests, their helpers included, fail by panicking"
)]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::{
    Dice, Stage, assert_each_once, assert_tells_the_record, finish, gist, holder, pause, trace,
    wait,
};
use simulators::Play;

const LONG: &str = "rlhf-synth-fixer_tap-serverless-pr2695_create";

/// As many as the contract's promise was measured with.
const KILLS: usize = 600;

// Starts a monitor, waits until it works, and kills it a moment later. Says whether it had reported anything.
fn start_and_kill(stage: &Stage, dice: &mut Dice) -> bool {
    let log = stage.log("m1");
    let length = || std::fs::metadata(&log).map_or(0, |metadata| metadata.len());
    let before = length();
    let mut child = stage.monitor("m1", "App").spawn().unwrap();
    wait("a monitor that holds its lock", || {
        holder(&stage.registry_dir("m1"), "m1", "App") == Some(child.id())
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

// The negative control: without the tail behind the cursor (here: a log that the cursor does not know, with the same content)
// the same kills must double events; else the test above proves nothing.
#[test]
fn without_the_tail_the_same_kills_double_events() {
    let stage = Stage::new(env!("CARGO_BIN_EXE_deployment-monitor"));
    let trace = trace(LONG);
    let play = Play::at_speed(trace.duration_seconds() / 20.0);
    stage.aws.play_trace("App", &trace, &play);
    let mut dice = Dice(4);
    let log = stage.log("m1");
    let mut doubled = 0;
    for _ in 0..KILLS {
        start_and_kill(&stage, &mut dice);
        // Another inode: what is in it counts as not ours.
        let copy = log.with_extension("copy");
        std::fs::copy(&log, &copy).unwrap();
        rename(&copy, &log);
        let events: Vec<String> = stage
            .lines_so_far("m1")
            .iter()
            .filter(|line| line["level"] == "EVENT")
            .map(|event| format!("{} {}", event["stack_id"], event["event_id"]))
            .collect();
        let unlike: BTreeSet<&String> = events.iter().collect();
        doubled = events.len() - unlike.len();
        if doubled > 0 {
            break;
        }
    }
    assert!(doubled > 0, "{KILLS} kills, and nothing was doubled");
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test takes the log away on purpose"
)]
fn rename(from: &std::path::Path, to: &std::path::Path) {
    std::fs::rename(from, to).unwrap();
}
