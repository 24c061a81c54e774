//! The registry file, as text: the guide's `deployments` and, beside it, what else an environment has.
//!
//! Every record is read leniently (old scripts wrote numbers where we write text) and written over the record it was read
//! from, so that fields we do not know survive, at every level.

mod record;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::slot::{Elsewhere, Entry, Slot};
use record::{
    entry_from, entry_to, freeze_from, freeze_to, merge, reservation_from, reservation_to,
    tombstone_from, tombstone_to, waiter_from, waiter_to,
};

const DEPLOYMENTS: &str = "deployments";
const ENVIRONMENTS: &str = "environments";
const ENDED: &str = "ended";

/// Why a text is not a registry.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FormatError {
    /// Not JSON at all.
    #[error("it is not valid JSON ({0})")]
    NotJson(String),
    /// JSON of another shape.
    #[error("{0}")]
    Shape(&'static str),
}

/// The whole registry as it stands in the file. Only what is written through [`Document::put`] changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Document(Map<String, Value>);

impl Default for Document {
    fn default() -> Self {
        let mut root = Map::new();
        root.insert(DEPLOYMENTS.to_owned(), json!([]));
        Self(root)
    }
}

impl Document {
    /// Reads the text of a registry file.
    pub fn parse(text: &[u8]) -> Result<Self, FormatError> {
        // Some editors put a byte order mark at the beginning.
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let value: Value = serde_json::from_slice(text)
            .map_err(|error| FormatError::NotJson(error.to_string()))?;
        let Value::Object(mut root) = value else {
            return Err(FormatError::Shape("it is JSON, but not an object"));
        };
        let deployments = root.entry(DEPLOYMENTS).or_insert_with(|| json!([]));
        if deployments.is_null() {
            *deployments = json!([]);
        }
        if !deployments.is_array() {
            return Err(FormatError::Shape("its \"deployments\" is not a list"));
        }
        if root.get(ENVIRONMENTS).is_some_and(|part| !part.is_object()) {
            return Err(FormatError::Shape("its \"environments\" is not an object"));
        }
        if root.get(ENDED).is_some_and(|part| !part.is_array()) {
            return Err(FormatError::Shape("its \"ended\" is not a list"));
        }
        Ok(Self(root))
    }

    /// The text of the file, readable for people.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Maps with text keys and values that came from JSON: nothing here can fail to be written.
        let mut text = serde_json::to_string_pretty(&self.0).unwrap_or_default();
        text.push('\n');
        text
    }

    fn list(&self, key: &str) -> &[Value] {
        self.0
            .get(key)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// Every environment that has anything here, by name: one pass over the records, however many environments there are.
    #[must_use]
    pub fn slots(&self) -> BTreeMap<String, Slot> {
        let mut slots = BTreeMap::new();
        if let Some(Value::Object(environments)) = self.0.get(ENVIRONMENTS) {
            for (name, record) in environments {
                let slot = slot_in(&mut slots, name);
                if let Value::Object(record) = record {
                    read_environment(record, slot);
                }
            }
        }
        for value in self
            .list(DEPLOYMENTS)
            .iter()
            .filter(|value| value.is_object())
        {
            place(
                entry_from(value),
                slot_in(&mut slots, environment_of(value)),
            );
        }
        for value in self.list(ENDED).iter().filter(|value| value.is_object()) {
            slot_in(&mut slots, environment_of(value))
                .ended
                .push(tombstone_from(value));
        }
        slots
    }

    /// One environment.
    #[must_use]
    pub fn slot(&self, environment: &str) -> Slot {
        let mut slot = Slot::new(environment);
        if let Some(Value::Object(record)) = self
            .0
            .get(ENVIRONMENTS)
            .and_then(|all| all.get(environment))
        {
            read_environment(record, &mut slot);
        }
        for value in self
            .list(DEPLOYMENTS)
            .iter()
            .filter(|value| belongs(value, environment))
        {
            place(entry_from(value), &mut slot);
        }
        slot.ended = self
            .list(ENDED)
            .iter()
            .filter(|value| belongs(value, environment))
            .map(tombstone_from)
            .collect();
        slot
    }

    /// What environments other than `environment` have that touches a request of `id` for `stacks`. Only such entries are read whole:
    /// a registry may have thousands.
    #[must_use]
    pub fn elsewhere(&self, environment: &str, id: Option<&str>, stacks: &[String]) -> Elsewhere {
        let touching: Vec<Entry> = self
            .list(DEPLOYMENTS)
            .iter()
            .filter(|value| value.is_object() && !belongs(value, environment))
            .filter(|value| record::may_touch(value, id, stacks))
            .map(entry_from)
            .filter(|entry| entry.status.holds())
            .collect();
        Elsewhere::among(&touching, id, stacks)
    }

    /// Writes one environment back; everything else stays as it is, in its order.
    pub fn put(&mut self, slot: &Slot) {
        let entries = slot.past.iter().chain(&slot.holds).map(entry_to).collect();
        self.replace(DEPLOYMENTS, &slot.environment, entries);
        let tombstones: Vec<Value> = slot.ended.iter().map(tombstone_to).collect();
        if !tombstones.is_empty() || self.0.contains_key(ENDED) {
            self.replace(ENDED, &slot.environment, tombstones);
        }
        let record = write_environment(slot);
        let environments = self.0.entry(ENVIRONMENTS).or_insert_with(|| json!({}));
        if let Value::Object(environments) = environments {
            environments.insert(slot.environment.clone(), record);
        }
    }

    fn replace(&mut self, key: &str, environment: &str, fresh: Vec<Value>) {
        let old = match self.0.get_mut(key) {
            Some(Value::Array(list)) => std::mem::take(list),
            Some(_) | None => Vec::new(),
        };
        // What was there keeps its line, so that a person who compares two versions sees only what changed.
        let mut places: HashMap<Identity, Vec<usize>> = HashMap::new();
        for (place, value) in fresh.iter().enumerate().rev() {
            places.entry(identity(value)).or_default().push(place);
        }
        let mut fresh: Vec<Option<Value>> = fresh.into_iter().map(Some).collect();
        let mut list: Vec<Value> = Vec::with_capacity(old.len() + 1);
        for value in old {
            if !belongs(&value, environment) {
                list.push(value);
                continue;
            }
            let place = places.get_mut(&identity(&value)).and_then(Vec::pop);
            list.extend(place.and_then(|place| fresh[place].take()));
        }
        list.extend(fresh.into_iter().flatten());
        self.0.insert(key.to_owned(), Value::Array(list));
    }
}

