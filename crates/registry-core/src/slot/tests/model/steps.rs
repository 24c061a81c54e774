//! What can happen, and in which mixture.

use proptest::prelude::*;

use crate::slot::{Beat, Entry};

pub(super) const IDS: [&str; 4] = ["a", "b", "c", "d"];

/// What a caller asks for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wish {
    Register,
    Reserve,
    Enqueue,
    Poll,
    Answered,
    Leave,
    Beat,
    End {
        failed: bool,
        evicts: usize,
    },
    /// Looks whether the holder is dead, and takes its hold away if so.
    Bury,
}

/// A request on its way, with what its sender knew when it was sent.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) from: usize,
    pub(super) wish: Wish,
    /// The sender's hold.
    pub(super) known: Option<Entry>,
    /// Whom it has seen dead, and the proof.
    pub(super) dead: Option<(String, Beat, String)>,
    /// It was delivered before.
    pub(super) again: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Send(usize, Wish),
    /// One of the requests on their way arrives; whether its sender hears the answer, and whether it will arrive once more.
    Deliver {
        which: usize,
        heard: bool,
        again: bool,
    },
    /// One of them never arrives.
    Lose(usize),
    /// Its requests stay on their way.
    Crash(usize),
    /// It knows nothing of what it was.
    Restart(usize),
    Pass(u64),
    /// A person empties the file.
    Empty,
}

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        4 => Just(Wish::Register),
        2 => Just(Wish::Reserve),
        2 => Just(Wish::Enqueue),
        4 => Just(Wish::Poll),
        1 => Just(Wish::Answered),
        1 => Just(Wish::Leave),
        2 => Just(Wish::Beat),
        2 => (any::<bool>(), 0..IDS.len() * 4).prop_map(|(failed, evicts)| Wish::End { failed, evicts }),
        2 => Just(Wish::Bury),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..IDS.len();
    prop_oneof![
        12 => (who.clone(), wish()).prop_map(|(who, wish)| Step::Send(who, wish)),
        14 => (any::<usize>(), prop::bool::weighted(0.7), prop::bool::weighted(0.2))
            .prop_map(|(which, heard, again)| Step::Deliver { which, heard, again }),
        1 => any::<usize>().prop_map(Step::Lose),
        1 => who.clone().prop_map(Step::Crash),
        1 => who.prop_map(Step::Restart),
        3 => (1_u64..200).prop_map(Step::Pass),
        1 => (3_600_u64..10_000).prop_map(Step::Pass),
        1 => Just(Step::Empty),
    ]
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..100)
}
