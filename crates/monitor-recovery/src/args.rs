//! The words of the command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use command_line::Context;
use registry_core::ids::{CorrelationId, IdError, StackName};
use registry_core::settings::{RECOVERY_INTERVAL, REGISTRY_DIR, STACK_NAME};
use supervisor::{MonitorSpec, find_program};

/// The monitor's LOG_FILE where none is given.
const MONITOR_LOG: &str = "deployment-monitor.log";

const EXIT_STATUS: &str = "\
Exit status:
  0  the deployment is over, the monitor was stopped by a person, or recovery itself was asked to stop
  1  gave up: the monitor was restarted 5 times within 5 minutes
  2  another recovery already looks after this monitor, or wrong usage";

/// Restart a deployment's monitor when it crashes or hangs, and tell Slack about it
#[derive(Debug, Parser)]
#[command(name = "monitor-recovery", version = command_line::VERSION, after_help = EXIT_STATUS)]
pub(crate) struct RecoveryArguments {
    /// Correlation id of the deployment; CORRELATION_ID if not given
    #[arg(value_parser = |text: &str| text.parse::<CorrelationId>())]
    id: Option<CorrelationId>,

    /// Stack, or several separated by commas; STACK_NAME if not given
    stack: Option<String>,

    /// Slack channel for updates
    channel: Option<String>,

    /// The monitor's log file
    log_file: Option<PathBuf>,

    /// How often the monitor is looked at
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    interval: Option<String>,

    /// Recovery's own log
    #[arg(long, value_name = "FILE", default_value = "monitor-recovery.log")]
    pub(crate) log: PathBuf,
}

/// What recovery was asked to do.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) spec: MonitorSpec,
    pub(crate) interval: Duration,
}

impl RecoveryArguments {
    /// The plan, with the settings of this process; an error is one sentence.
    pub(crate) fn plan(&self, context: &mut Context) -> Result<Plan, String> {
        let settings = &mut context.settings;
        settings.set_flag(&RECOVERY_INTERVAL, "--interval", self.interval.clone());
        let told = |error: IdError| error.to_string();
        let id = match &self.id {
            Some(id) => id.clone(),
            None => settings
                .variable("CORRELATION_ID")
                .unwrap_or_default()
                .parse()
                .map_err(told)?,
        };
        let stack = self
            .stack
            .clone()
            .unwrap_or_else(|| settings.text(&STACK_NAME));
        if stack.is_empty() {
            return Err(told(IdError::Empty {
                what: "stack name",
                expected: "STACK after the correlation id, or set STACK_NAME",
            }));
        }
        let interval = settings
            .duration(&RECOVERY_INTERVAL)
            .map_err(|error| error.to_string())?;
        let path = settings.variable("PATH");
        let log_file = self
            .log_file
            .clone()
            .filter(|path| !path.as_os_str().is_empty())
            .unwrap_or_else(|| PathBuf::from(MONITOR_LOG));
        check_folder(&log_file)?;
        Ok(Plan {
            spec: MonitorSpec {
                program: find_program(path.as_deref()).map_err(|error| error.to_string())?,
                id,
                stacks: StackName::parse_list(&stack).map_err(told)?,
                channel: self.channel.clone().filter(|channel| !channel.is_empty()),
                log_file,
                registry_dir: settings.path(&REGISTRY_DIR),
            },
            interval,
        })
    }
}

// A monitor whose log cannot be made ends at once, each time.
fn check_folder(log_file: &Path) -> Result<(), String> {
    let folder = log_file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    if folder.is_dir() && !log_file.is_dir() {
        return Ok(());
    }
    Err(format!(
        "the monitor's log file {} cannot be written: there is no such folder, or it is a folder itself (create its folder first, or give another LOG_FILE)",
        log_file.display()
    ))
}
