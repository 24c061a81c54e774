//! A history as single entries, for a store that keeps each on its own, and for moving one into another.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{History, deployments, record};
use crate::clock::Timestamp;

/// What an entry is known by. Two entries with one key are the same deployment or operation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKey {
    /// A deployment that somebody has reported.
    Reported {
        /// The stack's name.
        stack: String,
        /// Its correlation id.
        id: String,
    },
    /// A deployment that `collect` found and nobody reported.
    Found {
        /// The stack's name.
        stack: String,
        /// The id of the operation it was.
        operation: String,
    },
    /// An operation.
    Operation {
        /// The stack's name.
        stack: String,
        /// Its id.
        id: String,
    },
}

impl EntryKey {
    fn of_deployment(entry: &Value) -> Option<Self> {
        let stack = text(entry, "stack_name")?;
        let reported = text(entry, "correlation_id").map(|id| Self::Reported {
            stack: stack.clone(),
            id,
        });
        reported.or_else(|| {
            Some(Self::Found {
                operation: text(entry, "operation_id")?,
                stack,
            })
        })
    }

    fn of_operation(entry: &Value) -> Option<Self> {
        Some(Self::Operation {
            stack: text(entry, "stack_name")?,
            id: text(entry, "operation_id")?,
        })
    }

    /// The stack's name.
    #[must_use]
    pub fn stack(&self) -> &str {
        match self {
            Self::Reported { stack, .. }
            | Self::Found { stack, .. }
            | Self::Operation { stack, .. } => stack,
        }
    }
}

