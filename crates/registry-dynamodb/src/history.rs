//! The history in the table: an item for each deployment and each operation, and one for what is computed from them.
//!
//! Nothing is decided by it, so nobody waits for anybody: whoever adds something reads all of it, writes the entries that changed
//! (each on condition that it is still what was read, so that twice is the same as once), and the summary last. Where another
//! wrote the summary meanwhile, everything begins anew, and sees the other's entries and its own. An entry
//! that is no longer kept becomes a small mark that time-to-live deletes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use registry_core::clock::{Clock, Timestamp};
use registry_core::history::file::Found;
use registry_core::history::store::{HistoryStore, HistoryStoreError, Part};
use registry_core::history::{EntryKey, History};
use registry_core::ids::StackName;
use registry_core::store::StoreError;
use serde_json::{Map, Value};

use crate::address::Address;
use crate::error::Trouble;
use crate::item::{
    self, Attributes, BODY, Key, TTL, check_format, get_text, new_attempt, number, rewritten,
};
use crate::patience::until_done;
use crate::session::Session;
use crate::table::Written;

/// An estimate is not worth more.
const READING: Duration = Duration::from_secs(5);
/// The sort key of the summary; the entries' begin with it, so that one query finds all.
const SUMMARY: &str = "HIST";
/// Marks an entry that is no longer kept.
const FORGOTTEN: &str = "forgotten";
/// When DynamoDB may delete such a mark.
const GARBAGE_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);
/// An entry of more bytes is not kept. An item has 400 KB at most:
/// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const LARGEST: usize = 350 * 1024;
/// A sort key has so many bytes at most (the same page).
const LONGEST_KEY: usize = 1024;

/// The history of one namespace in a DynamoDB table.
pub struct DynamoHistory {
    session: Session,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for DynamoHistory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DynamoHistory")
            .field("address", self.session.address())
            .finish_non_exhaustive()
    }
}

/// The history as it was read.
struct Stored {
    history: History,
    /// Every item, those that are forgotten, too.
    items: HashMap<Key, Attributes>,
    /// The entries that are kept.
    kept: BTreeSet<EntryKey>,
    notes: Vec<String>,
    now: Timestamp,
}

impl DynamoHistory {
    /// The history at `address`. Nothing is asked before the first use. `clock` only measures and waits.
    pub fn new(address: Address, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        Ok(Self {
            session: Session::new(address)?,
            clock,
        })
    }

    // A partition of its own: whoever waits reads the history often, and must not slow down the claims. No environment is named so.
    fn pk(&self) -> String {
        format!("{}/#history", self.session.address().namespace)
    }

    fn key(&self, sk: String) -> Key {
        Key { pk: self.pk(), sk }
    }

    fn load(&self, part: Part<'_>) -> Result<Stored, Trouble> {
        let mut found = Vec::new();
        match part {
            Part::Everything => found.extend(self.query(SUMMARY)?),
            Part::Stacks(stacks) => {
                let summary = self.key(SUMMARY.to_owned());
                found.extend(self.session.ask(async |table| table.get(&summary).await)?);
                let names: BTreeSet<&str> = stacks.iter().map(StackName::name).collect();
                for name in names {
                    found.extend(self.query(&prefix(name))?);
                }
            }
        }
        let now = self.session.ask(async |table| Ok(table.connected.now()?))?;
        understand(found, now)
    }

    // A question for each page: all of them may take longer than one question may.
    fn query(&self, prefix: &str) -> Result<Vec<Attributes>, Trouble> {
        let pk = self.pk();
        let mut items = Vec::new();
        let mut from = None;
        loop {
            let (page, next) = self
                .session
                .ask(async |table| table.page(&pk, prefix, from.take()).await)?;
            items.extend(page);
            if next.is_none() {
                return Ok(items);
            }
            from = next;
        }
    }

    /// Writes what `after` has changed; `None` where another has written meanwhile.
    fn save(&self, stored: &Stored, after: &History) -> Result<Option<Vec<String>>, Trouble> {
        let before: BTreeMap<EntryKey, &Value> = stored.history.entries().collect();
        let entries: BTreeMap<EntryKey, &Value> = after.entries().collect();
        let mut notes = Vec::new();
        for (entry, value) in &entries {
            if before.get(entry) == Some(value) {
                continue;
            }
            let body = value.to_string();
            let Some(sk) = sort_key(entry).filter(|_| body.len() <= LARGEST) else {
                notes.push(format!(
                    "the entry {entry:?} is too large for the shared history, or its names are, and was left out"
                ));
                continue;
            };
            if self.put(stored, sk, Some(body))? == Written::No {
                return Ok(None);
            }
        }
        for entry in stored
            .kept
            .iter()
            .filter(|entry| !entries.contains_key(entry))
        {
            if let Some(sk) = sort_key(entry)
                && self.put(stored, sk, None)? == Written::No
            {
                return Ok(None);
            }
        }
        let summary = Value::Object(after.summary().clone()).to_string();
        let written = self.put(stored, SUMMARY.to_owned(), Some(summary))?;
        Ok((written == Written::Yes).then_some(notes))
    }

