//! `deployment-monitor`: watches the CloudFormation operation of one deployment, loses nothing, names the cause.
//!
//! [`watch`] is one stack's state machine, [`monitor`] the loop around it; everything outside comes in through [`ports`].

mod args;
mod aws_clock;
mod cursor;
mod estimating;
mod face;
mod judge;
mod lines;
mod live;
mod log;
mod messages;
mod monitor;
mod outcome;
mod pace;
mod ports;
mod registry;
mod replay;
mod slack;
mod start;
mod summary;
mod trial;
mod watch;

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use command_line::{Arguments as _, Console, Context, Status};

pub use trial::go_on_from;

/// The words of the command line, for who writes documents and completions from them.
#[must_use]
pub fn command() -> clap::Command {
    use clap::CommandFactory as _;
    args::WatchArguments::command()
        .subcommand(args::ReplayArguments::command().name("replay"))
        .subcommand_negates_reqs(true)
        .disable_help_subcommand(true)
}

/// The whole program, for `main` and for tests that build it under another name. `words` begin with the program's name.
pub fn main_with(words: Vec<OsString>) -> Status {
    if words.get(1).is_some_and(|word| word == "replay") {
        let mut words = words;
        words.remove(1);
        return match args::ReplayArguments::read_from(words) {
            Ok(arguments) => replay::run(&arguments),
            Err(status) => status,
        };
    }
    let arguments = match args::WatchArguments::read_from(words.clone()) {
        Ok(arguments) => arguments,
        Err(status) => return status,
    };
    bear_the_scripts_name(&words);
    let mut context = match Context::load() {
        Ok(context) => context,
        Err(error) => {
            Console::for_process().error(&error.to_string());
            return Status::CannotTell;
        }
    };
    match arguments.plan(&mut context) {
        Ok(plan) => start::run(&plan, &context, arguments.detach),
        Err(error) => {
            context.console.error(&error.to_string());
            Status::CannotTell
        }
    }
}

// People look for a monitor with `pgrep -f deployment-monitor.sh`, however it was started. Started under its own name it becomes
// itself once more under that one; where that cannot be done it goes on as it is.
fn bear_the_scripts_name(words: &[OsString]) {
    let mut words = words.iter();
    let borne = words
        .next()
        .is_some_and(|name| name.to_string_lossy().ends_with(supervisor::ARGV0));
    if borne {
        return;
    }
    if let Ok(program) = std::env::current_exe() {
        // Returns only when it failed.
        let _error = Command::new(program)
            .arg0(supervisor::ARGV0)
            .args(words)
            .exec();
    }
}
