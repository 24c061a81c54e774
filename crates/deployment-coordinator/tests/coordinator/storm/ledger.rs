//! What was acknowledged in a storm, held against the registry that is left.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use registry_core::clock::Timestamp;
use serde_json::Value;

/// A registration that was answered with a yes. Times are of the steady clock of this machine.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    pub(crate) id: String,
    pub(crate) environment: String,
    pub(crate) token: u64,
    /// When it was asked for: its lease cannot have begun earlier.
    pub(crate) asked: Duration,
    /// When the yes was there.
    pub(crate) had: Duration,
    /// Until when nobody else may have had it: its cleanup began, or its lease can have run out.
    pub(crate) until: Duration,
}

/// Everything that is wrong, in words. `lease`: how long silence is taken for life.
pub(crate) fn faults(holds: &[Hold], registry: &Value, lease: Duration) -> Vec<String> {
    let mut faults = overlaps(holds);
    faults.extend(tokens(holds));
    faults.extend(lost(holds, registry));
    faults.extend(declared_dead_alive(registry, lease));
    faults
}

fn by_environment(holds: &[Hold]) -> Vec<Vec<&Hold>> {
    let mut all: BTreeMap<&str, Vec<&Hold>> = BTreeMap::new();
    for hold in holds {
        all.entry(&hold.environment).or_default().push(hold);
    }
    all.into_values().collect()
}

// Nobody held what another held.
fn overlaps(holds: &[Hold]) -> Vec<String> {
    let mut faults = Vec::new();
    for mut held in by_environment(holds) {
        held.sort_by_key(|hold| hold.had);
        let mut last: Option<&Hold> = None;
        for hold in held {
            if let Some(before) = last.filter(|before| before.until > hold.had) {
                faults.push(format!("two held at once: {before:?} and {hold:?}"));
            }
            if last.is_none_or(|before| before.until < hold.until) {
                last = Some(hold);
            }
        }
    }
    faults
}

// Each has its own, and whoever asked after another had its yes has the larger one.
fn tokens(holds: &[Hold]) -> Vec<String> {
    let mut faults = Vec::new();
    for mut held in by_environment(holds) {
        held.sort_by_key(|hold| hold.token);
        for pair in held.windows(2) {
            let [before, after] = pair else { continue };
            if before.token == after.token || after.had <= before.asked {
                faults.push(format!("tokens do not grow: {before:?} and {after:?}"));
            }
        }
    }
    faults
}

// Every yes that was heard stands in the registry: as a hold, as what is left of one, or as a tombstone.
fn lost(holds: &[Hold], registry: &Value) -> Vec<String> {
    let records = ["deployments", "ended"].map(|list| registry[list].as_array());
    let known: BTreeSet<(&str, Option<u64>)> = records
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|record| {
            let id = record["correlation_id"].as_str()?;
            Some((id, record["fencing_token"].as_u64()))
        })
        .collect();
    holds
        .iter()
        .filter(|hold| !known.contains(&(hold.id.as_str(), Some(hold.token))))
        .map(|hold| format!("an acknowledged registration is lost: {hold:?}"))
        .collect()
}

// Whoever was abandoned had been silent for the whole lease.
fn declared_dead_alive(registry: &Value, lease: Duration) -> Vec<String> {
    let time = |value: &Value| value.as_str().and_then(Timestamp::parse_rfc3339);
    let too_early = |entry: &&Value| {
        let (beat, ended) = (time(&entry["beat"]["at"]), time(&entry["ended"]["at"]));
        let silent = beat
            .zip(ended)
            .map(|(beat, ended)| ended.since(beat) + Duration::from_secs(1));
        // The end is written in whole seconds, so it may seem up to one earlier.
        entry["status"] == "ABANDONED" && silent.is_none_or(|silent| silent < lease)
    };
    let entries = registry["deployments"].as_array().into_iter().flatten();
    entries
        .filter(too_early)
        .map(|entry| format!("declared dead while it lived: {entry}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LEASE: Duration = Duration::from_secs(5);

    fn hold(id: &str, token: u64, times: [u64; 3]) -> Hold {
        let [asked, had, until] = times.map(Duration::from_secs);
        Hold {
            id: id.to_owned(),
            environment: "production".to_owned(),
            token,
            asked,
            had,
            until,
        }
    }

    fn registry() -> Value {
        json!({
            "deployments": [{"correlation_id": "b", "fencing_token": 2, "status": "ABANDONED",
                "beat": {"at": "2026-01-14T12:00:00.500Z"}, "ended": {"at": "2026-01-14T12:00:05Z"}}],
            "ended": [{"correlation_id": "a", "fencing_token": 1}]
        })
    }

    #[track_caller]
    fn finds(holds: &[Hold], registry: &Value, words: &str) {
        let found = faults(holds, registry, LEASE);
        assert!(
            found.len() == 1 && found[0].starts_with(words),
            "{words:?} in {found:?}"
        );
    }

    #[test]
    fn what_is_right_has_no_fault_and_each_wrong_has_its_own() {
        let (a, b) = (hold("a", 1, [0, 1, 3]), hold("b", 2, [2, 3, 8]));
        assert_eq!(
            faults(&[a.clone(), b.clone()], &registry(), LEASE),
            [] as [String; 0]
        );
        let early = hold("b", 2, [1, 2, 8]);
        finds(&[a.clone(), early], &registry(), "two held at once");
        let backwards = hold("a", 3, [0, 1, 2]);
        let mut told = registry();
        told["ended"][0]["fencing_token"] = json!(3);
        finds(&[backwards, b.clone()], &told, "tokens do not grow");
        let same = hold("a", 2, [0, 1, 2]);
        told["ended"][0]["fencing_token"] = json!(2);
        finds(&[same, b.clone()], &told, "tokens do not grow");
        let mut emptied = registry();
        emptied["ended"] = json!([]);
        finds(&[a, b], &emptied, "an acknowledged registration is lost");
        let mut hasty = registry();
        hasty["deployments"][0]["ended"]["at"] = json!("2026-01-14T12:00:04Z");
        finds(&[], &hasty, "declared dead while it lived");
    }
}
