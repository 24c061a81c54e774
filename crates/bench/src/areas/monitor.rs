//! What watching costs: the CPU time of a poll, and the most memory a monitor takes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use simulators::{Crowd, Event, Play, Stack};

use crate::Bench;
use crate::figures::{Spread, digits, ratio};
use crate::job::{Job, Runs, race};
use crate::page::Section;
use crate::place::Place;

/// So many events are on the stack before the deployment begins.
const HISTORIES: [u64; 3] = [100, 1_000, 10_000];

/// The `aws` command reads all of them each time, a page of 100 after the other.
const HISTORIES_FOR_AWS: [u64; 2] = [100, 1_000];

/// Resources in progress while nothing happens.
const IN_PROGRESS: usize = 10;

const SAMPLES: usize = 5;
const POLLS_IN_A_SAMPLE: usize = 200;

/// The most a monitor may take over a deployment of 1,000 resources.
const MOST_MEBIBYTES: f64 = 15.0;

/// Nothing here takes longer on a slow machine.
const CAP: Duration = Duration::from_secs(180);

pub(crate) fn measure(bench: &Bench) -> Result<Section> {
    let mut section = Section::new("Watching a deployment");
    polls(bench, &mut section)?;
    memory(bench, &mut section)?;
    Ok(section)
}

fn polls(bench: &Bench, section: &mut Section) -> Result<()> {
    section.text(&format!(
        "A quiet poll: {IN_PROGRESS} resources are in progress and nothing is new. The monitor's is the CPU time of its process over \
        {POLLS_IN_A_SAMPLE} polls, divided by their number: a poll each 20 ms over a connection that stays open. With 30 s between \
        two, a new connection may come on top. The `aws` command is a process for each poll and reads the whole history; `curl` \
        with one page of events is the floor for a process. Medians with their smallest and largest value."
    ));
    let mut rows = Vec::new();
    let mut ours = Vec::new();
    for history in HISTORIES {
        let (cpu, requests) = poll(bench, history)?;
        let name = format!("`deployment-monitor`, {history} old events");
        rows.push(vec![name, cpu.milliseconds(), digits(requests)]);
        ours.push((history, cpu));
    }
    let mut times = Vec::new();
    for history in HISTORIES_FOR_AWS {
        let (runs, requests) = scripts(bench, history)?;
        for (runs, requests) in runs.iter().zip(requests) {
            let cpu = runs.cpu().milliseconds();
            rows.push(vec![runs.name.clone(), cpu, requests.to_string()]);
        }
        let own = ours.iter().find(|(known, _)| *known == history);
        if let (Some((_, own)), Some(aws)) = (own, runs.first()) {
            times.push(ratio(aws.cpu().over(own)));
        }
    }
    section.table(&["poll", "cpu", "requests"], &rows);
    section.text(&format!(
        "A poll of the `aws` command takes {} the CPU time of the monitor's, with {} old events.",
        times.join(" and "),
        HISTORIES_FOR_AWS
            .map(|history| history.to_string())
            .join(" and ")
    ));
    if let [(_, few), .., (_, many)] = &ours[..] {
        let grows = many.over(few);
        section.target(
            "a quiet poll costs the same whatever the history (within a quarter)",
            &format!("{} with the longest", ratio(grows)),
            grows < 1.25,
        );
    }
    Ok(())
}

// A stack with a history, in the middle of an update.
fn quiet(place: &Place, history: u64) {
    let old = Stack::new("App").status("UPDATE_COMPLETE").history(history);
    place.cloudformation.add_stack(old);
    let mut events = vec![Event::own(0.0, "UPDATE_IN_PROGRESS")];
    events.extend((0..IN_PROGRESS).map(|number| {
        let name = format!("Service{number}");
        Event::resource(0.0, &name, "AWS::ECS::Service", "UPDATE_IN_PROGRESS")
    }));
    place.cloudformation.play("App", &events, &Play::default());
}

