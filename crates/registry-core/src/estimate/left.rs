//! The one number that everybody shows: how long a deployment will still take. Pure, but for what [`Watched`] was read from.
//!
//! `estimate`, `can_deploy`, `wait`, `status`, `get_active` and the fallback answer with this; the monitor, which follows one
//! operation's events itself, with the same [`super::estimate`].

use std::time::Duration;

use super::watch::{Watched, not_begun};
use super::{Estimate, Past};
use crate::clock::Timestamp;

/// What is left of a deployment on one stack.
#[derive(Debug, Clone, PartialEq)]
pub struct Left {
    /// Time since it began.
    pub elapsed: Duration,
    /// Time it will still take.
    pub remaining: Duration,
    /// Lower end of the interval for `remaining`.
    pub low: Duration,
    /// Upper end.
    pub high: Duration,
    /// What the number rests on.
    pub on: On,
}

/// What the number rests on.
#[derive(Debug, Clone, PartialEq)]
pub enum On {
    /// The stack's operation in progress.
    Operation(Box<Estimate>),
    /// The deployment has not begun on this stack: what earlier ones took.
    Average,
    /// Nothing is in progress, and nothing is awaited.
    Over,
}

/// What is left on one stack; `None` where the deployment has not begun there and nobody knows what such ones take.
///
/// `registered` is when the deployment was; without it, a stack with nothing in progress has nothing before it. `elapsed` is
/// what the caller knows of the time since its beginning.
#[must_use]
pub fn on_stack(
    watched: &Watched,
    past: &Past,
    registered: Option<Timestamp>,
    elapsed: Option<Duration>,
) -> Option<Left> {
    if let Some(estimate) = &watched.estimate {
        return Some(Left {
            elapsed: elapsed.unwrap_or(estimate.elapsed),
            remaining: estimate.remaining,
            low: estimate.low,
            high: estimate.high,
            on: On::Operation(Box::new(estimate.clone())),
        });
    }
    let is_awaited = match (&watched.stack, registered) {
        (None, _) => true,
        (Some(stack), Some(registered)) => stack.changed_at() < registered,
        (Some(_), None) => false,
    };
    let since = registered.map(|registered| watched.at.since(registered));
    let elapsed = elapsed.or(since.filter(|_| is_awaited)).unwrap_or_default();
    if !is_awaited {
        return Some(Left {
            elapsed,
            remaining: Duration::ZERO,
            low: Duration::ZERO,
            high: Duration::ZERO,
            on: On::Over,
        });
    }
    let remaining = not_begun(past)?.saturating_sub(elapsed);
    Some(Left {
        elapsed,
        remaining,
        low: remaining.mul_f64(0.8),
        high: remaining.mul_f64(1.2),
        on: On::Average,
    })
}

/// Of several stacks the one that takes longest is what the deployment waits for.
#[must_use]
pub fn longest<T>(stacks: impl IntoIterator<Item = T>, left: impl Fn(&T) -> &Left) -> Option<T> {
    stacks.into_iter().max_by_key(|stack| left(stack).remaining)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::stack::{Stack, StackStatus};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    /// A stack whose last operation began `changed` seconds before now, if there is one.
    fn idle(changed: Option<i64>) -> Watched {
        Watched {
            stack: changed.map(|changed| {
                Box::new(Stack {
                    id: "arn:aws:cloudformation:us-east-1:123456789012:stack/App/1"
                        .parse()
                        .unwrap(),
                    name: "App".to_owned(),
                    status: StackStatus::UpdateComplete,
                    status_reason: None,
                    created_at: at(-100_000),
                    updated_at: Some(at(-changed)),
                    tags: BTreeMap::new(),
                    root_id: None,
                    last_operations: Vec::new(),
                })
            }),
            at: at(0),
            operation: None,
            estimate: None,
            notes: Vec::new(),
        }
    }

    #[test]
    fn what_has_not_begun_takes_what_the_last_ones_took() {
        let past = |seconds: &[f64]| Past {
            totals: seconds.iter().map(|seconds| (None, *seconds)).collect(),
            ..Past::default()
        };
        let (known, unknown) = (past(&[600.0]), past(&[]));
        // The stack's last change, the registration, the elapsed time that the caller gave; what is left and what has passed.
        for (what, changed, registered, elapsed, history, expected) in [
            (
                "not begun",
                Some(9000),
                Some(300),
                None,
                &known,
                Some((300, 300)),
            ),
            (
                "not begun, and late",
                Some(9000),
                Some(900),
                None,
                &known,
                Some((0, 900)),
            ),
            (
                "the caller knows better",
                Some(9000),
                Some(300),
                Some(60),
                &known,
                Some((540, 60)),
            ),
            (
                "no such stack yet",
                None,
                Some(300),
                None,
                &known,
                Some((300, 300)),
            ),
            (
                "no such stack, not registered",
                None,
                None,
                None,
                &known,
                Some((600, 0)),
            ),
            ("nothing known", Some(9000), Some(300), None, &unknown, None),
            (
                "no such stack, nothing known",
                None,
                None,
                None,
                &unknown,
                None,
            ),
            (
                "over since the registration",
                Some(100),
                Some(300),
                None,
                &known,
                Some((0, 0)),
            ),
            ("idle", Some(9000), None, None, &known, Some((0, 0))),
            (
                "idle, nothing known",
                Some(9000),
                None,
                Some(60),
                &unknown,
                Some((0, 60)),
            ),
        ] {
            let registered = registered.map(|ago| at(-ago));
            let elapsed = elapsed.map(Duration::from_secs);
            let left = on_stack(&idle(changed), history, registered, elapsed);
            let found = left.map(|left| (left.remaining.as_secs(), left.elapsed.as_secs()));
            assert_eq!(found, expected, "{what}");
        }
    }
}
