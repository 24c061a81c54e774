//! The reducer against small stories of its own.

use super::*;
use crate::stack::{ResourceStatus, STACK_TYPE, StackEvent};

const ROOT: &str = "arn:aws:cloudformation:us-east-1:123456789012:stack/App/1";
const CHILD: &str = "arn:aws:cloudformation:us-east-1:123456789012:stack/App-Database-X/2";

// Logical id, type (`own`: the stack itself, `nested`: a nested stack), status, reason.
type Words<'a> = (&'a str, &'a str, &'a str, &'a str);

fn event(number: usize, seconds: i64, stack: &str, words: Words<'_>) -> StackEvent {
    let (logical_id, resource_type, status, reason) = words;
    let own = resource_type == "own";
    let nested = resource_type == "nested";
    StackEvent {
        event_id: format!("e{number}"),
        stack_id: stack.to_owned(),
        stack_name: "App".to_owned(),
        logical_id: logical_id.to_owned(),
        physical_id: if own {
            Some(stack.to_owned())
        } else if nested {
            Some(CHILD.to_owned())
        } else {
            None
        },
        resource_type: if own || nested {
            STACK_TYPE.to_owned()
        } else {
            resource_type.to_owned()
        },
        status: ResourceStatus(status.to_owned()),
        reason: (!reason.is_empty()).then(|| reason.to_owned()),
        timestamp: Timestamp::from_seconds(1_700_000_000 + seconds),
        operation_id: None,
        detailed_status: None,
        hook: None,
    }
}

