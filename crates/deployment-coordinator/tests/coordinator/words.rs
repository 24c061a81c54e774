//! Bad input: one clear sentence, exit 2, nothing on stdout, nothing written.

use crate::room::{Ran, Room};

#[track_caller]
fn refused(room: &Room, words: &[&str]) -> Ran {
    let ran = room.run(words).exits(2);
    assert_eq!(ran.stdout, "", "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    assert!(ran.stderr.starts_with("[ERROR] "), "{ran:?}");
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
    ran
}

#[test]
fn wrong_words_are_one_sentence() {
    let room = Room::new();
    let long = "x".repeat(200);
    for words in [
        &[] as &[&str],
        &["can_deplyo"],
        &["can_deploy", ""],
        &["can_deploy", "production", "", ""],
        &["can_deploy", "production", ""],
        &["can_deploy", "production", "no_stack_name"],
        &["can_deploy", "nowhere"],
        &["can_deploy", "../etc"],
        &["can_deploy"],
        &["register"],
        &["register", "a/b", "1", "production"],
        &["register", "a\nb", "1", "production"],
        &["register", &long, "1", "production"],
        &["register", "a", "", "production"],
        &["register", "a", "1\n2", "production"],
        &["register", "a", "1", "production", "S", "surplus"],
        &["wait"],
        &["wait", "production", "-5"],
        &["wait", "production", "abc"],
        &["wait", "production", "99999999999999999999"],
        &["wait", "production", ""],
        &["wait", "production", "1s", "--interval", "0"],
        &["cleanup", ""],
        &["cleanup", ".."],
        &["cleanup", "a", "--outcome", "maybe"],
        &["verify", "a", "--token", "-1"],
        &["freeze", "production"],
        &["freeze", "production", "--reason", " "],
        &[
            "freeze",
            "production",
            "--reason",
            "x",
            "--until",
            "yesterday",
        ],
        &[
            "freeze",
            "production",
            "--reason",
            "x",
            "--until",
            "2020-01-01T00:00:00Z",
        ],
        &["get_active", "nowhere"],
        &["status", "--format", "xml"],
    ] {
        refused(&room, words);
    }
    assert!(!room.path(".deployment-registry").exists());
    assert_eq!(room.aws.requests("DescribeStacks"), 0);
}

#[test]
fn a_bad_id_in_the_environment_is_refused_but_stops_no_cleanup() {
    let mut room = Room::new();
    room.set("CORRELATION_ID", "a/b");
    refused(&room, &["can_deploy", "production"]).says("CORRELATION_ID: ");
    room.run(&["cleanup", "x"]).exits(0);
}

#[test]
fn hyphens_are_underscores_and_help_tells_the_exit_status() {
    let room = Room::new();
    room.run(&["can-deploy", "production"]).exits(0);
    let help = room.run(&["--help"]).exits(0);
    assert!(help.stdout.contains("can_deploy") && help.stdout.contains("Exit status: 0"));
    let id = room.run(&["new_id"]).exits(0).stdout;
    let mut parts = id.trim().split('-');
    assert_eq!(parts.next().map(str::len), Some(8));
    assert_eq!(parts.next().map(str::len), Some(6));
    assert_eq!(parts.next().map(str::len), Some(6));
}

#[test]
fn environment_and_stack_come_from_settings_too() {
    let mut room = Room::new();
    room.stack("UPDATE_COMPLETE");
    room.set("STACK_NAME", "CourtCaseManagementStack");
    let ran = room.run(&["can_deploy"]).exits(0);
    assert_eq!(ran.json()["environment"], "production");
    room.set("ENVIRONMENT", "qa");
    let ran = room.run(&["can_deploy"]).exits(0);
    assert_eq!(ran.json()["environment"], "qa");
    assert_eq!(ran.json()["stack_name"], "CourtCaseManagementStack");
    // STACK_NAME is used only where neither is given.
    let ran = room.run(&["can_deploy", "staging"]).exits(0);
    assert_eq!(ran.json()["stack_name"], "CourtCaseManagementStack-Staging");
}

#[test]
fn later_steps_of_a_job_are_told() {
    let mut room = Room::new();
    let output = room.path("output");
    room.set("GITHUB_OUTPUT", &output.to_string_lossy());
    room.run(&["can_deploy", "production"]).exits(0);
    let token = room.register("a").exits(0).json()["fencing_token"].to_string();
    let text = std::fs::read_to_string(output).unwrap();
    assert!(
        text.contains("can_proceed=true\n") && text.contains(&format!("fencing_token={token}\n")),
        "{text}"
    );
}

#[test]
fn nothing_of_a_strangers_text_reaches_the_terminal_raw() {
    let room = Room::new();
    room.write(
        "{\"deployments\": [{\"correlation_id\": \"x\\u001b[31m\\n::error::boo\", \"environment\": \"production\", \"status\": \"IN_PROGRESS\", \"started_at\": \"2099-01-01T00:00:00Z\"}]}",
    );
    for words in [&["can_deploy", "production"] as &[&str], &["status"]] {
        let ran = room.run(words);
        let all = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            !all.contains('\u{1b}') && !all.contains("\n::error"),
            "{ran:?}"
        );
    }
}
