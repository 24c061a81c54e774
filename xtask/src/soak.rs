//! `cargo xtask soak`: what `cargo xtask test` tries for seconds, for minutes.

use std::io::BufReader;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::process::{cargo, metadata, target_directory};
use crate::test::pass_through;
use crate::tools;

/// Tests of one test program, with the knobs that make them long.
struct Area {
    name: &'static str,
    help: &'static str,
    package: &'static str,
    /// The test program in the package's folder `tests`.
    program: &'static str,
    /// Part of the tests' names.
    tests: &'static str,
    knobs: &'static [(&'static str, &'static str)],
    /// Whether they need the tools that `cargo xtask test` fetches.
    tools: bool,
}

const AREAS: &[Area] = &[
    Area {
        name: "storm",
        help: "two minutes of deployments while whatever process goes is killed or stopped",
        package: "deployment-coordinator",
        program: "coordinator",
        tests: "storm::",
        knobs: &[("STORM_SECONDS", "120")],
        tools: false,
    },
    Area {
        name: "race",
        help: "3,000 processes at once register one environment, and environments of their own",
        package: "deployment-coordinator",
        program: "coordinator",
        tests: "race::",
        knobs: &[("REGISTRY_RACE", "3000")],
        tools: false,
    },
    Area {
        name: "shared",
        help: "64 clients race 500 rounds for one environment of a shared registry that loses replies, and wait 500 turns",
        package: "registry-dynamodb",
        program: "shared",
        tests: "race::",
        knobs: &[("STRESS_ROUNDS", "500")],
        tools: true,
    },
    Area {
        name: "shared-processes",
        help: "eight real processes, as on eight machines, do the same 500 rounds",
        package: "deployment-coordinator",
        program: "coordinator",
        tests: "shared::",
        knobs: &[("STRESS_ROUNDS", "500")],
        tools: true,
    },
    Area {
        name: "slack",
        help: "two minutes of messages while senders and queue runners are killed and Slack fails in every way",
        package: "end-to-end",
        program: "e2e",
        tests: "slack_storm::",
        knobs: &[("SLACK_STORM_SECONDS", "120")],
        tools: false,
    },
];

/// Runs the areas that are named, or all.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let areas = chosen(arguments)?;
    let mut failed = Vec::new();
    for area in areas {
        println!("soak {}: {}", area.name, area.help);
        if !soak(area).with_context(|| format!("the area {} cannot run", area.name))? {
            failed.push(area.name);
        }
    }
    if failed.is_empty() {
        println!("soaked, all is well");
    } else {
        println!("soaked, not well: {}", failed.join(", "));
    }
    Ok(failed.is_empty())
}

fn chosen(names: &[String]) -> Result<Vec<&'static Area>> {
    if names.is_empty() {
        return Ok(AREAS.iter().collect());
    }
    let mut areas = Vec::new();
    for name in names {
        let Some(area) = AREAS.iter().find(|area| area.name == name) else {
            let known: Vec<&str> = AREAS.iter().map(|area| area.name).collect();
            bail!("there is no area {name:?}; there are {}", known.join(", "));
        };
        areas.push(area);
    }
    Ok(areas)
}

fn soak(area: &Area) -> Result<bool> {
    let mut test = cargo();
    test.args(["test", "--package", area.package, "--test", area.program])
        .args([area.tests, "--", "--nocapture"])
        .envs(area.knobs.iter().copied());
    if area.tools {
        for tool in tools::fetch(&target_directory(&metadata()?)?) {
            if let Ok(path) = tool.path {
                test.env(tool.variable, path);
            }
        }
    }
    let mut running = test
        .stdout(Stdio::piped())
        .spawn()
        .context("cargo could not be started")?;
    let output = running.stdout.take().context("cargo has no output")?;
    let counts = pass_through(BufReader::new(output))?;
    let status = running.wait().context("cargo was lost")?;
    // A name that no test has any more must not look like success.
    Ok(status.success() && counts.passed() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_chosen_by_name() {
        let names = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            chosen(&words).map(|areas| areas.iter().map(|area| area.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).unwrap().len(), AREAS.len());
        assert_eq!(names(&["race"]).unwrap(), ["race"]);
        let error = names(&["rain"]).unwrap_err().to_string();
        assert!(
            error.contains("\"rain\"") && error.contains("storm"),
            "{error}"
        );
    }

    /// Each area's tests are where it says, so that a moved test is noticed here and not in a soak that soaks nothing.
    #[test]
    fn areas_name_tests_that_exist() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for area in AREAS {
            // The end-to-end tests are a package of their own beside the crates.
            let tests = match area.package {
                "end-to-end" => root.join("tests"),
                package => root.join("crates").join(package).join("tests"),
            };
            let folder = tests.join(area.program);
            let module = area.tests.trim_end_matches("::");
            assert!(
                folder.join(format!("{module}.rs")).exists()
                    || tests.join(format!("{}.rs", area.program)).exists(),
                "{}",
                area.name
            );
        }
    }
}
