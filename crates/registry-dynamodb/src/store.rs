//! The store: one environment, one item, one conditional write.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use registry_core::clock::{Clock, Timestamp};
use registry_core::slot::{Elsewhere, KEPT_FOR, Now, Slot};
use registry_core::store::{Scope, Snapshot, Store, StoreError, Touches, process};

use crate::address::Address;
use crate::claims::{self, Claims};
use crate::ended::{FOR_THE_HOLDER, Guests, MOST, Spilled, spill};
use crate::error::Trouble;
use crate::item::{self, Attributes, Claim, Key, SlotItem};
use crate::patience::until_done;
use crate::session::Session;
use crate::table::{Table, Written};

/// For how long a reader is told to go slower before it gives up: no writer can be in its way.
const READING: Duration = Duration::from_secs(10);

/// The registry of one namespace in a DynamoDB table.
pub struct DynamoStore {
    session: Session,
    clock: Arc<dyn Clock>,
    patience: Duration,
}

impl std::fmt::Debug for DynamoStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DynamoStore")
            .field("address", self.session.address())
            .finish_non_exhaustive()
    }
}

/// One go at an update.
enum Go {
    /// It is done.
    Done,
    /// The change needs claims that were not read.
    Needs(BTreeSet<Key>),
    /// Others were first.
    Lost,
}

/// What an update reads before it decides.
struct Read {
    own: SlotItem,
    /// As the rules see it: with what has items of its own.
    slot: Slot,
    guests: Guests,
    claims: Claims,
    /// The other environments that the claims list.
    others: BTreeMap<String, SlotItem>,
    indexed: bool,
    now: Timestamp,
}

impl DynamoStore {
    /// The registry at `address`. Nothing is asked before the first use. `clock` only measures and waits: what time it is, the
    /// service says.
    pub fn new(address: Address, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let patience = address.patience;
        Ok(Self {
            session: Session::new(address)?,
            clock,
            patience,
        })
    }
}

fn now(at: Timestamp) -> Now {
    Now {
        at,
        // Beats are compared between machines: only the service's clock is the same for all.
        boot: None,
        host: process::host(),
        gone: process::is_gone,
    }
}

impl Store for DynamoStore {
    fn scope(&self) -> Scope {
        Scope::Shared
    }

    fn place(&self) -> String {
        format!("dynamodb://{}", self.session.address().table)
    }

    fn snapshot(&self) -> Result<Snapshot, StoreError> {
        until_done(&*self.clock, self.patience.min(READING), || {
            let read = self.session.ask(async |table| read_all(&table).await);
            read.map(Some)
        })
    }

    fn check_writable(&self) -> Result<(), StoreError> {
        until_done(&*self.clock, self.patience.min(READING), || {
            let asked = self.session.ask(async |table| table.try_rights().await);
            asked.map(Some)
        })
    }

    fn update(
        &self,
        touches: Touches<'_>,
        change: &mut dyn FnMut(&mut Slot, &Elsewhere, &Now),
    ) -> Result<(), StoreError> {
        let namespace = &self.session.address().namespace;
        let mut keys = claims::keys_of_request(namespace, &touches);
        until_done(&*self.clock, self.patience, || {
            loop {
                let go = self
                    .session
                    .ask(async |table| go(&table, &touches, &keys, change).await)?;
                match go {
                    Go::Done => return Ok(Some(())),
                    Go::Lost => return Ok(None),
                    Go::Needs(more) => keys.extend(more),
                }
            }
        })
    }
}

async fn go(
    table: &Table,
    touches: &Touches<'_>,
    keys: &BTreeSet<Key>,
    change: &mut dyn FnMut(&mut Slot, &Elsewhere, &Now),
) -> Result<Go, Trouble> {
    let read = read(table, touches, keys).await?;
    let others: BTreeMap<String, Slot> = read
        .others
        .iter()
        .map(|(name, item)| (name.clone(), item.slot.clone()))
        .collect();
    let elsewhere = Elsewhere::of(
        others.values(),
        touches.environment,
        touches.id,
        touches.stacks,
    );
    let mut after = read.slot.clone();
    change(&mut after, &elsewhere, &now(read.now));
    if after == read.slot {
        return Ok(Go::Done);
    }
    let gained = claims::gained(&read.slot, &after);
    let needed = claims::keys_of(&table.namespace, &gained);
    if !needed.is_subset(keys) {
        return Ok(Go::Needs(needed));
    }
    if !gained.is_empty() {
        if let Some(other) = claims::conflict(&gained, &others) {
            return Err(Trouble::Refused(StoreError::Wrong(format!(
                "{} holds {} of the same stack or id, so {} cannot hold it too",
                other.correlation_id, other.environment, touches.environment
            ))));
        }
        if claim(table, touches.environment, &read, &others, &needed).await? == Written::No {
            return Ok(Go::Lost);
        }
    }
    if !read.indexed {
        table.add_to_index(touches.environment).await?;
    }
    let attempt = item::new_attempt()?;
    match write(table, &read, after, &attempt).await? {
        Written::Yes => Ok(Go::Done),
        Written::No => Ok(Go::Lost),
    }
}

