//! Signals that ask the program to stop.

use registry_core::clock::StopSignal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Catches SIGINT, SIGTERM and SIGHUP from now on; each of them sets the returned signal. Call it once, early, and only in
/// programs that have something to tidy up: the others end at once, as they should.
///
/// A process started with `nohup` ignores SIGHUP; that is kept.
pub fn catch() -> std::io::Result<StopSignal> {
    watch(|_| {})
}

/// As [`catch`], and tells `each` every one of these signals, the first and those after it: for a program that passes them on.
pub fn watch(each: impl Fn(i32) + Send + 'static) -> std::io::Result<StopSignal> {
    let stop = StopSignal::default();
    let mut wanted = vec![SIGINT, SIGTERM];
    if !hangup_is_ignored() {
        wanted.push(SIGHUP);
    }
    let mut signals = Signals::new(wanted)?;
    let setter = stop.clone();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                setter.stop(signal);
                each(signal);
            }
        })?;
    Ok(stop)
}

// Linux tells ignored signals in /proc/self/status (proc(5), SigIgn, a hexadecimal mask; bit 0 is signal 1, SIGHUP).
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}
