//! Many processes at once. How many: REGISTRY_RACE, 40 if not set (1,000 takes minutes on two cores).

use std::collections::BTreeSet;

use crate::room::{Ran, Room, ended};

#[expect(clippy::disallowed_methods, reason = "a knob of the tests themselves")]
fn many() -> usize {
    std::env::var("REGISTRY_RACE")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(40)
}

/// Starts `count` processes, no more than so many at a time: more only wait for a processor, until AWS's time-outs strike.
const AT_ONCE: usize = 24;

fn race(room: &Room, count: usize, words: impl Fn(usize) -> Vec<String>) -> Vec<Ran> {
    let mut ran = Vec::new();
    let mut going = std::collections::VecDeque::new();
    for number in 0..count {
        let words = words(number);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        going.push_back(room.start_as("", &words));
        if going.len() == AT_ONCE {
            ran.extend(going.pop_front().map(ended));
        }
    }
    ran.extend(going.into_iter().map(ended));
    ran
}

#[test]
fn of_many_that_register_one_environment_exactly_one_wins() {
    let room = Room::new();
    room.stack("UPDATE_COMPLETE");
    let ran = race(&room, many(), |number| {
        ["register", &format!("id-{number}"), "7", "production"]
            .map(str::to_owned)
            .to_vec()
    });
    let winners: Vec<&Ran> = ran.iter().filter(|ran| ran.code == 0).collect();
    assert_eq!(winners.len(), 1);
    let winner = winners[0].json()["correlation_id"].clone();
    for loser in ran.iter().filter(|ran| ran.code != 0) {
        assert_eq!(loser.code, 1, "{loser:?}");
        assert_eq!(loser.json()["active_deployment"]["correlation_id"], winner);
    }
    assert_eq!(room.registry()["deployments"].as_array().unwrap().len(), 1);
}

#[test]
fn many_that_register_as_many_environments_all_get_theirs() {
    let room = Room::new();
    let ran = race(&room, many(), |number| {
        let (id, environment) = (format!("id-{number}"), format!("env-{number}"));
        [
            "register",
            &id,
            "7",
            &environment,
            &format!("Stack{number}"),
        ]
        .map(str::to_owned)
        .to_vec()
    });
    for ran in ran {
        ran.exits(0);
    }
    let registry = room.registry();
    let ids: BTreeSet<&str> = registry["deployments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["correlation_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), many());
}

#[test]
fn of_two_that_ask_at_once_one_gets_a_yes() {
    let room = Room::new();
    room.stack("UPDATE_COMPLETE");
    let asked: Vec<_> = (0..8)
        .map(|number| room.start_as(&format!("id-{number}"), &["can_deploy", "production"]))
        .collect();
    let ran: Vec<Ran> = asked.into_iter().map(ended).collect();
    assert_eq!(ran.iter().filter(|ran| ran.code == 0).count(), 1);
    assert_eq!(ran.iter().filter(|ran| ran.code == 1).count(), 7);
}
