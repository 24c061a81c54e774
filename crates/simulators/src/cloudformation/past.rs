//! What lies behind a stack: the events that led to its status, and a long history made only when it is asked for.

use std::time::Duration;

use registry_core::clock::Timestamp;

use super::live::Happened;

/// The stack's own statuses of the operation that ends in `status`, from its start.
pub(super) fn last_operation(status: &str) -> Vec<&str> {
    let (create, update, import) = (
        "CREATE_IN_PROGRESS",
        "UPDATE_IN_PROGRESS",
        "IMPORT_IN_PROGRESS",
    );
    match status {
        "CREATE_COMPLETE" | "CREATE_FAILED" | "ROLLBACK_IN_PROGRESS" => vec![create, status],
        "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" => vec![create, "ROLLBACK_IN_PROGRESS", status],
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" | "UPDATE_FAILED" | "UPDATE_ROLLBACK_IN_PROGRESS" => {
            vec![update, status]
        }
        "UPDATE_COMPLETE" => vec![update, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", status],
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS" | "UPDATE_ROLLBACK_FAILED" => {
            vec![update, "UPDATE_ROLLBACK_IN_PROGRESS", status]
        }
        "UPDATE_ROLLBACK_COMPLETE" => {
            let cleanup = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS";
            vec![update, "UPDATE_ROLLBACK_IN_PROGRESS", cleanup, status]
        }
        "DELETE_COMPLETE" | "DELETE_FAILED" => vec!["DELETE_IN_PROGRESS", status],
        "IMPORT_COMPLETE" | "IMPORT_ROLLBACK_IN_PROGRESS" => vec![import, status],
        "IMPORT_ROLLBACK_COMPLETE" | "IMPORT_ROLLBACK_FAILED" => {
            vec![import, "IMPORT_ROLLBACK_IN_PROGRESS", status]
        }
        // The beginnings themselves, REVIEW_IN_PROGRESS, and what nobody has heard of.
        _ => vec![status],
    }
}

/// Whether the stack existed before the operation that ends in `status`.
pub(super) fn existed_before(status: &str) -> bool {
    !matches!(
        last_operation(status).first(),
        Some(&("CREATE_IN_PROGRESS" | "REVIEW_IN_PROGRESS"))
    )
}

const PER_OPERATION: u64 = 9;
const BETWEEN: Duration = Duration::from_secs(2 * 3600);

/// Old events by number. Every two hours an operation: a create first, then updates, all successful. Usually of nine events; where
/// the number is no multiple of nine the first operation has more events, or is cut.
#[derive(Debug, Clone)]
pub(super) struct History {
    /// How many events.
    pub(super) count: u64,
    /// When its first operation began.
    pub(super) begin: Timestamp,
    /// How many events each operation has.
    pub(super) per_operation: u64,
}

impl History {
    /// A history of so many events that ends at least an hour before `end`.
    pub(super) fn before(end: Timestamp, count: u64) -> Self {
        let operations = (count / PER_OPERATION).max(1);
        let span = BETWEEN.saturating_mul(operations.try_into().unwrap_or(u32::MAX));
        Self {
            count,
            begin: end - span,
            per_operation: PER_OPERATION,
        }
    }

    /// As [`History::before`], of so many operations with the same number of events, at least nine: `count` is rounded down to that.
    pub(super) fn of_equal(end: Timestamp, count: u64, operations: u64) -> Self {
        let operations = operations.max(1);
        let per_operation = (count / operations).max(PER_OPERATION);
        Self {
            count: per_operation * operations,
            per_operation,
            begin: end - BETWEEN.saturating_mul(operations.try_into().unwrap_or(u32::MAX)),
        }
    }

    /// The status it leaves behind.
    pub(super) fn status(&self) -> &'static str {
        if self.count / self.per_operation > 1 {
            "UPDATE_COMPLETE"
        } else {
            "CREATE_COMPLETE"
        }
    }

    /// One event; `index` counts from the oldest and is below `count`.
    pub(super) fn event(&self, index: u64) -> Happened {
        if self.per_operation > PER_OPERATION {
            return self.of_many(index);
        }
        let extra = if self.count < PER_OPERATION {
            0
        } else {
            self.count % PER_OPERATION
        };
        let (operation, step) = if self.count < PER_OPERATION {
            (0, index + PER_OPERATION - self.count)
        } else if index < PER_OPERATION + extra {
            // The surplus repeats the first resource's beginning, as resources do emit two or three of them.
            (
                0,
                if index <= 1 + extra {
                    index.min(1)
                } else {
                    index - extra
                },
            )
        } else {
            (
                (index - extra) / PER_OPERATION,
                (index - extra) % PER_OPERATION,
            )
        };
        let start = self.begin + BETWEEN.saturating_mul(operation.try_into().unwrap_or(u32::MAX));
        happened(operation, step, start, index)
    }
}

