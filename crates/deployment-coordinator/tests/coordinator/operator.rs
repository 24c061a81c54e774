//! What a tired operator does: from the wrong folder, with a slip of the finger, with a secret in the words.

use std::fs;
use std::os::unix::fs::symlink;

use crate::room::{Ran, Room};

impl Room {
    #[expect(clippy::disallowed_methods, reason = "as a person's editor does it")]
    fn settle(&self, text: &str) {
        fs::write(self.path("deployment-coordination.toml"), text).unwrap();
    }

    fn run_in(&self, folder: &str, words: &[&str]) -> Ran {
        fs::create_dir_all(self.path(folder)).unwrap();
        let mut command = self.command(words);
        Ran::of(&command.current_dir(self.path(folder)).output().unwrap())
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }
}

#[test]
fn a_folder_of_the_settings_file_counts_from_where_that_file_lies() {
    for line in [
        "registry_dir = \"shared-reg\"",
        "registry_url = \"file://shared-reg\"",
    ] {
        let mut room = Room::new();
        room.settle(line);
        room.run_in("a", &["register", "q1", "1", "production", "S1"])
            .exits(0);
        room.run_in("b", &["register", "q2", "2", "production", "S1"])
            .exits(1)
            .reason("ACTIVE_DEPLOYMENT_IN_PROGRESS");
        assert!(room.path("shared-reg/deployments.json").exists(), "{line}");
        // What the caller says counts from where the caller is.
        room.set("REGISTRY_URL", "");
        let flag = ["register", "q3", "3", "qa", "S2", "--registry-dir", "mine"];
        if line.starts_with("registry_dir") {
            room.run_in("a", &flag).exits(0);
            assert!(room.path("a/mine/deployments.json").exists());
            room.set("REGISTRY_DIR", "set");
            room.run_in("b", &["register", "q4", "4", "qa", "S3"])
                .exits(0);
            assert!(room.path("b/set/deployments.json").exists());
        }
    }
}

#[test]
fn a_run_is_kept_without_its_secrets() {
    let room = Room::new();
    let secret = "ghp_abcdefghijklmnopqrstuvwx1234567890";
    for (id, environment, run) in [
        (
            "a",
            "production",
            format!("https://bob:pa55word@ci.example.com/job/7?token={secret}"),
        ),
        (
            "b",
            "staging",
            format!("nightly {secret} not-a-secret-of-anybody"),
        ),
        (
            "c",
            "qa",
            "https://pa55word@ci.example.com/job/8?access_token=pa55word".to_owned(),
        ),
    ] {
        let words = ["register", id, &run, environment, &format!("Stack-{id}")];
        room.run(&words).exits(0);
        // The same words are the same run.
        room.run(&words).exits(0);
    }
    let text = room.text(".deployment-registry/deployments.json");
    for word in [secret, "pa55word", "not-a-secret-of-anybody"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
    assert!(text.contains("ci.example.com/job/7"), "{text}");
}

#[test]
fn an_environment_that_nobody_knows_is_a_slip_of_the_finger() {
    let room = Room::new();
    for words in [
        &["freeze", "prodction", "--reason", "release day"] as &[&str],
        &["status", "prodction"],
        &["thaw", "prodction"],
    ] {
        let ran = room.run(words).exits(2);
        let ran = ran.says("no stack is known for the environment \"prodction\"");
        assert_eq!(ran.stdout, "", "{ran:?}");
    }
    assert!(!room.path(".deployment-registry").exists());
    // One that the registry has is known, also where the settings do not have it.
    room.run(&["register", "a", "1", "qa", "S1"]).exits(0);
    room.run(&["freeze", "qa", "--reason", "release day"])
        .exits(0);
    room.run(&["status", "qa"]).exits(0);
    room.run(&["thaw", "qa"]).exits(0);
}

#[test]
fn who_looks_in_the_wrong_place_is_told_where_it_was_looked() {
    let room = Room::new();
    fs::create_dir_all(room.path("elsewhere")).unwrap();
    let here = fs::canonicalize(room.path("elsewhere")).unwrap();
    let file = here.join(".deployment-registry/deployments.json");
    let file = file.to_string_lossy();
    room.run_in("elsewhere", &["status"])
        .exits(0)
        .says(&format!("there is no registry yet at {file}"));
    let ran = room
        .run_in("elsewhere", &["cleanup", "x"])
        .exits(0)
        .says(&file);
    assert!(ran.json()["message"].as_str().unwrap().contains(&*file));
    room.run_in("elsewhere", &["register", "a", "1", "production"])
        .exits(0);
    let ran = room.run_in("elsewhere", &["status"]).exits(0);
    assert_eq!(ran.stderr, "");
}

#[test]
fn what_is_wrong_is_named() {
    let mut room = Room::new();
    let long = "1".repeat(1025);
    room.run(&["register", "a", &long, "production"])
        .exits(2)
        .says("RUN has 1025 characters, 1024 is the most");
    symlink("nowhere", room.path("dangling")).unwrap();
    room.set("REGISTRY_DIR", "dangling");
    room.run(&["status"])
        .exits(2)
        .says("is a link to nowhere, which is not there");
    room.settle("[environments]\nempty = []\n");
    room.run(&["status"]).exits(2).says("environments.empty");
}

#[test]
fn a_reason_is_any_words_but_not_too_many() {
    let room = Room::new();
    room.run(&["freeze", "production", "--reason", "--until never"])
        .exits(0);
    room.run(&["can_deploy", "production"])
        .exits(1)
        .says("--until never");
    room.run(&["thaw", "production"]).exits(0);
    room.register("a").exits(0);
    room.run(&["cleanup", "a", "--reason", "- gone"]).exits(0);
    let long = "x".repeat(1001);
    for words in [
        &["freeze", "production", "--reason", &long] as &[&str],
        &["cleanup", "a", "--reason", &long],
    ] {
        room.run(words)
            .exits(2)
            .says("it has 1001 characters, 1000 is the most");
    }
    // An option that was meant as one is not taken for the reason.
    room.run(&["freeze", "production", "--reason", "--until", "2h"])
        .exits(2);
    room.run(&["cleanup", "a", "--reason", "--purge"])
        .exits(2)
        .says("looks like an option");
}

#[test]
fn help_is_a_command_too() {
    let room = Room::new();
    assert_eq!(
        room.run(&["help"]).exits(0).stdout,
        room.run(&["--help"]).exits(0).stdout
    );
    for word in ["can_deploy", "can-deploy"] {
        let ran = room.run(&["help", word]).exits(0);
        assert_eq!(
            ran.stdout,
            room.run(&["can_deploy", "--help"]).exits(0).stdout
        );
    }
    room.run(&["help", "nonsense"]).exits(2).says("nonsense");
}
