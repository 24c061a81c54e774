//! The stacks there are, and what they look like at a moment. Events are laid out in advance when an operation is started;
//! everything that is asked is then a matter of which of them lie before now, so nothing ticks.

use std::collections::BTreeMap;
use std::time::Duration;

use registry_core::clock::Timestamp;

use super::live::{Happened, Live};
use super::past::{self, History};
use super::spec::{Event, Play, Stack};
use crate::stage::seconds;

/// What AWS would make of stack and resource: `Stack-Resource-1A2B3C4D5E6F`.
pub(super) fn made_up_id(stack: &str, id: &str) -> String {
    format!(
        "{stack}-{id}-{:012X}",
        hash(&[stack, id].join("/")) & 0xFFFF_FFFF_FFFF
    )
}

/// FNV-1a: stable from run to run, which `std`'s hasher does not promise.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

/// All stacks.
#[derive(Debug, Default)]
pub(super) struct World {
    stacks: Vec<Live>,
    /// The last that was said about a name.
    specs: BTreeMap<String, Stack>,
    made: u64,
    /// How far `DescribeStacks` lags behind the events.
    pub(super) lag: Duration,
}

impl World {
    pub(super) fn get(&self, index: usize) -> Option<&Live> {
        self.stacks.get(index)
    }

    /// The stack of this name that is not deleted, or of this ARN.
    pub(super) fn find(&self, name_or_arn: &str, region: &str, now: Timestamp) -> Option<usize> {
        let here = |live: &Live| {
            live.born <= now
                && live
                    .spec
                    .region
                    .as_deref()
                    .is_none_or(|only| only == region)
        };
        let mut newest_first = self
            .stacks
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, live)| here(live));
        match uuid_of(name_or_arn) {
            Some(uuid) => newest_first.find(|(_, live)| live.uuid == uuid),
            None => newest_first
                .find(|(_, live)| live.spec.name == name_or_arn && !live.is_deleted(now)),
        }
        .map(|(index, _)| index)
    }

    /// The stacks that are not deleted, the newest first.
    pub(super) fn all(&self, region: &str, now: Timestamp) -> Vec<usize> {
        let mut found: Vec<_> = (0..self.stacks.len())
            .filter(|index| {
                let live = &self.stacks[*index];
                let here = live
                    .spec
                    .region
                    .as_deref()
                    .is_none_or(|only| only == region);
                here && live.born <= now && !live.is_deleted(now)
            })
            .collect();
        found.sort_by_key(|index| std::cmp::Reverse(self.stacks[*index].born));
        found
    }

    /// The outermost stack that this one is nested in.
    pub(super) fn root(&self, mut index: usize) -> usize {
        while let Some(parent) = self.stacks.get(index).and_then(|live| live.parent) {
            index = parent;
        }
        index
    }

    fn uuid(&mut self, name: &str) -> String {
        self.made += 1;
        let (a, b) = (
            hash(&format!("{name}/{}", self.made)),
            hash(&format!("{}/{name}", self.made)),
        );
        format!(
            "{:08x}-{:04x}-11f0-{:04x}-{:012x}",
            a >> 32,
            a & 0xFFFF,
            b >> 48,
            b & 0xFFFF_FFFF_FFFF
        )
    }

    /// Adds a stack, or says what is to be known about one that does not exist yet.
    pub(super) fn add(&mut self, spec: Stack, now: Timestamp) {
        self.specs.insert(spec.name.clone(), spec.clone());
        if spec.absent {
            return;
        }
        self.end_life(&spec.name, now);
        let history = (spec.history > 0).then(|| {
            let end = now - Duration::from_secs(24 * 3600);
            match spec.history_operations {
                None => History::before(end, spec.history),
                Some(operations) => History::of_equal(end, spec.history, operations),
            }
        });
        let created_ago = seconds(spec.created_ago.unwrap_or(30.0 * 86_400.0));
        let status = spec.status.clone().unwrap_or_else(|| {
            history
                .as_ref()
                .map_or("CREATE_COMPLETE", History::status)
                .to_owned()
        });
        let usual = if status.ends_with("_IN_PROGRESS") {
            60.0
        } else {
            86_400.0_f64.min(created_ago.as_secs_f64())
        };
        let begun = now - seconds(spec.operation_ago.unwrap_or(usual));
        let existed = past::existed_before(&status);
        let born = match &history {
            Some(history) => history.begin,
            None if existed => (now - created_ago).min(begun),
            None if spec.created_ago.is_some() => now - created_ago,
            None if spec.operation_ago.is_some() || status.ends_with("_IN_PROGRESS") => begun,
            None => now - created_ago,
        };
        let begun = if existed { begun } else { born };
        let followed_by_nothing = history
            .as_ref()
            .is_some_and(|history| history.status() == status);
        let no_history = history.is_none();
        let index = self.push(spec, born, history);
        if no_history && existed {
            let create = past::last_operation("CREATE_COMPLETE");
            self.lay_out_own(index, &create, born, now, None);
        }
        if !followed_by_nothing {
            let reason = self.stacks[index].spec.reason.clone();
            self.lay_out_own(index, &past::last_operation(&status), begun, now, reason);
        }
    }

    /// The stack's own events ten seconds apart, but all of them before now.
    fn lay_out_own(
        &mut self,
        index: usize,
        statuses: &[&str],
        begun: Timestamp,
        now: Timestamp,
        reason: Option<String>,
    ) {
        let steps = u32::try_from(statuses.len()).unwrap_or(1).max(1);
        let step = Duration::from_secs(10).min(now.since(begun) / steps);
        for (number, status) in statuses.iter().enumerate() {
            let mut event = Event::own(0.0, status);
            event.reason = if number + 1 == statuses.len() {
                reason.clone()
            } else {
                None
            };
            if number == 0 && event.reason.is_none() {
                event.reason = Some("User Initiated".to_owned());
            }
            let at = begun + step * u32::try_from(number).unwrap_or(0);
            self.insert(index, event, at);
        }
    }

    fn push(&mut self, spec: Stack, born: Timestamp, history: Option<History>) -> usize {
        let parent = spec
            .parent
            .as_deref()
            .and_then(|name| self.newest_named(name));
        let uuid = self.uuid(&spec.name);
        self.stacks.push(Live {
            spec,
            uuid,
            born,
            parent,
            history,
            mirrored: false,
            events: Vec::new(),
        });
        self.stacks.len() - 1
    }

    fn newest_named(&self, name: &str) -> Option<usize> {
        self.stacks
            .iter()
            .rposition(|live| live.spec.name == name && !live.uuid.is_empty())
    }

    /// Deletes what has this name, silently: its ARN still finds it, and what was to happen to it does not.
    fn end_life(&mut self, name: &str, at: Timestamp) {
        for index in 0..self.stacks.len() {
            let live = &mut self.stacks[index];
            if live.spec.name == name && !live.is_deleted(at) {
                live.events.retain(|event| event.at < at);
                self.insert(index, Event::own(0.0, "DELETE_COMPLETE"), at);
            }
        }
    }

    /// Takes a stack away as if it had never been.
    pub(super) fn forget(&mut self, name: &str) -> bool {
        let known = self.specs.remove(name).is_some();
        for live in &mut self.stacks {
            if live.spec.name == name {
                // Indices of parents and children must stay valid, so it moves out of reach instead.
                live.born = Timestamp::from_millis(i64::MAX);
                live.uuid = String::new();
            }
        }
        known
    }

    /// Lays out an operation from `play.after` seconds after `now` on. A `CREATE` makes a new stack under the name; anything
    /// else happens to the stack that is there, or to one that was created 30 days ago.
    pub(super) fn play(&mut self, name: &str, events: &[Event], play: &Play, now: Timestamp) {
        let start = if play.after < 0.0 {
            now - seconds(-play.after)
        } else {
            now + seconds(play.after)
        };
        let creates = events
            .iter()
            .find(|event| event.id.is_none())
            .is_some_and(|event| {
                event.status == "CREATE_IN_PROGRESS" || event.status == "REVIEW_IN_PROGRESS"
            });
        let index = match self.take_over(name, start) {
            Some(index) => index,
            None if creates => self.stack_to_create(name, start),
            None => self.stack_to_change(name, now, start),
        };
        for event in events {
            let at = start + seconds(event.at / play.speed.max(1e-6));
            self.insert(index, event.clone(), at);
            self.mirror(index, event, at);
        }
    }

    /// Repeats a nested stack's row in its parent as the nested stack's own event, unless it has events of its own.
    fn mirror(&mut self, parent: usize, event: &Event, at: Timestamp) {
        let Some(name) = event.nested.as_deref() else {
            return;
        };
        let child = self.child(name, parent, at);
        let Some(live) = self.stacks.get_mut(child) else {
            return;
        };
        live.mirrored |= live.events.is_empty() && live.history.is_none();
        let repeated = live
            .events
            .last()
            .is_some_and(|last| last.status == event.status);
        if live.mirrored && !repeated {
            let own = Event {
                reason: event.reason.clone(),
                ..Event::own(0.0, &event.status)
            };
            self.insert(child, own, at);
        }
    }

    /// A nested stack that only mirrors its parent gets events of its own.
    fn take_over(&mut self, name: &str, start: Timestamp) -> Option<usize> {
        let index = self.newest_named(name)?;
        let live = self.stacks.get_mut(index).filter(|live| live.mirrored)?;
        live.mirrored = false;
        live.events.clear();
        live.born = live.born.min(start);
        Some(index)
    }

    /// An operation on a stack that a change set has already created is on that stack.
    fn stack_to_create(&mut self, name: &str, start: Timestamp) -> usize {
        if let Some(index) = self.newest_named(name)
            && self.stacks[index].status(start).0 == "REVIEW_IN_PROGRESS"
        {
            return index;
        }
        self.end_life(name, start);
        let mut spec = self
            .specs
            .get(name)
            .cloned()
            .unwrap_or_else(|| Stack::new(name));
        (spec.history, spec.resources) = (0, Vec::new());
        self.push(spec, start, None)
    }

    fn stack_to_change(&mut self, name: &str, now: Timestamp, start: Timestamp) -> usize {
        let is_there = |world: &Self| {
            world
                .newest_named(name)
                .filter(|i| !world.stacks[*i].is_deleted(start))
        };
        if let Some(index) = is_there(self) {
            return index;
        }
        let mut spec = self
            .specs
            .get(name)
            .cloned()
            .unwrap_or_else(|| Stack::new(name));
        spec.absent = false;
        self.add(spec, now.min(start));
        is_there(self).unwrap_or(0)
    }

    /// Name and UUID of the newest stack of this name.
    pub(super) fn newest_id(&self, name: &str) -> Option<(String, String)> {
        let live = self.stacks.get(self.newest_named(name)?)?;
        Some((live.spec.name.clone(), live.uuid.clone()))
    }

    /// What there is, for a person to look at.
    pub(super) fn summary(&self, now: Timestamp) -> serde_json::Value {
        let born = self.stacks.iter().filter(|live| live.born <= now);
        let rows = born.map(|live| {
            let events = live.event_count(now);
            let to_come = live.event_count(Timestamp::from_millis(i64::MAX)) - events;
            serde_json::json!({"name": live.spec.name, "uuid": live.uuid, "status": live.status(now).0,
                "created_at": live.born.rfc3339(), "events": events, "events_to_come": to_come})
        });
        rows.collect()
    }

    /// Starts a deletion: at once `DELETE_IN_PROGRESS`, `seconds_long` later `DELETE_COMPLETE`.
    pub(super) fn delete(&mut self, name: &str, seconds_long: f64, now: Timestamp) {
        let events = [
            Event::own(0.0, "DELETE_IN_PROGRESS").because("User Initiated"),
            Event::own(seconds_long, "DELETE_COMPLETE"),
        ];
        self.play(name, &events, &Play::default(), now);
    }

    fn insert(&mut self, index: usize, event: Event, at: Timestamp) {
        let child = event
            .nested
            .as_deref()
            .map(|name| self.child(name, index, at));
        let event_uuid = self.uuid(&event.status);
        let Some(live) = self.stacks.get_mut(index) else {
            return;
        };
        let resource = event.id.map(|id| {
            (
                id,
                event
                    .resource_type
                    .unwrap_or_else(|| "AWS::CloudFormation::Stack".to_owned()),
            )
        });
        let place = live.events.partition_point(|other| other.at <= at);
        let physical = resource.as_ref().and_then(|(id, _)| {
            event.physical_id.or_else(|| {
                let known = live.events[..place]
                    .iter()
                    .any(|e| e.resource.as_ref().is_some_and(|r| r.0 == *id));
                // A resource that failed before it had an id has none.
                let had = live.events[..place].iter().any(|e| {
                    e.resource.as_ref().is_some_and(|r| r.0 == *id)
                        && (e.physical.is_some() || e.child.is_some())
                });
                let gets = event.status != "CREATE_IN_PROGRESS" && event.status != "CREATE_FAILED";
                (gets || had || (known && event.status == "CREATE_IN_PROGRESS"))
                    .then(|| made_up_id(&live.spec.name, id))
            })
        });
        let child = child.filter(|_| physical.is_some());
        let previous = live.events[..place]
            .last()
            .map_or(0, |event| event.operation);
        let begins = resource.is_none() && begins_operation(&event.status);
        let event_id = match &resource {
            None => event_uuid,
            Some((id, _)) => format!(
                "{id}-{}-{}-{}",
                &event_uuid[..8],
                event.status,
                at.rfc3339_millis()
            ),
        };
        let happened = Happened {
            at,
            resource,
            physical: physical.filter(|_| child.is_none()),
            child,
            status: event.status,
            reason: event.reason,
            detailed_status: event.detailed_status,
            hook: event.hook,
            event_id,
            operation: previous + u64::from(begins),
        };
        live.events.insert(place, happened);
    }

    /// The nested stack of this name; made where there is none.
    fn child(&mut self, name: &str, parent: usize, at: Timestamp) -> usize {
        if let Some(index) = self
            .stacks
            .iter()
            .rposition(|l| l.spec.name == name && l.parent == Some(parent))
        {
            return index;
        }
        let mut spec = self
            .specs
            .get(name)
            .cloned()
            .unwrap_or_else(|| Stack::new(name));
        let parent_name = self.stacks.get(parent).map(|live| live.spec.name.clone());
        (spec.parent, spec.history) = (parent_name, 0);
        let index = self.push(spec, at, None);
        self.stacks[index].parent = Some(parent);
        index
    }
}

/// A rollback is an operation of its own: AWS gives it another `OperationId`.
fn begins_operation(status: &str) -> bool {
    matches!(
        status,
        "REVIEW_IN_PROGRESS"
            | "CREATE_IN_PROGRESS"
            | "UPDATE_IN_PROGRESS"
            | "DELETE_IN_PROGRESS"
            | "IMPORT_IN_PROGRESS"
            | "ROLLBACK_IN_PROGRESS"
            | "UPDATE_ROLLBACK_IN_PROGRESS"
            | "IMPORT_ROLLBACK_IN_PROGRESS"
    )
}

/// The last part of a stack's ARN, in any partition.
fn uuid_of(name_or_arn: &str) -> Option<&str> {
    name_or_arn
        .strip_prefix("arn:")?
        .split_once(":stack/")?
        .1
        .split('/')
        .nth(1)
}
