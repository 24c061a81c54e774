//! Whatever breaks: never two holders, nothing acknowledged lost, no message lost, every failure said in a sentence, exit status true.
//!
//! The fourteen steps as separate programs and under `run`, with something that breaks in each of them; what did not succeed is tried
//! again with nothing wrong any more and must succeed then. FAULTS_COUNT faults (300 if not set), drawn from FAULTS_SEED;
//! `FAULTS_COUNT=all` tries each there is. `cargo xtask faults` sets them and keeps the table as docs/faults.md.
#![expect(
    clippy::expect_used,
    reason = "a test's helpers complain by panicking, and its result is a table"
)]

mod fault;
mod ledger;
mod life;
mod table;

use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};

use end_to_end::{Built, Dice, Programs, World};

use fault::{Breaker, Fault};
use life::Tried;

const BUILT: Built = end_to_end::built!();

/// The folder that cargo gives to the tests of this package.
const TARGET_TMP: &str = env!("CARGO_TARGET_TMPDIR");

static PROGRAMS: LazyLock<Programs> = LazyLock::new(|| {
    Programs::link(&BUILT, &Path::new(TARGET_TMP).join("programs"))
        .expect("the programs can be linked")
});

/// Worlds at once: much of a life is waiting for disks and clocks.
const AT_ONCE: usize = 3;
const SEED: u64 = 20_260_114;
const COUNT: usize = 300;

#[expect(
    clippy::disallowed_methods,
    reason = "a knob of the test, which is no setting of the programs"
)]
fn knob(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn faults() -> (u64, Vec<Fault>) {
    let seed = knob("FAULTS_SEED")
        .and_then(|text| text.parse().ok())
        .unwrap_or(SEED);
    let count = knob("FAULTS_COUNT");
    if count.as_deref() == Some("all") {
        return (seed, Fault::all());
    }
    let count = count.and_then(|text| text.parse().ok()).unwrap_or(COUNT);
    let mut dice = Dice::new(seed);
    let drawn = (0..count)
        .map(|at: usize| Fault::drawn(&mut dice, life::reach(at % life::STEPS)))
        .collect();
    (seed, drawn)
}

#[test]
fn whatever_breaks_nothing_is_lost_and_everything_said() {
    let strace = std::process::Command::new("strace")
        .arg("--version")
        .output();
    assert!(
        strace.is_ok(),
        "strace makes system calls fail: install strace"
    );
    let (seed, mut faults) = faults();
    let breaker = Breaker::new(Path::new(TARGET_TMP));
    let everything = knob("FAULTS_COUNT").as_deref() == Some("all");
    // Each fault there is strikes each step; a drawn one strikes the step whose turn it is.
    if everything {
        faults = faults
            .into_iter()
            .flat_map(|fault| vec![fault; life::STEPS])
            .collect();
    }
    let lives: Vec<(usize, Vec<Fault>)> = faults
        .chunks(life::STEPS)
        .map(<[Fault]>::to_vec)
        .enumerate()
        .collect();
    let waiting = Mutex::new(lives.into_iter());
    let tried: Mutex<Vec<Tried>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = waiting
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .next();
                    let Some((number, faults)) = next else { return };
                    let found = life::live(World::new(&PROGRAMS), &breaker, number, &faults);
                    tried
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend(found);
                }
            });
        }
    });
    let tried = tried.into_inner().unwrap_or_else(PoisonError::into_inner);
    let page = table::page(&tried, seed, everything);
    println!("{page}");
    if let Some(path) = knob("FAULTS_PAGE") {
        table::keep(Path::new(&path), &page);
    }
    let wrong: Vec<String> = tried.iter().filter_map(Tried::complaint).collect();
    assert!(
        wrong.is_empty(),
        "{} of {} faults broke a promise:\n\n{}",
        wrong.len(),
        tried.len(),
        wrong.join("\n\n")
    );
    assert!(
        tried.iter().filter(|tried| tried.was_hit()).count() * 2 >= tried.len(),
        "less than half of the faults struck"
    );
}
