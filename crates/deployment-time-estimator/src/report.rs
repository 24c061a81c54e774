//! `report`: where the time goes, in a terminal or as JSON.

mod summary;
mod text;

use command_line::output::print_line;
use command_line::{Status, print_json};
use registry_core::clock::Clock as _;
use registry_core::estimate::operation::operations;
use registry_core::estimate::replay;
use registry_core::history::{History, RecordedOperation};
use registry_core::ids::StackName;
use registry_core::trace::Trace;

use crate::args::{Format, ReportWords};
use crate::{Outcome, Tool};
use summary::Summary;

pub(crate) fn run(tool: &Tool, words: &ReportWords) -> Outcome {
    let summary = match &words.trace {
        Some(file) => of_trace(file)?,
        None => of_history(tool, words.stack.as_deref())?,
    };
    let Some(summary) = summary else {
        tool.context.console.warning(&format!(
            "there is nothing to report: the history {} has no deployment of the stack (run collect or update first)",
            tool.history.path().display()
        ));
        return Ok(match words.format {
            Format::Text => Status::No,
            Format::Json => print_json(&serde_json::json!({}), Status::No),
        });
    };
    Ok(match words.format {
        Format::Text => print_line(text::draw(&summary).trim_end(), Status::Yes),
        Format::Json => print_json(&summary.json(), Status::Yes),
    })
}

fn of_history(tool: &Tool, stack: Option<&str>) -> Result<Option<Summary>, String> {
    let found = tool.history.read(tool.clock.now());
    tool.warn(found.warning);
    let stack = match stack.filter(|stack| !stack.is_empty()) {
        Some(name) => {
            let stack: StackName = name
                .parse()
                .map_err(|error: registry_core::ids::IdError| error.to_string())?;
            Some(stack.name().to_owned())
        }
        None => newest_stack(&found.history),
    };
    Ok(stack.and_then(|stack| {
        let recorded: Vec<RecordedOperation> = found
            .history
            .operations()
            .into_iter()
            .filter(|recorded| recorded.stack_name == stack)
            .collect();
        let deployments = found.history.deployments(&stack);
        (!recorded.is_empty() || !deployments.is_empty())
            .then(|| Summary::of(&stack, recorded, &deployments))
    }))
}

fn newest_stack(history: &History) -> Option<String> {
    history.stacks().into_iter().max_by_key(|stack| {
        history
            .deployments(stack)
            .last()
            .map(|deployment| deployment.completed_at)
    })
}

fn of_trace(file: &std::path::Path) -> Result<Option<Summary>, String> {
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
                estimate_ratios: Vec::new(),
            }
        })
        .collect();
    Ok((!recorded.is_empty()).then(|| Summary::of(&stack, recorded, &[])))
}
