//! One stack, and what it looks like at a moment.

use std::collections::BTreeMap;

use registry_core::clock::Timestamp;

use super::past::History;
use super::spec::{Resource, Stack};
use super::world::made_up_id;

/// An event with its place in real time.
#[derive(Debug, Clone)]
pub(super) struct Happened {
    pub(super) at: Timestamp,
    /// Logical id and type; `None` on the stack's own events.
    pub(super) resource: Option<(String, String)>,
    pub(super) physical: Option<String>,
    /// Index of the nested stack this resource is.
    pub(super) child: Option<usize>,
    pub(super) status: String,
    pub(super) reason: Option<String>,
    pub(super) detailed_status: Option<String>,
    pub(super) hook: Option<[String; 3]>,
    pub(super) event_id: String,
    /// Which of the stack's operations; a rollback is one of its own.
    pub(super) operation: u64,
}

/// One stack from its creation on; after a deletion the next of the name is another.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) spec: Stack,
    pub(super) uuid: String,
    pub(super) born: Timestamp,
    pub(super) parent: Option<usize>,
    pub(super) history: Option<History>,
    /// A nested stack whose own events only repeat its row in the parent, until something is played on it.
    pub(super) mirrored: bool,
    /// By time; of one instant in the order they happened.
    pub(super) events: Vec<Happened>,
}

/// A resource as `ListStackResources` shows it.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) id: String,
    pub(super) resource_type: String,
    pub(super) physical: Option<String>,
    pub(super) child: Option<usize>,
    pub(super) status: String,
    pub(super) reason: Option<String>,
    pub(super) at: Timestamp,
}

impl Live {
    /// How many of its events lie before `now`.
    pub(super) fn event_count(&self, now: Timestamp) -> u64 {
        self.history.as_ref().map_or(0, |history| history.count) + self.before(now).len() as u64
    }

    /// One event; `index` counts from the oldest.
    pub(super) fn event(&self, index: u64) -> Option<Happened> {
        let old = self.history.as_ref().map_or(0, |history| history.count);
        match &self.history {
            Some(history) if index < old => Some(history.event(index)),
            _ => self.events.get(usize::try_from(index - old).ok()?).cloned(),
        }
    }

    fn before(&self, now: Timestamp) -> &[Happened] {
        &self.events[..self.events.partition_point(|event| event.at <= now)]
    }

    fn own(&self, now: Timestamp) -> impl DoubleEndedIterator<Item = &Happened> {
        self.before(now)
            .iter()
            .filter(|event| event.resource.is_none())
    }

    /// The stack's status and its reason.
    pub(super) fn status(&self, now: Timestamp) -> (String, Option<String>) {
        match (self.own(now).next_back(), &self.history) {
            (Some(event), _) => (event.status.clone(), event.reason.clone()),
            (None, Some(history)) => (history.status().to_owned(), None),
            (None, None) => ("CREATE_IN_PROGRESS".to_owned(), None),
        }
    }

    pub(super) fn is_deleted(&self, now: Timestamp) -> bool {
        self.status(now).0 == "DELETE_COMPLETE"
    }

    /// When the last of its own events with such a status was.
    pub(super) fn last_own(
        &self,
        now: Timestamp,
        fits: impl Fn(&str) -> bool,
    ) -> Option<Timestamp> {
        let old = self
            .history
            .as_ref()
            .filter(|h| h.status().starts_with("UPDATE") && fits("UPDATE_IN_PROGRESS"));
        let old = old.map(|history| {
            history
                .event(history.count.saturating_sub(history.per_operation))
                .at
        });
        self.own(now)
            .rfind(|event| fits(&event.status))
            .map(|event| event.at)
            .or(old)
    }

    /// The operations that began, newest first: number and first status.
    pub(super) fn operations(&self, now: Timestamp) -> Vec<(u64, String)> {
        let mut found: Vec<(u64, String)> = Vec::new();
        for event in self.own(now) {
            if found
                .last()
                .is_none_or(|(number, _)| *number != event.operation)
            {
                found.push((event.operation, event.status.clone()));
            }
        }
        found.reverse();
        found.truncate(2);
        found
    }

    /// Its resources, in the order they first appeared.
    pub(super) fn resources(&self, now: Timestamp) -> Vec<Standing> {
        let mut standing: Vec<Standing> = Vec::new();
        let mut index = BTreeMap::new();
        for Resource {
            id,
            resource_type,
            status,
        } in &self.spec.resources
        {
            index.insert(id.clone(), standing.len());
            standing.push(Standing {
                id: id.clone(),
                resource_type: resource_type.clone(),
                physical: Some(made_up_id(&self.spec.name, id)),
                child: None,
                status: status
                    .clone()
                    .unwrap_or_else(|| "CREATE_COMPLETE".to_owned()),
                reason: None,
                at: self.born,
            });
        }
        let old = self
            .history
            .iter()
            .flat_map(|h| (h.count.saturating_sub(h.per_operation)..h.count).map(|i| h.event(i)));
        for event in old.chain(self.before(now).iter().cloned()) {
            let Some((id, resource_type)) = event.resource else {
                continue;
            };
            let place = *index.entry(id.clone()).or_insert_with(|| {
                standing.push(Standing {
                    id,
                    resource_type: resource_type.clone(),
                    physical: None,
                    child: None,
                    status: String::new(),
                    reason: None,
                    at: event.at,
                });
                standing.len() - 1
            });
            let row = &mut standing[place];
            row.physical = event.physical.or(row.physical.take());
            row.child = event.child.or(row.child);
            (row.status, row.reason, row.at) = (event.status, event.reason, event.at);
        }
        // After an update a deleted resource is gone; after a rolled back or deleted create the list still has it.
        if self.status(now).0.starts_with("UPDATE") {
            standing.retain(|row| row.status != "DELETE_COMPLETE");
        }
        standing
    }
}
