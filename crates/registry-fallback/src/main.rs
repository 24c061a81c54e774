fn main() -> std::process::ExitCode {
    registry_fallback::main()
}
