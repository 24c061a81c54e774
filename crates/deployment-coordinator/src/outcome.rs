//! How a deployment ended, read from its stacks when nobody has said so.

use std::sync::mpsc;
use std::time::Duration;

use command_line::output::keepable;
use registry_core::ids::StackName;
use registry_core::progress::{StackProgress, Verdict, verdict_of};
use registry_core::slot::{Ending, Entry, Kept, Outcome, StackBaseline};
use registry_core::stack::{Stack, StackError, StackEvent, StackSource, StackState, StackStatus};
use stack_client::AwsStacks;

use crate::error::Problem;
use crate::world::World;

/// For all stacks together; `cleanup` must not hang on AWS.
const LIMIT: Duration = Duration::from_secs(10);

/// Pages of events that are read to find where the deployment began.
const MOST_PAGES: usize = 20;

/// What the stacks say about the end of a deployment.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    /// How it ended.
    pub(crate) ending: Ending,
    /// The last stack that said so.
    pub(crate) outcome: Option<Outcome>,
    /// Whether any of the stacks moved since the registration; `None` where that cannot be told.
    pub(crate) moved: Option<bool>,
    /// A stack that CloudFormation still works on.
    pub(crate) working: Option<(String, StackStatus)>,
    /// What could not be asked.
    pub(crate) doubt: Option<String>,
}

impl Reading {
    fn unknown(doubt: Option<String>) -> Self {
        Self {
            ending: Ending::Unknown,
            outcome: None,
            moved: None,
            working: None,
            doubt,
        }
    }
}

/// Reads the stacks of `entry`, for ten seconds at most.
pub(crate) fn read(world: &World, entry: &Entry) -> Result<Reading, Problem> {
    let stacks = AwsStacks::new(world.settings())?;
    let (sender, receiver) = mpsc::channel();
    let entry = entry.clone();
    // Left behind when it takes too long; it ends with the process.
    let asking = std::thread::Builder::new()
        .name("stacks".to_owned())
        .spawn(move || {
            let _nobody_waits = sender.send(read_stacks(&stacks, &entry));
        });
    // `cleanup` always works, also on a machine this full.
    if let Err(error) = asking {
        let doubt = format!("this machine has no thread to spare to ask AWS: {error}");
        return Ok(Reading::unknown(Some(doubt)));
    }
    Ok(receiver
        .recv_timeout(LIMIT)
        .unwrap_or_else(|_| Reading::unknown(Some("AWS did not answer within 10 s".to_owned()))))
}

fn read_stacks(source: &dyn StackSource, entry: &Entry) -> Reading {
    let mut all = Reading::unknown(None);
    for name in &entry.stacks {
        let Ok(stack) = name.parse::<StackName>() else {
            continue;
        };
        let baseline = entry
            .baseline
            .iter()
            .find(|baseline| baseline.stack_name == *name);
        match read_one(source, &stack, baseline, entry) {
            Ok(one) => all = together(all, one),
            Err(error) => all.doubt = Some(error.to_string()),
        }
    }
    // A stack that could not be asked may have failed.
    if all.doubt.is_some() && all.ending == Ending::Success {
        all.ending = Ending::Unknown;
    }
    all
}

// One failed stack makes a failed deployment; one that did not move changes nothing.
fn together(mut all: Reading, one: Reading) -> Reading {
    let failed = one.ending == Ending::Failed && all.ending != Ending::Failed;
    if failed || (all.ending == Ending::Unknown && one.ending != Ending::Unknown) {
        all.ending = one.ending;
        all.outcome = one.outcome;
    }
    all.moved = match (all.moved, one.moved) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (None, other) => other,
        (known, None) => known,
        (Some(false), Some(false)) => Some(false),
    };
    all.working = all.working.or(one.working);
    all
}

fn read_one(
    source: &dyn StackSource,
    name: &StackName,
    baseline: Option<&StackBaseline>,
    entry: &Entry,
) -> Result<Reading, StackError> {
    let observed = source.describe(name)?;
    let existed = baseline.and_then(|baseline| baseline.stack_id.as_deref());
    let stack = match observed.value {
        StackState::Exists(stack) => stack,
        StackState::Missing => {
            return Ok(Reading {
                moved: baseline.map(|_| existed.is_some()),
                ..Reading::unknown(None)
            });
        }
    };
    let events = events_since(source, &stack, baseline, entry)?;
    let mut progress = StackProgress::of(stack.id.as_str());
    for event in &events {
        progress.apply(event);
    }
    if events.is_empty() {
        return Ok(Reading {
            moved: Some(false),
            ..Reading::unknown(None)
        });
    }
    let working = stack.status.class().is_in_progress();
    let verdict = verdict_of(&stack.status, progress.is_undone());
    let outcome = verdict.map(|_| Outcome {
        stack_status: stack.status.clone(),
        // The registry is everybody's to read.
        first_cause: progress
            .first_failure()
            .map(|failure| keepable(&failure.sentence())),
        at: progress.last_event_at().unwrap_or_default(),
        kept: Kept::default(),
    });
    Ok(Reading {
        ending: match verdict {
            Some(Verdict::Deployed) => Ending::Success,
            Some(Verdict::Failed) => Ending::Failed,
            None => Ending::Unknown,
        },
        outcome,
        moved: Some(true),
        working: working.then(|| (stack.name.clone(), stack.status.clone())),
        doubt: None,
    })
}

// The stack's events since the registration, oldest first.
fn events_since(
    source: &dyn StackSource,
    stack: &Stack,
    baseline: Option<&StackBaseline>,
    entry: &Entry,
) -> Result<Vec<StackEvent>, StackError> {
    let begun = baseline
        .and_then(|baseline| baseline.server_time)
        .unwrap_or(entry.started_at);
    let last = baseline.and_then(|baseline| baseline.event_id.as_deref());
    let mut events = Vec::new();
    let mut next: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let page = source.events(&stack.id, next.as_deref())?.value;
        for event in page.events {
            if Some(event.event_id.as_str()) == last || (last.is_none() && event.timestamp < begun)
            {
                events.reverse();
                return Ok(events);
            }
            events.push(event);
        }
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    events.reverse();
    Ok(events)
}
