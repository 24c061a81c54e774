//! `cargo xtask test`: every test, on a machine that has Rust only.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};

use crate::process::{cargo, metadata, target_directory, variable};
use crate::tools::{self, Tool};

/// Fetches the tools, runs `cargo test` once over the whole workspace, and closes with one line of counts.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    ensure!(
        arguments.is_empty(),
        "test takes no arguments; for some of the tests use cargo test -p CRATE NAME"
    );
    let tools = tools::fetch(&target_directory(&metadata()?)?);
    let plan = plan(&tools, variable("CI").is_some())?;
    for skipped in &plan.skipped {
        eprintln!("{skipped}");
    }
    let mut test = cargo();
    test.args(["test", "--workspace", "--no-fail-fast", "--"])
        .args(&plan.arguments);
    test.envs(plan.variables);
    let mut running = test
        .stdout(Stdio::piped())
        .spawn()
        .context("cargo could not be started")?;
    let mut counts = Counts::default();
    if let Some(stdout) = running.stdout.take() {
        counts = pass_through(BufReader::new(stdout))?;
    }
    let status = running.wait().context("cargo was lost")?;
    // A test binary that was killed or did not compile has no count of its own.
    if !status.success() && counts.failed == 0 {
        counts.failed = 1;
    }
    for skipped in &plan.skipped {
        println!("{skipped}");
    }
    println!("{}", counts.line());
    Ok(status.success() && counts.failed == 0 && counts.passed > 0)
}

#[derive(Debug, Default, PartialEq)]
struct Plan {
    arguments: Vec<String>,
    variables: Vec<(&'static str, std::path::PathBuf)>,
    skipped: Vec<String>,
}

/// Where a tool is missing its tests are skipped and that is said; in CI nothing is skipped.
fn plan(tools: &[Tool], ci: bool) -> Result<Plan> {
    let mut plan = Plan::default();
    for tool in tools {
        match &tool.path {
            Ok(path) => plan.variables.push((tool.variable, path.clone())),
            Err(why) if ci => bail!(
                "in CI no test is skipped, but those named {} cannot run: {why}",
                tool.mark
            ),
            Err(why) => {
                plan.arguments
                    .extend(["--skip".to_owned(), tool.mark.to_owned()]);
                plan.skipped
                    .push(format!("skipped the tests named {}: {why}", tool.mark));
            }
        }
    }
    Ok(plan)
}

/// Shows the tests' output as it comes, and counts.
pub(crate) fn pass_through(mut from: impl BufRead) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut line = Vec::new();
    let mut stdout = std::io::stdout();
    loop {
        line.clear();
        if from
            .read_until(b'\n', &mut line)
            .context("the tests' output cannot be read")?
            == 0
        {
            return Ok(counts);
        }
        counts.add(&String::from_utf8_lossy(&line));
        stdout
            .write_all(&line)
            .and_then(|()| stdout.flush())
            .context("the tests' output cannot be shown")?;
    }
}

/// How many tests came to what.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Counts {
    /// How many passed.
    pub(crate) fn passed(&self) -> u64 {
        self.passed
    }

    /// Adds a line such as `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.1s`.
    fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        for part in result.split([';', '.']) {
            let mut words = part.split_whitespace();
            let (Some(number), Some(what)) = (
                words.next().and_then(|word| word.parse::<u64>().ok()),
                words.next(),
            ) else {
                continue;
            };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" | "filtered" => self.skipped += number,
                _ => {}
            }
        }
    }

    fn line(&self) -> String {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        match skipped {
            0 => format!("{passed} passed, {failed} failed"),
            _ => format!("{passed} passed, {failed} failed, {skipped} skipped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up() {
        let text = "running 3 tests\ntest a ... ok\n\
            test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s\n\
            test result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured; 4 filtered out; finished in 1.00s\n";
        let mut counts = Counts::default();
        text.lines().for_each(|line| counts.add(line));
        assert_eq!(counts.line(), "15 passed, 2 failed, 5 skipped");
        let whole = Counts {
            passed: 1,
            ..Counts::default()
        };
        assert_eq!(whole.line(), "1 passed, 0 failed");
    }

    #[test]
    fn a_missing_tool_skips_its_tests_but_not_in_ci() {
        let tools = [
            Tool {
                variable: "MOTO_SERVER",
                mark: "needs_moto",
                path: Ok("/tools/moto_server".into()),
            },
            Tool {
                variable: "DYNALITE",
                mark: "needs_dynalite",
                path: Err("node is needed".to_owned()),
            },
        ];
        let expected = Plan {
            arguments: vec!["--skip".to_owned(), "needs_dynalite".to_owned()],
            variables: vec![("MOTO_SERVER", "/tools/moto_server".into())],
            skipped: vec!["skipped the tests named needs_dynalite: node is needed".to_owned()],
        };
        assert_eq!(plan(&tools, false).unwrap(), expected);
        let refused = plan(&tools, true).unwrap_err().to_string();
        assert!(
            refused.contains("needs_dynalite") && refused.contains("node is needed"),
            "{refused}"
        );
    }
}