fn text(entry: &Value, name: &str) -> Option<String> {
    let text = entry.get(name)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

impl History {
    /// Every entry that names a stack and a deployment or an operation, with its key.
    pub fn entries(&self) -> impl Iterator<Item = (EntryKey, &Value)> {
        let deployments = self
            .deployments
            .iter()
            .filter_map(|entry| Some((EntryKey::of_deployment(entry)?, entry)));
        let operations = self
            .operations
            .iter()
            .filter_map(|entry| Some((EntryKey::of_operation(entry)?, entry)));
        deployments.chain(operations)
    }

    /// How many entries have no key.
    #[must_use]
    pub fn nameless(&self) -> usize {
        self.deployments.len() + self.operations.len() - self.entries().count()
    }

    /// Everything that is no list of entries: the averages, and what others have added.
    #[must_use]
    pub fn summary(&self) -> &Map<String, Value> {
        &self.rest
    }

    /// The history of `entries` in order of time, with `summary` (`None`: there is none yet).
    #[must_use]
    pub fn from_entries(
        summary: Option<Map<String, Value>>,
        entries: impl IntoIterator<Item = (EntryKey, Value)>,
    ) -> Self {
        let mut history = Self::default();
        if let Some(summary) = summary {
            history.rest = summary;
        }
        for (key, entry) in entries {
            match key {
                EntryKey::Reported { .. } | EntryKey::Found { .. } => {
                    history.deployments.push(entry);
                }
                EntryKey::Operation { .. } => history.operations.push(entry),
            }
        }
        history.put_in_order();
        history
    }

    /// Takes from `other` what this one has not: what is here stays as it is. Returns how many entries were new.
    pub fn absorb(&mut self, other: &Self) -> usize {
        let was_empty = self.deployments.is_empty() && self.operations.is_empty();
        let known: BTreeSet<EntryKey> = self.entries().map(|(key, _)| key).collect();
        let fresh: Vec<(EntryKey, Value)> = other
            .entries()
            .filter(|(key, _)| !known.contains(key))
            .map(|(key, entry)| (key, entry.clone()))
            .collect();
        let before = self.deployments.len() + self.operations.len();
        for (key, entry) in fresh {
            match key {
                EntryKey::Reported { .. } | EntryKey::Found { .. } => self.deployments.push(entry),
                EntryKey::Operation { .. } => self.operations.push(entry),
            }
        }
        self.put_in_order();
        self.absorb_summary(other, was_empty);
        (self.deployments.len() + self.operations.len()).saturating_sub(before)
    }

    fn absorb_summary(&mut self, other: &Self, all: bool) {
        for (name, theirs) in &other.rest {
            let ours = self.rest.entry(name.clone()).or_insert(Value::Null);
            match (ours, theirs) {
                (Value::Object(ours), Value::Object(theirs)) => {
                    for (name, value) in theirs {
                        ours.entry(name.clone()).or_insert_with(|| value.clone());
                    }
                }
                (ours, theirs) if all || ours.is_null() => ours.clone_from(theirs),
                _ => {}
            }
        }
    }

    // A deployment that was found and then reported may stand there twice, where two worked at a time: the report counts.
    fn put_in_order(&mut self) {
        let reported: BTreeSet<(String, String)> = self
            .deployments
            .iter()
            .filter(|entry| text(entry, "correlation_id").is_some())
            .filter_map(|entry| Some((text(entry, "stack_name")?, text(entry, "operation_id")?)))
            .collect();
        self.deployments
            .retain(|entry| match EntryKey::of_deployment(entry) {
                Some(EntryKey::Found { stack, operation }) => {
                    !reported.contains(&(stack, operation))
                }
                Some(EntryKey::Reported { .. } | EntryKey::Operation { .. }) | None => true,
            });
        self.deployments
            .sort_by_key(|entry| deployments::read(entry).map(|read| read.completed_at));
        self.operations.sort_by_key(|entry| {
            record::read(entry).map_or(Timestamp::default(), |read| read.operation.started)
        });
    }
}

/// The summary of a history that nobody has written yet: the guide's fields, in its order.
pub(super) fn empty_summary() -> Map<String, Value> {
    let Value::Object(summary) = json!({
        "resource_averages": {},
        "average_deployment_minutes": 0,
        "last_updated": null,
    }) else {
        return Map::new();
    };
    summary
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(text: &str) -> History {
        History::parse(text.as_bytes()).unwrap()
    }

    const OLD: &str = r#"{"deployments":[
        {"correlation_id":"a","stack_name":"S","duration_minutes":5,"completed_at":"2026-01-01T00:00:00Z"},
        {"correlation_id":null,"operation_id":"o2","stack_name":"S","duration_minutes":7,"completed_at":"2026-01-03T00:00:00Z"},
        {"colour":"blue"}],
        "resource_averages":{"A":1,"B":2},"average_deployment_minutes":6,"mood":"good"}"#;

    #[test]
    fn entries_make_the_history_they_came_from() {
        let old = history(OLD);
        assert_eq!(old.nameless(), 1);
        let mut entries: Vec<_> = old
            .entries()
            .map(|(key, entry)| (key, entry.clone()))
            .collect();
        entries.reverse();
        let again = History::from_entries(Some(old.summary().clone()), entries);
        assert_eq!(again.deployments, old.deployments[..2]);
        assert_eq!(again.rest, old.rest);
    }

    #[test]
    fn what_is_there_stays_and_the_rest_comes_once() {
        let new_text = r#"{"deployments":[
            {"correlation_id":"a","stack_name":"S","duration_minutes":9,"completed_at":"2026-01-02T00:00:00Z"}],
            "resource_averages":{"B":3},"average_deployment_minutes":9}"#;
        let mut new = history(new_text);
        let old = history(OLD);
        assert_eq!(new.absorb(&old), 1);
        let minutes: Vec<_> = new
            .deployments
            .iter()
            .map(|entry| entry["duration_minutes"].as_u64().unwrap())
            .collect();
        assert_eq!(minutes, [9, 7]);
        assert_eq!(new.rest["resource_averages"], json!({"B": 3, "A": 1}));
        assert_eq!(new.rest["average_deployment_minutes"], 9);
        assert_eq!(new.rest["mood"], "good");
        let once = new.clone();
        assert_eq!(new.absorb(&old), 0);
        assert_eq!(new, once);
        // Into an empty one everything goes.
        let mut empty = History::default();
        assert_eq!(empty.absorb(&old), 2);
        assert_eq!(empty.rest["average_deployment_minutes"], 6);
    }

    #[test]
    fn found_and_then_reported_is_one_deployment() {
        let twice = history(
            r#"{"deployments":[
            {"correlation_id":null,"operation_id":"o","stack_name":"S","duration_minutes":7,"completed_at":"2026-01-03T00:00:00Z"},
            {"correlation_id":"a","operation_id":"o","stack_name":"S","duration_minutes":8,"completed_at":"2026-01-03T00:01:00Z"}]}"#,
        );
        let entries: Vec<_> = twice
            .entries()
            .map(|(key, entry)| (key, entry.clone()))
            .collect();
        let one = History::from_entries(None, entries);
        assert_eq!(one.deployments("S").len(), 1);
        assert_eq!(one.deployments("S")[0].correlation_id.as_deref(), Some("a"));
    }
}
