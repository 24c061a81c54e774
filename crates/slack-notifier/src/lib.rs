//! `slack-notifier`: tells Slack what happened to a deployment, and never stops the deployment over it. Wiring only: how
//! messages look and arrive is `slack-client`'s. See docs/ARCHITECTURE.md.
#![warn(missing_docs)]

mod active;
mod args;
mod doctor;
mod send;

use std::process::ExitCode;

use command_line::{Arguments as _, Console, Context, Status};

use args::{Args, Wanted};

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
    let wanted = match args.wanted() {
        Ok(wanted) => wanted,
        Err(sentence) => {
            Console::for_process().error(&sentence);
            return Status::CannotTell;
        }
    };
    let (context, broken) = Context::load_anyway();
    if let Some(error) = broken {
        context
            .console
            .warning(&format!("{error}; the built-in settings count instead"));
    }
    match wanted {
        Wanted::Message(message) => send::send(&context, *message),
        Wanted::Doctor { json } => doctor::run(&context, json),
    }
}
