//! `collect` of a stack with a long and busy past.

use std::time::Duration;

use simulators::Stack;

use crate::{Bench, STACK};

/// A third of the stack's past is read: 20 operations of 500 events. `cargo xtask bench estimate` measures 100,000 events.
const EVENTS: u64 = 30_000;
const OPERATIONS: u64 = 60;
const PAGES: usize = 100;

/// Runs `collect`, and tells with its answer the most memory it had, in KiB: Linux keeps the high-water mark while a process lives.
fn collect(bench: &Bench, words: &[&str]) -> (crate::Answer, u64) {
    let mut child = bench
        .command(&[&["collect", STACK], words].concat())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let mark = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = mark.and_then(|mark| mark.trim().strip_suffix(" kB")?.trim().parse().ok());
        peak = peak.max(kib.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    }
    (child.wait_with_output().unwrap().into(), peak)
}

#[test]
fn a_busy_past_is_read_within_bounds_and_once() {
    let bench = Bench::new();
    bench.aws.add_stack(
        Stack::new(STACK)
            .status("UPDATE_COMPLETE")
            .busy_history(EVENTS, OPERATIONS),
    );
    bench.aws.forget_requests();
    let (first, peak) = collect(&bench, &[]);
    assert_eq!(first.status, 0, "{}", first.stderr);
    assert_eq!(first.json()["new_operations"], 20);
    // One question for the state, then the pages. The last holds the beginning of the twentieth operation.
    let asked = bench.aws.recorded().len();
    assert!((PAGES..=PAGES + 2).contains(&asked), "{asked}");
    assert!(peak > 0 && peak < 40 * 1024, "{peak} KiB");
    let kept = std::fs::read(bench.history_path()).unwrap();
    bench.aws.forget_requests();
    let (second, _) = collect(&bench, &[]);
    assert_eq!(second.json()["new_operations"], 0);
    assert_eq!(std::fs::read(bench.history_path()).unwrap(), kept);
    // The newest operation is read to its beginning, which is known.
    let asked = bench.aws.recorded().len();
    assert!(asked <= PAGES / 20 + 2, "{asked}");
}
