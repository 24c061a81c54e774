//! Recovery with real programs: crashes, hangs, crash loops, a person's stop.
#![allow(
    clippy::unwrap_used,
    clippy::zombie_processes,
    reason = "tests, their helpers included, fail by panicking"
)]

#[path = "../../deployment-monitor/tests/common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{
    Dice, Stage, answers, assert_each_once, assert_tells_the_record, finish, holder, in_parallel,
    kill, lines, pause, register, trace, wait,
};
use rustix::process::Signal;
use simulators::{CloudFormation, Event, Play};

/// Recovery looks for the monitor beside itself; a stale one elsewhere must not be found.
struct Programs {
    folder: tempfile::TempDir,
}

impl Programs {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = Path::new(env!("CARGO_BIN_EXE_monitor-recovery"));
        std::fs::copy(own, folder.path().join("monitor-recovery")).unwrap();
        let monitor = own.with_file_name("examples").join("deployment-monitor");
        assert!(
            monitor.exists(),
            "{} is built by `cargo test -p monitor-recovery` as a whole (or `cargo build --examples`)",
            monitor.display()
        );
        std::fs::copy(monitor, folder.path().join("deployment-monitor")).unwrap();
        Self { folder }
    }

    fn monitor(&self) -> PathBuf {
        self.folder.path().join("deployment-monitor")
    }

    fn recovery(&self, stage: &Stage, id: &str) -> Command {
        let mut command = stage.command(&self.folder.path().join("monitor-recovery"), id);
        command
            .args([id, "App", "", stage.log(id).to_str().unwrap()])
            .env("RECOVERY_INTERVAL", "100ms")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}

fn alerts(stage: &Stage, part: &str) -> usize {
    stage
        .slack
        .all_messages()
        .iter()
        .filter(|message| message.text.contains(part))
        .count()
}

fn start_creation(aws: &CloudFormation) {
    aws.play(
        "App",
        &[Event::own(0.0, "CREATE_IN_PROGRESS")],
        &Play::default(),
    );
}

fn wait_for_holder(stage: &Stage, id: &str) -> u32 {
    let mut found = None;
    wait("a monitor that holds its lock", || {
        found = holder(&stage.registry_dir(id), id, "App");
        found.is_some()
    });
    found.unwrap()
}

