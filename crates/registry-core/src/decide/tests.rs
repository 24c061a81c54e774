//! The contract's table: every state of a stack and every kind of error, crossed with where the caller stands. The states of
//! the registry file are crossed with them in `deployment-coordinator`'s tests.

use super::*;
use crate::slot::{EntryStatus, HoldKind, Kept};
use crate::stack::StackStatus;

const NOON: i64 = 1_768_392_000;

fn now() -> Timestamp {
    Timestamp::from_seconds(NOON)
}

fn stack(name: &str, status: &str, age_seconds: i64) -> Stack {
    Stack {
        id: format!("arn:aws:cloudformation:us-east-1:1:stack/{name}/1")
            .parse()
            .unwrap(),
        name: name.to_owned(),
        status: StackStatus::parse(status),
        status_reason: None,
        created_at: Timestamp::from_seconds(NOON - age_seconds),
        updated_at: None,
        tags: std::collections::BTreeMap::default(),
        root_id: None,
        last_operations: Vec::new(),
    }
}

fn answered(name: &str, value: StackState) -> Seen {
    Seen {
        stack: name.parse().unwrap(),
        answer: Ok(Observed {
            value,
            server_time: Some(now()),
        }),
    }
}

fn seen(status: &str) -> Vec<Seen> {
    vec![answered(
        "App",
        StackState::Exists(Box::new(stack("App", status, 3600))),
    )]
}

fn missing() -> Vec<Seen> {
    vec![answered("App", StackState::Missing)]
}

fn errors() -> Vec<Vec<Seen>> {
    let text = || "x".to_owned();
    [
        StackError::Settings { detail: text() },
        StackError::NoCredentials { detail: text() },
        StackError::Expired { detail: text() },
        StackError::Denied {
            action: text(),
            detail: text(),
        },
        StackError::Throttled {
            action: text(),
            detail: text(),
        },
        StackError::Unreachable { detail: text() },
        StackError::Nonsense { detail: text() },
        StackError::Invalid { detail: text() },
    ]
    .into_iter()
    .map(|error| {
        vec![Seen {
            stack: "App".parse().unwrap(),
            answer: Err(error),
        }]
    })
    .collect()
}

fn entry(id: &str) -> Box<Entry> {
    Box::new(Entry {
        correlation_id: id.to_owned(),
        workflow_run_id: None,
        environment: "production".to_owned(),
        stacks: vec!["App".to_owned()],
        status: EntryStatus::InProgress,
        started_at: now(),
        updated_at: now(),
        fencing_token: Some(1),
        run_attempt: None,
        runner: None,
        workflow_url: None,
        kind: HoldKind::Registered,
        beat: None,
        baseline: Vec::new(),
        last_outcome: None,
        ended: None,
        kept: Kept::default(),
    })
}

fn judge(standing: &Standing, seen: &[Seen]) -> Decision {
    decide(
        &Question {
            environment: "production",
            standing,
            now: now(),
        },
        seen,
    )
}

fn freeze() -> Freeze {
    Freeze {
        reason: "holidays".to_owned(),
        by: "alice".to_owned(),
        at: now(),
        until: None,
        kept: Kept::default(),
    }
}

/// Checks one line of the table: the columns are free, held by another, reserved for the caller, held by the caller, frozen,
/// others first.
#[track_caller]
fn check(seen: &[Seen], reason: Reason, columns: [Verdict; 6]) {
    use Verdict::{May, MayNot};
    let standings = [
        Standing::Free,
        Standing::HeldByOther(entry("other")),
        Standing::ReservedForCaller,
        Standing::HeldByCaller(entry("me")),
        Standing::Frozen(freeze()),
        Standing::Behind(vec!["first".to_owned()]),
    ];
    for (standing, verdict) in standings.iter().zip(columns) {
        let decision = judge(standing, seen);
        assert_eq!(decision.verdict, verdict, "{standing:?} {decision:?}");
        let expected = match standing {
            Standing::HeldByOther(_) => Reason::ActiveDeploymentInProgress,
            Standing::HeldByCaller(_) if reason == Reason::ActiveDeploymentInProgress => {
                Reason::HeldByCaller
            }
            Standing::Frozen(_) if reason != Reason::ActiveDeploymentInProgress => Reason::Frozen,
            Standing::Behind(_) if reason != Reason::ActiveDeploymentInProgress => {
                Reason::QueuedAhead
            }
            Standing::Free
            | Standing::ReservedForCaller
            | Standing::HeldByCaller(_)
            | Standing::Frozen(_)
            | Standing::Behind(_) => reason,
        };
        assert_eq!(decision.reason, expected, "{standing:?} {decision:?}");
        assert!(!decision.message.is_empty());
        assert!(!decision.message.contains('\n'));
        // What is in the way is shown, and only then; a warning goes with a yes only.
        let in_the_way = verdict == MayNot && decision.reason == Reason::ActiveDeploymentInProgress;
        assert_eq!(decision.active.is_some(), in_the_way, "{standing:?}");
        assert!(decision.warning.is_none() || verdict == May, "{standing:?}");
    }
}

