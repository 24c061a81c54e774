//! What people see in Slack: sent by the real program, taken down and drawn by the simulator.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::process::{cargo, metadata, quiet, target_directory};

pub(super) fn messages(folder: &Path) -> Result<PathBuf> {
    make(folder, "messages")
}

pub(super) fn forms(folder: &Path) -> Result<PathBuf> {
    make(folder, "forms")
}

fn make(folder: &Path, what: &str) -> Result<PathBuf> {
    quiet(cargo().args(["build", "-p", "slack-notifier", "--bins", "--examples"]))?;
    let built = target_directory(&metadata()?)?.join("debug");
    let page = folder.join(format!("slack-{what}.html"));
    quiet(
        std::process::Command::new(built.join("examples/slack_page"))
            .arg(built.join("slack-notifier"))
            .arg(what)
            .arg(&page),
    )?;
    Ok(page)
}
