//! Wrong answers on request.
//!
//! A [`Fault`] says what goes wrong ([`Trouble`]) and when: for which action, how often, in which seconds, how probably.
//! The same type is what tests build, what a scenario file holds and what `POST /_sim/faults` takes.

use std::collections::BTreeMap;

use registry_core::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::http::{Request, Unread};

/// What goes wrong. The first group is told in the words of the service that is asked: an XML error by CloudFormation,
/// `ok: false` by Slack, a JSON message by GitHub.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// AWS: 400 `Throttling`. Slack: 429 `ratelimited` with `Retry-After: 1`. GitHub: 403 with its rate limit used up.
    Throttling,
    /// AWS: 403 `AccessDenied`. Slack: `missing_scope`. GitHub: 403.
    AccessDenied,
    /// AWS: 403 `ExpiredToken`. Slack: `token_expired`. GitHub: 401.
    ExpiredToken,
    /// AWS: 403 `InvalidClientTokenId`. Slack: `invalid_auth`. GitHub: 401.
    InvalidToken,
    /// 404 or its like: AWS `Stack with id … does not exist`; Slack `channel_not_found`; GitHub 404.
    NotFound,
    /// A 500 in the service's own format. Slack: 200 `internal_error`.
    InternalError,
    /// 503 in the service's own format.
    Unavailable,
    /// 500 with an HTML page: what stands before the service has failed.
    NotItsFormat,
    /// 200 with an HTML page: a captive portal or a log-in page.
    Html,
    /// 200 with nothing in it.
    EmptyBody,
    /// 200 in the right type, cut off in the middle of the text.
    HalfText,
    /// One of the service's errors by its code: Slack's `error` string or a webhook's body, an AWS `Code`, GitHub's `message`.
    Error {
        /// The code.
        code: String,
        /// AWS' message; nobody else has one.
        #[serde(default)]
        message: String,
        /// HTTP status; absent: what the service gives with this code.
        status: Option<u16>,
    },
    /// 429 with this `Retry-After`, or with none.
    RateLimited {
        /// The header's text, whatever it is: `30`, `abc`, a date.
        retry_after: Option<String>,
    },
    /// A redirect. Without a location it leads to a page on this server that answers 200 with HTML.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// Where to.
        location: Option<String>,
    },
    /// Exactly this.
    Answer {
        /// HTTP status.
        status: u16,
        /// Extra headers; without a `Content-Type` it is `text/plain`.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// The body.
        #[serde(default)]
        body: String,
    },
    /// Slack: `ok: true`, but no `ts` in it.
    OkWithoutTs,

    /// The connection is accepted, and nothing is ever read. Works on any action; `action` cannot be known yet.
    HangUnread,
    /// The request is read and never answered.
    Hang,
    /// The status line and one header come, then nothing.
    StallInHeaders,
    /// All headers and half of the body come, then nothing.
    StallInBody,
    /// All headers and half of the body come, then the end.
    CloseInBody,
    /// Reset before a byte of the request was read.
    ResetUnread,
    /// Reset after the request was read.
    Reset,
    /// Closed in an orderly way before a byte of the request was read.
    CloseUnread,
    /// Closed in an orderly way after the request was read, with no answer.
    Close,
    /// The right answer, so many seconds late.
    Delay {
        /// How late.
        seconds: f64,
    },
    /// The right answer, one byte at a time, so many seconds between two bytes.
    Drip {
        /// The wait between two bytes.
        seconds: f64,
    },
}

impl Trouble {
    fn before_reading(&self) -> Option<Unread> {
        match self {
            Self::HangUnread => Some(Unread::Hang),
            Self::ResetUnread => Some(Unread::Reset),
            Self::CloseUnread => Some(Unread::Close),
            Self::Throttling
            | Self::AccessDenied
            | Self::ExpiredToken
            | Self::InvalidToken
            | Self::NotFound
            | Self::InternalError
            | Self::Unavailable
            | Self::NotItsFormat
            | Self::Html
            | Self::EmptyBody
            | Self::HalfText
            | Self::Error { .. }
            | Self::RateLimited { .. }
            | Self::Redirect { .. }
            | Self::Answer { .. }
            | Self::OkWithoutTs
            | Self::Hang
            | Self::StallInHeaders
            | Self::StallInBody
            | Self::CloseInBody
            | Self::Reset
            | Self::Close
            | Self::Delay { .. }
            | Self::Drip { .. } => None,
        }
    }
}

