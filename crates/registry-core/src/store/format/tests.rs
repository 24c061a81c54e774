use std::time::Duration;

use super::*;
use crate::clock::Timestamp;
use crate::slot::{Beat, EntryStatus, Now};

fn now() -> Now {
    Now {
        at: Timestamp::from_seconds(1_768_392_000),
        boot: None,
        host: None,
        gone: |_| false,
    }
}

/// The guide's own example.
const GUIDE: &str = r#"{
  "deployments": [
    {
      "correlation_id": "20260114-123456-abc123",
      "workflow_run_id": "12345",
      "environment": "production",
      "stack_name": "CourtCaseManagementStack",
      "status": "IN_PROGRESS",
      "started_at": "2026-01-14T12:34:56Z",
      "updated_at": "2026-01-14T12:44:56Z"
    }
  ]
}
"#;

#[test]
fn the_guides_file_is_read_and_written_to_the_letter() {
    let document = Document::parse(GUIDE.as_bytes()).unwrap();
    assert_eq!(document.to_text(), GUIDE);
    let slot = document.slot("production");
    assert_eq!(slot.holds.len(), 1);
    let entry = &slot.holds[0];
    assert_eq!(entry.stacks, ["CourtCaseManagementStack"]);
    assert_eq!(entry.last_beat().at, entry.updated_at);
    let for_people = GUIDE.replace("T12:44:56Z", " 12:44:56 UTC");
    let read = Document::parse(for_people.as_bytes()).unwrap();
    assert_eq!(
        read.slot("production").holds[0].updated_at,
        entry.updated_at
    );
    // Another environment's change leaves the entry's lines as they are.
    let mut changed = document.clone();
    changed.put(&Slot::new("staging"));
    let lines = GUIDE.lines().skip(2).take(9).collect::<Vec<_>>().join("\n");
    assert!(changed.to_text().contains(&lines), "{}", changed.to_text());
    assert_eq!(changed.slot("production"), slot);
}

#[test]
fn fields_of_a_newer_version_survive_at_every_level() {
    let text = r#"{
      "schema": {"version": 3},
      "deployments": [
        {"correlation_id": "a", "environment": "production", "status": "IN_PROGRESS", "started_at": "2026-01-14T12:00:00Z",
         "x": 1, "beat": {"at": "2026-01-14T12:00:00.000Z", "x": 2},
         "baseline": [{"stack_name": "S", "x": 3}], "last_outcome": {"stack_status": "CREATE_COMPLETE", "x": 4}},
        {"correlation_id": "f", "environment": "production", "status": "FAILED", "started_at": "2026-01-14T12:00:00Z",
         "updated_at": "2026-01-14T12:00:00Z", "ended": {"outcome": "failed", "at": "2026-01-14T12:00:00Z", "x": 5}},
        7
      ],
      "environments": {"production": {"x": 6, "fencing_token": 9,
        "queue": [{"correlation_id": "w", "since": "2026-01-14T12:00:00Z", "beat": {"at": "2026-01-14T12:00:00.000Z", "x": 7}, "lease_ms": 90000, "x": 8}],
        "reservation": {"correlation_id": "r", "granted": {"at": "2026-01-14T12:00:00.000Z"}, "lasts_ms": 120000, "x": 9},
        "freeze": {"reason": "z", "by": "y", "at": "2026-01-14T12:00:00Z", "x": 10}}},
      "ended": [{"correlation_id": "e", "environment": "production", "ended": {"outcome": "success", "at": "2026-01-14T12:00:00Z", "x": 11}, "x": 12}]
    }"#;
    let mut document = Document::parse(text.as_bytes()).unwrap();
    let mut slot = document.slot("production");
    assert!(matches!(
        slot.beat("a", None, &now()),
        crate::slot::BeatAnswer::StillHolds(_)
    ));
    document.put(&slot);
    let root: Value = serde_json::from_str(&document.to_text()).unwrap();
    assert_eq!(root["schema"]["version"], 3);
    let entry = &root["deployments"][0];
    assert_eq!((&entry["x"], &entry["beat"]["x"]), (&json!(1), &json!(2)));
    assert_eq!(entry["baseline"][0]["x"], 3);
    assert_eq!(entry["last_outcome"]["x"], 4);
    assert_eq!(root["deployments"][1]["ended"]["x"], 5);
    assert_eq!(root["deployments"][2], 7);
    let environment = &root["environments"]["production"];
    assert_eq!(environment["x"], 6);
    assert_eq!(environment["queue"][0]["beat"]["x"], 7);
    assert_eq!(environment["queue"][0]["x"], 8);
    assert_eq!(environment["reservation"]["x"], 9);
    assert_eq!(environment["freeze"]["x"], 10);
    assert_eq!(
        (&root["ended"][0]["ended"]["x"], &root["ended"][0]["x"]),
        (&json!(11), &json!(12))
    );
}

