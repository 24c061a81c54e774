//! `simulators serve`.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use command_line::Console;
use registry_core::clock::{StopSignal, Wake};
use registry_core::trace::Trace;
use simulators::{Play, Ports, Scenario, Simulators};

/// Serve until stopped (SIGINT, SIGTERM), and print the environment that leads programs here
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  simulators serve
      Three empty services on free ports. Add stacks with
      curl -X POST $AWS_ENDPOINT_URL/_sim/stacks -d '{\"name\": \"App\", \"status\": \"UPDATE_IN_PROGRESS\"}'

  simulators serve --trace crates/simulators/traces/ai-chatbot_ai-chatbot_update7.jsonl --stack App --speed 10
      App moves as the recorded operation did, ten times faster, beginning now.

  simulators serve --scenario crates/simulators/scenarios/two-deployments.toml --slack-text slack.txt --env-file env.sh
      Then, in another terminal: . ./env.sh; aws cloudformation describe-stacks; tail -f slack.txt

  curl -X POST $AWS_ENDPOINT_URL/_sim/faults -d '{\"trouble\": \"throttling\", \"action\": \"DescribeStacks\", \"times\": 3}'
      The next three answers are wrong. GET /_sim/help on each service lists what can be steered.

The crate's README describes scenarios, faults and the steering requests.")]
pub(crate) struct Words {
    /// CloudFormation's port; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    cloudformation: u16,
    /// Slack's port; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    slack: u16,
    /// GitHub's port; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    github: u16,
    /// Play this scenario, beginning now
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Play this record, beginning now: JSON lines as in traces/, or what `aws cloudformation describe-stack-events` printed
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// The stack the record is played on; its own name when not given
    #[arg(long, value_name = "NAME", requires = "trace")]
    stack: Option<String>,
    /// How the stack ends where the record has no end; derived from the events when not given
    #[arg(long, value_name = "STATUS", requires = "trace")]
    final_status: Option<String>,
    /// How many times faster than recorded; a scenario's own speed is multiplied by it
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    speed: f64,
    /// DescribeStacks lags the events by so many (real) seconds
    #[arg(long, value_name = "SECONDS")]
    lag: Option<f64>,
    /// Keep the channels as a person would see them in this file
    #[arg(long, value_name = "FILE")]
    slack_text: Option<PathBuf>,
    /// Write the environment to this file too, to be read with `. FILE`
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// End when stdin is closed, so that no service outlives the program that started it
    #[arg(long)]
    until_stdin_closes: bool,
}

/// Serves until asked to stop.
pub(crate) fn serve(words: &Words) -> anyhow::Result<()> {
    if !(words.speed.is_finite() && words.speed > 0.0) {
        bail!("--speed must be more than zero");
    }
    let stop = command_line::signals::catch().context("signals cannot be caught")?;
    let ports = Ports {
        cloudformation: words.cloudformation,
        slack: words.slack,
        github: words.github,
    };
    let simulators = Simulators::start_on(ports).context("cannot listen on 127.0.0.1")?;
    set_up(words, &simulators)?;
    let environment = environment(&simulators);
    if let Some(path) = &words.env_file {
        write_whole(path, &environment)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut stdout = std::io::stdout();
    stdout.write_all(environment.as_bytes())?;
    stdout.flush()?;
    let url = simulators.cloudformation.url();
    Console::for_process().info(&format!(
        "serving until stopped; curl {url}/_sim/help tells what can be steered"
    ));
    if words.until_stdin_closes {
        stop_when_stdin_closes(stop.clone())?;
    }
    while stop.wait(Duration::from_secs(3600)) == Wake::Elapsed {}
    Ok(())
}

fn set_up(words: &Words, simulators: &Simulators) -> anyhow::Result<()> {
    if let Some(path) = &words.slack_text {
        let kept = simulators.slack.keep_text_in(path.clone());
        kept.with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(path) = &words.scenario {
        simulators.run(&Scenario::read(path)?.faster(words.speed));
    }
    if let Some(seconds) = words.lag {
        simulators.cloudformation.set_lag(seconds);
    }
    if let Some(path) = &words.trace {
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let trace = Trace::parse(&bytes).with_context(|| path.display().to_string())?;
        let Some(stack) = words.stack.as_deref().or(trace.stack_name()) else {
            bail!(
                "{} does not name its stack: say --stack NAME",
                path.display()
            );
        };
        let play = Play {
            final_status: words.final_status.clone(),
            ..Play::at_speed(words.speed)
        };
        simulators.cloudformation.play_trace(stack, &trace, &play);
    }
    Ok(())
}

/// Lines for a shell to read. The webhook is a comment: with both set, programs take the token.
fn environment(simulators: &Simulators) -> String {
    let exports = simulators
        .environment()
        .into_iter()
        .map(|(name, value)| format!("export {name}='{value}'\n"));
    let webhook = format!(
        "# export SLACK_WEBHOOK_URL='{}'\n",
        simulators.slack.webhook_url()
    );
    exports.chain([webhook]).collect()
}

/// Written beside and renamed, so that whoever waits for the file never reads half of it.
#[expect(
    clippy::disallowed_methods,
    reason = "the file is worth nothing after this process: it need not be durable"
)]
fn write_whole(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    let beside = path.with_extension("partial");
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, path)
}

fn stop_when_stdin_closes(stop: StopSignal) -> std::io::Result<()> {
    let wait = move || {
        let mut scratch = [0; 1024];
        // An error is an end as well: nobody is there to close it any more.
        while matches!(std::io::stdin().read(&mut scratch), Ok(1..)) {}
        stop.stop(0);
    };
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(wait)
        .map(drop)
}
