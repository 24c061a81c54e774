//! `deployment-time-estimator`: what deployments took, and how long the one that runs will still take.

mod args;
mod collect;
mod estimate;
mod report;
mod stacks;
mod update;

use std::process::ExitCode;
use std::sync::Arc;

use args::{Args, Command};
use command_line::{Arguments as _, Context, Status, print_json};
use registry_core::clock::SystemClock;
use registry_core::history::History;
use registry_core::history::store::{HistoryStore, Part};
use serde_json::{Value, json};

/// The words of the command line, for who writes documents and completions from them.
#[must_use]
pub fn command() -> clap::Command {
    <Args as clap::CommandFactory>::command()
}

/// The whole program: reads the command line, does what it says, and tells how it went.
pub fn run() -> ExitCode {
    let args = match Args::read() {
        Ok(args) => args,
        Err(status) => return status.into(),
    };
    let context = match Context::load() {
        Ok(context) => context,
        Err(error) => {
            command_line::Console::for_process().error(&error.to_string());
            return Status::CannotTell.into();
        }
    };
    let clock = SystemClock::default();
    let history = registry_dynamodb::open_history(&context.settings, Arc::new(clock.clone()));
    let history = match history {
        Ok(history) => history,
        Err(error) => {
            let why = error.to_string();
            context.console.error(&why);
            let status = Status::CannotTell;
            return match &args.command {
                Command::Report(words) if words.format == args::Format::Text => status,
                Command::Collect(_)
                | Command::Estimate(_)
                | Command::Update(_)
                | Command::Report(_) => print_json(&json!({"error": why}), status),
            }
            .into();
        }
    };
    let tool = Tool {
        context,
        history,
        clock,
    };
    let outcome = match &args.command {
        Command::Collect(words) => collect::run(&tool, words),
        Command::Estimate(words) => estimate::run(&tool, words),
        Command::Update(words) => update::run(&tool, words),
        Command::Report(words) => report::run(&tool, words),
    };
    match outcome {
        Ok(status) => status.into(),
        Err(sentence) => {
            tool.context.console.error(&sentence);
            Status::CannotTell.into()
        }
    }
}

/// What every command works with.
struct Tool {
    context: Context,
    history: Box<dyn HistoryStore>,
    clock: SystemClock,
}

impl Tool {
    /// The history; what is wrong with it is told.
    fn read_history(&self, part: Part<'_>) -> History {
        let found = self.history.read(part);
        self.warn(found.warning);
        found.history
    }

    fn warn(&self, warning: Option<String>) {
        if let Some(warning) = warning {
            self.context.console.warning(&warning);
        }
    }

    /// What was asked is in order but cannot be told: `why` for the person, and on stdout still one JSON object, `known` with
    /// `why` as its `error`, for whoever reads the answer with a program.
    fn cannot_tell(&self, mut known: Value, why: &str) -> Status {
        self.context.console.error(why);
        known["error"] = Value::from(why);
        print_json(&known, Status::CannotTell)
    }
}

/// A sentence about wrong words or settings; the program ends with 2 and prints no result.
type Outcome = Result<Status, String>;
