//! A fresh table in an emulator, and stores over it.

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

pub(crate) use crate::raw::raw;

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
