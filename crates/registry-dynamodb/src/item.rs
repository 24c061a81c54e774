//! What an item looks like: keys and attributes.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use registry_core::clock::Timestamp;
use registry_core::slot::Slot;
use registry_core::store::StoreError;
use registry_core::store::format::{slot_from_value, slot_to_value};

/// An item as the SDK has it.
pub(crate) type Attributes = HashMap<String, AttributeValue>;

/// The table's partition key.
pub(crate) const PK: &str = "pk";
/// The table's sort key.
pub(crate) const SK: &str = "sk";
/// The attribute that DynamoDB deletes garbage by.
pub(crate) const TTL: &str = "ttl";
/// Which write made an item: random, never used twice. Every condition is about it.
pub(crate) const ATTEMPT: &str = "attempt";
/// The writes before the last one, newest first.
const RECENT: &str = "recent";
const FORMAT: &str = "format";
pub(crate) const BODY: &str = "body";
const ENVIRONMENT: &str = "environment";
pub(crate) const ENVIRONMENTS: &str = "environments";
const UPDATED_AT: &str = "updated_at";
const SPILLED_AT: &str = "spilled_at";
/// When the newest record of an ended item ended, in milliseconds since 1970.
pub(crate) const ENDED_AT: &str = "ended_at";

/// The layout this version reads and writes.
const THIS_FORMAT: u64 = 1;
/// How many earlier writes an item remembers. A lost reply is recognised as long as no more than these came after it.
const REMEMBERED: usize = 8;

/// The two parts of a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl Key {
    /// What is decided about an environment.
    pub(crate) fn slot(namespace: &str, environment: &str) -> Self {
        Self {
            pk: format!("{namespace}/{environment}"),
            sk: "SLOT".to_owned(),
        }
    }

    /// What is left of a deployment, where the environment's item had no room for it.
    pub(crate) fn ended(namespace: &str, environment: &str, id: &str) -> Self {
        Self {
            pk: format!("{namespace}/{environment}"),
            sk: format!("{ENDED_PREFIX}{id}"),
        }
    }

    /// The list of environments.
    pub(crate) fn index(namespace: &str) -> Self {
        Self {
            pk: namespace.to_owned(),
            sk: "INDEX".to_owned(),
        }
    }

    /// Which environments may hold, or be about to hold, a stack of this name.
    pub(crate) fn stack(namespace: &str, name: &str) -> Self {
        Self {
            pk: namespace.to_owned(),
            sk: format!("STACK#{name}"),
        }
    }

    /// Which environments may hold, or be about to hold, a deployment of this id.
    pub(crate) fn id(namespace: &str, id: &str) -> Self {
        Self {
            pk: namespace.to_owned(),
            sk: format!("ID#{id}"),
        }
    }

    /// The key as attributes.
    pub(crate) fn attributes(&self) -> Attributes {
        HashMap::from([
            (PK.to_owned(), text(&self.pk)),
            (SK.to_owned(), text(&self.sk)),
        ])
    }

    /// The key of an item.
    pub(crate) fn of(item: &Attributes) -> Option<Self> {
        Some(Self {
            pk: item.get(PK)?.as_s().ok()?.clone(),
            sk: item.get(SK)?.as_s().ok()?.clone(),
        })
    }
}

/// Every item of what has ended begins with this.
pub(crate) const ENDED_PREFIX: &str = "DEP#";

pub(crate) fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

pub(crate) fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(crate) fn get_text<'a>(item: &'a Attributes, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

