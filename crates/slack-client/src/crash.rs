//! Named points at which a test kills the process. Nothing is left of them outside this crate's own tests.

/// Dies at `name` when a test asked for that.
#[cfg(not(test))]
pub(crate) fn point(_name: &str) {}

/// The variable that names the point at which the re-executed test binary dies.
#[cfg(test)]
pub(crate) const VARIABLE: &str = "SLACK_CLIENT_TEST_CRASH_POINT";

/// Dies at `name` when a test asked for that.
#[cfg(test)]
pub(crate) fn point(name: &str) {
    use rustix::process::{Signal, getpid, kill_process};
    if std::env::var_os(VARIABLE).is_some_and(|asked| asked == name) {
        kill_process(getpid(), Signal::KILL).unwrap();
        loop {
            std::thread::park();
        }
    }
}
