//! A notification as a whole process, and the retry queue against the disk it lies on.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use registry_core::clock::SystemClock;
use registry_core::notification::Notification;
use registry_core::settings::{Settings, SettingsFile};
use registry_core::store::atomic;
use simulators::Channel;
use slack_client::{Effort, Options, Slack};

use crate::Bench;
use crate::figures::{Spread, ratio};
use crate::job::{Job, Runs, race};
use crate::page::Section;
use crate::place::Place;

const ID: &str = "20260114-123456-abc123";
const POST: &str = "chat.postMessage";
const ROUNDS: usize = 31;
/// Messages of one batch of the queue, one batch a round.
const BATCH: usize = 50;
const BATCHES: usize = 15;
const QUEUE: &str = ".slack-retry-queue";
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

pub(crate) fn measure(bench: &Bench) -> Result<Section> {
    let mut section = Section::new("Slack");
    section.text("Times are medians with their smallest and largest value; ratios are medians of the ratios round by round.");
    notifications(&Place::new(bench)?, &mut section)?;
    queue(&Place::new(bench)?, &mut section)?;
    Ok(section)
}

const START: [&str; 5] = ["slack-notifier", "start", ID, "production", "12345"];

fn notifications(place: &Place, section: &mut Section) -> Result<()> {
    let progress = [
        "slack-notifier",
        "progress",
        ID,
        "CREATE_IN_PROGRESS",
        "Creating RDS instance...",
    ];
    // Slack allows one message a second to a channel, and so does the queue; each round begins with an empty one.
    let fresh = |folders: &'static [&'static str]| {
        move || folders.iter().try_for_each(|folder| place.remove(folder))
    };
    let first = Job::new("`start`", place, &START)?.before(fresh(&[QUEUE, ".deployment-registry"]));
    drop(race(place, 1, vec![first])?);
    place.write("body.json", &last_post(place)?)?;
    let data = format!("@{}", place.path("body.json").display());
    let url = format!("{}{POST}", place.slack.api_url());
    let token = format!("Authorization: Bearer {}", simulators::TOKEN);
    let json = "Content-Type: application/json; charset=utf-8";
    let curl = [
        "curl",
        "-sS",
        "--fail",
        "-H",
        &token,
        "-H",
        json,
        "--data-binary",
        &data,
        &url,
    ];
    let posted = place.slack.all_messages().len();
    let runs = race(
        place,
        ROUNDS,
        vec![
            Job::new("`slack-notifier start`, one request", place, &START)?
                .before(fresh(&[QUEUE, ".deployment-registry"])),
            Job::new("`curl` with the same body", place, &curl)?,
        ],
    )?;
    let posted = place.slack.all_messages().len() - posted;
    ensure!(
        posted == 2 * (ROUNDS + 1),
        "Slack took {posted} messages of {ROUNDS} rounds of two and one round that does not count"
    );
    let reply = race(
        place,
        ROUNDS,
        vec![
            Job::new(
                "`slack-notifier progress`, a reply and the root's new state: two requests",
                place,
                &progress,
            )?
            .before(fresh(&[QUEUE])),
        ],
    )?;
    section.table(
        &[
            "one notification as a whole process",
            "wall",
            "cpu",
            "peak memory",
        ],
        &runs.iter().chain(&reply).map(row).collect::<Vec<_>>(),
    );
    let [ours, curl] = &runs[..] else {
        bail!("two commands were measured");
    };
    let times = ours.wall_over(curl);
    section.target(
        "one notification at most 1.5x `curl` sending the same body",
        &ratio(times),
        times <= 1.5,
    );
    Ok(())
}

// The body of the last message that Slack was sent.
fn last_post(place: &Place) -> Result<String> {
    let recorded = place.slack.recorded();
    let post = recorded.iter().rev().find(|request| request.action == POST);
    Ok(post.context("no message was sent")?.body.clone())
}

/// What a batch took: seconds a message.
#[derive(Default)]
struct Batches {
    bare: Vec<f64>,
    stored: Vec<f64>,
    request: Vec<f64>,
    drained: Vec<f64>,
}

