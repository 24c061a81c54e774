//! `cargo xtask backtest [FILES…]`: how far off the estimate would have been on operations of the past.
//!
//! Each operation is stopped at a quarter, half and three quarters of its time and estimated from what was known then, beside
//! three plain estimates. Cold: nothing of the operation's own source is known. Warm: only the stack's earlier operations are.
//! Counted are operations without a failure; where a record was cut, its last event is the end, and what the record never
//! sees the end of is no part of what is estimated. Which resources an operation touches is known (a template or a change set
//! tells it); when is not.

mod coverage;
mod overall;
mod plain;
pub(crate) mod records;
mod score;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use registry_core::estimate::interval::{self, Judged};
use registry_core::estimate::operation::{Operation, RunState};
use registry_core::estimate::plan::Planned;
use registry_core::estimate::{Estimate, EstimateInput, Past, Table, estimate, replay};

use coverage::Repeated;
use records::Record;
use score::{Case, Scores};

/// Operations shorter than this are listed and not counted: a second of rounding would be ten per cent of them.
const COUNTED_FROM: f64 = 100.0;
const SHARES: [f64; 3] = [0.25, 0.5, 0.75];

/// Runs it; true when it could be measured (the targets are printed, not enforced).
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let (options, files): (Vec<&String>, Vec<&String>) =
        arguments.iter().partition(|word| word.starts_with("--"));
    ensure!(
        options.iter().all(|option| *option == "--verbose"),
        "the only option is --verbose"
    );
    let shipped = records::read(&records::shipped()?)?;
    let tested = if files.is_empty() {
        records::read(&records::shipped()?)?
    } else {
        records::read(&files.into_iter().map(PathBuf::from).collect::<Vec<_>>())?
    };
    let measured = measure(&shipped, &tested);
    for scores in [&measured.cold, &measured.cold_short, &measured.warm] {
        scores.print(!options.is_empty());
    }
    coverage::by_the_others(&measured.repeated).print(
        "at 10 to 90 %, the interval learned from the errors of all other repeated operations",
    );
    measured.overall.print(!options.is_empty());
    Ok(true)
}

struct Measured {
    cold: Scores,
    cold_short: Scores,
    warm: Scores,
    repeated: Vec<Repeated>,
    overall: overall::Overall,
}

fn measure(shipped: &[Record], tested: &[Record]) -> Measured {
    let mut cold = Scores::new("cold, operations of 100 s and more");
    let mut cold_short = Scores::new("cold, shorter operations");
    let mut warm = Scores::new("warm, repeated operations of one stack");
    let mut repeated = Vec::new();
    let mut overall = overall::Overall::default();
    let healthy = tested.iter().filter(|record| record.operation.is_healthy());
    for record in healthy {
        let others = records::strangers(shipped, record);
        let table = records::table(others.iter().copied());
        let totals = totals(others.iter().copied(), record);
        let (truth, end) = measured(record);
        let scores = if end >= COUNTED_FROM {
            &mut cold
        } else {
            &mut cold_short
        };
        cases(
            record,
            &truth,
            end,
            &Past::default(),
            &table,
            &totals,
            scores,
        );
        for (_, left, estimated) in tenths(&truth, end, &Past::default(), &table) {
            overall.add(record, left, estimated);
        }
        let earlier = earlier(tested, record);
        if !earlier.is_empty() {
            let totals = self::totals(earlier.iter().copied(), record);
            let past = past(&earlier, &table);
            cases(record, &truth, end, &past, &table, &totals, &mut warm);
            repeated.push(Repeated {
                judged: Judged::of(interval::JUDGED_AT.map(|share| {
                    let now = end * share;
                    let ours = ours(&truth, now, &past, &table);
                    (end - now, ours.remaining.as_secs_f64())
                })),
                moments: tenths(&truth, end, &past, &table),
            });
        }
    }
    Measured {
        cold,
        cold_short,
        warm,
        repeated,
        overall,
    }
}

