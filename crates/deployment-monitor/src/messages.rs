//! What people are told, in words.

use std::time::Duration;

use registry_core::advice::{self, WayOut};
use registry_core::clock::{Timestamp, human_duration, whole_minutes};
use registry_core::ids::StackName;
use registry_core::progress::{Failure, Phase, ResourceRow, StackProgress, Verdict, verdict_of};
use registry_core::stack::StackStatus;

/// How many resources a message names before it only counts them.
const NAMED: usize = 10;

/// How long a resource of a type usually takes; `None` where nothing is known.
pub(crate) type Usual<'a> = &'a dyn Fn(&ResourceRow) -> Option<Duration>;

/// The first failure, with what failed along with it and what happens now.
pub(crate) fn first_failure(progress: &StackProgress, failure: &Failure) -> String {
    let mut text = format!("A resource failed: {}", failure.sentence());
    let companions: Vec<String> = progress
        .co_causes()
        .iter()
        .map(|other| other.chain.join(" > "))
        .collect();
    if !companions.is_empty() {
        text += &format!(
            " (within seconds also failed, each for its own reason: {})",
            listed(&companions)
        );
    }
    text
}

/// A stall: what is still in progress, for how long, what is usual, what it waits for.
pub(crate) fn stall(progress: &StackProgress, now: Timestamp, usual: Usual<'_>) -> String {
    let running = progress.in_progress();
    if running.is_empty() {
        return format!(
            "No resource is in progress; the stack itself is {}.",
            progress.phase().words()
        );
    }
    let mut lines: Vec<String> = running
        .iter()
        .take(NAMED)
        .map(|row| format!("- {}", still_running(progress, row, now, usual)))
        .collect();
    if running.len() > NAMED {
        lines.push(format!("- and {} more", running.len() - NAMED));
    }
    lines.join("\n")
}

fn still_running(
    progress: &StackProgress,
    row: &ResourceRow,
    now: Timestamp,
    usual: Usual<'_>,
) -> String {
    let name = progress.chain(&row.stack_id, &row.logical_id).join(" > ");
    let age = row.took(now).map_or_else(
        || "for an unknown time".to_owned(),
        |age| format!("for {}", human_duration(age)),
    );
    let usually = usual(row).map_or_else(
        || "no history of this type".to_owned(),
        |span| format!("usually {}", human_duration(span)),
    );
    let mut text = format!(
        "{name} ({}), {} {age} ({usually})",
        row.resource_type,
        row.action.doing()
    );
    if row.configured_at.is_some() {
        text += "; its configuration is complete, only its consistency is still being checked";
    }
    if let Some(waits) = advice::waits_for(&row.resource_type) {
        text += &format!("; it waits for {waits}");
    }
    text
}

/// What is going on, for a progress message: `Creating RDS instance...` in the guide, here with names and ages.
pub(crate) fn progress(progress: &StackProgress, now: Timestamp) -> String {
    let counts = progress.counts();
    let running = progress.in_progress();
    let mut text = format!("{} done, {} in progress", counts.done, counts.in_progress);
    if counts.failed > 0 {
        text += &format!(", {} failed", counts.failed);
    }
    let names: Vec<String> = running
        .iter()
        .take(5)
        .map(|row| {
            let age = row.took(now).map(human_duration).unwrap_or_default();
            format!("{} {} ({age})", row.action.doing(), row.logical_id)
        })
        .collect();
    if !names.is_empty() {
        text += &format!(": {}", names.join(", "));
    }
    if running.len() > 5 {
        text += &format!(" and {} more", running.len() - 5);
    }
    text
}

/// The operation takes longer than `MAX_DURATION`.
pub(crate) fn overrun(progress: &StackProgress, now: Timestamp, limit: Duration) -> String {
    let elapsed = progress.elapsed(now).unwrap_or_default();
    format!(
        "The deployment has been {} for {} minutes, longer than the {} minutes it should take at most. {}",
        progress.phase().words(),
        whole_minutes(elapsed),
        whole_minutes(limit),
        self::progress(progress, now)
    )
}

/// A stack that only a person can help.
pub(crate) fn question(
    status: &StackStatus,
    stack: &StackName,
    cause: Option<&str>,
) -> Option<String> {
    let steps = advice::next_steps(status, stack)?;
    let why = cause.map_or_else(String::new, |cause| format!(" First cause: {cause}."));
    Some(format!(
        "The stack is {status} and needs a person.{why} What should be done? {steps}"
    ))
}

/// How a failed attempt ended.
pub(crate) fn failed(progress: &StackProgress, status: &StackStatus) -> String {
    let mut text = format!("the deployment failed: the stack is {status}");
    if let Some(failure) = progress.first_failure() {
        text += &format!("; first cause: {}", failure.sentence());
    }
    if let Some(failure) = progress.rollback_failure() {
        text += &format!("; the rollback met: {}", failure.sentence());
    }
    text
}

/// The ways out, with their exact commands, for a stack that stands in this state at the end; none where there is nothing to do.
pub(crate) fn next(
    progress: &StackProgress,
    status: &StackStatus,
    stack: &StackName,
) -> Vec<WayOut> {
    match verdict_of(status, progress.is_undone()) {
        Some(Verdict::Failed) => advice::commands_after_failure(status, stack),
        // A deletion that was asked for and failed, a change set that was left behind.
        Some(Verdict::Deployed) | None => advice::next_commands(status, stack),
    }
}

/// [`next`] as lines of the log, a way out each.
pub(crate) fn next_lines(ways: &[WayOut]) -> Vec<String> {
    ways.iter()
        .enumerate()
        .map(|(number, way)| {
            let word = if number == 0 { "next" } else { "or" };
            format!("{word}, to {}: {}", way.to, way.commands.join(" && "))
        })
        .collect()
}

/// What the stack is doing now, as a sentence's beginning: `the stack is rolling back`.
pub(crate) fn phase(phase: Phase) -> String {
    let doing = match phase {
        Phase::Creating => "being created",
        Phase::Updating => "being updated",
        Phase::Importing => "taking resources in",
        Phase::Deleting => "being deleted",
        Phase::NotBegun | Phase::CleaningUp | Phase::RollingBack | Phase::Ended => phase.words(),
    };
    format!("the stack is {doing}")
}

fn listed(names: &[String]) -> String {
    if names.len() <= NAMED {
        return names.join(", ");
    }
    format!(
        "{} and {} more",
        names.get(..NAMED).unwrap_or_default().join(", "),
        names.len() - NAMED
    )
}
