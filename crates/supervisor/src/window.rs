//! At most so many restarts in any five minutes: a sliding window, kept on disk.
//!
//! A window that starts anew at its end would let nearly twice as many through around its boundary (systemd's does).

use std::io;
use std::path::Path;
use std::time::Duration;

use registry_core::clock::{BootInstant, Clock, Timestamp};
use registry_core::store::atomic;
use serde::{Deserialize, Serialize};

/// The most restarts within [`SPAN`].
pub(crate) const MOST: usize = 5;

/// The window.
pub(crate) const SPAN: Duration = Duration::from_secs(300);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Restart {
    at_ms: i64,
    boot_id: Option<String>,
    since_boot_ms: u64,
}

impl Restart {
    fn now(clock: &dyn Clock) -> Self {
        let boot = clock.boot();
        Self {
            at_ms: clock.now().millis(),
            boot_id: boot.boot_id,
            since_boot_ms: u64::try_from(boot.since_boot.as_millis()).unwrap_or(u64::MAX),
        }
    }

    // By the steady clock where it is the same boot: then setting the wall clock changes nothing.
    fn age(&self, clock: &dyn Clock) -> Duration {
        let then = BootInstant {
            boot_id: self.boot_id.clone(),
            since_boot: Duration::from_millis(self.since_boot_ms),
        };
        clock
            .boot()
            .since(&then)
            .unwrap_or_else(|| clock.now().since(Timestamp::from_millis(self.at_ms)))
    }
}

/// The restarts of the last five minutes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Window {
    restarts: Vec<Restart>,
}

impl Window {
    /// What an earlier recovery left; nothing where that cannot be read.
    pub(crate) fn load(path: &Path) -> Self {
        std::fs::read(path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    /// How many restarts lie in the window now.
    pub(crate) fn count(&mut self, clock: &dyn Clock) -> usize {
        self.restarts.retain(|restart| restart.age(clock) < SPAN);
        self.restarts.len()
    }

    /// One more; on disk before the restart happens.
    pub(crate) fn add(&mut self, path: &Path, clock: &dyn Clock) -> io::Result<()> {
        self.restarts.push(Restart::now(clock));
        atomic::write(path, &serde_json::to_vec(self)?, 0o644)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use registry_core::clock::ManualClock;

    #[test]
    fn the_window_slides_and_survives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.json");
        let clock = ManualClock::at(Timestamp::from_seconds(1_000_000));
        let mut window = Window::load(&path);
        window.add(&path, &clock).unwrap();
        clock.advance(Duration::from_secs(298));
        for _ in 0..4 {
            window.add(&path, &clock).unwrap();
        }
        clock.advance(Duration::from_secs(1));
        assert_eq!(Window::load(&path).count(&clock), 5, "at 299 s");
        clock.advance(Duration::from_secs(2));
        let mut later = Window::load(&path);
        assert_eq!(later.count(&clock), 4, "at 301 s");
        // Only one more: the other four are from seconds ago.
        later.add(&path, &clock).unwrap();
        assert_eq!(later.count(&clock), 5);
    }

    #[test]
    fn a_wall_clock_that_is_set_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.json");
        let clock = ManualClock::at(Timestamp::from_seconds(1_000_000));
        let mut window = Window::default();
        window.add(&path, &clock).unwrap();
        clock.set_wall(Timestamp::from_seconds(5));
        assert_eq!(window.count(&clock), 1);
        clock.advance(SPAN);
        assert_eq!(window.count(&clock), 0);
    }
}
