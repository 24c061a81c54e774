//! `cargo xtask demo`: the whole job, with no account and no network. See [`story`] for what is played.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the timeline is this program's result"
)]

mod deployment;
mod scene;
mod story;
mod timeline;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Play two deployments that both want production, against simulated AWS, Slack and GitHub
#[derive(Debug, Parser)]
#[command(name = "cargo xtask demo", bin_name = "cargo xtask demo")]
struct Arguments {
    /// Let the first deployment's stack move as in this record (a file of crates/simulators/traces, or what
    /// `aws cloudformation describe-stack-events` printed)
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Leave the simulators running afterwards, and print the variables that let you use the programs against them
    #[arg(long)]
    keep_open: bool,
    /// The folder with `bin` and `caseapp/scripts`; everything the programs write goes there
    #[arg(long, hide = true)]
    folder: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match story::play(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nThe demo stopped: {error:#}");
            eprintln!(
                "What was written until then is in {}",
                arguments.folder.display()
            );
            ExitCode::FAILURE
        }
    }
}
