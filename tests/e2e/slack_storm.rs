//! A storm: eight senders and eight that process the queue, killed at random, against a Slack that fails in every way it can.
//! Nothing is lost, nothing out of order, and each double is one that nobody could know of, marked and counted.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]
#![expect(
    clippy::print_stdout,
    reason = "whoever lets it blow for long wants the figures"
)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::Place;
use registry_core::clock::{Clock, ManualClock, SystemClock};
use registry_core::settings::{Settings, SettingsFile};
use simulators::{Channel, Fault, TOKEN, Trouble};
use slack_client::{Effort, Slack};

const NOTIFIER: &str = env!("CARGO_BIN_EXE_slack-notifier");
const ROLE: &str = "SLACK_STORM_ROLE";
/// How long it blows, in seconds; a soak sets more.
const SECONDS: &str = "SLACK_STORM_SECONDS";
const USUAL_SECONDS: u64 = 15;
const SENDERS: usize = 8;
const DEPLOYMENTS: usize = 6;

#[expect(
    clippy::disallowed_methods,
    reason = "this test is its own little program"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn slack(folder: &Path, api: &str, clock: Arc<dyn Clock>) -> Slack {
    let queue = folder.join(".slack-retry-queue").display().to_string();
    let registry = folder.join(".deployment-registry").display().to_string();
    let api = api.to_owned();
    let look_up = move |name: &str| match name {
        "SLACK_QUEUE_DIR" => Some(queue.clone()),
        "REGISTRY_DIR" => Some(registry.clone()),
        "SLACK_API_URL" => Some(api.clone()),
        "SLACK_BOT_TOKEN" => Some(TOKEN.to_owned()),
        "SLACK_TIMEOUT" => Some("1s".to_owned()),
        _ => None,
    };
    Slack::from_settings(&Settings::new(look_up, SettingsFile::default()), clock)
}

// What the re-executed test binary does: `slack-retry-queue process`. Without its variable it does nothing.
#[test]
fn processor() {
    if let Some(folder) = variable(ROLE) {
        let api = variable("SLACK_API_URL").unwrap();
        let slack = slack(Path::new(&folder), &api, Arc::new(SystemClock::default()));
        let _killed_anyway = slack.process(Effort::default(), &mut |_, _| {});
    }
}

/// SplitMix64 (public domain): every run of a thread draws the same numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// Waits for a child, and kills it with -9 three times in ten. Whether it ended by itself.
fn let_live_or_die(mut child: Child, random: &mut Random) -> bool {
    if random.below(10) >= 3 {
        return child.wait().unwrap().code() == Some(0);
    }
    let moment = Duration::from_millis(random.below(60));
    let begun = Instant::now();
    while begun.elapsed() < moment {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code() == Some(0);
        }
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    false
}

fn channel(sender: usize, deployment: usize) -> String {
    format!("C0STORM{sender}{deployment}")
}

fn storm_faults(place: &Place) {
    let post = |trouble| Fault::new(trouble).on("chat.postMessage");
    let code = |code| Fault::error(code).on("chat.postMessage");
    for (seed, (fault, probability)) in [
        (code("service_unavailable"), 0.10),
        (code("internal_error").although_applied(), 0.04),
        (code("invalid_auth"), 0.03),
        (code("invalid_blocks"), 0.05),
        (code("something_new"), 0.03),
        (Fault::rate_limited(Some("0")).on("chat.postMessage"), 0.05),
        (post(Trouble::Close).although_applied(), 0.05),
        (post(Trouble::Close), 0.05),
        (post(Trouble::Reset).although_applied(), 0.03),
        (post(Trouble::CloseInBody).although_applied(), 0.03),
        (post(Trouble::Html), 0.03),
        (post(Trouble::Hang).although_applied(), 0.01),
        (
            Fault::error("missing_scope").on("conversations.history"),
            0.15,
        ),
        (
            Fault::error("fatal_error").on("conversations.replies"),
            0.15,
        ),
        (Fault::error("ratelimited").on("chat.update"), 0.10),
        (Fault::new(Trouble::ResetUnread), 0.03),
    ]
    .into_iter()
    .enumerate()
    {
        place
            .slack
            .fault(fault.with_probability(probability, seed as u64));
    }
}

