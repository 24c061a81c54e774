//! `doctor`: what keeps messages from arriving, and the fix for each.

use std::sync::Arc;

use command_line::output::print_line;
use command_line::{Context, Status, print_json};
use registry_core::clock::SystemClock;
use registry_core::settings::Settings;
use slack_client::{Finding, Health, Slack};

use crate::active::{self, OutOfReach};

pub(crate) fn run(context: &Context, json: bool) -> Status {
    let slack = Slack::from_settings(&context.settings, Arc::new(SystemClock::default()));
    for warning in slack.warnings() {
        context.console.warning(warning);
    }
    let mut findings = slack.examine();
    findings.push(registry(&context.settings));
    let status = status(&findings);
    if json {
        return print_json(&findings, status);
    }
    let lines: Vec<String> = findings.iter().map(line).collect();
    print_line(&lines.join("\n"), status)
}

// Messages arrive without it; `concurrent` says less.
fn registry(settings: &Settings) -> Finding {
    let (health, words, fix) = match active::place(settings) {
        Ok(folder) => (Health::Good, format!("the folder {folder}"), None),
        Err(OutOfReach { why, fix }) => (Health::Weak, why, Some(fix.to_owned())),
    };
    Finding {
        subject: "registry".to_owned(),
        health,
        words,
        fix,
    }
}

// What could not be found out is only the answer where nothing is known to be wrong and nothing was reached.
fn status(findings: &[Finding]) -> Status {
    let any = |health| findings.iter().any(|finding| finding.health == health);
    let reached = findings.iter().any(|finding| {
        matches!(finding.subject.as_str(), "token" | "webhook") && finding.health != Health::Unknown
    });
    let is_webhook = findings.iter().any(|finding| finding.subject == "webhook");
    if any(Health::Bad) {
        Status::No
    } else if !reached && !is_webhook {
        Status::CannotTell
    } else {
        Status::Yes
    }
}

fn line(finding: &Finding) -> String {
    let mark = match finding.health {
        Health::Good => "good   ",
        Health::Weak => "weak   ",
        Health::Bad => "BAD    ",
        Health::Unknown => "unknown",
    };
    let fix = match &finding.fix {
        Some(fix) => format!("\n         fix: {fix}"),
        None => String::new(),
    };
    format!("{mark}  {}: {}{fix}", finding.subject, finding.words)
}
