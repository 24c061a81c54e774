//! A scenario: a small TOML file that says which stacks there are, what happens to them at which second, what goes wrong, and
//! what Slack and GitHub know. The crate's README describes the format with an example; unknown words are refused.
//!
//! All seconds in it are seconds of the scenario: at `speed = 60` an event at second 120 comes two real seconds after the start.

use std::path::{Path, PathBuf};

use registry_core::trace::{Trace, TraceError};
use serde::Deserialize;
use thiserror::Error;

use crate::cloudformation::{self, Event, Play, Stack};
use crate::fault::Fault;
use crate::github::Run;
use crate::slack::Channel;

/// A scenario, read and checked, with its seconds turned into real ones.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scenario {
    /// The stacks there are before anything happens.
    pub stacks: Vec<Stack>,
    /// What happens: on which stack, which events, when and how fast.
    pub plays: Vec<(String, Vec<Event>, Play)>,
    /// How far `DescribeStacks` lags, in seconds.
    pub lag: f64,
    /// CloudFormation's faults.
    pub cloudformation_faults: Vec<Fault>,
    /// Slack's further channels.
    pub channels: Vec<Channel>,
    /// Slack's faults.
    pub slack_faults: Vec<Fault>,
    /// GitHub's runs.
    pub runs: Vec<Run>,
    /// GitHub's faults.
    pub github_faults: Vec<Fault>,
}

