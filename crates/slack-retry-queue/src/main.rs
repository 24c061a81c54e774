//! See docs/ARCHITECTURE.md.
fn main() -> std::process::ExitCode {
    slack_retry_queue::main()
}
