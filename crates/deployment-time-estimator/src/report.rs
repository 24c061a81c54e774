//! `report`: where the time goes, in a terminal, as JSON, or as a page.

mod page;
mod summary;
mod text;

use std::path::Path;

use command_line::output::print_line;
use command_line::{Status, print_json};
use registry_core::clock::Clock as _;
use registry_core::estimate::operation::operations;
use registry_core::estimate::replay;
use registry_core::history::store::Part;
use registry_core::history::{Deployment, History, RecordedOperation};
use registry_core::ids::StackName;
use registry_core::store::atomic;
use registry_core::trace::Trace;

use crate::args::{Format, ReportWords};
use crate::{Outcome, Tool};
use summary::Summary;

pub(crate) fn run(tool: &Tool, words: &ReportWords) -> Outcome {
    let found = match &words.trace {
        Some(file) => of_trace(file),
        None => of_history(tool, words),
    };
    let summary = match found {
        Ok(Ok(summary)) => summary,
        Err(why) if words.format == Format::Json => {
            return Ok(tool.cannot_tell(serde_json::json!({}), &why));
        }
        Err(why) => return Err(why),
        Ok(Err(nothing)) => {
            tool.context.console.warning(&nothing);
            return Ok(match words.format {
                Format::Text => Status::No,
                Format::Json => print_json(&serde_json::json!({}), Status::No),
            });
        }
    };
    let written = words
        .html
        .as_ref()
        .is_none_or(|file| write_page(tool, file, &summary));
    // Where the page cannot be written, the report is still told here.
    let status = if written {
        Status::Yes
    } else {
        Status::CannotTell
    };
    Ok(match words.format {
        Format::Text => print_line(text::draw(&summary).trim_end(), status),
        Format::Json => print_json(&summary.json(), status),
    })
}

fn write_page(tool: &Tool, file: &Path, summary: &Summary) -> bool {
    const MODE: u32 = 0o644;
    let console = &tool.context.console;
    let page = page::draw(summary, tool.clock.now());
    match atomic::write(file, page.as_bytes(), MODE) {
        Ok(()) => console.success(&format!("the page is {}", file.display())),
        Err(error) => {
            console.error(&format!(
                "the page {} could not be written: {error} (is there such a folder, and may you write there?)",
                file.display()
            ));
            return false;
        }
    }
    true
}

/// The summary, or a sentence about why there is nothing to report.
type Found = Result<Summary, String>;

fn of_history(tool: &Tool, words: &ReportWords) -> Result<Found, String> {
    let history = &tool.read_history(Part::Everything);
    let named = words.deployment.as_deref();
    let stack = match words.stack.as_deref().filter(|stack| !stack.is_empty()) {
        Some(name) => {
            let stack: StackName = name
                .parse()
                .map_err(|error: registry_core::ids::IdError| error.to_string())?;
            Some(stack.name().to_owned())
        }
        None => named
            .and_then(|id| stack_with(history, id))
            .or_else(|| newest_stack(history)),
    };
    let nothing = format!(
        "there is nothing to report: the history {} has no deployment of the stack (run collect or update first)",
        tool.history.place()
    );
    let Some(stack) = stack else {
        return Ok(Err(nothing));
    };
    let recorded: Vec<RecordedOperation> = history
        .operations()
        .into_iter()
        .filter(|recorded| recorded.stack_name == stack)
        .collect();
    let deployments = history.deployments(&stack);
    if recorded.is_empty() && deployments.is_empty() {
        return Ok(Err(nothing));
    }
    let operation = match named {
        Some(id) => match operation_of(id, &recorded, &deployments) {
            Ok(operation) => Some(operation),
            Err(unknown) => return Ok(Err(format!("{unknown} of {stack}"))),
        },
        None => None,
    };
    Ok(Ok(Summary::of(
        &stack,
        recorded,
        &deployments,
        operation.as_deref(),
    )))
}

/// The operation that a correlation id or an operation's own id means.
fn operation_of(
    id: &str,
    recorded: &[RecordedOperation],
    deployments: &[Deployment],
) -> Result<String, String> {
    let reported = deployments
        .iter()
        .rev()
        .find(|deployment| deployment.correlation_id.as_deref() == Some(id));
    let operation = match reported {
        Some(deployment) => deployment.operation_id.as_deref(),
        None => Some(id),
    };
    let is_recorded = |id: &str| recorded.iter().any(|recorded| recorded.operation.id == id);
    match operation.filter(|id| is_recorded(id)) {
        Some(operation) => Ok(operation.to_owned()),
        None if reported.is_some() => Err(format!(
            "what the resources did in deployment {id:?} is not in the history (collect reads it while CloudFormation still has it); there is nothing to draw"
        )),
        None => Err(format!("the history has no deployment {id:?}")),
    }
}

fn stack_with(history: &History, id: &str) -> Option<String> {
    history.stacks().into_iter().find(|stack| {
        let deployments = history.deployments(stack);
        deployments.iter().any(|deployment| {
            deployment.correlation_id.as_deref() == Some(id)
                || deployment.operation_id.as_deref() == Some(id)
        })
    })
}

fn newest_stack(history: &History) -> Option<String> {
    history.stacks().into_iter().max_by_key(|stack| {
        history
            .deployments(stack)
            .last()
            .map(|deployment| deployment.completed_at)
    })
}

fn of_trace(file: &Path) -> Result<Found, String> {
    let shown = file.display();
    let bytes =
        std::fs::read(file).map_err(|error| format!("{shown} could not be read: {error}"))?;
    let trace = Trace::parse(&bytes).map_err(|error| format!("{shown}: {error}"))?;
    let stack = trace
        .stack_name()
        .unwrap_or("recorded operation")
        .to_owned();
    let recorded: Vec<RecordedOperation> = operations(&replay::events(&trace))
        .into_iter()
        .map(|mut operation| {
            // A record that was cut ends with its last event.
            operation.took.get_or_insert(operation.last_known());
            RecordedOperation {
                stack_name: stack.clone(),
                operation,
                judged: None,
            }
        })
        .collect();
    if recorded.is_empty() {
        return Ok(Err(format!(
            "there is nothing to report: {shown} has no operation"
        )));
    }
    Ok(Ok(Summary::of(&stack, recorded, &[], None)))
}
