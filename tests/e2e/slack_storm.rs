//! A storm: eight senders and eight `slack-retry-queue process`, killed at random, against a Slack that fails in every way it can.
//! Nothing is lost, nothing out of order, and each double is one that nobody could know of, marked and counted.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use end_to_end::World;
use registry_core::clock::{Clock, ManualClock, SystemClock};
use registry_core::settings::{Settings, SettingsFile};
use simulators::{Channel, Fault, Trouble};
use slack_client::{Effort, Slack};

use crate::world;

/// How long it blows, in seconds; a soak sets more.
const SECONDS: &str = "SLACK_STORM_SECONDS";
const USUAL_SECONDS: u64 = 15;
const SENDERS: usize = 8;
const DEPLOYMENTS: usize = 6;
/// Slack's answers are waited for so long.
const TIMEOUT: &str = "1s";

#[expect(
    clippy::disallowed_methods,
    reason = "a knob of the test, which is no setting of the programs"
)]
fn seconds() -> Duration {
    let set = std::env::var(SECONDS).ok();
    let set = set.and_then(|text| text.parse().ok());
    Duration::from_secs(set.unwrap_or(USUAL_SECONDS))
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

/// How processes of one program ended.
#[derive(Debug, Default)]
struct Ends {
    done: usize,
    killed: usize,
    /// With another status than 0.
    failed: Vec<String>,
}

impl Ends {
    fn add(&mut self, end: End, line: &str) -> bool {
        match end {
            End::Status(Some(0)) => self.done += 1,
            End::Killed => self.killed += 1,
            End::Status(status) => self.failed.push(format!("{line}: {status:?}")),
        }
        matches!(end, End::Status(Some(0)))
    }
}

#[derive(Clone, Copy)]
enum End {
    Status(Option<i32>),
    Killed,
}

/// How a program is killed: so many times in ten, and within so many milliseconds.
struct Danger {
    times_in_ten: u64,
    within: u64,
}

/// A sender is done in a moment.
const SENDER: Danger = Danger {
    times_in_ten: 3,
    within: 60,
};
/// Whoever processes a queue that never gets empty goes on for long.
const PROCESSOR: Danger = Danger {
    times_in_ten: 8,
    within: 1_000,
};

/// Waits for a child, and kills it with -9 now and then.
fn let_live_or_die(mut child: Child, danger: &Danger, random: &mut Random) -> End {
    if random.below(10) >= danger.times_in_ten {
        return End::Status(child.wait().unwrap().code());
    }
    let moment = Duration::from_millis(random.below(danger.within));
    let _elapsed = SystemClock::default().sleep(moment);
    child.kill().unwrap();
    match child.wait().unwrap().code() {
        // It was quicker.
        Some(status) => End::Status(Some(status)),
        None => End::Killed,
    }
}

fn channel(sender: usize, deployment: usize) -> String {
    format!("C0STORM{sender}{deployment}")
}

fn storm_faults(world: &World) {
    let post = |trouble| Fault::new(trouble).on("chat.postMessage");
    let code = |code| Fault::error(code).on("chat.postMessage");
    let redirect = Trouble::Redirect {
        status: 302,
        location: None,
    };
    let faults = [
        (code("service_unavailable"), 0.10),
        (code("internal_error").although_applied(), 0.04),
        (code("invalid_auth"), 0.03),
        (code("not_in_channel"), 0.02),
        (code("invalid_blocks"), 0.05),
        (code("something_new"), 0.03),
        (Fault::rate_limited(Some("0")).on("chat.postMessage"), 0.05),
        (post(Trouble::Close).although_applied(), 0.05),
        (post(Trouble::Close), 0.05),
        (post(Trouble::Reset).although_applied(), 0.03),
        (post(Trouble::CloseInBody).although_applied(), 0.03),
        (post(Trouble::Html), 0.03),
        (post(Trouble::OkWithoutTs), 0.02),
        (post(redirect), 0.02),
        (Fault::status(503, "").on("chat.postMessage"), 0.02),
        (Fault::status(413, "").on("chat.postMessage"), 0.02),
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
    ];
    for (seed, (fault, probability)) in faults.into_iter().enumerate() {
        world
            .slack
            .fault(fault.with_probability(probability, seed as u64));
    }
}

/// A message whose sender lived to say that it is delivered or kept.
struct Promise {
    deployment: String,
    text: String,
}

struct Storm {
    world: World,
    end: Instant,
    promised: Mutex<Vec<Promise>>,
    notifier: Mutex<Ends>,
    queue: Mutex<Ends>,
}

impl Storm {
    fn send(&self, sender: usize) {
        let mut random = Random(sender as u64);
        for number in 0.. {
            if Instant::now() > self.end {
                break;
            }
            let deployment = random.below(DEPLOYMENTS as u64) as usize;
            let id = format!("storm-{sender}-{deployment}");
            let text = format!("message {id} number {number:05}.");
            let channel = channel(sender, deployment);
            let mut command = self.world.command("slack-notifier");
            command.args(["alert", &id, "S", &text, &channel]);
            let child = command.stderr(Stdio::null()).spawn().unwrap();
            let end = let_live_or_die(child, &SENDER, &mut random);
            if self.notifier.lock().unwrap().add(end, &text) {
                let mut promised = self.promised.lock().unwrap();
                promised.push(Promise {
                    deployment: id,
                    text,
                });
            }
        }
    }

    fn process(&self, number: usize) {
        let mut random = Random(1_000 + number as u64);
        while Instant::now() < self.end {
            // Now and then somebody gives dead letters another chance.
            let words = match random.below(20) {
                0 => "retry_dead",
                _ => "process",
            };
            let mut command = self.world.command("slack-retry-queue");
            command.arg(words);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let end = let_live_or_die(command.spawn().unwrap(), &PROCESSOR, &mut random);
            self.queue.lock().unwrap().add(end, words);
        }
    }
}

#[test]
fn a_storm_loses_nothing() {
    let mut world = world();
    world.set("SLACK_TIMEOUT", TIMEOUT);
    for sender in 0..SENDERS {
        for deployment in 0..DEPLOYMENTS {
            let id = channel(sender, deployment);
            let name = id.to_lowercase();
            world.slack.add_channel(Channel::new(&id, &name));
        }
    }
    storm_faults(&world);
    let storm = Storm {
        world,
        end: Instant::now() + seconds(),
        promised: Mutex::default(),
        notifier: Mutex::default(),
        queue: Mutex::default(),
    };
    std::thread::scope(|scope| {
        for number in 0..SENDERS {
            let storm = &storm;
            scope.spawn(move || storm.send(number));
            scope.spawn(move || storm.process(number));
        }
    });
    let promised = storm.promised.into_inner().unwrap();
    for (name, ends) in [
        ("slack-notifier", storm.notifier),
        ("slack-retry-queue", storm.queue),
    ] {
        let ends = ends.into_inner().unwrap();
        // Whoever lets it blow for long wants the figures.
        eprintln!("{name}: {} ended, {} killed", ends.done, ends.killed);
        assert!(ends.failed.is_empty(), "{name}: {:?}", ends.failed);
        assert!(
            ends.done > 0 && ends.killed > SENDERS,
            "a storm, not a breeze"
        );
    }
    calm(&storm.world);
    let copies = copies(&storm.world);
    check_doubles(&storm.world, &copies);
    check(&copies, &promised);
}

/// The queue of the storm, for whom time passes as `clock` says.
fn queue(world: &World, clock: Arc<dyn Clock>) -> Slack {
    let folder = |name| Some(world.path(name).display().to_string());
    let variables: BTreeMap<&str, Option<String>> = [
        ("SLACK_QUEUE_DIR", folder(".slack-retry-queue")),
        ("REGISTRY_DIR", folder(".deployment-registry")),
        ("SLACK_API_URL", Some(world.slack.api_url())),
        ("SLACK_BOT_TOKEN", Some(simulators::TOKEN.to_owned())),
    ]
    .into();
    let look_up = move |name: &str| variables.get(name).cloned().flatten();
    Slack::from_settings(&Settings::new(look_up, SettingsFile::default()), clock)
}

// The storm is over: what waits and what was given up arrives.
fn calm(world: &World) {
    world.slack.clear_faults();
    let clock = ManualClock::at(SystemClock::default().now());
    let slack = queue(world, Arc::new(clock.clone()));
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
}

/// What the channels show of one message: where among all of them, and whether it says that it may be a repeat.
#[derive(Debug)]
struct Copy {
    at: usize,
    marked: bool,
}

fn copies(world: &World) -> BTreeMap<String, Vec<Copy>> {
    let mut copies: BTreeMap<String, Vec<Copy>> = BTreeMap::new();
    for (at, message) in world.slack.all_messages().iter().enumerate() {
        let shown = message.shown();
        let begins = shown.find("message storm-").unwrap();
        let (text, _) = shown[begins..].split_once('.').unwrap();
        let marked = shown.contains("🔁");
        let copy = Copy { at, marked };
        copies.entry(format!("{text}.")).or_default().push(copy);
    }
    copies
}

fn check_doubles(world: &World, copies: &BTreeMap<String, Vec<Copy>>) {
    let slack = queue(world, Arc::new(SystemClock::default()));
    let counted = slack.spool().status().unwrap().maybe_repeated;
    let messages: usize = copies.values().map(Vec::len).sum();
    let doubles = messages - copies.len();
    eprintln!(
        "{messages} messages, {doubles} of them doubles; {counted} counted as sent again although they may have arrived"
    );
    assert!(
        doubles as u64 <= counted,
        "{doubles} doubles, counted {counted}"
    );
    for (text, copies) in copies {
        let unmarked = copies.iter().filter(|copy| !copy.marked).count();
        assert!(unmarked <= 1, "a double that does not say so: {text}");
    }
}

fn check(copies: &BTreeMap<String, Vec<Copy>>, promised: &[Promise]) {
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for Promise { deployment, text } in promised {
        let at = copies.get(text).and_then(|copies| copies.first());
        let at = at.unwrap_or_else(|| panic!("lost: {text}")).at;
        // One sender sends a deployment's messages one after the other, so that is their order.
        if let Some(before) = last.insert(deployment, at) {
            assert!(before < at, "out of order: {text}");
        }
    }
}
