//! A monitor's cursor and, behind a line `---`, the end of its log: what a monitor that goes on from there does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use registry_core::clock::{ManualClock, Timestamp};
use registry_core::ids::StackName;
use registry_core::stack::{
    EventsPage, Observed, ResourceStatus, STACK_TYPE, Stack, StackError, StackEvent, StackResource,
    StackSource, StackState, StackStatus,
};
use serde_json::Value;

use crate::put;

const ID: &str = "arn:aws:cloudformation:us-east-1:123456789012:stack/App/1";
const BEGAN: i64 = 1_800_000_000;
const SEPARATOR: &[u8] = b"\n---\n";

pub(crate) fn run(bytes: &[u8]) {
    let at = bytes
        .windows(SEPARATOR.len())
        .position(|window| window == SEPARATOR);
    let (cursor, log) = match at {
        Some(at) => (&bytes[..at], &bytes[at + SEPARATOR.len()..]),
        None => (bytes, &b""[..]),
    };
    let folder = crate::folder();
    let path = folder.path().join("monitor.log");
    put(&path, log);
    let cursor = of_this_log(cursor, &path);
    put(folder.path().join("cursor.json"), cursor);
    let clock = ManualClock::at(Timestamp::from_seconds(BEGAN + 3600));
    let ended = deployment_monitor::go_on_from(folder.path(), &Played, &clock)
        .expect("a folder that can be written");
    assert!(ended, "the monitor goes on without end");
    let after = fs::read(&path).expect("the log");
    every_event_once(&after, log);
}

// A cursor names its log by device and inode, which nobody can write down beforehand.
fn of_this_log(cursor: &[u8], log: &Path) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(cursor) else {
        return cursor.to_vec();
    };
    let file = fs::metadata(log).expect("the log");
    if let Some(Value::Object(position)) = value.get_mut("log") {
        position.insert("dev".to_owned(), file.dev().into());
        position.insert("ino".to_owned(), file.ino().into());
    }
    value.to_string().into_bytes()
}

// What this monitor appended is whole lines of JSON, and no event stands in it twice.
fn every_event_once(after: &[u8], before: &[u8]) {
    // A torn last line of an earlier monitor may have been cut off.
    let kept = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let appended = &after[kept.min(after.len())..];
    let mut events = BTreeSet::new();
    for line in appended
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        if before.ends_with(line) {
            continue;
        }
        let line: Value = serde_json::from_slice(line).expect("a whole line of JSON");
        if let Some(id) = line["event_id"].as_str() {
            assert!(events.insert(id.to_owned()), "{id} was logged twice");
        }
    }
}

/// A stack whose update is over: three events.
struct Played;

fn event(seconds: i64, logical: &str, status: &str) -> StackEvent {
    let own = logical == "App";
    StackEvent {
        event_id: format!("{logical}-{status}-{seconds}"),
        stack_id: ID.to_owned(),
        stack_name: "App".to_owned(),
        logical_id: logical.to_owned(),
        physical_id: own.then(|| ID.to_owned()),
        resource_type: if own { STACK_TYPE } else { "AWS::SQS::Queue" }.to_owned(),
        status: ResourceStatus(status.to_owned()),
        reason: None,
        timestamp: Timestamp::from_seconds(BEGAN + seconds),
        operation_id: None,
        detailed_status: None,
        hook: None,
    }
}

fn answer<T>(value: T) -> Observed<T> {
    Observed {
        value,
        server_time: None,
    }
}

impl StackSource for Played {
    fn describe(&self, stack: &StackName) -> Result<Observed<StackState>, StackError> {
        if stack.as_str() != "App" && stack.as_str() != ID {
            return Ok(answer(StackState::Missing));
        }
        let began = Timestamp::from_seconds(BEGAN);
        Ok(answer(StackState::Exists(Box::new(Stack {
            id: ID.parse().expect("an ARN"),
            name: "App".to_owned(),
            status: StackStatus::UpdateComplete,
            status_reason: None,
            created_at: Timestamp::from_seconds(BEGAN - 86_400),
            updated_at: Some(began),
            tags: BTreeMap::new(),
            root_id: None,
            last_operations: Vec::new(),
        }))))
    }

    fn events(
        &self,
        stack: &StackName,
        _: Option<&str>,
    ) -> Result<Observed<EventsPage>, StackError> {
        let known = stack.as_str() == "App" || stack.as_str() == ID;
        let newest_first = vec![
            event(30, "App", "UPDATE_COMPLETE"),
            event(9, "Q", "UPDATE_COMPLETE"),
            event(1, "Q", "UPDATE_IN_PROGRESS"),
            event(0, "App", "UPDATE_IN_PROGRESS"),
        ];
        Ok(answer(EventsPage {
            events: if known { newest_first } else { Vec::new() },
            next: None,
        }))
    }

    fn resources(&self, _: &StackName) -> Result<Vec<StackResource>, StackError> {
        Ok(Vec::new())
    }

    fn template(&self, _: &StackName) -> Result<String, StackError> {
        Ok(String::new())
    }
}