fn get_number(item: &Attributes, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// Which write made `item`.
pub(crate) fn attempt(item: &Attributes) -> Option<&str> {
    get_text(item, ATTEMPT)
}

/// Whether the write `attempt` made `item`, or one of the few before it.
pub(crate) fn was_written_by(item: &Attributes, attempt: &str) -> bool {
    self::attempt(item) == Some(attempt) || recent(item).iter().any(|earlier| earlier == attempt)
}

fn recent(item: &Attributes) -> Vec<String> {
    item.get(RECENT)
        .and_then(|value| value.as_l().ok())
        .into_iter()
        .flatten()
        .filter_map(|value| value.as_s().ok().cloned())
        .collect()
}

/// The item `old` as the write `attempt` leaves it: what we do not know about stays.
pub(crate) fn rewritten(key: &Key, old: Option<&Attributes>, attempt: &str) -> Attributes {
    let mut item = old.cloned().unwrap_or_default();
    item.extend(key.attributes());
    let mut earlier = old.map(recent).unwrap_or_default();
    earlier.splice(0..0, old.and_then(self::attempt).map(str::to_owned));
    earlier.truncate(REMEMBERED);
    let earlier = earlier.into_iter().map(AttributeValue::S).collect();
    item.insert(RECENT.to_owned(), AttributeValue::L(earlier));
    item.insert(ATTEMPT.to_owned(), text(attempt));
    item.entry(FORMAT.to_owned())
        .or_insert_with(|| AttributeValue::N(THIS_FORMAT.to_string()));
    item
}

/// A new attempt id.
pub(crate) fn new_attempt() -> Result<String, StoreError> {
    let random = getrandom::u64().and_then(|high| Ok((high, getrandom::u64()?)));
    random
        .map(|(high, low)| format!("{high:016x}{low:016x}"))
        .map_err(|error| {
            StoreError::Unavailable(format!("the system gives no random numbers: {error}"))
        })
}

/// What is decided about one environment, as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct SlotItem {
    /// What it says.
    pub(crate) slot: Slot,
    /// When the newest record that was moved to an item of its own had ended.
    pub(crate) spilled_at: Option<Timestamp>,
    /// The item it was read from; `None` where there is none yet.
    stored: Option<Attributes>,
}

impl SlotItem {
    /// Reads the item of `environment`.
    pub(crate) fn read(environment: &str, stored: Option<Attributes>) -> Result<Self, StoreError> {
        let Some(item) = &stored else {
            return Ok(Self {
                slot: Slot::new(environment),
                spilled_at: None,
                stored,
            });
        };
        check_format(&format!("{environment:?}"), item)?;
        Ok(Self {
            slot: read_body(environment, item)?,
            spilled_at: get_number(item, SPILLED_AT).map(Timestamp::from_millis),
            stored,
        })
    }

    /// The attempt that a write is conditioned on; `None`: that there is no item.
    pub(crate) fn seen(&self) -> Option<&str> {
        self.stored.as_ref().and_then(attempt)
    }

    /// Whether there is an item.
    pub(crate) fn exists(&self) -> bool {
        self.stored.is_some()
    }

    /// The size of what is decided, in bytes.
    pub(crate) fn size(&self) -> usize {
        let body = self.stored.as_ref().and_then(|item| get_text(item, BODY));
        body.map_or(0, str::len)
    }

    /// The item with another content. The second part is the size of what is decided, in bytes.
    pub(crate) fn with(
        &self,
        key: &Key,
        slot: &Slot,
        spilled_at: Option<Timestamp>,
        attempt: &str,
        now: Timestamp,
    ) -> (Attributes, usize) {
        let mut item = rewritten(key, self.stored.as_ref(), attempt);
        let body = slot_to_value(slot).to_string();
        let size = body.len();
        item.insert(BODY.to_owned(), AttributeValue::S(body));
        item.insert(ENVIRONMENT.to_owned(), text(&slot.environment));
        item.insert(UPDATED_AT.to_owned(), text(&now.rfc3339()));
        if let Some(at) = spilled_at {
            item.insert(SPILLED_AT.to_owned(), number(at.millis()));
        }
        (item, size)
    }

