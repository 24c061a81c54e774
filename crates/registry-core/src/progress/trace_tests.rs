//! The reducer against all recorded operations.

use std::path::PathBuf;

use super::*;
use crate::trace::Trace;

const ROOT: &str = "arn:aws:cloudformation:us-east-1:123456789012:stack/App/1";

fn traces() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../simulators/traces")
}

struct Answer {
    file: String,
    end: String,
    status: String,
    cause: String,
    companions: Vec<String>,
}

fn answers() -> Vec<Answer> {
    let text = std::fs::read_to_string(traces().join("answers.tsv")).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut words = line.split('\t').map(str::to_owned);
            let mut next = || words.next().unwrap_or_default();
            Answer {
                file: next(),
                end: next(),
                status: next(),
                cause: next(),
                companions: next()
                    .split(',')
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned)
                    .collect(),
            }
        })
        .collect()
}

fn replayed(file: &str) -> (StackProgress, Vec<Happening>) {
    let bytes = std::fs::read(traces().join(format!("{file}.jsonl"))).unwrap();
    let trace = Trace::parse(&bytes).unwrap();
    let mut progress = StackProgress::of(ROOT);
    let told = events_of_trace(&trace, ROOT, Timestamp::from_seconds(1_700_000_000))
        .iter()
        .flat_map(|event| progress.apply(event))
        .collect();
    (progress, told)
}

#[test]
fn all_fifty_traces_give_the_answers_a_reader_wrote_down() {
    let answers = answers();
    assert_eq!(answers.len(), 50);
    let mut wrong = Vec::new();
    for answer in &answers {
        let (progress, told) = replayed(&answer.file);
        let verdict = progress
            .status()
            .and_then(|status| verdict_of(status, progress.is_undone()));
        let end = match verdict {
            Some(Verdict::Deployed) => "deployed",
            Some(Verdict::Failed) => "failed",
            None => "open",
        };
        let status = progress.status().map_or("-", StackStatus::as_str);
        let cause = match progress.first_failure() {
            None => "-",
            Some(failure) if failure.kind == CauseKind::StackItself => "(stack)",
            Some(failure) => &failure.logical_id,
        };
        let companions: Vec<String> = progress
            .co_causes()
            .iter()
            .map(|failure| failure.logical_id.clone())
            .collect();
        let found = (end, status, cause, &companions);
        let expected = (
            answer.end.as_str(),
            answer.status.as_str(),
            answer.cause.as_str(),
            &answer.companions,
        );
        if found != expected {
            wrong.push(format!(
                "{}: found {found:?}, read {expected:?}",
                answer.file
            ));
        }
        let firsts = told
            .iter()
            .filter(|happening| matches!(happening, Happening::FirstFailure { revised: false, .. }))
            .count();
        assert_eq!(firsts, usize::from(cause != "-"), "{}", answer.file);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_left_in_progress_when_a_whole_record_has_ended() {
    for answer in answers() {
        let (progress, _) = replayed(&answer.file);
        if answer.end == "open" {
            continue;
        }
        assert_eq!(progress.phase(), Phase::Ended, "{}", answer.file);
        let rows = progress.rows().len();
        let counts = progress.counts();
        assert_eq!(
            (counts.in_progress + counts.done + counts.failed + counts.cancelled) as usize,
            rows,
            "{}",
            answer.file
        );
        for row in progress.rows() {
            if let (Some(start), Some(end)) = (row.started_at, row.ended_at) {
                assert!(start <= end, "{} {}", answer.file, row.logical_id);
            }
        }
    }
}