/// When a trouble strikes. Without limits it strikes every request until it is taken away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub trouble: Trouble,
    /// Only for this action: `DescribeStacks`, `chat.postMessage`, `webhook`, `run`, `jobs`. Absent: for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Only where the request's body has this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_has: Option<String>,
    /// Let so many requests pass first.
    #[serde(default)]
    pub skip: u32,
    /// Strike so often, then no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Not before so many seconds after it was set (a scenario: after its beginning).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<f64>,
    /// Not later than so many seconds after it was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<f64>,
    /// Strike with this probability, 0 to 1, drawn from `seed`: the same seed gives the same sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// For `probability`.
    #[serde(default)]
    pub seed: u64,
    /// The request takes effect all the same; only the answer is wrong or lost.
    #[serde(default)]
    pub applied: bool,
}

impl Fault {
    /// A trouble that strikes every request of the service.
    #[must_use]
    pub fn new(trouble: Trouble) -> Self {
        Self {
            trouble,
            action: None,
            body_has: None,
            skip: 0,
            times: None,
            from: None,
            until: None,
            probability: None,
            seed: 0,
            applied: false,
        }
    }

    /// A service's own error by its code, with the HTTP status the service gives with it.
    #[must_use]
    pub fn error(code: &str) -> Self {
        Self::new(Trouble::Error {
            code: code.to_owned(),
            message: String::new(),
            status: None,
        })
    }

    /// A bare HTTP status with a body.
    #[must_use]
    pub fn status(status: u16, body: &str) -> Self {
        Self::new(Trouble::Answer {
            status,
            headers: BTreeMap::new(),
            body: body.to_owned(),
        })
    }

    /// 429 with this `Retry-After`, or none.
    #[must_use]
    pub fn rate_limited(retry_after: Option<&str>) -> Self {
        Self::new(Trouble::RateLimited {
            retry_after: retry_after.map(str::to_owned),
        })
    }

    /// Only for this action.
    #[must_use]
    pub fn on(mut self, action: &str) -> Self {
        self.action = Some(action.to_owned());
        self
    }

    /// Only where the request's body has this text.
    #[must_use]
    pub fn where_body_has(mut self, text: &str) -> Self {
        self.body_has = Some(text.to_owned());
        self
    }

    /// Strike so often, then no more.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Let so many requests pass first.
    #[must_use]
    pub fn after(mut self, requests: u32) -> Self {
        self.skip = requests;
        self
    }

    /// Only between these seconds after it was set.
    #[must_use]
    pub fn between(mut self, from: f64, until: f64) -> Self {
        self.from = Some(from);
        self.until = Some(until);
        self
    }

    /// With this probability, drawn from a seed.
    #[must_use]
    pub fn with_probability(mut self, probability: f64, seed: u64) -> Self {
        self.probability = Some(probability);
        self.seed = seed;
        self
    }

    /// The request takes effect all the same.
    #[must_use]
    pub fn although_applied(mut self) -> Self {
        self.applied = true;
        self
    }
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Self {
        Self::new(trouble)
    }
}

/// What struck a request.
#[derive(Debug, Clone)]
pub(crate) struct Strike {
    pub(crate) trouble: Trouble,
    pub(crate) applied: bool,
}

/// The faults that are set, in order; the first that fits strikes.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Vec<Armed>,
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    since: Timestamp,
    passed: u32,
    struck: u32,
    random: u64,
}

impl Faults {
    pub(crate) fn set(&mut self, fault: Fault, now: Timestamp) {
        let random = fault.seed;
        self.armed.push(Armed {
            fault,
            since: now,
            passed: 0,
            struck: 0,
            random,
        });
    }

    pub(crate) fn clear(&mut self) {
        self.armed.clear();
    }

    /// What is set, and how often each has struck.
    pub(crate) fn list(&self) -> Vec<(Fault, u32)> {
        self.armed
            .iter()
            .map(|armed| (armed.fault.clone(), armed.struck))
            .collect()
    }

    /// What happens to a connection before its next request is read.
    pub(crate) fn before_reading(&mut self, now: Timestamp) -> Option<Unread> {
        let armed = self
            .armed
            .iter_mut()
            .filter(|armed| armed.fault.trouble.before_reading().is_some());
        armed.into_iter().find_map(|armed| {
            if armed.strikes(now) {
                armed.fault.trouble.before_reading()
            } else {
                None
            }
        })
    }

