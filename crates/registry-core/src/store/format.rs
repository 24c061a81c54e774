//! The registry file, as text: the guide's `deployments` and, beside it, what else an environment has.
//!
//! Every record is read leniently (old scripts wrote numbers where we write text) and written over the record it was read
//! from, so that fields we do not know survive, at every level.

mod record;
mod skim;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::About;
use crate::slot::{Elsewhere, Entry, Slot};
use skim::{Part, Record};

use record::{
    entry_from, entry_to, freeze_from, freeze_to, merge, reservation_from, reservation_to,
    tombstone_from, tombstone_to, waiter_from, waiter_to,
};

const DEPLOYMENTS: &str = "deployments";
const ENVIRONMENTS: &str = "environments";
const ENDED: &str = "ended";
/// The keys of the file that have a meaning here.
const KNOWN: [&str; 3] = [DEPLOYMENTS, ENVIRONMENTS, ENDED];

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

/// The whole registry as it stands in the file. Only what is written through [`Document::put`] changes: every other record stays as
/// it is, to the letter.
#[derive(Debug, Clone)]
pub struct Document<'a> {
    keys: Vec<(String, Part<'a>)>,
}

impl Default for Document<'_> {
    fn default() -> Self {
        Self {
            keys: vec![(DEPLOYMENTS.to_owned(), Part::List(Vec::new()))],
        }
    }
}

/// Which environments of a registry are asked for.
#[derive(Debug, Clone, Copy)]
enum Wanted<'a> {
    All,
    Named(&'a BTreeSet<String>),
}

impl Wanted<'_> {
    fn has(self, environment: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(environment),
        }
    }
}

impl<'a> Document<'a> {
    /// Reads the text of a registry file.
    pub fn parse(text: &'a [u8]) -> Result<Self, FormatError> {
        // Some editors put a byte order mark at the beginning.
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let text =
            std::str::from_utf8(text).map_err(|error| FormatError::NotJson(error.to_string()))?;
        let mut keys = skim::keys(text)?;
        if !keys.iter().any(|(name, _)| name == DEPLOYMENTS) {
            keys.push((DEPLOYMENTS.to_owned(), Part::Nothing));
        }
        for (name, part) in &mut keys {
            let wrong = match (name.as_str(), &*part) {
                (DEPLOYMENTS, Part::Nothing) => {
                    *part = Part::List(Vec::new());
                    continue;
                }
                (DEPLOYMENTS | ENDED, Part::List(_))
                | (ENVIRONMENTS, Part::Object(_))
                | (_, Part::Unknown(_)) => continue,
                (DEPLOYMENTS, _) => "its \"deployments\" is not a list",
                (ENVIRONMENTS, _) => "its \"environments\" is not an object",
                (_, _) => "its \"ended\" is not a list",
            };
            return Err(FormatError::Shape(wrong));
        }
        Ok(Self { keys })
    }

