//! What is known of silent holders from outside: their stacks, and what GitHub says about their runs.

use crate::clock::Timestamp;
use crate::decide::{Seen, all_idle, look};
use crate::ids::StackName;
use crate::slot::{Entry, Evidence, Leases, Now};
use crate::stack::StackSource;

/// What GitHub says about the run that made a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// This attempt, or the job on this runner, is over, or a newer attempt exists; in words for people.
    Over(String),
    /// It goes on.
    Running,
    /// GitHub could not be asked, or does not know the run: proves nothing.
    CannotTell(String),
}

/// The door through which GitHub's runs are seen.
pub trait RunSource {
    /// The state of the run attempt, or of the job on `runner`, that made a hold.
    fn state(&self, run_id: &str, attempt: Option<u64>, runner: Option<&str>) -> RunState;
}

/// Gathers what is known of the holder `entry`: asks for its stacks (unless `seen` has them) and, if it has been silent for long
/// enough and `runs` is there, GitHub. Nothing is asked about a holder that beats.
pub fn gather(
    entry: &Entry,
    seen: &[Seen],
    source: &dyn StackSource,
    runs: Option<&dyn RunSource>,
    leases: &Leases,
    now: &Now,
) -> Evidence {
    if !leases.worth_asking(entry, now) {
        return Evidence::default();
    }
    let stacks_idle = stacks_idle(entry, seen, source, now.at);
    if !stacks_idle {
        return Evidence::default();
    }
    let run = entry.workflow_run_id.as_deref();
    let state = runs
        .zip(run)
        .map(|(runs, run)| runs.state(run, entry.run_attempt, entry.runner.as_deref()));
    Evidence {
        stacks_idle,
        run_over: match state {
            Some(RunState::Over(word)) => Some(word),
            Some(RunState::Running | RunState::CannotTell(_)) | None => None,
        },
    }
}

fn stacks_idle(entry: &Entry, seen: &[Seen], source: &dyn StackSource, local: Timestamp) -> bool {
    let mut all = Vec::new();
    for name in &entry.stacks {
        if let Some(known) = seen.iter().find(|seen| seen.stack.as_str() == name) {
            all.push(known.clone());
            continue;
        }
        let Ok(stack) = name.parse::<StackName>() else {
            return false;
        };
        all.extend(look(source, &[stack]));
    }
    if entry.stacks.is_empty() {
        // An old entry that names no stack: the environment's own are all we can look at.
        return all_idle(seen, local);
    }
    all_idle(&all, local)
}
