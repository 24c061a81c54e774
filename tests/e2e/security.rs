//! What others on the same machine, or in the same checkout, can do to the folders in which the programs keep their state.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use end_to_end::{ID, STACK, World, eventually};
use simulators::{Fault, Stack};

use crate::world;

/// A deployment with everything that leaves a file: `run`, a hold of its own with a monitor that recovery starts, messages that Slack
/// does not take and one that nobody can read, a history, a registry that is no JSON in the end.
fn whole_life(world: &mut World, umask: &str) {
    world
        .set("CHECK_INTERVAL", "200ms")
        .set("RECOVERY_INTERVAL", "200ms")
        .set("SLACK_TIMEOUT", "2s");
    world
        .cloudformation
        .add_stack(Stack::new(STACK).status("UPDATE_COMPLETE"));
    let run = |line: &str| drop(world.bash(&format!("umask {umask}; {line}")).in_order());
    run(&format!(
        "deployment-coordinator run production --id {ID} -- true"
    ));
    run("deployment-coordinator register another 7 production");
    run("slack-notifier start another production 7");
    world.slack.fault(Fault::status(503, "down"));
    run("slack-notifier failed another production no --key k");
    run("deployment-time-estimator update another 7");
    if world.path(".slack-retry-queue").is_dir() {
        world.write(".slack-retry-queue/odd.json", "{");
    }
    run("slack-retry-queue process");
    run(&format!(
        "monitor-recovery another {STACK} >out 2>&1 & \
         for turn in $(seq 50); do [ -s deployment-monitor.log ] && break; sleep 0.1; done; sleep 0.5; \
         deployment-coordinator cleanup another; kill $!; wait $!; true"
    ));
    world.slack.clear_faults();
    run("slack-retry-queue process");
    // The link, where a test has laid one, stays.
    run("echo '{' 2>/dev/null >>.deployment-registry/deployments.json");
    run("deployment-coordinator can_deploy production");
}

/// Every file and folder in the working folder with its permission bits.
fn modes(world: &World) -> Vec<(String, bool, u32)> {
    let mut found = Vec::new();
    let mut folders = vec![world.path("")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let metadata = entry.metadata().unwrap();
            let name = entry
                .path()
                .strip_prefix(world.path(""))
                .unwrap()
                .to_owned();
            let name = name.to_string_lossy().into_owned();
            found.push((
                name,
                metadata.is_dir(),
                metadata.permissions().mode() & 0o777,
            ));
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    found
}

#[test]
fn nobody_else_may_write_or_read_what_is_not_theirs_whatever_the_umask() {
    for umask in ["000", "077"] {
        let mut world = world();
        whole_life(&mut world, umask);
        let all = modes(&world);
        for (name, is_folder, mode) in all.iter().filter(|(name, ..)| name != "out") {
            let shown = format!("umask {umask}: {name} has mode {mode:o}");
            // The test's own file, until it is put aside.
            let ours = name.ends_with("odd.json") && !name.contains("corrupt/");
            assert_eq!(mode & 0o022, 0, "others may write. {shown}");
            if name.starts_with(".slack-retry-queue") && !ours {
                assert_eq!(mode & 0o077, 0, "others may read messages. {shown}");
            }
            if *is_folder && name == ".slack-retry-queue" {
                assert_eq!(*mode, 0o700, "{shown}");
            }
            if name == ".deployment-registry/deployments.json" {
                assert_eq!(*mode, 0o644, "{shown}");
            }
        }
        let there = |part: &str| all.iter().any(|(name, ..)| name.contains(part));
        for part in [
            "deployment-history.json",
            "monitors/another",
            "slack-threads",
            "monitor-recovery.log",
            ".slack-retry-queue/corrupt",
            "corrupt-",
        ] {
            assert!(there(part), "umask {umask}: nothing like {part} in {all:?}");
        }
    }
}

/// What somebody may lay a link at before a deployment, since it can be guessed.
const GUESSED: [&str; 12] = [
    ".deployment-registry/deployments.json",
    ".deployment-registry/deployments.json.lock",
    ".deployment-registry/deployment-history.json",
    ".deployment-registry/deployment-history.json.lock",
    ".deployment-registry/monitors/another/CourtCaseManagementStack.json",
    ".deployment-registry/monitors/another/CourtCaseManagementStack.lock",
    ".deployment-registry/monitors/another/CourtCaseManagementStack.stderr",
    ".deployment-registry/monitors/another/CourtCaseManagementStack.restarts.json",
    ".deployment-registry/slack-threads/another.json",
    ".slack-retry-queue/queue.lock",
    ".slack-retry-queue/sender.lock",
    ".slack-retry-queue/state",
];

#[test]
fn a_link_among_the_state_files_never_changes_what_it_points_to() {
    // Much of a life is waiting: some at a time.
    std::thread::scope(|scope| {
        for names in GUESSED.chunks(3) {
            scope.spawn(move || names.iter().for_each(|name| link_at(name)));
        }
    });
}

fn link_at(name: &str) {
    const VICTIM: &str = "somebody's own words\n";
    let mut world = world();
    world.write("victim", VICTIM);
    let link = world.path(name);
    std::fs::create_dir_all(link.parent().unwrap()).unwrap();
    symlink(world.path("victim"), &link).unwrap();
    // The test itself would append to it through the link.
    if name.ends_with("deployments.json") {
        let outcome = world.run(&["deployment-coordinator", "register", "a", "1", "production"]);
        drop(outcome.in_order().says("Registry unavailable"));
    } else {
        whole_life(&mut world, "022");
    }
    assert_eq!(world.read("victim"), VICTIM, "{name} led to it");
}

#[test]
fn a_lock_that_is_a_link_is_said_in_words() {
    let mut world = world();
    world
        .set("SLACK_TIMEOUT", "2s")
        .cloudformation
        .add_stack(Stack::new(STACK).status("UPDATE_COMPLETE"));
    world.write("victim", "mine");
    world.write(".deployment-registry/x", "");
    let link = world.path(".deployment-registry/deployments.json.lock");
    symlink(world.path("victim"), link).unwrap();
    let register = ["deployment-coordinator", "register", ID, "1", "production"];
    drop(
        world
            .run(&register)
            .in_order()
            .says("it is a symbolic link, which a lock never is"),
    );
}

#[test]
fn a_program_of_a_monitors_name_in_the_checkout_is_not_run() {
    let mut world = world();
    world
        .set("CHECK_INTERVAL", "200ms")
        .cloudformation
        .add_stack(Stack::new(STACK).status("UPDATE_COMPLETE"));
    // A coordinator that stands alone, so that the monitor is looked for on PATH, where the checkout comes first.
    let path = world.get("PATH").unwrap().to_owned();
    let built = path.split(':').next().unwrap().to_owned();
    let evil = "#!/bin/sh\ntouch was-run\n";
    for name in [
        "deployment-monitor",
        "bin/deployment-monitor",
        "deployment-monitor.sh",
    ] {
        world.write(name, evil);
        std::fs::set_permissions(world.path(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    world.write("alone/x", "");
    let alone = world.path("alone/deployment-coordinator");
    std::fs::copy(format!("{built}/deployment-coordinator"), &alone).unwrap();
    world.set("PATH", ":.:bin:/usr/bin:/bin");
    let line = format!("{} run production --id {ID} -- true", alone.display());
    let outcome = world.bash(&line);
    assert!(!world.path("was-run").exists(), "{outcome}");
    world.set("PATH", &path);
    eventually("it ended", || outcome.code);
}
