//! Everything that can happen to an environment, in any order: callers that crash, requests that are late, lost or come twice, and
//! answers that nobody hears.

mod steps;

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestError, TestRng, TestRunner};

use super::*;
use steps::{IDS, Request, Step, Wish, steps};

/// One rule of the slot, taken away.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Broken {
    Nothing,
    /// `register` does not look whether somebody holds.
    Exclusion,
    /// A token is made anew from the clock alone, and the clock stands still.
    Tokens,
    /// Last come, first served.
    Order,
    /// A dead holder keeps its hold.
    DeathOfHolders,
    /// A dead waiter keeps its place.
    DeathOfWaiters,
    /// A hold is taken away by what was seen before its last beat.
    FreshProof,
}

/// How often what happened, over all runs.
#[derive(Debug, Default)]
struct Tally {
    grants: Cell<u32>,
    lost_answers: Cell<u32>,
    repeated: Cell<u32>,
    after_a_crash: Cell<u32>,
    buried: Cell<u32>,
    served_from_the_queue: Cell<u32>,
}

fn count(what: &Cell<u32>) {
    what.set(what.get() + 1);
}

#[derive(Debug, Default)]
struct Caller {
    crashed: bool,
    /// Its hold, as far as it was told.
    believes: Option<Entry>,
}

/// Who holds the environment by right, from the answers that were given: apart from the slot, so that the slot can be wrong.
#[derive(Debug)]
struct Right {
    id: String,
    last_beat: u64,
}

struct World<'a> {
    broken: Broken,
    tally: &'a Tally,
    slot: Slot,
    time: u64,
    callers: [Caller; 4],
    under_way: Vec<Request>,
    right: Option<Right>,
    tokens: Vec<u64>,
    /// Who waits, in the order they came; apart from the slot's own queue.
    line: Vec<String>,
}

type Checked = Result<(), String>;

impl<'a> World<'a> {
    fn new(broken: Broken, tally: &'a Tally) -> Self {
        Self {
            broken,
            tally,
            slot: slot(),
            time: 0,
            callers: Default::default(),
            under_way: Vec::new(),
            right: None,
            tokens: Vec::new(),
            line: Vec::new(),
        }
    }

    fn take(&mut self, step: &Step) -> Checked {
        match step {
            Step::Send(who, wish) => self.send(*who, *wish),
            Step::Deliver {
                which,
                heard,
                again,
            } => {
                if !self.under_way.is_empty() {
                    let request = self.under_way.remove(which % self.under_way.len());
                    if *again {
                        let again = true;
                        self.under_way.push(Request {
                            again,
                            ..request.clone()
                        });
                    }
                    self.deliver(&request, *heard)?;
                }
            }
            Step::Lose(which) => {
                if !self.under_way.is_empty() {
                    self.under_way.remove(which % self.under_way.len());
                }
            }
            Step::Crash(who) => self.callers[*who].crashed = true,
            Step::Restart(who) => self.callers[*who] = Caller::default(),
            Step::Pass(seconds) => self.time += seconds,
            Step::Empty => {
                // By hand, so not within the seconds of a registration, from which the next token is made.
                self.time += 100;
                self.slot = slot();
                self.right = None;
                self.line.clear();
            }
        }
        self.check()
    }

    fn send(&mut self, who: usize, wish: Wish) {
        let caller = &self.callers[who];
        if caller.crashed {
            return;
        }
        let mut request = Request {
            from: who,
            wish,
            known: caller.believes.clone(),
            dead: None,
            again: false,
        };
        if let (Wish::Bury, Some(entry)) = (wish, self.slot.holds.first()) {
            let proof = proof(entry, &at(self.time));
            request.dead =
                proof.map(|proof| (entry.correlation_id.clone(), entry.last_beat(), proof));
        }
        self.under_way.push(request);
    }

