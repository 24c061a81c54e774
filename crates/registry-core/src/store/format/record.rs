//! The records of the registry file, one pair of functions each.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::clock::{BootInstant, Timestamp};
use crate::slot::{
    Beat, Ended, Ending, Entry, EntryStatus, Freeze, HoldKind, Kept, Outcome, Process, Reservation,
    StackBaseline, Tombstone, Unanswered, Waiter, same_stack,
};
use crate::stack::StackStatus;

/// Writes `known` over the record it was read from: unknown fields stay, known ones without a value (null) go.
pub(super) fn merge(old: &Map<String, Value>, known: Value) -> Value {
    let Value::Object(known) = known else {
        return known;
    };
    let mut merged = old.clone();
    for (key, value) in known {
        match (merged.get(&key), value) {
            (_, Value::Null) => {
                merged.shift_remove(&key);
            }
            (Some(Value::Object(below)), value @ Value::Object(_)) => {
                let below = merge(below, value);
                merged.insert(key, below);
            }
            (_, Value::Object(below)) => {
                merged.insert(key, merge(&Map::new(), Value::Object(below)));
            }
            (_, value) => {
                merged.insert(key, value);
            }
        }
    }
    Value::Object(merged)
}

fn kept(value: &Value) -> Kept {
    Kept(value.as_object().cloned().unwrap_or_default())
}

/// As [`kept`], less the records in `parts`, which keep what is theirs themselves.
pub(super) fn kept_without(value: &Value, parts: &[&str]) -> Kept {
    let mut kept = kept(value);
    for part in parts {
        if kept
            .0
            .get(*part)
            .is_some_and(|value| value.is_object() || value.is_array())
        {
            kept.0.shift_remove(*part);
        }
    }
    kept
}

/// A text, also one that was written as a number.
pub(super) fn text(value: &Value, key: &str) -> Option<String> {
    match value.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A whole number, also one that was written as text.
pub(super) fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn count(value: &Value, key: &str) -> Option<u64> {
    number(value.get(key)?)
}

fn moment(value: &Value, key: &str) -> Option<Timestamp> {
    let text = value.get(key)?.as_str()?.trim();
    // RFC 3339 is what we write; people and scripts also write what they read, `2026-01-14 12:34:56 UTC`.
    Timestamp::parse_rfc3339(text).or_else(|| {
        let (day, time) = text.strip_suffix(" UTC")?.split_once(' ')?;
        Timestamp::parse_rfc3339(&format!("{day}T{time}Z"))
    })
}

fn object<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    value.get(key).filter(|part| part.is_object())
}

fn millis(span: Duration) -> u64 {
    span.as_millis().try_into().unwrap_or(u64::MAX)
}

/// Whether the entry `value` may be about `id` or one of `stacks`; `false` is certain.
pub(super) fn may_touch(value: &Value, id: Option<&str>, stacks: &[String]) -> bool {
    let field = |key: &str| value.get(key);
    let is_id = match field("correlation_id") {
        Some(Value::String(known)) => id == Some(known.as_str()),
        // A number, say, that stands for an id.
        Some(_) => id.is_some(),
        None => false,
    };
    let is_stack = match field("stack_name") {
        Some(Value::String(names)) => {
            let mut names = names.split(',').map(str::trim);
            names.any(|name| stacks.iter().any(|stack| same_stack(name, stack)))
        }
        Some(_) => !stacks.is_empty(),
        None => false,
    };
    is_id || is_stack
}

pub(super) fn entry_from(value: &Value) -> Entry {
    let started = moment(value, "started_at").unwrap_or_default();
    let stacks = text(value, "stack_name").unwrap_or_default();
    let baseline = value.get("baseline").and_then(Value::as_array);
    Entry {
        correlation_id: text(value, "correlation_id").unwrap_or_default(),
        workflow_run_id: text(value, "workflow_run_id"),
        environment: text(value, "environment").unwrap_or_default(),
        stacks: stacks
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
        status: EntryStatus::parse(&text(value, "status").unwrap_or_default()),
        started_at: started,
        updated_at: moment(value, "updated_at").unwrap_or(started),
        fencing_token: count(value, "fencing_token"),
        run_attempt: count(value, "run_attempt"),
        runner: text(value, "runner"),
        workflow_url: text(value, "workflow_url"),
        kind: match text(value, "kind").as_deref() {
            Some("run") => HoldKind::Run,
            Some(_) | None => HoldKind::Registered,
        },
        beat: object(value, "beat").map(beat_from),
        baseline: baseline.into_iter().flatten().map(baseline_from).collect(),
        last_outcome: object(value, "last_outcome").map(outcome_from),
        ended: object(value, "ended").map(ended_from),
        kept: kept_without(value, &["baseline", "last_outcome", "ended"]),
    }
}

