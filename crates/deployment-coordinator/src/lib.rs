//! `deployment-coordinator`: who may deploy, who holds an environment, who waits for it. Wiring only: the rules are in
//! `registry-core`. See docs/ARCHITECTURE.md.
#![warn(missing_docs)]

mod answer;
mod args;
mod caller;
mod can_deploy;
mod cleanup;
mod doctor;
mod error;
mod estimate;
mod freeze;
mod get_active;
mod github;
mod init;
mod judge;
mod migrate;
mod new_id;
mod outcome;
mod register;
mod run;
mod status;
mod verify;
mod wait;
mod world;

use std::process::ExitCode;

use command_line::{Arguments as _, Status, print_json};

use args::{Args, Command};
use error::Problem;
use world::World;

/// The words of the command line, for who writes documents and completions from them.
#[must_use]
pub fn command() -> clap::Command {
    <Args as clap::CommandFactory>::command()
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    match Args::read() {
        Ok(args) => perform(args).into(),
        Err(status) => status.into(),
    }
}

fn perform(args: Args) -> Status {
    let world = match World::new(&args.common) {
        Ok(world) => world,
        Err(problem) => {
            command_line::Console::for_process().error(&problem.to_string());
            return Status::CannotTell;
        }
    };
    let unanswered = args.command.unanswered();
    let result = dispatch(&world, args.command);
    result.unwrap_or_else(|problem| {
        world.console().error(&problem.to_string());
        match (unanswered, problem.reason()) {
            (Some(answer), Some(reason)) => {
                let answer = answer
                    .with("reason", reason)
                    .with("message", problem.to_string());
                print_json(&answer.value(), Status::CannotTell)
            }
            // Text, or wrong words, to which there is no answer at all.
            (None, _) | (_, None) => Status::CannotTell,
        }
    })
}

fn dispatch(world: &World, command: Command) -> Result<Status, Problem> {
    match command {
        Command::CanDeploy(words) => can_deploy::run(world, &words),
        Command::Register(words) => register::run(world, &words),
        Command::Wait(words) => wait::run(world, &words),
        Command::Cleanup(words) => cleanup::run(world, &words),
        Command::GetActive(words) => get_active::run(world, &words),
        Command::NewId => new_id::run(world),
        Command::Verify(words) => verify::run(world, &words),
        Command::Status(words) => status::run(world, &words),
        Command::Freeze(words) => freeze::freeze(world, &words),
        Command::Thaw(words) => freeze::thaw(world, &words),
        Command::Doctor(words) => doctor::run(world, &words),
        Command::Init(words) => init::run(world, &words),
        Command::Migrate(words) => migrate::run(world, &words),
        Command::Run(words) => run::run(world, &words),
        Command::KeepWatch(words) => run::keep_watch(world, &words),
    }
}
