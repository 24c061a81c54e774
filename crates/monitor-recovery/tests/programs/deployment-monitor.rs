//! The real monitor, built for this package's tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    deployment_monitor::main_with(std::env::args_os().collect()).into()
}