pub(super) fn entry_to(entry: &Entry) -> Value {
    let baseline: Vec<Value> = entry.baseline.iter().map(baseline_to).collect();
    // What could not be read as a time stays what it was.
    let time = |at: Timestamp| (at != Timestamp::default()).then(|| at.rfc3339());
    let mut known = json!({
        "correlation_id": entry.correlation_id,
        "workflow_run_id": entry.workflow_run_id,
        "environment": entry.environment,
        "stack_name": entry.stack_list(),
        "status": entry.status.as_str(),
        "started_at": time(entry.started_at),
        "updated_at": time(entry.updated_at),
        "fencing_token": entry.fencing_token,
        "run_attempt": entry.run_attempt,
        "runner": entry.runner,
        "workflow_url": entry.workflow_url,
        "kind": match entry.kind { HoldKind::Run => Some("run"), HoldKind::Registered => None },
        "beat": entry.beat.as_ref().map(beat_to),
        "baseline": (!baseline.is_empty()).then_some(baseline),
        "last_outcome": entry.last_outcome.as_ref().map(outcome_to),
        "ended": entry.ended.as_ref().map(ended_to),
    });
    if let Value::Object(fields) = &mut known {
        keep_what_was_not_read(fields, &entry.kept.0);
    }
    merge(&entry.kept.0, known)
}

// A field that has no value to us, but stood there in a form we could not read, is not ours to remove or to reword.
fn keep_what_was_not_read(fields: &mut Map<String, Value>, old: &Map<String, Value>) {
    let blank = Value::Object(old.clone());
    let unread = |key: &str| match key {
        "started_at" | "updated_at" => moment(&blank, key).is_none(),
        "fencing_token" | "run_attempt" => count(&blank, key).is_none(),
        "baseline" => blank.get(key).is_some_and(|value| !value.is_array()),
        "beat" | "last_outcome" | "ended" => object(&blank, key).is_none(),
        _ => text(&blank, key).is_none(),
    };
    let same_text = |key: &str, value: &Value| value.as_str() == text(&blank, key).as_deref();
    fields.retain(|key, value| {
        let there = old.get(key).is_some_and(|old| !old.is_null());
        let nothing = value.is_null() || value.as_str() == Some("");
        let known_word = matches!(
            key.as_str(),
            "correlation_id" | "kind" | "status" | "stack_name" | "workflow_run_id"
        );
        !(there && ((nothing && unread(key)) || (known_word && same_text(key, value))))
            && !(there && key == "kind" && value.is_null())
    });
}

fn beat_from(value: &Value) -> Beat {
    let since_boot = count(value, "since_boot_ms").map(Duration::from_millis);
    Beat {
        at: moment(value, "at").unwrap_or_default(),
        boot: since_boot.map(|since_boot| BootInstant {
            boot_id: text(value, "boot_id"),
            since_boot,
        }),
        host: text(value, "host"),
    }
}

fn beat_to(beat: &Beat) -> Value {
    json!({
        "at": beat.at.rfc3339_millis(),
        "host": beat.host,
        "boot_id": beat.boot.as_ref().and_then(|boot| boot.boot_id.clone()),
        "since_boot_ms": beat.boot.as_ref().map(|boot| millis(boot.since_boot)),
    })
}

fn baseline_from(value: &Value) -> StackBaseline {
    StackBaseline {
        stack_name: text(value, "stack_name").unwrap_or_default(),
        server_time: moment(value, "server_time"),
        stack_id: text(value, "stack_id"),
        event_id: text(value, "event_id"),
        kept: kept(value),
    }
}

fn baseline_to(baseline: &StackBaseline) -> Value {
    let known = json!({
        "stack_name": baseline.stack_name,
        "server_time": baseline.server_time.map(Timestamp::rfc3339),
        "stack_id": baseline.stack_id,
        "event_id": baseline.event_id,
    });
    merge(&baseline.kept.0, known)
}

fn outcome_from(value: &Value) -> Outcome {
    Outcome {
        stack_status: StackStatus::parse(&text(value, "stack_status").unwrap_or_default()),
        first_cause: text(value, "first_cause"),
        at: moment(value, "at").unwrap_or_default(),
        kept: kept(value),
    }
}

fn outcome_to(outcome: &Outcome) -> Value {
    let known = json!({
        "stack_status": outcome.stack_status.as_str(),
        "first_cause": outcome.first_cause,
        "at": outcome.at.rfc3339(),
    });
    merge(&outcome.kept.0, known)
}

