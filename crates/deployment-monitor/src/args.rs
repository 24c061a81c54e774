//! The words of the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use command_line::Context;
use registry_core::ids::{CorrelationId, IdError, StackName};
use registry_core::settings::{
    CHECK_INTERVAL, MAX_DURATION, PROGRESS_INTERVAL, RETRY_GRACE, STACK_NAME, STALL_THRESHOLD,
    START_GRACE, SettingsError,
};

use crate::watch::Limits;

/// LOG_FILE where none is given.
const LOG_FILE: &str = "deployment-monitor.log";

/// An operation that has not begun after so long never will.
const GIVE_UP: Duration = Duration::from_secs(6 * 3600);

const EXIT_STATUS: &str = "\
Exit status:
  0  deployed, or asked to stop (a signal, or the deployment was cleaned up)
  1  failed or rolled back
  2  never saw anything of the deployment, another monitor already watches it, or wrong usage

`deployment-monitor replay FILE` shows what a recorded operation would have been told as; see `deployment-monitor replay --help`.";

/// Watch a deployment's CloudFormation stack: log every event once, tell Slack about progress, stalls and the first failure
#[derive(Debug, Parser)]
#[command(name = "deployment-monitor", version = command_line::VERSION, after_help = EXIT_STATUS)]
pub(crate) struct WatchArguments {
    /// Correlation id of the deployment; CORRELATION_ID if not given
    #[arg(value_parser = |text: &str| text.parse::<CorrelationId>())]
    pub(crate) id: Option<CorrelationId>,

    /// Stack, or several separated by commas; STACK_NAME if not given
    pub(crate) stack: Option<String>,

    /// Slack channel for updates
    pub(crate) channel: Option<String>,

    /// Log file: one JSON object per line
    pub(crate) log_file: Option<PathBuf>,

    /// How often the stack is looked at
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub(crate) interval: Option<String>,

    /// No event for so long is a stall
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub(crate) stall_threshold: Option<String>,

    /// An operation longer than this is told once
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub(crate) max_duration: Option<String>,

    /// How often Slack is told about progress
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub(crate) progress_interval: Option<String>,

    /// Look less often while nothing happens
    #[arg(long)]
    pub(crate) adaptive: bool,

    /// Print lines even on a terminal, no live table
    #[arg(long)]
    pub(crate) no_live: bool,

    /// Become a session of its own, so that the end of whoever started it is not its own
    #[arg(long, hide = true)]
    pub(crate) detach: bool,
}

/// Show what a recorded operation was: what failed first, how long each resource took
#[derive(Debug, Parser)]
#[command(
    name = "deployment-monitor replay",
    after_help = "\
Exit status: 0 the operation succeeded; 1 it failed or was rolled back; 2 the record has no end, or cannot be read"
)]
pub(crate) struct ReplayArguments {
    /// JSON lines as in traces/, or the output of `aws cloudformation describe-stack-events`; - reads standard input
    pub(crate) file: PathBuf,

    /// Print a JSON array, one object for each operation, instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a monitor was asked to do, settings and all.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The deployment.
    pub(crate) id: CorrelationId,
    /// Its stacks, at least one.
    pub(crate) stacks: Vec<StackName>,
    /// The Slack channel given on the command line.
    pub(crate) channel: Option<String>,
    /// The log.
    pub(crate) log_file: PathBuf,
    /// The durations to keep to.
    pub(crate) limits: Limits,
    /// Whether to look less often while nothing happens.
    pub(crate) adaptive: bool,
    /// Whether a live table is welcome.
    pub(crate) live: bool,
}

impl WatchArguments {
    /// The plan, with the settings of this process.
    pub(crate) fn plan(&self, context: &mut Context) -> Result<Plan, SettingsError> {
        let settings = &mut context.settings;
        settings.set_flag(&CHECK_INTERVAL, "--interval", self.interval.clone());
        settings.set_flag(
            &STALL_THRESHOLD,
            "--stall-threshold",
            self.stall_threshold.clone(),
        );
        settings.set_flag(&MAX_DURATION, "--max-duration", self.max_duration.clone());
        settings.set_flag(
            &PROGRESS_INTERVAL,
            "--progress-interval",
            self.progress_interval.clone(),
        );
        let id = match &self.id {
            Some(id) => id.clone(),
            None => settings
                .variable("CORRELATION_ID")
                .unwrap_or_default()
                .parse()?,
        };
        let stack = self
            .stack
            .clone()
            .unwrap_or_else(|| settings.text(&STACK_NAME));
        if stack.is_empty() {
            return Err(IdError::Empty {
                what: "stack name",
                expected: "STACK after the correlation id, or set STACK_NAME",
            }
            .into());
        }
        Ok(Plan {
            id,
            stacks: StackName::parse_list(&stack)?,
            channel: self.channel.clone().filter(|channel| !channel.is_empty()),
            log_file: self
                .log_file
                .clone()
                .filter(|path| !path.as_os_str().is_empty())
                .unwrap_or_else(|| PathBuf::from(LOG_FILE)),
            limits: Limits {
                interval: settings.duration(&CHECK_INTERVAL)?,
                stall: settings.duration(&STALL_THRESHOLD)?,
                most: settings.duration(&MAX_DURATION)?,
                progress: settings.duration(&PROGRESS_INTERVAL)?,
                start_grace: settings.duration(&START_GRACE)?,
                retry_grace: settings.duration(&RETRY_GRACE)?,
                give_up: GIVE_UP,
            },
            adaptive: self.adaptive,
            live: !self.no_live,
        })
    }
}