// Steps 1 and 2 of claims.rs. The claims are read together with the environment's own item: what matters is that the others
// are read after the claims, and that the claims are stamped after the item was read.
async fn read(table: &Table, touches: &Touches<'_>, keys: &BTreeSet<Key>) -> Result<Read, Trouble> {
    let environment = touches.environment;
    let namespace = &table.namespace;
    let own = Key::slot(namespace, environment);
    let index = Key::index(namespace);
    let ended = touches.id.map(|id| Key::ended(namespace, environment, id));
    let mut wanted = vec![own.clone(), index.clone()];
    wanted.extend(ended.clone());
    wanted.extend(keys.iter().cloned());
    let mut found = table.get_all(&wanted).await?;

    let indexed = found
        .get(&index)
        .is_some_and(|item| item::environments(item).contains(environment));
    let own = SlotItem::read(environment, found.remove(&own))?;
    let claims = Claims {
        read: keys
            .iter()
            .map(|key| (key.clone(), Claim::read(found.remove(key))))
            .collect(),
    };
    let others = read_slots(table, &claims.others(environment)).await?;
    let now = table.connected.now()?;
    let mut slot = own.slot.clone();
    let mut guests = Guests::default();
    let items: Vec<Attributes> = ended
        .and_then(|key| found.remove(&key))
        .into_iter()
        .collect();
    guests.invite(&mut slot, &items, now)?;
    Ok(Read {
        own,
        slot,
        guests,
        claims,
        others,
        indexed,
        now,
    })
}

async fn read_slots(
    table: &Table,
    names: &BTreeSet<String>,
) -> Result<BTreeMap<String, SlotItem>, Trouble> {
    let keys: Vec<Key> = names
        .iter()
        .map(|name| Key::slot(&table.namespace, name))
        .collect();
    let mut found: HashMap<Key, Attributes> = table.get_all(&keys).await?;
    let mut slots = BTreeMap::new();
    for (name, key) in names.iter().zip(&keys) {
        slots.insert(name.clone(), SlotItem::read(name, found.remove(key))?);
    }
    Ok(slots)
}

// Steps 3 and 4 of claims.rs.
async fn claim(
    table: &Table,
    environment: &str,
    read: &Read,
    others: &BTreeMap<String, Slot>,
    needed: &BTreeSet<Key>,
) -> Result<Written, Trouble> {
    for (name, other) in &read.others {
        let key = Key::slot(&table.namespace, name);
        let attempt = item::new_attempt()?;
        let item = other.touched(&key, &attempt, read.now);
        if table.put(&key, item, other.seen(), &attempt).await? == Written::No {
            return Ok(Written::No);
        }
    }
    // Stacks come before ids in this order: where others contend, the stack decides, and the loser has spared the rest.
    for key in needed.iter().rev() {
        let Some(claim) = read.claims.read.get(key) else {
            return Ok(Written::No);
        };
        let attempt = item::new_attempt()?;
        let listed = claims::listed(key, claim, environment, others);
        let garbage = key
            .sk
            .starts_with("ID#")
            .then(|| read.now + claims::ID_GARBAGE_AFTER);
        let item = claim.with(key, &listed, &attempt, garbage);
        if table.put(key, item, claim.seen(), &attempt).await? == Written::No {
            return Ok(Written::No);
        }
    }
    Ok(Written::Yes)
}

// Step 5. What has ended goes into items of its own before the environment's item lets go of it: killed between the two, it
// is in both, and that does no harm.
async fn write(
    table: &Table,
    read: &Read,
    mut after: Slot,
    attempt: &str,
) -> Result<Written, Trouble> {
    read.guests.leave(&mut after);
    let Spilled { items, newest } = spill(&table.namespace, &mut after);
    let key = Key::slot(&table.namespace, &after.environment);
    let spilled_at = read.own.spilled_at.max(newest);
    let (item, size) = read.own.with(&key, &after, spilled_at, attempt, read.now);
    check_size(read, &after, size)?;
    for item in items {
        table.put_ended(item).await?;
    }
    table.put(&key, item, read.own.seen(), attempt).await
}

// What grows no more is written whatever its size: nobody could leave otherwise.
fn check_size(read: &Read, after: &Slot, size: usize) -> Result<(), Trouble> {
    let most = if after.queue.len() > read.slot.queue.len() {
        MOST - FOR_THE_HOLDER
    } else {
        MOST
    };
    if size <= most || size <= read.own.size() {
        return Ok(());
    }
    Err(Trouble::Refused(StoreError::Wrong(format!(
        "the registry of {:?} would have {size} bytes and {most} is the most: {} deployments wait for it, and some must leave",
        after.environment,
        after.queue.len()
    ))))
}

async fn read_all(table: &Table) -> Result<Snapshot, Trouble> {
    let index = table.get(&Key::index(&table.namespace)).await?;
    let names = index.as_ref().map(item::environments).unwrap_or_default();
    let items = read_slots(table, &names).await?;
    let at = table.connected.now()?;
    let mut slots = BTreeMap::new();
    for (name, item) in items.into_iter().filter(|(_, item)| item.exists()) {
        let mut slot = item.slot;
        if item
            .spilled_at
            .is_some_and(|spilled| at.since(spilled) < KEPT_FOR)
        {
            let ended = table.ended(&name).await?;
            Guests::default().invite(&mut slot, &ended, at)?;
        }
        slots.insert(name, slot);
    }
    Ok(Snapshot {
        slots,
        now: now(at),
    })
}
