//! What writes: an update of the registry, or the bare write of the same bytes; here or in many processes at once.

use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use registry_core::clock::SystemClock;
use registry_core::registry::Registry;
use registry_core::slot::BeatAnswer;
use registry_core::store::file::{FILE_NAME, FileStore};

use crate::figures::Spread;

/// One thing to do; the number is the writer's.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    /// A sign of life of `id-NUMBER`.
    Update(usize),
    /// The registry's bytes, durably, under another name.
    Bare(usize),
}

/// How long it takes once.
pub(crate) fn one(folder: &Path, work: Work) -> Result<Duration> {
    match work {
        Work::Update(number) => update(folder, number),
        Work::Bare(number) => bare(folder, number),
    }
}

fn update(folder: &Path, number: usize) -> Result<Duration> {
    let store = FileStore::open(folder.to_owned(), Arc::new(SystemClock::default()))?;
    let registry = Registry::over(Box::new(store));
    let id = format!("id-{number}").parse()?;
    // As whoever beats: it knows its entry, so that the registry is read once, under the lock.
    let Some(known) = registry
        .active()?
        .into_iter()
        .find(|entry| entry.correlation_id == format!("id-{number}"))
    else {
        bail!("id-{number} is not in the registry");
    };
    let begun = Instant::now();
    let answer = registry.beat(&id, Some(&known))?;
    let took = begun.elapsed();
    match answer {
        BeatAnswer::StillHolds(_) => Ok(took),
        other => bail!("the beat came to {other:?}"),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the bare cost, which is what is measured"
)]
fn bare(folder: &Path, number: usize) -> Result<Duration> {
    let bytes = std::fs::read(folder.join(FILE_NAME)).context("the registry")?;
    let (temporary, target) = (
        folder.join(format!("bare-{number}.tmp")),
        folder.join(format!("bare-{number}")),
    );
    let begun = Instant::now();
    {
        use std::io::Write as _;
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
    }
    std::fs::rename(&temporary, &target)?;
    std::fs::File::open(folder)?.sync_all()?;
    Ok(begun.elapsed())
}

/// What many processes took.
#[derive(Debug)]
pub(crate) struct Crowd {
    wall: Duration,
    spans: Vec<Duration>,
}

impl Crowd {
    /// One write's share of the time that all took together.
    pub(crate) fn each(&self) -> Spread {
        Spread::of([self.wall.as_secs_f64() / self.spans.len().max(1) as f64])
    }

    /// How long each write took in its own process.
    pub(crate) fn waits(&self) -> Vec<Duration> {
        self.spans.clone()
    }
}

/// `crowd` processes that do `each` of `what` at once.
pub(crate) fn many(folder: &Path, crowd: usize, each: usize, what: &str) -> Result<Crowd> {
    let children = (0..crowd)
        .map(|number| start(folder, number, each, what))
        .collect::<Result<Vec<Child>>>()?;
    let mut children = children;
    // Each says that it is there, and goes when its input ends.
    for child in &mut children {
        use std::io::Read as _;
        let mut there = [0];
        child
            .stdout
            .as_mut()
            .context("its output")?
            .read_exact(&mut there)
            .context("a writer did not begin")?;
    }
    let begun = Instant::now();
    for child in &mut children {
        drop(child.stdin.take());
    }
    let mut spans = Vec::new();
    for child in children {
        let output = child.wait_with_output().context("a writer was lost")?;
        if !output.status.success() {
            bail!("a writer failed");
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        for line in text.lines() {
            spans.push(Duration::from_nanos(line.trim().parse().context("a span")?));
        }
    }
    Ok(Crowd {
        wall: begun.elapsed(),
        spans,
    })
}

fn start(folder: &Path, number: usize, each: usize, what: &str) -> Result<Child> {
    Command::new(std::env::current_exe().context("this program")?)
        .arg(super::WORD)
        .arg(folder)
        .args([number.to_string(), each.to_string(), what.to_owned()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("a writer could not be started")
}

/// One of many: FOLDER NUMBER COUNT WHAT.
pub(crate) fn serve(words: &[String]) -> ExitCode {
    match write(words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}

fn write(words: &[String]) -> Result<()> {
    use std::io::{Read as _, Write as _};
    let [folder, number, count, what] = words else {
        bail!("FOLDER NUMBER COUNT WHAT");
    };
    let (number, count): (usize, usize) = (number.parse()?, count.parse()?);
    let mut out = std::io::stdout();
    out.write_all(b" ")?;
    out.flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    for _ in 0..count {
        let work = if what == "update" {
            Work::Update(number)
        } else {
            Work::Bare(number)
        };
        writeln!(out, "{}", one(Path::new(folder), work)?.as_nanos())?;
    }
    Ok(())
}
