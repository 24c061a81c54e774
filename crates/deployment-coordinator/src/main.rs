fn main() -> std::process::ExitCode {
    deployment_coordinator::main()
}
