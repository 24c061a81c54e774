//! The file registry: one update against the bare cost of writing the same bytes durably, alone and contended; reads; `register` as
//! a whole process.

mod worker;

pub(crate) use worker::serve;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use simulators::Stack;

use crate::Bench;
use crate::figures::{Spread, ratio};
use crate::job::{Job, race};
use crate::page::Section;
use crate::place::Place;
use worker::{Work, many, one};

/// The first argument that makes this program one of many that write at once.
pub(crate) const WORD: &str = "write-registry";

const STACK: &str = "CourtCaseManagementStack";
const SIZES: [usize; 3] = [1, 100, 10_000];
const CROWDS: [usize; 3] = [1, 8, 64];
const FILE: &str = ".deployment-registry/deployments.json";

pub(crate) fn measure(bench: &Bench) -> Result<Section> {
    let place = Place::new(bench)?;
    place
        .cloudformation
        .add_stack(Stack::new(STACK).status("UPDATE_COMPLETE"));
    let mut section = Section::new("The file registry");
    section.text(
        "The bare write is what any program must do that keeps the same bytes: write a file beside, fsync, rename, fsync of the folder. \
        An update is a holder's sign of life: lock, read, change, write. Entries are as `register` makes them, each in an environment of \
        its own, but for the last table all by one process.",
    );
    updates(&place, &mut section)?;
    contended(&place, &mut section)?;
    reads(&place, &mut section)?;
    register(&place, &mut section)?;
    Ok(section)
}

fn updates(place: &Place, section: &mut Section) -> Result<()> {
    let mut rows = Vec::new();
    for size in SIZES {
        let folder = filled(place, size)?;
        let rounds = if size > 1000 { 25 } else { 100 };
        let (update, bare): (Vec<Duration>, Vec<Duration>) = (0..rounds)
            .map(|_| Ok((one(&folder, Work::Update(0))?, one(&folder, Work::Bare(0))?)))
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .unzip();
        let pairs = update.iter().zip(&bare);
        let over = Spread::of(pairs.map(|(a, b)| a.as_secs_f64() / b.as_secs_f64())).median;
        rows.push(vec![
            size.to_string(),
            kibibytes(&folder)?,
            Spread::of_spans(update).milliseconds(),
            Spread::of_spans(bare).milliseconds(),
            ratio(over),
        ]);
        section.target(
            &format!("an update among {size} entries at most 2x the bare write"),
            &ratio(over),
            over <= 2.0,
        );
    }
    section.table(&["entries", "file", "update", "bare write", "ratio"], &rows);
    Ok(())
}

fn contended(place: &Place, section: &mut Section) -> Result<()> {
    let mut rows = Vec::new();
    let folder = filled(place, 100)?;
    for crowd in CROWDS {
        let each = 256 / crowd;
        let update = many(&folder, crowd, each, "update")?;
        let bare = many(&folder, crowd, each, "bare")?;
        rows.push(vec![
            crowd.to_string(),
            update.each().milliseconds(),
            Spread::of_spans(update.waits()).milliseconds(),
            bare.each().milliseconds(),
            ratio(update.each().over(&bare.each())),
        ]);
    }
    section.table(
        &[
            "processes at once, 100 entries",
            "update, of all together",
            "update, as its process waits for it",
            "bare write, of all together (without a lock)",
            "ratio",
        ],
        &rows,
    );
    Ok(())
}

fn reads(place: &Place, section: &mut Section) -> Result<()> {
    let mut rows = Vec::new();
    for size in SIZES {
        let _folder = filled(place, size)?;
        let words = ["deployment-coordinator", "verify", "id-0"];
        let jobs = vec![
            Job::new("verify", place, &words)?,
            Job::new("start", place, &[words[0], "--version"])?,
        ];
        let runs = race(place, 25, jobs)?;
        let [read, start] = &runs[..] else {
            anyhow::bail!("two commands were measured");
        };
        let over = read.wall().median - start.wall().median;
        rows.push(vec![
            size.to_string(),
            read.wall().milliseconds(),
            start.wall().milliseconds(),
            read.peak().mebibytes(),
        ]);
        section.target(
            &format!("a read among {size} entries at most 1 ms over the program's start"),
            &format!("{:.2} ms", over * 1e3),
            over <= 0.001,
        );
    }
    section.table(
        &[
            "entries",
            "`verify`",
            "`--version`",
            "peak memory of `verify`",
        ],
        &rows,
    );
    Ok(())
}

