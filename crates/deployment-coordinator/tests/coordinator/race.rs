//! Many processes at once. How many: REGISTRY_RACE, a thousand if not set.

use std::collections::{BTreeSet, VecDeque};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use registry_core::clock::{Clock as _, SystemClock};
use registry_core::store::lock::{Patience, held_by, with_lock};
use rustix::process::Signal;

use crate::room::{Ran, Room, ended, signal, until};

#[expect(clippy::disallowed_methods, reason = "a knob of the tests themselves")]
fn many() -> usize {
    std::env::var("REGISTRY_RACE")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1000)
}

/// For tests that fill the machine: one at a time.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// So many may be on their way to CloudFormation's answer at a time: more would only wait for a processor until AWS's time-outs
/// strike. Those that have it race on, however many they are.
const UNANSWERED: usize = 24;

/// Every process that goes has its output on two pipes; the soft limit of open files is often 1,024.
fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let current = limit.maximum;
    setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
}

/// Starts `count` processes as fast as they get CloudFormation's answer.
fn started(
    room: &Room,
    count: usize,
    words: impl Fn(usize) -> Vec<String>,
) -> impl Iterator<Item = Child> {
    allow_many_files();
    let before = room.aws.requests("DescribeStacks");
    let start = move |number: usize| {
        until("those before have asked CloudFormation", || {
            number < UNANSWERED + room.aws.requests("DescribeStacks") - before
        });
        let words = words(number);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        room.start_as("", &words)
    };
    (0..count).map(start)
}

/// All of them at once, once they were started.
fn race(room: &Room, words: impl Fn(usize) -> Vec<String>) -> Vec<Ran> {
    let going: Vec<Child> = started(room, many(), words).collect();
    going.into_iter().map(ended).collect()
}

/// Never more than `most` at once.
fn race_in_turn(room: &Room, most: usize, words: impl Fn(usize) -> Vec<String>) -> Vec<Ran> {
    let (mut going, mut ran) = (VecDeque::new(), Vec::new());
    for child in started(room, many(), words) {
        going.push_back(child);
        if going.len() == most {
            ran.extend(going.pop_front().map(ended));
        }
    }
    ran.extend(going.into_iter().map(ended));
    ran
}

fn register(number: usize, environment: &str, stack: Option<String>) -> Vec<String> {
    let id = format!("id-{number}");
    let words = ["register", &id, "7", environment].map(str::to_owned);
    words.into_iter().chain(stack).collect()
}

fn registered(room: &Room) -> BTreeSet<String> {
    let registry = room.registry();
    let entries = registry["deployments"].as_array().unwrap();
    let id = |entry: &serde_json::Value| entry["correlation_id"].as_str().unwrap().to_owned();
    let ids: BTreeSet<String> = entries.iter().map(id).collect();
    assert_eq!(ids.len(), entries.len(), "an entry stands there twice");
    ids
}

#[test]
fn of_many_that_register_one_environment_exactly_one_wins() {
    let _alone = alone();
    let room = Room::new();
    room.stack("UPDATE_COMPLETE");
    let ran = race(&room, |number| register(number, "production", None));
    let winners: Vec<&Ran> = ran.iter().filter(|ran| ran.code == 0).collect();
    assert_eq!(winners.len(), 1);
    let winner = winners[0].json()["correlation_id"].clone();
    for loser in ran.iter().filter(|ran| ran.code != 0) {
        assert_eq!(loser.code, 1, "{loser:?}");
        assert_eq!(loser.json()["active_deployment"]["correlation_id"], winner);
        assert!(
            loser.stderr.contains(winner.as_str().unwrap()),
            "the winner is not named to people: {loser:?}"
        );
    }
    assert_eq!(room.registry()["deployments"].as_array().unwrap().len(), 1);
}

#[test]
fn many_that_register_as_many_environments_all_get_theirs() {
    let _alone = alone();
    let room = Room::new();
    // Each writes all entries, and none waits for longer than a minute: on a slow machine a thousand at once may be too many for
    // that, as they should be.
    let ran = race_in_turn(&room, 200, |number| {
        let stack = format!("Stack{number}");
        register(number, &format!("env-{number}"), Some(stack))
    });
    for ran in ran {
        ran.exits(0);
    }
    let all: BTreeSet<String> = (0..many()).map(|number| format!("id-{number}")).collect();
    assert_eq!(registered(&room), all);
}

/// Names the file that the next test's helper locks.
const LOCK: &str = "COORDINATOR_TEST_LOCK";

/// The helper of the next test: holds a lock as a registrar does that is in the middle of a write. On its own it tries one out.
#[test]
fn holds_the_lock_it_is_given() {
    let own = tempfile::tempdir().unwrap();
    let given = std::env::var_os(LOCK);
    let lock = given
        .as_ref()
        .map_or_else(|| own.path().join("x.lock"), Into::into);
    with_lock(&lock, &SystemClock::default(), Patience::NONE, |_| {
        let holder = held_by(&lock).unwrap().unwrap().unwrap();
        assert_eq!(holder.pid, std::process::id());
        if given.is_some() {
            let _woken = SystemClock::default().sleep(std::time::Duration::from_secs(600));
        }
    })
    .unwrap();
}

#[test]
fn while_the_lock_holder_is_stopped_nobody_gets_a_yes_and_each_is_told_whom_it_waited_for() {
    let _alone = alone();
    let room = Room::new();
    room.stack("UPDATE_COMPLETE");
    room.write("{\"deployments\":[]}\n");
    let lock = room.path(".deployment-registry/deployments.json.lock");
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "race::holds_the_lock_it_is_given"])
        .env(LOCK, &lock)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let names_it = || {
        let held = held_by(&lock).unwrap().flatten();
        held.is_some_and(|named| named.pid == holder.id())
    };
    until("the lock is held", names_it);
    signal(&holder, Signal::STOP);
    let going: Vec<Child> =
        started(&room, many(), |number| register(number, "production", None)).collect();
    for child in going {
        let ran = ended(child).exits(2).reason("REGISTRY_BUSY");
        assert_eq!(ran.json()["registered"], false);
        ran.says(&format!("process {} has kept its lock", holder.id()));
    }
    assert!(registered(&room).is_empty());
    signal(&holder, Signal::KILL);
    holder.wait().unwrap();
    room.register("next").exits(0);
}

#[test]
fn of_two_that_ask_at_once_one_gets_a_yes() {
    let _alone = alone();
    let room = Room::new();
    room.stack("UPDATE_COMPLETE");
    let asked: Vec<_> = (0..8)
        .map(|number| room.start_as(&format!("id-{number}"), &["can_deploy", "production"]))
        .collect();
    let ran: Vec<Ran> = asked.into_iter().map(ended).collect();
    assert_eq!(ran.iter().filter(|ran| ran.code == 0).count(), 1);
    assert_eq!(ran.iter().filter(|ran| ran.code == 1).count(), 7);
}