#[test]
fn all_at_once_are_the_same_as_one_by_one() {
    let text = r#"{
      "deployments": [
        {"correlation_id": "a", "environment": "production", "status": "IN_PROGRESS", "started_at": "2026-01-14T12:00:00Z"},
        {"correlation_id": "b", "environment": "staging", "status": "FAILED", "fencing_token": 12},
        {"correlation_id": "c"}, "no record", {"correlation_id": "d", "environment": "production", "status": "ABANDONED"}],
      "environments": {"production": {"fencing_token": 9, "queue": [{"correlation_id": "w"}]}, "idle": {}, "odd": 7},
      "ended": [{"correlation_id": "e", "environment": "gone", "ended": {"outcome": "success", "at": "2026-01-14T12:00:00Z"}}, 7]
    }"#;
    let document = Document::parse(text.as_bytes()).unwrap();
    let slots = document.slots();
    let names: Vec<&str> = slots.keys().map(String::as_str).collect();
    assert_eq!(names, ["", "gone", "idle", "odd", "production", "staging"]);
    for (name, slot) in &slots {
        assert_eq!(*slot, document.slot(name));
    }
}

#[test]
fn what_is_taken_out_stays_out() {
    let text = r#"{"deployments": [], "environments": {"production": {
        "reservation": {"correlation_id": "old", "granted": {"at": "2026-01-14T12:00:00.000Z"}, "lasts_ms": 120000,
                        "unanswered": {"lease_ms": 1000}},
        "freeze": {"reason": "z", "by": "y", "at": "2026-01-14T12:00:00Z", "until": "2026-01-15T12:00:00Z"},
        "queue": [{"correlation_id": "w"}]}}}"#;
    let mut document = Document::parse(text.as_bytes()).unwrap();
    let mut slot = document.slot("production");
    slot.answered("old");
    slot.freeze.as_mut().unwrap().until = None;
    slot.queue.clear();
    document.put(&slot);
    assert_eq!(
        document.slot("production").reservation.unwrap().unanswered,
        None
    );
    assert_eq!(document.slot("production").freeze.unwrap().until, None);
    assert!(document.slot("production").queue.is_empty());
    slot.reservation = None;
    slot.freeze = None;
    document.put(&slot);
    assert_eq!(document.slot("production").reservation, None);
    assert_eq!(document.slot("production").freeze, None);
}

#[test]
fn entries_of_any_shape_are_read_without_a_complaint_and_kept() {
    let text = r#"{"deployments": [
        {"correlation_id": 5, "workflow_run_id": 12345, "environment": "production", "status": "COMPLETED"},
        {"correlation_id": "b", "environment": "production", "status": null, "started_at": "yesterday", "fencing_token": "17"},
        {"correlation_id": "c", "environment": ["production"], "beat": 3, "baseline": {}, "ended": "long ago"},
        {}, [], null, "x"
    ]}"#;
    let mut document = Document::parse(text.as_bytes()).unwrap();
    let slot = document.slot("production");
    assert_eq!(slot.past.len(), 1);
    assert_eq!(
        slot.past[0].status,
        EntryStatus::Over("COMPLETED".to_owned())
    );
    // No status at all is taken for a hold, whatever its age: only a lease or a person ends it.
    assert_eq!(slot.holds.len(), 1);
    assert_eq!(slot.last_token, 17);
    document.put(&slot);
    let root: Value = serde_json::from_str(&document.to_text()).unwrap();
    assert_eq!(root["deployments"].as_array().unwrap().len(), 7);
    assert_eq!(root["deployments"][0]["workflow_run_id"], 12345);
    assert_eq!(root["deployments"][1]["started_at"], "yesterday");
    assert_eq!(root["deployments"][2]["beat"], 3);
    // Without an environment they belong to none, and still name what they hold.
    let orphan = document.elsewhere("production", Some("c"), &[]);
    assert_eq!(orphan.holds.len(), 1);
    assert_eq!(document.elsewhere("production", Some("d"), &[]).holds, []);
    let orphans = document.slot("");
    document.put(&orphans);
    let root: Value = serde_json::from_str(&document.to_text()).unwrap();
    assert_eq!(root["deployments"][2]["beat"], 3);
    assert_eq!(root["deployments"][2]["ended"], "long ago");
}

#[test]
fn a_slot_is_one_value_for_stores_that_keep_items() {
    let mut slot = Slot::new("production");
    slot.last_token = 5;
    slot.queue.push(crate::slot::Waiter {
        correlation_id: "w".to_owned(),
        since: now().at,
        beat: Beat {
            at: now().at,
            ..Beat::default()
        },
        lease: Duration::from_secs(90),
        process: None,
        kept: crate::slot::Kept::default(),
    });
    let value = slot_to_value(&slot);
    let read = slot_from_value("production", &value).unwrap();
    assert_eq!(read.last_token, 5);
    assert_eq!(read.queue[0].lease, Duration::from_secs(90));
    assert_eq!(slot_to_value(&read), value);
}
