//! What was promised so far in one world, and whether it is kept.

use std::collections::BTreeMap;

use end_to_end::{Outcome, World};
use serde_json::Value;

use crate::fault::{Fault, Struck};

/// What a program is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// `can_deploy` with an id.
    Ask,
    /// `register`.
    Register,
    /// A message of this text.
    Tell(String),
    /// A message of this text put into the queue only.
    Queue(String),
    /// The monitor, from the deployment's begin to its end.
    Watch,
    /// `cleanup`.
    CleanUp,
    /// `update` of the history.
    Learn,
    /// `process` of the retry queue.
    Send,
    /// `get_active`, `status`, `estimate`: questions.
    Look,
    /// `can_deploy` of an environment whose holder GitHub alone could prove dead, and does not.
    Doubt,
    /// `run` of a command that leaves a line in `ran`.
    Run,
}

/// What is known to be true because a program said so.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Who holds production.
    pub(crate) holder: Option<String>,
    /// Ids whose hold has ended.
    pub(crate) ended: Vec<String>,
    /// Texts that Slack or the queue must have.
    pub(crate) messages: Vec<String>,
    /// Ids that the history must have.
    pub(crate) learned: Vec<String>,
    /// How often COMMAND of `run` may have run.
    pub(crate) runs: usize,
}

/// Who holds staging from the beginning, and has not been heard of for a while.
pub(crate) const STALE: &str = "stale";

const REGISTRY: &str = ".deployment-registry/deployments.json";
const HISTORY: &str = ".deployment-registry/deployment-history.json";

/// The one check: everything that must hold after `step` of the deployment `id` was tried under `fault`. Sentences on what does not.
pub(crate) fn broken(
    world: &World,
    ledger: &mut Ledger,
    step: &Step,
    id: &str,
    fault: Option<&Fault>,
    struck: &Struck,
) -> Vec<String> {
    let outcome = &struck.outcome;
    let mut wrong = Vec::new();
    let killed = outcome.code.is_none()
        || fault.is_some_and(|fault| fault.kills() && outcome.code == Some(137));
    if *step == Step::CleanUp {
        // From here on the hold may have ended, whether or not anybody was left to say so.
        ledger.holder = ledger.holder.take().filter(|holder| holder != id);
    }
    if outcome.stderr.contains("(it took too long and was ended)") {
        return vec!["it does not end".to_owned()];
    }
    if !struck.is_real() {
        return holds_still(world, ledger);
    }
    if !killed {
        wrong.extend(said_in_a_sentence(step, struck));
        acknowledge(ledger, step, id, outcome, &mut wrong);
    }
    let fine: &[i32] = match step {
        Step::Doubt => &[1],
        // Nobody is to be found where registering was refused.
        Step::Look => &[0, 1],
        Step::Ask
        | Step::Register
        | Step::Tell(_)
        | Step::Queue(_)
        | Step::Watch
        | Step::CleanUp
        | Step::Learn
        | Step::Send
        | Step::Run => &[0],
    };
    if fault.is_none() && !outcome.code.is_some_and(|code| fine.contains(&code)) {
        wrong.push("it does not succeed afterwards, with nothing wrong any more".to_owned());
    }
    wrong.extend(holds_still(world, ledger));
    wrong
}

fn said_in_a_sentence(step: &Step, struck: &Struck) -> Vec<String> {
    let outcome = &struck.outcome;
    let mut wrong = Vec::new();
    if outcome.stderr.contains("panicked at") {
        wrong.push("it panicked".to_owned());
    }
    let allowed: &[i32] = match step {
        Step::Run => &[0, 2, 124, 125, 126],
        Step::Tell(_) => &[0],
        Step::Ask | Step::Register | Step::CleanUp | Step::Learn | Step::Queue(_) | Step::Send => {
            &[0, 2]
        }
        Step::Watch | Step::Look => &[0, 1, 2],
        Step::Doubt => &[1, 2],
    };
    let code = outcome.code.unwrap_or(-1);
    if !allowed.contains(&code) {
        wrong.push(format!("its exit status {code} is none of {allowed:?}"));
    }
    let blind = struck.hit_output(2);
    let told = outcome
        .stderr
        .lines()
        .any(|line| line.starts_with("[ERROR] ") || line.starts_with("[WARNING] "));
    if code > 1 && !told && !blind && !logged(struck) {
        wrong.push("it failed without a word".to_owned());
    }
    if code == 0 && struck.hit_output(1) && !outcome_is_retried(struck) && prints(step) {
        wrong.push("its answer could not be printed, and it says 0".to_owned());
    }
    let json = !matches!(
        step,
        Step::Run | Step::Tell(_) | Step::Queue(_) | Step::Send | Step::Watch
    );
    let parses = serde_json::from_str::<Value>(&outcome.stdout).is_ok();
    if json && !parses && !struck.hit_output(1) && !outcome.stdout.is_empty() {
        wrong.push("what it printed is not JSON".to_owned());
    }
    wrong
}

// A monitor says what goes wrong in its log where it can.
fn logged(struck: &Struck) -> bool {
    struck.outcome.line.contains("deployment-monitor")
}

// A call that was interrupted is made again.
fn outcome_is_retried(struck: &Struck) -> bool {
    struck.hits.iter().any(|hit| hit.contains("EINTR"))
}