fn slot_in<'a>(slots: &'a mut BTreeMap<String, Slot>, environment: &str) -> &'a mut Slot {
    slots
        .entry(environment.to_owned())
        .or_insert_with(|| Slot::new(environment))
}

fn environment_of(value: &Value) -> &str {
    value
        .get("environment")
        .and_then(Value::as_str)
        .unwrap_or("")
}

fn belongs(value: &Value, environment: &str) -> bool {
    value.is_object() && environment_of(value) == environment
}

// By which a record is known again: its id, and when it began.
type Identity = (Option<String>, Option<String>);

fn identity(value: &Value) -> Identity {
    (
        record::text(value, "correlation_id"),
        record::text(value, "started_at"),
    )
}

fn place(entry: Entry, slot: &mut Slot) {
    slot.last_token = slot.last_token.max(entry.fencing_token.unwrap_or(0));
    if entry.status.holds() {
        slot.holds.push(entry);
    } else {
        slot.past.push(entry);
    }
}

fn read_environment(record: &Map<String, Value>, slot: &mut Slot) {
    let list = |key: &str| {
        record
            .get(key)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let object = |key: &str| record.get(key).filter(|value| value.is_object());
    slot.last_token = record
        .get("fencing_token")
        .and_then(record::number)
        .unwrap_or(0);
    slot.queue = list("queue")
        .iter()
        .filter(|value| value.is_object())
        .map(waiter_from)
        .collect();
    slot.reservation = object("reservation").map(reservation_from);
    slot.freeze = object("freeze").map(freeze_from);
    let whole = Value::Object(record.clone());
    slot.kept = record::kept_without(&whole, &["queue", "reservation", "freeze"]);
}

fn write_environment(slot: &Slot) -> Value {
    let queue: Vec<Value> = slot.queue.iter().map(waiter_to).collect();
    let known = json!({
        "fencing_token": slot.last_token,
        "queue": queue,
        "reservation": slot.reservation.as_ref().map(reservation_to),
        "freeze": slot.freeze.as_ref().map(freeze_to),
    });
    merge(&slot.kept.0, known)
}

/// One environment as one JSON value, for stores that keep an item per environment.
#[must_use]
pub fn slot_to_value(slot: &Slot) -> Value {
    let mut document = Document::default();
    document.put(slot);
    Value::Object(document.0)
}

/// One entry as it stands in the registry file.
#[must_use]
pub fn entry_to_value(entry: &Entry) -> Value {
    entry_to(entry)
}

/// Reads what [`entry_to_value`] wrote, for programs that keep an entry of their own (to put it back if the registry loses it).
#[must_use]
pub fn entry_from_value(value: &Value) -> Entry {
    entry_from(value)
}

/// Reads what [`slot_to_value`] wrote.
pub fn slot_from_value(environment: &str, value: &Value) -> Result<Slot, FormatError> {
    Ok(Document::parse(value.to_string().as_bytes())?.slot(environment))
}
