//! The seven programs' command lines.

use clap::Command;

/// Every program, complete: with the full name of each of its commands.
pub(crate) fn all() -> Vec<Command> {
    let mut all = vec![
        deployment_coordinator::command(),
        deployment_monitor::command(),
        slack_notifier::command(),
        monitor_recovery::command(),
        slack_retry_queue::command(),
        registry_fallback::command(),
        deployment_time_estimator::command(),
    ];
    for command in &mut all {
        command.build();
    }
    all
}

/// The commands of a program that people use; those that programs start among themselves are hidden.
pub(crate) fn shown(program: &Command) -> impl Iterator<Item = &Command> {
    program
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
}
