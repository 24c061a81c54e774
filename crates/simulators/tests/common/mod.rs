//! A client that shows what really came over the wire.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// What came back, whole or not.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// How the connection ended: `None` in an orderly way.
    pub(crate) broken: Option<io::ErrorKind>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

thread_local! {
    /// Long enough for any answer of a busy machine.
    static PATIENCE: Cell<Duration> = const { Cell::new(Duration::from_secs(30)) };
}

/// Does something that is expected to get no whole answer, and does not wait for it long.
pub(crate) fn briefly<T>(act: impl FnOnce() -> T) -> T {
    let usual = PATIENCE.replace(Duration::from_millis(400));
    let done = act();
    PATIENCE.set(usual);
    done
}

/// Sends a request and reads until the server ends, or nothing more comes.
pub(crate) fn ask(url: &str, method: &str, headers: &[(&str, &str)], body: &str) -> Seen {
    let (authority, path) = url
        .trim_start_matches("http://")
        .split_once('/')
        .unwrap_or((url, ""));
    let mut stream = TcpStream::connect(authority).expect("a connection");
    stream
        .set_read_timeout(Some(PATIENCE.get()))
        .expect("a time-out");
    let mut head = format!(
        "{method} /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&[name, ": ", value, "\r\n"].concat());
    }
    // A server that resets may do so while we write: what it sent is still worth reading.
    drop(stream.write_all(format!("{head}\r\n{body}").as_bytes()));
    let mut bytes = Vec::new();
    let broken = stream
        .read_to_end(&mut bytes)
        .err()
        .map(|error| error.kind());
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|code| code.parse().ok());
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(k, v)| (k.to_ascii_lowercase(), v.to_owned()));
    Seen {
        status: status.unwrap_or(0),
        headers: headers.collect(),
        body: body.to_owned(),
        broken,
    }
}

/// A Web API call with a bot token and JSON.
pub(crate) fn slack(slack: &simulators::Slack, method: &str, arguments: &Value) -> Seen {
    let token = format!("Bearer {}", simulators::TOKEN);
    let headers = [
        ("Authorization", token.as_str()),
        ("Content-Type", "application/json; charset=utf-8"),
    ];
    ask(
        &format!("{}{method}", slack.api_url()),
        "POST",
        &headers,
        &arguments.to_string(),
    )
}

/// A Query call signed now, by this machine's clock.
pub(crate) fn cloudformation(url: &str, form: &str) -> Seen {
    use registry_core::clock::{Clock as _, SystemClock};
    signed(url, form, SystemClock::default().now())
}

/// A Query call signed at a moment.
pub(crate) fn signed(url: &str, form: &str, at: registry_core::clock::Timestamp) -> Seen {
    let date = format!("{}Z", at.compact().replace('-', "T"));
    let scope = "AWS4-HMAC-SHA256 Credential=AKIA/20260114/us-east-1/cloudformation/aws4_request, SignedHeaders=host";
    let kind = "application/x-www-form-urlencoded";
    ask(
        &format!("{url}/"),
        "POST",
        &[
            ("Authorization", scope),
            ("X-Amz-Date", &date),
            ("Content-Type", kind),
        ],
        form,
    )
}

/// The texts of all elements of this name.
pub(crate) fn elements(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open)
        .skip(1)
        .filter_map(|rest| rest.split(&close).next())
        .map(str::to_owned)
        .collect()
}
