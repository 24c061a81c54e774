//! A fresh table in an emulator, and stores over it.

use std::io::{BufReader, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use registry_core::clock::{BootInstant, Clock, SystemClock, Timestamp, Wake};
use registry_core::decide::Seen;
use registry_core::registry::Registry;
use registry_core::settings::{Settings, SettingsFile};
use registry_core::slot::{Ask, End, Ending, HoldKind, Registration, Request};
use registry_core::stack::{Observed, StackState};
use registry_dynamodb::{Address, DynamoStore, set_up};
use serde_json::Value;

use crate::proxy::message;

static TABLES: AtomicU32 = AtomicU32::new(0);

/// A clock whose wall time is wrong by so many seconds. Sleeping and measuring are right.
pub(crate) struct WrongClock(pub(crate) i64);

impl Clock for WrongClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(SystemClock::default().now().millis() + self.0 * 1000)
    }

    fn boot(&self) -> BootInstant {
        SystemClock::default().boot()
    }

    fn sleep(&self, span: Duration) -> Wake {
        SystemClock::default().sleep(span)
    }
}

/// Settings that name a namespace and nothing else.
pub(crate) fn settings(namespace: &'static str) -> Settings {
    Settings::new(
        move |name| (name == "REGISTRY_NAMESPACE").then(|| namespace.to_owned()),
        SettingsFile::default(),
    )
}

/// An address of the namespace `o/r` in the emulator.
pub(crate) fn address(table: &str, port: u16) -> Address {
    Address::new(table.to_owned(), None, &settings("o/r"))
        .unwrap()
        .in_emulator(port)
}

/// A name that no other test has.
pub(crate) fn new_name() -> String {
    format!("table-{}", TABLES.fetch_add(1, Ordering::Relaxed))
}

/// Makes a table of its own for a test; returns its name.
pub(crate) fn new_table(port: u16) -> String {
    let table = new_name();
    let setup = set_up(address(&table, port), &SystemClock::default()).unwrap();
    assert!(setup.created);
    table
}

pub(crate) fn store(table: &str, port: u16, clock_off_by: i64) -> DynamoStore {
    DynamoStore::new(address(table, port), Arc::new(WrongClock(clock_off_by))).unwrap()
}

pub(crate) fn registry(table: &str, port: u16) -> Registry {
    Registry::over(Box::new(store(table, port, 0)))
}

pub(crate) fn request(id: &str, stacks: &[&str]) -> Request {
    Request {
        correlation_id: id.to_owned(),
        workflow_run_id: "12345".to_owned(),
        stacks: stacks.iter().map(|stack| (*stack).to_owned()).collect(),
        run_attempt: Some(1),
        runner: Some("runner-1".to_owned()),
        workflow_url: None,
        kind: HoldKind::Registered,
        baseline: Vec::new(),
        server_time: Some(Timestamp::from_seconds(1)),
    }
}

pub(crate) fn no_stack(names: &[&str]) -> Vec<Seen> {
    let missing = |name: &&str| Seen {
        stack: name.parse().unwrap(),
        answer: Ok(Observed {
            value: StackState::Missing,
            server_time: None,
        }),
    };
    names.iter().map(missing).collect()
}

pub(crate) fn register(
    registry: &Registry,
    environment: &str,
    id: &str,
    stacks: &[&str],
) -> Registration {
    registry
        .register(environment, &request(id, stacks), &no_stack(stacks))
        .unwrap()
        .answer
}

pub(crate) fn end(id: &str) -> End {
    End {
        correlation_id: id.to_owned(),
        ending: Ending::Success,
        outcome: None,
        purge: false,
        by: None,
        reason: None,
        eviction: false,
    }
}

pub(crate) fn ask(id: &str) -> Ask {
    Ask {
        correlation_id: id.to_owned(),
        reservation: Duration::from_secs(120),
        lease: Duration::from_secs(120),
        process: None,
    }
}

/// Asks an emulator as an operator with another tool would.
pub(crate) fn raw(port: u16, operation: &str, body: &Value) -> Value {
    let body = body.to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-amz-json-1.0\r\n\
         x-amz-target: DynamoDB_20120810.{operation}\r\nx-amz-date: 20260101T000000Z\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=emulator/20260101/us-east-1/dynamodb/aws4_request, \
         SignedHeaders=host, Signature=0\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let (head, answer) = message(&mut BufReader::new(stream)).unwrap().unwrap();
    let ok = head.split(' ').nth(1) == Some("200");
    assert!(
        ok,
        "{operation}: {head}{}",
        String::from_utf8_lossy(&answer)
    );
    serde_json::from_slice(&answer).unwrap()
}
