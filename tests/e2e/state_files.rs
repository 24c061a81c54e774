//! `docs/state-files.md` names every file that a whole deployment leaves.

use std::path::Path;

use end_to_end::{ID, STACK, eventually};
use simulators::{Fault, Stack};

use crate::world;

/// The page's name for a file.
fn documented(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap();
    if name.ends_with(".lock.line") {
        return "NAME.lock.line".to_owned();
    }
    if file.starts_with(".deployment-registry/monitors/") {
        return name.replacen(STACK, "monitors/ID/STACK", 1);
    }
    if file.starts_with(".deployment-registry/slack-threads/") {
        return "slack-threads/ID.json".to_owned();
    }
    if file.contains(".corrupt-") {
        return format!("{}.corrupt-TIME", name.split(".corrupt-").next().unwrap());
    }
    if let Some(below) = file.strip_prefix(".slack-retry-queue/") {
        let special = below.rsplit('.').next() != Some("json");
        return match below.split_once('/') {
            Some(("corrupt", _)) => "corrupt/".to_owned(),
            Some((folder, _)) => format!("{folder}/NAME.json"),
            None if special => below.to_owned(),
            None if below.starts_with("dead_letter_") => "dead_letter_NAME.json".to_owned(),
            None => "NAME.json".to_owned(),
        };
    }
    name.to_owned()
}

#[test]
fn the_page_names_every_file() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/state-files.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut world = world();
    world
        .set("CHECK_INTERVAL", "200ms")
        .set("RECOVERY_INTERVAL", "200ms");
    world
        .cloudformation
        .add_stack(Stack::new(STACK).status("UPDATE_COMPLETE"));
    let run = |words: &[&str]| {
        world
            .run(&[&["deployment-coordinator"], words].concat())
            .expect(0)
    };
    drop(run(&["run", "production", "--id", ID, "--", "true"]));
    // A monitor that recovery restarts, a Slack that is down, a message nobody can read, a registry that is no JSON.
    drop(run(&["register", "another", "7", "production"]));
    world.slack.fault(Fault::status(503, "down"));
    drop(
        world
            .run(&[
                "slack-notifier",
                "start",
                "another",
                "production",
                "7",
                "--key",
                "k",
            ])
            .expect(0),
    );
    world.write(".slack-retry-queue/odd.json", "{");
    drop(world.run(&["slack-retry-queue", "process"]));
    let recovery = world.start(&["monitor-recovery", "another", STACK], "out");
    eventually("recovery started a monitor", || {
        let files = world.files();
        let ours = |end: &str| {
            files
                .iter()
                .any(|file| file.contains("monitors/another/") && file.ends_with(end))
        };
        (ours(".restarts.json") && ours(".json") && ours(".recovery.lock")).then_some(())
    });
    drop(run(&["cleanup", "another"]));
    let _ended = recovery.wait();
    world.write(".deployment-registry/deployments.json", "{");
    drop(world.run(&["deployment-coordinator", "can_deploy", "production"]));
    let mut seen: Vec<String> = Vec::new();
    for file in world.files().iter().filter(|file| *file != "out") {
        let name = documented(file);
        assert!(
            page.contains(&format!("`{name}`")),
            "{file} is not in docs/state-files.md as {name}"
        );
        seen.push(name);
    }
    for expected in [
        "deployments.json",
        "deployments.json.corrupt-TIME",
        "monitors/ID/STACK.json",
        "deployment-monitor.log",
        "NAME.json",
        "corrupt/",
    ] {
        assert!(
            seen.iter().any(|name| name == expected),
            "{expected} was not left: {seen:?}"
        );
    }
}
