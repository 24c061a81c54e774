//! Watches a deployment's stack; see docs/ARCHITECTURE.md.

use std::process::ExitCode;

fn main() -> ExitCode {
    deployment_monitor::main_with(std::env::args_os().collect()).into()
}