    /// The same content written anew, so that whoever has read the item before can no longer write it.
    pub(crate) fn touched(&self, key: &Key, attempt: &str, now: Timestamp) -> Attributes {
        if self.exists() {
            return rewritten(key, self.stored.as_ref(), attempt);
        }
        self.with(key, &self.slot, None, attempt, now).0
    }
}

/// Refuses what a newer version has written: `what` is there, for people.
pub(crate) fn check_format(what: &str, item: &Attributes) -> Result<(), StoreError> {
    let format = get_number(item, FORMAT).and_then(|format| u64::try_from(format).ok());
    match format {
        Some(format) if format > THIS_FORMAT => Err(StoreError::Wrong(format!(
            "the shared registry's item of {what} has format {format}, and this program knows {THIS_FORMAT}: install the newer version here too"
        ))),
        Some(_) | None => Ok(()),
    }
}

/// Reads the environment, or the part of it, that an item carries.
pub(crate) fn read_body(environment: &str, item: &Attributes) -> Result<Slot, StoreError> {
    let broken = |why: String| {
        let key = Key::of(item).map_or_else(String::new, |key| format!("{} {}", key.pk, key.sk));
        StoreError::Unavailable(format!(
            "the shared registry's item {key:?} cannot be used: {why}; mend its attribute {BODY:?}, or delete the item"
        ))
    };
    let Some(body) = get_text(item, BODY) else {
        return Err(broken(format!("it has no text {BODY:?}")));
    };
    let value = serde_json::from_str(body)
        .map_err(|error| broken(format!("it is not valid JSON ({error})")))?;
    slot_from_value(environment, &value).map_err(|error| broken(error.to_string()))
}

/// An item for what has ended.
pub(crate) fn ended_item(
    key: &Key,
    part: &Slot,
    ended_at: Timestamp,
    ttl: Timestamp,
) -> Attributes {
    let mut item = key.attributes();
    item.insert(
        FORMAT.to_owned(),
        AttributeValue::N(THIS_FORMAT.to_string()),
    );
    item.insert(
        BODY.to_owned(),
        AttributeValue::S(slot_to_value(part).to_string()),
    );
    item.insert(ENVIRONMENT.to_owned(), text(&part.environment));
    item.insert(ENDED_AT.to_owned(), number(ended_at.millis()));
    item.insert(TTL.to_owned(), number(ttl.seconds()));
    item
}

/// Which environments may hold a stack or an id, as it is stored.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claim {
    /// Their names.
    pub(crate) environments: BTreeSet<String>,
    stored: Option<Attributes>,
}

impl Claim {
    /// Reads a claim.
    pub(crate) fn read(stored: Option<Attributes>) -> Self {
        let environments = stored.as_ref().map(environments).unwrap_or_default();
        Self {
            environments,
            stored,
        }
    }

    /// The attempt that a write is conditioned on; `None`: that there is no item.
    pub(crate) fn seen(&self) -> Option<&str> {
        self.stored.as_ref().and_then(attempt)
    }

    /// The item with other environments.
    pub(crate) fn with(
        &self,
        key: &Key,
        environments: &BTreeSet<String>,
        attempt: &str,
        ttl: Option<Timestamp>,
    ) -> Attributes {
        let mut item = rewritten(key, self.stored.as_ref(), attempt);
        let names = environments.iter().map(|name| text(name)).collect();
        item.insert(ENVIRONMENTS.to_owned(), AttributeValue::L(names));
        if let Some(ttl) = ttl {
            item.insert(TTL.to_owned(), number(ttl.seconds()));
        }
        item
    }
}

/// The environments that a claim or the index names.
pub(crate) fn environments(item: &Attributes) -> BTreeSet<String> {
    match item.get(ENVIRONMENTS) {
        Some(AttributeValue::Ss(names)) => names.iter().cloned().collect(),
        Some(AttributeValue::L(values)) => values
            .iter()
            .filter_map(|value| value.as_s().ok().cloned())
            .collect(),
        Some(_) | None => BTreeSet::new(),
    }
}