// The CPU time of one poll in seconds, and its requests.
fn poll(bench: &Bench, history: u64) -> Result<(Spread, f64)> {
    let place = Place::new(bench)?;
    quiet(&place, history);
    let mut monitor = Watching::start(&place, "m1", "20ms")?;
    monitor.wait_for("the first events", |log| {
        log.matches("UPDATE_IN_PROGRESS").count() > IN_PROGRESS
    })?;
    let looks = || place.cloudformation.requests("DescribeStacks");
    let mut samples = Vec::new();
    let (mut polls, mut requests) = (0, 0);
    // The first sample does not count: it has what is done once.
    for number in 0..=SAMPLES {
        place.cloudformation.forget_requests();
        let before = monitor.cpu_seconds()?;
        monitor.wait_for("polls", |_| looks() >= POLLS_IN_A_SAMPLE)?;
        let seen = looks();
        if number > 0 {
            samples.push((monitor.cpu_seconds()? - before) / seen as f64);
            polls += seen;
            requests += place.cloudformation.requests("DescribeStacks")
                + place.cloudformation.requests("DescribeStackEvents");
        }
    }
    place
        .cloudformation
        .event("App", Event::own(0.0, "UPDATE_COMPLETE"));
    monitor.succeed()?;
    Ok((Spread::of(samples), requests as f64 / polls as f64))
}

fn scripts(bench: &Bench, history: u64) -> Result<(Vec<Runs>, Vec<usize>)> {
    let place = Place::new(bench)?;
    quiet(&place, history);
    let aws = format!("`aws cloudformation describe-stack-events`, {history} old events");
    let body = "Action=DescribeStackEvents&Version=2010-05-15&StackName=App";
    let url = place.cloudformation.url();
    let aws_words = [
        "aws",
        "cloudformation",
        "describe-stack-events",
        "--stack-name",
        "App",
    ];
    let curl_words = ["curl", "-sS", "-d", body, &url];
    let aws_job = || Job::new(&aws, &place, &aws_words);
    place.cloudformation.forget_requests();
    // One round that does not count, and one that does.
    drop(race(&place, 1, vec![aws_job()?])?);
    let pages = place.cloudformation.requests("DescribeStackEvents") / 2;
    let mut jobs = vec![aws_job()?];
    let mut requests = vec![pages];
    if history == HISTORIES_FOR_AWS[0] {
        jobs.push(Job::new(
            "`curl`, one `DescribeStackEvents`",
            &place,
            &curl_words,
        )?);
        requests.push(1);
    }
    Ok((race(&place, SAMPLES, jobs)?, requests))
}

fn memory(bench: &Bench, section: &mut Section) -> Result<()> {
    section.text(
        "Memory: the most that was resident at once (`VmHWM`) while a creation is watched from its beginning, and when it is read \
        anew in one go after a kill. Every event was told once.",
    );
    let mut rows = Vec::new();
    let mut most_of_thousand = 0.0;
    for nested in [1, 10, 50] {
        let crowd = Crowd {
            nested,
            resources: 100,
            seconds: 4.0,
        };
        let (watched, anew) = peaks(bench, &crowd)?;
        let resources = nested * crowd.resources;
        rows.push(vec![
            format!(
                "{resources} resources, 100 in a nested stack, {} events",
                crowd.events()
            ),
            format!("{watched:.1} MiB"),
            format!("{anew:.1} MiB"),
        ]);
        if resources == 1_000 {
            most_of_thousand = watched.max(anew);
        }
    }
    section.table(&["deployment", "watched", "read anew"], &rows);
    section.limit(
        &format!("under {MOST_MEBIBYTES} MiB over 1,000 resources in nested stacks"),
        &format!("{most_of_thousand:.1} MiB"),
        most_of_thousand > 0.0 && most_of_thousand < MOST_MEBIBYTES,
    );
    Ok(())
}

