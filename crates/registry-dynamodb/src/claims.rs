//! Why no stack has two holders, though every environment has an item of its own and nothing is written to two items at once.
//!
//! Every stack name (and every deployment id) has a claim: an item that lists the environments which hold it **or may be about
//! to**. Whoever wants to add a hold to environment E does, in this order:
//!
//! 1. reads E's item,
//! 2. reads the claims of the hold, and after that the items of all other environments they list: where one of them holds
//!    the stack, the answer is no;
//! 3. *touches* each of those other items: writes it anew, unchanged, on condition that it is still what was read. From then on
//!    nobody who had read it before can write it;
//! 4. stamps each claim (E and whichever of the others still hold a stack of that name in another region), on condition that the
//!    claim is still what was read;
//! 5. writes E's item, on condition that it is still what was read in 1.
//!
//! A condition that fails begins everything anew. Every write carries a new random attempt id, and conditions compare that id,
//! so that no item is ever mistaken for an earlier one.
//!
//! *Proof.* Suppose E and F both hold the stack, and of the stamps that their holds were written after, E's came first. Stamps by
//! E itself keep E on the list. Whoever made the first stamp for another environment after E's, G, had read a claim that lists E
//! and is no older than E's stamp (its condition says so), hence after E's step 4 and so after E's step 1. After that G read and
//! touched E's item. If E's step 5 came before that reading, G saw the hold: it was refused, or (for another region) kept E on
//! the list. If it came between the reading and the touch, the touch failed. If it came after the touch, it failed itself. So
//! when G stamped, E's hold was either seen or impossible; and as long as E holds, it stays on the list, and each later stamp
//! sees it the same way. F's was one of these: it saw E's hold and was refused. ∎
//!
//! Nobody waits for anybody and nothing needs to be given back: a claim whose environment no longer holds the stack costs the
//! next one two more requests, and a process that dies between any two steps leaves nothing that binds anybody.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use registry_core::ids::StackName;
use registry_core::slot::{Elsewhere, Entry, Slot};
use registry_core::store::Touches;

use crate::item::{Claim, Key};

/// When DynamoDB may delete the claim of an id: ids are used once, and no deployment takes so long.
pub(crate) const ID_GARBAGE_AFTER: Duration = Duration::from_secs(400 * 24 * 3600);

/// The claims of one step, by key, and the other environments they list.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// As they were read.
    pub(crate) read: BTreeMap<Key, Claim>,
}

impl Claims {
    /// The environments other than `environment` that the claims list.
    pub(crate) fn others(&self, environment: &str) -> BTreeSet<String> {
        self.read
            .values()
            .flat_map(|claim| &claim.environments)
            .filter(|name| *name != environment)
            .cloned()
            .collect()
    }
}

/// The claims that a hold needs.
fn keys_of_hold(namespace: &str, id: &str, stacks: &[String]) -> impl Iterator<Item = Key> {
    let stacks = stacks
        .iter()
        .map(|stack| Key::stack(namespace, plain_name(stack)).sk);
    let pk = namespace.to_owned();
    let id = Key::id(namespace, id).sk;
    let all: Vec<String> = std::iter::once(id).chain(stacks).collect();
    all.into_iter().map(move |sk| Key { pk: pk.clone(), sk })
}

/// Stacks are claimed by name: a name without a region may be in any, and whether two ARNs differ is asked when it matters.
fn plain_name(stack: &str) -> &str {
    if !stack.starts_with("arn:") {
        return stack;
    }
    // The part after the account: `stack/NAME/ID`.
    let resource = stack.splitn(6, ':').nth(5).unwrap_or(stack);
    let name = resource
        .strip_prefix("stack/")
        .and_then(|rest| rest.split('/').next());
    match name {
        Some(name) if stack.parse::<StackName>().is_ok() => name,
        Some(_) | None => stack,
    }
}

/// The claims that what is touched may need.
pub(crate) fn keys_of_request(namespace: &str, touches: &Touches<'_>) -> BTreeSet<Key> {
    let stacks = touches
        .stacks
        .iter()
        .map(|stack| Key::stack(namespace, plain_name(stack)));
    let id = touches.id.map(|id| Key::id(namespace, id));
    stacks.chain(id).collect()
}

/// The holds that `after` has and `before` had not, or had with other stacks.
pub(crate) fn gained<'a>(before: &Slot, after: &'a Slot) -> Vec<&'a Entry> {
    let had = |entry: &Entry| {
        before.holds.iter().any(|old| {
            old.correlation_id == entry.correlation_id
                && entry.stacks.iter().all(|stack| old.stacks.contains(stack))
        })
    };
    after.holds.iter().filter(|entry| !had(entry)).collect()
}

/// The claims that new holds need.
pub(crate) fn keys_of(namespace: &str, holds: &[&Entry]) -> BTreeSet<Key> {
    holds
        .iter()
        .flat_map(|entry| keys_of_hold(namespace, &entry.correlation_id, &entry.stacks))
        .collect()
}

/// A hold of another environment that one of the new `holds` must not have beside it.
pub(crate) fn conflict(holds: &[&Entry], others: &BTreeMap<String, Slot>) -> Option<Entry> {
    holds.iter().find_map(|entry| {
        let theirs = others.values().flat_map(|slot| &slot.holds);
        let elsewhere = Elsewhere::among(theirs, Some(&entry.correlation_id), &entry.stacks);
        elsewhere.holds.into_iter().next()
    })
}

/// Which environments a claim lists once `environment` has stamped it: itself, and whoever holds something under that key.
pub(crate) fn listed(
    key: &Key,
    claim: &Claim,
    environment: &str,
    others: &BTreeMap<String, Slot>,
) -> BTreeSet<String> {
    let holds_it = |name: &&String| {
        others.get(*name).is_some_and(|slot| {
            slot.holds.iter().any(|entry| {
                keys_of_hold(&key.pk, &entry.correlation_id, &entry.stacks).any(|held| held == *key)
            })
        })
    };
    claim
        .environments
        .iter()
        .filter(holds_it)
        .cloned()
        .chain([environment.to_owned()])
        .collect()
}
