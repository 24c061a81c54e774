use super::*;
use crate::clock::{ManualClock, StopSignal, SystemClock};

fn lock_file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.lock");
    (folder, path)
}

/// Asks for a lock that this process holds.
#[track_caller]
fn waits_in_vain_for_itself(path: &Path, clock: &ManualClock) {
    let busy = with_lock(path, clock, Patience::NONE, |_| {
        with_lock(path, clock, Patience::REGISTRY, |_| ()).unwrap_err()
    })
    .unwrap();
    let LockError::Busy { holder, waited, .. } = busy else {
        panic!("{busy}");
    };
    assert_eq!(holder.unwrap().pid, std::process::id());
    // Behind one and the same holder: 10 s, not 60.
    assert!((10..12).contains(&waited.as_secs()), "{waited:?}");
}

#[test]
fn a_second_one_waits_gives_up_and_names_the_holder() {
    let (_folder, path) = lock_file();
    let clock = ManualClock::at(Timestamp::from_seconds(1_000_000));
    waits_in_vain_for_itself(&path, &clock);
}

#[test]
fn a_changing_holder_is_waited_for_longer() {
    let (_folder, path) = lock_file();
    let clock = ManualClock::at(Timestamp::from_seconds(1_000_000));
    let mut wait = Wait::new(&clock);
    let holder = |pid| {
        Some(Holder {
            pid,
            since: Timestamp::from_seconds(1),
            more: Map::new(),
        })
    };
    let error = (0..)
        .find_map(
            |turn| match wait.look(&path, Patience::REGISTRY, holder(turn)) {
                Ok(pause) => {
                    clock.advance(pause);
                    None
                }
                Err(error) => Some(error),
            },
        )
        .unwrap();
    let LockError::Busy { waited, .. } = error else {
        panic!("{error}");
    };
    assert!((60..61).contains(&waited.as_secs()), "{waited:?}");
}

#[test]
fn those_that_wait_are_served_in_the_order_they_came() {
    let (_folder, path) = lock_file();
    let clock = SystemClock::default();
    let order = std::sync::Mutex::new(Vec::new());
    let waiting = || {
        // Everybody in line has the lock file open twice, and the one that holds it once.
        let ours = std::fs::read_dir("/proc/self/fd").unwrap();
        ours.filter(|fd| {
            std::fs::read_link(fd.as_ref().unwrap().path()).is_ok_and(|link| link == path)
        })
        .count()
    };
    std::thread::scope(|scope| {
        with_lock(&path, &clock, Patience::NONE, |_| {
            for number in 0..8 {
                let (path, clock, order) = (&path, &clock, &order);
                scope.spawn(move || {
                    with_lock(path, clock, Patience::REGISTRY, |_| {
                        order.lock().unwrap().push(number);
                    })
                    .unwrap();
                });
                // In line before the next one comes; a moment more for the step from the descriptor into the line.
                while waiting() < 3 + 2 * number {
                    std::thread::yield_now();
                }
                let _woken = clock.sleep(Duration::from_millis(50));
            }
        })
        .unwrap();
    });
    assert_eq!(order.into_inner().unwrap(), (0..8).collect::<Vec<_>>());
}

/// The stack of each thread of a program that is started so: more than there can be memory for.
const NO_THREADS: (&str, &str) = ("RUST_MIN_STACK", "70000000000000");

/// Played by this test program started again, so that no thread can be had in it.
#[test]
fn where_no_thread_can_be_had_a_kept_lock_is_busy_and_a_free_one_is_taken() {
    if std::env::var_os(NO_THREADS.0).is_none_or(|stack| stack != NO_THREADS.1) {
        let name = "store::lock::tests::where_no_thread_can_be_had_a_kept_lock_is_busy_and_a_free_one_is_taken";
        let played = std::process::Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--test-threads=1", "--nocapture"])
            .env(NO_THREADS.0, NO_THREADS.1)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&played.stdout);
        assert!(
            played.status.success() && said.contains("without a thread: played"),
            "{played:?}"
        );
        return;
    }
    std::thread::Builder::new().spawn(|| ()).unwrap_err();
    let (_folder, path) = lock_file();
    let clock = ManualClock::at(Timestamp::from_seconds(1_000_000));
    waits_in_vain_for_itself(&path, &clock);
    with_lock(&path, &clock, Patience::REGISTRY, |_| ()).unwrap();
    println!("without a thread: played");
}

