//! Time: the one place that asks the machine for it, and the one type that carries it.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};
use time::macros::format_description;

/// A moment in UTC, in whole milliseconds since 1970 (what CloudFormation's timestamps carry).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

// Year 9999, the last that the formats can print.
const LATEST: i64 = 253_402_300_799_999;

impl Timestamp {
    /// From milliseconds since 1970; values outside the years 1970 to 9999 are moved to the nearest end.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(0, LATEST))
    }

    /// From whole seconds since 1970.
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Self {
        Self::from_millis(seconds.saturating_mul(1000))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0 / 1000
    }

    /// How long ago `earlier` was; zero when it lies in the future.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).try_into().unwrap_or(0))
    }

    fn date_time(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// `2026-01-14T12:34:56Z`, for JSON. Milliseconds are dropped.
    #[must_use]
    pub fn rfc3339(self) -> String {
        self.date_time()
            .format(format_description!(
                "[year]-[month]-[day]T[hour]:[minute]:[second]Z"
            ))
            .unwrap_or_default()
    }

    /// `2026-01-14T12:34:56.789Z`, where the milliseconds matter (event timestamps, cursors).
    #[must_use]
    pub fn rfc3339_millis(self) -> String {
        self.date_time()
            .format(format_description!(
                "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
            ))
            .unwrap_or_default()
    }

    /// `2026-01-14 12:34:56 UTC`, for people.
    #[must_use]
    pub fn human(self) -> String {
        self.date_time()
            .format(format_description!(
                "[year]-[month]-[day] [hour]:[minute]:[second] UTC"
            ))
            .unwrap_or_default()
    }

    /// `20260114-123456`, for ids and file names.
    #[must_use]
    pub fn compact(self) -> String {
        self.date_time()
            .format(format_description!(
                "[year][month][day]-[hour][minute][second]"
            ))
            .unwrap_or_default()
    }

    /// Reads an RFC 3339 time in any offset.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        OffsetDateTime::parse(text.trim(), &Rfc3339)
            .ok()
            .map(Self::from_date_time)
    }

    /// Reads the `Date` header of an HTTP answer (RFC 9110 IMF-fixdate).
    #[must_use]
    pub fn parse_http_date(text: &str) -> Option<Self> {
        // Rfc2822 wants a numeric zone; IMF-fixdate always says GMT.
        let numeric = text.trim().strip_suffix("GMT")?.to_owned() + "+0000";
        OffsetDateTime::parse(&numeric, &Rfc2822)
            .ok()
            .map(Self::from_date_time)
    }

    fn from_date_time(moment: OffsetDateTime) -> Self {
        Self::from_millis(
            (moment.unix_timestamp_nanos() / 1_000_000)
                .try_into()
                .unwrap_or(LATEST),
        )
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self::from_millis(
            self.0
                .saturating_add(span.as_millis().try_into().unwrap_or(LATEST)),
        )
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        Self::from_millis(
            self.0
                .saturating_sub(span.as_millis().try_into().unwrap_or(LATEST)),
        )
    }
}

/// A moment on one machine's own steady clock, which no one can set: time since boot, and which boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootInstant {
    /// Linux' random id of this boot; `None` where the system has none.
    pub boot_id: Option<String>,
    /// Time since that boot, suspend included.
    pub since_boot: Duration,
}

impl BootInstant {
    /// How long ago `earlier` was, when both are of the same boot; else `None`: only wall clocks can tell.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Option<Duration> {
        let same = self.boot_id.is_some() && self.boot_id == earlier.boot_id;
        same.then(|| self.since_boot.saturating_sub(earlier.since_boot))
    }
}

/// Why a sleep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Wake {
    /// The whole time has passed.
    Elapsed,
    /// Somebody asked the program to stop.
    Stopped,
}

/// Set once when the program is asked to stop (a signal); wakes every sleeper.
#[derive(Debug, Clone, Default)]
pub struct StopSignal(Arc<(Mutex<Option<i32>>, Condvar)>);