/// What is measured of an operation, and when it ends: where its record was cut, at the last event.
fn measured(record: &Record) -> (Operation, f64) {
    let mut truth = record.operation.clone();
    if truth.took.is_none() {
        truth.runs.retain(|run| run.state != RunState::Running);
    }
    let end = truth.took.unwrap_or(record.last_event);
    (truth, end)
}

fn totals<'a>(records: impl Iterator<Item = &'a Record>, like: &Record) -> Vec<f64> {
    records
        .filter(|record| {
            record.operation.kind == like.operation.kind && record.operation.is_healthy()
        })
        .map(|record| measured(record).1)
        .collect()
}

fn earlier<'a>(records: &'a [Record], record: &Record) -> Vec<&'a Record> {
    let mut earlier: Vec<&Record> = records
        .iter()
        .filter(|other| !other.undated && !record.undated)
        .filter(|other| other.source == record.source && other.stack == record.stack)
        .filter(|other| other.operation.started < record.operation.started)
        .collect();
    earlier.sort_by_key(|other| other.operation.started);
    earlier
}

/// The history that `collect` would have made of the stack's earlier operations.
fn past(earlier: &[&Record], table: &Table) -> Past {
    let mut history = registry_core::history::History::default();
    for record in earlier {
        let operations = std::slice::from_ref(&record.operation);
        history.add_operations(
            &record.stack,
            operations,
            20,
            table,
            record.operation.started,
        );
    }
    history.past(&earlier[0].stack)
}

fn cases(
    record: &Record,
    truth: &Operation,
    end: f64,
    past: &Past,
    table: &Table,
    totals: &[f64],
    scores: &mut Scores,
) {
    let planned = planned(truth);
    for share in SHARES {
        let now = end * share;
        let seen = replay::as_of(truth, now);
        let ours = ours(truth, now, past, table);
        scores.add(Case {
            name: record.name.clone(),
            share,
            actual: end - now,
            estimates: [
                ours.remaining.as_secs_f64(),
                plain::average_total(totals, now),
                plain::sum_of_pending(&seen, &planned, past, table),
                plain::longest_pending(&seen, &planned, past, table, now),
            ],
            interval: (ours.low.as_secs_f64(), ours.high.as_secs_f64()),
            learned: past.errors.len() >= interval::ENOUGH_JUDGED,
            path: ours
                .path
                .iter()
                .map(|step| format!("{}:{:.0}-{:.0}", step.id, step.begin, step.end))
                .collect(),
        });
    }
}

/// Seconds passed, seconds left and seconds estimated to be left, at every tenth of the time.
fn tenths(truth: &Operation, end: f64, past: &Past, table: &Table) -> Vec<(f64, f64, f64)> {
    (1..10)
        .map(|tenth| {
            let now = end * f64::from(tenth) / 10.0;
            (
                now,
                end - now,
                ours(truth, now, past, table).remaining.as_secs_f64(),
            )
        })
        .collect()
}

fn planned(truth: &Operation) -> Vec<Planned> {
    truth
        .runs
        .iter()
        .map(|run| Planned {
            id: run.id.clone(),
            resource_type: run.resource_type.clone(),
            action: run.action,
            phase: run.phase,
            doubtful: false,
        })
        .collect()
}

/// Our estimate `now` seconds into an operation of which the list of resources is known.
fn ours(truth: &Operation, now: f64, past: &Past, table: &Table) -> Estimate {
    estimate(&EstimateInput {
        operation: &replay::as_of(truth, now),
        planned: &planned(truth),
        template: None,
        past,
        table,
        now,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_is_as_good_on_the_shipped_records_as_it_has_to_be() {
        let shipped = records::read(&records::shipped().unwrap()).unwrap();
        let measured = measure(&shipped, &shipped);
        let (median, within) = measured.cold.ours_at(0.5).unwrap();
        assert!(median < 0.30 && within >= 0.80, "cold: {median} {within}");
        let (median, _) = measured.warm.ours_at(0.5).unwrap();
        assert!(median < 0.15, "warm: {median}");
    }
}
