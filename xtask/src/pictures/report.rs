//! The estimator's report on recorded deployments, made by the real program.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use registry_core::clock::{Clock as _, SystemClock};
use registry_core::estimate::Table;
use registry_core::history::file::HistoryFile;

use crate::backtest::records;
use crate::process::{cargo, metadata, quiet, target_directory};

/// The recorded stacks with the most operations, shown as one: some fail, some can be estimated from those before.
const RECORDED: [&str; 2] = ["ai-chatbot", "smart-device-api-stack"];
const STACK: &str = "CourtCaseManagementStack";

pub(super) fn make(folder: &Path) -> Result<PathBuf> {
    let registry = folder.join("report-registry");
    if registry.exists() {
        std::fs::remove_dir_all(&registry)?;
    }
    let clock = SystemClock::default();
    let table = Table::shipped();
    let mut recorded = records::read(&records::shipped()?)?;
    recorded.retain(|record| RECORDED.contains(&record.stack.as_str()) && !record.undated);
    recorded.sort_by_key(|record| record.operation.started);
    HistoryFile::in_folder(&registry)
        .change(&clock, |history| {
            for record in &recorded {
                let operations = std::slice::from_ref(&record.operation);
                history.add_operations(STACK, operations, 100, &table, clock.now());
            }
        })
        .context("the history could not be made")?;
    quiet(cargo().args(["build", "-p", "deployment-time-estimator"]))?;
    let page = folder.join("report.html");
    let program = target_directory(&metadata()?)?.join("debug/deployment-time-estimator");
    quiet(
        std::process::Command::new(program)
            .args(["report", STACK, "--html"])
            .arg(&page)
            .env("REGISTRY_DIR", &registry)
            .env_remove("REGISTRY_URL")
            .current_dir(folder),
    )?;
    Ok(page)
}
