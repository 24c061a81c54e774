//! Every target with inputs made from the kept ones: the same inputs every time.
#![expect(clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod inputs;

use std::sync::mpsc;
use std::time::Duration;

use fuzzing::Target;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

/// Memory this whole process may ever have had, in KiB. It needs some 100 MiB.
const MOST_MEMORY: u64 = 600 * 1024;

/// How long one input may take on a machine with much else to do. They take milliseconds.
const LONGEST: Duration = Duration::from_secs(60);

fn most_memory_so_far() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

// Runs in a thread of its own, so that an input on which it hangs can be named.
fn worker(target: Target) -> (mpsc::Sender<Vec<u8>>, mpsc::Receiver<Result<(), String>>) {
    let (give, inputs) = mpsc::channel::<Vec<u8>>();
    let (answer, answers) = mpsc::channel();
    std::thread::spawn(move || {
        for input in inputs {
            let run = std::panic::AssertUnwindSafe(|| (target.run)(&input));
            let outcome = std::panic::catch_unwind(run).map_err(|panic| {
                let text = panic.downcast_ref::<String>().cloned();
                text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                    .unwrap_or_default()
            });
            if answer.send(outcome).is_err() {
                return;
            }
        }
    });
    (give, answers)
}

fn holds(name: &str) {
    let target = Target::named(name).expect("a target");
    let seeds = inputs::kept(&target);
    assert!(!seeds.is_empty(), "no kept input in fuzz/corpus/{name}");
    let (give, answers) = worker(target);
    let run = |input: Vec<u8>| -> Result<(), TestCaseError> {
        let shown = String::from_utf8_lossy(&input).into_owned();
        give.send(input).expect("the worker");
        let outcome = answers.recv_timeout(LONGEST);
        let outcome = outcome.unwrap_or_else(|_| Err(format!("no end after {LONGEST:?}")));
        let memory = most_memory_so_far();
        let outcome = outcome.and_then(|()| {
            let fits = memory < MOST_MEMORY;
            fits.then_some(())
                .ok_or_else(|| format!("{memory} KiB of memory"))
        });
        outcome.map_err(|why| TestCaseError::fail(format!("{why}\nwith the input {shown:?}")))
    };
    for seed in &seeds {
        run(seed.clone()).expect("a kept input");
    }
    let config = Config {
        cases: target.cases,
        failure_persistence: None,
        max_shrink_iters: 500,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(config, rng);
    match runner.run(&inputs::made_from(seeds), run) {
        Ok(()) => {}
        Err(TestError::Fail(reason, _) | TestError::Abort(reason)) => {
            panic!("{name}: {}", reason.message());
        }
    }
}

#[test]
fn registry_files() {
    holds("registry");
}

#[test]
fn history_files() {
    holds("history");
}

#[test]
fn queue_files() {
    holds("queue");
}

#[test]
fn cursors_and_logs() {
    holds("cursor");
}

#[test]
fn traces() {
    holds("trace");
}

#[test]
fn templates() {
    holds("template");
}

#[test]
fn command_lines() {
    holds("words");
}

#[test]
fn answers_of_cloudformation() {
    holds("stacks");
}

#[test]
fn answers_of_slack() {
    holds("slack");
}

#[test]
fn settings_files() {
    holds("settings");
}

#[test]
fn every_target_is_tried_here_and_by_cargo_fuzz() {
    let tried = include_str!("targets.rs");
    let manifest = include_str!("../../../fuzz/Cargo.toml");
    for target in fuzzing::TARGETS {
        let name = target.name;
        assert!(tried.contains(&format!("holds({name:?})")), "{name}");
        assert!(manifest.contains(&format!("name = {name:?}")), "{name}");
    }
}
