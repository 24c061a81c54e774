//! How long to wait before the next look: the interval with some jitter, longer when AWS is in trouble, and back again.

use std::time::Duration;

use registry_core::stack::StackError;

/// The longest pause while AWS is in trouble, unless the interval itself is longer.
const LONGEST: Duration = Duration::from_secs(60);

/// With `--adaptive`: how many times the interval a quiet stack's pause may grow to.
const MOST_STRETCH: f64 = 4.0;

/// What the last look came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Something new was seen.
    News,
    /// All was seen, nothing was new.
    Quiet,
    /// The end is near: two sources do not agree yet.
    Closing,
    /// AWS said that it is asked too often.
    Throttled,
    /// AWS could not be asked.
    Blind,
}

impl Look {
    /// What an error means for the pace.
    pub(crate) fn of(error: &StackError) -> Self {
        match error {
            StackError::Throttled { .. } => Self::Throttled,
            StackError::Settings { .. }
            | StackError::NoCredentials { .. }
            | StackError::Expired { .. }
            | StackError::Denied { .. }
            | StackError::Unreachable { .. }
            | StackError::Nonsense { .. }
            | StackError::Invalid { .. } => Self::Blind,
        }
    }
}

/// The pace of one monitor.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    interval: Duration,
    adaptive: bool,
    throttle: f64,
    stretch: f64,
    failures: u32,
}

impl Pace {
    /// A pace of one look per `interval`; `adaptive` stretches it while nothing happens.
    pub(crate) fn new(interval: Duration, adaptive: bool) -> Self {
        Self {
            interval,
            adaptive,
            throttle: 1.0,
            stretch: 1.0,
            failures: 0,
        }
    }

    /// The pause after this look. `chance` between 0 and 1 spreads the monitors of many deployments out.
    pub(crate) fn after(&mut self, look: Look, chance: f64) -> Duration {
        let longest = LONGEST.max(self.interval);
        match look {
            Look::News | Look::Quiet | Look::Closing => {
                self.failures = 0;
                self.throttle = (self.throttle * 0.75).max(1.0);
            }
            Look::Throttled => {
                // Half the pace.
                let most = longest.as_secs_f64() / self.interval.as_secs_f64();
                self.throttle = (self.throttle * 2.0).min(most.max(1.0));
            }
            Look::Blind => self.failures = (self.failures + 1).min(16),
        }
        self.stretch = match look {
            Look::Quiet if self.adaptive => (self.stretch * 1.25).min(MOST_STRETCH),
            Look::Quiet | Look::News | Look::Closing | Look::Throttled | Look::Blind => 1.0,
        };
        let spread = 0.9 + 0.2 * chance.clamp(0.0, 1.0);
        let factor = self.throttle * self.stretch * f64::from(1_u32 << self.failures.min(16));
        let pause = self.interval.mul_f64(factor * spread);
        let most = match look {
            // A pause on purpose may be longer than one in trouble.
            Look::News | Look::Quiet => longest.mul_f64(MOST_STRETCH),
            Look::Throttled | Look::Blind => longest,
            Look::Closing => Duration::from_secs(2),
        };
        pause.min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(pace: &mut Pace, look: Look) -> f64 {
        pace.after(look, 0.5).as_secs_f64()
    }

    #[test]
    fn throttling_halves_the_pace_and_it_recovers() {
        let mut pace = Pace::new(Duration::from_secs(10), false);
        assert!((seconds(&mut pace, Look::Quiet) - 10.0).abs() < 0.01);
        assert!((seconds(&mut pace, Look::Throttled) - 20.0).abs() < 0.01);
        assert!((seconds(&mut pace, Look::Throttled) - 40.0).abs() < 0.01);
        assert!((seconds(&mut pace, Look::Throttled) - 60.0).abs() < 0.01);
        assert!((seconds(&mut pace, Look::Throttled) - 60.0).abs() < 0.01);
        for _ in 0..8 {
            pace.after(Look::Quiet, 0.5);
        }
        assert!((seconds(&mut pace, Look::Quiet) - 10.0).abs() < 0.01);
    }

    #[test]
    fn trouble_backs_off_to_a_minute_or_the_interval() {
        let mut pace = Pace::new(Duration::from_secs(30), false);
        for _ in 0..40 {
            pace.after(Look::Blind, 1.0);
        }
        assert_eq!(pace.after(Look::Blind, 1.0), Duration::from_secs(60));
        assert!((seconds(&mut pace, Look::News) - 30.0).abs() < 0.01);
        let mut slow = Pace::new(Duration::from_secs(300), false);
        assert_eq!(slow.after(Look::Blind, 1.0), Duration::from_secs(300));
    }

    #[test]
    fn adaptive_stretches_when_quiet_and_snaps_back() {
        let mut pace = Pace::new(Duration::from_secs(10), true);
        for _ in 0..20 {
            pace.after(Look::Quiet, 0.5);
        }
        assert!((seconds(&mut pace, Look::Quiet) - 40.0).abs() < 0.01);
        assert!((seconds(&mut pace, Look::News) - 10.0).abs() < 0.01);
        let mut plain = Pace::new(Duration::from_secs(10), false);
        plain.after(Look::Quiet, 0.5);
        assert!((seconds(&mut plain, Look::Quiet) - 10.0).abs() < 0.01);
    }

    #[test]
    fn looks_are_spread_by_a_tenth() {
        let mut pace = Pace::new(Duration::from_secs(10), false);
        assert_eq!(pace.after(Look::Quiet, 0.0), Duration::from_secs(9));
        assert_eq!(pace.after(Look::Quiet, 1.0), Duration::from_secs(11));
    }
}
