//! `status`: every environment, for people and for programs.

use std::path::Path;

use command_line::output::print_line;
use command_line::{Status, print_json};
use registry_core::clock::human_duration;
use registry_core::decide::active_entry;
use registry_core::registry::Registry;
use registry_core::slot::{Entry, Now, Slot};
use registry_core::store::{Scope, Snapshot};
use registry_core::text::one_line;
use serde_json::{Value, json};

use crate::answer::{self, Answer};
use crate::args::{Format, StatusWords};
use crate::error::Problem;
use crate::estimate;
use crate::world::{World, whole_place};

pub(crate) fn run(world: &World, words: &StatusWords) -> Result<Status, Problem> {
    let registry = world.registry()?;
    let snapshot = registry.snapshot()?;
    if let Some(environment) = &words.environment {
        world.known(environment, &snapshot)?;
    }
    let slots: Vec<Slot> = names(world, words, &snapshot)
        .iter()
        .map(|name| snapshot.slot(name))
        .collect();
    let now = &snapshot.now;
    match words.format {
        Format::Text => {
            tell_absence(world, &registry);
            let lines: Vec<String> = slots.iter().map(|slot| text(world, slot, now)).collect();
            Ok(print_line(&lines.join("\n"), Status::Yes))
        }
        Format::Json => {
            let all: Vec<Value> = slots.iter().map(|slot| machine(world, slot, now)).collect();
            let json = Answer::default()
                .with("registry", registry.place())
                .with("scope", registry.scope().as_str())
                .with("environments", all);
            Ok(print_json(&json.value(), Status::Yes))
        }
    }
}

// "Free" is no news where nothing was ever registered: somebody may stand in the wrong folder.
fn tell_absence(world: &World, registry: &Registry) {
    let there = Path::new(&registry.place()).try_exists().unwrap_or(true);
    if registry.scope() == Scope::Machine && !there {
        world.console().info(&format!(
            "there is no registry yet at {}: nothing was registered there (REGISTRY_DIR names another folder)",
            whole_place(registry)
        ));
    }
}

fn names(world: &World, words: &StatusWords, snapshot: &Snapshot) -> Vec<String> {
    if let Some(environment) = &words.environment {
        return vec![environment.to_string()];
    }
    let mut names: Vec<String> = world
        .settings()
        .environments()
        .into_iter()
        .map(|(name, _)| name.to_string())
        .chain(snapshot.slots.keys().cloned())
        .collect();
    names.sort();
    names.dedup();
    names
}

fn text(world: &World, slot: &Slot, now: &Now) -> String {
    let name = if slot.environment.is_empty() {
        "(no environment)"
    } else {
        &slot.environment
    };
    let mut lines = vec![format!("{name}: {}", state(slot))];
    for entry in &slot.holds {
        lines.push(format!("  holder     {}", holder(world, entry, now)));
        lines.push(format!(
            "  heartbeat  {} ago; token {}",
            human_duration(now.age(&entry.last_beat())),
            entry
                .fencing_token
                .map_or_else(|| "none".to_owned(), |token| token.to_string())
        ));
    }
    if let Some(kept) = &slot.reservation {
        let left = kept.lasts.saturating_sub(now.age(&kept.granted));
        lines.push(format!(
            "  kept for   {} ({} more)",
            kept.correlation_id,
            human_duration(left)
        ));
    }
    for (place, waiter) in slot.queue.iter().enumerate() {
        lines.push(format!(
            "  waiting {}  {} since {}",
            place + 1,
            waiter.correlation_id,
            waiter.since.human()
        ));
    }
    if let Some(freeze) = &slot.freeze {
        let until = freeze.until.map_or_else(
            || "until thawed".to_owned(),
            |until| format!("until {}", until.human()),
        );
        lines.push(format!(
            "  frozen     {until} by {}: {}",
            freeze.by, freeze.reason
        ));
    }
    for entry in &slot.past {
        let cause = entry
            .last_outcome
            .as_ref()
            .and_then(|outcome| outcome.first_cause.as_deref());
        let reason = entry
            .ended
            .as_ref()
            .and_then(|ended| ended.reason.as_deref());
        let why = cause
            .or(reason)
            .map_or_else(String::new, |why| format!(": {why}"));
        lines.push(format!(
            "  {:<9}  {}{why}",
            entry.status.as_str().to_lowercase(),
            entry.correlation_id
        ));
    }
    lines
        .iter()
        .map(|line| indented(line))
        .collect::<Vec<_>>()
        .join("\n")
}

// Text of others may hide escapes and line breaks; the indentation is ours.
fn indented(line: &str) -> String {
    let indent = line.len() - line.trim_start_matches(' ').len();
    format!("{}{}", " ".repeat(indent), one_line(line))
}

fn state(slot: &Slot) -> &'static str {
    if !slot.holds.is_empty() {
        "held"
    } else if slot.freeze.is_some() {
        "frozen"
    } else if slot.reservation.is_some() {
        "reserved"
    } else if slot.queue.is_empty() {
        "free"
    } else {
        "free, others wait"
    }
}

fn holder(world: &World, entry: &Entry, now: &Now) -> String {
    let mut active = active_entry(entry, now.at);
    estimate::fill(world, &mut active, Some(entry));
    let left = active
        .estimated_remaining_minutes
        .map_or_else(String::new, |minutes| format!(", about {minutes}m more"));
    let run = entry
        .workflow_run_id
        .as_ref()
        .map_or_else(String::new, |run| format!(", run {run}"));
    format!(
        "{} since {} ({}{left}){run}, stack {}",
        entry.correlation_id,
        entry.started_at.human(),
        human_duration(now.at.since(entry.started_at)),
        entry.stack_list()
    )
}

fn machine(world: &World, slot: &Slot, now: &Now) -> Value {
    let holders: Vec<Value> = slot
        .holds
        .iter()
        .map(|entry| {
            let mut active = active_entry(entry, now.at);
            estimate::fill(world, &mut active, Some(entry));
            let mut value = json!(active);
            if let Value::Object(fields) = &mut value {
                fields.insert(
                    "heartbeat_age_seconds".to_owned(),
                    json!(now.age(&entry.last_beat()).as_secs()),
                );
                fields.insert("fencing_token".to_owned(), json!(entry.fencing_token));
                fields.insert("workflow_run_id".to_owned(), json!(entry.workflow_run_id));
                fields.insert("runner".to_owned(), json!(entry.runner));
            }
            value
        })
        .collect();
    let queue: Vec<Value> = slot
        .queue
        .iter()
        .map(|waiter| json!({"correlation_id": waiter.correlation_id, "since": waiter.since.rfc3339()}))
        .collect();
    let past: Vec<Value> = slot
        .past
        .iter()
        .map(registry_core::store::format::entry_to_value)
        .collect();
    Answer::default()
        .with("environment", slot.environment.clone())
        .with("state", state(slot))
        .with("holder", holders.first().cloned())
        .with("holders", (holders.len() > 1).then_some(holders.clone()))
        .with("queue", queue)
        .with(
            "reserved_for",
            slot.reservation
                .as_ref()
                .map(|kept| kept.correlation_id.clone()),
        )
        .with("frozen", slot.freeze.as_ref().map(answer::freeze))
        .with("last_fencing_token", slot.last_token)
        .with("past", past)
        .value()
}
