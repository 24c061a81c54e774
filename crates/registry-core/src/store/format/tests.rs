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
    let slot = document.slot("production").unwrap();
    assert_eq!(slot.holds.len(), 1);
    let entry = &slot.holds[0];
    assert_eq!(entry.stacks, ["CourtCaseManagementStack"]);
    assert_eq!(entry.last_beat().at, entry.updated_at);
    let for_people = GUIDE.replace("T12:44:56Z", " 12:44:56 UTC");
    let read = Document::parse(for_people.as_bytes()).unwrap();
    assert_eq!(
        read.slot("production").unwrap().holds[0].updated_at,
        entry.updated_at
    );
    // Another environment's change leaves the entry's lines as they are.
    let mut changed = document.clone();
    changed.put(&Slot::new("staging")).unwrap();
    let lines = GUIDE.lines().skip(2).take(9).collect::<Vec<_>>().join("\n");
    assert!(changed.to_text().contains(&lines), "{}", changed.to_text());
    assert_eq!(changed.slot("production").unwrap(), slot);
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
    let mut slot = document.slot("production").unwrap();
    assert!(matches!(
        slot.beat("a", None, &now()),
        crate::slot::BeatAnswer::StillHolds(_)
    ));
    document.put(&slot).unwrap();
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
    let slots = document.slots().unwrap();
    let names: Vec<&str> = slots.keys().map(String::as_str).collect();
    assert_eq!(names, ["", "gone", "idle", "odd", "production", "staging"]);
    for (name, slot) in &slots {
        assert_eq!(*slot, document.slot(name).unwrap());
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
    let mut slot = document.slot("production").unwrap();
    slot.answered("old");
    slot.freeze.as_mut().unwrap().until = None;
    slot.queue.clear();
    document.put(&slot).unwrap();
    assert_eq!(
        document
            .slot("production")
            .unwrap()
            .reservation
            .unwrap()
            .unanswered,
        None
    );
    assert_eq!(
        document.slot("production").unwrap().freeze.unwrap().until,
        None
    );
    assert!(document.slot("production").unwrap().queue.is_empty());
    slot.reservation = None;
    slot.freeze = None;
    document.put(&slot).unwrap();
    assert_eq!(document.slot("production").unwrap().reservation, None);
    assert_eq!(document.slot("production").unwrap().freeze, None);
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
    let slot = document.slot("production").unwrap();
    assert_eq!(slot.past.len(), 1);
    assert_eq!(
        slot.past[0].status,
        EntryStatus::Over("COMPLETED".to_owned())
    );
    // No status at all is taken for a hold, whatever its age: only a lease or a person ends it.
    assert_eq!(slot.holds.len(), 1);
    assert_eq!(slot.last_token, 17);
    document.put(&slot).unwrap();
    let root: Value = serde_json::from_str(&document.to_text()).unwrap();
    assert_eq!(root["deployments"].as_array().unwrap().len(), 7);
    assert_eq!(root["deployments"][0]["workflow_run_id"], 12345);
    assert_eq!(root["deployments"][1]["started_at"], "yesterday");
    assert_eq!(root["deployments"][2]["beat"], 3);
    // Without an environment they belong to none, and still name what they hold.
    let orphan = document.elsewhere("production", Some("c"), &[]).unwrap();
    assert_eq!(orphan.holds.len(), 1);
    assert_eq!(
        document
            .elsewhere("production", Some("d"), &[])
            .unwrap()
            .holds,
        []
    );
    let orphans = document.slot("").unwrap();
    document.put(&orphans).unwrap();
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

#[test]
fn what_is_not_asked_about_stays_to_the_letter() {
    // Written by hand, with a number that would not come back as it is, an escape, and a record that is too deep for us.
    let others = [
        r#"{"correlation_id":"a","environment" : "staging", "stack_name": "S", "status":"FAILED", "started_at":"2026-01-14T12:00:00Z", "updated_at":"2026-01-14T12:00:00Z", "cost": 1.50, "note": "\u0041\/"}"#
            .to_owned(),
        format!(r#"{{"x": {}{}}}"#, "[".repeat(300), "]".repeat(300)),
        "[ 1,2 ]".to_owned(),
    ];
    let text = format!(
        r#"{{"schema" : {{"version":3.0}}, "deployments": [{}], "environments": {{"staging": {{"x":  1}}}}, "ended": []}}"#,
        others.join(" , ")
    );
    let mut document = Document::parse(text.as_bytes()).unwrap();
    let mut slot = document.slot("production").unwrap();
    slot.last_token = 7;
    document.put(&slot).unwrap();
    let written = document.to_text();
    for other in others
        .iter()
        .map(String::as_str)
        .chain([r#"{"version":3.0}"#, r#"{"x":  1}"#])
    {
        assert!(written.contains(other), "{other} is not in {written}");
    }
    // Written and read once more it stays.
    let mut again = Document::parse(written.as_bytes()).unwrap();
    let slot = again.slot("production").unwrap();
    assert_eq!(slot.last_token, 7);
    again.put(&slot).unwrap();
    assert_eq!(again.to_text(), written);
    // What did not change of an environment that did keeps its letters too.
    let mut staging = again.slot("staging").unwrap();
    staging.last_token = 9;
    again.put(&staging).unwrap();
    assert!(again.to_text().contains(&others[0]), "{}", again.to_text());
}

/// A record that cannot be taken apart may be a hold: then nothing is free.
#[test]
fn a_record_that_cannot_be_read_is_no_missing_record() {
    let text = r#"{"deployments": [{"correlation_id": "a", "environment": "production", "stack_name": "S", "cost": 1e999}]}"#;
    let document = Document::parse(text.as_bytes()).unwrap();
    let asked = [
        document.slot("production").map(drop),
        document.slots().map(drop),
        document.elsewhere("staging", Some("a"), &[]).map(drop),
        document
            .elsewhere("staging", None, &["S".to_owned()])
            .map(drop),
    ];
    for answer in asked {
        let error = answer.unwrap_err();
        assert!(
            error.to_string().contains("in one of its records"),
            "{error}"
        );
    }
    assert_eq!(document.slot("staging").unwrap(), Slot::new("staging"));
}

#[test]
fn whatever_is_asked_about_is_found_however_it_is_spelled() {
    let arn = "arn:aws:cloudformation:us-east-1:123456789012:stack/Shop/1f6b7a52";
    let text = r#"{
      "deployments": [
        {"correlation_id": "held", "environment": "one", "stack_name": "Other, Shop"},
        {"correlation_id": 5, "environment": "two", "stack_name": "Nothing"},
        {"correlation_id": "he\u006cd", "environment": "thr\u0065e", "stack_name": "arn:aws:cloudformation:us-east-1:123456789012:stack\/Shop\/9"},
        {"correlation_id": "x", "environment": "far"}],
      "environments": {"four": {"queue": [{"correlation_id": "held"}]}, "five": {"reservation": {"correlation_id": "held"}},
        "far": {"note": "held"}, "six": {"fencing_token": 1}, "six": {"fencing_token": 2}},
      "ended": [{"correlation_id": "held", "environment": "seven"}]
    }"#;
    let document = Document::parse(text.as_bytes()).unwrap();
    let names = |environment, id, stacks: &[String]| {
        let about = About {
            environment,
            id,
            stacks,
        };
        let found = document.slots_about(about).unwrap();
        for (name, slot) in &found {
            assert_eq!(*slot, document.slots().unwrap()[name]);
        }
        found.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(
        names(None, Some("held"), &[]),
        ["five", "four", "one", "seven", "three"]
    );
    assert_eq!(names(Some("two"), Some("5"), &[]), ["two"]);
    assert_eq!(names(None, Some("5"), &[]), ["two"]);
    assert_eq!(names(None, None, &["Shop".to_owned()]), ["one", "three"]);
    assert_eq!(names(None, None, &[arn.to_owned()]), ["one", "three"]);
    assert_eq!(document.slot("three").unwrap().holds.len(), 1);
    // Of two with one name the last counts.
    assert_eq!(document.slot("six").unwrap().last_token, 2);
    for stack in ["Shop", arn] {
        let there = document.elsewhere("far", None, &[stack.to_owned()]);
        assert_eq!(there.unwrap().holds.len(), 2, "{stack}");
    }
}

#[test]
fn what_is_no_registry_is_told_from_one() {
    for (text, why) in [
        ("", "not valid JSON"),
        ("{\"deployments\": [{]}", "not valid JSON"),
        ("{\"deployments\": []} x", "not valid JSON"),
        ("{\"x\": \"\u{1}\"}", "not valid JSON"),
        ("[]", "not an object"),
        ("7", "not an object"),
        ("{\"deployments\": {}}", "\"deployments\" is not a list"),
        ("{\"deployments\": 7}", "\"deployments\" is not a list"),
        (
            "{\"environments\": null}",
            "\"environments\" is not an object",
        ),
        (
            "{\"environments\": []}",
            "\"environments\" is not an object",
        ),
        ("{\"ended\": \"x\"}", "\"ended\" is not a list"),
    ] {
        let error = Document::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
    assert!(Document::parse(b"{\"deployments\": [\"\xff\"]}").is_err());
    for empty in ["{}", "{\"deployments\": null}", "\u{feff} { } "] {
        let document = Document::parse(empty.as_bytes()).unwrap();
        assert_eq!(document.to_text(), "{\n  \"deployments\": []\n}\n");
    }
}
