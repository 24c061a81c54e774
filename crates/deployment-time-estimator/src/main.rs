//! See docs/ARCHITECTURE.md.
fn main() -> std::process::ExitCode {
    deployment_time_estimator::run()
}
