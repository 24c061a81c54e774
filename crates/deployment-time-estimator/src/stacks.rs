//! Which stacks are meant.

use std::sync::Arc;

use registry_core::clock::Timestamp;
use registry_core::ids::{CorrelationId, Environment, StackName};
use registry_core::registry::Found;
use registry_core::settings::{ENVIRONMENT, STACK_NAME};

use crate::Tool;

/// Where nothing else says which stack is meant; the guide's own `collect` names none.
const DEFAULT_ENVIRONMENT: &str = "production";

/// The stacks of STACK on the command line, else of the registered deployment, else `STACK_NAME`, else those of `ENVIRONMENT`,
/// else production's.
pub(crate) fn meant(
    tool: &Tool,
    given: Option<&str>,
    id: Option<&CorrelationId>,
) -> Result<Vec<StackName>, String> {
    let settings = &tool.context.settings;
    if let Some(given) = given.filter(|given| !given.is_empty()) {
        return StackName::parse_list(given).map_err(|error| error.to_string());
    }
    if let Some(stacks) = id.and_then(|id| registered(tool, id)) {
        return Ok(stacks);
    }
    let environment = settings.text(&ENVIRONMENT);
    let stack = settings.text(&STACK_NAME);
    if !stack.is_empty() {
        return StackName::parse_list(&stack).map_err(|error| format!("STACK_NAME: {error}"));
    }
    let name = if environment.is_empty() {
        DEFAULT_ENVIRONMENT
    } else {
        &environment
    };
    let environment: Environment = name
        .parse()
        .map_err(|error| format!("ENVIRONMENT: {error}"))?;
    settings
        .stacks(&environment, None)
        .map_err(|error| error.to_string())
}

/// The stacks a deployment was registered with.
fn registered(tool: &Tool, id: &CorrelationId) -> Option<Vec<StackName>> {
    let entry = match find(tool, id)? {
        Found::Held(entry) | Found::Failed(entry) | Found::Abandoned(entry) => entry,
        Found::Ended(_) | Found::NeverSeen => return None,
    };
    let stacks: Vec<StackName> = entry
        .stacks
        .iter()
        .filter_map(|stack| stack.parse().ok())
        .collect();
    (!stacks.is_empty()).then_some(stacks)
}

/// When a deployment that holds its environment was registered, by AWS's clock where it told it: what a stack did before that
/// is not this deployment.
pub(crate) fn held_since(tool: &Tool, id: &CorrelationId) -> Option<Timestamp> {
    match find(tool, id)? {
        Found::Held(entry) => entry
            .baseline
            .iter()
            .find_map(|baseline| baseline.server_time)
            .or(Some(entry.started_at)),
        Found::Failed(_) | Found::Abandoned(_) | Found::Ended(_) | Found::NeverSeen => None,
    }
}

/// What the registry knows of it. A registry that cannot be read is no reason not to estimate.
fn find(tool: &Tool, id: &CorrelationId) -> Option<Found> {
    let clock = Arc::new(tool.clock.clone());
    let registry = registry_dynamodb::open_registry(&tool.context.settings, clock).ok()?;
    registry.find(id).ok()
}
