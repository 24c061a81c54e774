//! `simulators`: CloudFormation, Slack and GitHub on loopback, by hand.

mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use command_line::{Arguments as _, Console, Status};

/// CloudFormation, Slack and GitHub played on 127.0.0.1: no account, no network.
#[derive(Parser)]
#[command(
    name = "simulators",
    version,
    after_help = "Exit status: 0 ended as asked, 2 it could not start."
)]
struct Words {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Words),
}

fn main() -> ExitCode {
    let status = match Words::read() {
        Ok(Words {
            command: Command::Serve(words),
        }) => match serve::serve(&words) {
            Ok(()) => Status::Yes,
            Err(error) => {
                Console::for_process().error(&format!("{error:#}"));
                Status::CannotTell
            }
        },
        Err(status) => status,
    };
    ExitCode::from(status.code())
}
