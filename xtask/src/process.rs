//! Starting cargo and other programs, and where things are.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::shim::PROGRAMS;

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// The cargo that runs us, started in the root of the workspace.
///
/// Cargo tells the program it runs about its package, here xtask. A cargo inside must not inherit that: ring's build
/// script watches these variables and is built anew, with all that stands on it, whenever they come or go.
#[expect(
    clippy::disallowed_methods,
    reason = "cargo tells us its path in the environment"
)]
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        let told = name.to_string_lossy();
        if told.starts_with("CARGO_PKG_") || told.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// `cargo build` of the seven programs; how is the caller's.
pub(crate) fn build_programs() -> Command {
    let mut build = cargo();
    build.arg("build");
    for program in PROGRAMS {
        build.args(["-p", program]);
    }
    build
}

/// Runs a command that talks to the person itself; whether it ended well.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool> {
    let status = command.status();
    Ok(status
        .with_context(|| format!("{command:?} could not be started"))?
        .success())
}

/// An environment variable; an empty one counts as not set.
#[expect(clippy::disallowed_methods, reason = "xtask has no settings but these")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Runs a command and returns its stdout; what it says on stderr goes through.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{shown} could not be started"))?;
    if !output.status.success() {
        bail!("{shown} ended with {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("{shown} printed what is not UTF-8"))
}

/// Runs a command in silence; if it fails, what it said is the error.
pub(crate) fn quiet(command: &mut Command) -> Result<()> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{shown} could not be started"))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let last: Vec<&str> = said
            .lines()
            .rev()
            .filter(|line| !line.trim().is_empty())
            .take(3)
            .collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        bail!("{shown} ended with {}: {}", output.status, last.join(" / "));
    }
    Ok(())
}

/// What `cargo metadata` says about the members of the workspace.
pub(crate) fn metadata() -> Result<serde_json::Value> {
    let text = output(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    serde_json::from_str(&text).context("cargo metadata printed what is not JSON")
}

/// The folder that cargo builds into.
pub(crate) fn target_directory(metadata: &serde_json::Value) -> Result<PathBuf> {
    let path = metadata["target_directory"].as_str();
    path.map(PathBuf::from)
        .context("cargo metadata names no target folder")
}
