//! Each recorded operation through the simulator and the real binary: every event once and in order, the verdict, the cause.

mod common;

use common::{
    Stage, answers, assert_each_once, assert_tells_the_record, finish, in_parallel, trace,
};
use simulators::Play;

/// Each operation is played in about so many seconds.
const SECONDS: f64 = 1.5;

#[test]
fn all_fifty_operations_are_told_whole_and_judged_right() {
    let answers = answers();
    assert_eq!(answers.len(), 50);
    in_parallel(&answers, 8, |(file, end, status, cause)| {
        let stage = Stage::new(env!("CARGO_BIN_EXE_deployment-monitor"));
        let trace = trace(file);
        let speed = (trace.duration_seconds() / SECONDS).max(1.0);
        let play = Play {
            after: 0.3,
            ..Play::at_speed(speed)
        };
        stage.aws.play_trace("App", &trace, &play);
        let child = stage.monitor("m1", "App").spawn().unwrap();
        let code = finish(child).code();
        let events = stage.events("m1");
        assert_each_once(&events);
        assert_tells_the_record(&events, &trace, file);
        let last = stage.lines("m1").pop().unwrap();
        // What the record leaves open the simulator ends: rolled back where something had failed.
        let expected = match end.as_str() {
            "open" if cause == "-" => "deployed",
            "open" => "failed",
            other => other,
        };
        assert_eq!(last["outcome"], expected, "{file}: {last}");
        assert_eq!(code, Some(i32::from(expected == "failed")), "{file}");
        if end != "open" {
            assert_eq!(last["stack_status"], status.as_str(), "{file}");
        }
        let told = last["first_cause"].as_str().unwrap_or("-");
        let wanted = if cause == "(stack)" { "App" } else { cause };
        assert!(told.starts_with(wanted), "{file}: {told}");
    });
}