fn register(place: &Place, section: &mut Section) -> Result<()> {
    let folder = filled(place, 1)?;
    let body = format!("Action=DescribeStacks&Version=2010-05-15&StackName={STACK}");
    let url = place.cloudformation.url();
    let jobs = vec![
        Job::new(
            "`register`",
            place,
            &[
                "deployment-coordinator",
                "register",
                "me",
                "7",
                "production",
            ],
        )?
        .before(|| filled(place, 1).map(drop)),
        Job::new(
            "`curl`, one `DescribeStacks`",
            place,
            &["curl", "-sS", "-d", &body, &url],
        )?,
    ];
    let runs = race(place, 25, jobs)?;
    let [register, curl] = &runs[..] else {
        anyhow::bail!("two commands were measured");
    };
    let bare = Spread::of_spans(
        (0..50)
            .map(|_| one(&folder, Work::Bare(0)))
            .collect::<Result<Vec<_>>>()?,
    );
    let parts = curl.wall().median + bare.median;
    let over = register.wall().median / parts;
    section.table(
        &["whole process", "wall", "cpu", "peak memory"],
        &[
            vec![
                register.name.clone(),
                register.wall().milliseconds(),
                register.cpu().milliseconds(),
                register.peak().mebibytes(),
            ],
            vec![
                curl.name.clone(),
                curl.wall().milliseconds(),
                curl.cpu().milliseconds(),
                curl.peak().mebibytes(),
            ],
            vec![
                "bare write".to_owned(),
                bare.milliseconds(),
                String::new(),
                String::new(),
            ],
        ],
    );
    section.text("`register` asks CloudFormation twice: for the stack, and for its newest event, from which the monitor starts.");
    section.target(
        "`register` at most 1.5x `curl` asking CloudFormation once, plus the bare write",
        &ratio(over),
        over <= 1.5,
    );
    Ok(())
}

// A registry of so many entries, as `register` makes them; the first is `id-0`.
fn filled(place: &Place, size: usize) -> Result<std::path::PathBuf> {
    let path = place.path(FILE);
    let folder = path.parent().context("the registry's folder")?.to_owned();
    let text = json!({ "deployments": (0..size).map(entry).collect::<Vec<Value>>() });
    std::fs::create_dir_all(&folder).context("the registry's folder")?;
    registry_core::store::atomic::write(&path, format!("{text:#}\n").as_bytes(), 0o644)
        .context("the registry")?;
    Ok(folder)
}

fn entry(number: usize) -> Value {
    json!({
        "correlation_id": format!("id-{number}"),
        "workflow_run_id": "21039314875",
        "environment": format!("env-{number}"),
        "stack_name": format!("Stack-{number}"),
        "status": "IN_PROGRESS",
        "started_at": "2026-01-14T12:34:56Z",
        "updated_at": "2026-01-14T12:44:56Z",
        "fencing_token": 1_768_394_096 + number,
        "run_attempt": 1,
        "runner": "GitHub Actions 12",
        "workflow_url": "https://github.com/owner/repo/actions/runs/21039314875",
        "kind": "registered",
        "beat": {"at": "2026-01-14T12:44:56.123Z", "host": "fv-az1", "boot_id": "1f6b7a52-7a53-4ad0-ae45-fb1af1c27c1a", "since_boot_ms": 812_345},
        "baseline": [{"stack_name": format!("Stack-{number}"), "server_time": "2026-01-14T12:34:55Z",
            "stack_id": format!("arn:aws:cloudformation:us-east-1:123456789012:stack/Stack-{number}/1f6b7a52"),
            "event_id": "5a53ad00-f12e-11f0-b9c5-0afff1c27c1a"}],
    })
}

fn kibibytes(folder: &Path) -> Result<String> {
    let bytes = std::fs::metadata(folder.join("deployments.json"))
        .context("the registry")?
        .len();
    Ok(format!("{:.1} KiB", bytes as f64 / 1024.0))
}
