//! This machine: the other programs, and the history.

use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::time::Duration;

use registry_core::clock::{Clock as _, SystemClock};
use registry_core::history::store::Part;
use slack_client::Finding;

use super::{bad, good, weak};
use crate::world::World;

const OTHERS: [&str; 6] = [
    "deployment-monitor",
    "slack-notifier",
    "monitor-recovery",
    "slack-retry-queue",
    "registry-fallback",
    "deployment-time-estimator",
];

/// A program that takes longer to say its version is none of ours.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn programs(world: &World) -> Vec<Finding> {
    let path = world.settings().variable("PATH").unwrap_or_default();
    let own = command_line::VERSION;
    let mut findings = Vec::new();
    for name in OTHERS {
        let Some(file) = find(name, &path) else {
            findings.push(bad(
                name,
                "is neither beside this program nor on PATH".to_owned(),
                format!("install it there: cargo install --path crates/{name}"),
            ));
            continue;
        };
        let words = version(&file);
        let same = words
            .as_deref()
            .and_then(|words| words.split_once(' '))
            .is_some_and(|(_, version)| version == own);
        if !same {
            let words = words.unwrap_or_else(|| "no version".to_owned());
            findings.push(bad(
                name,
                format!(
                    "{} is of another version than {own}: {words}",
                    file.display()
                ),
                "install all seven from one release",
            ));
        }
    }
    if findings.is_empty() {
        findings.push(good(
            "programs",
            format!("all seven are there, of version {own}"),
        ));
    }
    findings
}

fn find(name: &str, path: &str) -> Option<PathBuf> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|own| Some(own.parent()?.to_owned()));
    beside
        .into_iter()
        .chain(std::env::split_paths(path))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

fn version(file: &Path) -> Option<String> {
    let mut child = Process::new(file)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let clock = SystemClock::default();
    let began = clock.boot().since_boot;
    while matches!(child.try_wait(), Ok(None)) {
        if clock.boot().since_boot.saturating_sub(began) > PATIENCE {
            let _gone = child.kill();
            break;
        }
        let _woken = clock.sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    Some(text.lines().next()?.trim().to_owned())
}

pub(super) fn history(world: &World) -> Vec<Finding> {
    // What is wrong with the setting is told of the registry.
    let Ok(history) = world.history() else {
        return Vec::new();
    };
    let found = history.read(Part::Everything);
    if let Some(warning) = found.warning {
        let fix = format!("mend or remove {}", history.place());
        return vec![bad("history", warning, fix)];
    }
    let (operations, average) = (
        found.history.operations().len(),
        found
            .history
            .average_deployment_minutes()
            .filter(|minutes| *minutes > 0.0),
    );
    if operations == 0 && average.is_none() {
        return vec![weak(
            "history",
            "nothing is known of earlier deployments, so estimates are guesses from a general table".to_owned(),
            "deployment-time-estimator collect",
        )];
    }
    let average = average.map_or_else(String::new, |minutes| {
        format!(", {minutes:.0} minutes on average")
    });
    vec![good(
        "history",
        format!("{operations} recorded operations{average}"),
    )]
}
