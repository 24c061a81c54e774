//! Killed with -9 at each step; an hour of outage in simulated time.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use registry_core::clock::{Clock, ManualClock, SystemClock, Timestamp};
use registry_core::notification::Notification;
use registry_core::settings::{Settings, SettingsFile};
use simulators::{Fault, TOKEN, UPDATES};

use crate::crash;
use crate::{Delivery, Effort, Options, Slack};

const FOLDER: &str = "SLACK_CLIENT_TEST_FOLDER";
const WHAT: &str = "SLACK_CLIENT_TEST_WHAT";
const API: &str = "SLACK_CLIENT_TEST_API";

fn slack(folder: &Path, api: &str, clock: Arc<dyn Clock>) -> Slack {
    let queue = folder.join("queue").display().to_string();
    let registry = folder.join("registry").display().to_string();
    let api = api.to_owned();
    let look_up = move |name: &str| match name {
        "SLACK_QUEUE_DIR" => Some(queue.clone()),
        "REGISTRY_DIR" => Some(registry.clone()),
        "SLACK_API_URL" => Some(api.clone()),
        "SLACK_BOT_TOKEN" => Some(TOKEN.to_owned()),
        _ => None,
    };
    Slack::from_settings(&Settings::new(look_up, SettingsFile::default()), clock)
}

fn alert(id: &str, message: &str) -> Notification {
    Notification::Alert {
        id: id.into(),
        stack: "S".into(),
        message: message.into(),
    }
}

// What the re-executed test binary does before it dies. Not a test of its own: without the variables it does nothing.
#[test]
fn victim() {
    let variable = |name| std::env::var_os(name).and_then(|value| value.into_string().ok());
    let (Some(folder), Some(what), Some(api)) = (variable(FOLDER), variable(WHAT), variable(API))
    else {
        return;
    };
    let slack = slack(Path::new(&folder), &api, Arc::new(SystemClock::default()));
    let keyed = Options {
        key: Some("key".into()),
        ..Options::default()
    };
    match what.as_str() {
        "send" => drop(slack.send(&alert("a", "hello"), &Options::default())),
        "enqueue" => drop(slack.enqueue(&alert("a", "hello"), &keyed)),
        "process" => drop(slack.process(Effort::default(), &mut |_, _| {})),
        "retry_dead" => drop(slack.spool().retry_dead(None)),
        other => panic!("{other}"),
    }
}

/// Runs `what` in a process that dies at `point`. Whether it died there.
fn kill_at(point: &str, what: &str, folder: &Path, api: &str) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "spool::tests::victim", "--test-threads=1"])
        .env(crash::VARIABLE, point)
        .env(FOLDER, folder)
        .env(WHAT, what)
        .env(API, api)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(
        status.success() || status.signal() == Some(9),
        "{point} {what}: {status}"
    );
    status.signal() == Some(9)
}

const POINTS: [&str; 9] = [
    "before-write",
    "between-write-and-rename",
    "after-write",
    "before-send",
    "after-send",
    "after-delivered",
    "before-rename",
    "after-rename",
    "never",
];

fn process_until_empty(slack: &Slack, clock: &ManualClock) {
    for _ in 0..20 {
        let report = slack.process(Effort::default(), &mut |_, _| {}).unwrap();
        if report.left == 0 {
            return;
        }
        clock.advance(Duration::from_secs(120));
    }
    panic!("{:?}", slack.spool().status());
}

#[test]
fn a_sender_killed_anywhere_loses_nothing_and_doubles_nothing() {
    let mut died = 0;
    for point in POINTS {
        for what in ["send", "enqueue"] {
            let folder = tempfile::tempdir().unwrap();
            let sim = simulators::Slack::start().unwrap();
            died += usize::from(kill_at(point, what, folder.path(), &sim.api_url()));
            let clock = ManualClock::at(SystemClock::default().now());
            let slack = slack(folder.path(), &sim.api_url(), Arc::new(clock.clone()));
            // Before its file had its name the message was nobody's; what the caller does then is begin again.
            let stored =
                !slack.spool().waiting().unwrap().is_empty() || !sim.messages(UPDATES).is_empty();
            if stored {
                process_until_empty(&slack, &clock);
                assert_eq!(sim.messages(UPDATES).len(), 1, "{point} {what}");
            } else {
                assert!(
                    ["before-write", "between-write-and-rename"].contains(&point),
                    "{point} {what}"
                );
            }
            if what == "enqueue" && stored {
                let keyed = Options {
                    key: Some("key".into()),
                    ..Options::default()
                };
                let again = slack.send(&alert("a", "hello"), &keyed);
                assert!(matches!(again, Delivery::Known { .. }), "{again:?}");
            }
            assert_eq!(slack.spool().status().unwrap().corrupt, 0);
        }
    }
    assert!(died >= 7, "the points are passed: {died}");
}

