//! `registry-fallback`: coordination by CloudFormation alone, for when the registry cannot be used. Wiring only: the rules are in
//! `registry-core`. See docs/ARCHITECTURE.md.
#![warn(missing_docs)]

mod args;
mod can_deploy;
mod get_active;
mod look;

use std::process::ExitCode;

use command_line::{Arguments as _, Console, Context, Status};
use registry_core::ids::IdError;
use registry_core::settings::{self, SettingsError};
use registry_core::stack::StackError;
use thiserror::Error;

use args::{Args, Command};

/// Why a command could not do what it was asked; each is one sentence and exit status 2.
#[derive(Debug, Error)]
enum Problem {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Id(#[from] IdError),
    #[error(transparent)]
    Stack(#[from] StackError),
}

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
    let mut context = match Context::load() {
        Ok(context) => context,
        Err(error) => {
            Console::for_process().error(&error.to_string());
            return Status::CannotTell;
        }
    };
    context
        .settings
        .set_flag(&settings::AWS_REGION, "--region", args.region);
    let result = match args.command {
        Command::CanDeploy(words) => can_deploy::run(&context, words.environment.as_ref()),
        Command::GetActive(words) => get_active::run(&context, words.environment.as_ref()),
    };
    result.unwrap_or_else(|problem| {
        context.console.error(&problem.to_string());
        Status::CannotTell
    })
}
