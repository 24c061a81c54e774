//! Notification -> document: the guide's words, to the letter.

use std::time::Duration;

use registry_core::clock::{Timestamp, human_duration};
use registry_core::notification::{Active, Estimate, Notification};
use registry_core::text::{one_line, printable};

use crate::document::{Block, Document, Part};

/// What stands for a value nobody knows.
const UNKNOWN: &str = "UNKNOWN";

/// What is said about a message beside what happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// When it happened.
    pub at: Timestamp,
    /// AWS console page of the failed stack's events.
    pub console_url: Option<String>,
    /// It could be sent only so long after it happened.
    pub late: Option<Duration>,
    /// It may have been sent before.
    pub may_be_a_repeat: bool,
    /// The deployment's current state, below the guide's words of its first message.
    pub state: Option<String>,
}

/// The whole message as plain text, for a terminal.
#[must_use]
pub fn plain_text(notification: &Notification, circumstances: &Circumstances) -> String {
    let text = document(notification, circumstances).draw(&crate::forms::Plain, usize::MAX);
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

pub(crate) fn document(notification: &Notification, circumstances: &Circumstances) -> Document {
    let mut document = Document::default();
    body(&mut document, notification, circumstances);
    if let Some(state) = &circumstances.state {
        document.empty().line([
            Part::Bold("Now:"),
            Part::Words(" "),
            Part::Value(state.clone()),
        ]);
    }
    if let Some(late) = circumstances.late {
        document.empty().line([
            Part::Words("🕓 Sent "),
            Part::Value(human_duration(late)),
            Part::Words(" late: this happened at "),
            Part::Value(circumstances.at.human()),
            Part::Words("."),
        ]);
    }
    if circumstances.may_be_a_repeat {
        document.empty().line([Part::Words(
            "🔁 This may be a repeat: Slack did not say whether it took the message the first time.",
        )]);
    }
    document
}

fn body(document: &mut Document, notification: &Notification, circumstances: &Circumstances) {
    let at = circumstances.at.human();
    match notification {
        Notification::Started {
            id,
            environment,
            run,
        } => {
            title(document, "🚀 ", "Deployment Started");
            document.field("Environment:", flat(environment));
            correlation_id(document, id);
            document.field("Started:", at);
            document.field("Workflow:", flat(run));
            document
                .empty()
                .line([Part::Words("Monitoring deployment progress...")]);
        }
        Notification::Queued {
            id,
            environment,
            active,
        } => queued(document, id, environment, active, circumstances.at),
        Notification::Progress {
            id,
            status,
            details,
            estimate,
        } => {
            title(document, "⏳ ", "Deployment Progress Update");
            correlation_id(document, id);
            document.field("Status:", flat(status));
            document.field("Time:", at);
            if let Some(estimate) = estimate {
                let remaining = Duration::from_secs(estimate.remaining_minutes.saturating_mul(60));
                document.field(
                    "Estimated Remaining:",
                    minutes(&estimate.remaining_minutes.to_string()),
                );
                document.field("Est. Completion:", (circumstances.at + remaining).human());
            }
            document.empty().text(&lines(details));
        }
        Notification::Complete {
            id,
            environment,
            minutes: duration,
            url,
        } => {
            title(document, "✅ ", "Deployment Successful");
            document.field("Environment:", flat(environment));
            correlation_id(document, id);
            document.field("Completed:", at);
            document.field("Duration:", minutes(duration));
            document.empty();
            if let Some(url) = url {
                document.field("Application URL:", flat(url)).empty();
            }
            document.line([Part::Words("All services are healthy and running! 🎉")]);
        }
        Notification::Failed {
            id,
            environment,
            error,
            ..
        } => {
            title(document, "❌ ", "Deployment Failed");
            document.field("Environment:", flat(environment));
            correlation_id(document, id);
            document.field("Failed:", at);
            document.empty().line([Part::Bold("Error Details:")]);
            document.text(&lines(error));
            document.empty().line([Part::Bold("Troubleshooting:")]);
            let link = match &circumstances.console_url {
                Some(url) => Part::Link {
                    label: "AWS Console Link",
                    url: url.clone(),
                },
                None => Part::Words("[AWS Console Link]"),
            };
            document.item([Part::Words("View stack events: "), link]);
            document.item([Part::Words(
                "Check CloudWatch logs for detailed error messages",
            )]);
            document.item([Part::Words("Review recent code changes")]);
            document.empty().line([Part::Words(
                "Need help? Check the deployment troubleshooting guide.",
            )]);
        }
        Notification::Stalled {
            id,
            stack,
            minutes: silent,
            details,
        } => {
            title(document, "⚠️ ", "Deployment Stalled");
            correlation_id(document, id);
            document.field("Stack:", flat(stack));
            document.field("Time:", at);
            document.field("No Stack Events For:", minutes(silent));
            document.empty();
            match details {
                Some(details) => document.text(&lines(details)),
                None => document.line([Part::Words(
                    "The deployment may be stuck. Check the stack's events in the AWS console.",
                )]),
            };
        }
        Notification::Alert { id, stack, message } => {
            title(document, "🚨 ", "Deployment Alert");
            correlation_id(document, id);
            document.field("Stack:", flat(stack));
            document.field("Time:", at);
            document.empty().text(&lines(message));
        }
        Notification::Custom { message } => {
            let message = lines(message);
            // Slack refuses a message without text.
            let shown = if message.trim().is_empty() {
                "(a message without text)".to_owned()
            } else {
                message
            };
            document.0.push(Block::Markdown(shown));
        }
    }
}

fn queued(document: &mut Document, id: &str, environment: &str, active: &str, at: Timestamp) {
    let active = Active::read(active);
    let deployment = active.deployment;
    let started = deployment
        .started_at
        .as_deref()
        .and_then(Timestamp::parse_rfc3339);
    let elapsed = deployment
        .elapsed_minutes
        .or_else(|| started.map(|started| at.since(started).as_secs() / 60));
    let unknown_or = |value: Option<String>| value.unwrap_or_else(|| UNKNOWN.to_owned());
    let item = |document: &mut Document, label: &'static str, value: Option<String>| {
        document.item([Part::Words(label), Part::Value(flat(&unknown_or(value)))]);
    };
    title(document, "⏸️ ", "Deployment Queued");
    document.field("Environment:", flat(environment));
    correlation_id(document, id);
    document
        .empty()
        .line([Part::Bold("Active Deployment Detected:")]);
    item(document, "Status: ", deployment.status);
    // A time that is none is shown as it came.
    let started = started.map(Timestamp::human).or(deployment.started_at);
    item(document, "Started: ", started);
    let in_minutes = |value: Option<u64>| value.map(|value| minutes(&value.to_string()));
    item(document, "Elapsed: ", in_minutes(elapsed));
    item(
        document,
        "Estimated Remaining: ",
        in_minutes(deployment.estimated_remaining_minutes),
    );
    document.empty().line([Part::Words(
        "This deployment will wait for the active deployment to complete.",
    )]);
    if let Some(limit) = active.limit_minutes {
        document.line([
            Part::Words("It gives up after "),
            Part::Value(minutes(&limit.to_string())),
            Part::Words("."),
        ]);
    }
}