impl StopSignal {
    /// Asks to stop. `signal` is the number of the signal that asked, kept for the exit status.
    pub fn stop(&self, signal: i32) {
        let mut asked = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get_or_insert(signal);
        self.0.1.notify_all();
    }

    /// The first signal that asked to stop, if any did.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until asked to stop, `span` at the most.
    pub fn wait(&self, span: Duration) -> Wake {
        let guard = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, _) = self
            .0
            .1
            .wait_timeout_while(guard, span, |asked| asked.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        if asked.is_some() {
            Wake::Stopped
        } else {
            Wake::Elapsed
        }
    }
}

/// Where time comes from.
pub trait Clock: Send + Sync {
    /// The local wall clock. May be wrong; compare only with itself.
    fn now(&self) -> Timestamp;
    /// The machine's steady clock.
    fn boot(&self) -> BootInstant;
    /// Waits, or returns early when the program is asked to stop.
    fn sleep(&self, span: Duration) -> Wake;

    /// As [`Clock::sleep`], but returns early also when something outside has happened (then with [`Wake::Elapsed`]).
    /// `happened` waits for it, no longer than it is told to, and says whether it has.
    fn sleep_unless(&self, span: Duration, happened: &mut dyn FnMut(Duration) -> bool) -> Wake {
        // For a clock whose sleeps take no time: what is outside gets a moment of the real one.
        if happened(Duration::from_millis(1)) {
            Wake::Elapsed
        } else {
            self.sleep(span)
        }
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Default)]
pub struct SystemClock {
    stop: StopSignal,
}

impl SystemClock {
    /// A clock whose sleeps end when `stop` is set.
    #[must_use]
    pub fn new(stop: StopSignal) -> Self {
        Self { stop }
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks the machine for the time"
    )]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_millis(since.as_millis().try_into().unwrap_or(LATEST))
    }

    fn boot(&self) -> BootInstant {
        #[cfg(target_os = "linux")]
        let clock = rustix::time::ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let clock = rustix::time::ClockId::Monotonic;
        let at = rustix::time::clock_gettime(clock);
        BootInstant {
            boot_id: boot_id(),
            since_boot: Duration::new(
                at.tv_sec.try_into().unwrap_or(0),
                at.tv_nsec.try_into().unwrap_or(0),
            ),
        }
    }

    fn sleep(&self, span: Duration) -> Wake {
        self.stop.wait(span)
    }

    fn sleep_unless(&self, span: Duration, happened: &mut dyn FnMut(Duration) -> bool) -> Wake {
        // How soon a stop is seen.
        const SLICE: Duration = Duration::from_millis(100);
        let end = self.boot().since_boot + span;
        loop {
            if self.stop.signal().is_some() {
                return Wake::Stopped;
            }
            let left = end.saturating_sub(self.boot().since_boot);
            if left.is_zero() || happened(left.min(SLICE)) {
                return Wake::Elapsed;
            }
        }
    }
}

// The same for as long as this process lives, and asked for at every look at a lock.
fn boot_id() -> Option<String> {
    static BOOT_ID: LazyLock<Option<String>> = LazyLock::new(|| {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(id.trim().to_owned())
    });
    BOOT_ID.clone()
}

/// A clock that moves only when told to; for tests and simulations. A sleep moves it and returns at once.
#[derive(Debug, Clone)]
pub struct ManualClock {
    state: Arc<Mutex<(Timestamp, Duration)>>,
    boot_id: String,
}

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self {
            state: Arc::new(Mutex::new((now, Duration::from_secs(1000)))),
            boot_id: "manual-boot".to_owned(),
        }
    }

    /// Lets time pass.
    pub fn advance(&self, span: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = state.0 + span;
        state.1 += span;
    }

    /// Sets the wall clock, as an administrator or NTP would; the steady clock does not notice.
    pub fn set_wall(&self, now: Timestamp) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0 = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn boot(&self) -> BootInstant {
        BootInstant {
            boot_id: Some(self.boot_id.clone()),
            since_boot: self.state.lock().unwrap_or_else(PoisonError::into_inner).1,
        }
    }

    fn sleep(&self, span: Duration) -> Wake {
        self.advance(span);
        Wake::Elapsed
    }
}