fn ended_from(value: &Value) -> Ended {
    Ended {
        ending: Ending::parse(&text(value, "outcome").unwrap_or_default()),
        at: moment(value, "at").unwrap_or_default(),
        by: text(value, "by"),
        reason: text(value, "reason"),
        evicted: value
            .get("evicted")
            .and_then(Value::as_bool)
            .unwrap_or(false),
        kept: kept(value),
    }
}

fn ended_to(ended: &Ended) -> Value {
    let known = json!({
        "outcome": ended.ending.as_str(),
        "at": ended.at.rfc3339(),
        "by": ended.by,
        "reason": ended.reason,
        "evicted": ended.evicted.then_some(true),
    });
    merge(&ended.kept.0, known)
}

pub(super) fn tombstone_from(value: &Value) -> Tombstone {
    Tombstone {
        correlation_id: text(value, "correlation_id").unwrap_or_default(),
        environment: text(value, "environment").unwrap_or_default(),
        fencing_token: count(value, "fencing_token"),
        ended: ended_from(value.get("ended").unwrap_or(&Value::Null)),
        kept: kept_without(value, &["ended"]),
    }
}

pub(super) fn tombstone_to(tombstone: &Tombstone) -> Value {
    let known = json!({
        "correlation_id": tombstone.correlation_id,
        "environment": tombstone.environment,
        "fencing_token": tombstone.fencing_token,
        "ended": ended_to(&tombstone.ended),
    });
    merge(&tombstone.kept.0, known)
}

fn process_from(value: &Value) -> Option<Process> {
    Some(Process {
        pid: count(value, "pid")?.try_into().ok()?,
        started: count(value, "started")?,
        machine: text(value, "machine")?,
    })
}

fn process_to(process: &Process) -> Value {
    json!({ "pid": process.pid, "started": process.started, "machine": process.machine })
}

pub(super) fn waiter_from(value: &Value) -> Waiter {
    Waiter {
        correlation_id: text(value, "correlation_id").unwrap_or_default(),
        since: moment(value, "since").unwrap_or_default(),
        beat: object(value, "beat").map(beat_from).unwrap_or_default(),
        lease: Duration::from_millis(count(value, "lease_ms").unwrap_or(0)),
        process: object(value, "process").and_then(process_from),
        kept: kept(value),
    }
}

pub(super) fn waiter_to(waiter: &Waiter) -> Value {
    let known = json!({
        "correlation_id": waiter.correlation_id,
        "since": waiter.since.rfc3339(),
        "beat": beat_to(&waiter.beat),
        "lease_ms": millis(waiter.lease),
        "process": waiter.process.as_ref().map(process_to),
    });
    merge(&waiter.kept.0, known)
}

pub(super) fn reservation_from(value: &Value) -> Reservation {
    Reservation {
        correlation_id: text(value, "correlation_id").unwrap_or_default(),
        granted: object(value, "granted").map(beat_from).unwrap_or_default(),
        lasts: Duration::from_millis(count(value, "lasts_ms").unwrap_or(0)),
        unanswered: object(value, "unanswered").map(|waiter| Unanswered {
            process: object(waiter, "process").and_then(process_from),
            lease: Duration::from_millis(count(waiter, "lease_ms").unwrap_or(0)),
        }),
        kept: kept(value),
    }
}

pub(super) fn reservation_to(reservation: &Reservation) -> Value {
    let unanswered = reservation.unanswered.as_ref().map(|waiter| {
        json!({
            "process": waiter.process.as_ref().map(process_to),
            "lease_ms": millis(waiter.lease),
        })
    });
    let known = json!({
        "correlation_id": reservation.correlation_id,
        "granted": beat_to(&reservation.granted),
        "lasts_ms": millis(reservation.lasts),
        "unanswered": unanswered,
    });
    merge(&reservation.kept.0, known)
}

pub(super) fn freeze_from(value: &Value) -> Freeze {
    Freeze {
        reason: text(value, "reason").unwrap_or_default(),
        by: text(value, "by").unwrap_or_default(),
        at: moment(value, "at").unwrap_or_default(),
        until: moment(value, "until"),
        kept: kept(value),
    }
}

pub(super) fn freeze_to(freeze: &Freeze) -> Value {
    let known = json!({
        "reason": freeze.reason,
        "by": freeze.by,
        "at": freeze.at.rfc3339(),
        "until": freeze.until.map(Timestamp::rfc3339),
    });
    merge(&freeze.kept.0, known)
}