    /// Writes the item `sk` on condition that it is still what was read; with no body it is forgotten.
    fn put(&self, stored: &Stored, sk: String, body: Option<String>) -> Result<Written, Trouble> {
        let key = self.key(sk);
        let old = stored.items.get(&key);
        let attempt = new_attempt()?;
        let mut item = rewritten(&key, old, &attempt);
        if let Some(body) = body {
            item.insert(BODY.to_owned(), AttributeValue::S(body));
            item.remove(FORGOTTEN);
            item.remove(TTL);
        } else {
            item.remove(BODY);
            item.insert(FORGOTTEN.to_owned(), AttributeValue::Bool(true));
            let ttl = stored.now + GARBAGE_AFTER;
            item.insert(TTL.to_owned(), number(ttl.seconds()));
        }
        let seen = old.and_then(item::attempt);
        self.session
            .ask(async |table| table.put(&key, item, seen, &attempt).await)
    }
}

impl HistoryStore for DynamoHistory {
    fn place(&self) -> String {
        format!("dynamodb://{}", self.session.address().table)
    }

    fn read(&self, part: Part<'_>) -> Found {
        let loaded = until_done(&*self.clock, READING, || self.load(part).map(Some));
        match loaded {
            Ok(stored) => Found {
                history: stored.history,
                warning: in_one(stored.notes),
            },
            Err(error) => Found {
                history: History::default(),
                warning: Some(format!(
                    "the deployment history in {} cannot be read: {error}; going on without it",
                    self.place()
                )),
            },
        }
    }

    fn change(
        &self,
        change: &mut dyn FnMut(&mut History, Timestamp),
    ) -> Result<Option<String>, HistoryStoreError> {
        let mut again = false;
        let changed = until_done(&*self.clock, self.session.address().patience, || {
            let mut stored = self.load(Part::Everything)?;
            let mut after = stored.history.clone();
            // Our entries may be there from the time before, and only what is computed from them is not.
            if std::mem::replace(&mut again, true) {
                after.recompute(stored.now);
            }
            change(&mut after, stored.now);
            if after == stored.history {
                return Ok(Some(std::mem::take(&mut stored.notes)));
            }
            let saved = self.save(&stored, &after)?;
            Ok(saved.map(|notes| [std::mem::take(&mut stored.notes), notes].concat()))
        });
        changed
            .map(in_one)
            .map_err(|source| HistoryStoreError::Shared {
                place: self.place(),
                source,
            })
    }
}

fn in_one(notes: Vec<String>) -> Option<String> {
    (!notes.is_empty()).then(|| notes.join("; "))
}

/// What every entry of a stack begins with.
fn prefix(stack: &str) -> String {
    format!("{SUMMARY}#{stack}#")
}

/// `HIST#STACK#KIND#ID`; `None` where that is no key.
fn sort_key(entry: &EntryKey) -> Option<String> {
    let (stack, kind, id) = match entry {
        EntryKey::Reported { stack, id } => (stack, 'D', id),
        EntryKey::Found { stack, operation } => (stack, 'C', operation),
        EntryKey::Operation { stack, id } => (stack, 'O', id),
    };
    let key = format!("{}{kind}#{id}", prefix(stack));
    (!stack.contains('#') && key.len() <= LONGEST_KEY).then_some(key)
}

fn entry_key(sk: &str) -> Option<EntryKey> {
    let rest = sk.strip_prefix(SUMMARY)?.strip_prefix('#')?;
    let (stack, rest) = rest.split_once('#')?;
    let (kind, id) = rest.split_once('#')?;
    let (stack, id) = (stack.to_owned(), id.to_owned());
    match kind {
        "D" => Some(EntryKey::Reported { stack, id }),
        "C" => Some(EntryKey::Found {
            stack,
            operation: id,
        }),
        "O" => Some(EntryKey::Operation { stack, id }),
        _ => None,
    }
}

// An item that makes no sense is told and left as it is.
fn understand(found: Vec<Attributes>, now: Timestamp) -> Result<Stored, Trouble> {
    let mut summary = None;
    let mut entries = Vec::new();
    let mut items = HashMap::new();
    let mut notes = Vec::new();
    for item in found {
        let Some(key) = Key::of(&item) else { continue };
        check_format("the history", &item)?;
        if !item.contains_key(FORGOTTEN) {
            let body: Option<Value> =
                get_text(&item, BODY).and_then(|body| serde_json::from_str(body).ok());
            match (body, entry_key(&key.sk)) {
                (Some(Value::Object(body)), None) if key.sk == SUMMARY => summary = Some(body),
                (Some(body), Some(entry)) => entries.push((entry, body)),
                (Some(_) | None, _) => notes.push(format!(
                    "the shared history's item {:?} cannot be used and is left out (mend its attribute {BODY:?}, or delete the item)",
                    key.sk
                )),
            }
        }
        items.insert(key, item);
    }
    let kept = entries.iter().map(|(key, _)| key.clone()).collect();
    let summary: Option<Map<String, Value>> = summary;
    Ok(Stored {
        history: History::from_entries(summary, entries),
        items,
        kept,
        notes,
        now,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_entries_are_read_as_they_are_written() {
        let (stack, id) = ("My-Stack".to_owned(), "a#b:c".to_owned());
        for entry in [
            EntryKey::Reported {
                stack: stack.clone(),
                id: id.clone(),
            },
            EntryKey::Found {
                stack: stack.clone(),
                operation: id.clone(),
            },
            EntryKey::Operation {
                stack: stack.clone(),
                id: id.clone(),
            },
        ] {
            let key = sort_key(&entry).unwrap();
            assert!(key.starts_with("HIST#My-Stack#"), "{key}");
            assert_eq!(entry_key(&key), Some(entry));
        }
        let long = "x".repeat(2000);
        assert_eq!(sort_key(&EntryKey::Operation { stack, id: long }), None);
    }
}
