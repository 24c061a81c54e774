//! What failed hooks said, joined to the failure they caused.
//!
//! A hook that does not let a resource pass says why on an event of its own (`HookStatusReason`), before the resource's
//! `CREATE_FAILED`, which only names it: `The following hook(s) failed: [Private::Guard::Buckets]` (aws-cdk#21674). The two are
//! joined by the stack, the resource, and the hook's name in the reason.

use std::collections::BTreeMap;

use crate::stack::StackEvent;

use super::Failure;

/// What the failed hooks of one attempt said: by stack and resource, then by hook.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hooks(BTreeMap<(String, String), BTreeMap<String, String>>);

impl Hooks {
    /// Remembers what a failed hook said. One that only warns is remembered too; no failure will name it.
    pub(crate) fn note(&mut self, event: &StackEvent) {
        let Some(hook) = event.hook.as_ref().filter(|hook| hook.failed()) else {
            return;
        };
        if let Some(reason) = &hook.reason {
            self.0
                .entry((event.stack_id.clone(), event.logical_id.clone()))
                .or_default()
                .insert(hook.kind.clone(), reason.clone());
        }
    }

    /// Adds to a failure's reason what the hooks said that it names.
    pub(crate) fn explain(&self, failure: &mut Failure) {
        let of_resource = (failure.stack_id.clone(), failure.logical_id.clone());
        if !failure.reason.contains("hook(s) failed") {
            return;
        }
        for (kind, reason) in self.0.get(&of_resource).into_iter().flatten() {
            if names(&failure.reason, kind) && !failure.reason.contains(reason.as_str()) {
                failure.reason += &format!("; {kind} said: {reason}");
            }
        }
    }
}

// Whole names only: `Private::Guard::Bucket` is not named by `Private::Guard::Buckets`.
fn names(reason: &str, kind: &str) -> bool {
    reason
        .split(|c: char| !(c.is_alphanumeric() || c == ':'))
        .any(|word| word.trim_end_matches(':') == kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::progress::{Happening, StackProgress};
    use crate::stack::{Hook, ResourceStatus, STACK_TYPE};

    const ID: &str = "arn:aws:cloudformation:us-east-1:123456789012:stack/App/1";

    fn event(at: i64, id: &str, status: &str, reason: Option<&str>) -> StackEvent {
        let own = id == "App";
        StackEvent {
            event_id: format!("{id}-{at}"),
            stack_id: ID.to_owned(),
            stack_name: "App".to_owned(),
            logical_id: id.to_owned(),
            physical_id: own.then(|| ID.to_owned()),
            resource_type: if own { STACK_TYPE } else { "AWS::S3::Bucket" }.to_owned(),
            status: ResourceStatus(status.to_owned()),
            reason: reason.map(str::to_owned),
            timestamp: Timestamp::from_seconds(at),
            operation_id: None,
            detailed_status: None,
            hook: None,
        }
    }

    fn hook(at: i64, id: &str, kind: &str, status: &str, reason: &str) -> StackEvent {
        StackEvent {
            hook: Hook::of(Some(kind), Some(status), Some(reason)),
            ..event(at, id, "CREATE_IN_PROGRESS", None)
        }
    }

    fn cause_of(events: &[StackEvent]) -> String {
        let mut progress = StackProgress::of(ID);
        let told: Vec<Happening> = events
            .iter()
            .flat_map(|event| progress.apply(event))
            .collect();
        let failures = told
            .iter()
            .filter(|one| matches!(one, Happening::FirstFailure { .. }));
        assert_eq!(failures.count(), 1, "{told:?}");
        progress.first_failure().unwrap().reason.clone()
    }

    #[test]
    fn a_failed_hooks_own_words_stand_with_the_first_cause() {
        let named = "The following hook(s) failed: [Private::Guard::Buckets]";
        let words = "Hook failed with message: public buckets are not allowed";
        let cause = cause_of(&[
            event(1, "App", "CREATE_IN_PROGRESS", None),
            event(2, "Logs", "CREATE_IN_PROGRESS", None),
            hook(
                3,
                "Logs",
                "Private::Guard::Buckets",
                "HOOK_IN_PROGRESS",
                "running",
            ),
            hook(
                3,
                "Logs",
                "Private::Guard::Bucket",
                "HOOK_COMPLETE_FAILED",
                "another's",
            ),
            hook(
                3,
                "Logs",
                "Private::Tags::Check",
                "HOOK_COMPLETE_FAILED",
                "only a warning",
            ),
            hook(
                4,
                "Data",
                "Private::Guard::Buckets",
                "HOOK_COMPLETE_FAILED",
                "other resource",
            ),
            hook(
                4,
                "Logs",
                "Private::Guard::Buckets",
                "HOOK_COMPLETE_FAILED",
                words,
            ),
            event(5, "Logs", "CREATE_FAILED", Some(named)),
        ]);
        assert_eq!(
            cause,
            format!("{named}; Private::Guard::Buckets said: {words}")
        );
    }

    #[test]
    fn a_failure_for_another_reason_stays_as_it_is() {
        let cause = cause_of(&[
            event(1, "App", "CREATE_IN_PROGRESS", None),
            hook(
                2,
                "Logs",
                "Private::Guard::Buckets",
                "HOOK_COMPLETE_FAILED",
                "warned",
            ),
            event(
                3,
                "Logs",
                "CREATE_FAILED",
                Some("the name Private::Guard::Buckets is taken"),
            ),
        ]);
        assert_eq!(cause, "the name Private::Guard::Buckets is taken");
    }
}
