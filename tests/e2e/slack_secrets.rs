//! The token and the webhook's URL are in no file, no output and no process list, whatever goes wrong.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use end_to_end::{ID, World, pause};
use simulators::{Fault, Trouble};

use crate::world;

const TOKEN: &str = "xoxb-998877665544-112233445566-AbCdEfGhIjKlMnOpQrStUvWx";
/// The part of a webhook's URL that makes it a secret.
const WEBHOOK: &str = "simulatedwebhooksecret";

fn bot() -> World {
    let mut world = world();
    world.slack.set_token(TOKEN);
    world.set("SLACK_BOT_TOKEN", TOKEN);
    world
}

fn webhook() -> World {
    let mut world = world();
    let url = world.slack.webhook_url();
    world
        .unset("SLACK_BOT_TOKEN")
        .set("SLACK_WEBHOOK_URL", &url);
    world
}

/// Everything in the folder of the world, its outputs, home and temporary files included, byte for byte.
fn check_files(folder: &Path, secret: &str) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            check_files(&path, secret);
        } else if let Ok(bytes) = std::fs::read(&path) {
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(secret), "{}: {text}", path.display());
        }
    }
}

/// Runs `work` and looks into the process list all the while; how many command lines of this world's it saw.
fn watching(world: &World, secret: &str, work: impl FnOnce()) -> usize {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = 0;
            while !done.load(Ordering::Relaxed) {
                let named =
                    |words: &[String], text: &str| words.iter().any(|word| word.contains(text));
                seen += world.processes(|words| named(words, "slack-")).len();
                let bad = world.processes(|words| named(words, secret));
                assert!(bad.is_empty(), "the secret stands in the process list");
                pause();
            }
            seen
        });
        // Also when it finds a secret, the watcher must end.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        done.store(true, Ordering::Relaxed);
        let seen = watcher.join().unwrap();
        if let Err(found) = outcome {
            std::panic::resume_unwind(found);
        }
        seen
    })
}

/// Every command of the two programs.
fn everything(world: &World, id: &str, secret: &str) {
    for words in [
        &["slack-notifier", "start", id, "production", "12345"][..],
        &[
            "slack-notifier",
            "progress",
            id,
            "CREATE_IN_PROGRESS",
            "step",
        ],
        &["slack-notifier", "doctor"],
        &["slack-notifier", "doctor", "--json"],
        &["slack-retry-queue", "queue", "alert", id, "S", "queued"],
        &["slack-retry-queue", "process"],
        &["slack-retry-queue", "status"],
        &["slack-retry-queue", "status", "--json"],
        &["slack-retry-queue", "show", id],
        &["slack-retry-queue", "retry_dead"],
    ] {
        let outcome = world.run(words).in_order();
        let said = outcome.stdout.contains(secret) || outcome.stderr.contains(secret);
        assert!(!said, "{outcome}");
    }
}

fn check(world: &World, secret: &str) {
    let troubles = [
        None,
        Some(Trouble::InvalidToken),
        Some(Trouble::Html),
        Some(Trouble::Hang),
        Some(Trouble::CloseInBody),
        Some(Trouble::NotItsFormat),
        Some(Trouble::Redirect {
            status: 302,
            location: None,
        }),
        // An answer that repeats what it was sent.
        Some(Trouble::Answer {
            status: 403,
            headers: std::collections::BTreeMap::new(),
            body: format!("Bearer {secret} is refused at /services/T0SIMULATE/B0SIMHOOK/{secret}"),
        }),
        Some(Trouble::Error {
            code: format!("no_such_{secret}"),
            message: String::new(),
            status: Some(200),
        }),
    ];
    let seen = watching(world, secret, || {
        for (number, trouble) in troubles.into_iter().enumerate() {
            // A deployment of its own, which waits for none that failed before.
            let id = format!("{ID}-{number}");
            world.slack.clear_faults();
            if let Some(trouble) = trouble {
                world.slack.fault(Fault::new(trouble));
            }
            everything(world, &id, secret);
            check_files(&world.path(".."), secret);
        }
    });
    assert!(seen > 10, "the process list was looked at: {seen}");
    assert!(!world.slack.text().contains(secret));
}

#[test]
fn a_token_is_in_no_file_no_output_and_no_process_list() {
    let mut world = bot();
    world.set("SLACK_TIMEOUT", "1s");
    check(&world, TOKEN);
}

#[test]
fn a_webhooks_url_is_in_no_file_no_output_and_no_process_list() {
    let mut world = webhook();
    world.set("SLACK_TIMEOUT", "1s");
    check(&world, WEBHOOK);
}