fn queue(place: &Place, section: &mut Section) -> Result<()> {
    for number in 0..BATCH {
        let id = channel(number);
        place
            .slack
            .add_channel(Channel::new(&id, &id.to_lowercase()));
    }
    let slack = slack(place);
    let mut batches = Batches::default();
    for round in 0..=BATCHES {
        let mut one = Batches::default();
        batch(place, &slack, &mut one)?;
        // The first does not count.
        if round > 0 {
            batches.bare.extend(one.bare);
            batches.stored.extend(one.stored);
            batches.request.extend(one.request);
            batches.drained.extend(one.drained);
        }
    }
    section.text(&format!(
        "A batch is {BATCH} messages, each to a channel of its own, so that no pace is waited for. The bare write is what any file needs \
        that must survive a power cut: a temporary file, fsync, rename, fsync of the folder, with the bytes of the queue's own files. \
        Sending one message durably means to note in its file that it is being sent, the request, and to take the file away."
    ));
    let times =
        |of: &[f64], to: &[f64]| Spread::of(of.iter().zip(to).map(|(of, to)| of / to)).median;
    let floor: Vec<f64> = batches
        .bare
        .iter()
        .zip(&batches.request)
        .map(|(a, b)| a + b)
        .collect();
    let stored = times(&batches.stored, &batches.bare);
    let drained = times(&batches.drained, &batches.bare);
    let line = |name: &str, values: &[f64], times: f64| {
        let spread = Spread::of(values.iter().copied());
        let rate = format!("{:.0}", 1.0 / spread.median);
        vec![name.to_owned(), spread.milliseconds(), rate, ratio(times)]
    };
    section.table(
        &[
            "one message of a batch",
            "wall",
            "a second",
            "against the bare write",
        ],
        &[
            line("bare durable write", &batches.bare, 1.0),
            line("put into the queue", &batches.stored, stored),
            line(
                "the bare request",
                &batches.request,
                times(&batches.request, &batches.bare),
            ),
            line(
                "sent out of the queue, request included",
                &batches.drained,
                drained,
            ),
        ],
    );
    section.target(
        "putting a message into the queue at most 2x the bare durable write",
        &ratio(stored),
        stored <= 2.0,
    );
    let to_floor = times(&batches.drained, &floor);
    section.target(
        "sending one out of the queue at most 2x the bare durable write",
        &format!(
            "{} ({} of the bare write and the bare request together)",
            ratio(drained),
            ratio(to_floor)
        ),
        drained <= 2.0,
    );
    Ok(())
}

fn batch(place: &Place, slack: &Slack, into: &mut Batches) -> Result<()> {
    place.remove(QUEUE)?;
    // The first message makes the folder; it is no part of the batch.
    put(slack, 0)?;
    let bytes = first_file(&place.path(QUEUE))?;
    place.remove(QUEUE)?;
    atomic::create_folder(&place.path(QUEUE), FOLDER_MODE)?;

    let bare = place.path("bare");
    place.remove("bare")?;
    atomic::create_folder(&bare, FOLDER_MODE)?;
    into.bare.push(each(|number| {
        Ok(atomic::write(
            &bare.join(format!("{number:013}.json")),
            &bytes,
            FILE_MODE,
        )?)
    })?);
    into.stored.push(each(|number| put(slack, number))?);

    let body = last_post(place).unwrap_or_default();
    let url = format!("{}{POST}", place.slack.api_url());
    let before = place.slack.all_messages().len();
    let begun = Instant::now();
    let report = slack.process(Effort::default(), &mut |_, _| {})?;
    into.drained.push(a_message(begun.elapsed()));
    ensure!(
        report.delivered == BATCH && place.slack.all_messages().len() == before + BATCH,
        "of {BATCH} messages {} were delivered",
        report.delivered
    );
    let body = if body.is_empty() {
        last_post(place)?
    } else {
        body
    };
    let agent = ureq::Agent::new_with_defaults();
    into.request.push(each(|_| {
        let sent = agent
            .post(&url)
            .header("Authorization", format!("Bearer {}", simulators::TOKEN))
            .header("Content-Type", "application/json; charset=utf-8")
            .send(body.as_str())?;
        ensure!(sent.status() == 200, "HTTP {}", sent.status());
        Ok(())
    })?);
    Ok(())
}

// Seconds a message.
fn each(mut act: impl FnMut(usize) -> Result<()>) -> Result<f64> {
    let begun = Instant::now();
    (0..BATCH).try_for_each(&mut act)?;
    Ok(a_message(begun.elapsed()))
}

fn a_message(batch: Duration) -> f64 {
    batch.as_secs_f64() / BATCH as f64
}

fn put(slack: &Slack, number: usize) -> Result<()> {
    let notification = Notification::Custom {
        message: "RDS instance creation failed: Insufficient capacity".to_owned(),
    };
    let options = Options {
        channel: Some(channel(number)),
        ..Options::default()
    };
    slack.enqueue(&notification, &options)?;
    Ok(())
}

fn channel(number: usize) -> String {
    format!("C0BENCH{number:04}")
}

fn first_file(folder: &Path) -> Result<Vec<u8>> {
    let files = std::fs::read_dir(folder).context("the queue")?;
    let mut paths = files.filter_map(|file| Some(file.ok()?.path()));
    let message = paths.find(|path| path.extension().is_some_and(|ending| ending == "json"));
    std::fs::read(message.context("the queue is empty")?).context("the queue's message")
}

fn slack(place: &Place) -> Slack {
    let variables = place.variables().clone();
    let queue = place.path(QUEUE).display().to_string();
    let registry = place.path(".deployment-registry").display().to_string();
    let look_up = move |name: &str| match name {
        "SLACK_QUEUE_DIR" => Some(queue.clone()),
        "REGISTRY_DIR" => Some(registry.clone()),
        other => variables.get(other).cloned(),
    };
    let settings = Settings::new(look_up, SettingsFile::default());
    Slack::from_settings(&settings, Arc::new(SystemClock::default()))
}

fn row(runs: &Runs) -> Vec<String> {
    vec![
        runs.name.clone(),
        runs.wall().milliseconds(),
        runs.cpu().milliseconds(),
        runs.peak().mebibytes(),
    ]
}