/// Why a file is no scenario.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Not TOML, or a word that is not known.
    #[error("the scenario makes no sense: {0}")]
    Nonsense(String),
    /// A trace it names is none.
    #[error("{path}: {source}")]
    Trace {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: TraceError,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    speed: Option<f64>,
    #[serde(default)]
    stack: Vec<Stack>,
    #[serde(default)]
    play: Vec<FilePlay>,
    #[serde(default)]
    cloudformation: FileCloudFormation,
    #[serde(default)]
    slack: FileSlack,
    #[serde(default)]
    github: FileGitHub,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePlay {
    stack: String,
    #[serde(default)]
    at: f64,
    trace: Option<PathBuf>,
    events: Option<Vec<Event>>,
    speed: Option<f64>,
    final_status: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct FileCloudFormation {
    lag: f64,
    fault: Vec<Fault>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct FileSlack {
    channel: Vec<Channel>,
    fault: Vec<Fault>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct FileGitHub {
    run: Vec<Run>,
    fault: Vec<Fault>,
}

impl Scenario {
    /// Reads a scenario from a file; the traces it names are looked for beside it.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(path).map_err(|source| ScenarioError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path.parent().unwrap_or(Path::new(".")))
    }

    /// Reads a scenario from text; the traces it names are looked for in `folder`.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, ScenarioError> {
        let file: File =
            toml::from_str(text).map_err(|error| ScenarioError::Nonsense(error.to_string()))?;
        let speed = valid_speed(file.speed.unwrap_or(1.0))?;
        let plays: Result<Vec<_>, _> = file
            .play
            .into_iter()
            .map(|play| play.load(folder, speed))
            .collect();
        let mut plays = plays?;
        // An operation happens to the stack that the ones before it left.
        plays.sort_by(|(_, _, a), (_, _, b)| a.after.total_cmp(&b.after));
        let mut stacks = file.stack;
        for stack in &mut stacks {
            stack.absent |= stack.status.is_none() && is_created_by(&plays, &stack.name);
        }
        Ok(Self {
            stacks,
            plays,
            lag: file.cloudformation.lag / speed,
            cloudformation_faults: at_speed(file.cloudformation.fault, speed),
            channels: file.slack.channel,
            slack_faults: at_speed(file.slack.fault, speed),
            runs: file
                .github
                .run
                .into_iter()
                .map(|run| Run {
                    after: run.after / speed,
                    ..run
                })
                .collect(),
            github_faults: at_speed(file.github.fault, speed),
        })
    }

    /// The same with everything this many times faster.
    #[must_use]
    pub fn faster(mut self, factor: f64) -> Self {
        for (_, _, play) in &mut self.plays {
            play.speed *= factor;
            play.after /= factor;
        }
        for run in &mut self.runs {
            run.after /= factor;
        }
        self.lag /= factor;
        for faults in [
            &mut self.cloudformation_faults,
            &mut self.slack_faults,
            &mut self.github_faults,
        ] {
            *faults = at_speed(std::mem::take(faults), factor);
        }
        self
    }
}

fn valid_speed(speed: f64) -> Result<f64, ScenarioError> {
    if speed.is_finite() && speed > 0.0 {
        Ok(speed)
    } else {
        Err(ScenarioError::Nonsense(
            "`speed` must be more than zero".to_owned(),
        ))
    }
}

fn at_speed(faults: Vec<Fault>, speed: f64) -> Vec<Fault> {
    let faster = |fault: Fault| Fault {
        from: fault.from.map(|from| from / speed),
        until: fault.until.map(|until| until / speed),
        ..fault
    };
    faults.into_iter().map(faster).collect()
}

/// Whether the first thing that happens to a stack is its creation.
fn is_created_by(plays: &[(String, Vec<Event>, Play)], stack: &str) -> bool {
    let first = plays.iter().find(|(name, _, _)| name == stack);
    let own = first.and_then(|(_, events, _)| events.iter().find(|event| event.id.is_none()));
    own.is_some_and(|event| {
        matches!(
            event.status.as_str(),
            "CREATE_IN_PROGRESS" | "REVIEW_IN_PROGRESS"
        )
    })
}

impl FilePlay {
    fn load(self, folder: &Path, speed: f64) -> Result<(String, Vec<Event>, Play), ScenarioError> {
        let own_speed = valid_speed(self.speed.unwrap_or(1.0))?;
        let events = match (self.events, self.trace) {
            (Some(events), None) => events,
            (None, Some(path)) => from_trace(
                &folder.join(path),
                &self.stack,
                self.final_status.as_deref(),
            )?,
            (Some(_), Some(_)) | (None, None) => {
                let words = format!(
                    "the play of {} needs either `events` or `trace`",
                    self.stack
                );
                return Err(ScenarioError::Nonsense(words));
            }
        };
        let play = Play {
            speed: own_speed * speed,
            after: self.at / speed,
            final_status: self.final_status,
        };
        Ok((self.stack, events, play))
    }
}

fn from_trace(
    path: &Path,
    stack: &str,
    final_status: Option<&str>,
) -> Result<Vec<Event>, ScenarioError> {
    let bytes = std::fs::read(path).map_err(|source| ScenarioError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let trace = Trace::parse(&bytes).map_err(|source| ScenarioError::Trace {
        path: path.to_owned(),
        source,
    })?;
    Ok(cloudformation::trace_events(&trace, stack, final_status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Trouble;

    #[test]
    fn the_example_of_the_readme_is_a_scenario() {
        let readme =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"))
                .unwrap();
        let example = readme
            .split("```toml")
            .nth(1)
            .and_then(|rest| rest.split("```").next())
            .unwrap();
        let scenario = Scenario::parse(example, Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert_eq!(scenario.stacks.len(), 3);
        assert!(
            scenario.stacks[1].absent,
            "a stack that is created later does not exist yet"
        );
        assert!((scenario.plays[0].2.speed - 60.0).abs() < 1e-9);
        assert_eq!(
            scenario.cloudformation_faults[0].trouble,
            Trouble::Throttling
        );
        assert_eq!(
            scenario.cloudformation_faults[0].from,
            Some(0.5),
            "30 seconds of the scenario at speed 60"
        );
        assert_eq!((scenario.slack_faults.len(), scenario.runs.len()), (1, 2));
    }

    fn check_error(text: &str, expected: &str) {
        let error = Scenario::parse(text, Path::new("/nowhere"))
            .expect_err("no scenario")
            .to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn what_is_wrong_is_said() {
        check_error("speed = 0", "`speed` must be more than zero");
        check_error(
            "[[stack]]\nname = 'A'\nstatsu = 'X'",
            "unknown field `statsu`",
        );
        check_error("[[play]]\nstack = 'A'", "the play of A needs either");
        check_error(
            "[[play]]\nstack = 'A'\ntrace = 'none.jsonl'",
            "cannot read /nowhere/none.jsonl",
        );
        check_error(
            "[[cloudformation.fault]]\ntrouble = 'rain'",
            "unknown variant `rain`",
        );
    }
}
