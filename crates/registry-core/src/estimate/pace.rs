//! How quickly CloudFormation itself moves on: the pauses between one resource's end and the next one's beginning. Pure.

use serde::{Deserialize, Serialize};

use super::operation::{Action, Operation, Outcome, Phase, Run};
use super::spread::median;

/// The pauses, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// From the stack's own start to the first resource.
    pub first: f64,
    /// From the end of what a new resource waited for to its beginning.
    pub before_create: f64,
    /// The same for a resource that is changed.
    pub before_update: f64,
    /// The same for a resource that is removed.
    pub before_delete: f64,
    /// From the last resource to the stack's end, where there is no clean-up.
    pub last: f64,
    /// From the last resource to the clean-up of an update.
    pub before_cleanup: f64,
    /// From the beginning of the clean-up to its first resource.
    pub first_cleanup: f64,
    /// From the clean-up's last resource to the stack's end.
    pub after_cleanup: f64,
    /// A clean-up that removes nothing.
    pub empty_cleanup: f64,
}

/// No two events of one cause are further apart; a longer pause had another reason.
const LONGEST_PAUSE: f64 = 5.0;

impl Pace {
    /// What was seen in the operations; what was not is taken from `otherwise`.
    #[must_use]
    pub fn of<'a>(operations: impl IntoIterator<Item = &'a Operation>, otherwise: &Self) -> Self {
        let mut seen = Seen::default();
        for operation in operations {
            seen.add(operation);
        }
        let pick = |mut pauses: Vec<f64>, usual: f64| {
            pauses.sort_by(f64::total_cmp);
            median(&pauses).map_or(usual, |middle| (middle * 100.0).round() / 100.0)
        };
        Self {
            first: pick(seen.first, otherwise.first),
            before_create: pick(seen.before_create, otherwise.before_create),
            before_update: pick(seen.before_update, otherwise.before_update),
            before_delete: pick(seen.before_delete, otherwise.before_delete),
            last: pick(seen.last, otherwise.last),
            before_cleanup: pick(seen.before_cleanup, otherwise.before_cleanup),
            first_cleanup: pick(seen.first_cleanup, otherwise.first_cleanup),
            after_cleanup: pick(seen.after_cleanup, otherwise.after_cleanup),
            empty_cleanup: pick(seen.empty_cleanup, otherwise.empty_cleanup),
        }
    }

    /// The pause before this action on a resource that had to wait.
    #[must_use]
    pub fn before(&self, action: Action) -> f64 {
        match action {
            Action::Create | Action::Import => self.before_create,
            Action::Update | Action::Replace => self.before_update,
            Action::Delete => self.before_delete,
        }
    }
}

#[derive(Default)]
struct Seen {
    first: Vec<f64>,
    before_create: Vec<f64>,
    before_update: Vec<f64>,
    before_delete: Vec<f64>,
    last: Vec<f64>,
    before_cleanup: Vec<f64>,
    first_cleanup: Vec<f64>,
    after_cleanup: Vec<f64>,
    empty_cleanup: Vec<f64>,
}

impl Seen {
    fn add(&mut self, operation: &Operation) {
        let of = |phase| operation.runs.iter().filter(move |run| run.phase == phase);
        if !operation.cut {
            self.first.extend(earliest(of(Phase::Forward)));
        }
        for phase in Phase::ALL {
            let mut released: Vec<f64> = of(*phase).filter_map(Run::released).collect();
            released.sort_by(f64::total_cmp);
            for run in of(*phase) {
                self.handover(&released, run);
            }
        }
        let forward_end = latest(of(Phase::Forward));
        match (operation.outcome, operation.took, operation.cleanup_at) {
            (Outcome::Succeeded, Some(took), None) => {
                self.last.extend(pause(forward_end, Some(took)));
            }
            (Outcome::Succeeded, Some(took), Some(cleanup)) => {
                self.before_cleanup
                    .extend(pause(forward_end, Some(cleanup)));
                match earliest(of(Phase::CleanUp)) {
                    Some(first) => {
                        self.first_cleanup.extend(pause(Some(cleanup), Some(first)));
                        let end = latest(of(Phase::CleanUp));
                        self.after_cleanup.extend(pause(end, Some(took)));
                    }
                    None => self.empty_cleanup.extend(pause(Some(cleanup), Some(took))),
                }
            }
            (Outcome::Running | Outcome::RolledBack | Outcome::Failed, _, _)
            | (Outcome::Succeeded, None, _) => {}
        }
    }

    /// The pause between a resource's beginning and the last release of another before it. `released` is sorted.
    fn handover(&mut self, released: &[f64], run: &Run) {
        let Some(start) = run.start else { return };
        let earlier = released.partition_point(|at| *at <= start);
        let released = earlier.checked_sub(1).map(|last| released[last]);
        let Some(pause) = pause(released, Some(start)) else {
            return;
        };
        match run.action {
            Action::Create | Action::Import => self.before_create.push(pause),
            Action::Update | Action::Replace => self.before_update.push(pause),
            Action::Delete => self.before_delete.push(pause),
        }
    }
}

fn earliest<'a>(runs: impl Iterator<Item = &'a Run>) -> Option<f64> {
    runs.filter_map(|run| run.start.or(run.end))
        .min_by(f64::total_cmp)
}

fn latest<'a>(runs: impl Iterator<Item = &'a Run>) -> Option<f64> {
    runs.filter_map(|run| run.end).max_by(f64::total_cmp)
}

fn pause(from: Option<f64>, to: Option<f64>) -> Option<f64> {
    let pause = to? - from?;
    (0.0..=LONGEST_PAUSE).contains(&pause).then_some(pause)
}
