//! What was typed. Nothing here looks anything up.

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use registry_core::ids::{CorrelationId, Environment};

use crate::answer::Answer;

#[derive(Debug, Parser)]
#[command(
    name = "deployment-coordinator",
    about = "Keep two deployments from colliding: ask, register, wait, clean up",
    version = command_line::VERSION,
    after_help = command_line::status::HELP
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Common {
    /// This deployment's id; without it CORRELATION_ID
    #[arg(long, global = true, value_name = "ID")]
    pub(crate) correlation_id: Option<CorrelationId>,
    /// Exit 2 instead of falling back to CloudFormation when the registry cannot be used (REGISTRY_REQUIRED)
    #[arg(long, global = true)]
    pub(crate) require_registry: bool,
    /// Folder of the file registry (REGISTRY_DIR)
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) registry_dir: Option<String>,
    /// AWS region (AWS_REGION)
    #[arg(long, global = true, value_name = "REGION")]
    pub(crate) region: Option<String>,
}

#[derive(Debug, Subcommand)]
#[command(rename_all = "snake_case")]
pub(crate) enum Command {
    /// May I deploy? 0 yes, 1 not now, 2 cannot tell; the decision as JSON
    CanDeploy(Place),
    /// Take the environment for a deployment: 0 holds it, 1 another does, 2 cannot tell
    Register(Register),
    /// Wait until the environment is free: 0 free, 1 timeout, 2 cannot tell
    Wait(Wait),
    /// End a deployment's hold, reservation and place in the queue, whoever asks: 0 done, also when there was nothing to do, 2 cannot tell
    Cleanup(Cleanup),
    /// Show the active deployment, of every environment if none is named: 0 found, 1 none, 2 cannot tell
    GetActive(GetActive),
    /// Print a new correlation id
    NewId,
    /// Does this deployment still hold its environment? 0 yes, 1 no, 2 cannot tell
    Verify(Verify),
    /// Show every environment: holder, heartbeat, queue, token
    Status(StatusWords),
    /// Let nobody start; who runs may finish
    Freeze(Freeze),
    /// Lift a freeze
    Thaw(Thaw),
    /// Look at everything that stops deployments, and say the fix: 0 sound, 1 something is wrong, 2 could not tell
    Doctor(Doctor),
    /// Make the table of a shared registry, or say what it lacks: 0 all is there, 1 something is missing, 2 cannot tell
    Init(Init),
    /// Copy a registry and its history to another place, while nothing is active: 0 done, 1 something is active or there is nothing, 2 cannot tell
    Migrate(Migrate),
    /// A whole deployment: wait, register, tell Slack, watch, run COMMAND, tell how it ended, clean up
    #[command(after_help = RUN_HELP)]
    Run(Run),
    /// Look after the monitor of a run, which starts this itself
    #[command(hide = true)]
    KeepWatch(KeepWatch),
}

impl Command {
    /// What is printed where nothing could be told: JSON in which no field can be taken for a yes. `None`: stdout is text.
    pub(crate) fn unanswered(&self) -> Option<Answer> {
        let no = |field| Some(Answer::default().with(field, false));
        match self {
            Self::CanDeploy(_) => no("can_deploy"),
            Self::Register(_) => no("registered"),
            Self::Verify(_) => no("holds"),
            Self::Migrate(_) => no("migrated"),
            Self::Status(words) => words.format.is_json().then(Answer::default),
            Self::Doctor(words) => words.format.is_json().then(Answer::default),
            Self::Wait(_)
            | Self::Cleanup(_)
            | Self::GetActive(_)
            | Self::Freeze(_)
            | Self::Thaw(_)
            | Self::Init(_) => Some(Answer::default()),
            Self::NewId | Self::Run(_) | Self::KeepWatch(_) => None,
        }
    }
}

const RUN_HELP: &str = "\
Exit status: COMMAND's (128 and the signal's number where a signal ended it); 124 it was not its turn in time; 125 run itself could \
not; 126 COMMAND cannot be run; 127 COMMAND is not found; 2 wrong usage

COMMAND has CORRELATION_ID, FENCING_TOKEN and STACK_NAME in its environment: cdk deploy --tags CorrelationId=$CORRELATION_ID";

