//! Commands that are measured against each other.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::figures::Spread;
use crate::launch::{self, Sample};
use crate::place::Place;

/// One command, and what must be so before each of its runs.
pub(crate) struct Job<'a> {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    before: Box<dyn FnMut() -> Result<()> + 'a>,
}

impl<'a> Job<'a> {
    /// A program, looked up along the place's `PATH`, with its words.
    pub(crate) fn new(name: &str, place: &Place, words: &[&str]) -> Result<Self> {
        let (program, arguments) = words.split_first().context("a program's name")?;
        Ok(Self {
            name: name.to_owned(),
            program: place.find(program)?,
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
            before: Box::new(|| Ok(())),
        })
    }

    /// A bash script.
    pub(crate) fn script(name: &str, place: &Place, script: &str) -> Result<Self> {
        Self::new(name, place, &["bash", "-c", script])
    }

    /// What is done before each run, outside the measured time.
    pub(crate) fn before(mut self, act: impl FnMut() -> Result<()> + 'a) -> Self {
        self.before = Box::new(act);
        self
    }

    fn run(&mut self, place: &Place) -> Result<Sample> {
        (self.before)()?;
        let report = place.path("report.json");
        let output = place.path("output.txt");
        let file = std::fs::File::create(&output).context("output.txt")?;
        let launched = Command::new(std::env::current_exe().context("this program")?)
            .arg(launch::WORD)
            .arg(&report)
            .arg(&self.program)
            .args(&self.arguments)
            .env_clear()
            .envs(place.variables())
            .current_dir(place.folder())
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("output.txt")?)
            .stderr(file)
            .status()
            .context("the launcher")?;
        let said = || std::fs::read_to_string(&output).unwrap_or_default();
        if !launched.success() {
            bail!("{} could not be measured: {}", self.name, said());
        }
        let sample = launch::read(&report)?;
        // What does not do its job is not measured.
        if sample.status != 0 {
            bail!("{} ended with {}: {}", self.name, sample.status, said());
        }
        Ok(sample)
    }
}

/// All runs of one job.
#[derive(Debug, Clone)]
pub(crate) struct Runs {
    /// The job's name.
    pub(crate) name: String,
    samples: Vec<Sample>,
}

impl Runs {
    /// Wall time in seconds.
    pub(crate) fn wall(&self) -> Spread {
        Spread::of_spans(self.samples.iter().map(|sample| sample.wall))
    }

    /// User and system time in seconds.
    pub(crate) fn cpu(&self) -> Spread {
        Spread::of_spans(self.samples.iter().map(|sample| sample.cpu))
    }

    /// Peak memory in bytes.
    pub(crate) fn peak(&self) -> Spread {
        Spread::of(self.samples.iter().map(|sample| sample.peak as f64))
    }

    /// The median of the ratios of wall times, round by round: what a machine that slows down slows in both.
    pub(crate) fn wall_over(&self, other: &Self) -> f64 {
        let pairs = self.samples.iter().zip(&other.samples);
        Spread::of(pairs.map(|(a, b)| a.wall.as_secs_f64() / b.wall.as_secs_f64())).median
    }
}

/// Runs the jobs in turn, `rounds` times after one round that does not count.
pub(crate) fn race(place: &Place, rounds: usize, mut jobs: Vec<Job<'_>>) -> Result<Vec<Runs>> {
    let mut all: Vec<Runs> = jobs
        .iter()
        .map(|job| Runs {
            name: job.name.clone(),
            samples: Vec::with_capacity(rounds),
        })
        .collect();
    for round in 0..=rounds {
        for (job, runs) in jobs.iter_mut().zip(&mut all) {
            let sample = job.run(place)?;
            if round > 0 {
                runs.samples.push(sample);
            }
        }
    }
    Ok(all)
}
