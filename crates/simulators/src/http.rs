//! HTTP/1.1 over plain sockets: as much of it as the real clients speak, and control over every byte that goes back,
//! because a simulator must also be able to hang, reset and stop in the middle.

mod read;
mod server;
mod write;

use std::time::Duration;

pub(crate) use server::{Server, Service};

/// A request, read whole.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    /// `GET`, `POST`, …
    pub(crate) method: String,
    /// Without the query, percent-decoded.
    pub(crate) path: String,
    /// The query's pairs, decoded.
    pub(crate) query: Vec<(String, String)>,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// De-chunked.
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The first header of this name (lower case).
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The first query value of this name.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        find(&self.query, name)
    }

    /// The body as text; bytes that are no UTF-8 become the replacement character.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as `application/x-www-form-urlencoded` pairs.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        read::form_pairs(&self.text())
    }
}

/// The first value under `name`.
pub(crate) fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

/// What is answered, before anything is done to it on the way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// Besides `Date`, `Content-Length` and `Connection`, which the server adds where they are missing.
    pub(crate) headers: Vec<(String, String)>,
    /// The whole body.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// An answer of a given type.
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Self {
            status,
            headers,
            body: body.into(),
        }
    }

    /// JSON.
    pub(crate) fn json(status: u16, value: &serde_json::Value) -> Self {
        Self::new(status, "application/json; charset=utf-8", value.to_string())
    }

    /// Plain text.
    pub(crate) fn text(status: u16, body: impl Into<String>) -> Self {
        Self::new(status, "text/plain; charset=utf-8", body.into())
    }

    /// A page as a proxy or a captive portal sends it.
    pub(crate) fn html(status: u16, body: &str) -> Self {
        Self::new(status, "text/html; charset=utf-8", body)
    }

    /// With one more header.
    pub(crate) fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// How an answer travels.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Delivery {
    /// At once and whole.
    #[default]
    Whole,
    /// Whole, after a wait.
    After(Duration),
    /// Never; the connection stays open.
    Hang,
    /// Never; the connection is reset.
    Reset,
    /// Never; the connection is closed in an orderly way.
    Close,
    /// The status line and one header, then nothing; the connection stays open.
    StallInHeaders,
    /// All headers and half of the body, then nothing; the connection stays open.
    StallInBody,
    /// All headers and half of the body, then the connection is closed.
    CloseInBody,
    /// Whole, but one byte at a time with this wait between them.
    Drip(Duration),
}

/// An answer and how it travels.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub(crate) answer: Answer,
    pub(crate) delivery: Delivery,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            delivery: Delivery::Whole,
        }
    }
}

/// What happens to a connection before its next request is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// Accepted, and nothing is ever read.
    Hang,
    /// Reset.
    Reset,
    /// Closed in an orderly way.
    Close,
}