fn prints(step: &Step) -> bool {
    matches!(
        step,
        Step::Ask | Step::Register | Step::Look | Step::Queue(_)
    )
}

// What exit 0 says has happened, and what must have happened for it.
fn acknowledge(
    ledger: &mut Ledger,
    step: &Step,
    id: &str,
    outcome: &Outcome,
    wrong: &mut Vec<String>,
) {
    let yes = outcome.code == Some(0);
    match step {
        Step::Register if yes => {
            let answer: Value = serde_json::from_str(&outcome.stdout).unwrap_or_default();
            if answer["registered"] == true {
                ledger.holder = Some(id.to_owned());
            } else if answer["registered"] == false {
                let warned = outcome.stderr.contains("Registry unavailable");
                if !warned {
                    wrong.push("it did not register, says 0 and warns nobody".to_owned());
                }
            }
        }
        Step::CleanUp if yes => ledger.ended.push(id.to_owned()),
        Step::Learn if yes => ledger.learned.push(id.to_owned()),
        Step::Tell(text) => {
            // Neither sent nor kept is allowed only where the whole message is on stderr.
            if !outcome.stderr.contains(text.as_str()) {
                ledger.messages.push(text.clone());
            }
        }
        Step::Queue(text) if yes => ledger.messages.push(text.clone()),
        Step::Run => {
            let ran = outcome.stdout.matches("ran\n").count();
            ledger.runs += ran;
            if yes && ran != 1 {
                wrong.push(format!("run says 0, and COMMAND ran {ran} times"));
            }
        }
        Step::Ask
        | Step::Watch
        | Step::Look
        | Step::Send
        | Step::Register
        | Step::CleanUp
        | Step::Learn
        | Step::Queue(_)
        | Step::Doubt => {}
    }
}

/// What must be true at every moment.
fn holds_still(world: &World, ledger: &Ledger) -> Vec<String> {
    let mut wrong = Vec::new();
    let text = world.read(REGISTRY);
    let registry: Value = match serde_json::from_str(&text) {
        Ok(registry) => registry,
        Err(_) if text.is_empty() && !world.path(REGISTRY).exists() => Value::Null,
        Err(error) => {
            wrong.push(format!("the registry is no JSON: {error}"));
            Value::Null
        }
    };
    let mut holders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for entry in registry["deployments"].as_array().into_iter().flatten() {
        if entry["status"] == "IN_PROGRESS" {
            let word = |name: &str| entry[name].as_str().unwrap_or_default();
            holders
                .entry(word("environment"))
                .or_default()
                .push(word("correlation_id"));
        }
    }
    for (environment, ids) in holders.iter().filter(|(_, ids)| ids.len() > 1) {
        wrong.push(format!("{environment} has two holders: {ids:?}"));
    }
    if holders
        .get("staging")
        .is_none_or(|ids| ids.as_slice() != [STALE])
        && !registry.is_null()
    {
        wrong.push("a hold was taken away that nobody proved dead".to_owned());
    }
    let held = holders.get("production").cloned().unwrap_or_default();
    if let Some(holder) = &ledger.holder
        && !held.contains(&holder.as_str())
    {
        wrong.push(format!(
            "{holder} was told that it holds production, and does not: {held:?}"
        ));
    }
    for id in ledger.ended.iter().filter(|id| held.contains(&id.as_str())) {
        wrong.push(format!(
            "{id} was told that its hold has ended, and it holds"
        ));
    }
    let history = world.read(HISTORY);
    if !history.is_empty() && serde_json::from_str::<Value>(&history).is_err() {
        wrong.push("the history is no JSON".to_owned());
    }
    for id in ledger
        .learned
        .iter()
        .filter(|id| !history.contains(&format!("\"{id}\"")))
    {
        wrong.push(format!("{id} was noted in the history, and is not there"));
    }
    wrong.extend(lost(world, &ledger.messages));
    wrong
}

// Messages that neither Slack has nor the queue.
fn lost(world: &World, messages: &[String]) -> Vec<String> {
    if messages.is_empty() {
        return Vec::new();
    }
    let sent: Vec<String> = world
        .slack
        .all_messages()
        .iter()
        .map(|message| format!("{} {:?}", message.text, message.blocks))
        .collect();
    let files = world.files();
    let queued: Vec<String> = files
        .iter()
        .filter(|name| name.starts_with(".slack-retry-queue/") && name.contains(".json"))
        .map(|name| world.read(name))
        .collect();
    let known = |text: &String| {
        sent.iter()
            .chain(&queued)
            .any(|there| there.contains(text.as_str()))
    };
    let lost = messages.iter().filter(|text| !known(text));
    lost.map(|text| format!("the message {text} is neither in Slack nor in the queue"))
        .collect()
}

/// How it went, in a word, for the table.
pub(crate) fn went(struck: &Struck, fault: &Fault) -> &'static str {
    if !struck.is_real() {
        return "could not be";
    }
    if struck.hits.is_empty() {
        return "not reached";
    }
    match struck.outcome.code {
        Some(0)
            if struck.outcome.stderr.contains("[WARNING]")
                || struck.outcome.stderr.contains("[ERROR]") =>
        {
            "done, with a warning"
        }
        Some(0) => "done",
        Some(137) | None if fault.kills() => "killed",
        Some(1) => "said no",
        Some(_) => "said that it could not",
        None => "killed",
    }
}
