//! What the history computes from what it keeps.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::LONGEST_MINUTES;
use crate::estimate::interval::{JUDGED_AT, Judged};
use crate::estimate::operation::{Action, Operation, Outcome, Run};
use crate::estimate::past::{Past, TypeDurations};
use crate::estimate::replay;
use crate::estimate::spread::{Spread, Sureness};
use crate::estimate::table::Table;

/// The guide's `resource_averages`: seconds by type. What no resource can take is what somebody has spoilt, and is not known.
pub(super) fn read(rest: &Map<String, Value>) -> BTreeMap<String, f64> {
    let averages = rest.get("resource_averages").and_then(Value::as_object);
    averages
        .into_iter()
        .flatten()
        .filter_map(|(resource_type, seconds)| Some((resource_type.clone(), seconds.as_f64()?)))
        .filter(|(_, seconds)| (0.0..=LONGEST_MINUTES as f64 * 60.0).contains(seconds))
        .collect()
}

/// How long each action on each type took.
pub(super) fn by_type_and_action<'a>(
    operations: impl IntoIterator<Item = &'a Operation>,
) -> TypeDurations {
    let mut taken: BTreeMap<(&str, Action), Vec<f64>> = BTreeMap::new();
    for run in operations.into_iter().flat_map(|operation| &operation.runs) {
        if let (Some(took), false) = (run.took(), run.is_nested_stack()) {
            taken
                .entry((&run.resource_type, run.action))
                .or_default()
                .push(took);
        }
    }
    let mut durations = TypeDurations::new();
    for ((resource_type, action), taken) in taken {
        if let Some(spread) = Spread::of(&taken, Sureness::ALIKE) {
            durations
                .entry(resource_type.to_owned())
                .or_default()
                .insert(action, spread);
        }
    }
    durations
}

/// Writes `resource_averages` anew: the mean of what creations, updates and replacements took. A type that no recorded
/// operation has keeps the figure it had.
pub(super) fn refresh(rest: &mut Map<String, Value>, operations: &[Operation]) {
    let mut taken: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let runs = operations.iter().flat_map(|operation| &operation.runs);
    for run in runs.filter(|run: &&Run| run.action != Action::Delete && !run.is_nested_stack()) {
        if let Some(took) = run.took() {
            taken.entry(&run.resource_type).or_default().push(took);
        }
    }
    let entry = rest
        .entry("resource_averages".to_owned())
        .or_insert_with(|| json!({}));
    if !entry.is_object() {
        *entry = json!({});
    }
    if let Value::Object(averages) = entry {
        for (resource_type, taken) in taken {
            let mean = taken.iter().sum::<f64>() / taken.len() as f64;
            averages.insert(resource_type.to_owned(), seconds(mean));
        }
    }
}

/// Whole seconds as in the guide; what is shorter than ten with one decimal, or a second would be a tenth of it.
fn seconds(mean: f64) -> Value {
    if mean < 10.0 {
        json!((mean * 10.0).round() / 10.0)
    } else {
        json!(mean.round() as u64)
    }
}

/// What came true of the estimates that would have been made of an operation. Nothing for one that failed, whose end no estimate
/// means, and for the first, of which nothing was known.
pub(super) fn judge(operation: &Operation, past: &Past, table: &Table) -> Option<Judged> {
    let took = operation.took.filter(|took| *took > 0.0)?;
    if operation.outcome != Outcome::Succeeded || past.operations.is_empty() {
        return None;
    }
    Some(Judged::of(JUDGED_AT.map(|share| {
        let now = took * share;
        let estimate = replay::estimate_at(operation, now, past, table);
        (took - now, estimate.remaining.as_secs_f64())
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_that_cannot_be_are_not_known() {
        let rest = json!({"resource_averages": {
            "Right": 900, "Quick": 0.4, "Nothing": 0, "Less": -5, "Text": "abc", "Absurd": 1e308, "Month": 2_600_000, "Null": null
        }});
        let read = read(rest.as_object().unwrap());
        let known: Vec<&str> = read.keys().map(String::as_str).collect();
        assert_eq!(known, ["Nothing", "Quick", "Right"]);
        assert!(super::read(json!({"resource_averages": 7}).as_object().unwrap()).is_empty());
    }
}
