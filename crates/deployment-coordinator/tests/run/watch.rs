//! The monitor under `run`, and what becomes of everything when `run` itself is killed.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot set up has failed it"
)]

use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use simulators::{GitHub, Run};

use crate::place::{ID, Place, STACK, until};

fn group(place: &Place, file: &str) -> Pid {
    Pid::from_raw(place.read(file).trim().parse().unwrap()).unwrap()
}

#[test]
fn the_monitor_begins_and_ends_with_the_run() {
    let place = Place::new();
    place.monitor();
    let script = place.script(
        "deploy",
        "while [ ! -e monitor.began ]; do sleep 0.02; done; test ! -e monitor.ended",
    );
    place
        .run(&[
            "run",
            "production",
            "--id",
            ID,
            "--channel",
            "C0A95T7UU4R",
            "--",
            &script,
        ])
        .exits(0);
    let words = format!("{ID} {STACK} --detach -- C0A95T7UU4R deployment-monitor.log\n");
    assert_eq!(place.read("monitor.began"), words);
    assert_eq!(place.read("monitor.ended"), "yes\n");
    place.is_clean();
}

#[test]
fn without_a_monitor_the_deployment_goes_on_and_says_so() {
    let place = Place::new();
    place
        .deploy(&["true"])
        .exits(0)
        .says("nobody watches this deployment");
    place.monitor();
    place
        .run(&["run", "production", "--no-monitor", "--", "true"])
        .exits(0);
    assert!(!place.path("monitor.began").exists());
}

#[test]
fn killed_with_9_it_takes_its_monitor_along_and_its_hold_frees_itself() {
    let place = Place::new();
    place.monitor();
    let script = place.script("deploy", "echo $$ > ready\nsleep 300");
    let started = place.start("run", &["run", "production", "--id", ID, "--", &script]);
    until("both run", || {
        place.path("ready").exists() && place.path("monitor.began").exists()
    });
    started.signal(Signal::KILL);
    drop(started.ended());
    until("the monitor is ended", || {
        place.path("monitor.ended").exists()
    });
    let command = group(&place, "ready");
    until("only the command lives", || {
        let left = place.processes();
        left.len() == 2
            && left
                .iter()
                .all(|line| line.contains("deploy") || line.contains("sleep 300"))
    });
    kill_process_group(command, Signal::KILL).unwrap();
    until("nothing lives", || place.processes().is_empty());
    // Nobody beats any more: the hold stays as it is until its lease ends.
    assert_eq!(
        place.deployments(),
        [(ID.to_owned(), "IN_PROGRESS".to_owned())]
    );
    place
        .run(&[
            "run",
            "production",
            "--id",
            "early",
            "--wait",
            "300ms",
            "--",
            "true",
        ])
        .exits(124);
    last_beat_was(&place, 16);
    place
        .run(&["run", "production", "--id", "next", "--", "true"])
        .exits(0)
        .says("no sign of life for 16m")
        .says(ID);
    assert_eq!(
        place.deployments(),
        [(ID.to_owned(), "ABANDONED".to_owned())]
    );
    place.is_clean();
}