    /// What happens to this request.
    pub(crate) fn strike(
        &mut self,
        action: &str,
        request: &Request,
        now: Timestamp,
    ) -> Option<Strike> {
        let fits = |armed: &&mut Armed| {
            armed.fault.trouble.before_reading().is_none() && armed.fits(action, request)
        };
        let armed = self.armed.iter_mut().filter(fits);
        let strike = |armed: &Armed| Strike {
            trouble: armed.fault.trouble.clone(),
            applied: armed.fault.applied,
        };
        armed
            .into_iter()
            .find_map(|armed| armed.strikes(now).then(|| strike(armed)))
    }
}

impl Armed {
    fn fits(&self, action: &str, request: &Request) -> bool {
        let action_fits = self
            .fault
            .action
            .as_deref()
            .is_none_or(|wanted| wanted == action);
        action_fits
            && self
                .fault
                .body_has
                .as_deref()
                .is_none_or(|text| request.text().contains(text))
    }

    fn strikes(&mut self, now: Timestamp) -> bool {
        let seconds = now.since(self.since).as_secs_f64();
        let in_time = self.fault.from.is_none_or(|from| seconds >= from)
            && self.fault.until.is_none_or(|until| seconds <= until);
        if !in_time || self.fault.times.is_some_and(|times| self.struck >= times) {
            return false;
        }
        if self.passed < self.fault.skip {
            self.passed += 1;
            return false;
        }
        if self
            .fault
            .probability
            .is_some_and(|probability| draw(&mut self.random) >= probability)
        {
            return false;
        }
        self.struck += 1;
        true
    }
}

/// A number in 0..1 from a seed (SplitMix64, public domain, prng.di.unimi.it): repeatable, and enough for faults.
fn draw(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^= mixed >> 31;
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn struck(faults: &mut Faults, action: &str, now: Timestamp) -> bool {
        faults.strike(action, &Request::default(), now).is_some()
    }

    #[test]
    fn count_skip_and_action() {
        let now = Timestamp::from_seconds(100);
        let mut faults = Faults::default();
        faults.set(
            Fault::new(Trouble::Throttling).on("A").after(1).times(2),
            now,
        );
        let seen: Vec<_> = ["A", "B", "A", "B", "A", "A"]
            .map(|action| struck(&mut faults, action, now))
            .into();
        assert_eq!(seen, [false, false, true, false, true, false]);
        assert_eq!(faults.list()[0].1, 2);
    }

    #[test]
    fn a_window_opens_and_closes() {
        let now = Timestamp::from_seconds(100);
        let mut faults = Faults::default();
        faults.set(Fault::new(Trouble::Hang).between(10.0, 20.0), now);
        let seen: Vec<_> = [9, 10, 20, 21]
            .map(|s| struck(&mut faults, "A", now + Duration::from_secs(s)))
            .into();
        assert_eq!(seen, [false, true, true, false]);
    }

    #[test]
    fn the_same_seed_gives_the_same_sequence() {
        let now = Timestamp::from_seconds(100);
        let sequence = |seed: u64| -> Vec<bool> {
            let mut faults = Faults::default();
            faults.set(
                Fault::new(Trouble::Throttling).with_probability(0.3, seed),
                now,
            );
            (0..1000).map(|_| struck(&mut faults, "A", now)).collect()
        };
        assert_eq!(sequence(7), sequence(7));
        assert_ne!(sequence(7), sequence(8));
        let hits = sequence(7).iter().filter(|hit| **hit).count();
        assert!((200..400).contains(&hits), "{hits}");
    }

    #[test]
    fn faults_of_unread_connections_do_not_count_as_answers() {
        let now = Timestamp::from_seconds(100);
        let mut faults = Faults::default();
        faults.set(Fault::new(Trouble::ResetUnread).times(1), now);
        assert!(!struck(&mut faults, "A", now));
        assert_eq!(faults.before_reading(now), Some(Unread::Reset));
        assert_eq!(faults.before_reading(now), None);
    }

    #[test]
    fn a_fault_reads_from_json() {
        let fault: Fault = serde_json::from_str(
            r#"{"trouble": {"error": {"code": "channel_not_found"}}, "action": "chat.postMessage", "times": 2}"#,
        )
        .unwrap();
        assert_eq!(
            fault,
            Fault::error("channel_not_found")
                .on("chat.postMessage")
                .times(2)
        );
        assert!(serde_json::from_str::<Fault>(r#"{"trouble": "throttling", "tims": 2}"#).is_err());
    }
}
