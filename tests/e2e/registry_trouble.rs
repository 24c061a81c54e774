//! The decision table where the registry is no help: unreadable, corrupt, locked, wrongly set.

use end_to_end::{ID, Outcome, World};
use serde_json::json;

use crate::decision::{
    CAN_DEPLOY, FALLING_BACK, Says, by_stack_alone, check_answer, check_warning, each_row, say,
};
use crate::world;

/// Runs words as somebody for whom permissions count, also where the tests run as root.
pub(crate) fn as_mortal(world: &World, words: &[&str]) -> Outcome {
    let root = rustix::process::geteuid().is_root();
    let drop_powers = [
        "setpriv",
        "--bounding-set",
        "-dac_override,-dac_read_search",
    ];
    let prefix: &[&str] = if root { &drop_powers } else { &[] };
    world.run(&[prefix, words].concat())
}

/// A way to make a registry unusable, by its name.
pub(crate) const UNUSABLE: [&str; 4] = [
    "corrupt",
    "unreadable file",
    "unreadable folder",
    "not a registry",
];

pub(crate) fn unusable_world(how: &str) -> World {
    let world = world();
    let path = ".deployment-registry/deployments.json";
    let text = match how {
        "corrupt" => "{\"deployments\": [",
        "not a registry" => "[1, 2, 3]",
        _ => "{\"deployments\":[]}",
    };
    world.write(path, text);
    match how {
        "unreadable file" => mode(&world, path, 0o000),
        "unreadable folder" => mode(&world, ".deployment-registry", 0o000),
        _ => {}
    }
    world
}

fn mode(world: &World, path: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(world.path(path), std::fs::Permissions::from_mode(mode))
        .expect("a mode");
}

#[test]
fn an_unusable_registry_falls_back_to_cloudformation_and_says_so() {
    for how in UNUSABLE {
        each_row(
            || unusable_world(how),
            |world, says, row| {
                let outcome = as_mortal(world, &CAN_DEPLOY);
                let context = format!("{how}, {says:?}");
                let (code, reason) = by_stack_alone(row);
                let answer = check_answer(&outcome, code, reason, &context);
                assert!(
                    outcome.stderr.contains(FALLING_BACK),
                    "{context}\n{outcome}"
                );
                assert_eq!(
                    answer["source"],
                    json!("cloudformation_fallback"),
                    "{context}\n{outcome}"
                );
                assert_eq!(answer["exclusive"], json!(false), "{context}\n{outcome}");
                check_warning(&answer, row, &outcome);
            },
        );
    }
}

#[test]
fn register_goes_on_with_reduced_features_but_not_where_a_registry_is_required() {
    for how in UNUSABLE {
        let mut world = unusable_world(how);
        say(&mut world, &Says::Status("UPDATE_COMPLETE"));
        let register = [
            "deployment-coordinator",
            "register",
            ID,
            "12345",
            "production",
        ];
        let outcome = as_mortal(&world, &register).expect(0).says(FALLING_BACK);
        assert_eq!(outcome.json()["registered"], json!(false), "{outcome}");
        say(&mut world, &Says::Status("UPDATE_IN_PROGRESS"));
        let outcome = as_mortal(&world, &register).expect(1);
        assert_eq!(outcome.json()["registered"], json!(false), "{outcome}");
        say(&mut world, &Says::Status("UPDATE_COMPLETE"));
        for words in [&CAN_DEPLOY[..], &register] {
            let flagged = [words, &["--require-registry"]].concat();
            as_mortal(&world, &flagged)
                .expect(2)
                .never_says(FALLING_BACK);
        }
        // What is neither true nor false is not taken for false.
        for required in ["true", "1", "perhaps"] {
            world.set("REGISTRY_REQUIRED", required);
            as_mortal(&world, &CAN_DEPLOY)
                .expect(2)
                .never_says(FALLING_BACK);
        }
    }
}

#[test]
fn a_corrupt_registry_is_left_as_it_is_and_copied_once() {
    let mut world = unusable_world("corrupt");
    say(&mut world, &Says::NoStack);
    world.set("CORRELATION_ID", ID);
    for _ in 0..3 {
        world.run(&CAN_DEPLOY).expect(0);
    }
    assert_eq!(
        world.read(".deployment-registry/deployments.json"),
        "{\"deployments\": ["
    );
    let copies: Vec<String> = world
        .files()
        .into_iter()
        .filter(|name| name.contains(".corrupt-"))
        .collect();
    assert_eq!(copies.len(), 1, "{copies:?}");
    assert_eq!(world.read(&copies[0]), "{\"deployments\": [");
    // As the guide says.
    world
        .bash("echo '{\"deployments\":[]}' > .deployment-registry/deployments.json")
        .expect(0);
    world.run(&CAN_DEPLOY).expect(0).never_says(FALLING_BACK);
}