impl History {
    /// One event of an operation of many: a third of its events begin the resources, a third repeat that, a third end them.
    fn of_many(&self, index: u64) -> Happened {
        let (operation, step) = (index / self.per_operation, index % self.per_operation);
        let start = self.begin + BETWEEN.saturating_mul(operation.try_into().unwrap_or(u32::MAX));
        let last = self.per_operation - 1;
        let middle = last - 2;
        let resources = middle / 3;
        let own = |as_step: u64| happened(operation, as_step, start, index);
        let (resource, word, seconds) = match step {
            0 => return own(0),
            _ if step == last => return own(8),
            // The clean-up of an update; a creation has none.
            _ if step == last - 1 && operation > 0 => return own(7),
            _ if step == last - 1 => (resources - 1, "COMPLETE", 303),
            _ if step <= resources => (step - 1, "IN_PROGRESS", 2),
            _ if step <= middle - resources => {
                ((step - 1 - resources).min(resources - 1), "IN_PROGRESS", 3)
            }
            _ => {
                let resource = step - 1 - (middle - resources);
                (resource, "COMPLETE", 10 + 280 * resource / resources)
            }
        };
        let types = ["AWS::SNS::Topic", "AWS::Lambda::Function", "AWS::IAM::Role"];
        let name = format!("Resource{resource:05}");
        let verb = if operation == 0 { "CREATE" } else { "UPDATE" };
        Happened {
            at: start + Duration::from_secs(seconds),
            physical: Some(format!("old-{}", name.to_ascii_lowercase())),
            resource: Some((name, types[(resource % 3) as usize].to_owned())),
            status: format!("{verb}_{word}"),
            ..own(1)
        }
    }
}

/// Step by step through an operation: three resources at once, the database the longest.
fn happened(operation: u64, step: u64, start: Timestamp, index: u64) -> Happened {
    let verb = if operation == 0 { "CREATE" } else { "UPDATE" };
    let own = |status: String| (None, status);
    let bucket = ("Bucket", "AWS::S3::Bucket");
    let function = ("Function", "AWS::Lambda::Function");
    let database = ("Database", "AWS::RDS::DBInstance");
    let (resource, status) = match step {
        0 => own(format!("{verb}_IN_PROGRESS")),
        1 => (Some(bucket), format!("{verb}_IN_PROGRESS")),
        2 => (Some(function), format!("{verb}_IN_PROGRESS")),
        3 => (Some(database), format!("{verb}_IN_PROGRESS")),
        4 => (Some(bucket), format!("{verb}_COMPLETE")),
        5 => (Some(function), format!("{verb}_COMPLETE")),
        6 => (Some(database), format!("{verb}_COMPLETE")),
        7 if operation == 0 => (Some(database), "CREATE_COMPLETE".to_owned()),
        7 => own("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS".to_owned()),
        _ => own(format!("{verb}_COMPLETE")),
    };
    let seconds = match step {
        0 => 0,
        1..=3 => 4 + step,
        4 => 25 + operation % 5,
        5 => 60 + operation % 7,
        6 => 300 + operation % 60,
        7 => 303 + operation % 60,
        _ => 305 + operation % 60,
    };
    Happened {
        at: start + Duration::from_secs(seconds),
        resource: resource.map(|(id, kind)| (id.to_owned(), kind.to_owned())),
        physical: resource.map(|(id, _)| format!("old-{}", id.to_ascii_lowercase())),
        child: None,
        status,
        reason: (step == 0).then(|| "User Initiated".to_owned()),
        detailed_status: None,
        hook: None,
        event_id: format!("old-{index:08}"),
        operation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_history_has_operations_of_equal_size() {
        for (count, operations, expected) in [
            (100_000, 60, 99_960),
            (6_000, 60, 6_000),
            (1, 3, 27),
            (100, 1, 100),
        ] {
            let end = Timestamp::from_seconds(2_000_000_000);
            let history = History::of_equal(end, count, operations);
            let events: Vec<_> = (0..history.count)
                .map(|index| history.event(index))
                .collect();
            assert_eq!(events.len(), expected);
            assert!(events.is_sorted_by(|a, b| a.at <= b.at), "{count}");
            let own = |ending: &str| {
                events
                    .iter()
                    .filter(|e| e.resource.is_none() && e.status.ends_with(ending))
                    .count() as u64
            };
            assert_eq!(own("E_IN_PROGRESS"), operations, "{count}");
            assert_eq!(own("E_COMPLETE"), operations, "{count}");
            let last = &events[events.len() - 1];
            assert_eq!(last.status, history.status());
            // Every resource that begins ends.
            let of = |ending: &str| -> std::collections::BTreeSet<_> {
                let of = |e: &&Happened| e.resource.is_some() && e.status.ends_with(ending);
                events
                    .iter()
                    .filter(of)
                    .map(|e| (e.operation, e.resource.clone()))
                    .collect()
            };
            assert_eq!(of("_IN_PROGRESS"), of("_COMPLETE"), "{count}");
        }
    }

    #[test]
    fn a_history_has_as_many_events_as_asked_for_in_order_and_ends_complete() {
        for count in [1, 8, 9, 10, 17, 18, 1_000, 100_000] {
            let end = Timestamp::from_seconds(2_000_000_000);
            let history = History::before(end, count);
            let events: Vec<_> = (0..count).map(|index| history.event(index)).collect();
            assert!(events.is_sorted_by(|a, b| a.at <= b.at), "{count}");
            let last = &events[events.len() - 1];
            assert_eq!(
                (last.status.as_str(), last.resource.is_none()),
                (history.status(), true),
                "{count}"
            );
            assert!(last.at + Duration::from_secs(3600) < end, "{count}");
            if count >= PER_OPERATION {
                assert_eq!(events[0].status, "CREATE_IN_PROGRESS");
                let starts = events
                    .iter()
                    .filter(|e| e.resource.is_none() && e.reason.is_some())
                    .count() as u64;
                assert_eq!(starts, count / PER_OPERATION, "{count}");
            }
        }
    }
}