    fn deliver(&mut self, request: &Request, heard: bool) -> Checked {
        let id = IDS[request.from];
        let now = at(self.time);
        let heard = heard && !self.callers[request.from].crashed;
        for (so, what) in [
            (!heard, &self.tally.lost_answers),
            (request.again, &self.tally.repeated),
            (
                self.callers[request.from].crashed,
                &self.tally.after_a_crash,
            ),
        ] {
            if so {
                count(what);
            }
        }
        match request.wish {
            Wish::Register => self.register(request.from, heard, &now)?,
            Wish::Reserve => {
                let first = self.first_in_line(&now);
                let had = self.is_kept_for(id);
                reserve(&mut self.slot, id, &now);
                if !had && self.is_kept_for(id) {
                    in_turn(id, first.as_deref())?;
                }
            }
            Wish::Enqueue => self.slot.enqueue(&ask(id), &now),
            Wish::Poll => {
                let first = self.first_in_line(&now);
                let had = self.is_kept_for(id);
                poll(&mut self.slot, &ask(id), &now);
                if !had && self.is_kept_for(id) {
                    in_turn(id, first.as_deref())?;
                }
            }
            Wish::Answered => self.slot.answered(id),
            Wish::Leave => self.slot.leave(id),
            Wish::Beat => self.beat(request, heard, &now),
            Wish::End { failed, evicts } => {
                let ending = if failed {
                    Ending::Failed
                } else {
                    Ending::Success
                };
                // Most end what is theirs.
                let whose = IDS.get(evicts).copied().unwrap_or(id);
                self.slot.end(&end(whose, ending), &now);
                self.right.take_if(|right| right.id == whose);
                if heard && whose == id {
                    self.callers[request.from].believes = None;
                }
            }
            Wish::Bury => self.bury(request.dead.as_ref(), &now)?,
        }
        self.break_a_rule();
        let waiting: Vec<String> = self
            .slot
            .queue
            .iter()
            .map(|waiter| waiter.correlation_id.clone())
            .collect();
        self.line.retain(|id| waiting.contains(id));
        let new: Vec<String> = waiting
            .into_iter()
            .filter(|id| !self.line.contains(id))
            .collect();
        self.line.extend(new);
        Ok(())
    }

    fn register(&mut self, who: usize, heard: bool, now: &Now) -> Checked {
        let id = IDS[who];
        let first = self.first_in_line(now);
        let kept = self.is_kept_for(id);
        let held = if self.broken == Broken::Exclusion {
            std::mem::take(&mut self.slot.holds)
        } else {
            Vec::new()
        };
        let mut asked = request(id);
        let last_token = self.slot.last_token;
        if self.broken == Broken::Tokens {
            self.slot.last_token = 0;
            asked.server_time = Some(Timestamp::from_seconds(NOON));
        }
        let answer = self.slot.register(&asked, &nobody(), &|_| true, now);
        self.slot.holds.splice(0..0, held);
        match &answer {
            Registration::Granted(entry) => {
                count(&self.tally.grants);
                if let Some(right) = &self.right {
                    return Err(format!("{id} was told that it holds, as {right:?} was"));
                }
                if !kept {
                    in_turn(id, first.as_deref())?;
                }
                let token = entry.fencing_token.unwrap_or(0);
                if self.tokens.last() >= Some(&token) {
                    return Err(format!("token {token} after {:?}", self.tokens.last()));
                }
                self.tokens.push(token);
                self.right = Some(Right {
                    id: id.to_owned(),
                    last_beat: self.time,
                });
            }
            Registration::Already(_) | Registration::Different(..) | Registration::Refused(_) => {
                self.slot.last_token = last_token;
            }
        }
        if let (true, Registration::Granted(entry) | Registration::Already(entry)) = (heard, answer)
        {
            self.callers[who].believes = Some(*entry);
        }
        Ok(())
    }

    fn beat(&mut self, request: &Request, heard: bool, now: &Now) {
        let id = IDS[request.from];
        let answer = self.slot.beat(id, request.known.as_ref(), now);
        let still = match answer {
            BeatAnswer::StillHolds(entry) => Some(*entry),
            BeatAnswer::Failed(_)
            | BeatAnswer::Abandoned(_)
            | BeatAnswer::Ended(_)
            | BeatAnswer::Lost(_)
            | BeatAnswer::NeverSeen => None,
        };
        if still.is_some() {
            self.right = Some(Right {
                id: id.to_owned(),
                last_beat: self.time,
            });
        }
        if heard {
            self.callers[request.from].believes = still;
        }
    }

