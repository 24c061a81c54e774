//! `collect [STACK]`: reads what a stack's past operations took.

use std::collections::BTreeSet;

use command_line::{Status, print_json};
use registry_core::estimate::Table;
use registry_core::estimate::operation::Outcome as Ended;
use registry_core::history::collect::{Bounds, Collected, collect};
use registry_core::history::store::Part;
use registry_core::ids::StackName;
use registry_core::stack::{StackSource, StackState};
use serde_json::{Value, json};
use stack_client::AwsStacks;

use crate::args::CollectWords;
use crate::{Outcome, Tool, stacks};

pub(crate) fn run(tool: &Tool, words: &CollectWords) -> Outcome {
    let stacks = stacks::meant(tool, words.stack.as_deref(), None)?;
    let source = AwsStacks::new(&tool.context.settings).map_err(|error| error.to_string())?;
    let mut answers = Vec::new();
    let mut found = false;
    let mut failed = false;
    for stack in &stacks {
        let bounds = Bounds {
            operations: words.operations,
            ..Bounds::default()
        };
        match one(tool, &source, stack, bounds) {
            Ok(Some(answer)) => {
                found = true;
                answers.push(answer);
            }
            // The others may still be collected.
            Err(why) => {
                failed = true;
                tool.context.console.error(&why);
                answers.push(json!({"stack_name": stack.name(), "error": why}));
            }
            Ok(None) => tool.context.console.warning(&format!(
                "there is no stack {} in {}; nothing was collected from it",
                stack.name(),
                source.region()
            )),
        }
    }
    let status = match (failed, found) {
        (true, _) => Status::CannotTell,
        (false, true) => Status::Yes,
        (false, false) => Status::No,
    };
    let answer = match answers.len() {
        0 => json!({}),
        1 => answers.remove(0),
        _ => json!({ "stacks": answers }),
    };
    Ok(print_json(&answer, status))
}

/// Collects one stack; `None` when there is none.
fn one(
    tool: &Tool,
    source: &AwsStacks,
    stack: &StackName,
    bounds: Bounds,
) -> Result<Option<Value>, String> {
    let console = &tool.context.console;
    let known: BTreeSet<String> = tool
        .history
        .read(Part::Stacks(std::slice::from_ref(stack)))
        .history
        .operations()
        .into_iter()
        .filter(|recorded| recorded.stack_name == stack.name())
        .map(|recorded| recorded.operation.id)
        .collect();
    let said = |error: registry_core::stack::StackError| {
        format!("{} could not be collected: {error}", stack.name())
    };
    // Asking first tells a stack that is not there from one that has no events.
    if source.describe(stack).map_err(said)?.value == StackState::Missing {
        return Ok(None);
    }
    let collected = collect(source, stack, bounds, &known).map_err(said)?;
    for note in &collected.notes {
        console.warning(note);
    }
    let (mut new, mut average) = (0, None);
    let warning = tool
        .history
        .change(&mut |history, now| {
            let added = history.add_operations(
                stack.name(),
                &collected.operations,
                bounds.operations,
                &Table::shipped(),
                now,
            );
            // Run once more, it may find there what it added itself.
            new = added.max(new);
            average = history.average_deployment_minutes();
        })
        .map_err(|error| error.to_string())?;
    tool.warn(warning);
    console.success(&format!(
        "{}: {new} new of {} operations read ({} pages of events)",
        stack.name(),
        collected.operations.len(),
        collected.pages
    ));
    Ok(Some(answer(stack, &collected, new, average)))
}

fn answer(stack: &StackName, collected: &Collected, new: usize, average: Option<f64>) -> Value {
    let of = |outcome: Ended| {
        collected
            .operations
            .iter()
            .filter(|operation| operation.outcome == outcome)
            .count()
    };
    json!({
        "stack_name": stack.name(),
        "operations": collected.operations.len(),
        "new_operations": new,
        "succeeded": of(Ended::Succeeded),
        "rolled_back": of(Ended::RolledBack),
        "failed": of(Ended::Failed),
        "in_progress": of(Ended::Running),
        "pages": collected.pages,
        "average_deployment_minutes": average.map(f64::round).map(|minutes| minutes as u64),
    })
}
