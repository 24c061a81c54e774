//! The registry file: as a document, and as the file under a store that somebody registers in.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use registry_core::clock::{ManualClock, Timestamp};
use registry_core::decide::Seen;
use registry_core::registry::{Decided, Found, Registry};
use registry_core::slot::{End, Ending, HoldKind, Registration, Request};
use registry_core::stack::{Observed, StackState};
use registry_core::store::StoreError;
use registry_core::store::file::{FILE_NAME, FileStore};
use registry_core::store::format::Document;
use serde_json::Value;

use crate::{assert_a_sentence, put};

const ID: &str = "fuzz-1";
const ENVIRONMENT: &str = "production";

pub(crate) fn run(bytes: &[u8]) {
    match Document::parse(bytes) {
        Ok(document) => reads_back(document),
        Err(error) => assert_a_sentence(&error),
    }
    in_a_folder(bytes);
}

// What is written is what was read, and an environment that is put back is the one that was taken out.
fn reads_back(mut document: Document<'_>) {
    let text = document.to_text();
    let again = Document::parse(text.as_bytes()).expect("what we wrote");
    assert_eq!(again.to_text(), text);
    let Some(slots) = readable(document.slots()) else {
        return;
    };
    assert_eq!(again.slots().expect("it was read before"), slots);
    for (name, slot) in slots {
        let alone = |document: &Document<'_>| document.slot(&name).expect("it was read before");
        assert_eq!(
            alone(&document),
            slot,
            "{name}: read alone and with the others"
        );
        document.put(&slot).expect("it was read before");
        let put = alone(&document);
        document.put(&put).expect("it was read before");
        assert_eq!(alone(&document), put, "{name}: written twice");
        assert_eq!(put.holds.len(), slot.holds.len(), "{name}: holds");
        assert_eq!(put.queue.len(), slot.queue.len(), "{name}: waiting");
    }
}

// JSON may hold what we have no room for: then the one thing that may be said is that.
fn readable<T, E: std::fmt::Display>(read: Result<T, E>) -> Option<T> {
    read.map_err(|error| {
        assert!(
            error.to_string().contains("in one of its records"),
            "{error}"
        );
        assert_a_sentence(&error);
    })
    .ok()
}

fn in_a_folder(bytes: &[u8]) {
    let folder = crate::folder();
    let path = folder.path().join(FILE_NAME);
    put(&path, bytes);
    let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_800_000_000)));
    let store = FileStore::open(folder.path().to_owned(), clock).expect("a folder");
    let registry = Registry::over(Box::new(store));
    let seen = [Seen {
        stack: "App".parse().expect("a stack"),
        answer: Ok(Observed {
            value: StackState::Missing,
            server_time: None,
        }),
    }];
    match registry.register(ENVIRONMENT, &request(), &seen) {
        Ok(answer) => registered(&registry, bytes, &path, &answer),
        Err(error) => {
            assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
            assert_a_sentence(&error);
            kept_aside(folder.path(), &path, bytes);
        }
    }
}

fn request() -> Request {
    Request {
        correlation_id: ID.to_owned(),
        workflow_run_id: "1".to_owned(),
        stacks: vec!["App".to_owned()],
        run_attempt: None,
        runner: None,
        workflow_url: None,
        kind: HoldKind::Registered,
        baseline: Vec::new(),
        server_time: None,
    }
}

fn registered(registry: &Registry, before: &[u8], path: &Path, answer: &Decided<Registration>) {
    let Registration::Granted(entry) = &answer.answer else {
        return;
    };
    // A record of another environment that cannot be read keeps nobody here from working, and from ending.
    let active = readable(registry.active()).unwrap_or_default();
    let ours: Vec<_> = active
        .iter()
        .filter(|hold| hold.environment == ENVIRONMENT)
        .collect();
    assert!(ours.len() < 2, "two holders: {ours:?}");
    let id = ID.parse().expect("an id");
    let Ok(Found::Held(held)) = registry.find(&id) else {
        panic!("{ID} does not hold what it was given");
    };
    assert_eq!(held.fencing_token, entry.fencing_token);
    let old = serde_json::from_slice(before.strip_prefix(b"\xef\xbb\xbf").unwrap_or(before));
    let new = serde_json::from_slice(&fs::read(path).expect("the registry"));
    let (old, new) = (old.unwrap_or(Value::Null), new.unwrap_or(Value::Null));
    for (key, value) in old.as_object().into_iter().flatten() {
        if !["deployments", "environments", "ended"].contains(&key.as_str()) {
            assert_eq!(new.get(key), Some(value), "the unknown field {key:?}");
        }
    }
    let end = End {
        correlation_id: ID.to_owned(),
        ending: Ending::Success,
        outcome: None,
        purge: false,
        by: None,
        reason: None,
        eviction: false,
    };
    registry
        .end(&end)
        .expect("a registry that was just written");
    let left = registry.find(&id).expect("a registry");
    assert!(!matches!(left, Found::Held(_)), "it still holds: {left:?}");
}

// What is no registry stays as it is, and exactly one copy is beside it.
fn kept_aside(folder: &Path, path: &Path, bytes: &[u8]) {
    assert_eq!(fs::read(path).expect("the file"), bytes, "it was changed");
    let copies: Vec<_> = fs::read_dir(folder)
        .expect("the folder")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().contains(".corrupt-"))
        .collect();
    assert_eq!(copies.len(), 1, "{copies:?}");
    assert_eq!(fs::read(&copies[0]).expect("the copy"), bytes);
}
