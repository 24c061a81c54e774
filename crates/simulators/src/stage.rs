//! What the three services have in common: a clock that can be set wrong, faults, a record of requests, and the part of
//! `/_sim/` that steers them.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use registry_core::clock::{Clock, SystemClock, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

use crate::fault::{Fault, Faults, Strike};
use crate::http::{Answer, Request, Unread};
use crate::scenario::Scenario;

/// Requests kept in full; older ones are only counted.
const KEPT: usize = 10_000;

/// A request as it was recorded.
#[derive(Debug, Clone, Serialize)]
pub struct Recorded {
    /// When it was answered, by the server's clock.
    pub at: String,
    /// `DescribeStacks`, `chat.postMessage`, …
    pub action: String,
    /// `GET` or `POST`.
    pub method: String,
    /// Path, without the query.
    pub path: String,
    /// Header names in lower case. `Authorization` is there too: these are dummy keys, and tests look at them.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
    /// The HTTP status of the answer; `None` where none was sent.
    pub status: Option<u16>,
    /// The name of the trouble that struck it.
    pub fault: Option<String>,
}

/// Lets a test or a person steer a service: its clock, its faults, its record.
#[derive(Clone)]
pub(crate) struct Stage {
    clock: Arc<dyn Clock>,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    offset_millis: i64,
    faults: Faults,
    requests: VecDeque<Recorded>,
    counts: BTreeMap<String, usize>,
}

impl Default for Stage {
    fn default() -> Self {
        Self::with_clock(Arc::new(SystemClock::default()))
    }
}

impl Stage {
    pub(crate) fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            inner: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The real time, by which things happen.
    pub(crate) fn real_now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The time the service believes it is and tells.
    pub(crate) fn told(&self, real: Timestamp) -> Timestamp {
        Timestamp::from_millis(real.millis().saturating_add(self.lock().offset_millis))
    }

    /// The time the service tells now.
    pub(crate) fn now(&self) -> Timestamp {
        self.told(self.real_now())
    }

    /// Sets the service's clock off by so many seconds.
    pub(crate) fn set_offset(&self, seconds: f64) {
        self.lock().offset_millis = (seconds * 1000.0) as i64;
    }

    pub(crate) fn fault(&self, fault: Fault) {
        let now = self.real_now();
        self.lock().faults.set(fault, now);
    }

    pub(crate) fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    pub(crate) fn before_reading(&self) -> Option<Unread> {
        let now = self.real_now();
        self.lock().faults.before_reading(now)
    }

    pub(crate) fn strike(&self, action: &str, request: &Request) -> Option<Strike> {
        let now = self.real_now();
        self.lock().faults.strike(action, request, now)
    }

    pub(crate) fn record(
        &self,
        action: &str,
        request: &Request,
        status: Option<u16>,
        fault: Option<String>,
    ) {
        let recorded = Recorded {
            at: self.now().rfc3339_millis(),
            action: action.to_owned(),
            method: request.method.clone(),
            path: request.path.clone(),
            headers: request.headers.clone(),
            body: request.text(),
            status,
            fault,
        };
        let mut inner = self.lock();
        *inner.counts.entry(action.to_owned()).or_default() += 1;
        if inner.requests.len() == KEPT {
            inner.requests.pop_front();
        }
        inner.requests.push_back(recorded);
    }

