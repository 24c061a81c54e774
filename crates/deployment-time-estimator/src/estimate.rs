//! `estimate ID [STACK] [ELAPSED]`: how long a deployment will still take.

use std::time::Duration;

use command_line::{Status, print_json};
use registry_core::clock::{Clock as _, Timestamp, whole_minutes};
use registry_core::estimate::watch::{Watched, for_stack, not_begun};
use registry_core::estimate::{Past, Table};
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
        told.extend(tell(stack, &watched, &past, elapsed, registered));
    }
    // Of several stacks the one that takes longest is what the deployment waits for.
    let Some(longest) = told.into_iter().max_by_key(|told| told.remaining) else {
        let names: Vec<&str> = stacks.iter().map(StackName::name).collect();
        tool.context.console.warning(&format!(
            "nothing is known of {}: no such stack, and no deployment of it in the history (run collect after the first one)",
            names.join(", ")
        ));
        return Ok(print_json(&json!({}), Status::No));
    };
    if !longest.unknown_types.is_empty() {
        tool.context.console.warning(&format!(
            "no history for {}: their time is a guess",
            longest.unknown_types.join(", ")
        ));
    }
    if !longest.shipped_types.is_empty() {
        tool.context.console.info(&format!(
            "no history yet for {}: figures of other people's stacks are used (collect gathers yours)",
            longest.shipped_types.join(", ")
        ));
    }
    Ok(print_json(&longest.json(words, &history), Status::Yes))
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
    elapsed: Duration,
    remaining: Duration,
    low: Duration,
    high: Duration,
    basis: &'static str,
    unknown_types: Vec<String>,
    shipped_types: Vec<String>,
    path: Vec<Value>,
}

/// `None` when nothing is known: no stack, and no history of it.
fn tell(
    stack: &StackName,
    watched: &Watched,
    past: &Past,
    elapsed: Option<Duration>,
    registered: Option<Timestamp>,
) -> Option<Told> {
    let mut told = Told {
        stack_name: stack.name().to_owned(),
        status: watched
            .status()
            .map_or_else(|| "NONE".to_owned(), ToString::to_string),
        at: watched.at,
        elapsed: elapsed.unwrap_or_default(),
        remaining: Duration::ZERO,
        low: Duration::ZERO,
        high: Duration::ZERO,
        basis: "over",
        unknown_types: Vec::new(),
        shipped_types: Vec::new(),
        path: Vec::new(),
    };
    if let Some(estimate) = &watched.estimate {
        told.elapsed = elapsed.unwrap_or(estimate.elapsed);
        told.remaining = estimate.remaining;
        told.low = estimate.low;
        told.high = estimate.high;
        told.basis = estimate.basis.as_str();
        told.unknown_types.clone_from(&estimate.unknown_types);
        told.shipped_types.clone_from(&estimate.shipped_types);
        told.path = estimate
            .path
            .iter()
            .map(
                |step| json!({"logical_resource_id": step.id, "resource_type": step.resource_type}),
            )
            .collect();
        return Some(told);
    }
    let not_yet = match (&watched.stack, registered) {
        (None, _) => true,
        (Some(stack), Some(registered)) => stack.changed_at() < registered,
        (Some(_), None) => false,
    };
    if not_yet {
        // The deployment has yet to begin on this stack: what such deployments took.
        if let Some(registered) = registered.filter(|_| elapsed.is_none()) {
            told.elapsed = watched.at.since(registered);
        }
        let total = match (not_begun(past), &watched.stack) {
            (Some(total), _) => total,
            (None, Some(_)) => return Some(told),
            (None, None) => return None,
        };
        told.remaining = total.saturating_sub(told.elapsed);
        told.low = told.remaining.mul_f64(0.8);
        told.high = told.remaining.mul_f64(1.2);
        told.basis = "average";
    }
    Some(told)
}

impl Told {
    fn json(&self, words: &EstimateWords, history: &History) -> Value {
        json!({
            "correlation_id": words.id.as_str(),
            "stack_name": self.stack_name,
            "stack_status": self.status,
            "elapsed_minutes": whole_minutes(self.elapsed),
            "estimated_remaining_minutes": whole_minutes(self.remaining),
            "confidence_interval": {"low": whole_minutes(self.low), "high": whole_minutes(self.high)},
            "estimated_total_minutes": whole_minutes(self.elapsed) + whole_minutes(self.remaining),
            "estimated_completion_time": (self.at + self.remaining).human(),
            "elapsed_seconds": self.elapsed.as_secs(),
            "estimated_remaining_seconds": self.remaining.as_secs(),
            "basis": self.basis,
            "critical_path": self.path,
            "unknown_resource_types": self.unknown_types,
            "resource_types_without_history": self.shipped_types,
            "deployments_in_history": history.deployments(&self.stack_name).len(),
        })
    }
}
