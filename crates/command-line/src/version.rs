//! The version of all programs.

/// The version, the same in each program: of a release, a commit in brackets after it (`0.1.0 (0123456789ab)`).
///
/// `cargo xtask dist` and `cargo xtask install` set the variable when they build. Plain `cargo build` does not, so that a new
/// commit builds nothing anew.
pub const VERSION: &str = match option_env!("DEPLOYMENT_COORDINATION_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};
