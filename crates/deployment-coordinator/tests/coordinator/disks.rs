//! Disks that are full or cannot be written: real ones, mounted for one process alone.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::room::{Ran, Room};

const FALLBACK: &str = "Registry unavailable, falling back to CloudFormation-only coordination";

/// What is mounted over the registry's folder, and what the program is then asked.
struct Disk<'a> {
    room: &'a Room,
    /// Shell commands that prepare the folder `$1`.
    mount: &'a str,
}

impl Disk<'_> {
    /// Runs the program in a mount namespace of its own, where the folder was prepared; then `after`, whose output follows in a
    /// file. `None`: this machine gives nobody such a namespace.
    fn run(&self, words: &[&str], after: &str) -> Option<(Ran, String)> {
        let namespace = namespace()?;
        let folder = self.room.path(".deployment-registry");
        let seen = self.room.path("seen");
        let (mount, seen_at) = (self.mount, seen.display());
        // The program's own words follow the folder.
        let script = format!(
            "set -e; folder=$1; shift; {mount}; status=0; \"$@\" || status=$?; {{ {after}; }} > {seen_at}; exit $status"
        );
        let program = self.room.command(words);
        let mut command = Command::new("unshare");
        command
            .args(namespace)
            .args(["sh", "-c", &script, "sh"])
            .arg(folder)
            .arg(program.get_program())
            .args(program.get_args())
            .current_dir(program.get_current_dir().unwrap())
            .env_clear();
        for (name, value) in program.get_envs() {
            command.env(name, value.unwrap());
        }
        let ran = Ran::of(&command.output().unwrap());
        Some((ran, fs::read_to_string(seen).unwrap()))
    }
}

// As root, or as one who is root in a user namespace.
fn namespace() -> Option<&'static [&'static str]> {
    const WAYS: [&[&str]; 2] = [&["--mount"], &["--mount", "--map-root-user"]];
    let works = |way: &&&[&str]| {
        let tried = Command::new("unshare")
            .args(**way)
            .args(["mount", "-t", "tmpfs", "none", "/mnt"])
            .output();
        tried.is_ok_and(|output: Output| output.status.success())
    };
    let way = WAYS.iter().find(works).copied();
    if way.is_none() {
        eprintln!("nobody may mount anything here, so nothing is mounted");
    }
    way
}

#[test]
fn on_a_full_disk_the_old_registry_stays_and_cloudformation_decides() {
    let room = Room::new();
    room.stack("UPDATE_COMPLETE");
    room.run(&["register", "old", "1", "staging"]).exits(0);
    let before = fs::read_to_string(room.file()).unwrap();
    fs::copy(room.file(), room.path("kept")).unwrap();
    let full = Disk {
        room: &room,
        mount: "cp \"$folder/deployments.json\" kept; mount -t tmpfs -o size=16k none \"$folder\"; \
            cp kept \"$folder/deployments.json\"; : > \"$folder/deployments.json.lock\"; \
            head -c 16384 /dev/zero > \"$folder/filler\" 2> /dev/null || true",
    };
    let words = ["register", "me", "7", "production"];
    let after = "cat \"$folder/deployments.json\"; ls -A \"$folder\"";
    let Some((ran, seen)) = full.run(&words, after) else {
        return;
    };
    let ran = ran.exits(0).says(FALLBACK).says("make room on that disk");
    assert_eq!(ran.json()["registered"], false);
    assert_eq!(
        seen,
        format!("{before}deployments.json\ndeployments.json.lock\nfiller\n")
    );
    // Whoever holds is still seen.
    let words = ["register", "me", "7", "staging"];
    let (ran, _) = full.run(&words, "true").unwrap();
    assert_eq!(ran.json()["active_deployment"]["correlation_id"], "old");
    ran.exits(1);
}

#[test]
fn in_a_folder_that_cannot_be_written_holders_are_seen_and_cloudformation_decides() {
    let room = Room::new();
    room.stack("UPDATE_COMPLETE");
    room.run(&["register", "old", "1", "staging"]).exits(0);
    let before = fs::read_to_string(room.file()).unwrap();
    let read_only = Disk {
        room: &room,
        mount: "mount --bind \"$folder\" \"$folder\"; mount -o remount,bind,ro \"$folder\"",
    };
    let words = ["register", "me", "7", "production"];
    let Some((ran, _)) = read_only.run(&words, "true") else {
        return;
    };
    let ran = ran.exits(0).says(FALLBACK).says("Read-only file system");
    assert_eq!(ran.json()["registered"], false);
    let words = ["register", "me", "7", "staging"];
    let (ran, _) = read_only.run(&words, "true").unwrap();
    assert_eq!(ran.json()["active_deployment"]["correlation_id"], "old");
    ran.exits(1);
    let (ran, _) = read_only.run(&["cleanup", "old"], "true").unwrap();
    ran.exits(2);
    assert_eq!(fs::read_to_string(room.file()).unwrap(), before);
}

/// The same without any mount: no file may grow beyond 512 bytes, so every write of the registry fails in its middle.
#[test]
fn where_a_file_may_not_grow_the_old_registry_stays() {
    let room = Room::new();
    room.stack("UPDATE_COMPLETE");
    room.run(&["register", "old", "1", "staging"]).exits(0);
    let before = fs::read_to_string(room.file()).unwrap();
    assert!(before.len() > 512);
    let program = room.command(&["register", "me", "7", "production"]);
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -f 1; trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(program.get_program())
        .args(program.get_args())
        .current_dir(program.get_current_dir().unwrap())
        .env_clear();
    for (name, value) in program.get_envs() {
        limited.env(name, value.unwrap());
    }
    let ran = Ran::of(&limited.output().unwrap())
        .exits(0)
        .says(FALLBACK)
        .says("make room on that disk");
    assert_eq!(ran.json()["registered"], false);
    assert_eq!(fs::read_to_string(room.file()).unwrap(), before);
    assert_eq!(
        names(&room.path(".deployment-registry")),
        ["deployments.json", "deployments.json.lock"]
    );
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
