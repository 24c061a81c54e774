//! `estimate ID [STACK] [ELAPSED]`: how long a deployment will still take.

use std::time::Duration;

use command_line::{Status, print_json};
use registry_core::clock::{Clock as _, Timestamp, whole_minutes};
use registry_core::estimate::left::{Left, On, longest, on_stack};
use registry_core::estimate::watch::for_stack;
use registry_core::estimate::{Basis, Estimate, Table};
use registry_core::history::History;
use registry_core::history::store::Part;
use registry_core::ids::StackName;
use serde_json::{Value, json};
use stack_client::AwsStacks;

use crate::args::{EstimateWords, stack_and_elapsed};
use crate::{Outcome, Tool, stacks};

pub(crate) fn run(tool: &Tool, words: &EstimateWords) -> Outcome {
    let (stack, elapsed) = stack_and_elapsed(words)?;
    let stacks = stacks::meant(tool, stack, Some(&words.id))?;
    let source = AwsStacks::new(&tool.context.settings).map_err(|error| error.to_string())?;
    let history = tool.read_history(Part::Stacks(&stacks));
    let table = Table::shipped();
    let registered = stacks::held_since(tool, &words.id);
    let mut told: Vec<Told> = Vec::new();
    for stack in &stacks {
        let past = history.past(stack.name());
        let watched = match for_stack(&source, &past, &table, stack, tool.clock.now()) {
            Ok(watched) => watched,
            Err(error) => {
                let why = format!("{} could not be estimated: {error}", stack.name());
                return Ok(tool.cannot_tell(unknown(words, stack, elapsed), &why));
            }
        };
        for note in &watched.notes {
            tool.context.console.warning(note);
        }
        told.extend(on_stack(&watched, &past, registered, elapsed).map(|left| {
            Told {
                stack_name: stack.name().to_owned(),
                status: watched
                    .status()
                    .map_or_else(|| "NONE".to_owned(), ToString::to_string),
                at: watched.at,
                left,
            }
        }));
    }
    let Some(longest) = longest(told, |told| &told.left) else {
        let names: Vec<&str> = stacks.iter().map(StackName::name).collect();
        tool.context.console.warning(&format!(
            "nothing is known of {}: nothing is in progress there, and the history has no deployment of it (run collect after the first one)",
            names.join(", ")
        ));
        return Ok(print_json(&json!({}), Status::No));
    };
    if let On::Operation(estimate) = &longest.left.on {
        tell_gaps(tool, estimate);
    }
    Ok(print_json(&longest.json(words, &history), Status::Yes))
}

/// Says for which types there is no history.
fn tell_gaps(tool: &Tool, estimate: &Estimate) {
    if !estimate.unknown_types.is_empty() {
        tool.context.console.warning(&format!(
            "no history for {}: their time is a guess",
            estimate.unknown_types.join(", ")
        ));
    }
    if !estimate.shipped_types.is_empty() {
        tool.context.console.info(&format!(
            "no history yet for {}: figures of other people's stacks are used (collect gathers yours)",
            estimate.shipped_types.join(", ")
        ));
    }
}

/// The answer's fields where nothing can be told: what is not known is null, never a number that could be taken for one.
fn unknown(words: &EstimateWords, stack: &StackName, elapsed: Option<Duration>) -> Value {
    json!({
        "correlation_id": words.id.as_str(),
        "stack_name": stack.name(),
        "stack_status": "UNKNOWN",
        "elapsed_minutes": elapsed.map(whole_minutes),
        "estimated_remaining_minutes": null,
        "confidence_interval": null,
        "estimated_total_minutes": null,
        "estimated_completion_time": null,
    })
}

/// What is told of one stack.
struct Told {
    stack_name: String,
    status: String,
    at: Timestamp,
    left: Left,
}

impl Told {
    fn json(&self, words: &EstimateWords, history: &History) -> Value {
        let left = &self.left;
        let (basis, estimate) = match &left.on {
            On::Operation(estimate) => (estimate.basis, Some(estimate)),
            On::Average => (Basis::Average, None),
            On::Over => (Basis::Over, None),
        };
        let path: Vec<Value> = estimate
            .iter()
            .flat_map(|estimate| &estimate.path)
            .map(
                |step| json!({"logical_resource_id": step.id, "resource_type": step.resource_type}),
            )
            .collect();
        let unknown = estimate.map_or(&[][..], |estimate| &estimate.unknown_types);
        let shipped = estimate.map_or(&[][..], |estimate| &estimate.shipped_types);
        json!({
            "correlation_id": words.id.as_str(),
            "stack_name": self.stack_name,
            "stack_status": self.status,
            "elapsed_minutes": whole_minutes(left.elapsed),
            "estimated_remaining_minutes": whole_minutes(left.remaining),
            "confidence_interval": {"low": whole_minutes(left.low), "high": whole_minutes(left.high)},
            "estimated_total_minutes": whole_minutes(left.elapsed) + whole_minutes(left.remaining),
            "estimated_completion_time": (self.at + left.remaining).human(),
            "elapsed_seconds": left.elapsed.as_secs(),
            "estimated_remaining_seconds": left.remaining.as_secs(),
            "basis": basis.as_str(),
            "critical_path": path,
            "unknown_resource_types": unknown,
            "resource_types_without_history": shipped,
            "deployments_in_history": history.deployments(&self.stack_name).len(),
        })
    }
}
