//! The history file.

use std::collections::BTreeSet;
use std::fs;

use registry_core::clock::{ManualClock, Timestamp};
use registry_core::estimate::{Table, replay};
use registry_core::history::History;
use registry_core::history::file::HistoryFile;

use crate::{assert_a_sentence, put};

pub(crate) fn run(bytes: &[u8]) {
    match History::parse(bytes) {
        Ok(history) => used(&history),
        Err(error) => assert_a_sentence(&error),
    }
    in_a_folder(bytes);
}

// Everything a program asks of a history, and an operation of it estimated from the others.
fn used(history: &History) {
    let again = History::parse(&history.to_bytes()).expect("what we wrote");
    assert_eq!(again.to_bytes(), history.to_bytes(), "written twice");
    let table = Table::shipped();
    let stacks: BTreeSet<String> = history.stacks().into_iter().collect();
    for stack in &stacks {
        let past = history.past(stack);
        for deployment in history.deployments(stack) {
            assert!(deployment.seconds.is_finite(), "{deployment:?}");
        }
        for operation in past.operations.iter().take(3) {
            for moment in [0.0, 10.0, 1e6] {
                let estimate = replay::estimate_at(operation, moment, &past, &table);
                assert!(estimate.low <= estimate.high, "{estimate:?}");
            }
        }
    }
    let mut more = history.clone();
    more.recompute(Timestamp::from_seconds(1_800_000_000));
    assert!(History::parse(&more.to_bytes()).is_ok());
}

fn in_a_folder(bytes: &[u8]) {
    let folder = crate::folder();
    let file = HistoryFile::in_folder(folder.path());
    put(file.path(), bytes);
    let clock = ManualClock::at(Timestamp::from_seconds(1_800_000_000));
    let add = |history: &mut History| {
        history.add_deployment(
            "fuzz-1",
            "FuzzApp",
            7,
            Timestamp::from_seconds(1_800_000_000),
        );
    };
    let ((), warning) = file
        .change(&clock, add)
        .expect("a folder that can be written");
    let text = fs::read(file.path()).expect("the history");
    let written = History::parse(&text).expect("what we wrote");
    assert_eq!(written.deployments("FuzzApp").len(), 1);
    if History::parse(bytes).is_ok() {
        assert_eq!(warning, None);
        return;
    }
    assert_a_sentence(&warning.expect("a damaged file is told"));
    let copies: Vec<Vec<u8>> = fs::read_dir(folder.path())
        .expect("the folder")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().contains(".corrupt-"))
        .map(|path| fs::read(path).expect("the copy"))
        .collect();
    assert_eq!(copies, [bytes.to_vec()], "a damaged file is kept aside");
}
