//! `registry-fallback`: CloudFormation alone.

use serde_json::json;

use crate::decision::{Row, check_active, check_answer, check_warning, each_row, held_world};

#[test]
fn the_fallback_answers_from_cloudformation_alone() {
    each_row(held_world, |world, says, row| {
        let outcome = world.run(&["registry-fallback", "can_deploy", "production"]);
        let (code, reason) = match row {
            Row::Missing | Row::Idle => (0, "no_active_deployment"),
            Row::NeedsCleanup => (0, "stack_in_failed_state"),
            Row::InProgress => (1, "active_deployment"),
            Row::CannotTell => (2, "status_unknown"),
        };
        let answer = check_answer(&outcome, code, reason, &format!("{says:?}"));
        assert_eq!(
            answer["source"],
            json!("cloudformation_fallback"),
            "{outcome}"
        );
        check_warning(&answer, row, &outcome);
        if row == Row::NeedsCleanup {
            assert!(answer["stack_status"].is_string(), "{outcome}");
        }
        if row == Row::InProgress {
            check_active(&answer, "cloudformation_fallback", &outcome);
        }
        let outcome = world.run(&["registry-fallback", "get_active", "production"]);
        let code = match row {
            Row::Missing | Row::Idle | Row::NeedsCleanup => 1,
            Row::InProgress => 0,
            Row::CannotTell => 2,
        };
        assert_eq!(outcome.code, Some(code), "{says:?}\n{outcome}");
        match code {
            0 => assert_eq!(
                outcome.json()["correlation_id"],
                json!("unknown-fallback"),
                "{outcome}"
            ),
            1 => assert_eq!(outcome.json(), json!({}), "{outcome}"),
            _ => assert!(outcome.stderr.contains("[ERROR]"), "{outcome}"),
        }
    });
}