    /// The text of the file, readable for people.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let members = self.keys.iter().map(|(name, part)| (Some(name), part));
        list(
            &mut text,
            ('{', '}'),
            "",
            members,
            |text, part| match part {
                Part::List(records) => {
                    let members = records.iter().map(|record| (None, record));
                    list(text, ('[', ']'), "  ", members, |text, record| {
                        record.write(text, "    ");
                    });
                }
                Part::Object(members) => {
                    let members = members.iter().map(|(name, record)| (Some(name), record));
                    list(text, ('{', '}'), "  ", members, |text, record| {
                        record.write(text, "    ");
                    });
                }
                Part::Unknown(record) => record.write(text, "  "),
                Part::Nothing | Part::Other => text.push_str("null"),
            },
        );
        text.push('\n');
        text
    }

    fn part(&self, key: &str) -> Option<&Part<'a>> {
        let mut parts = self.keys.iter();
        parts.find(|(name, _)| name == key).map(|(_, part)| part)
    }

    fn list(&self, key: &str) -> &[Record<'a>] {
        match self.part(key) {
            Some(Part::List(records)) => records,
            Some(Part::Nothing | Part::Object(_) | Part::Other | Part::Unknown(_)) | None => &[],
        }
    }

    fn environments(&self) -> &[(String, Record<'a>)] {
        match self.part(ENVIRONMENTS) {
            Some(Part::Object(members)) => members,
            Some(Part::Nothing | Part::List(_) | Part::Other | Part::Unknown(_)) | None => &[],
        }
    }

    /// Every environment that has anything here, by name: one pass over the records, however many environments there are.
    pub fn slots(&self) -> Result<BTreeMap<String, Slot>, FormatError> {
        self.gather(Wanted::All)
    }

    /// The environment `about` names, and every other in which its id has anything or one of its stacks is named.
    pub fn slots_about(&self, about: About<'_>) -> Result<BTreeMap<String, Slot>, FormatError> {
        let mut names: BTreeSet<String> =
            about.environment.into_iter().map(str::to_owned).collect();
        let touched = |record: &Value| {
            record::may_touch(record, about.id, about.stacks)
                .then(|| environment_of(record).to_owned())
        };
        let words = words(about.id, about.stacks);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        for record in self.list(DEPLOYMENTS).iter().chain(self.list(ENDED)) {
            if record.may_mention(&words) {
                names.extend(touched(&*record.value()?));
            }
        }
        for (name, record) in self.environments() {
            let knows = |record: &Value| about.id.is_some_and(|id| waits(record, id));
            if record.may_mention(&words) && knows(&*record.value()?) {
                names.insert(name.clone());
            }
        }
        self.gather(Wanted::Named(&names))
    }

    /// One environment.
    pub fn slot(&self, environment: &str) -> Result<Slot, FormatError> {
        let names = BTreeSet::from([environment.to_owned()]);
        let mut slots = self.gather(Wanted::Named(&names))?;
        Ok(slots
            .remove(environment)
            .unwrap_or_else(|| Slot::new(environment)))
    }

    fn gather(&self, wanted: Wanted<'_>) -> Result<BTreeMap<String, Slot>, FormatError> {
        let mut slots = BTreeMap::new();
        for (name, record) in self.environments() {
            if wanted.has(name) {
                let slot = slot_in(&mut slots, name);
                if let Value::Object(record) = &*record.value()? {
                    read_environment(record, slot);
                }
            }
        }
        for record in self.list(DEPLOYMENTS) {
            if let Some(value) = record_of(record, wanted)? {
                place(
                    entry_from(&value),
                    slot_in(&mut slots, environment_of(&value)),
                );
            }
        }
        for record in self.list(ENDED) {
            if let Some(value) = record_of(record, wanted)? {
                slot_in(&mut slots, environment_of(&value))
                    .ended
                    .push(tombstone_from(&value));
            }
        }
        Ok(slots)
    }

    /// What environments other than `environment` have that touches a request of `id` for `stacks`. Only such entries are read whole:
    /// a registry may have thousands.
    pub fn elsewhere(
        &self,
        environment: &str,
        id: Option<&str>,
        stacks: &[String],
    ) -> Result<Elsewhere, FormatError> {
        let words = words(id, stacks);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut touching = Vec::new();
        for record in self.list(DEPLOYMENTS) {
            if !record.may_mention(&words) {
                continue;
            }
            let value = record.value()?;
            if value.is_object()
                && !belongs(&value, environment)
                && record::may_touch(&value, id, stacks)
            {
                touching.push(entry_from(&value));
            }
        }
        touching.retain(|entry| entry.status.holds());
        Ok(Elsewhere::among(&touching, id, stacks))
    }

    /// Writes one environment back; everything else stays as it is, in its order.
    pub fn put(&mut self, slot: &Slot) -> Result<(), FormatError> {
        self.replace(DEPLOYMENTS, &slot.environment, entries_of(slot))?;
        if !slot.ended.is_empty() || self.part(ENDED).is_some() {
            self.replace(ENDED, &slot.environment, tombstones_of(slot))?;
        }
        let record = Record::Written(write_environment(slot));
        if let Part::Object(members) = self.part_mut(ENVIRONMENTS, Part::Object(Vec::new())) {
            let mut members_from_the_last = members.iter_mut().rev();
            match members_from_the_last.find(|(name, _)| *name == slot.environment) {
                Some((_, there)) => *there = record,
                None => members.push((slot.environment.clone(), record)),
            }
        }
        Ok(())
    }

    fn part_mut(&mut self, key: &str, missing: Part<'a>) -> &mut Part<'a> {
        let found = self.keys.iter().position(|(name, _)| name == key);
        let at = found.unwrap_or_else(|| {
            self.keys.push((key.to_owned(), missing));
            self.keys.len() - 1
        });
        &mut self.keys[at].1
    }

    fn replace(
        &mut self,
        key: &str,
        environment: &str,
        fresh: Vec<Value>,
    ) -> Result<(), FormatError> {
        let Part::List(records) = self.part_mut(key, Part::List(Vec::new())) else {
            return Ok(());
        };
        // What was there keeps its line, so that a person who compares two versions sees only what changed.
        let mut places: HashMap<Identity, Vec<usize>> = HashMap::new();
        for (place, value) in fresh.iter().enumerate().rev() {
            places.entry(identity(value)).or_default().push(place);
        }
        let mut fresh: Vec<Option<Value>> = fresh.into_iter().map(Some).collect();
        let mut list: Vec<Record<'a>> = Vec::with_capacity(records.len() + 1);
        for record in &*records {
            if !record.may_mention(&[environment]) {
                list.push(record.clone());
                continue;
            }
            let old = record.value()?;
            if !belongs(&old, environment) {
                list.push(record.clone());
                continue;
            }
            let place = places.get_mut(&identity(&old)).and_then(Vec::pop);
            match place.and_then(|place| fresh[place].take()) {
                Some(value) if value == *old => list.push(record.clone()),
                Some(value) => list.push(Record::Written(value)),
                None => {}
            }
        }
        list.extend(fresh.into_iter().flatten().map(Record::Written));
        *records = list;
        Ok(())
    }
}

// A JSON list or object in lines, as `serde_json` writes it; each member by `write`.
fn list<'m, T: 'm>(
    text: &mut String,
    (open, close): (char, char),
    indent: &str,
    members: impl Iterator<Item = (Option<&'m String>, &'m T)>,
    write: impl Fn(&mut String, &'m T),
) {
    text.push(open);
    let mut first = true;
    for (name, member) in members {
        text.push_str(if first { "\n" } else { ",\n" });
        text.push_str(indent);
        text.push_str("  ");
        if let Some(name) = name {
            text.push_str(&Value::from(name.as_str()).to_string());
            text.push_str(": ");
        }
        write(text, member);
        first = false;
    }
    if !first {
        text.push('\n');
        text.push_str(indent);
    }
    text.push(close);
}

// The words one of which a record that touches `id` or one of `stacks` has in it.
fn words(id: Option<&str>, stacks: &[String]) -> Vec<String> {
    let stacks = stacks.iter().map(|stack| skim::stack_word(stack));
    id.map(str::to_owned).into_iter().chain(stacks).collect()
}

// The record, if it is one and belongs to what is wanted.
fn record_of<'r>(
    record: &'r Record<'_>,
    wanted: Wanted<'_>,
) -> Result<Option<Cow<'r, Value>>, FormatError> {
    if let Wanted::Named(names) = wanted {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        if !record.may_mention(&names) {
            return Ok(None);
        }
    }
    let value = record.value()?;
    Ok((value.is_object() && wanted.has(environment_of(&value))).then_some(value))
}

// Whether `id` stands in the queue of an environment's record, or has its reservation.
fn waits(record: &Value, id: &str) -> bool {
    let is_its = |value: &Value| record::text(value, "correlation_id").as_deref() == Some(id);
    let queue = record.get("queue").and_then(Value::as_array);
    queue.into_iter().flatten().any(is_its) || record.get("reservation").is_some_and(is_its)
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
    let mut root = Map::new();
    root.insert(DEPLOYMENTS.to_owned(), Value::Array(entries_of(slot)));
    if !slot.ended.is_empty() {
        root.insert(ENDED.to_owned(), Value::Array(tombstones_of(slot)));
    }
    let environments = Map::from_iter([(slot.environment.clone(), write_environment(slot))]);
    root.insert(ENVIRONMENTS.to_owned(), Value::Object(environments));
    Value::Object(root)
}

fn entries_of(slot: &Slot) -> Vec<Value> {
    slot.past.iter().chain(&slot.holds).map(entry_to).collect()
}

fn tombstones_of(slot: &Slot) -> Vec<Value> {
    slot.ended.iter().map(tombstone_to).collect()
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
    Document::parse(value.to_string().as_bytes())?.slot(environment)
}
