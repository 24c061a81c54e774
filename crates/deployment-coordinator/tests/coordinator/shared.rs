//! The program over a shared registry: REGISTRY_URL.

use std::sync::atomic::Ordering;

use serde_json::Value;

use crate::emulator::{Emulator, dynalite};
use crate::moto::moto;
use crate::proxy::{self, Mischief};
use crate::room::{Ran, Room, ended};

pub(crate) const URL: &str = "dynamodb://deployment-registry";

/// A history as the guide shows it.
const HISTORY: &str = r#"{"deployments":[{"correlation_id":"x","stack_name":"CourtCaseManagementStack",
    "duration_minutes":25,"completed_at":"2026-01-14T12:59:56Z"}],
    "resource_averages":{"AWS::RDS::DBInstance":900},"average_deployment_minutes":25,"last_updated":"2026-01-14T13:00:00Z"}"#;

/// A room whose registry is in the emulator.
fn room(emulator: &Emulator) -> Room {
    room_at(emulator.port)
}

/// A room whose registry is behind a port of this machine.
pub(crate) fn room_at(port: u16) -> Room {
    let mut room = Room::new();
    let url = format!("http://127.0.0.1:{port}");
    room.set("AWS_ENDPOINT_URL_DYNAMODB", &url)
        .set("REGISTRY_URL", URL)
        .set("GITHUB_REPOSITORY", "owner/repository");
    room.stack("UPDATE_COMPLETE");
    room
}

#[test]
fn init_makes_the_table_needs_moto() {
    let Some(emulator) = moto() else { return };
    let room = room(&emulator);
    let first = room
        .run(&["init"])
        .exits(0)
        .says("[SUCCESS] the table deployment-registry");
    assert_eq!(first.json()["created"], true);
    assert_eq!(first.json()["missing"], Value::Array(Vec::new()));
    let second = room.run(&["init"]).exits(0);
    assert_eq!(second.json()["created"], false);
    room.register("a").exits(0);
}

#[test]
fn init_says_what_it_could_not_make_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let room = room(&emulator);
    // dynalite knows neither time-to-live nor point-in-time recovery.
    for created in [true, false] {
        let ran = room.run(&["init"]).exits(1);
        let json = ran.json();
        assert_eq!(json["created"], created, "{ran:?}");
        assert_eq!(json["missing"].as_array().unwrap().len(), 2, "{ran:?}");
        assert_eq!(ran.stderr.matches("[WARNING]").count(), 2, "{ran:?}");
        for what in ["time-to-live", "point-in-time recovery"] {
            assert!(ran.stderr.contains(what), "{ran:?}");
        }
    }
    // It works all the same.
    room.register("a").exits(0);
}

/// How many rounds the processes race; more with `STRESS_ROUNDS` (`cargo xtask soak`).
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment how long to run"
)]
fn rounds() -> usize {
    let told = std::env::var("STRESS_ROUNDS").ok();
    told.and_then(|text| text.parse().ok()).unwrap_or(3)
}

#[test]
fn eight_processes_on_eight_machines_race_and_one_wins_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    // A folder of its own each, as on eight machines: only the table is shared.
    let mischief = Mischief {
        lose_one_in: 100,
        ..Mischief::default()
    };
    let (port, lost) = proxy::start(emulator.port, mischief);
    let rooms: Vec<Room> = (0..8).map(|_| room_at(port)).collect();
    for room in &rooms {
        room.stack("UPDATE_COMPLETE");
    }
    rooms[0].run(&["init", URL]);
    let mut last_token = 0;
    for round in 0..rounds() {
        let children: Vec<_> = rooms
            .iter()
            .enumerate()
            .map(|(number, room)| {
                let id = format!("id-{round}-{number}");
                room.start_as("", &["register", &id, "7", "production"])
            })
            .collect();
        let ran: Vec<Ran> = children.into_iter().map(ended).collect();
        let winners: Vec<&Ran> = ran.iter().filter(|ran| ran.code == 0).collect();
        assert_eq!(winners.len(), 1, "{ran:?}");
        let winner = winners[0].json();
        assert_eq!(winner["scope"], "shared");
        let token = winner["fencing_token"].as_u64().unwrap();
        assert!(token > last_token);
        last_token = token;
        for loser in ran.iter().filter(|ran| ran.code != 0) {
            assert_eq!(loser.code, 1, "{loser:?}");
            let holder = &loser.json()["active_deployment"]["correlation_id"];
            assert_eq!(*holder, winner["correlation_id"]);
        }
        let id = winner["correlation_id"].as_str().unwrap();
        // Anybody may clean up, from anywhere.
        rooms[7].run(&["cleanup", id]).exits(0);
        assert!(!rooms[0].file().exists());
    }
    assert!(
        lost.load(Ordering::Relaxed) > 0,
        "the proxy lost no replies"
    );
}

#[test]
fn a_wrong_setting_is_2_and_no_fallback_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    for (name, value, words) in [
        (
            "REGISTRY_URL",
            "dynamodb://no-such-table",
            "there is no table no-such-table",
        ),
        ("REGISTRY_URL", "redis://x", "this scheme is not known"),
        (
            "GITHUB_REPOSITORY",
            "",
            "a shared registry needs a namespace",
        ),
    ] {
        let mut room = room(&emulator);
        room.set(name, value);
        for command in [
            ["can_deploy", "production"].as_slice(),
            &["register", "a", "1", "production"],
        ] {
            let ran = room.run(command).exits(2).says(words);
            assert!(!ran.stderr.contains("falling back"), "{ran:?}");
            assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
        }
    }
}

#[test]
fn a_registry_moves_and_not_while_it_is_in_use_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let mut room = room(&emulator);
    room.run(&["init"]);
    let url = room.path("old").display().to_string();
    room.set("REGISTRY_URL", &format!("file://{url}"));
    room.run(&["migrate", &url, URL])
        .exits(1)
        .says("there is nothing in");
    let token = room.register("a").exits(0).json()["fencing_token"]
        .as_u64()
        .unwrap();
    room.run(&["migrate", &url, URL])
        .exits(1)
        .says("a holds production in ");
    room.run(&["cleanup", "a", "--outcome", "failed"]).exits(0);
    let old = room.path("old/deployment-history.json");
    registry_core::store::atomic::write(&old, HISTORY.as_bytes(), 0o644).unwrap();
    let moved = room.run(&["migrate", &url, URL]).exits(0).json();
    assert_eq!(
        (&moved["environments"], &moved["entries"]),
        (&1.into(), &1.into())
    );
    assert_eq!(
        (&moved["history"], &moved["history_entries"]),
        (&true.into(), &1.into())
    );
    // Twice is the same as once, and it moves back as it came.
    let again = room.run(&["migrate", &url, URL]).exits(0).json();
    assert_eq!(again["history_entries"], 0);
    let back = room.path("back").display().to_string();
    room.run(&["migrate", URL, &back]).exits(0);
    let parse = |text: &[u8]| serde_json::from_slice::<Value>(text).unwrap();
    let there = std::fs::read(room.path("back/deployment-history.json")).unwrap();
    assert_eq!(parse(&there), parse(HISTORY.as_bytes()));
    room.set("REGISTRY_URL", URL);
    room.run(&["verify", "a"]).exits(1).reason("FAILED");
    let next = room.register("b").exits(0).json()["fencing_token"]
        .as_u64()
        .unwrap();
    assert!(next > token);
}