#[test]
fn nobody_steps_in_before_those_that_wait() {
    let (_folder, path) = lock_file();
    let clock = SystemClock::default();
    let line = open(&line_of(&path), true).unwrap();
    flock(&line, FlockOperation::LockExclusive).unwrap();
    // The lock is free, but somebody is about to take it.
    let refused = with_lock(&path, &clock, Patience::NONE, |_| ());
    assert!(matches!(refused, Err(LockError::Busy { .. })));
    // If that one never does, the line is not waited for.
    with_lock(&path, &clock, Patience::REGISTRY, |_| ()).unwrap();
    drop(line);
    with_lock(&path, &clock, Patience::NONE, |_| ()).unwrap();
}

#[test]
fn one_whose_lock_file_is_replaced_leaves_the_old_line() {
    let (_folder, path) = lock_file();
    let clock = SystemClock::default();
    with_lock(&path, &clock, Patience::NONE, |_| {
        std::thread::scope(|scope| {
            let other = scope.spawn(|| with_lock(&path, &clock, Patience::REGISTRY, |_| ()));
            let _woken = clock.sleep(Duration::from_millis(100));
            // A person takes the lock file of a stuck process away.
            std::fs::remove_file(&path).unwrap();
            File::create(&path).unwrap();
            other.join().unwrap().unwrap();
        });
    })
    .unwrap();
}

#[test]
fn only_one_at_a_time() {
    let (_folder, path) = lock_file();
    let count = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    with_lock(&path, &SystemClock::default(), Patience::REGISTRY, |_| {
                        // Not atomic on purpose: only the lock keeps the sum right.
                        let seen = count.load(std::sync::atomic::Ordering::Relaxed);
                        std::thread::yield_now();
                        count.store(seen + 1, std::sync::atomic::Ordering::Relaxed);
                    })
                    .unwrap();
                }
            });
        }
    });
    assert_eq!(count.into_inner(), 160);
}

#[test]
fn looking_at_a_lock() {
    let (_folder, path) = lock_file();
    assert!(held_by(&path).unwrap().is_none());
    let clock = SystemClock::default();
    with_lock(&path, &clock, Patience::NONE, |held| {
        held.note(json!({"beat": 7}).as_object().unwrap().clone())
            .unwrap();
        let holder = held_by(&path).unwrap().unwrap().unwrap();
        assert_eq!(holder.more["beat"], 7);
    })
    .unwrap();
    assert!(held_by(&path).unwrap().is_none());
    assert_eq!(read_holder(&path).unwrap().pid, std::process::id());
}

#[test]
fn a_lock_file_that_is_replaced_is_noticed() {
    let (_folder, path) = lock_file();
    with_lock(&path, &SystemClock::default(), Patience::NONE, |held| {
        held.check().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(held.check().is_err());
        File::create(&path).unwrap();
        assert!(held.check().is_err());
    })
    .unwrap();
}

#[test]
fn a_stop_ends_the_waiting() {
    let (_folder, path) = lock_file();
    let stop = StopSignal::default();
    let clock = SystemClock::new(stop.clone());
    stop.stop(15);
    let error = with_lock(&path, &clock, Patience::NONE, |_| {
        with_lock(&path, &clock, Patience::REGISTRY, |_| ()).unwrap_err()
    })
    .unwrap();
    assert!(matches!(error, LockError::Stopped { .. }), "{error}");
}
