//! An end of time that a clock set by hand does not move.

use std::sync::Arc;
use std::time::Duration;

use registry_core::clock::Clock;

/// When a call must be over.
#[derive(Clone)]
pub(crate) struct Deadline {
    clock: Arc<dyn Clock>,
    end: Duration,
}

impl Deadline {
    pub(crate) fn after(clock: &Arc<dyn Clock>, span: Duration) -> Self {
        Self {
            clock: Arc::clone(clock),
            end: clock.boot().since_boot.saturating_add(span),
        }
    }

    pub(crate) fn remaining(&self) -> Duration {
        self.end.saturating_sub(self.clock.boot().since_boot)
    }

    /// Waits, unless that would take until the end or the program is asked to stop. Whether it waited.
    pub(crate) fn pause(&self, span: Duration) -> bool {
        span < self.remaining() && self.clock.sleep(span) == registry_core::clock::Wake::Elapsed
    }
}