fn story(events: &[(i64, &str, Words<'_>)]) -> (StackProgress, Vec<Happening>) {
    let mut progress = StackProgress::of(ROOT);
    let mut told = Vec::new();
    for (number, (seconds, stack, words)) in events.iter().enumerate() {
        told.extend(progress.apply(&event(number, *seconds, stack, *words)));
    }
    (progress, told)
}

#[test]
fn the_cause_is_found_inside_a_nested_stack_with_its_chain() {
    let (progress, told) = story(&[
        (
            0,
            ROOT,
            ("App", "own", "CREATE_IN_PROGRESS", "User Initiated"),
        ),
        (1, ROOT, ("Database", "nested", "CREATE_IN_PROGRESS", "")),
        (
            2,
            CHILD,
            ("App-Database-X", "own", "CREATE_IN_PROGRESS", ""),
        ),
        (
            3,
            CHILD,
            ("Cluster", "AWS::RDS::DBCluster", "CREATE_IN_PROGRESS", ""),
        ),
        (
            9,
            CHILD,
            (
                "Cluster",
                "AWS::RDS::DBCluster",
                "CREATE_FAILED",
                "Cannot find version 15.3",
            ),
        ),
        (
            9,
            CHILD,
            (
                "Subnets",
                "AWS::RDS::DBSubnetGroup",
                "CREATE_FAILED",
                "Resource creation cancelled",
            ),
        ),
        (
            10,
            CHILD,
            (
                "App-Database-X",
                "own",
                "ROLLBACK_IN_PROGRESS",
                "The following resource(s) failed to create: [Cluster, Subnets].",
            ),
        ),
        (
            11,
            ROOT,
            (
                "Database",
                "nested",
                "CREATE_FAILED",
                "Embedded stack arn was not successfully created: The following resource(s) failed to create: [Cluster]",
            ),
        ),
        (
            12,
            ROOT,
            (
                "App",
                "own",
                "ROLLBACK_IN_PROGRESS",
                "The following resource(s) failed to create: [Database].",
            ),
        ),
    ]);
    let first = progress.first_failure().unwrap();
    assert_eq!(first.chain, ["Database", "Cluster"]);
    assert_eq!(
        first.sentence(),
        "Database > Cluster (AWS::RDS::DBCluster) CREATE_FAILED: Cannot find version 15.3"
    );
    let firsts: Vec<&Happening> = told
        .iter()
        .filter(|happening| matches!(happening, Happening::FirstFailure { .. }))
        .collect();
    assert_eq!(firsts.len(), 1, "{firsts:?}");
    assert_eq!(progress.phase(), Phase::RollingBack);
    // The nested stack's own end is not the deployment's.
    assert!(
        !told
            .iter()
            .any(|happening| matches!(happening, Happening::Ended { .. }))
    );
}

#[test]
fn a_nested_stack_is_read_from_its_physical_id_until_its_end() {
    let mut progress = StackProgress::of(ROOT);
    let mut first = event(1, 1, ROOT, ("Database", "nested", "CREATE_IN_PROGRESS", ""));
    first.physical_id = None;
    progress.apply(&event(0, 0, ROOT, ("App", "own", "CREATE_IN_PROGRESS", "")));
    progress.apply(&first);
    assert!(progress.nested_in_progress().is_empty());
    progress.apply(&event(
        2,
        4,
        ROOT,
        ("Database", "nested", "CREATE_IN_PROGRESS", ""),
    ));
    let nested = progress.nested_in_progress();
    assert_eq!(nested.len(), 1);
    // From the row's first event, which had no id yet.
    assert_eq!(nested[0].since, Timestamp::from_seconds(1_700_000_001));
    progress.apply(&event(
        3,
        9,
        CHILD,
        ("App-Database-X", "own", "CREATE_COMPLETE", ""),
    ));
    assert!(progress.nested_in_progress().is_empty());
    assert_eq!(progress.phase(), Phase::Creating);
    progress.apply(&event(
        4,
        10,
        ROOT,
        ("Database", "nested", "CREATE_COMPLETE", ""),
    ));
    assert!(progress.nested_in_progress().is_empty());
    assert_eq!(
        progress.status().map(StackStatus::as_str),
        Some("CREATE_IN_PROGRESS")
    );
    // The roll-back works on it again.
    progress.apply(&event(
        5,
        20,
        ROOT,
        ("App", "own", "ROLLBACK_IN_PROGRESS", "User Initiated"),
    ));
    progress.apply(&event(
        6,
        21,
        ROOT,
        ("Database", "nested", "DELETE_IN_PROGRESS", ""),
    ));
    assert_eq!(progress.nested_in_progress().len(), 1);
}

#[test]
fn a_clean_up_that_fails_is_provisional() {
    let (progress, told) = story(&[
        (
            0,
            ROOT,
            ("App", "own", "UPDATE_IN_PROGRESS", "User Initiated"),
        ),
        (
            1,
            ROOT,
            (
                "Key",
                "AWS::KMS::Key",
                "UPDATE_IN_PROGRESS",
                "Requested update requires the creation of a new physical resource; hence creating one.",
            ),
        ),
        (2, ROOT, ("Key", "AWS::KMS::Key", "UPDATE_COMPLETE", "")),
        (
            3,
            ROOT,
            ("App", "own", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", ""),
        ),
        (4, ROOT, ("Key", "AWS::KMS::Key", "DELETE_IN_PROGRESS", "")),
        (
            5,
            ROOT,
            ("Key", "AWS::KMS::Key", "DELETE_FAILED", "Access denied"),
        ),
        (6, ROOT, ("Key", "AWS::KMS::Key", "DELETE_IN_PROGRESS", "")),
        (
            7,
            ROOT,
            ("Key", "AWS::KMS::Key", "DELETE_FAILED", "Access denied"),
        ),
        (8, ROOT, ("App", "own", "UPDATE_COMPLETE", "")),
    ]);
    assert_eq!(progress.first_failure(), None);
    let failed = told
        .iter()
        .filter(|happening| matches!(happening, Happening::CleanUpFailed { .. }))
        .count();
    assert_eq!(failed, 2);
    assert_eq!(
        verdict_of(progress.status().unwrap(), progress.is_undone()),
        Some(Verdict::Deployed)
    );
    let rows: Vec<(Action, Pass, u32)> = progress
        .rows()
        .iter()
        .map(|row| (row.action, row.pass, row.tries))
        .collect();
    assert_eq!(
        rows,
        [
            (Action::Replace, Pass::Forward, 1),
            (Action::Delete, Pass::CleanUp, 2)
        ]
    );
}

#[test]
fn a_person_who_cancels_is_the_cause_in_the_stacks_own_words() {
    let (progress, _) = story(&[
        (
            0,
            ROOT,
            ("App", "own", "UPDATE_IN_PROGRESS", "User Initiated"),
        ),
        (
            1,
            ROOT,
            ("Web", "AWS::ECS::Service", "UPDATE_IN_PROGRESS", ""),
        ),
        (
            2,
            ROOT,
            (
                "App",
                "own",
                "UPDATE_ROLLBACK_IN_PROGRESS",
                "User Initiated",
            ),
        ),
        (
            3,
            ROOT,
            (
                "Web",
                "AWS::ECS::Service",
                "UPDATE_FAILED",
                "Resource update cancelled",
            ),
        ),
    ]);
    let first = progress.first_failure().unwrap();
    assert_eq!(first.kind, CauseKind::StackItself);
    assert_eq!(first.sentence(), "App: User Initiated");
}

#[test]
fn a_better_cause_that_comes_late_revises_the_first() {
    let (progress, told) = story(&[
        (0, ROOT, ("App", "own", "CREATE_IN_PROGRESS", "")),
        (1, ROOT, ("Database", "nested", "CREATE_IN_PROGRESS", "")),
        (
            8,
            ROOT,
            (
                "Database",
                "nested",
                "CREATE_FAILED",
                "Embedded stack x was not successfully created",
            ),
        ),
        (
            9,
            ROOT,
            (
                "App",
                "own",
                "ROLLBACK_IN_PROGRESS",
                "The following resource(s) failed to create: [Database].",
            ),
        ),
        // Read one poll later.
        (
            7,
            CHILD,
            (
                "Cluster",
                "AWS::RDS::DBCluster",
                "CREATE_FAILED",
                "No capacity",
            ),
        ),
    ]);
    assert_eq!(progress.first_failure().unwrap().logical_id, "Cluster");
    let revisions: Vec<(String, bool)> = told
        .iter()
        .filter_map(|happening| match happening {
            Happening::FirstFailure { failure, revised } => {
                Some((failure.logical_id.clone(), *revised))
            }
            Happening::Began { .. }
            | Happening::PhaseChanged { .. }
            | Happening::CleanUpFailed { .. }
            | Happening::RollbackStepFailed { .. }
            | Happening::Ended { .. } => None,
        })
        .collect();
    assert_eq!(
        revisions,
        [("Database".to_owned(), false), ("Cluster".to_owned(), true)]
    );
}

#[test]
fn attempts_are_counted_by_operations_and_not_by_rollbacks() {
    let (progress, told) = story(&[
        (
            0,
            ROOT,
            ("App", "own", "UPDATE_IN_PROGRESS", "User Initiated"),
        ),
        (
            1,
            ROOT,
            ("Web", "AWS::ECS::Service", "UPDATE_FAILED", "unhealthy"),
        ),
        (
            2,
            ROOT,
            ("App", "own", "UPDATE_ROLLBACK_IN_PROGRESS", "failed"),
        ),
        (
            3,
            ROOT,
            (
                "Web",
                "AWS::ECS::Service",
                "UPDATE_FAILED",
                "still unhealthy",
            ),
        ),
        (4, ROOT, ("App", "own", "UPDATE_ROLLBACK_FAILED", "failed")),
        (
            5,
            ROOT,
            (
                "App",
                "own",
                "UPDATE_ROLLBACK_IN_PROGRESS",
                "User Initiated",
            ),
        ),
        (6, ROOT, ("App", "own", "UPDATE_ROLLBACK_COMPLETE", "")),
        (
            7,
            ROOT,
            ("App", "own", "UPDATE_IN_PROGRESS", "User Initiated"),
        ),
        (8, ROOT, ("App", "own", "UPDATE_COMPLETE", "")),
    ]);
    assert_eq!(progress.attempt(), 2);
    assert_eq!(progress.first_failure(), None);
    let past = &progress.past_attempts()[0];
    assert_eq!(past.first_failure.as_ref().unwrap().reason, "unhealthy");
    assert_eq!(past.status, Some(StackStatus::UpdateRollbackComplete));
    let began = told
        .iter()
        .filter(|happening| matches!(happening, Happening::Began { .. }))
        .count();
    assert_eq!(began, 2);
    let steps = told
        .iter()
        .filter(|happening| matches!(happening, Happening::RollbackStepFailed { .. }))
        .count();
    assert_eq!(steps, 1);
}

#[test]
fn deleted_and_created_anew_is_the_next_attempt_and_the_delete_is_none() {
    let (mut progress, _) = story(&[
        (
            0,
            ROOT,
            ("App", "own", "DELETE_IN_PROGRESS", "User Initiated"),
        ),
        (1, ROOT, ("App", "own", "DELETE_COMPLETE", "")),
    ]);
    assert_eq!(
        verdict_of(progress.status().unwrap(), progress.is_undone()),
        None
    );
    let again = "arn:aws:cloudformation:us-east-1:123456789012:stack/App/9";
    progress.set_root(again);
    progress.apply(&event(
        2,
        5,
        again,
        ("App", "own", "CREATE_IN_PROGRESS", "User Initiated"),
    ));
    assert_eq!(progress.attempt(), 1);
    assert_eq!(progress.kind(), OperationKind::Create);
    assert!(progress.past_attempts().is_empty());
}

#[test]
fn a_creation_that_cleans_up_after_itself_has_failed() {
    let (progress, _) = story(&[
        (
            0,
            ROOT,
            ("App", "own", "CREATE_IN_PROGRESS", "User Initiated"),
        ),
        (
            1,
            ROOT,
            ("Web", "AWS::ECS::Service", "CREATE_FAILED", "no image"),
        ),
        (
            2,
            ROOT,
            (
                "App",
                "own",
                "DELETE_IN_PROGRESS",
                "The following resource(s) failed to create: [Web]. Delete requested by user.",
            ),
        ),
        (3, ROOT, ("App", "own", "DELETE_COMPLETE", "")),
    ]);
    assert_eq!(
        verdict_of(progress.status().unwrap(), progress.is_undone()),
        Some(Verdict::Failed)
    );
    assert_eq!(progress.first_failure().unwrap().logical_id, "Web");
}

#[test]
fn all_states_of_a_stack_and_an_unknown_one_go_through() {
    for status in StackStatus::ALL
        .into_iter()
        .chain([StackStatus::Unknown("MOON_IN_PROGRESS".to_owned())])
    {
        let (progress, _) = story(&[(0, ROOT, ("App", "own", status.as_str(), ""))]);
        assert_eq!(progress.status(), Some(&status));
        let ended = verdict_of(&status, true).is_some();
        assert_eq!(progress.phase() == Phase::Ended, ended, "{status}");
    }
}

#[test]
fn cancellations_are_told_from_reasons_that_contain_the_word() {
    for reason in [
        "Resource creation cancelled",
        "Resource update cancelled",
        "resource deletion canceled.",
    ] {
        assert!(failure::is_cancellation(reason), "{reason}");
    }
    for reason in [
        "",
        "The spot request was cancelled",
        "Resource handler returned message: \"Operation cancelled\"",
    ] {
        assert!(!failure::is_cancellation(reason), "{reason}");
    }
}