#[test]
fn a_storm_loses_nothing() {
    let mut place = Place::bot();
    place.set("SLACK_TIMEOUT", "1s");
    for sender in 0..SENDERS {
        for deployment in 0..DEPLOYMENTS {
            let id = channel(sender, deployment);
            place
                .slack
                .add_channel(Channel::new(&id, &id.to_lowercase()));
        }
    }
    storm_faults(&place);
    let seconds = variable(SECONDS).and_then(|text| text.parse().ok());
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(USUAL_SECONDS));
    // Messages whose sender lived to say that they are delivered or kept: text, and where in the order of its deployment.
    let promised = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (place, promised) = (&place, &promised);
            scope.spawn(move || {
                let mut random = Random(sender as u64);
                for number in 0.. {
                    if Instant::now() > end {
                        break;
                    }
                    let deployment = random.below(DEPLOYMENTS as u64) as usize;
                    let id = format!("storm-{sender}-{deployment}");
                    let text = format!("message {id} number {number:05}.");
                    let words = ["alert", &id, "S", &text, &channel(sender, deployment)];
                    let mut command = place.command(NOTIFIER, &words);
                    let child = command.stderr(Stdio::null()).spawn().unwrap();
                    if let_live_or_die(child, &mut random) {
                        promised.lock().unwrap().push((id, text));
                    }
                }
            });
            scope.spawn(move || {
                let mut random = Random(1_000 + sender as u64);
                while Instant::now() < end {
                    let mut command = Command::new(std::env::current_exe().unwrap());
                    command
                        .args(["--exact", "processor", "--test-threads=1"])
                        .env(ROLE, place.folder.path())
                        .env("SLACK_API_URL", place.slack.api_url());
                    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
                    let _how = let_live_or_die(child.unwrap(), &mut random);
                }
            });
        }
    });
    let promised = promised.into_inner().unwrap();
    assert!(
        promised.len() > 2 * SENDERS,
        "a storm, not a breeze: {}",
        promised.len()
    );
    println!("{} senders lived to promise", promised.len());
    calm(&place);
    check(&place, &promised);
}

// The storm is over: what waits and what was given up arrives.
fn calm(place: &Place) {
    place.slack.clear_faults();
    let clock = ManualClock::at(SystemClock::default().now());
    let slack = slack(
        place.folder.path(),
        &place.slack.api_url(),
        Arc::new(clock.clone()),
    );
    for _ in 0..20 {
        slack.spool().retry_dead(None).unwrap();
        let report = slack.process(Effort::default(), &mut |_, _| {}).unwrap();
        if report.left == 0 {
            break;
        }
        clock.advance(Duration::from_secs(1_000));
    }
    let status = slack.spool().status().unwrap();
    assert_eq!(
        (status.pending, status.dead_letters, status.corrupt),
        (0, 0, 0),
        "{status:?}"
    );
    let messages = place.slack.all_messages();
    let mut copies: BTreeMap<String, Vec<bool>> = BTreeMap::new();
    for message in &messages {
        let shown = message.shown();
        let at = shown.find("message storm-").unwrap();
        let text = shown[at..].split('.').next().unwrap().to_owned();
        copies.entry(text).or_default().push(shown.contains("🔁"));
    }
    let doubles: usize = copies.values().map(|copies| copies.len() - 1).sum();
    assert!(
        doubles as u64 <= status.maybe_repeated,
        "{doubles} doubles, counted {}",
        status.maybe_repeated
    );
    println!(
        "{} messages, {doubles} of them doubles; {} counted as sent again although they may have arrived",
        messages.len(),
        status.maybe_repeated
    );
    for (text, marked) in copies {
        let unmarked = marked.iter().filter(|marked| !**marked).count();
        assert!(unmarked <= 1, "a double that does not say so: {text}");
    }
}

fn check(place: &Place, promised: &[(String, String)]) {
    let messages = place.slack.all_messages();
    let first = |text: &str| {
        messages
            .iter()
            .position(|message| message.shown().contains(text))
    };
    let mut last: BTreeMap<&str, Option<usize>> = BTreeMap::new();
    for (id, text) in promised {
        let at = first(text);
        assert!(at.is_some(), "lost: {text}");
        // One sender sends a deployment's messages one after the other, so that is their order.
        if let Some(before) = last.insert(id, at) {
            assert!(before < at, "out of order: {text}");
        }
    }
}
