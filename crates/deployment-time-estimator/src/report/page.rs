//! The report as one page, without anything from outside: no script, no font, no picture but its own.

mod charts;
mod colours;
mod gantt;
mod scale;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use registry_core::clock::Timestamp;
use registry_core::estimate::operation::{Outcome, Run, RunState};
use registry_core::text::{mask, one_line};

use super::summary::{Line, Shown, Slow, Summary, dated};
use super::text::{failed, span};

/// How many deployments are told; a history keeps five hundred of those that `update` notes.
const TOLD: usize = 200;

/// The whole page.
pub(super) fn draw(summary: &Summary, now: Timestamp) -> String {
    let stack = told(&summary.stack);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                // A page opened from a build's artifacts shall run and fetch nothing, whatever somebody put into a name.
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Deployments of " (stack) }
                style { (PreEscaped(colours::css())) (PreEscaped(include_str!("page/page.css"))) }
            }
            body {
                header {
                    h1 { "Deployments of " (stack) }
                    p { (overview(summary)) }
                    p.small { "Made " (time(now)) " by deployment-time-estimator. All times are UTC." }
                }
                main {
                    (deployments(summary))
                    (accuracy(summary))
                    @if let Some(shown) = &summary.shown { (operation(shown)) }
                    (slow("slowest-resources", "Slowest resources", "Resource", &summary.resources))
                    (slow("slowest-types", "Slowest types", "Type", &summary.types))
                }
            }
        }
    };
    page.into_string()
}

/// Words from outside as they may be shown: on one line, without what steers a terminal, without secrets. maud and the charting
/// library escape what means something to a browser.
fn told(text: &str) -> String {
    mask(&one_line(text))
}

fn overview(summary: &Summary) -> Markup {
    let count = summary.lines.len();
    html! {
        strong { (count) " deployment" @if count != 1 { "s" } } " known"
        @if let Some(failures) = &summary.failures {
            "; of those that CloudFormation told of, " (failed(failures))
        }
        "."
    }
}

fn deployments(summary: &Summary) -> Markup {
    let lines = &summary.lines;
    let left_out = lines.len().saturating_sub(TOLD);
    html! {
        section aria-labelledby="durations" {
            h2 id="durations" { "Duration of each deployment" }
            (charts::durations(lines))
            @if left_out > 0 { p.small { "The oldest " (left_out) " are left out of the table." } }
            (table("Deployments, newest first", html! {
                tr {
                    th scope="col" { "Started" }
                    th scope="col" { "Outcome" }
                    th scope="col" .number { "Took" }
                    th scope="col" .number { "Estimated halfway" }
                    th scope="col" .number { "Off by" }
                    th scope="col" { "Kind" }
                    th scope="col" { "Correlation id" }
                }
            }, html! {
                @for line in lines[left_out..].iter().rev() { (deployment(line)) }
            }))
        }
    }
}

fn deployment(line: &Line) -> Markup {
    html! {
        tr.explained[line.first_cause.is_some()] {
            th scope="row" { @if let Some(started) = line.started { (time(started)) } @else { "date unknown" } }
            td { (outcome(line.outcome)) }
            td.number { (span(line.seconds)) }
            td.number { @if let Some(estimated) = line.estimated { (span(estimated)) } }
            td.number { @if let Some(estimated) = line.estimated { (off(estimated, line.seconds)) } }
            td { (line.kind) }
            td { @if let Some(id) = &line.correlation_id { code { (told(id)) } } }
        }
        @if let Some(cause) = &line.first_cause {
            tr { td colspan="7" { div.cause { "First cause: " (told(cause)) } } }
        }
    }
}

/// How far an estimate was off, as a share of the truth.
fn off(estimated: f64, actual: f64) -> String {
    if actual <= 0.0 {
        return String::new();
    }
    let percent = (estimated / actual - 1.0) * 100.0;
    format!("{percent:+.0} %")
}

/// A word and a sign, so that nothing hangs on a colour.
fn outcome(outcome: Outcome) -> Markup {
    html! { span class=(colours::of(outcome).class()) { (colours::sign(outcome)) " " (words(outcome)) } }
}

fn words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Running => "running",
        Outcome::Succeeded => "succeeded",
        Outcome::RolledBack => "rolled back",
        Outcome::Failed => "failed",
    }
}

fn accuracy(summary: &Summary) -> Markup {
    let known: Vec<&Line> = summary
        .lines
        .iter()
        .filter(|line| line.estimated.is_some())
        .collect();
    html! {
        section aria-labelledby="accuracy" {
            h2 id="accuracy" { "Estimated against actual" }
            @if known.is_empty() {
                p { "No estimate can be judged yet: that needs a second deployment that succeeded." }
            } @else {
                (charts::accuracy(&known))
                p.small { "The figures stand in the table above." }
            }
        }
    }
}

fn operation(shown: &Shown) -> Markup {
    let operation = &shown.operation;
    let critical = |index: usize| shown.path.contains(&index);
    html! {
        section aria-labelledby="operation" {
            h2 id="operation" {
                @if shown.is_last { "Where the time of the last deployment went" } @else { "Where the time of this deployment went" }
            }
            p {
                @if let Some(id) = &shown.correlation_id { code { (told(id)) } ", " }
                (operation.kind.as_str()) ", " (outcome(operation.outcome))
                @if let Some(began) = dated(operation.started) { ", began " (time(began)) }
                ", took " (span(shown.seconds())) "."
                @if operation.cut { " Its beginning is not in the record." }
            }
            @if let Some(cause) = &operation.first_cause { p { "First cause of failure: " (told(cause)) } }
            (gantt::draw(shown))
            (table("What was done to each resource, in the order it began", html! {
                tr {
                    th scope="col" { "Resource" }
                    th scope="col" { "Type" }
                    th scope="col" { "Action" }
                    th scope="col" { "Outcome" }
                    th scope="col" .number { "Began after" }
                    th scope="col" .number { "Took" }
                    th scope="col" { "Critical path" }
                }
            }, html! {
                @for (index, run) in operation.runs.iter().enumerate() { (resource(run, critical(index), operation.cut)) }
            }))
        }
    }
}

