//! The file store: killed at every step, out of room, pulled away from under it, linked, huge, fought over.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use super::*;
use crate::clock::{ManualClock, SystemClock};
use crate::slot::{HoldKind, Registration, Request};
use crate::store::crash;

pub(super) fn store(folder: &Path) -> FileStore {
    FileStore::open(folder.to_owned(), Arc::new(SystemClock::default())).unwrap()
}

fn request(id: &str) -> Request {
    Request {
        correlation_id: id.to_owned(),
        workflow_run_id: "7".to_owned(),
        stacks: vec![format!("Stack-{id}")],
        run_attempt: None,
        runner: None,
        workflow_url: None,
        kind: HoldKind::Registered,
        baseline: Vec::new(),
        server_time: None,
    }
}

fn touches(environment: &str) -> Touches<'_> {
    Touches {
        environment,
        id: None,
        stacks: &[],
    }
}

pub(super) fn register(store: &FileStore, environment: &str, id: &str) -> Result<bool, StoreError> {
    let mut granted = false;
    store.update(touches(environment), &mut |slot, elsewhere, now| {
        let answer = slot.register(&request(id), elsewhere, &|_| true, now);
        granted = matches!(answer, Registration::Granted(_));
    })?;
    Ok(granted)
}

pub(super) fn holders(store: &FileStore) -> Vec<String> {
    let snapshot = store.snapshot().unwrap();
    let mut ids: Vec<String> = snapshot
        .slots
        .values()
        .flat_map(|slot| &slot.holds)
        .map(|entry| entry.correlation_id.clone())
        .collect();
    ids.sort();
    ids
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

pub(super) const FOLDER: &str = "REGISTRY_CORE_TEST_FOLDER";
const CHILD: &str = "store::file::tests::registers_new_in_the_folder_it_is_given";

/// The other process of the tests below; on its own it registers in a folder of its own.
#[test]
fn registers_new_in_the_folder_it_is_given() {
    let own = tempfile::tempdir().unwrap();
    let folder = std::env::var_os(FOLDER).map_or_else(|| own.path().to_owned(), PathBuf::from);
    assert!(register(&store(&folder), "production", "new").unwrap());
}

fn child(folder: &Path, through: &mut Command) -> ExitStatus {
    through
        .args(["--exact", CHILD, "--test-threads=1"])
        .env(FOLDER, folder)
        .output()
        .unwrap()
        .status
}

#[test]
fn killed_at_any_step_the_file_is_the_old_or_the_new_one_whole() {
    use std::os::unix::process::ExitStatusExt as _;
    for (step, new) in [
        ("before-temp", false),
        ("after-temp", false),
        ("after-write", false),
        ("after-sync", false),
        ("after-rename", true),
        ("after-folder-sync", true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let ours = store(folder.path());
        register(&ours, "staging", "old").unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        let status = child(folder.path(), command.env(crash::VARIABLE, step));
        assert_eq!(status.signal(), Some(9), "{step} was never reached");
        let expected: &[&str] = if new { &["new", "old"] } else { &["old"] };
        assert_eq!(holders(&ours), expected, "{step}");
        // The next one goes on as if nothing had been, and sweeps up.
        assert_eq!(
            register(&ours, "production", "next").unwrap(),
            !new,
            "{step}"
        );
        let refused = register(&ours, "staging", "next").unwrap();
        assert!(!refused);
        if !new {
            assert_eq!(
                names(folder.path()),
                [FILE_NAME, "deployments.json.lock"],
                "{step}"
            );
        }
    }
}

#[test]
fn where_there_is_no_room_the_old_file_stays() {
    let folder = tempfile::tempdir().unwrap();
    let ours = store(folder.path());
    register(&ours, "staging", "old").unwrap();
    let before = fs::read(folder.path().join(FILE_NAME)).unwrap();
    // No file may grow beyond 512 bytes, and the signal that goes with it is ignored: writes fail as on a full disk.
    let script = "ulimit -f 1; trap '' XFSZ; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap());
    let mut many = before.clone();
    while many.len() < 4096 {
        register(
            &ours,
            &format!("env-{}", many.len()),
            &format!("id-{}", many.len()),
        )
        .unwrap();
        many = fs::read(folder.path().join(FILE_NAME)).unwrap();
    }
    assert!(!child(folder.path(), &mut command).success());
    assert_eq!(fs::read(folder.path().join(FILE_NAME)).unwrap(), many);
    assert_eq!(names(folder.path()), [FILE_NAME, "deployments.json.lock"]);
    assert!(
        child(
            folder.path(),
            &mut Command::new(std::env::current_exe().unwrap())
        )
        .success()
    );
}

#[test]
fn a_folder_that_is_replaced_under_the_lock_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reg");
    let ours = store(&path);
    register(&ours, "staging", "old").unwrap();
    let error = ours
        .update(touches("production"), &mut |slot, elsewhere, now| {
            fs::remove_dir_all(&path).unwrap();
            // Somebody else makes it anew, with a lock of the same name.
            register(&store(&path), "production", "other").unwrap();
            slot.register(&request("new"), elsewhere, &|_| true, now);
        })
        .unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert_eq!(holders(&ours), ["other"]);
}

#[test]
fn folder_and_file_are_made_with_the_modes_of_the_guide() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b");
    let ours = store(&path);
    assert!(ours.snapshot().unwrap().slots.is_empty());
    assert!(!path.exists());
    register(&ours, "production", "a").unwrap();
    let mode = fs::metadata(path.join(FILE_NAME))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o644);
}