// In mebibytes: watched from the beginning, and read anew after a kill.
fn peaks(bench: &Bench, crowd: &Crowd) -> Result<(f64, f64)> {
    let place = Place::new(bench)?;
    crowd.play(&place.cloudformation, "App");
    let mut first = Watching::start(&place, "m1", "500ms")?;
    let all_but_the_last = crowd.events() - 1;
    first.wait_for("every event but the last", |log| {
        told(log) >= all_but_the_last
    })?;
    let watched = first.peak;
    first.kill()?;
    place
        .cloudformation
        .event("App", Event::own(0.0, "CREATE_COMPLETE"));
    let second = Watching::start(&place, "m1", "500ms")?;
    let anew = second.succeed()?;
    let log = std::fs::read_to_string(place.path("m1.log")).context("m1.log")?;
    ensure!(
        told(&log) == crowd.events(),
        "{} events were told, {} happened",
        told(&log),
        crowd.events()
    );
    Ok((watched, anew))
}

fn told(log: &str) -> usize {
    log.matches("\"level\":\"EVENT\"").count()
}

/// A monitor that runs, and the most memory it was seen to take.
struct Watching {
    child: Child,
    log: PathBuf,
    peak: f64,
}

impl Watching {
    fn start(place: &Place, id: &str, interval: &str) -> Result<Self> {
        let log = place.path(&format!("{id}.log"));
        let child = Command::new(place.find("deployment-monitor")?)
            .args([id, "App", ""])
            .arg(&log)
            .env_clear()
            .envs(place.variables())
            .env("CHECK_INTERVAL", interval)
            .current_dir(place.folder())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("the monitor")?;
        Ok(Self {
            child,
            log,
            peak: 0.0,
        })
    }

    // Looks at its memory until `done` likes its log; an error where it ends before.
    fn wait_for(&mut self, what: &str, done: impl Fn(&str) -> bool) -> Result<()> {
        let begun = Instant::now();
        loop {
            self.note_peak();
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            if done(&log) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait().context("the monitor")? {
                bail!("the monitor ended with {status} before {what}: {log}");
            }
            ensure!(begun.elapsed() < CAP, "waited too long for {what}");
            pause();
        }
    }

    // Waits for a good end; the peak in mebibytes.
    fn succeed(mut self) -> Result<f64> {
        let begun = Instant::now();
        let status: ExitStatus = loop {
            self.note_peak();
            if let Some(status) = self.child.try_wait().context("the monitor")? {
                break status;
            }
            ensure!(
                begun.elapsed() < CAP,
                "waited too long for the monitor's end"
            );
            pause();
        };
        ensure!(status.success(), "the monitor ended with {status}");
        Ok(self.peak)
    }

    fn kill(&mut self) -> Result<()> {
        self.child.kill().context("the monitor")?;
        self.child.wait().context("the monitor")?;
        Ok(())
    }

    // One that has just ended has no memory to look at.
    fn note_peak(&mut self) {
        let status = proc_file(self.child.id(), "status").unwrap_or_default();
        let kibibytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
        self.peak = self.peak.max(kibibytes.unwrap_or_default() / 1024.0);
    }

    fn cpu_seconds(&self) -> Result<f64> {
        // USER_HZ, in man 7 time: on every architecture that we build for.
        const TICKS_PER_SECOND: f64 = 100.0;
        let stat = proc_file(self.child.id(), "stat")?;
        // Behind the name, which may hold anything: state is the first field, user and system time the 12th and 13th (man 5 proc).
        let (_, rest) = stat.rsplit_once(')').context("stat")?;
        let ticks: Vec<f64> = rest
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|word| word.parse().ok())
            .collect();
        ensure!(ticks.len() == 2, "stat: {stat}");
        Ok(ticks.iter().sum::<f64>() / TICKS_PER_SECOND)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // Fails for one that has ended, and then there is nothing to do.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn proc_file(pid: u32, name: &str) -> Result<String> {
    let path = Path::new("/proc").join(pid.to_string()).join(name);
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a real program is looked at in real time"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}