/// Whole minutes of a duration, rounded to the nearest.
#[must_use]
pub fn whole_minutes(span: Duration) -> u64 {
    (span.as_secs() + 30) / 60
}

/// Reads a duration setting: `200ms`, `30s`, `5m`, `2h`, sums of them (`1h30m`), or a bare number of seconds.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    // Ten years: longer is a slip of the finger, and sums of such durations cannot overflow.
    let longest = Duration::from_secs(10 * 366 * 24 * 3600);
    let span = match text.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text).ok(),
    }?;
    (span <= longest).then_some(span)
}

/// A duration for people: `200ms`, `45s`, `12m`, `1h 5m`, `3d 2h`.
#[must_use]
pub fn human_duration(span: Duration) -> String {
    let s = span.as_secs();
    match s {
        0 if !span.is_zero() => format!("{}ms", span.as_millis()),
        0..=89 => format!("{s}s"),
        90..=3599 => format!("{}m", (s + 30) / 60),
        3600..=172_799 => format!("{}h {}m", s / 3600, s % 3600 / 60),
        _ => format!("{}d {}h", s / 86_400, s % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let t = Timestamp::parse_rfc3339("2026-01-14T13:34:56.789+01:00").unwrap();
        assert_eq!(t.rfc3339(), "2026-01-14T12:34:56Z");
        assert_eq!(t.rfc3339_millis(), "2026-01-14T12:34:56.789Z");
        assert_eq!(t.human(), "2026-01-14 12:34:56 UTC");
        assert_eq!(t.compact(), "20260114-123456");
        let header = Timestamp::parse_http_date("Wed, 14 Jan 2026 12:34:56 GMT").unwrap();
        assert_eq!(header.seconds(), t.seconds());
        assert_eq!(Timestamp::parse_http_date("yesterday"), None);
    }

    #[test]
    fn absurd_times_do_not_panic() {
        assert_eq!(
            Timestamp::from_millis(i64::MAX).rfc3339(),
            "9999-12-31T23:59:59Z"
        );
        assert_eq!(
            Timestamp::from_seconds(i64::MIN).rfc3339(),
            "1970-01-01T00:00:00Z"
        );
        let end = Timestamp::from_millis(i64::MAX) + Duration::MAX;
        assert_eq!(end - Duration::MAX, Timestamp::from_millis(0));
    }

    #[test]
    fn durations() {
        for (text, millis) in [
            ("200ms", 200),
            ("30s", 30_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("45", 45_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Some(Duration::from_millis(millis)),
                "{text}"
            );
        }
        for bad in [
            "",
            "abc",
            "-5",
            "1.5.2",
            "9999999999999h",
            "99999999999999999999",
        ] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
        for (seconds, text) in [
            (5, "5s"),
            (89, "89s"),
            (90, "2m"),
            (720, "12m"),
            (3900, "1h 5m"),
            (266_400, "3d 2h"),
        ] {
            assert_eq!(human_duration(Duration::from_secs(seconds)), text);
        }
        assert_eq!(whole_minutes(Duration::from_secs(89)), 1);
        assert_eq!(whole_minutes(Duration::from_secs(90)), 2);
    }

    #[test]
    fn a_set_wall_clock_does_not_touch_the_steady_one() {
        let clock = ManualClock::at(Timestamp::from_seconds(1_000_000));
        let before = clock.boot();
        clock.set_wall(Timestamp::from_seconds(5));
        clock.advance(Duration::from_secs(7));
        assert_eq!(clock.boot().since(&before), Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_stop_wakes_a_sleeper() {
        let stop = StopSignal::default();
        let clock = SystemClock::new(stop.clone());
        let other = stop.clone();
        let thread = std::thread::spawn(move || clock.sleep(Duration::from_secs(60)));
        other.stop(15);
        assert_eq!(thread.join().unwrap(), Wake::Stopped);
        assert_eq!(stop.signal(), Some(15));
    }
}