#[test]
fn what_changes_nothing_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ours = store(folder.path());
    register(&ours, "production", "a").unwrap();
    let before = fs::metadata(folder.path().join(FILE_NAME)).unwrap().ino();
    assert!(!register(&ours, "production", "b").unwrap());
    assert_eq!(
        fs::metadata(folder.path().join(FILE_NAME)).unwrap().ino(),
        before
    );
}

#[test]
fn two_names_of_one_file_have_one_lock() {
    let folder = tempfile::tempdir().unwrap();
    let real = folder.path().join("real");
    register(&store(&real), "staging", "old").unwrap();
    let linked = folder.path().join("linked");
    fs::create_dir(&linked).unwrap();
    symlink("../real/deployments.json", linked.join(FILE_NAME)).unwrap();
    let through_link = FileStore {
        patience: Patience::NONE,
        ..store(&linked)
    };
    store(&real)
        .update(touches("production"), &mut |_, _, _| {
            let busy = register(&through_link, "production", "b").unwrap_err();
            assert!(matches!(busy, StoreError::Busy { .. }), "{busy}");
        })
        .unwrap();
    assert!(register(&through_link, "production", "b").unwrap());
    assert_eq!(holders(&store(&real)), ["b", "old"]);
    assert!(
        fs::symlink_metadata(linked.join(FILE_NAME))
            .unwrap()
            .is_symlink()
    );
}

#[test]
fn a_busy_store_says_who_keeps_it_and_is_not_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(Timestamp::from_seconds(1_000_000));
    let ours = FileStore::open(folder.path().to_owned(), Arc::new(clock)).unwrap();
    ours.update(touches("production"), &mut |_, _, _| {
        let error = register(&ours, "production", "b").unwrap_err();
        let StoreError::Busy { holder, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(holder.as_ref().unwrap().pid, std::process::id());
        assert!(
            error
                .to_string()
                .contains(&format!("ps -fp {}", std::process::id()))
        );
        // Reading takes no lock.
        ours.snapshot().unwrap();
    })
    .unwrap();
}

#[test]
fn a_child_that_lives_on_does_not_keep_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let ours = FileStore {
        patience: Patience::NONE,
        ..store(folder.path())
    };
    let mut child = None;
    ours.update(touches("production"), &mut |_, _, _| {
        child = Some(Command::new("sleep").arg("60").spawn().unwrap());
    })
    .unwrap();
    assert!(register(&ours, "production", "a").unwrap());
    let mut child = child.unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn with_the_lock_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let ours = store(folder.path());
            scope.spawn(move || {
                for turn in 0..10 {
                    let name = format!("e-{thread}-{turn}");
                    assert!(register(&ours, &name, &name).unwrap());
                }
            });
        }
    });
    assert_eq!(holders(&store(folder.path())).len(), 80);
}

/// The negative control: what the tests above rely on is the lock, and nothing else.
#[test]
fn without_the_lock_updates_are_lost_and_two_hold_one_environment() {
    let folder = tempfile::tempdir().unwrap();
    let mut ours = store(folder.path());
    ours.other_lock = Some(folder.path().join("a-lock-of-its-own"));
    let mut second = false;
    let first = {
        let mut granted = false;
        ours.update(touches("production"), &mut |slot, elsewhere, now| {
            second = register(&store(folder.path()), "production", "b").unwrap();
            register(&store(folder.path()), "staging", "c").unwrap();
            let answer = slot.register(&request("a"), elsewhere, &|_| true, now);
            granted = matches!(answer, Registration::Granted(_));
        })
        .unwrap();
        granted
    };
    assert!(first && second, "both were told that they hold it");
    assert_eq!(
        holders(&store(folder.path())),
        ["a"],
        "and two updates are lost"
    );
}

