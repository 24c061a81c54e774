//! What was typed. Nothing here looks anything up.

use clap::{Args as ClapArgs, Parser, Subcommand};
use registry_core::ids::Environment;

#[derive(Debug, Parser)]
#[command(
    name = "registry-fallback",
    about = "Ask CloudFormation alone whether a deployment may start; for when the registry cannot be used",
    version = command_line::VERSION,
    after_help = command_line::status::HELP,
    disable_help_subcommand = true
)]
pub(crate) struct Args {
    /// AWS region (AWS_REGION)
    #[arg(long, global = true, value_name = "REGION")]
    pub(crate) region: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
#[command(rename_all = "snake_case")]
pub(crate) enum Command {
    /// May somebody deploy? 0 yes, 1 not now, 2 cannot tell; the decision as JSON
    CanDeploy(Place),
    /// Show what CloudFormation is working on: 0 found, 1 nothing, 2 cannot tell
    GetActive(Place),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Place {
    /// Environment; without it ENVIRONMENT, or STACK_NAME, or every environment that is known
    #[arg(value_name = "ENV")]
    pub(crate) environment: Option<Environment>,
}
