//! Which stacks are asked for, and what CloudFormation says about them.

use command_line::Context;
use registry_core::clock::{Clock as _, SystemClock, Timestamp, whole_minutes};
use registry_core::decide::{self, Seen, active_stack, mark_fallback};
use registry_core::deployment::ActiveDeployment;
use registry_core::estimate::Table;
use registry_core::estimate::left::{Left, longest, on_stack};
use registry_core::estimate::watch::for_described;
use registry_core::history::History;
use registry_core::history::file::HistoryFile;
use registry_core::ids::{Environment, StackName};
use registry_core::registry::Registry;
use registry_core::settings;
use registry_core::stack::{StackError, StackState};
use registry_core::store::Location;
use stack_client::AwsStacks;

use crate::Problem;

/// An environment and what CloudFormation said about its stacks.
pub(crate) struct View {
    pub(crate) environment: String,
    pub(crate) seen: Vec<Seen>,
    /// What CloudFormation is working on, as the contract's `active_deployment`.
    pub(crate) active: Option<ActiveDeployment>,
}

impl View {
    /// What keeps one from saying that nothing goes on.
    pub(crate) fn doubts(&self) -> Vec<StackError> {
        self.seen.iter().filter_map(decide::doubt).collect()
    }
}

fn active(
    source: &AwsStacks,
    history: &History,
    environment: &str,
    seen: &[Seen],
) -> Option<ActiveDeployment> {
    let (stack, now) = decide::working(seen, local_now())?;
    let mut active = active_stack(stack, environment, now);
    mark_fallback(&mut active);
    active.estimated_remaining_minutes =
        remaining(source, history, seen).map(|left| whole_minutes(left.remaining));
    Some(active)
}

// The answer stands without a number, too.
fn remaining(source: &AwsStacks, history: &History, seen: &[Seen]) -> Option<Left> {
    let mut found: Vec<Left> = Vec::new();
    for seen in seen {
        let observed = seen.answer.as_ref().ok()?;
        let StackState::Exists(stack) = &observed.value else {
            continue;
        };
        let past = history.past(&stack.name);
        let now = observed.server_time.unwrap_or_else(local_now);
        let watched = for_described(source, &past, &Table::shipped(), stack, now).ok()?;
        found.extend(on_stack(&watched, &past, None, None));
    }
    longest(found, |left| left)
}

/// This machine's own clock; only where AWS gave no time of its own.
pub(crate) fn local_now() -> Timestamp {
    SystemClock::default().now()
}

/// Asks for the stacks of `named`; with no name those of ENVIRONMENT, else STACK_NAME, else of every environment.
pub(crate) fn look(context: &Context, named: Option<&Environment>) -> Result<Vec<View>, Problem> {
    let source = AwsStacks::new(&context.settings)?;
    // A shared registry has its history with it, and what this program asks is CloudFormation alone.
    let folder = match Registry::location(&context.settings) {
        Ok(Location::Folder(folder)) => folder,
        Ok(Location::DynamoDb { .. }) | Err(_) => context.settings.path(&settings::REGISTRY_DIR),
    };
    let history = HistoryFile::in_folder(&folder).read(local_now()).history;
    let views = wanted(context, named)?
        .into_iter()
        .map(|(environment, stacks)| {
            let seen = decide::look(&source, &stacks);
            let active = active(&source, &history, &environment, &seen);
            View {
                environment,
                seen,
                active,
            }
        })
        .collect();
    Ok(views)
}

fn wanted(
    context: &Context,
    named: Option<&Environment>,
) -> Result<Vec<(String, Vec<StackName>)>, Problem> {
    let settings = &context.settings;
    let by_setting = settings.text(&settings::ENVIRONMENT);
    let stack = settings.text(&settings::STACK_NAME);
    let given = (named.is_none() && !stack.is_empty()).then_some(stack.as_str());
    let environment = match named {
        Some(environment) => Some(environment.clone()),
        None if !by_setting.is_empty() => Some(by_setting.parse()?),
        None => None,
    };
    if let Some(environment) = environment {
        let stacks = settings.stacks(&environment, given)?;
        return Ok(vec![(environment.to_string(), stacks)]);
    }
    if let Some(stack) = given {
        let stacks = StackName::parse_list(stack)?;
        let environment = stacks
            .first()
            .and_then(|stack| settings.environment_of(stack));
        let name = environment.map_or_else(String::new, |environment| environment.to_string());
        return Ok(vec![(name, stacks)]);
    }
    Ok(settings
        .environments()
        .into_iter()
        .map(|(environment, stacks)| (environment.to_string(), stacks))
        .collect())
}
