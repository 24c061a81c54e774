//! The end of a deployment: what it came to, and what has to be told and put away.

use std::time::Duration;

use registry_core::notification::Notification;
use registry_core::progress::{Verdict, verdict_of};
use registry_core::registry::{Found, Registry};
use registry_core::slot::{Entry, Outcome};

use super::Plan;
use super::course::{Course, Exit};
use crate::args;
use crate::cleanup::{self, By};
use crate::outcome;
use crate::world::World;

/// What a deployment came to.
pub(super) struct Report {
    pub(super) exit: Exit,
    /// Rounded to whole minutes where it is told.
    pub(super) took: Duration,
    /// The stack's own word, where it says otherwise than COMMAND's success.
    undone: Option<String>,
    first_cause: Option<String>,
    /// No stack operation belongs to this deployment: what it took says nothing about the next one.
    never_moved: bool,
}

impl Report {
    /// Whole minutes, rounded; one at least, as the history wants it.
    pub(super) fn minutes(&self) -> u64 {
        ((self.took.as_secs() + 30) / 60).max(1)
    }

    fn succeeded(&self, course: &Course) -> bool {
        let ended = course.lost.is_some() && course.was_ended();
        self.exit == Exit::Code(0) && self.undone.is_none() && !ended
    }
}

/// Ends the hold (if there is one) and says what the deployment came to. Never fails: what cannot be put away now is told, and
/// goes by itself later.
pub(super) fn put_away(
    world: &World,
    plan: &Plan,
    registry: &Registry,
    course: &Course,
    exit: Exit,
    took: Duration,
) -> Report {
    let console = world.console();
    let mut result = Report {
        exit,
        took,
        undone: None,
        first_cause: None,
        never_moved: false,
    };
    let held = match registry.find(&plan.id) {
        Ok(Found::Held(entry)) => Some(entry),
        Ok(Found::Failed(_) | Found::Abandoned(_) | Found::Ended(_) | Found::NeverSeen)
        | Err(_) => None,
    };
    result.take(held.as_ref().and_then(|entry| entry.last_outcome.as_ref()));
    // Somebody else has ended it, or holds the environment by now: nothing there is ours any more.
    if course.lost.is_some() {
        return result;
    }
    let success = result.succeeded(course);
    if let Some(entry) = held.filter(|_| success && course.stopped_by.is_none()) {
        result.never_moved = never_moved(world, &entry);
    }
    let words = args::Cleanup {
        id: plan.id.clone(),
        outcome: Some(if success {
            args::Outcome::Success
        } else {
            args::Outcome::Failed
        }),
        purge: false,
        reason: (!success).then(|| reason(plan, course, exit)),
    };
    let by = By {
        own: true,
        // Who was asked to stop has seconds left, and its end has no cause to look for.
        ask: course.stopped_by.is_none(),
    };
    match cleanup::end(world, registry, &words, by) {
        Ok(done) => {
            if let Some(outcome) = &done.verdicts.outcome {
                result.take(Some(outcome));
            }
            done.tell_about_the_stack(world);
        }
        Err(error) => console.warning(&format!(
            "the hold could not be ended, it goes by itself 15 minutes from now (or with deployment-coordinator cleanup {}): {error}",
            plan.id
        )),
    }
    result
}

// Whether the stacks say that nothing was done with them. An outcome that the monitor wrote down tells of an operation.
fn never_moved(world: &World, entry: &Entry) -> bool {
    entry.last_outcome.is_none()
        && outcome::read(world, entry).is_ok_and(|reading| reading.moved == Some(false))
}

impl Report {
    fn take(&mut self, outcome: Option<&Outcome>) {
        let Some(outcome) = outcome else { return };
        if self.first_cause.is_none() {
            self.first_cause.clone_from(&outcome.first_cause);
        }
        let failed = verdict_of(&outcome.stack_status, false) == Some(Verdict::Failed);
        if failed && self.exit == Exit::Code(0) {
            self.undone = Some(outcome.stack_status.as_str().to_owned());
        }
    }
}

// Why a deployment has failed, for the registry.
fn reason(plan: &Plan, course: &Course, exit: Exit) -> String {
    let how = format!("{} {}", plan.shown, exit.words());
    match (&course.lost, course.stopped_by) {
        (Some(why), _) => format!("the hold was lost: {why}; {how}"),
        (None, Some(signal)) => format!("stopped by {}; {how}", signal.name()),
        (None, None) => how,
    }
}

/// What Slack is told about the end.
pub(super) fn notification(plan: &Plan, course: &Course, result: &Report) -> Notification {
    let id = plan.id.to_string();
    let environment = plan.target.environment.to_string();
    if result.succeeded(course) {
        return Notification::Complete {
            id,
            environment,
            minutes: result.minutes().to_string(),
            url: plan.url.clone(),
        };
    }
    let how = match &result.undone {
        Some(status) => format!(
            "{} {}, but the stack is in {status}",
            plan.shown,
            result.exit.words()
        ),
        None => reason(plan, course, result.exit),
    };
    let error = match &result.first_cause {
        Some(cause) => format!("{cause} ({how})"),
        None => how,
    };
    Notification::Failed {
        id,
        environment,
        error,
        stack: Some(plan.target.names().join(",")),
    }
}

/// Tells the person how it ended.
pub(super) fn tell(world: &World, plan: &Plan, course: &Course, result: &Report) {
    let console = world.console();
    let took = registry_core::clock::human_duration(Duration::from_secs(result.took.as_secs()));
    let Notification::Failed { error, .. } = notification(plan, course, result) else {
        if result.never_moved {
            console.warning(
                "the stack never moved during this deployment; its duration is not counted in the history",
            );
        }
        console.success(&format!(
            "{} deployed {} in {took}",
            plan.id, plan.target.environment
        ));
        return;
    };
    console.error(&format!(
        "{} has not deployed {}, after {took}: {error}",
        plan.id, plan.target.environment
    ));
}

/// Notes in the history what a successful deployment took, if its stack moved at all.
pub(super) fn record(world: &World, plan: &Plan, course: &Course, result: &Report) {
    if !result.succeeded(course) || result.never_moved {
        return;
    }
    let history = match world.history() {
        Ok(history) => history,
        Err(error) => {
            world.console().warning(&error.to_string());
            return;
        }
    };
    let changed = history.change(&mut |history, now| {
        for stack in &plan.target.stacks {
            history.add_deployment(plan.id.as_str(), stack.name(), result.minutes(), now);
        }
    });
    match changed {
        Ok(None) => {}
        Ok(Some(warning)) => world.console().warning(&warning),
        Err(error) => world.console().warning(&error.to_string()),
    }
}
