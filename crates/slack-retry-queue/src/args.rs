//! What was typed. Nothing here looks anything up.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Parser, Subcommand};

const AFTER: &str = "\
Exit status: 0 done; 1 dead letters are there (status), nothing found (show, retry_dead), messages are left (process --strict); \
2 wrong usage, or the queue cannot be read or written

Examples:
  slack-retry-queue queue start 20260114-123456-abc123 production 12345
  */5 * * * * slack-retry-queue process
  slack-retry-queue process --drain 60s
  slack-retry-queue status || slack-retry-queue retry_dead

The queue is the folder .slack-retry-queue (SLACK_QUEUE_DIR), one file a message. After a first send a message is tried again \
5, 10, 20, 40 and 80 s after each failure; then it is a dead letter.";

#[derive(Debug, Parser)]
#[command(
    name = "slack-retry-queue",
    about = "Keep what Slack does not have yet, and send it",
    version = command_line::VERSION,
    after_help = AFTER,
    disable_help_subcommand = true
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
#[command(rename_all = "snake_case")]
pub(crate) enum Command {
    /// Put a message into the queue, in the words of slack-notifier; prints its name
    Queue(Queue),
    /// Send what is due, in order, one message a second to a channel
    Process(Process),
    /// Show what waits, what is parked and why, and the dead letters
    Status(Status),
    /// Give dead letters all their tries again
    RetryDead(RetryDead),
    /// Print messages as JSON: waiting, dead, or delivered and remembered
    Show(Show),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Queue {
    /// start, concurrent, progress, complete, failed, stalled, alert or custom
    #[arg(value_name = "TYPE")]
    pub(crate) kind: String,
    /// The words of `slack-notifier TYPE`
    #[arg(value_name = "ARGS", num_args = 0.., allow_hyphen_values = true, trailing_var_arg = true)]
    pub(crate) words: Vec<OsString>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Process {
    /// Wait so long for what falls due
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) drain: Option<Duration>,
    /// Exit 1 when messages are left
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RetryDead {
    /// A message's name or a correlation id; all dead letters if none is given
    #[arg(value_name = "ID")]
    pub(crate) which: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// A message's name or a correlation id
    #[arg(value_name = "ID")]
    pub(crate) which: String,
}

fn duration(text: &str) -> Result<Duration, String> {
    registry_core::clock::parse_duration(text).ok_or_else(|| {
        format!("{text:?} is no duration: give 200ms, 30s, 5m, 2h, or a number of seconds")
    })
}
