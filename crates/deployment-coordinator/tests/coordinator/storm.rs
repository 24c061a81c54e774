//! A storm: deployments register, wait, beat and clean up through the real program, while whatever process goes is killed or
//! stopped at any moment. For how long: STORM_SECONDS, 15 if not set. STORM_SEED repeats the dice of a storm.

mod killer;
mod ledger;

use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use registry_core::clock::{Clock as _, SystemClock};

use crate::room::{Ran, Room, ended, until};
use killer::{Dice, Prey, sleep};
use ledger::{Hold, faults};

const WORKERS: usize = 16;
const ENVIRONMENTS: u64 = 8;
/// Silence is taken for life so long. Longer than anybody is stopped, so that few who live are taken for dead.
const LEASE: Duration = Duration::from_secs(5);
const LONGEST_STOP: u64 = 700;
/// It is no storm with fewer.
const FEWEST_HOLDS: usize = 20;
const FEWEST_HITS: usize = 10;

#[expect(clippy::disallowed_methods, reason = "a knob of the tests themselves")]
fn knob(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn now() -> Duration {
    SystemClock::default().boot().since_boot
}

/// One worker's deployments, one after the other.
struct Worker<'a> {
    room: &'a Room,
    prey: &'a Prey,
    number: usize,
    dice: Dice,
    holds: &'a Mutex<Vec<Hold>>,
    /// What no deployment should ever see.
    oddities: &'a Mutex<Vec<String>>,
}

impl Worker<'_> {
    fn work(mut self) {
        let mut life = 0;
        while !self.prey.is_over() {
            life += 1;
            let id = format!("w{}-{life}", self.number);
            let environment = format!("env-{}", self.dice.below(ENVIRONMENTS));
            match self.dice.below(10) {
                0..=3 => self.register(&id, &environment),
                4..=5 => {
                    if self
                        .hunted(&id, &["can_deploy", &environment, &stack(&environment)])
                        .code
                        == 0
                    {
                        self.register(&id, &environment);
                    }
                }
                6..=7 => {
                    let words = [
                        "wait",
                        &environment,
                        "6s",
                        &stack(&environment),
                        "--interval",
                        "100ms",
                    ];
                    if self.hunted(&id, &words).code == 0 {
                        self.register(&id, &environment);
                    }
                }
                _ => self.run(&id, &environment),
            }
        }
    }

    // Runs one process to its end, with the killer after it. A killed one has the code -1.
    fn hunted(&self, id: &str, words: &[&str]) -> Ran {
        let mut command = self.room.command(words);
        command.env("CORRELATION_ID", id);
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        self.prey.hunt(self.number, &child);
        let ran = ended(child);
        self.prey.spare(self.number);
        ran
    }

    fn odd(&self, what: String) {
        let mut oddities = self.oddities.lock().unwrap_or_else(PoisonError::into_inner);
        oddities.push(what);
    }

    fn had(&self, hold: Hold) {
        let mut holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        holds.push(hold);
    }

    // Whose answer was lost asks again, most of the time.
    fn register(&mut self, id: &str, environment: &str) {
        let asked = now();
        loop {
            let ran = self.hunted(id, &["register", id, "7", environment, &stack(environment)]);
            let had = now();
            match ran.code {
                0 => {
                    let token = ran.json()["fencing_token"].as_u64().unwrap();
                    return self.hold(Hold {
                        id: id.to_owned(),
                        environment: environment.to_owned(),
                        token,
                        asked,
                        had,
                        until: asked + LEASE,
                    });
                }
                1 => return,
                -1 if self.dice.below(10) > 0 => {}
                -1 => return,
                // A machine this busy may not hear AWS in time; anything else is out of place.
                _ if ran.json()["reason"] == "STATUS_UNKNOWN" => return,
                _ => return self.odd(format!("{ran:?}")),
            }
        }
    }

    // Holds it for a while, asks whether it does, and cleans up or dies.
    fn hold(&mut self, mut hold: Hold) {
        sleep(self.dice.below(300));
        if self.dice.below(2) == 0 {
            let token = hold.token.to_string();
            let ran = self.hunted(&hold.id, &["verify", &hold.id, "--token", &token]);
            if ran.code > 0 && now() < hold.asked + LEASE {
                self.odd(format!("{hold:?} was told that it does not hold: {ran:?}"));
            }
        }
        if self.dice.below(8) == 0 {
            return self.had(hold);
        }
        hold.until = hold.until.min(now());
        let id = hold.id.clone();
        self.had(hold);
        loop {
            let ran = self.hunted(&id, &["cleanup", &id, "--outcome", "success"]);
            match ran.code {
                0 => return,
                -1 => {}
                _ => return self.odd(format!("{ran:?}")),
            }
        }
    }

    // The whole as one command, whose beats keep its hold for longer than the lease. The command notes when it went.
    fn run(&mut self, id: &str, environment: &str) {
        let seconds = if self.dice.below(4) == 0 { 7 } else { 1 };
        let note = self.room.path(id);
        let file = note.display();
        let script = format!(
            "read up _ < /proc/uptime; echo \"$FENCING_TOKEN $up\" > {file}; sleep {seconds}; read up _ < /proc/uptime; echo \"$up\" >> {file}"
        );
        let asked = now();
        let stack = stack(environment);
        let words = [
            "run",
            environment,
            "--stack",
            &stack,
            "--wait",
            "4s",
            "--no-monitor",
            "--id",
            id,
            "--",
            "sh",
            "-c",
            &script,
        ];
        let ran = self.hunted(id, &words);
        let text = std::fs::read_to_string(&note).unwrap_or_default();
        let mut words = text.split_whitespace();
        let (Some(token), Some(began)) = (words.next(), words.next()) else {
            return;
        };
        let Ok(token) = token.parse() else {
            return self.odd(format!("it went on without a hold: {ran:?}"));
        };
        // `/proc/uptime` leaves out what is less than a hundredth of a second.
        let seconds = |text: &str| Duration::from_secs_f64(text.parse().unwrap());
        let ended = words.next().map(seconds);
        let lease = asked + LEASE;
        let until = match ended {
            // It beat to the end.
            Some(ended) if ran.code == 0 => ended,
            Some(ended) => ended.min(lease),
            None => lease,
        };
        self.had(Hold {
            id: id.to_owned(),
            environment: environment.to_owned(),
            token,
            asked,
            had: seconds(began) + Duration::from_millis(10),
            until,
        });
    }
}

