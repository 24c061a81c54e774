//! The project's own commands: `cargo xtask COMMAND`.
//!
//! One file for each command. Plain `cargo build`, `cargo test -p CRATE` and `cargo run` stay what they are; a command
//! is here only when it does more than cargo can. Please add no dependency without need: everybody waits for this crate.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for developers, whose output is its result"
)]

mod backtest;
mod bench;
mod demo;
mod durations;
mod faults;
mod install;
mod packaging;
mod pictures;
mod process;
mod shim;
mod soak;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

use anyhow::Result;

/// One command: its name, what help says about it, and what runs it. It returns whether all was well; an error is a
/// sentence about what could not be done.
struct Command {
    name: &'static str,
    arguments: &'static str,
    help: &'static str,
    run: fn(&[String]) -> Result<bool>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "demo",
        arguments: "[--trace FILE] [--keep-open]",
        help: "play the whole job against simulated AWS, Slack and GitHub; leaves its folder demo-run",
        run: demo::run,
    },
    Command {
        name: "test",
        arguments: "",
        help: "run every test; fetches what they need beside Rust into target/tools",
        run: test::run,
    },
    Command {
        name: "soak",
        arguments: "[AREA…]",
        help: "run for minutes what the tests try for seconds: storm, race",
        run: soak::run,
    },
    Command {
        name: "faults",
        arguments: "[--seed N] [--count N | --all]",
        help: "break something in every step of a deployment and see that no promise is broken; into docs/faults.md",
        run: faults::run,
    },
    Command {
        name: "tidy",
        arguments: "",
        help: "check the rules of the house: who may depend on whom, lints, file sizes, docs",
        run: tidy::run,
    },
    Command {
        name: "install",
        arguments: "[--to DIR] [--shims DIR] [--debug]",
        help: "build the seven programs and put them into DIR (~/.cargo/bin); --shims writes NAME.sh for old callers",
        run: install::run,
    },
    Command {
        name: "docs",
        arguments: "[--check]",
        help: "write docs/cli/ and the table of docs/exit-status.md from the programs' --help; --check says what is stale",
        run: packaging::docs,
    },
    Command {
        name: "dist",
        arguments: "[--target TARGET] [--out DIR] [--check]",
        help: "make the release archive for this machine; --check deploys with it where there is nothing else (slow: a release build)",
        run: packaging::dist,
    },
    Command {
        name: "backtest",
        arguments: "[--verbose] [FILES…]",
        help: "measure the estimate on recorded operations, beside three plain estimates",
        run: backtest::run,
    },
    Command {
        name: "pictures",
        arguments: "[NAME…]",
        help: "draw the pages people see in headless Chromium: light, dark, phone and paper; into target/pictures",
        run: pictures::run,
    },
    Command {
        name: "bench",
        arguments: "[AREA…]",
        help: "measure the released programs, beside the scripts' way and the floor, into docs/benchmarks.md",
        run: bench::run,
    },
    Command {
        name: "durations",
        arguments: "[--check]",
        help: "make the table of usual durations that ships with the programs from the recorded operations",
        run: durations::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(name) = arguments.first() else {
        print!("{}", help());
        return ExitCode::SUCCESS;
    };
    if ["help", "--help", "-h"].contains(&name.as_str()) {
        print!("{}", help());
        return ExitCode::SUCCESS;
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprint!("there is no command {name:?}\n\n{}", help());
        return ExitCode::from(2);
    };
    match (command.run)(&arguments[1..]) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cargo xtask {name}: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn help() -> String {
    let mut text = "usage: cargo xtask COMMAND\n\n".to_owned();
    for command in COMMANDS {
        let usage = format!("{} {}", command.name, command.arguments);
        text.extend(["  ", usage.trim_end(), "\n      ", command.help, "\n"]);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn help_names_every_command() {
        let help = super::help();
        for command in super::COMMANDS {
            assert!(
                help.contains(&format!("\n  {}", command.name)),
                "{}",
                command.name
            );
        }
    }
}
