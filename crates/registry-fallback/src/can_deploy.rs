//! `can_deploy`: the decision table's first column, in the fallback's own words.

use command_line::{Context, Status, print_json};
use registry_core::decide::{Decision, Question, Reason, Source, Verdict, decide};
use registry_core::ids::Environment;
use registry_core::slot::Standing;
use serde_json::{Map, Value, json};

use crate::Problem;
use crate::look::{View, local_now, look};

pub(crate) fn run(context: &Context, named: Option<&Environment>) -> Result<Status, Problem> {
    let views = look(context, named)?;
    context.console.info(
        "CloudFormation alone is asked: no holder, queue or freeze of the registry can be seen",
    );
    let decided: Vec<(&View, Decision)> = views.iter().map(|view| (view, judge(view))).collect();
    // One that must not start, or that nobody can tell, speaks for all.
    let rank = |verdict: Verdict| match verdict {
        Verdict::MayNot => 0,
        Verdict::CannotTell => 1,
        Verdict::May => 2,
    };
    let hand = |decision: &Decision| decision.warning.is_none();
    let Some((view, decision)) = decided
        .iter()
        .min_by_key(|(_, decision)| (rank(decision.verdict), hand(decision)))
    else {
        return Ok(Status::CannotTell);
    };
    tell(context, decision);
    let (can_deploy, status) = match decision.verdict {
        Verdict::May => (true, Status::Yes),
        Verdict::MayNot => (false, Status::No),
        Verdict::CannotTell => (false, Status::CannotTell),
    };
    Ok(print_json(&answer(can_deploy, view, decision), status))
}

fn judge(view: &View) -> Decision {
    decide(
        &Question {
            environment: &view.environment,
            standing: &Standing::Free,
            now: local_now(),
        },
        &view.seen,
    )
}

/// The fallback's own word for a reason.
fn word(reason: Reason) -> &'static str {
    match reason {
        Reason::NoStackExists | Reason::StackIdle | Reason::HeldByCaller => "no_active_deployment",
        Reason::StackNeedsCleanup => "stack_in_failed_state",
        Reason::ActiveDeploymentInProgress | Reason::QueuedAhead | Reason::Frozen => {
            "active_deployment"
        }
        Reason::StatusUnknown | Reason::RegistryBusy | Reason::RegistryUnavailable => {
            "status_unknown"
        }
    }
}

fn tell(context: &Context, decision: &Decision) {
    let message = format!("{}: {}", word(decision.reason), decision.message);
    match decision.verdict {
        Verdict::May => context.console.success(&message),
        Verdict::MayNot => context.console.info(&message),
        Verdict::CannotTell => context.console.error(&message),
    }
    if let Some(warning) = &decision.warning {
        context.console.warning(warning);
    }
}

fn answer(can_deploy: bool, view: &View, decision: &Decision) -> Value {
    let mut json = Map::new();
    json.insert("can_deploy".to_owned(), json!(can_deploy));
    json.insert("reason".to_owned(), json!(word(decision.reason)));
    json.insert("message".to_owned(), json!(decision.message));
    json.insert("environment".to_owned(), json!(view.environment));
    json.insert("source".to_owned(), json!(Source::Fallback.as_str()));
    json.insert("exclusive".to_owned(), json!(false));
    let statuses: Vec<&str> = decision
        .stacks
        .iter()
        .map(|(_, status)| status.as_str())
        .collect();
    if !statuses.is_empty() {
        json.insert("stack_status".to_owned(), json!(statuses.join(",")));
    }
    if let Some(warning) = &decision.warning {
        json.insert("warning".to_owned(), json!(warning));
    }
    if let Some(active) = view.active.clone().filter(|_| !can_deploy) {
        json.insert("active_deployment".to_owned(), json!(active));
    }
    Value::Object(json)
}
