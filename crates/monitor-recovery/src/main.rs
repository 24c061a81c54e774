//! Keeps a deployment's monitor alive; see docs/ARCHITECTURE.md.

use std::process::ExitCode;

fn main() -> ExitCode {
    monitor_recovery::main_with(std::env::args_os().collect()).into()
}
