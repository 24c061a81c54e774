//! Recorded operations: read, played to the reducer, taken apart into operations.

use registry_core::clock::Timestamp;
use registry_core::estimate::operation::operations;
use registry_core::estimate::{Past, Table, replay};
use registry_core::progress::StackProgress;
use registry_core::progress::events_of_trace;
use registry_core::trace::Trace;

use crate::assert_a_sentence;

pub(crate) fn run(bytes: &[u8]) {
    let trace = match Trace::parse(bytes) {
        Ok(trace) => trace,
        Err(error) => return assert_a_sentence(&error),
    };
    assert!(!trace.events.is_empty(), "no events and no error");
    let seconds: Vec<f64> = trace.events.iter().map(|event| event.seconds).collect();
    assert!(seconds.iter().all(|at| at.is_finite()), "{seconds:?}");
    assert!(seconds.is_sorted(), "oldest first: {seconds:?}");
    let began = Timestamp::from_seconds(1_800_000_000);
    let events = events_of_trace(&trace, "arn:aws:cloudformation:x:1:stack/App/1", began);
    let mut progress = StackProgress::new();
    for event in &events {
        let _told = progress.apply(event);
        let _shown = progress.chain(&event.stack_id, &event.logical_id);
    }
    let counts = progress.counts();
    assert!(
        progress.in_progress().len() <= progress.rows().len(),
        "{counts:?}"
    );
    let (past, table) = (Past::default(), Table::shipped());
    for operation in operations(&replay::events(&trace)) {
        for moment in [0.0, 60.0, 1e9] {
            let estimate = replay::estimate_at(&operation, moment, &past, &table);
            assert!(estimate.low <= estimate.high, "{estimate:?}");
        }
    }
}