#[test]
fn a_process_killed_anywhere_loses_nothing_and_doubles_nothing() {
    let mut died = 0;
    for point in POINTS {
        for fault in [
            None,
            Some(
                Fault::error("service_unavailable")
                    .on("chat.postMessage")
                    .times(1),
            ),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let sim = simulators::Slack::start().unwrap();
            let clock = ManualClock::at(SystemClock::default().now());
            let slack = slack(folder.path(), &sim.api_url(), Arc::new(clock.clone()));
            for n in 0..2 {
                let keyed = Options {
                    key: Some(format!("key {n}")),
                    ..Options::default()
                };
                slack
                    .enqueue(&alert("a", &format!("message {n}")), &keyed)
                    .unwrap();
            }
            if let Some(fault) = fault {
                sim.fault(fault);
            }
            died += usize::from(kill_at(point, "process", folder.path(), &sim.api_url()));
            process_until_empty(&slack, &clock);
            let shown: Vec<String> = sim
                .messages(UPDATES)
                .iter()
                .map(simulators::Message::shown)
                .collect();
            assert_eq!(shown.len(), 2, "{point}: {shown:?}");
            assert!(
                shown[0].contains("message 0") && shown[1].contains("message 1"),
                "{point}: {shown:?}"
            );
        }
    }
    assert!(died >= 10, "the points are passed: {died}");
}

#[test]
fn a_burial_and_a_revival_killed_anywhere_lose_nothing() {
    let mut died = 0;
    for what in ["process", "retry_dead"] {
        for point in POINTS {
            let folder = tempfile::tempdir().unwrap();
            let sim = simulators::Slack::start().unwrap();
            let clock = ManualClock::at(SystemClock::default().now());
            let slack = slack(folder.path(), &sim.api_url(), Arc::new(clock.clone()));
            let _queued = slack
                .enqueue(&alert("a", "hello"), &Options::default())
                .unwrap();
            sim.fault(Fault::error("invalid_blocks").on("chat.postMessage"));
            if what == "retry_dead" {
                let report = slack.process(Effort::default(), &mut |_, _| {}).unwrap();
                assert_eq!(report.dead, 1);
            }
            died += usize::from(kill_at(point, what, folder.path(), &sim.api_url()));
            let status = slack.spool().status().unwrap();
            assert_eq!(
                (status.pending + status.dead_letters, status.corrupt),
                (1, 0),
                "{what} {point}: {status:?}"
            );
            sim.clear_faults();
            slack.spool().retry_dead(None).unwrap();
            process_until_empty(&slack, &clock);
            assert_eq!(sim.messages(UPDATES).len(), 1, "{what} {point}");
        }
    }
    assert!(died >= 9, "the points are passed: {died}");
}

