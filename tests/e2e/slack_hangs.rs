//! A Slack that hangs, in each phase of a request, with the time limits that everybody has.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use end_to_end::{ID, World};
use simulators::{DeadEnd, Trouble};

use crate::world;

/// What the contract promises.
const PROMISED: Duration = Duration::from_secs(15);
/// A loaded machine starts a process and syncs a file in this.
const MARGIN: Duration = Duration::from_secs(5);

enum Phase<'a> {
    Connect(&'a DeadEnd),
    Tls(&'a TcpListener),
    Request(Trouble),
}

fn place(phase: &Phase<'_>, webhook: bool) -> World {
    let mut world = world();
    let mut at = |base: &str| {
        world.set("SLACK_API_URL", &format!("{base}/api/"));
        world.set("SLACK_WEBHOOK_URL", &format!("{base}/services/T/B/secret"));
    };
    match phase {
        Phase::Connect(dead_end) => at(&format!("http://{}", dead_end.address())),
        Phase::Tls(silent) => at(&format!("https://{}", silent.local_addr().unwrap())),
        Phase::Request(trouble) => {
            let url = world.slack.webhook_url();
            world.set("SLACK_WEBHOOK_URL", &url);
            world.slack.fault(trouble.clone());
        }
    }
    if webhook {
        world.unset("SLACK_BOT_TOKEN");
    } else {
        world.unset("SLACK_WEBHOOK_URL");
    }
    world
}

fn check(name: &str, phase: &Phase<'_>, webhook: bool) {
    let world = place(phase, webhook);
    // Not a start message: a reply looks for its thread in the channel before it is sent, and that hangs as well.
    let words = [
        "slack-notifier",
        "progress",
        ID,
        "CREATE_IN_PROGRESS",
        "Creating RDS instance...",
    ];
    let begun = Instant::now();
    let outcome = world
        .run(&words)
        .expect(0)
        .says("it is kept in the retry queue as ");
    let took = begun.elapsed();
    assert!(
        took < PROMISED + MARGIN,
        "{name}, webhook {webhook}: {took:?}\n{outcome}"
    );
    let kept = world.files().into_iter();
    let kept: Vec<String> = kept
        .filter(|file| file.starts_with(".slack-retry-queue/") && file.ends_with("json"))
        .collect();
    assert_eq!(kept.len(), 1, "{name}: {kept:?}\n{outcome}");
    assert!(world.read(&kept[0]).contains("Creating RDS instance..."));
}

#[test]
fn a_slack_that_hangs_in_any_phase_is_waited_for_15_seconds_at_most() {
    let dead_end = DeadEnd::start().unwrap();
    // Accepts (the kernel does) and never says anything.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let phases = [
        ("connect", Phase::Connect(&dead_end)),
        ("TLS", Phase::Tls(&silent)),
        ("request not read", Phase::Request(Trouble::HangUnread)),
        ("no answer", Phase::Request(Trouble::Hang)),
        ("headers", Phase::Request(Trouble::StallInHeaders)),
        ("body", Phase::Request(Trouble::StallInBody)),
        (
            "one byte a second",
            Phase::Request(Trouble::Drip { seconds: 1.0 }),
        ),
    ];
    // All at once: each does nothing but wait.
    std::thread::scope(|scope| {
        for (name, phase) in &phases {
            for webhook in [false, true] {
                scope.spawn(move || check(name, phase, webhook));
            }
        }
    });
}
