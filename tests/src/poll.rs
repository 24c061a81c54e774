//! Waiting for something to become true, with a cap.

use std::time::{Duration, Instant};

/// How long [`eventually`] waits; far more than anything here takes on a busy machine.
const CAP: Duration = Duration::from_secs(60);

/// Waits a little.
#[expect(
    clippy::disallowed_methods,
    reason = "tests of real processes wait for real time, in this one place"
)]
pub fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}

/// Asks until there is an answer.
///
/// # Panics
/// When there is none after a minute; `what` says what was waited for.
#[track_caller]
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < CAP, "waited for {CAP:?}, in vain: {what}");
        pause();
    }
}
