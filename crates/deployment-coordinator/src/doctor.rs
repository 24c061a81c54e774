//! `doctor`: everything that stopped real deployments, looked at in seconds, with the fix for each. Deploys and sends nothing.

mod aws;
mod github;
mod machine;
mod registry;

use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};

use command_line::output::print_line;
use command_line::{Status, print_json};
use registry_core::clock::SystemClock;
use registry_core::settings::{self, Setting};
use registry_core::text::{Masker, one_line};
use serde_json::{Value, json};
use slack_client::{Finding, Health, Slack};

use crate::args;
use crate::error::Problem;
use crate::world::{Target, World};

/// Settings that are durations.
const DURATIONS: [&Setting; 10] = [
    &settings::CHECK_INTERVAL,
    &settings::STALL_THRESHOLD,
    &settings::MAX_DURATION,
    &settings::PROGRESS_INTERVAL,
    &settings::START_GRACE,
    &settings::RETRY_GRACE,
    &settings::RECOVERY_INTERVAL,
    &settings::LEASE,
    &settings::RESERVATION,
    &settings::SLACK_TIMEOUT,
];

pub(crate) fn run(world: &World, words: &args::Doctor) -> Result<Status, Problem> {
    let targets = targets(world, words)?;
    let groups = examine(world, &targets);
    let status = status(&groups);
    let masker = Masker::new(world.settings().secrets());
    Ok(match words.format {
        args::Format::Json => {
            let all: Vec<Value> = groups
                .iter()
                .flat_map(|(group, findings)| {
                    findings
                        .iter()
                        .map(|finding| machine_readable(group, finding, &masker))
                })
                .collect();
            print_json(
                &json!({"healthy": status == Status::Yes, "findings": all}),
                status,
            )
        }
        args::Format::Text => {
            let lines: Vec<String> = groups
                .iter()
                .flat_map(|(group, findings)| {
                    findings.iter().map(|finding| line(group, finding, &masker))
                })
                .chain([summary(&groups, status)])
                .collect();
            print_line(&lines.join("\n"), status)
        }
    })
}

// The environment that was named, else every one that is known.
fn targets(world: &World, words: &args::Doctor) -> Result<Vec<Target>, Problem> {
    let names = match &words.environment {
        Some(environment) => vec![environment.clone()],
        None => world
            .settings()
            .environments()
            .into_iter()
            .map(|(name, _)| name)
            .collect(),
    };
    names
        .into_iter()
        .map(|environment| {
            world.target(&args::Place {
                environment: Some(environment),
                stack: words.stack.clone(),
            })
        })
        .collect()
}

type Group = (&'static str, Vec<Finding>);

// Everything that waits for somebody else at the same time.
fn examine(world: &World, targets: &[Target]) -> Vec<Group> {
    thread::scope(|scope| {
        let aws = scope.spawn(|| aws::examine(world, targets));
        let slack = scope.spawn(|| {
            Slack::from_settings(world.settings(), Arc::new(SystemClock::default())).examine()
        });
        let github = scope.spawn(|| github::examine(world));
        let programs = scope.spawn(|| machine::programs(world));
        vec![
            ("settings", settings_that_do_not_parse(world)),
            ("programs", joined(programs)),
            ("aws", joined(aws)),
            ("registry", registry::examine(world, targets)),
            ("slack", joined(slack)),
            ("github", joined(github)),
            ("history", machine::history(world)),
        ]
    })
}

fn joined(thread: ScopedJoinHandle<'_, Vec<Finding>>) -> Vec<Finding> {
    thread.join().unwrap_or_else(|_| {
        vec![unknown(
            "check",
            "this check broke down; please report it with the lines above".to_owned(),
        )]
    })
}

fn settings_that_do_not_parse(world: &World) -> Vec<Finding> {
    let set = world.settings();
    let mut findings: Vec<Finding> = DURATIONS
        .iter()
        .filter_map(|setting| set.duration(setting).err())
        .chain(set.flag(&settings::REGISTRY_REQUIRED).err())
        .map(|error| {
            let fix = "set it to what it should be, or take it out";
            bad("settings", error.to_string(), fix)
        })
        .collect();
    if findings.is_empty() {
        findings.push(good("settings", "every setting makes sense".to_owned()));
    }
    findings
}

fn finding(subject: &str, health: Health, words: String, fix: Option<String>) -> Finding {
    Finding {
        subject: subject.to_owned(),
        health,
        words,
        fix,
    }
}

fn good(subject: &str, words: String) -> Finding {
    finding(subject, Health::Good, words, None)
}

fn weak(subject: &str, words: String, fix: impl Into<String>) -> Finding {
    finding(subject, Health::Weak, words, Some(fix.into()))
}

fn bad(subject: &str, words: String, fix: impl Into<String>) -> Finding {
    finding(subject, Health::Bad, words, Some(fix.into()))
}

fn unknown(subject: &str, words: String) -> Finding {
    finding(subject, Health::Unknown, words, None)
}

// A fault is a fault whatever else could not be found out. That Slack cannot be asked stops no deployment.
fn status(groups: &[Group]) -> Status {
    let any = |health, but: &str| {
        groups
            .iter()
            .filter(|(group, _)| *group != but)
            .flat_map(|(_, findings)| findings)
            .any(|finding| finding.health == health)
    };
    if any(Health::Bad, "") {
        Status::No
    } else if any(Health::Unknown, "slack") {
        Status::CannotTell
    } else {
        Status::Yes
    }
}

// Last, so that it is what stands above the prompt.
fn summary(groups: &[Group], status: Status) -> String {
    let count = |health| {
        groups
            .iter()
            .flat_map(|(_, findings)| findings)
            .filter(|finding| finding.health == health)
            .count()
    };
    let verdict = match status {
        Status::Yes => "nothing found that would stop a deployment",
        Status::No => "mend what is BAD before you deploy",
        Status::CannotTell | Status::Other(_) => "whether a deployment would start is not known",
    };
    let found: Vec<String> = [
        (count(Health::Good), "good"),
        (count(Health::Weak), "weak"),
        (count(Health::Bad), "BAD"),
        (count(Health::Unknown), "unknown"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, word)| format!("{count} {word}"))
    .collect();
    format!("in all: {}; {verdict}", found.join(", "))
}

fn line(group: &str, finding: &Finding, masker: &Masker) -> String {
    let mark = match finding.health {
        Health::Good => "good   ",
        Health::Weak => "weak   ",
        Health::Bad => "BAD    ",
        Health::Unknown => "unknown",
    };
    let subject = if finding.subject == group {
        group.to_owned()
    } else {
        format!("{group} {}", finding.subject)
    };
    let mut text = format!("{mark}  {subject}: {}", clean(&finding.words, masker));
    if let Some(fix) = &finding.fix {
        text.push_str("\n         fix: ");
        text.push_str(&clean(fix, masker));
    }
    text
}

fn clean(text: &str, masker: &Masker) -> String {
    masker.mask(&one_line(text))
}

fn machine_readable(group: &str, finding: &Finding, masker: &Masker) -> Value {
    json!({
        "group": group,
        "subject": finding.subject,
        "health": finding.health,
        "words": clean(&finding.words, masker),
        "fix": finding.fix.as_ref().map(|fix| clean(fix, masker)),
    })
}