#[test]
fn the_table() {
    use Verdict::{CannotTell, May, MayNot};
    let yes = [May, MayNot, May, May, MayNot, MayNot];
    let busy = [MayNot, MayNot, MayNot, May, MayNot, MayNot];
    let unknown = [CannotTell, MayNot, CannotTell, CannotTell, MayNot, MayNot];
    check(&missing(), Reason::NoStackExists, yes);
    for status in StackStatus::ALL {
        let seen = seen(status.as_str());
        // Written out once more, so that a status that changes its class is noticed here.
        match status.as_str() {
            "DELETE_COMPLETE" => check(&seen, Reason::NoStackExists, yes),
            "CREATE_COMPLETE"
            | "UPDATE_COMPLETE"
            | "IMPORT_COMPLETE"
            | "UPDATE_ROLLBACK_COMPLETE"
            | "IMPORT_ROLLBACK_COMPLETE" => check(&seen, Reason::StackIdle, yes),
            "ROLLBACK_COMPLETE"
            | "ROLLBACK_FAILED"
            | "DELETE_FAILED"
            | "CREATE_FAILED"
            | "UPDATE_FAILED"
            | "UPDATE_ROLLBACK_FAILED"
            | "IMPORT_ROLLBACK_FAILED"
            | "REVIEW_IN_PROGRESS" => {
                check(&seen, Reason::StackNeedsCleanup, yes);
                let warning = judge(&Standing::Free, &seen).warning.unwrap();
                assert!(warning.contains("aws cloudformation ") || warning.contains("cdk deploy"));
            }
            progress => {
                assert!(progress.ends_with("_IN_PROGRESS"), "{progress} has no line");
                check(&seen, Reason::ActiveDeploymentInProgress, busy);
            }
        }
    }
    check(
        &seen("NEW_IN_PROGRESS"),
        Reason::ActiveDeploymentInProgress,
        busy,
    );
    for odd in ["NEW", "", "COMPLETE_IN_PROGRESS_NOT"] {
        check(&seen(odd), Reason::StatusUnknown, unknown);
    }
    for error in errors() {
        check(&error, Reason::StatusUnknown, unknown);
    }
    check(&[], Reason::StatusUnknown, unknown);
    let young = [answered(
        "App",
        StackState::Exists(Box::new(stack("App", "REVIEW_IN_PROGRESS", 599))),
    )];
    check(&young, Reason::ActiveDeploymentInProgress, busy);
}

#[test]
fn of_several_stacks_the_worst_counts() {
    let both = |a: &str, b: &str| {
        let one = |name: &str, status: &str| match status {
            "missing" => answered(name, StackState::Missing),
            "error" => Seen {
                stack: name.parse().unwrap(),
                answer: Err(StackError::Unreachable {
                    detail: "x".to_owned(),
                }),
            },
            status => answered(
                name,
                StackState::Exists(Box::new(stack(name, status, 3600))),
            ),
        };
        judge(&Standing::Free, &[one("A", a), one("B", b)]).reason
    };
    for (a, b, reason) in [
        ("missing", "CREATE_COMPLETE", Reason::StackIdle),
        ("missing", "missing", Reason::NoStackExists),
        (
            "ROLLBACK_COMPLETE",
            "CREATE_COMPLETE",
            Reason::StackNeedsCleanup,
        ),
        ("error", "ROLLBACK_COMPLETE", Reason::StatusUnknown),
        (
            "error",
            "UPDATE_IN_PROGRESS",
            Reason::ActiveDeploymentInProgress,
        ),
        (
            "CREATE_COMPLETE",
            "DELETE_IN_PROGRESS",
            Reason::ActiveDeploymentInProgress,
        ),
    ] {
        assert_eq!(both(a, b), reason, "{a} {b}");
        assert_eq!(both(b, a), reason, "{b} {a}");
    }
}

#[test]
fn the_holder_of_a_moving_stack_is_shown_with_the_stacks_status() {
    let standing = Standing::HeldByOther(entry("other"));
    let active = judge(&standing, &seen("UPDATE_IN_PROGRESS"))
        .active
        .unwrap();
    assert_eq!(active.status.as_deref(), Some("UPDATE_IN_PROGRESS"));
    assert_eq!(active.source.as_deref(), Some("registry"));
    let active = judge(&standing, &seen("UPDATE_COMPLETE")).active.unwrap();
    assert_eq!(active.status.as_deref(), Some("IN_PROGRESS"));
}

#[test]
fn in_the_fallback_an_untagged_stack_is_of_unknown_fallback() {
    let mut active = judge(&Standing::Free, &seen("UPDATE_IN_PROGRESS"))
        .active
        .unwrap();
    assert_eq!(active.correlation_id.as_deref(), Some("unknown"));
    mark_fallback(&mut active);
    assert_eq!(active.correlation_id.as_deref(), Some("unknown-fallback"));
    active.correlation_id = Some("tagged".to_owned());
    mark_fallback(&mut active);
    assert_eq!(active.correlation_id.as_deref(), Some("tagged"));
}

#[test]
fn idle_means_known_to_be_idle() {
    assert!(all_idle(&seen("ROLLBACK_COMPLETE"), now()));
    assert!(all_idle(&missing(), now()));
    assert!(!all_idle(&seen("UPDATE_IN_PROGRESS"), now()));
    assert!(!all_idle(&seen("NEW"), now()));
    assert!(!all_idle(&[], now()));
    for error in errors() {
        assert!(!all_idle(&error, now()));
    }
}