#[test]
fn killed_with_9_its_hold_is_freed_by_githubs_word_long_before_the_lease() {
    const TOKEN: &str = "ghs_simulated0000000000";
    let github = GitHub::start().unwrap();
    github.set_token(TOKEN);
    let run = Run::in_progress("owner/repo", 12345).job("deploy", "runner-7");
    github.set_run(run.clone());
    let mut place = Place::new();
    place
        .set("GITHUB_ACTIONS", "true")
        .set("GITHUB_API_URL", &github.url())
        .set("GITHUB_REPOSITORY", "owner/repo")
        .set("GITHUB_RUN_ID", "12345")
        .set("GITHUB_RUN_ATTEMPT", "1")
        .set("RUNNER_NAME", "runner-7")
        .set("GITHUB_TOKEN", TOKEN);
    let script = place.script("deploy", "echo $$ > ready\nsleep 300");
    let started = place.start("run", &["run", "production", "--id", ID, "--", &script]);
    until("it runs", || !place.read("ready").trim().is_empty());
    started.signal(Signal::KILL);
    drop(started.ended());
    kill_process_group(group(&place, "ready"), Signal::KILL).unwrap();
    until("nothing lives", || place.processes().is_empty());
    last_beat_was(&place, 3);
    place.set("GITHUB_RUN_ID", "12346");
    github.set_run(Run::in_progress("owner/repo", 12346).job("deploy", "runner-8"));
    let next = [
        "run",
        "production",
        "--id",
        "next",
        "--wait",
        "400ms",
        "--",
        "true",
    ];
    // Three minutes of silence alone are no proof, while GitHub says that the job goes on.
    place.run(&next).exits(124);
    assert_eq!(
        place.deployments(),
        [(ID.to_owned(), "IN_PROGRESS".to_owned())]
    );
    github.set_run(run.completed("cancelled"));
    place
        .run(&["run", "production", "--id", "next", "--", "true"])
        .exits(0)
        .says("GitHub says that run 12345 has completed")
        .says(ID);
    assert_eq!(
        place.deployments(),
        [(ID.to_owned(), "ABANDONED".to_owned())]
    );
    place.is_clean();
}

// Lets time pass for the hold of a dead process.
#[expect(
    clippy::disallowed_methods,
    reason = "nobody else writes the file any more"
)]
fn last_beat_was(place: &Place, minutes: u64) {
    let mut registry = place.registry();
    let beat = registry["deployments"][0]["beat"].as_object_mut().unwrap();
    let millis = minutes * 60_000;
    let boot = beat.values_mut().filter_map(|value| match value {
        Value::Number(number) => number.as_u64().map(|at| (value, at)),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    });
    let mut changed = 0;
    for (value, at) in boot {
        *value = json!(at.saturating_sub(millis));
        changed += 1;
    }
    assert_eq!(changed, 1, "{registry}");
    std::fs::write(
        place.path(".deployment-registry/deployments.json"),
        registry.to_string(),
    )
    .unwrap();
}

// `script` (util-linux) gives a terminal and types into it what comes on its stdin.
fn in_a_terminal(place: &Place, command: &str) -> (Child, ChildStdin) {
    let plain = place.command(&[]);
    let program = plain.get_program().to_str().unwrap();
    let line = format!("exec {program} run production --id {ID} -- {command}");
    let mut script = Command::new("script");
    script
        .args(["-q", "-e", "-f", "-c", &line, "/dev/null"])
        .env_clear()
        .current_dir(plain.get_current_dir().unwrap());
    for (name, value) in plain.get_envs() {
        script.env(name, value.unwrap());
    }
    let mut child = script
        .stdin(Stdio::piped())
        .stdout(std::fs::File::create(place.path("typescript")).unwrap())
        .spawn()
        .unwrap();
    let keys = child.stdin.take().unwrap();
    (child, keys)
}

#[test]
fn on_a_terminal_the_command_may_ask_and_ctrl_c_reaches_it() {
    let place = Place::new();
    let script = place.script(
        "deploy",
        "trap 'echo INT >> interrupts' INT\nread -p 'Deploy? ' answer < /dev/tty\necho \"$answer\" > answer\nuntil [ -e interrupts ]; do sleep 0.05; done\nsleep 0.5\nexit 5",
    );
    let (mut child, mut keys) = in_a_terminal(&place, &script);
    until("it asks", || place.read("typescript").contains("Deploy? "));
    keys.write_all(b"yes\n").unwrap();
    until("it is answered", || place.read("answer") == "yes\n");
    keys.write_all(b"\x03").unwrap();
    assert_eq!(
        child.wait().unwrap().code(),
        Some(5),
        "{}",
        place.read("typescript")
    );
    assert!(place.path("interrupts").exists());
    assert_eq!(place.told(), ["start", ">failed"]);
    place.is_clean();
}
