//! 64 clients, one reply in a hundred lost after the server acted on it, half the clocks an hour off: never two holders, tokens
//! that only grow, nobody served out of turn. And the same with the conditions taken out, which must go wrong.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use registry_core::clock::{Clock, SystemClock};
use registry_core::registry::Registry;
use registry_core::slot::{Poll, Registration};
use registry_dynamodb::DynamoStore;

use crate::emulator::dynalite;
use crate::fixture::{WrongClock, address, ask, end, new_table, no_stack, register};
use crate::proxy::{self, Mischief};

const CLIENTS: usize = 64;
const STACK: &str = "Stack";

/// Each of these waits for all that came before it, so that the time grows with the square of their number.
const WAITERS: usize = 16;

/// How long a waiter pauses for each place before it; the first of all asks often. Where 64 waiters ask as fast as they can they use the
/// emulator up: each request takes a good part of a second, and a beat of one of the others is written between the read and the write
/// of the one whose turn it is, time and again, until its 120 s are over. Real waiters ask twice a second all together.
const A_PLACE: Duration = Duration::from_millis(500);
const THE_FIRST: Duration = Duration::from_millis(50);

/// These fill the machine, so they go one after the other: a race beside it slows the emulator of the fairness run down as too many
/// waiters do.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many rounds; more with `STRESS_ROUNDS` (`cargo xtask soak`).
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment how long to run"
)]
fn rounds(usual: usize) -> usize {
    std::env::var("STRESS_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(usual)
}

fn clients(count: usize, table: &str, port: u16) -> Vec<Registry> {
    (0..count)
        .map(|number| {
            let off_by = if number % 2 == 0 { 3600 } else { 0 };
            // On a loaded machine 64 are in each other's way for longer than anybody waits in earnest.
            let address = address(table, port).with_patience(Duration::from_secs(600));
            let store = DynamoStore::new(address, Arc::new(WrongClock(off_by)));
            Registry::over(Box::new(store.unwrap()))
        })
        .collect()
}

/// What everybody saw.
#[derive(Default)]
struct Watch {
    inside: AtomicI64,
    together: AtomicU64,
    grants: AtomicU64,
    tokens: Mutex<Vec<u64>>,
}

impl Watch {
    fn enter(&self, token: u64) {
        if self.inside.fetch_add(1, Ordering::SeqCst) > 0 {
            self.together.fetch_add(1, Ordering::SeqCst);
        }
        self.grants.fetch_add(1, Ordering::SeqCst);
        self.tokens
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(token);
    }

    fn leave(&self) {
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }

    fn tokens_only_grow(&self) -> bool {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.windows(2).all(|pair| pair[0] < pair[1])
    }
}

// All ask at once, round after round; whoever is told yes is alone until everybody has asked.
fn race(table: &str, port: u16, rounds: usize) -> Watch {
    let watch = Watch::default();
    let line = Barrier::new(CLIENTS);
    thread::scope(|scope| {
        for (number, registry) in clients(CLIENTS, table, port).into_iter().enumerate() {
            let (watch, line) = (&watch, &line);
            scope.spawn(move || {
                for round in 0..rounds {
                    let id = format!("client-{number}-{round}");
                    line.wait();
                    let answer = register(&registry, "production", &id, &[STACK]);
                    let granted = match &answer {
                        Registration::Granted(entry) | Registration::Already(entry) => {
                            watch.enter(entry.fencing_token.unwrap());
                            true
                        }
                        Registration::Refused(_) => false,
                        Registration::Different(..) => panic!("{answer:?}"),
                    };
                    line.wait();
                    if granted {
                        watch.leave();
                        registry.end(&end(&id)).unwrap();
                    }
                }
            });
        }
    });
    watch
}

#[test]
fn of_64_that_ask_at_once_one_is_told_yes_needs_dynalite() {
    let _alone = alone();
    let Some(emulator) = dynalite() else { return };
    let table = new_table(emulator.port);
    let mischief = Mischief {
        lose_one_in: 100,
        ..Mischief::default()
    };
    let (port, lost) = proxy::start(emulator.port, mischief);
    let rounds = rounds(20);
    let watch = race(&table, port, rounds);
    assert_eq!(watch.together.into_inner(), 0, "two held it at a time");
    assert_eq!(
        watch.grants.into_inner(),
        rounds as u64,
        "a round without a winner"
    );
    let tokens = watch.tokens.into_inner().unwrap();
    assert!(
        tokens.windows(2).all(|pair| pair[0] < pair[1]),
        "{tokens:?}"
    );
    assert!(
        lost.load(Ordering::Relaxed) > 5,
        "the proxy lost no replies"
    );
}

#[test]
fn without_conditions_the_same_race_goes_wrong_needs_dynalite() {
    let _alone = alone();
    let Some(emulator) = dynalite() else { return };
    let table = new_table(emulator.port);
    let mischief = Mischief {
        unconditional: true,
        ..Mischief::default()
    };
    let (port, _) = proxy::start(emulator.port, mischief);
    let watch = race(&table, port, 3);
    assert!(
        watch.together.load(Ordering::SeqCst) > 0 && !watch.tokens_only_grow(),
        "the race cannot tell a registry that excludes from one that does not"
    );
}

/// When a waiter had its place for certain, and when it was granted the environment at the latest and at the earliest.
#[derive(Debug, Clone, Copy)]
struct Turn {
    began_to_wait: u64,
    had_its_place: u64,
    began_the_poll: u64,
    was_granted: u64,
}

#[test]
fn nobody_is_served_out_of_turn_needs_dynalite() {
    let _alone = alone();
    let Some(emulator) = dynalite() else { return };
    let table = new_table(emulator.port);
    let mischief = Mischief {
        lose_one_in: 100,
        ..Mischief::default()
    };
    let (port, _) = proxy::start(emulator.port, mischief);
    let steps = Arc::new(AtomicU64::new(0));
    let step = move || steps.fetch_add(1, Ordering::SeqCst);
    let watch = Watch::default();
    let turns = Mutex::new(Vec::new());
    let longest = Mutex::new(Duration::ZERO);
    // A turn of 64 takes some 50 times as long as a round of the race: as many turns as the race has rounds.
    let long = rounds(0);
    let (waiters, each) = if long > 0 {
        (CLIENTS, long.div_ceil(CLIENTS))
    } else {
        (WAITERS, 1)
    };
    thread::scope(|scope| {
        for (number, registry) in clients(waiters, &table, port).into_iter().enumerate() {
            let (watch, turns, longest, step) = (&watch, &turns, &longest, step.clone());
            scope.spawn(move || {
                for round in 0..each {
                    let id = format!("waiter-{number}-{round}");
                    let began_to_wait = step();
                    registry.enqueue("production", &ask(&id)).unwrap();
                    let had_its_place = step();
                    let began_the_poll = wait(&registry, &id, &step);
                    let was_granted = step();
                    let granted = Instant::now();
                    let answer = register(&registry, "production", &id, &[STACK]);
                    // "Already" where the reply to the first try was lost.
                    let (Registration::Granted(entry) | Registration::Already(entry)) = answer
                    else {
                        let after = granted.elapsed();
                        panic!("{id} was granted the environment, and {after:?} later: {answer:?}");
                    };
                    let mut longest = longest.lock().unwrap();
                    *longest = longest.max(granted.elapsed());
                    drop(longest);
                    watch.enter(entry.fencing_token.unwrap());
                    turns.lock().unwrap().push(Turn {
                        began_to_wait,
                        had_its_place,
                        began_the_poll,
                        was_granted,
                    });
                    watch.leave();
                    registry.end(&end(&id)).unwrap();
                }
            });
        }
    });
    assert_eq!(
        watch.together.load(Ordering::SeqCst),
        0,
        "two held it at a time"
    );
    assert!(watch.tokens_only_grow());
    let turns = turns.into_inner().unwrap();
    assert_eq!(turns.len(), waiters * each);
    eprintln!(
        "{} turns; from the grant to the hold it took {:?} at the longest",
        turns.len(),
        longest.into_inner().unwrap()
    );
    for first in &turns {
        for second in &turns {
            let came_first = first.had_its_place < second.began_to_wait;
            let served_second = second.was_granted < first.began_the_poll;
            assert!(
                !(came_first && served_second),
                "{second:?} overtook {first:?}"
            );
        }
    }
}

// Polls until the environment is free for `id`; returns the step at which the poll that said so began.
fn wait(registry: &Registry, id: &str, step: &impl Fn() -> u64) -> u64 {
    let stacks = [STACK.to_owned()];
    for _ in 0..10_000 {
        let began = step();
        let answer = registry.poll("production", &ask(id), &stacks, &no_stack(&[STACK]));
        match answer.unwrap().answer {
            Poll::Free(_) => return began,
            Poll::Waiting(_, place) => {
                let before = u32::try_from(place).unwrap().saturating_sub(1);
                let _awake = SystemClock::default().sleep(THE_FIRST + A_PLACE * before);
            }
            Poll::Removed(tombstone) => panic!("{tombstone:?}"),
        }
    }
    panic!("{id} was never served");
}
