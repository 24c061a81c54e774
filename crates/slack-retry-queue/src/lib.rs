//! `slack-retry-queue`: what Slack does not have yet. Wiring only: the queue itself is `slack-client`'s. See
//! docs/ARCHITECTURE.md.
#![warn(missing_docs)]

mod args;
mod process;
mod queue;
mod retry_dead;
mod show;
mod status;

use std::process::ExitCode;
use std::sync::Arc;

use command_line::{Arguments as _, Context, Status};
use registry_core::clock::SystemClock;
use slack_client::Slack;

use args::{Args, Command};

/// The words of the command line, for who writes documents and completions from them.
#[must_use]
pub fn command() -> clap::Command {
    <Args as clap::CommandFactory>::command()
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    match Args::read() {
        Ok(args) => run(args).into(),
        Err(status) => status.into(),
    }
}

fn run(args: Args) -> Status {
    // What a broken settings file keeps from being sent is kept for when it is mended.
    let (context, broken) = Context::load_anyway();
    let console = &context.console;
    if let Some(error) = broken {
        console.warning(&format!("{error}; the built-in settings count instead"));
    }
    let slack = Slack::from_settings(&context.settings, Arc::new(SystemClock::default()));
    for warning in slack.warnings() {
        console.warning(warning);
    }
    let result = match args.command {
        Command::Queue(words) => queue::run(&slack, console, words),
        Command::Process(words) => process::run(&slack, console, &words),
        Command::Status(words) => status::run(&slack, &words),
        Command::RetryDead(words) => retry_dead::run(&slack, console, &words),
        Command::Show(words) => show::run(&slack, console, &words),
    };
    result.unwrap_or_else(|sentence| {
        console.error(&sentence);
        Status::CannotTell
    })
}