fn wait_for_another(stage: &Stage, id: &str, than: u32) -> u32 {
    let mut found = None;
    wait("another monitor", || {
        found = holder(&stage.registry_dir(id), id, "App").filter(|pid| *pid != than);
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn four_kills_in_each_of_the_fifty_operations() {
    let programs = Programs::new();
    let numbered: Vec<_> = answers().into_iter().enumerate().collect();
    in_parallel(&numbered, 6, |(number, (file, _, _, cause))| {
        let stage = Stage::new(programs.monitor());
        let trace = trace(file);
        let play = Play {
            after: 0.3,
            ..Play::at_speed((trace.duration_seconds() / 3.0).max(0.3))
        };
        // Registered, so that a monitor that was killed before its first look still knows where the deployment began.
        register(&stage, "m1", false);
        stage.aws.play_trace("App", &trace, &play);
        let mut first = stage.monitor("m1", "App").spawn().unwrap();
        let recovery = programs.recovery(&stage, "m1").spawn().unwrap();
        let mut dice = Dice(*number as u64);
        let mut pid = wait_for_holder(&stage, "m1");
        for round in 0..4 {
            pause(Duration::from_millis(dice.roll(700)));
            kill(pid, Signal::KILL);
            if round == 0 {
                first.wait().unwrap();
            }
            let over = || {
                stage
                    .lines_so_far("m1")
                    .iter()
                    .any(|line| line["outcome"].is_string())
            };
            if over() {
                break;
            }
            let mut next = None;
            wait("the restart", || {
                next = holder(&stage.registry_dir("m1"), "m1", "App").filter(|other| *other != pid);
                next.is_some() || over()
            });
            match next {
                Some(next) => pid = next,
                None => break,
            }
        }
        let code = finish(recovery).code();
        let said = lines(&stage.path("monitor-recovery.log"));
        assert_eq!(code, Some(0), "{file}: {said:#?}");
        let events = stage.events("m1");
        assert_each_once(&events);
        assert_tells_the_record(&events, &trace, file);
        assert_eq!(
            alerts(&stage, "A resource failed"),
            usize::from(cause != "-"),
            "{file}"
        );
    });
}

#[test]
fn a_crash_is_told_mended_and_told_again() {
    let programs = Programs::new();
    let stage = Stage::new(programs.monitor());
    start_creation(&stage.aws);
    let mut first = stage.monitor("m1", "App").spawn().unwrap();
    let pid = wait_for_holder(&stage, "m1");
    let recovery = programs.recovery(&stage, "m1").spawn().unwrap();
    kill(pid, Signal::KILL);
    first.wait().unwrap();
    let next = wait_for_another(&stage, "m1", pid);
    let cmdline = std::fs::read(format!("/proc/{next}/cmdline")).unwrap();
    assert!(
        cmdline.starts_with(b"deployment-monitor.sh\0"),
        "pgrep -f must find it"
    );
    wait("both alerts", || {
        alerts(&stage, "is not running") == 1 && alerts(&stage, "works again") == 1
    });
    stage.aws.event("App", Event::own(0.0, "CREATE_COMPLETE"));
    assert_eq!(finish(recovery).code(), Some(0));
}

#[test]
fn a_monitor_that_hangs_is_ended_and_replaced() {
    let programs = Programs::new();
    let stage = Stage::new(programs.monitor());
    start_creation(&stage.aws);
    let mut first = stage
        .monitor("m1", "App")
        // Short for a person's patience, long enough for a busy machine.
        .env("HUNG_AFTER", "4s")
        .spawn()
        .unwrap();
    let pid = wait_for_holder(&stage, "m1");
    stage.wait_for_line("m1", |line| line["level"] == "EVENT");
    let recovery = programs.recovery(&stage, "m1").spawn().unwrap();
    kill(pid, Signal::STOP);
    wait_for_another(&stage, "m1", pid);
    first.wait().unwrap();
    wait("the alert", || alerts(&stage, "no sign of life") == 1);
    stage.aws.event("App", Event::own(0.0, "CREATE_COMPLETE"));
    assert_eq!(finish(recovery).code(), Some(0));
    assert_each_once(&stage.events("m1"));
}

#[test]
fn a_crash_loop_is_given_up_loudly_and_stays_given_up() {
    let programs = Programs::new();
    let stage = Stage::new(programs.monitor());
    start_creation(&stage.aws);
    let broken = programs.monitor();
    std::fs::remove_file(&broken).unwrap();
    std::os::unix::fs::symlink("/bin/false", &broken).unwrap();
    let recovery = programs.recovery(&stage, "m1").spawn().unwrap();
    assert_eq!(finish(recovery).code(), Some(1));
    wait("the alert", || {
        alerts(&stage, "is not restarted any more") == 1
    });
    assert_eq!(alerts(&stage, "last exit status was 1"), 1);
    // Its own restart does not give it five more.
    let again = programs.recovery(&stage, "m1").spawn().unwrap();
    assert_eq!(finish(again).code(), Some(1));
    assert_eq!(restarts(&stage).len(), 5);
    // Nor does it promise one: the first recovery did, once, before its five.
    wait("the second alert", || {
        alerts(&stage, "is not restarted any more") == 2
    });
    assert_eq!(alerts(&stage, "It is restarted"), 1);
}

#[test]
fn a_monitor_that_hangs_once_too_often_is_ended_and_no_restart_is_promised() {
    let programs = Programs::new();
    let stage = Stage::new(programs.monitor());
    start_creation(&stage.aws);
    let clock = registry_core::clock::SystemClock::default();
    let boot = registry_core::clock::Clock::boot(&clock);
    let restart = serde_json::json!({
        "at_ms": registry_core::clock::Clock::now(&clock).millis(), "boot_id": boot.boot_id,
        "since_boot_ms": u64::try_from(boot.since_boot.as_millis()).unwrap()});
    let five = serde_json::json!({"restarts": vec![restart; 5]});
    left_behind(&stage, "App.restarts.json", &five);
    let mut monitor = stage
        .monitor("m1", "App")
        // Short for a person's patience, long enough for a busy machine.
        .env("HUNG_AFTER", "4s")
        .spawn()
        .unwrap();
    let pid = wait_for_holder(&stage, "m1");
    stage.wait_for_line("m1", |line| line["level"] == "EVENT");
    let recovery = programs.recovery(&stage, "m1").spawn().unwrap();
    kill(pid, Signal::STOP);
    assert_eq!(finish(recovery).code(), Some(1));
    monitor.wait().unwrap();
    wait("both alerts", || {
        alerts(&stage, "no sign of life") == 1 && alerts(&stage, "is not restarted any more") == 1
    });
    assert_eq!(alerts(&stage, "It is ended and restarted"), 0);
}

fn restarts(stage: &Stage) -> Vec<serde_json::Value> {
    let path = stage
        .registry_dir("m1")
        .join("monitors/m1/App.restarts.json");
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    json["restarts"].as_array().unwrap().clone()
}

#[test]
fn a_monitor_that_a_person_stopped_stays_stopped() {
    let programs = Programs::new();
    let stage = Stage::new(programs.monitor());
    start_creation(&stage.aws);
    let first = stage.monitor("m1", "App").spawn().unwrap();
    let pid = wait_for_holder(&stage, "m1");
    stage.wait_for_line("m1", |line| line["level"] == "EVENT");
    let recovery = programs.recovery(&stage, "m1").spawn().unwrap();
    wait_for_recovery(&stage);
    kill(pid, Signal::TERM);
    assert_eq!(finish(first).code(), Some(0));
    assert_eq!(finish(recovery).code(), Some(0));
    assert_eq!(alerts(&stage, "is not running"), 0);
    let last = lines(&stage.path("monitor-recovery.log")).pop().unwrap();
    assert_eq!(
        last["message"],
        "the monitor was stopped by a person and stays stopped"
    );
}

fn wait_for_recovery(stage: &Stage) {
    wait("recovery's first line", || {
        std::fs::read_to_string(stage.path("monitor-recovery.log"))
            .is_ok_and(|text| text.contains("looking after"))
    });
}

#[test]
fn a_second_recovery_is_refused_and_the_monitor_outlives_the_first() {
    let programs = Programs::new();
    let stage = Stage::new(programs.monitor());
    start_creation(&stage.aws);
    // No monitor runs: recovery starts one.
    let mut recovery: Child = programs.recovery(&stage, "m1").spawn().unwrap();
    let pid = wait_for_holder(&stage, "m1");
    let second = programs
        .recovery(&stage, "m1")
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(2));
    let told = String::from_utf8(second.stderr).unwrap();
    assert!(
        told.starts_with(
            "[ERROR] another recovery already looks after the monitor of App for m1: process "
        ),
        "{told}"
    );
    recovery.kill().unwrap();
    recovery.wait().unwrap();
    assert_eq!(holder(&stage.registry_dir("m1"), "m1", "App"), Some(pid));
    // The next recovery looks after a monitor that it did not start.
    let mut next = programs.recovery(&stage, "m1").spawn().unwrap();
    kill(pid, Signal::KILL);
    let pid = wait_for_another(&stage, "m1", pid);
    next.kill().unwrap();
    next.wait().unwrap();
    stage.aws.event("App", Event::own(0.0, "CREATE_COMPLETE"));
    stage.wait_for_line("m1", |line| line["outcome"] == "deployed");
    wait("the monitor's end", || {
        holder(&stage.registry_dir("m1"), "m1", "App") != Some(pid)
    });
    // A session of its own: nobody's signal reaches it by way of recovery.
    let over = programs.recovery(&stage, "m1").spawn().unwrap();
    assert_eq!(finish(over).code(), Some(0));
}

#[test]
fn a_log_that_cannot_be_made_is_one_sentence_and_no_crash_loop() {
    let programs = Programs::new();
    let stage = Stage::new(programs.monitor());
    for log in ["nowhere/m.log", "."] {
        let told = stage
            .command(&programs.folder.path().join("monitor-recovery"), "m1")
            .args(["m1", "App", "", log])
            .output()
            .unwrap();
        let err = String::from_utf8(told.stderr).unwrap();
        assert_eq!(told.status.code(), Some(2), "{err}");
        assert!(err.contains("create its folder first"), "{err}");
        assert_eq!(err.lines().count(), 1, "{err}");
    }
    assert_eq!(
        std::fs::read_dir(stage.folder.path()).unwrap().count(),
        0,
        "nothing is left behind"
    );
}

#[test]
fn a_registry_address_that_nobody_understands_is_one_sentence_and_no_crash_loop() {
    let programs = Programs::new();
    let stage = Stage::new(programs.monitor());
    let told = stage
        .command(&programs.folder.path().join("monitor-recovery"), "m1")
        .args(["m1", "App"])
        .env("REGISTRY_URL", "postgres://x")
        .output()
        .unwrap();
    let err = String::from_utf8(told.stderr).unwrap();
    assert_eq!(told.status.code(), Some(2), "{err}");
    assert!(err.contains("this scheme is not known"), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    let left = std::fs::read_dir(stage.folder.path()).unwrap().count();
    assert_eq!(left, 0, "nothing is left behind");
}

/// A file beside the registry of the deployment `m1`, as an earlier process left it.
fn left_behind(stage: &Stage, name: &str, content: &serde_json::Value) {
    let folder = stage.registry_dir("m1").join("monitors/m1");
    std::fs::create_dir_all(&folder).unwrap();
    let mut file = std::fs::File::create(folder.join(name)).unwrap();
    std::io::Write::write_all(&mut file, content.to_string().as_bytes()).unwrap();
}

#[test]
fn only_the_crashes_of_the_last_five_minutes_count() {
    // 299 and 301 s exactly are tried on a clock set by hand; here time passes while programs start.
    for (seconds_ago, restarts_now) in [(240, 0), (301, 5)] {
        let programs = Programs::new();
        let stage = Stage::new(programs.monitor());
        start_creation(&stage.aws);
        let broken = programs.monitor();
        std::fs::remove_file(&broken).unwrap();
        std::os::unix::fs::symlink("/bin/false", &broken).unwrap();
        let clock = registry_core::clock::SystemClock::default();
        let boot = registry_core::clock::Clock::boot(&clock);
        let now = registry_core::clock::Clock::now(&clock);
        let ago = Duration::from_secs(seconds_ago);
        // A machine that was started less than five minutes ago has no such past.
        let Some(then) = boot.since_boot.checked_sub(ago) else {
            return;
        };
        let restart = serde_json::json!({"at_ms": (now - ago).millis(), "boot_id": boot.boot_id,
            "since_boot_ms": u64::try_from(then.as_millis()).unwrap()});
        let five = serde_json::json!({"restarts": vec![restart.clone(); 5]});
        left_behind(&stage, "App.restarts.json", &five);
        let recovery = programs.recovery(&stage, "m1").spawn().unwrap();
        assert_eq!(finish(recovery).code(), Some(1), "it gives up in the end");
        let new = restarts(&stage).into_iter().filter(|one| *one != restart);
        assert_eq!(new.count(), restarts_now, "{seconds_ago} s ago");
    }
}

#[test]
fn another_process_that_has_a_dead_monitors_pid_is_left_alone() {
    let programs = Programs::new();
    let stage = Stage::new(programs.monitor());
    start_creation(&stage.aws);
    let mut innocent = Command::new("sleep").arg("600").spawn().unwrap();
    let pid = innocent.id();
    let note = serde_json::json!({"pid": pid, "since": "2026-01-14T12:34:56.000Z"});
    left_behind(&stage, "App.lock", &note);
    let recovery = programs.recovery(&stage, "m1").spawn().unwrap();
    let monitor = wait_for_another(&stage, "m1", pid);
    assert_ne!(monitor, pid);
    kill(monitor, Signal::KILL);
    wait_for_another(&stage, "m1", monitor);
    stage.aws.event("App", Event::own(0.0, "CREATE_COMPLETE"));
    assert_eq!(finish(recovery).code(), Some(0));
    assert!(innocent.try_wait().unwrap().is_none(), "it still lives");
    innocent.kill().unwrap();
    innocent.wait().unwrap();
}