fn stack(environment: &str) -> String {
    format!("Stack-{environment}")
}

#[test]
fn a_storm_of_kills_and_stops_leaves_nothing_lost_doubled_or_stuck() {
    let _alone = crate::race::alone();
    let length = Duration::from_secs(knob("STORM_SECONDS").unwrap_or(15));
    let seed = knob("STORM_SEED").unwrap_or_else(|| now().as_nanos() as u64);
    eprintln!("the storm of STORM_SEED={seed} goes on for {length:?}");
    let mut room = Room::new();
    room.set("LEASE", &format!("{}s", LEASE.as_secs()))
        .set("RESERVATION", "3s")
        .set("CHECK_INTERVAL", "200ms");
    let (holds, oddities) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let prey = Prey::default();
    let count = || holds.lock().unwrap_or_else(PoisonError::into_inner).len();
    let hits = |counter: &std::sync::atomic::AtomicUsize| counter.load(Ordering::Relaxed);
    std::thread::scope(|scope| {
        let (room, prey) = (&room, &prey);
        for number in 0..WORKERS {
            let worker = Worker {
                room,
                prey,
                number,
                dice: Dice(seed.wrapping_add(number as u64)),
                holds: &holds,
                oddities: &oddities,
            };
            scope.spawn(|| worker.work());
        }
        scope.spawn(|| prey.kill_at_random(Dice(!seed)));
        scope.spawn(|| prey.stop_at_random(Dice(seed.rotate_left(32)), LONGEST_STOP));
        let begun = now();
        // On a busy machine it goes on until it was a storm, but not for ever.
        let enough = || {
            count() >= FEWEST_HOLDS
                && hits(&prey.killed) >= FEWEST_HITS
                && hits(&prey.stopped) >= FEWEST_HITS
        };
        while now() < begun + length || (!enough() && now() < begun + length * 8) {
            sleep(50);
        }
        prey.end();
    });
    let (killed, stopped) = (hits(&prey.killed), hits(&prey.stopped));
    let holds = holds.into_inner().unwrap();
    let registry = room.registry();
    let abandoned = registry["deployments"].as_array().unwrap().len();
    eprintln!(
        "{} registrations were acknowledged; {killed} processes were killed, {stopped} stopped; {abandoned} entries are left",
        holds.len()
    );
    assert!(holds.len() >= FEWEST_HOLDS && killed >= FEWEST_HITS && stopped >= FEWEST_HITS);
    let mut wrong = oddities.into_inner().unwrap();
    all_is_free(&room);
    wrong.extend(faults(&holds, &room.registry(), LEASE));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// After the leases, for everybody; and what killed writers left is swept up.
fn all_is_free(room: &Room) {
    for number in 0..ENVIRONMENTS {
        let environment = format!("env-{number}");
        let stack = stack(&environment);
        until("it is free", || {
            room.run(&["can_deploy", &environment, &stack]).code == 0
        });
        let id = format!("after-{number}");
        room.run(&["register", &id, "7", &environment, &stack])
            .exits(0);
        room.run(&["cleanup", &id]).exits(0);
    }
    let left: Vec<_> = std::fs::read_dir(room.path(".deployment-registry"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().starts_with(".deployments.json."))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
