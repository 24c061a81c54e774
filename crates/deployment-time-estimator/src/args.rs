//! The words of the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as Words, Parser, Subcommand};
use command_line::status;
use registry_core::clock::parse_duration;
use registry_core::history::LONGEST_MINUTES;
use registry_core::ids::{CorrelationId, IdError, StackName};

/// Estimate how long a deployment will still take, from what earlier ones took
#[derive(Debug, Parser)]
#[command(name = "deployment-time-estimator", version = command_line::VERSION, after_help = status::HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
#[command(rename_all = "snake_case")]
pub(crate) enum Command {
    /// Read what a stack's past operations took, resource by resource
    Collect(CollectWords),
    /// Print how long a deployment will still take
    Estimate(EstimateWords),
    /// Note what a completed deployment took
    Update(UpdateWords),
    /// Show deployments over time, the slowest resources and how good the estimates were
    Report(ReportWords),
}

#[derive(Debug, Words)]
#[command(
    after_help = "Exit status: 0 collected, also when nothing was new; 1 there is no such stack; 2 CloudFormation could not be asked, the history could not be written, or wrong usage"
)]
pub(crate) struct CollectWords {
    /// Stack, or several separated by commas [default: STACK_NAME, else the stacks of ENVIRONMENT, else of production]
    pub(crate) stack: Option<String>,
    /// At most so many of the stack's last operations
    #[arg(long, value_name = "N", default_value = "20", value_parser = operations)]
    pub(crate) operations: usize,
}

#[derive(Debug, Words)]
#[command(
    after_help = "Exit status: 0 estimated; 1 nothing is in progress and nothing is known of the stack; 2 CloudFormation could not be asked, or wrong usage"
)]
pub(crate) struct EstimateWords {
    /// Correlation id of the deployment
    #[arg(value_parser = id)]
    pub(crate) id: CorrelationId,
    /// Stack, or several separated by commas [default: the registered deployment's, else STACK_NAME, else the stacks of ENVIRONMENT, else of production]
    pub(crate) stack: Option<String>,
    /// Minutes since the deployment began, or a duration like 90s [default: since the stack's operation began]
    #[arg(allow_negative_numbers = true)]
    pub(crate) elapsed: Option<String>,
}

#[derive(Debug, Words)]
#[command(after_help = "Exit status: 0 noted; 2 the history could not be written, or wrong usage")]
pub(crate) struct UpdateWords {
    /// Correlation id of the deployment
    #[arg(value_parser = id)]
    pub(crate) id: CorrelationId,
    /// Whole minutes it took
    #[arg(allow_negative_numbers = true, value_parser = minutes)]
    pub(crate) minutes: u64,
    /// Stack [default: as for estimate]
    pub(crate) stack: Option<String>,
}

#[derive(Debug, Words)]
#[command(
    after_help = "Exit status: 0 shown; 1 there is nothing to show; 2 a file could not be read or written, or wrong usage"
)]
pub(crate) struct ReportWords {
    /// Stack [default: the one with the newest deployment]
    pub(crate) stack: Option<String>,
    /// A recorded operation to show instead of the history
    #[arg(long, value_name = "FILE", conflicts_with = "deployment")]
    pub(crate) trace: Option<PathBuf>,
    /// Deployment to show resource by resource, by its correlation id [default: the last one]
    #[arg(long, value_name = "ID")]
    pub(crate) deployment: Option<String>,
    /// Write the report to FILE, too, as one page with charts
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

fn id(text: &str) -> Result<CorrelationId, IdError> {
    text.parse()
}

fn operations(text: &str) -> Result<usize, String> {
    const MOST: usize = 1000;
    text.parse()
        .ok()
        .filter(|count| (1..=MOST).contains(count))
        .ok_or_else(|| format!("give a whole number from 1 to {MOST}, not {text:?}"))
}

fn minutes(text: &str) -> Result<u64, String> {
    text.trim()
        .parse()
        .ok()
        .filter(|minutes| (1..=LONGEST_MINUTES).contains(minutes))
        .ok_or_else(|| {
            format!("give the deployment's duration in whole minutes, 1 to {LONGEST_MINUTES} (a week), not {text:?}")
        })
}

/// STACK and ELAPSED as they were meant: a stack's name begins with a letter, so that `estimate ID 15` can only be 15 minutes.
pub(crate) fn stack_and_elapsed(
    words: &EstimateWords,
) -> Result<(Option<&str>, Option<Duration>), String> {
    let stack = words.stack.as_deref().filter(|stack| !stack.is_empty());
    match (stack, words.elapsed.as_deref()) {
        (Some(first), None) if first.parse::<StackName>().is_err() && elapsed(first).is_ok() => {
            Ok((None, Some(elapsed(first)?)))
        }
        (stack, None | Some("")) => Ok((stack, None)),
        (stack, Some(text)) => Ok((stack, Some(elapsed(text)?))),
    }
}

/// A bare number is minutes here, as the scripts' callers pass it.
fn elapsed(text: &str) -> Result<Duration, String> {
    let longest = Duration::from_secs(LONGEST_MINUTES * 60);
    let span = match text.trim().parse::<u64>() {
        Ok(minutes) => minutes.checked_mul(60).map(Duration::from_secs),
        Err(_) => parse_duration(text),
    };
    span.filter(|span| *span <= longest).ok_or_else(|| {
        format!("<ELAPSED>: give whole minutes, 0 to {LONGEST_MINUTES} (a week), or a duration like 90s, not {text:?}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(stack: Option<&str>, elapsed: Option<&str>) -> EstimateWords {
        EstimateWords {
            id: "a".parse().unwrap(),
            stack: stack.map(str::to_owned),
            elapsed: elapsed.map(str::to_owned),
        }
    }

    #[test]
    fn elapsed_may_stand_where_the_stack_would() {
        let minutes = |m: u64| Some(Duration::from_secs(m * 60));
        let check = |stack, elapsed, expected| {
            assert_eq!(stack_and_elapsed(&words(stack, elapsed)), Ok(expected));
        };
        check(Some("App"), Some("15"), (Some("App"), minutes(15)));
        check(Some("15"), None, (None, minutes(15)));
        check(Some("App"), None, (Some("App"), None));
        check(Some(""), Some(""), (None, None));
        check(None, None, (None, None));
        check(Some("App"), Some("0"), (Some("App"), minutes(0)));
        check(
            Some("App"),
            Some("90s"),
            (Some("App"), Some(Duration::from_secs(90))),
        );
        for bad in ["abc", "-5", "99999999999999999999", "1e9", "10081"] {
            assert!(
                stack_and_elapsed(&words(Some("App"), Some(bad))).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn durations_are_from_one_minute_to_a_week() {
        assert_eq!(minutes("25"), Ok(25));
        assert_eq!(minutes("10080"), Ok(10_080));
        for bad in [
            "0",
            "-1",
            "abc",
            "",
            "25.5",
            "10081",
            "99999999999999999999",
            "∞",
        ] {
            let sentence = minutes(bad).unwrap_err();
            assert!(
                sentence.contains("whole minutes") && !sentence.contains('\n'),
                "{bad}"
            );
        }
    }
}
