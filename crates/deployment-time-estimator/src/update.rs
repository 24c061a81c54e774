//! `update ID MINUTES [STACK]`: notes what a completed deployment took.

use command_line::{Status, print_json};
use registry_core::clock::Timestamp;
use serde_json::json;

use crate::args::UpdateWords;
use crate::{Outcome, Tool, stacks};

pub(crate) fn run(tool: &Tool, words: &UpdateWords) -> Outcome {
    let stacks = stacks::meant(tool, words.stack.as_deref(), Some(&words.id))?;
    let names: Vec<&str> = stacks
        .iter()
        .map(registry_core::ids::StackName::name)
        .collect();
    let (mut now, mut average) = (Timestamp::default(), None);
    let changed = tool.history.change(&mut |history, at| {
        for stack in &stacks {
            history.add_deployment(words.id.as_str(), stack.name(), words.minutes, at);
        }
        now = at;
        average = history.average_deployment_minutes();
    });
    match changed {
        Ok(warning) => tool.warn(warning),
        Err(error) => {
            let known = json!({"correlation_id": words.id.as_str(), "stack_name": names.join(",")});
            return Ok(tool.cannot_tell(known, &error.to_string()));
        }
    }
    tool.context.console.success(&format!(
        "noted {} minutes for {} ({})",
        words.minutes,
        words.id,
        names.join(", ")
    ));
    Ok(print_json(
        &json!({
            "correlation_id": words.id.as_str(),
            "stack_name": names.join(","),
            "duration_minutes": words.minutes,
            "completed_at": now.rfc3339(),
            "average_deployment_minutes": average.map(f64::round).map(|minutes| minutes as u64),
        }),
        Status::Yes,
    ))
}