#[test]
fn ten_thousand_entries() {
    let folder = tempfile::tempdir().unwrap();
    let ours = store(folder.path());
    let mut document = Document::default();
    let mut slot = Slot::new("crowd");
    for number in 0..10_000 {
        let mut one = Slot::new("crowd");
        one.register(
            &request(&format!("id-{number}")),
            &Elsewhere::default(),
            &|_| true,
            &ours.now(),
        );
        slot.past.extend(one.holds.into_iter().map(|mut entry| {
            entry.status = crate::slot::EntryStatus::Failed;
            entry
        }));
    }
    document.put(&slot).unwrap();
    atomic::write(&ours.path(), document.to_text().as_bytes(), 0o644).unwrap();
    let begun = Instant::now();
    assert!(register(&ours, "production", "a").unwrap());
    assert!(register(&ours, "crowd", "b").unwrap());
    let snapshot = ours.snapshot().unwrap();
    assert_eq!(snapshot.slots["crowd"].past.len(), 10_000);
    // Far above what it takes (tens of milliseconds when optimised): nothing may be quadratic.
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn ten_thousand_environments() {
    let folder = tempfile::tempdir().unwrap();
    let ours = store(folder.path());
    let entries: Vec<serde_json::Value> = (0..10_000)
        .map(|number| {
            serde_json::json!({"correlation_id": format!("id-{number}"), "environment": format!("env-{number}"),
                "stack_name": format!("Stack-{number}"), "status": "IN_PROGRESS", "started_at": "2026-01-14T12:34:56Z"})
        })
        .collect();
    let text = serde_json::json!({ "deployments": entries }).to_string();
    atomic::write(&ours.path(), text.as_bytes(), 0o644).unwrap();
    let begun = Instant::now();
    assert!(register(&ours, "production", "a").unwrap());
    assert!(!register(&ours, "env-9999", "b").unwrap());
    assert_eq!(ours.snapshot().unwrap().slots.len(), 10_001);
    // As above: looking for each environment in all records would take minutes.
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn a_corrupt_file_is_unavailable_stays_and_is_copied_once() {
    let folder = tempfile::tempdir().unwrap();
    let ours = store(folder.path());
    for text in [
        "",
        "{",
        "[]",
        "{\"deployments\": 5}",
        "{\"deployments\": [], \"ended\": {}}",
    ] {
        atomic::write(&ours.path(), text.as_bytes(), 0o644).unwrap();
        for _ in 0..2 {
            let error = ours.snapshot().unwrap_err();
            assert!(
                matches!(error, StoreError::Unavailable(_)),
                "{text:?} {error}"
            );
            assert!(matches!(
                register(&ours, "production", "a"),
                Err(StoreError::Unavailable(_))
            ));
        }
        assert_eq!(fs::read(ours.path()).unwrap(), text.as_bytes());
        let copies: Vec<String> = names(folder.path())
            .into_iter()
            .filter(|name| name.contains(".corrupt-"))
            .collect();
        assert_eq!(copies.len(), 1, "{text:?} {copies:?}");
        assert_eq!(
            fs::read(folder.path().join(&copies[0])).unwrap(),
            text.as_bytes()
        );
        fs::remove_file(folder.path().join(&copies[0])).unwrap();
    }
}

#[test]
fn each_corrupt_content_has_a_copy_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let ours = store(folder.path());
    let texts = ["{", "[", ""];
    for text in texts {
        atomic::write(&ours.path(), text.as_bytes(), 0o644).unwrap();
        let error = ours.snapshot().unwrap_err().to_string();
        let copy = names(folder.path())
            .into_iter()
            .find(|name| name.contains(".corrupt-") && error.contains(name.as_str()))
            .unwrap();
        assert_eq!(fs::read(folder.path().join(copy)).unwrap(), text.as_bytes());
    }
}

#[test]
fn a_file_in_the_folders_place_is_a_wrong_setting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::File::create(&path).unwrap();
    for wrong in [path.clone(), path.join("below")] {
        let error = FileStore::open(wrong, Arc::new(SystemClock::default())).unwrap_err();
        assert!(matches!(error, StoreError::Wrong(_)), "{error}");
    }
    // It came there after the store was opened.
    let later = folder.path().join("later");
    let ours = store(&later);
    fs::File::create(&later).unwrap();
    assert!(matches!(ours.snapshot(), Err(StoreError::Wrong(_))));
    assert!(matches!(
        register(&ours, "production", "a"),
        Err(StoreError::Wrong(_))
    ));
}

/// As `register`, `verify` and `cleanup` use it: what cannot be read of another environment is in nobody's way, and what cannot be read
/// of one's own is a registry that cannot be used.
#[test]
fn an_unreadable_record_stops_its_own_environment_only() {
    let folder = tempfile::tempdir().unwrap();
    let ours = store(folder.path());
    let text =
        r#"{"deployments": [{"correlation_id": "x", "environment": "staging", "cost": 1e999}]}"#;
    atomic::write(&ours.path(), text.as_bytes(), 0o644).unwrap();
    assert!(register(&ours, "production", "deploy-1").unwrap());
    let refused = register(&ours, "staging", "deploy-2").unwrap_err();
    assert!(
        matches!(&refused, StoreError::Unavailable(why) if why.contains("in one of its records")),
        "{refused}"
    );
    let registry = crate::registry::Registry::over(Box::new(ours));
    let id = "deploy-1".parse().unwrap();
    assert!(matches!(
        registry.find(&id).unwrap(),
        crate::registry::Found::Held(_)
    ));
    let end = crate::slot::End {
        correlation_id: "deploy-1".to_owned(),
        ending: crate::slot::Ending::Success,
        outcome: None,
        purge: false,
        by: None,
        reason: None,
        eviction: false,
    };
    assert_eq!(registry.end(&end).unwrap().len(), 1);
    let left = fs::read_to_string(folder.path().join(FILE_NAME)).unwrap();
    assert!(left.contains("1e999"), "{left}");
}