    pub(crate) fn count(&self, action: &str) -> usize {
        self.lock().counts.get(action).copied().unwrap_or(0)
    }

    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.lock().requests.iter().cloned().collect()
    }

    pub(crate) fn forget_requests(&self) {
        let mut inner = self.lock();
        inner.requests.clear();
        inner.counts.clear();
    }

    pub(crate) fn reset(&self) {
        *self.lock() = Inner::default();
    }

    /// Answers the steering requests that all services know; `None`: not one of them.
    pub(crate) fn control(&self, request: &Request) -> Option<Answer> {
        let rest = request.path.strip_prefix("/_sim/")?;
        match (request.method.as_str(), rest) {
            ("GET", "faults") => Some(Answer::json(200, &self.faults_json())),
            ("POST", "faults") => Some(self.set_faults(request)),
            ("DELETE", "faults") => {
                self.clear_faults();
                Some(done())
            }
            ("GET", "requests") => Some(self.requests_answer(request)),
            ("DELETE", "requests") => {
                self.forget_requests();
                Some(done())
            }
            ("GET", "counts") => Some(Answer::json(200, &json!(self.lock().counts))),
            ("GET", "clock") => {
                let offset = self.lock().offset_millis;
                Some(Answer::json(
                    200,
                    &json!({"now": self.now().rfc3339_millis(), "offset": offset as f64 / 1000.0}),
                ))
            }
            ("PUT" | "POST", "clock") => Some(self.set_clock(request)),
            _ => None,
        }
    }

    fn faults_json(&self) -> Value {
        let faults = self.lock().faults.list();
        faults
            .into_iter()
            .map(|(fault, struck)| json!({"fault": fault, "struck": struck}))
            .collect()
    }

    /// One fault, or an array of them.
    fn set_faults(&self, request: &Request) -> Answer {
        let faults: Result<Vec<Fault>, _> = match serde_json::from_slice(&request.body) {
            Ok(Value::Array(faults)) => faults.into_iter().map(serde_json::from_value).collect(),
            Ok(fault) => serde_json::from_value(fault).map(|fault| vec![fault]),
            Err(error) => Err(error),
        };
        match faults {
            Ok(faults) => {
                for fault in faults {
                    self.fault(fault);
                }
                done()
            }
            Err(error) => refused(&format!("not a fault: {error}")),
        }
    }

    fn requests_answer(&self, request: &Request) -> Answer {
        let wanted = request.query("action");
        let requests = self.requests();
        let chosen: Vec<_> = requests
            .iter()
            .filter(|seen| wanted.is_none_or(|action| seen.action == action))
            .collect();
        Answer::json(200, &json!(chosen))
    }

    fn set_clock(&self, request: &Request) -> Answer {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        match body.get("offset").and_then(Value::as_f64) {
            Some(seconds) => {
                self.set_offset(seconds);
                done()
            }
            None => refused(r#"expected {"offset": SECONDS}"#),
        }
    }
}

/// `POST /_sim/scenario`: each service takes its own part. Traces are looked for in the server's working directory.
pub(crate) fn scenario(request: &Request, run: impl FnOnce(&Scenario)) -> Answer {
    match Scenario::parse(&request.text(), Path::new("")) {
        Ok(scenario) => {
            run(&scenario);
            done()
        }
        Err(error) => refused(&error.to_string()),
    }
}

/// A steering request that was carried out.
pub(crate) fn done() -> Answer {
    Answer::json(200, &json!({"ok": true}))
}

/// A steering request that makes no sense.
pub(crate) fn refused(reason: &str) -> Answer {
    Answer::json(400, &json!({"ok": false, "error": reason}))
}

/// Seconds as a span; nonsense is none at all.
pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default()
}

/// Methods every simulated service has beside its own `start_with(port, stage)`: they start, steer and look at it.
macro_rules! steering {
    ($service:ty) => {
        impl $service {
            /// On any free port.
            pub fn start() -> std::io::Result<Self> {
                Self::start_on(0)
            }

            /// On a port of 127.0.0.1.
            pub fn start_on(port: u16) -> std::io::Result<Self> {
                Self::start_with(port, $crate::stage::Stage::default())
            }

            /// On any free port, with a clock of the caller's: what is played moves only as that clock does.
            pub fn start_with_clock(
                clock: std::sync::Arc<dyn registry_core::clock::Clock>,
            ) -> std::io::Result<Self> {
                Self::start_with(0, $crate::stage::Stage::with_clock(clock))
            }

            /// `http://127.0.0.1:PORT`, with no slash at the end.
            pub fn url(&self) -> String {
                self.server.url()
            }

            /// The port it listens on.
            pub fn port(&self) -> u16 {
                self.server.port()
            }

            /// Sets a fault. The first fault set that fits a request strikes it.
            pub fn fault(&self, fault: impl Into<$crate::fault::Fault>) {
                self.stage.fault(fault.into());
            }

            /// Takes all faults away.
            pub fn clear_faults(&self) {
                self.stage.clear_faults();
            }

            /// How many requests of this action have come, answered or not.
            pub fn requests(&self, action: &str) -> usize {
                self.stage.count(action)
            }

            /// The requests that have come, oldest first (the last 10,000).
            pub fn recorded(&self) -> Vec<$crate::stage::Recorded> {
                self.stage.requests()
            }

            /// Forgets the requests and their counts.
            pub fn forget_requests(&self) {
                self.stage.forget_requests();
            }

            /// Sets the server's clock off by so many seconds, forward or back: its `Date` header, the timestamps it gives,
            /// and what it takes for a valid signature.
            pub fn set_clock_offset(&self, seconds: f64) {
                self.stage.set_offset(seconds);
            }
        }
    };
}
pub(crate) use steering;
