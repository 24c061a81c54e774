//! One HTTP request to Slack and what became of it: answered, certainly not sent, or perhaps arrived.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport,
};
use ureq::{Agent, Proxy};

use crate::access::{Access, Unusable};
use crate::classify::Answer;

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Slack, or something in its place, answered.
    Answer(Answer),
    /// Nothing of it left this machine towards Slack.
    Not(String),
    /// Some of it did, and no whole answer came back.
    Maybe(String),
}

/// Connections to one host.
pub(crate) struct Wire {
    agent: Agent,
    left: Arc<AtomicBool>,
    /// Behind what went wrong: the proxy it went wrong through.
    through: String,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

/// Finding the host and connecting to it, TLS included, each take this share of a request's time at most.
const CONNECT_SHARE: u32 = 2;
/// No answer of Slack that matters is longer.
const LONGEST_ANSWER: u64 = 4 << 20;

impl Wire {
    pub(crate) fn new(access: &Access) -> Result<Self, Unusable> {
        let proxy = match &access.proxy {
            Some(url) => Some(Proxy::new(url).map_err(|_| Unusable {
                reason: "the proxy in HTTPS_PROXY or ALL_PROXY is no URL".to_owned(),
                fix: "give http://HOST:PORT, or name Slack's host in NO_PROXY".to_owned(),
            })?),
            None => None,
        };
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .https_only(access.https)
            .proxy(proxy)
            .user_agent(concat!(
                "deployment-coordination/",
                env!("CARGO_PKG_VERSION")
            ));
        if access.https {
            // Reads the machine's certificates, SSL_CERT_FILE included; not worth doing for plain http.
            let tls = TlsConfig::builder()
                .root_certs(RootCerts::PlatformVerifier)
                .unversioned_rustls_crypto_provider(Arc::new(
                    rustls::crypto::ring::default_provider(),
                ))
                .build();
            config = config.tls_config(tls);
        }
        let left = Arc::new(AtomicBool::new(false));
        let witness = Witness {
            left: Arc::clone(&left),
            host: access.host.clone(),
            port: access.port,
        };
        let connector = DefaultConnector::default().chain(witness);
        let agent = Agent::with_parts(config.build(), connector, DefaultResolver::default());
        let through = access.proxy_host();
        let through =
            through.map_or_else(String::new, |host| format!(" (through the proxy {host})"));
        Ok(Self {
            agent,
            left,
            through,
        })
    }

    /// Posts JSON. `limit` is for the whole request.
    pub(crate) fn post(
        &self,
        url: &str,
        authorization: Option<&str>,
        json: &str,
        limit: Duration,
    ) -> Sent {
        let mut request = self
            .agent
            .post(url)
            .header("Content-Type", "application/json; charset=utf-8");
        if let Some(authorization) = authorization {
            request = request.header("Authorization", authorization);
        }
        let request = request
            .config()
            .timeout_global(Some(limit))
            .timeout_resolve(Some(limit / CONNECT_SHARE))
            .timeout_connect(Some(limit / CONNECT_SHARE))
            .build();
        self.finish(|| request.send(json))
    }

    /// Gets with a query.
    pub(crate) fn get(
        &self,
        url: &str,
        authorization: &str,
        query: &[(&str, &str)],
        limit: Duration,
    ) -> Sent {
        let request = self
            .agent
            .get(url)
            .query_pairs(query.iter().copied())
            .header("Authorization", authorization)
            .config()
            .timeout_global(Some(limit))
            .timeout_resolve(Some(limit / CONNECT_SHARE))
            .timeout_connect(Some(limit / CONNECT_SHARE))
            .build();
        self.finish(|| request.call())
    }

