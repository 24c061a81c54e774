//! The deployment on the page of its GitHub job.

use registry_core::notification::Notification;
use registry_core::slot::Entry;
use registry_core::text::{Masker, one_line};

use super::Plan;
use super::course::Course;
use super::ending::{Report, notification};
use crate::world::World;

/// Adds a table to the job's page, where there is one.
pub(super) fn write(
    world: &World,
    plan: &Plan,
    held: Option<&Entry>,
    course: &Course,
    report: &Report,
) {
    let masker = Masker::new(world.settings().secrets());
    let rows = rows(plan, held, course, report);
    let lines: Vec<String> = rows
        .iter()
        .map(|(name, value)| format!("| {name} | {} |\n", cell(&masker.mask(value))))
        .collect();
    let title = match notification(plan, course, report) {
        Notification::Complete { .. } => "✅ Deployment Successful",
        Notification::Failed { .. }
        | Notification::Started { .. }
        | Notification::Queued { .. }
        | Notification::Progress { .. }
        | Notification::Stalled { .. }
        | Notification::Alert { .. }
        | Notification::Custom { .. } => "❌ Deployment Failed",
    };
    world.github_summary(&format!(
        "### {title}\n\n| | |\n|---|---|\n{}\n",
        lines.concat()
    ));
}

fn rows(
    plan: &Plan,
    held: Option<&Entry>,
    course: &Course,
    report: &Report,
) -> Vec<(&'static str, String)> {
    let token = held.and_then(|entry| entry.fencing_token);
    let mut rows = vec![
        ("Environment", plan.target.environment.to_string()),
        ("Stack", plan.target.names().join(", ")),
        ("Correlation ID", plan.id.to_string()),
        (
            "Fencing token",
            token.map_or_else(
                || "none: the registry could not be used".to_owned(),
                |token| token.to_string(),
            ),
        ),
        ("Duration", format!("{} minutes", report.minutes())),
    ];
    match notification(plan, course, report) {
        Notification::Failed { error, .. } => rows.push(("Error", error)),
        Notification::Complete { url: Some(url), .. } => rows.push(("Application", url)),
        Notification::Complete { url: None, .. }
        | Notification::Started { .. }
        | Notification::Queued { .. }
        | Notification::Progress { .. }
        | Notification::Stalled { .. }
        | Notification::Alert { .. }
        | Notification::Custom { .. } => {}
    }
    rows
}

// Text from AWS or from a command is data: nothing in it is Markdown or HTML, and none of it ends the cell.
fn cell(text: &str) -> String {
    let mut safe = String::new();
    for c in one_line(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '~' | '#' | '!' => {
                safe.push('\\');
                safe.push(c);
            }
            _ => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn text_from_outside_stays_text() {
        assert_eq!(
            cell("a|b\n## c <img src=x> [l](javascript:x) `d` & \\|"),
            "a\\|b \\#\\# c &lt;img src=x&gt; \\[l\\](javascript:x) \\`d\\` &amp; \\\\\\|"
        );
    }
}
