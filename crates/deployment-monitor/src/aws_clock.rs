//! AWS's clock, carried on by the machine's steady one. The local wall clock may be wrong; it is only used until AWS has
//! answered once, and then only for durations.

use std::time::Duration;

use registry_core::clock::{BootInstant, Clock, Timestamp};

/// What time it is for AWS.
#[derive(Debug, Clone, Default)]
pub(crate) struct AwsClock {
    heard: Option<(Timestamp, BootInstant)>,
}

impl AwsClock {
    /// AWS said what time it is (the `Date` header, whole seconds).
    pub(crate) fn hear(&mut self, server_time: Option<Timestamp>, clock: &dyn Clock) {
        let Some(at) = server_time else { return };
        let now = clock.boot();
        // The header is cut to whole seconds: going on from an earlier answer is finer, while both agree within a second.
        let agrees = self.heard.as_ref().is_some_and(|(then, boot)| {
            now.since(boot).is_some_and(|passed| {
                let expected = *then + passed;
                expected >= at && expected.since(at) < Duration::from_secs(1)
            })
        });
        if !agrees {
            self.heard = Some((at, now));
        }
    }

    /// Now, for AWS.
    pub(crate) fn now(&self, clock: &dyn Clock) -> Timestamp {
        match &self.heard {
            Some((at, boot)) => *at + clock.boot().since(boot).unwrap_or_default(),
            None => clock.now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use registry_core::clock::ManualClock;

    #[test]
    fn the_local_clock_does_not_matter_once_aws_has_spoken() {
        let local = ManualClock::at(Timestamp::from_seconds(5));
        let mut aws = AwsClock::default();
        assert_eq!(aws.now(&local), Timestamp::from_seconds(5));
        aws.hear(Some(Timestamp::from_seconds(1000)), &local);
        local.advance(Duration::from_millis(700));
        local.set_wall(Timestamp::from_seconds(9_999_999));
        assert_eq!(aws.now(&local), Timestamp::from_millis(1_000_700));
        // The same second again does not set it back.
        aws.hear(Some(Timestamp::from_seconds(1000)), &local);
        assert_eq!(aws.now(&local), Timestamp::from_millis(1_000_700));
        aws.hear(Some(Timestamp::from_seconds(1100)), &local);
        assert_eq!(aws.now(&local), Timestamp::from_seconds(1100));
    }
}