    fn finish(
        &self,
        send: impl FnOnce() -> Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Sent {
        self.left.store(false, Ordering::Relaxed);
        let mut response = match send() {
            Ok(response) => response,
            Err(error) => return self.failed(&error),
        };
        let header = |name: &str| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let mut answer = Answer {
            status: response.status().as_u16(),
            retry_after: header("retry-after"),
            date: header("date"),
            scopes: header("x-oauth-scopes"),
            body: String::new(),
        };
        let body = response
            .body_mut()
            .with_config()
            .limit(LONGEST_ANSWER)
            .lossy_utf8(true)
            .read_to_string();
        match body {
            Ok(body) => answer.body = body,
            // Without its body a 200 says nothing; the other statuses speak for themselves.
            Err(error) if (200..300).contains(&answer.status) => return self.failed(&error),
            Err(_) => {}
        }
        Sent::Answer(answer)
    }

    fn failed(&self, error: &ureq::Error) -> Sent {
        let text = format!("{}{}", describe(error), self.through);
        if self.left.load(Ordering::Relaxed) {
            Sent::Maybe(text)
        } else {
            Sent::Not(text)
        }
    }
}

// In our own words: ureq's text may have the URL in it, which is a webhook's secret.
fn describe(error: &ureq::Error) -> String {
    use ureq::Error as E;
    match error {
        E::Timeout(_) => "no answer in time".to_owned(),
        E::HostNotFound => NO_ADDRESS.to_owned(),
        E::Io(error) => describe_io(error),
        E::Rustls(error) => describe_tls(&error.to_string()),
        E::Tls(what) => format!("TLS: {what}"),
        E::ConnectProxyFailed(_) => "the proxy refused to connect to Slack".to_owned(),
        E::ConnectionFailed => "the connection failed".to_owned(),
        E::Protocol(_) => "the answer is not HTTP".to_owned(),
        E::LargeResponseHeader(_, _) => "the answer's header is too long".to_owned(),
        E::BodyExceedsLimit(_) => "the answer is too long".to_owned(),
        _ => "the request failed".to_owned(),
    }
}

fn describe_io(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "the connection was refused".to_owned(),
        // Which of them it is depends on how far the writing had come.
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => "the connection was reset".to_owned(),
        io::ErrorKind::UnexpectedEof => "the connection was closed without an answer".to_owned(),
        io::ErrorKind::TimedOut => "no answer in time".to_owned(),
        // rustls tells its errors this way while it shakes hands.
        io::ErrorKind::InvalidData => describe_tls(&error.to_string()),
        // std has no kind for it, only this text before the resolver's own.
        _ if error.to_string().starts_with("failed to lookup address") => NO_ADDRESS.to_owned(),
        _ => error.to_string(),
    }
}

fn describe_tls(error: &str) -> String {
    let hint = if error.contains("certificate") {
        " (a private certificate authority? set SSL_CERT_FILE)"
    } else if error.contains("InvalidContentType") {
        " (what answers there speaks no TLS: a proxy, or http for https?)"
    } else {
        ""
    };
    format!("TLS: {error}{hint}")
}

const NO_ADDRESS: &str = "the host's address could not be found (DNS)";

/// Sees whether anything of a request was handed to the connection; only that tells "not sent" from "perhaps arrived".
#[derive(Debug)]
struct Witness {
    left: Arc<AtomicBool>,
    host: String,
    port: u16,
}

impl<In: Transport> Connector<In> for Witness {
    type Out = Witnessed<In>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        // A proxy is connected to through the same chain; what is said to the proxy has not been said to Slack.
        let to_slack = details.uri.host() == Some(self.host.as_str())
            && details.uri.port_u16().is_none_or(|port| port == self.port);
        let left = to_slack.then(|| Arc::clone(&self.left));
        Ok(chained.map(|transport| Witnessed { transport, left }))
    }
}

#[derive(Debug)]
struct Witnessed<T> {
    transport: T,
    left: Option<Arc<AtomicBool>>,
}

impl<T: Transport> Transport for Witnessed<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }
    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if let Some(left) = &self.left {
            left.store(true, Ordering::Relaxed);
        }
        self.transport.transmit_output(amount, timeout)
    }
    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.transport.await_input(timeout)
    }
    fn is_open(&mut self) -> bool {
        self.transport.is_open()
    }
    fn is_tls(&self) -> bool {
        self.transport.is_tls()
    }
}
