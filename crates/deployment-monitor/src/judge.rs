//! The verdict. `DescribeStacks` gives it, and the events must not contradict it: `DescribeStacks` is eventually consistent
//! and may still show the status before the operation (aws-cdk-cli#1802, cloudposse/atmos#3157), so a terminal status counts
//! once the new operation has been seen and the two agree, or agree to differ for long enough.

use registry_core::progress::{Phase, StackProgress, Verdict, verdict_of};
use registry_core::stack::Stack;

/// How often `DescribeStacks` must repeat a terminal status that the events do not show before it is believed.
const REPEATS: u32 = 3;

/// What the two sources come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// The operation goes on, or has not begun.
    Open,
    /// One source says it is over, the other does not yet.
    Closing,
    /// It is over.
    Over(Verdict),
}

/// Remembers what must be remembered between two looks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Judge {
    // Which attempt was seen in progress by DescribeStacks itself.
    seen_in_progress: Option<u32>,
    repeats: u32,
}

impl Judge {
    /// Weighs what `DescribeStacks` said just before the events were read.
    pub(crate) fn weigh(&mut self, described: &Stack, progress: &StackProgress) -> Judgement {
        if described.status.class().is_in_progress() {
            self.seen_in_progress = Some(progress.attempt());
            self.repeats = 0;
            // The events may be ahead: then the next look will show it.
            return if progress.phase() == Phase::Ended {
                Judgement::Closing
            } else {
                Judgement::Open
            };
        }
        if progress.started_at().is_none() {
            return Judgement::Open;
        }
        let Some(verdict) = verdict_of(&described.status, progress.is_undone()) else {
            self.repeats = 0;
            return Judgement::Open;
        };
        let ended = progress.phase() == Phase::Ended;
        if ended && progress.status() == Some(&described.status) {
            return Judgement::Over(verdict);
        }
        self.repeats += 1;
        let of_this_operation = self.seen_in_progress == Some(progress.attempt())
            || progress
                .started_at()
                .is_some_and(|started| described.changed_at() >= started);
        if of_this_operation && !ended && self.repeats >= REPEATS {
            return Judgement::Over(verdict);
        }
        Judgement::Closing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use registry_core::clock::Timestamp;
    use registry_core::stack::{ResourceStatus, STACK_TYPE, StackEvent, StackStatus};
    use std::collections::BTreeMap;

    const ID: &str = "arn:aws:cloudformation:us-east-1:123456789012:stack/App/1";

    fn stack(status: &str, updated: i64) -> Stack {
        Stack {
            id: ID.parse().unwrap(),
            name: "App".to_owned(),
            status: StackStatus::parse(status),
            status_reason: None,
            created_at: Timestamp::from_seconds(0),
            updated_at: Some(Timestamp::from_seconds(updated)),
            tags: BTreeMap::new(),
            root_id: None,
            last_operations: Vec::new(),
        }
    }

    fn progress(statuses: &[&str]) -> StackProgress {
        let mut progress = StackProgress::of(ID);
        for (at, status) in (100..).zip(statuses) {
            progress.apply(&StackEvent {
                event_id: at.to_string(),
                stack_id: ID.to_owned(),
                stack_name: "App".to_owned(),
                logical_id: "App".to_owned(),
                physical_id: Some(ID.to_owned()),
                resource_type: STACK_TYPE.to_owned(),
                status: ResourceStatus((*status).to_owned()),
                reason: None,
                timestamp: Timestamp::from_seconds(at),
                operation_id: None,
                detailed_status: None,
                hook: None,
            });
        }
        progress
    }

    fn check(described: &[(&str, i64)], events: &[&str], expected: Judgement) {
        let progress = progress(events);
        let mut judge = Judge::default();
        let mut last = Judgement::Open;
        for (status, updated) in described {
            last = judge.weigh(&stack(status, *updated), &progress);
        }
        assert_eq!(last, expected, "{described:?} {events:?}");
    }

    #[test]
    fn both_agree() {
        let events = ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"];
        check(
            &[("UPDATE_COMPLETE", 100)],
            &events,
            Judgement::Over(Verdict::Deployed),
        );
        check(
            &[("UPDATE_ROLLBACK_COMPLETE", 100)],
            &[
                "UPDATE_IN_PROGRESS",
                "UPDATE_ROLLBACK_IN_PROGRESS",
                "UPDATE_ROLLBACK_COMPLETE",
            ],
            Judgement::Over(Verdict::Failed),
        );
    }

    #[test]
    fn yesterdays_status_is_no_verdict_however_often_it_is_repeated() {
        check(&[("UPDATE_COMPLETE", 50); 9], &[], Judgement::Open);
        check(
            &[("UPDATE_COMPLETE", 50); 9],
            &["UPDATE_IN_PROGRESS"],
            Judgement::Closing,
        );
    }

    #[test]
    fn events_alone_give_no_verdict() {
        check(
            &[("UPDATE_IN_PROGRESS", 100)],
            &["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"],
            Judgement::Closing,
        );
        check(
            &[("UPDATE_COMPLETE", 50); 9],
            &[
                "UPDATE_IN_PROGRESS",
                "UPDATE_ROLLBACK_IN_PROGRESS",
                "UPDATE_ROLLBACK_COMPLETE",
            ],
            Judgement::Closing,
        );
    }

    #[test]
    fn a_status_whose_event_never_comes_is_believed_in_the_end() {
        let events = ["UPDATE_IN_PROGRESS"];
        check(&[("UPDATE_COMPLETE", 100); 2], &events, Judgement::Closing);
        check(
            &[("UPDATE_COMPLETE", 100); 3],
            &events,
            Judgement::Over(Verdict::Deployed),
        );
    }

    #[test]
    fn parked_deleted_and_unknown_are_no_verdicts() {
        for status in ["REVIEW_IN_PROGRESS", "DELETE_COMPLETE", "MOON_COMPLETE"] {
            check(
                &[(status, 100); 5],
                &["CREATE_IN_PROGRESS"],
                Judgement::Open,
            );
        }
    }
}