#[test]
fn an_hour_of_outage() {
    let folder = tempfile::tempdir().unwrap();
    let begin = Timestamp::from_seconds(1_768_394_096);
    let clock = ManualClock::at(begin);
    let sim = simulators::Slack::start_with_clock(Arc::new(clock.clone())).unwrap();
    let slack = slack(folder.path(), &sim.api_url(), Arc::new(clock.clone()));
    sim.fault(Fault::error("service_unavailable"));
    // Ten deployments of an hour: progress every ten minutes, an alert, an end. Cron comes every five minutes.
    let deployment = |n: u32| format!("deployment-{n}");
    for minute in 0..60_u32 {
        for n in 0..10 {
            let id = deployment(n);
            let progress = Notification::Progress {
                id: id.clone(),
                status: "UPDATE_IN_PROGRESS".into(),
                details: format!("minute {minute}"),
                estimate: None,
            };
            let end = if n % 2 == 0 {
                Notification::Complete {
                    id: id.clone(),
                    environment: "production".into(),
                    minutes: "40".into(),
                    url: None,
                }
            } else {
                Notification::Failed {
                    id: id.clone(),
                    environment: "production".into(),
                    error: "boom".into(),
                    stack: None,
                }
            };
            let happened = match minute {
                3 => Some(alert(&id, "overrun")),
                40 => Some(end),
                _ if minute % 10 == 0 => Some(progress),
                _ => None,
            };
            if let Some(happened) = happened {
                let _queued = slack.enqueue(&happened, &Options::default()).unwrap();
            }
        }
        if minute % 5 == 0 {
            let _tried = slack.process(Effort::default(), &mut |_, _| {}).unwrap();
        }
        clock.advance(Duration::from_secs(60));
    }
    // Slack is back. What used up its tries is a dead letter with its history.
    let status = slack.spool().status().unwrap();
    assert!(
        status.dead_letters > 0 && status.messages.iter().all(|m| m.failures <= 6),
        "{status:?}"
    );
    assert!(sim.all_messages().is_empty());
    let dead = status.messages.iter().filter(|line| line.state == "dead");
    for line in dead {
        let file = slack.spool().find(&line.message_id).unwrap().remove(0).file;
        let attempts = file["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 6, "its whole history: {file}");
        assert!(
            attempts
                .iter()
                .all(|attempt| attempt["detail"] == "service_unavailable"
                    && attempt["at"].is_string()),
            "{file}"
        );
    }
    assert!(status.expired + status.replaced > 0, "{status:?}");
    sim.clear_faults();
    sim.set_one_per_second(true);
    let revived = slack.spool().retry_dead(None).unwrap();
    assert_eq!(revived.len(), status.dead_letters);
    process_until_empty(&slack, &clock);
    assert_eq!(slack.spool().status().unwrap().dead_letters, 0);
    let messages = sim.messages(UPDATES);
    for n in 0..10 {
        let id = format!("`{}`", deployment(n));
        let own: Vec<String> = messages
            .iter()
            .map(simulators::Message::shown)
            .filter(|shown| shown.contains(&id))
            .collect();
        let position = |words: &str| own.iter().position(|shown| shown.contains(words));
        let count = |words: &str| own.iter().filter(|shown| shown.contains(words)).count();
        let end = if n % 2 == 0 {
            "Deployment Successful"
        } else {
            "Deployment Failed"
        };
        assert_eq!((count("overrun"), count(end)), (1, 1), "{own:?}");
        assert!(position("overrun") < position(end), "{own:?}");
        for (words, minute) in [("overrun", 3), (end, 40)] {
            let happened = (begin + Duration::from_secs(minute * 60)).human();
            let late = format!("late: this happened at {happened}.");
            let shown = &own[position(words).unwrap()];
            assert!(
                shown.contains("🕓 Sent ") && shown.contains(&late),
                "{shown}"
            );
        }
        assert!(count("Progress") <= 1, "no flood of old progress: {own:?}");
    }
    // Slack would have said so had it been more than one a second.
    assert_eq!(
        sim.requests("chat.postMessage"),
        messages.len() + failed_posts(&sim)
    );
    let times: Vec<Timestamp> = messages
        .iter()
        .map(|message| Timestamp::parse_rfc3339(&message.posted_at).unwrap())
        .collect();
    assert!(
        times
            .windows(2)
            .all(|pair| pair[1].since(pair[0]) >= Duration::from_secs(1))
    );
}

fn failed_posts(sim: &simulators::Slack) -> usize {
    let posts = sim.recorded();
    posts
        .iter()
        .filter(|post| post.action == "chat.postMessage" && post.fault.is_some())
        .count()
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn open_folder(mode: u32) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let queue = folder.path().join("queue");
    std::fs::create_dir(&queue).unwrap();
    std::fs::set_permissions(&queue, std::fs::Permissions::from_mode(mode)).unwrap();
    folder
}

#[test]
fn a_queue_that_was_open_to_others_is_closed_with_all_that_is_put_there() {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    let sim = simulators::Slack::start().unwrap();
    let folder = open_folder(0o777);
    let queue = folder.path().join("queue");
    let everybody = std::fs::Permissions::from_mode(0o666);
    for name in ["odd.json", "queue.lock"] {
        let mut file = std::fs::File::create(queue.join(name)).unwrap();
        file.write_all(b"{").unwrap();
        file.set_permissions(everybody.clone()).unwrap();
    }
    let slack = slack(
        folder.path(),
        &sim.api_url(),
        Arc::new(SystemClock::default()),
    );
    assert!(slack.warnings().is_empty(), "{:?}", slack.warnings());
    let _queued = slack
        .enqueue(&alert("a", "hello"), &Options::default())
        .unwrap();
    let _report = slack.process(Effort::default(), &mut |_, _| {}).unwrap();
    for (name, expected) in [
        ("", 0o700),
        ("corrupt", 0o700),
        ("corrupt/odd.json", 0o600),
        ("queue.lock", 0o600),
        ("sender.lock", 0o600),
    ] {
        let found = mode(&queue.join(name));
        assert_eq!(found, expected, "{name:?} has mode {found:o}");
    }
}

#[test]
fn a_folder_that_is_for_all_stays_so_and_that_is_told() {
    let sim = simulators::Slack::start().unwrap();
    let folder = open_folder(0o1777);
    let slack = slack(
        folder.path(),
        &sim.api_url(),
        Arc::new(SystemClock::default()),
    );
    let told = slack.warnings().concat();
    assert!(told.contains("is open to other users"), "{told}");
    let _queued = slack
        .enqueue(&alert("a", "hello"), &Options::default())
        .unwrap();
    assert_eq!(mode(&folder.path().join("queue")), 0o1777);
}
