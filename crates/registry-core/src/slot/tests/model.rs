//! Everything that can happen to an environment, in any order, with crashes, lost replies and repeated calls.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const IDS: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Debug, Clone)]
enum Step {
    /// Whoever asks; a lost reply is the same call once more.
    Register(usize),
    Reserve(usize),
    Enqueue(usize),
    Poll(usize),
    Answered(usize),
    Leave(usize),
    Beat(usize),
    End(usize, bool),
    Abandon,
    Pass(u64),
    /// A person empties the file.
    Emptied,
}

fn step() -> impl Strategy<Value = Step> {
    let id = 0..IDS.len();
    prop_oneof![
        4 => id.clone().prop_map(Step::Register),
        2 => id.clone().prop_map(Step::Reserve),
        2 => id.clone().prop_map(Step::Enqueue),
        4 => id.clone().prop_map(Step::Poll),
        1 => id.clone().prop_map(Step::Answered),
        1 => id.clone().prop_map(Step::Leave),
        2 => id.clone().prop_map(Step::Beat),
        2 => (id, any::<bool>()).prop_map(|(id, failed)| Step::End(id, failed)),
        1 => Just(Step::Abandon),
        3 => (1_u64..200).prop_map(Step::Pass),
        1 => Just(Step::Emptied),
    ]
}

#[derive(Default)]
struct World {
    slot: Slot,
    time: u64,
    /// What each holder believes it holds, until it is told otherwise.
    believed: BTreeMap<&'static str, Entry>,
    tokens: Vec<u64>,
}

impl World {
    fn take(&mut self, step: &Step) {
        let now = at(self.time);
        match step {
            Step::Register(who) => {
                let id = IDS[*who];
                let first = self
                    .slot
                    .queue
                    .iter()
                    .find(|waiter| now.age(&waiter.beat) <= LEASE)
                    .map(|waiter| waiter.correlation_id.clone());
                let kept = self.slot.reservation.clone();
                if let Registration::Granted(entry) = register(&mut self.slot, id, &now) {
                    let kept_for_it = kept.is_some_and(|kept| kept.correlation_id == id);
                    assert!(
                        kept_for_it || first.is_none() || first.as_deref() == Some(id),
                        "{id} was served before {first:?}"
                    );
                    let token = entry.fencing_token.unwrap();
                    assert!(
                        self.tokens.last() < Some(&token),
                        "token {token} came again"
                    );
                    self.tokens.push(token);
                    self.believed.insert(id, *entry);
                }
            }
            Step::Reserve(who) => {
                reserve(&mut self.slot, IDS[*who], &now);
            }
            Step::Enqueue(who) => self.slot.enqueue(&ask(IDS[*who]), &now),
            Step::Poll(who) => {
                poll(&mut self.slot, &ask(IDS[*who]), &now);
            }
            Step::Answered(who) => self.slot.answered(IDS[*who]),
            Step::Leave(who) => self.slot.leave(IDS[*who]),
            Step::Beat(who) => {
                let id = IDS[*who];
                let known = self.believed.get(id).cloned();
                match self.slot.beat(id, known.as_ref(), &now) {
                    BeatAnswer::StillHolds(_) => {}
                    BeatAnswer::Failed(_)
                    | BeatAnswer::Abandoned(_)
                    | BeatAnswer::Ended(_)
                    | BeatAnswer::Lost(_)
                    | BeatAnswer::NeverSeen => {
                        self.believed.remove(id);
                    }
                }
            }
            Step::End(who, failed) => {
                let ending = if *failed {
                    Ending::Failed
                } else {
                    Ending::Success
                };
                self.slot.end(&end(IDS[*who], ending), &now);
                self.believed.remove(IDS[*who]);
            }
            Step::Abandon => {
                if let Some(entry) = self.slot.holds.first().cloned() {
                    self.slot
                        .abandon(&entry.correlation_id, &entry.last_beat(), "proof", &now);
                }
            }
            Step::Pass(seconds) => self.time += seconds,
            Step::Emptied => {
                // By hand, so not within the second of a registration, from which the next token is made.
                self.time += 60;
                self.slot = Slot::new("production");
            }
        }
    }

    fn check(&self) {
        assert!(
            self.slot.holds.len() <= 1,
            "two holders: {:?}",
            self.slot.holds
        );
        let mut waiting: Vec<&str> = self
            .slot
            .queue
            .iter()
            .map(|waiter| waiter.correlation_id.as_str())
            .collect();
        waiting.sort_unstable();
        waiting.dedup();
        assert_eq!(waiting.len(), self.slot.queue.len(), "one waits twice");
        if let Some(holder) = self.slot.holds.first() {
            assert!(
                !waiting.contains(&holder.correlation_id.as_str()),
                "the holder waits"
            );
        }
    }

    /// After all have died, the environment is free for the next one.
    fn ends_free(mut self) {
        let leases = Leases::default();
        self.time += 121 * 60;
        let now = at(self.time);
        let idle = Evidence {
            stacks_idle: true,
            run_over: None,
        };
        if let Some(entry) = self.slot.holds.first().cloned() {
            let proof = leases
                .proof_of_death(&entry, &idle, &now)
                .expect("a dead holder keeps its hold");
            self.slot
                .abandon(&entry.correlation_id, &entry.last_beat(), &proof, &now);
        }
        assert!(granted(&register(&mut self.slot, "next", &now)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn never_two_holders_nobody_out_of_turn_and_always_free_again(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World { slot: Slot::new("production"), ..World::default() };
        for step in &steps {
            world.take(step);
            world.check();
            // The store writes and reads the slot between any two steps.
            let stored = crate::store::format::slot_to_value(&world.slot);
            let read = crate::store::format::slot_from_value("production", &stored).unwrap();
            prop_assert_eq!(strip(&read), strip(&world.slot));
        }
        world.ends_free();
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