    fn bury(&mut self, dead: Option<&(String, Beat, String)>, now: &Now) -> Checked {
        let Some((id, seen, proof)) = dead else {
            return Ok(());
        };
        let seen = match (self.broken, self.slot.holds.first()) {
            (Broken::FreshProof, Some(entry)) => entry.last_beat(),
            _ => seen.clone(),
        };
        if self.slot.abandon(id, &seen, proof, now).is_none() {
            return Ok(());
        }
        count(&self.tally.buried);
        let lease = Leases::default().registered.as_secs();
        match self.right.take() {
            Some(right) if right.id != *id || self.time - right.last_beat < lease => {
                Err(format!("{right:?} was buried alive at {}", self.time))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn break_a_rule(&mut self) {
        match self.broken {
            Broken::Order => self.slot.queue.reverse(),
            Broken::DeathOfWaiters => {
                for waiter in &mut self.slot.queue {
                    waiter.lease = Duration::from_secs(1 << 40);
                }
            }
            Broken::Nothing
            | Broken::Exclusion
            | Broken::Tokens
            | Broken::DeathOfHolders
            | Broken::FreshProof => {}
        }
    }

    fn is_kept_for(&self, id: &str) -> bool {
        let kept = self.slot.reservation.as_ref();
        kept.is_some_and(|kept| kept.correlation_id == id)
    }

    // Who waits longest of those that live.
    fn first_in_line(&self, now: &Now) -> Option<String> {
        let lives = |id: &&String| {
            let waiter = self
                .slot
                .queue
                .iter()
                .find(|waiter| waiter.correlation_id == **id);
            waiter.is_some_and(|waiter| now.age(&waiter.beat) <= LEASE)
        };
        self.line.iter().find(lives).cloned()
    }

    fn check(&self) -> Checked {
        if self.slot.holds.len() > 1 {
            return Err(format!("two holders: {:?}", self.slot.holds));
        }
        let waiting: Vec<&str> = self
            .slot
            .queue
            .iter()
            .map(|waiter| waiter.correlation_id.as_str())
            .collect();
        let twice = (1..waiting.len()).any(|at| waiting[..at].contains(&waiting[at]));
        let holder_waits = |entry: &Entry| waiting.contains(&entry.correlation_id.as_str());
        if twice || self.slot.holds.iter().any(holder_waits) {
            return Err(format!("one waits twice, or holds too: {waiting:?}"));
        }
        Ok(())
    }

    /// From here on nothing goes wrong any more: everybody in line polls and is served in turn, each as soon as the one before has
    /// ended.
    fn serves_in_turn(&mut self) -> Checked {
        self.under_way.clear();
        self.slot.settle(&at(self.time));
        let waiting = self.line.clone();
        let alive = self.first_in_line(&at(self.time));
        let expected: Vec<String> = waiting
            .into_iter()
            .filter(|id| {
                self.slot
                    .queue
                    .iter()
                    .any(|waiter| waiter.correlation_id == *id)
            })
            .collect();
        if alive != expected.first().cloned() {
            return Err(format!("{alive:?} is first, but {expected:?} wait"));
        }
        for id in &expected {
            poll(&mut self.slot, &ask(id), &at(self.time));
        }
        let mut served = Vec::new();
        for _ in 0..expected.len() {
            self.end_who_is_before(&expected);
            self.time += 10;
            for id in expected.iter().filter(|id| !served.contains(*id)) {
                poll(&mut self.slot, &ask(id), &at(self.time));
            }
            let next = self.slot.reservation.as_ref();
            let next = next.map(|kept| kept.correlation_id.clone());
            let Some(next) = next else {
                return Err(format!("nobody is served of {expected:?} after {served:?}"));
            };
            if !granted(&register(&mut self.slot, &next, &at(self.time))) {
                return Err(format!("{next} was promised it and did not get it"));
            }
            count(&self.tally.served_from_the_queue);
            served.push(next);
        }
        if served == expected {
            Ok(())
        } else {
            Err(format!("{expected:?} were served as {served:?}"))
        }
    }

    // Whoever holds it, or was promised it before the line was.
    fn end_who_is_before(&mut self, line: &[String]) {
        let holds = self.slot.holds.iter().map(|entry| &entry.correlation_id);
        let kept = self.slot.reservation.iter();
        let kept = kept
            .map(|kept| &kept.correlation_id)
            .filter(|id| !line.contains(id));
        let ids: Vec<String> = holds.chain(kept).cloned().collect();
        for id in ids {
            self.slot.end(&end(&id, Ending::Success), &at(self.time));
        }
    }

    /// After all have died, the environment is free for the next one.
    fn ends_free(mut self) -> Checked {
        self.time += 121 * 60;
        let now = at(self.time);
        if let Some(entry) = self.slot.holds.first().cloned()
            && self.broken != Broken::DeathOfHolders
        {
            let proof = proof(&entry, &now).ok_or("a dead holder keeps its hold")?;
            self.slot
                .abandon(&entry.correlation_id, &entry.last_beat(), &proof, &now);
        }
        match register(&mut self.slot, "next", &now) {
            Registration::Granted(_) => Ok(()),
            other => Err(format!("all are dead, and the next one is told {other:?}")),
        }
    }
}

fn in_turn(id: &str, first: Option<&str>) -> Checked {
    match first {
        Some(first) if first != id => Err(format!("{id} was served before {first}")),
        Some(_) | None => Ok(()),
    }
}

fn proof(entry: &Entry, now: &Now) -> Option<String> {
    let idle = Evidence {
        stacks_idle: true,
        run_over: None,
    };
    Leases::default().proof_of_death(entry, &idle, now)
}

fn play(steps: &[Step], broken: Broken, tally: &Tally) -> Checked {
    let mut world = World::new(broken, tally);
    for step in steps {
        world.take(step)?;
        // The store writes and reads the slot between any two steps.
        let stored = crate::store::format::slot_to_value(&world.slot);
        let read = crate::store::format::slot_from_value("production", &stored);
        let read = read.map_err(|error| error.to_string())?;
        if strip(&read) != strip(&world.slot) {
            return Err(format!("{:?} was read as {read:?}", world.slot));
        }
    }
    world.serves_in_turn()?;
    world.ends_free()
}

fn outcome(cases: u32, broken: Broken, tally: &Tally) -> Result<(), TestError<Vec<Step>>> {
    let config = ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 0,
        ..ProptestConfig::with_cases(cases)
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, rng).run(&steps(), |steps| {
        play(&steps, broken, tally).map_err(TestCaseError::fail)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn never_two_holders_nobody_out_of_turn_no_token_twice_and_always_free_again(steps in steps()) {
        if let Err(wrong) = play(&steps, Broken::Nothing, &Tally::default()) {
            prop_assert!(false, "{}", wrong);
        }
    }
}

#[test]
fn the_model_has_everything_in_it_that_can_go_wrong() {
    let tally = Tally::default();
    outcome(400, Broken::Nothing, &tally).unwrap();
    let seldom = [
        &tally.grants,
        &tally.lost_answers,
        &tally.repeated,
        &tally.after_a_crash,
        &tally.buried,
        &tally.served_from_the_queue,
    ]
    .iter()
    .any(|count| count.get() < 10);
    assert!(!seldom, "{tally:?}");
}

/// The negative control: with one rule taken away the model finds the wrong.
#[test]
fn without_any_one_rule_the_model_fails() {
    for (broken, words) in [
        (Broken::Exclusion, "was told that it holds"),
        (Broken::Tokens, "token "),
        (Broken::Order, " served "),
        (Broken::DeathOfHolders, "all are dead"),
        (Broken::DeathOfWaiters, ""),
        (Broken::FreshProof, "was buried alive"),
    ] {
        let found = outcome(2000, broken, &Tally::default());
        let Err(TestError::Fail(why, _)) = found else {
            panic!("{broken:?} was not noticed: {found:?}");
        };
        assert!(why.message().contains(words), "{broken:?}: {why}");
    }
}

// What was kept of unknown fields is not what the slot means.
fn strip(slot: &Slot) -> Slot {
    let mut slot = slot.clone();
    slot.kept = Kept::default();
    for entry in slot.holds.iter_mut().chain(&mut slot.past) {
        entry.kept = Kept::default();
        if let Some(ended) = &mut entry.ended {
            ended.kept = Kept::default();
            ended.at = Timestamp::from_seconds(ended.at.seconds());
        }
    }
    for waiter in &mut slot.queue {
        waiter.kept = Kept::default();
    }
    if let Some(reservation) = &mut slot.reservation {
        reservation.kept = Kept::default();
    }
    for tombstone in &mut slot.ended {
        tombstone.kept = Kept::default();
        tombstone.ended.kept = Kept::default();
    }
    slot
}
