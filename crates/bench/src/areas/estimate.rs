//! `estimate` while a deployment runs, the scripts' way, and `collect` of a long and busy past.

use anyhow::{Context as _, Result, ensure};
use registry_core::trace::Trace;
use simulators::{Play, Stack, trace_file};

use super::programs::{ESTIMATE_SCRIPT, with_stack};
use crate::Bench;
use crate::figures::{Spread, ratio};
use crate::job::{Job, Runs, race};
use crate::page::Section;
use crate::place::Place;

const STACK: &str = "CourtCaseManagementStack";
const BUSY: &str = "BusyStack";
const ID: &str = "20260114-123456-abc123";
/// An operation of six minutes: a load balancer and a distribution beside fifty other resources.
const RECORD: &str = "rlhf-synth-fixer_secure-web-stack_create3.jsonl";
const ROUNDS: usize = 15;
const EVENTS: u64 = 100_000;
const OPERATIONS: u64 = 60;

pub(crate) fn measure(bench: &Bench) -> Result<Section> {
    let mut section = Section::new("The estimate");
    section.text("Times are medians with their smallest and largest value.");
    running(&Place::new(bench)?, &mut section)?;
    past(&Place::new(bench)?, &mut section)?;
    Ok(section)
}

fn running(place: &Place, section: &mut Section) -> Result<()> {
    section.text(
        "A creation with 50 resources is in progress. The scripts' way are its three `aws` calls and `jq`. The floor is one `curl` with \
        the three requests that `estimate` sends.",
    );
    let bytes = std::fs::read(trace_file(RECORD)).context(RECORD)?;
    let begun = Play {
        after: -30.0,
        ..Play::default()
    };
    let trace = Trace::parse(&bytes)?;
    place.cloudformation.play_trace(STACK, &trace, &begun);
    let words = ["deployment-time-estimator", "estimate", ID, STACK];
    place.cloudformation.forget_requests();
    drop(race(
        place,
        1,
        vec![Job::new("`estimate`", place, &words)?],
    )?);
    let bodies: Vec<String> = place
        .cloudformation
        .recorded()
        .into_iter()
        .map(|request| request.body)
        .collect();
    // One round that does not count, and one that does.
    let asked = bodies.len() / 2;
    let url = place.cloudformation.url();
    let mut curl: Vec<&str> = vec!["curl", "-sS", "--fail"];
    for (number, body) in bodies[..asked].iter().enumerate() {
        if number > 0 {
            curl.push("--next");
        }
        curl.extend(["-d", body, &url]);
    }
    let script = with_stack(ESTIMATE_SCRIPT);
    let runs = race(
        place,
        ROUNDS,
        vec![
            Job::new("`estimate`", place, &words)?,
            Job::new("one `curl`, the same requests", place, &curl)?,
        ],
    )?;
    let scripts = race(
        place,
        5,
        vec![Job::script(
            "the scripts' three `aws` calls",
            place,
            &script,
        )?],
    )?;
    let rows: Vec<Vec<String>> = runs
        .iter()
        .chain(&scripts)
        .zip([asked, asked, 3])
        .map(|(runs, asked)| row(runs, asked))
        .collect();
    section.table(
        &[
            "a deployment in progress",
            "wall",
            "cpu",
            "peak memory",
            "requests",
        ],
        &rows,
    );
    let [ours, curl] = &runs[..] else {
        anyhow::bail!("two commands were measured");
    };
    section.target(
        "`estimate` asks at most 3 times",
        &format!("{asked} times"),
        asked <= 3,
    );
    let times = scripts[0].wall().over(&ours.wall());
    section.target(
        "`estimate` at least 100x less wall time than the scripts' way",
        &ratio(times),
        times >= 100.0,
    );
    let to_curl = ours.wall_over(curl);
    section.target(
        "`estimate` at most 1.5x `curl` with the same requests",
        &ratio(to_curl),
        to_curl <= 1.5,
    );
    Ok(())
}

fn past(place: &Place, section: &mut Section) -> Result<()> {
    section.text(&format!(
        "`{BUSY}` has {EVENTS} events behind it, in {OPERATIONS} operations. `collect` reads 20 of them unless told otherwise, and no more than \
        500 pages of 100 events."
    ));
    place.cloudformation.add_stack(
        Stack::new(BUSY)
            .status("UPDATE_COMPLETE")
            .busy_history(EVENTS, OPERATIONS),
    );
    let history = place.path(".deployment-registry/deployment-history.json");
    let forget = || match std::fs::remove_file(&history) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context("the history could not be removed")
        }
        Ok(()) | Err(_) => Ok(()),
    };
    let words = ["deployment-time-estimator", "collect", BUSY];
    let all = [&words[..], &["--operations", "60"]].concat();
    let mut rows = Vec::new();
    let mut measure = |job: Job<'_>| -> Result<(Runs, usize)> {
        place.cloudformation.forget_requests();
        let runs = race(place, 3, vec![job])?.remove(0);
        let asked = place.cloudformation.recorded().len() / 4;
        rows.push(row(&runs, asked));
        Ok((runs, asked))
    };
    let (first, asked) =
        measure(Job::new("`collect` for the first time", place, &words)?.before(forget))?;
    let kept = std::fs::read(&history).context("the history")?;
    let (_, again) = measure(Job::new("`collect` again", place, &words)?)?;
    ensure!(
        std::fs::read(&history).context("the history")? == kept,
        "a second collection changed the history"
    );
    let (most, most_asked) = measure(
        Job::new("`collect --operations 60` for the first time", place, &all)?.before(forget),
    )?;
    section.table(
        &["a long past", "wall", "cpu", "peak memory", "requests"],
        &rows,
    );
    section.target(
        "`collect` of 20 operations asks for no more than their pages",
        &format!("{asked} requests, {again} the second time"),
        asked <= 336,
    );
    section.target(
        "`collect` never asks more than 501 times",
        &format!("{most_asked} requests"),
        most_asked <= 501,
    );
    let peak = |runs: &Runs| runs.peak().median / f64::from(1 << 20);
    section.target(
        "`collect` in under 64 MiB",
        &format!(
            "{:.1} MiB, {:.1} MiB for all it ever reads",
            peak(&first),
            peak(&most)
        ),
        peak(&first).max(peak(&most)) < 64.0,
    );
    section.text("The second collection left the file as it was, byte for byte.");
    Ok(())
}

fn row(runs: &Runs, asked: usize) -> Vec<String> {
    let cpu: Spread = runs.cpu();
    vec![
        runs.name.clone(),
        runs.wall().milliseconds(),
        cpu.milliseconds(),
        runs.peak().mebibytes(),
        asked.to_string(),
    ]
}