fn resource(run: &Run, critical: bool, cut: bool) -> Markup {
    let took = run.start.zip(run.end).map(|(start, end)| end - start);
    html! {
        tr {
            th scope="row" .name { (told(&run.id)) }
            td { (told(&run.resource_type)) }
            td { (run.action.as_str()) }
            td { (state(run.state)) }
            td.number { @if let Some(start) = run.start { (span(start)) } @else if cut { "not in the record" } }
            td.number { @if let Some(took) = took { (span(took)) } }
            td { @if critical { "▶ yes" } @else { "no" } }
        }
    }
}

fn state(state: RunState) -> Markup {
    let (sign, class) = match state {
        RunState::Completed => ("✓", "good"),
        RunState::Failed => ("×", "bad"),
        RunState::Cancelled => ("–", "back"),
        RunState::Running | RunState::Skipped => ("·", "muted"),
    };
    html! { span class=(class) { (sign) " " (state.as_str()) } }
}

fn slow(id: &str, title: &str, what: &str, slowest: &[Slow]) -> Markup {
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (title) }
            @if slowest.is_empty() {
                p { "None is known yet: collect reads what the stack's resources took." }
            } @else {
                (charts::slow(id, title, slowest))
                (table(title, html! {
                    tr {
                        th scope="col" { (what) }
                        th scope="col" { "Action" }
                        th scope="col" .number { "Median" }
                        th scope="col" .number { "90th percentile" }
                        th scope="col" .number { "Cases" }
                    }
                }, html! {
                    @for entry in slowest {
                        tr {
                            th scope="row" .name { (told(&entry.name)) }
                            td { (entry.action.as_str()) }
                            td.number { (span(entry.median)) }
                            td.number { (span(entry.high)) }
                            td.number { (entry.cases) }
                        }
                    }
                }))
            }
        }
    }
}

/// A table that scrolls by itself where it is wider than the screen; with the keyboard, too.
fn table(caption: &str, head: Markup, body: Markup) -> Markup {
    html! {
        div.scroll role="region" aria-label=(caption) tabindex="0" {
            table {
                caption { (caption) }
                thead { (head) }
                tbody { (body) }
            }
        }
    }
}

fn time(at: Timestamp) -> Markup {
    let human = at.human();
    html! { time datetime=(at.rfc3339()) { (human.strip_suffix(" UTC").unwrap_or(&human)) } }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use registry_core::estimate::interval::Judged;
    use registry_core::estimate::operation::{Action, Kind, Operation, Phase};
    use registry_core::history::RecordedOperation;

    use super::*;

    fn operation(runs: Vec<Run>, took: Option<f64>) -> Operation {
        Operation {
            id: "first-event".to_owned(),
            kind: Kind::Update,
            outcome: Outcome::Succeeded,
            started: Timestamp::default() + Duration::from_secs(1_800_000_000),
            took,
            cleanup_at: None,
            rollback_at: None,
            cut: false,
            first_cause: None,
            runs,
        }
    }

    fn run(id: &str, start: Option<f64>, end: Option<f64>) -> Run {
        Run {
            id: id.to_owned(),
            resource_type: "AWS::SNS::Topic".to_owned(),
            action: Action::Update,
            phase: Phase::Forward,
            start,
            ready: None,
            end,
            state: RunState::Completed,
        }
    }

    fn page(operation: Operation, ratios: &[f64]) -> String {
        let recorded = RecordedOperation {
            stack_name: "App".to_owned(),
            operation,
            judged: Judged::new(ratios),
        };
        draw(
            &Summary::of("App", vec![recorded], &[], None),
            Timestamp::default(),
        )
    }

    #[test]
    fn odd_numbers_are_drawn_too() {
        for took in [None, Some(0.0), Some(1e-9), Some(6e5)] {
            for (start, end) in [
                (None, None),
                (None, Some(3.0)),
                (Some(5.0), None),
                (Some(9.0), Some(2.0)),
                (Some(1e12), Some(2e12)),
                (Some(-1.0), Some(-2.0)),
            ] {
                let drawn = page(operation(vec![run("Topic", start, end)], took), &[1e-6; 5]);
                assert!(drawn.contains("Topic update"), "{took:?} {start:?} {end:?}");
                assert!(!drawn.contains("NaN"), "{took:?} {start:?} {end:?}");
            }
        }
        assert!(page(operation(Vec::new(), Some(60.0)), &[]).contains("None is known yet"));
    }

    #[test]
    fn of_very_many_resources_the_chart_shows_the_longest_and_the_table_all() {
        let runs: Vec<Run> = (0..500)
            .map(|n| {
                let start = f64::from(n);
                run(
                    &format!("Topic{n}"),
                    Some(start),
                    Some(start + 0.4 + start / 250.0),
                )
            })
            .collect();
        let drawn = page(operation(runs, Some(502.4)), &[]);
        assert!(drawn.contains("that are not on the critical path are left out of the chart"));
        for n in 0..500 {
            assert!(drawn.contains(&format!(">Topic{n}</th>")), "{n}");
        }
        assert!(drawn.len() < 400_000, "{}", drawn.len());
    }
}
