//! The one that kills and stops: whatever process goes, at any moment, by a seed.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use registry_core::clock::{Clock as _, SystemClock};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Numbers that look random and come again with the same seed (SplitMix64, Steele and others 2014).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }
}

pub(crate) fn sleep(milliseconds: u64) {
    let _woken = SystemClock::default().sleep(Duration::from_millis(milliseconds));
}

/// The processes that go, through descriptors: a pid may be somebody else's by the time a signal is sent.
#[derive(Default)]
pub(crate) struct Prey {
    going: Mutex<BTreeMap<usize, OwnedFd>>,
    over: AtomicBool,
    pub(crate) killed: AtomicUsize,
    pub(crate) stopped: AtomicUsize,
}

impl Prey {
    /// `child` is hunted until [`Prey::spare`] is called for the same worker.
    pub(crate) fn hunt(&self, worker: usize, child: &Child) {
        let descriptor = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).unwrap();
        self.lock().insert(worker, descriptor);
    }

    pub(crate) fn spare(&self, worker: usize) {
        self.lock().remove(&worker);
    }

    /// No more processes begin, and the killing ends.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<usize, OwnedFd>> {
        self.going.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // One that has ended meanwhile is no loss.
    fn send(&self, nth: u64, signal: Signal) -> Option<usize> {
        let going = self.lock();
        let (worker, descriptor) = going.iter().nth(nth as usize % going.len().max(1))?;
        pidfd_send_signal(descriptor, signal).ok()?;
        Some(*worker)
    }

    fn send_to(&self, worker: usize, signal: Signal) {
        if let Some(descriptor) = self.lock().get(&worker) {
            // As above.
            let _ended = pidfd_send_signal(descriptor, signal);
        }
    }

    /// Kills one after the other.
    pub(crate) fn kill_at_random(&self, mut dice: Dice) {
        while !self.is_over() {
            sleep(50 + dice.below(350));
            if self.send(dice.below(1 << 32), Signal::KILL).is_some() {
                self.killed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Stops one after the other for up to `longest` milliseconds; some are killed while they stand still.
    pub(crate) fn stop_at_random(&self, mut dice: Dice, longest: u64) {
        while !self.is_over() {
            sleep(50 + dice.below(350));
            let Some(worker) = self.send(dice.below(1 << 32), Signal::STOP) else {
                continue;
            };
            self.stopped.fetch_add(1, Ordering::Relaxed);
            sleep(dice.below(longest));
            let wakes = dice.below(4) > 0;
            self.send_to(worker, if wakes { Signal::CONT } else { Signal::KILL });
        }
    }
}