#[derive(Debug, ClapArgs)]
pub(crate) struct Place {
    /// Environment; without it ENVIRONMENT, or the one of STACK_NAME
    #[arg(value_name = "ENV")]
    pub(crate) environment: Option<Environment>,
    /// Stack, or several separated by commas; without it those of the environment
    #[arg(value_name = "STACK")]
    pub(crate) stack: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Register {
    /// The deployment's id, as new_id makes it
    #[arg(value_name = "ID")]
    pub(crate) id: CorrelationId,
    /// The workflow run: its id or its URL
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Wait {
    /// Environment
    #[arg(value_name = "ENV")]
    pub(crate) environment: Environment,
    /// How long at most: 30m, 1800s, 1h; a bare number up to 360 is minutes, above it seconds
    #[arg(value_name = "MAX", default_value = "30m")]
    pub(crate) max: String,
    /// Stack, or several separated by commas; without it those of the environment
    #[arg(value_name = "STACK")]
    pub(crate) stack: Option<String>,
    /// How often to look (CHECK_INTERVAL)
    #[arg(long, value_name = "TIME")]
    pub(crate) interval: Option<String>,
}

// Any sentence, also one that begins with a hyphen; a lone word that does is rather an option whose reason was forgotten.
fn reason(text: &str) -> Result<String, String> {
    const LONGEST: usize = 1000;
    let length = text.chars().count();
    if length > LONGEST {
        return Err(format!("it has {length} characters, {LONGEST} is the most"));
    }
    if text.starts_with('-') && !text.contains(char::is_whitespace) {
        return Err(format!(
            "{text:?} looks like an option: give the reason in words"
        ));
    }
    Ok(text.to_owned())
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Outcome {
    Success,
    Failed,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Cleanup {
    /// The deployment's id
    #[arg(value_name = "ID")]
    pub(crate) id: CorrelationId,
    /// How it ended; without it what the monitor recorded, else what the stack says
    #[arg(long)]
    pub(crate) outcome: Option<Outcome>,
    /// Remove a failed entry at once instead of keeping it for seven days
    #[arg(long)]
    pub(crate) purge: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, value_parser = reason)]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct GetActive {
    /// Environment; without it all of them, one JSON object a line
    #[arg(value_name = "ENV")]
    pub(crate) environment: Option<Environment>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Verify {
    /// The deployment's id
    #[arg(value_name = "ID")]
    pub(crate) id: CorrelationId,
    /// The fencing token that register gave
    #[arg(long, value_name = "N")]
    pub(crate) token: Option<u64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    /// A table for people
    Text,
    /// JSON
    Json,
}

impl Format {
    fn is_json(self) -> bool {
        match self {
            Self::Text => false,
            Self::Json => true,
        }
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct StatusWords {
    /// Environment; without it all of them
    #[arg(value_name = "ENV")]
    pub(crate) environment: Option<Environment>,
    /// How to show it
    #[arg(long, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Freeze {
    /// Environment
    #[arg(value_name = "ENV")]
    pub(crate) environment: Environment,
    /// Why; everybody who is refused reads it
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, value_parser = reason)]
    pub(crate) reason: String,
    /// Until when: a time (2026-01-14T12:34:56Z) or a span from now (2h); without it until thaw
    #[arg(long, value_name = "T")]
    pub(crate) until: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Thaw {
    /// Environment
    #[arg(value_name = "ENV")]
    pub(crate) environment: Environment,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Init {
    /// dynamodb://TABLE or dynamodb://TABLE?region=REGION; without it REGISTRY_URL
    #[arg(value_name = "REGISTRY")]
    pub(crate) registry: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Migrate {
    /// The registry to copy: a folder, or dynamodb://TABLE
    #[arg(value_name = "FROM")]
    pub(crate) from: String,
    /// Where to: a folder, or dynamodb://TABLE
    #[arg(value_name = "TO")]
    pub(crate) to: String,
}

/// What becomes of COMMAND when somebody else ends its hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnLost {
    /// It is ended
    End,
    /// It goes on
    Keep,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Run {
    /// Environment
    #[arg(value_name = "ENV")]
    pub(crate) environment: Environment,
    /// Stack, or several separated by commas; without it those of the environment
    #[arg(long, value_name = "STACK")]
    pub(crate) stack: Option<String>,
    /// The deployment's id; without it CORRELATION_ID, else a new one
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<CorrelationId>,
    /// How long to wait for its turn: 30m, 1800s, 1h; a bare number up to 360 is minutes, above it seconds
    #[arg(long, value_name = "MAX", default_value = "30m")]
    pub(crate) wait: String,
    /// Where the application is, for the message that it is deployed
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Slack channel for this deployment's messages
    #[arg(long, value_name = "CHANNEL")]
    pub(crate) channel: Option<String>,
    /// What becomes of COMMAND when somebody else ends its hold
    #[arg(long, value_name = "WHAT", default_value = "end")]
    pub(crate) on_lost: OnLost,
    /// Start no monitor: Slack hears of the start and the end only
    #[arg(long)]
    pub(crate) no_monitor: bool,
    /// What deploys, with its arguments, after --
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<std::ffi::OsString>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct KeepWatch {
    pub(crate) id: CorrelationId,
    pub(crate) stacks: String,
    pub(crate) channel: String,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Doctor {
    /// Environment; without it all of them
    #[arg(value_name = "ENV")]
    pub(crate) environment: Option<Environment>,
    /// Stack, or several separated by commas; without it those of the environment
    #[arg(value_name = "STACK")]
    pub(crate) stack: Option<String>,
    /// How to show it
    #[arg(long, default_value = "text")]
    pub(crate) format: Format,
}