fn title(document: &mut Document, emoji: &'static str, words: &'static str) {
    document
        .line([Part::Words(emoji), Part::Bold(words)])
        .empty();
}

fn correlation_id(document: &mut Document, id: &str) {
    document.line([
        Part::Bold("Correlation ID:"),
        Part::Words(" "),
        Part::Code(flat(id)),
    ]);
}

// A number gets its unit; what is no number is shown as it is.
fn minutes(text: &str) -> String {
    let text = flat(text);
    match text.parse::<u64>() {
        Ok(1) => "1 minute".to_owned(),
        Ok(number) => format!("{number} minutes"),
        Err(_) => text,
    }
}

// A value that belongs on one line. Workflow commands mean nothing to Slack, so unlike `one_line` nothing is put in between.
fn flat(text: &str) -> String {
    printable(text)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

fn lines(text: &str) -> String {
    let text = printable(&text.replace("\r\n", "\n").replace('\r', "\n"));
    text.trim_matches('\n').trim_end().to_owned()
}

/// The current state, as the first message of a thread shows it after `latest` happened.
#[must_use]
pub fn state_line(latest: &Notification, at: Timestamp) -> Option<String> {
    let at = at.human();
    Some(match latest {
        Notification::Started { .. } => format!("🚀 running since {at}"),
        Notification::Queued { .. } => format!("⏸️ waiting for another deployment ({at})"),
        Notification::Progress {
            status, estimate, ..
        } => match estimate {
            Some(estimate) => format!(
                "⏳ {} {}about {} left ({at})",
                flat(status),
                bar(estimate),
                minutes(&estimate.remaining_minutes.to_string())
            ),
            None => format!("⏳ {} ({at})", flat(status)),
        },
        Notification::Complete {
            minutes: duration, ..
        } => format!("✅ successful after {} ({at})", minutes(duration)),
        Notification::Failed { error, .. } => format!(
            "❌ failed: {} ({at})",
            registry_core::text::shorten(&one_line(error), 200)
        ),
        Notification::Stalled {
            minutes: silent, ..
        } => format!("⚠️ no stack events for {} ({at})", minutes(silent)),
        Notification::Alert { .. } | Notification::Custom { .. } => return None,
    })
}

// Ten boxes and a percentage, where the time since the beginning is known.
fn bar(estimate: &Estimate) -> String {
    let Some(elapsed) = estimate.elapsed_minutes else {
        return String::new();
    };
    let total = elapsed.saturating_add(estimate.remaining_minutes).max(1);
    let percent = ((elapsed as f64 / total as f64 * 100.0) as u64).min(99);
    let full = usize::try_from(percent / 10).unwrap_or(0);
    format!("{}{} {percent}%, ", "▰".repeat(full), "▱".repeat(10 - full))
}

#[cfg(test)]
mod tests;
