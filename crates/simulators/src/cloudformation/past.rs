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

/// Old events by number. Every two hours an operation of nine events: a create first, then updates, all successful.
/// Where the number is no multiple of nine the first operation has more events, or is cut.
#[derive(Debug, Clone)]
pub(super) struct History {
    /// How many events.
    pub(super) count: u64,
    /// When its first operation began.
    pub(super) begin: Timestamp,
}

impl History {
    /// A history of so many events that ends at least an hour before `end`.
    pub(super) fn before(end: Timestamp, count: u64) -> Self {
        let operations = (count / PER_OPERATION).max(1);
        let span = BETWEEN.saturating_mul(operations.try_into().unwrap_or(u32::MAX));
        Self {
            count,
            begin: end - span,
        }
    }

    /// The status it leaves behind.
    pub(super) fn status(&self) -> &'static str {
        if self.count / PER_OPERATION > 1 {
            "UPDATE_COMPLETE"
        } else {
            "CREATE_COMPLETE"
        }
    }

    /// One event; `index` counts from the oldest and is below `count`.
    pub(super) fn event(&self, index: u64) -> Happened {
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