#[test]
fn a_wrong_setting_is_no_reason_to_fall_back() {
    let mut world = world();
    say(&mut world, &Says::NoStack);
    world.write("a-file", "");
    for (name, value) in [
        ("REGISTRY_DIR", "a-file"),
        ("REGISTRY_URL", "ftp://somewhere"),
        ("REGISTRY_URL", "nonsense"),
    ] {
        world.set(name, value);
        let outcome = world.run(&CAN_DEPLOY).expect(2).never_says(FALLING_BACK);
        assert!(
            outcome.stderr.contains("[ERROR]"),
            "{name}={value}\n{outcome}"
        );
        world.unset(name);
    }
}

#[test]
fn a_locked_registry_is_read_but_not_taken() {
    use registry_core::clock::SystemClock;
    use registry_core::store::lock::{Patience, with_lock};
    use std::sync::mpsc::channel;

    let mut world = world();
    say(&mut world, &Says::Status("UPDATE_COMPLETE"));
    world
        .run(&[
            "deployment-coordinator",
            "register",
            ID,
            "12345",
            "production",
        ])
        .expect(0);
    world
        .run(&[
            "deployment-coordinator",
            "cleanup",
            ID,
            "--outcome",
            "success",
        ])
        .expect(0);
    let path =
        registry_core::store::file::lock_path(&world.path(".deployment-registry/deployments.json"));
    let (locked, wait_locked) = channel();
    let (done, wait_done) = channel::<()>();
    let holder = std::thread::spawn(move || {
        with_lock(&path, &SystemClock::default(), Patience::NONE, |_| {
            locked.send(()).unwrap();
            // Ends when the other end is dropped.
            let _ = wait_done.recv();
        })
        .unwrap();
    });
    wait_locked.recv().unwrap();
    // With no id nothing is written, and readers take no lock.
    let outcome = world.run(&CAN_DEPLOY).expect(0).never_says(FALLING_BACK);
    check_answer(&outcome, 0, "STACK_IDLE", "no id");
    // With an id the yes would be a reservation.
    world.set("CORRELATION_ID", ID);
    let outcome = world.run(&CAN_DEPLOY).never_says(FALLING_BACK);
    check_answer(&outcome, 2, "REGISTRY_BUSY", "with an id");
    assert!(
        outcome.stderr.contains(&std::process::id().to_string()),
        "it names the pid\n{outcome}"
    );
    drop(done);
    holder.join().unwrap();
    let outcome = world.run(&CAN_DEPLOY);
    check_answer(&outcome, 0, "STACK_IDLE", "freed");
}

/// A world whose registry is whole, and whose lock somebody keeps.
pub(crate) fn locked_world() -> World {
    let world = world();
    world.write(
        ".deployment-registry/deployments.json",
        "{\"deployments\":[]}",
    );
    let lock = ".deployment-registry/deployments.json.lock";
    let keep = format!(
        "touch {lock}; flock {lock} sleep 600 > /dev/null 2>&1 & \
         while flock -n {lock} true; do sleep 0.01; done"
    );
    world.bash(&keep).expect(0);
    world
}

#[test]
fn a_locked_registry_never_makes_a_yes_out_of_a_no() {
    // With no id nothing is written: whoever only asks takes no lock, and hears what CloudFormation says.
    each_row(locked_world, |world, says, row| {
        let outcome = world.run(&CAN_DEPLOY).never_says(FALLING_BACK);
        let (code, reason) = by_stack_alone(row);
        let answer = check_answer(&outcome, code, reason, &format!("{says:?}"));
        check_warning(&answer, row, &outcome);
    });
}

#[test]
fn with_an_id_a_yes_needs_the_lock() {
    let asked = || {
        let mut world = locked_world();
        world.set("CORRELATION_ID", ID);
        world
    };
    each_row(asked, |world, says, row| {
        let outcome = world.run(&CAN_DEPLOY).never_says(FALLING_BACK);
        let context = format!("{says:?}");
        let (code, reason) = match by_stack_alone(row) {
            (0, _) => (2, "REGISTRY_BUSY"),
            no => no,
        };
        check_answer(&outcome, code, reason, &context);
    });
}
