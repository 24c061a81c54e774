//! Sending without the queue, where it cannot be written: up to three tries, and then nobody keeps the message.

use std::time::Duration;

use registry_core::clock::Clock;

use crate::classify::Verdict;
use crate::courier::{Courier, Settled};
use crate::deadline::Deadline;
use crate::spool::Entry;

/// Tries of one call.
const TRIES: u32 = 3;
/// Between two of them; a lost answer's message has had time to show by then.
const WAIT: Duration = Duration::from_secs(2);

/// Channel and id of the message where it arrived; else why not, and what to do about it.
pub(crate) type Outcome = Result<(Option<String>, Option<String>), (String, Option<String>)>;

/// Sends `entry`, which is in no queue.
pub(crate) fn send(
    entry: &Entry,
    courier: &Courier,
    clock: &dyn Clock,
    deadline: &Deadline,
) -> Outcome {
    let mut thread_lost = false;
    let mut tries = 0;
    loop {
        tries += 1;
        let root = if thread_lost {
            None
        } else {
            courier.root_of(entry, deadline)
        };
        let thread = root.as_ref().map(|root| root.ts.clone());
        let since = clock.now();
        let tried = courier.send(entry, root.as_ref(), deadline);
        let again = || tries < TRIES && deadline.pause(WAIT);
        match tried.verdict {
            Verdict::Delivered { channel, ts } => {
                let id = channel.clone();
                courier.delivered(entry, root, id, tried.rung, ts.as_deref(), deadline);
                return Ok((channel, ts));
            }
            Verdict::Transient { code } | Verdict::Unknown { code } => {
                if !again() {
                    return Err((code, None));
                }
            }
            Verdict::Maybe { code } => {
                let more = again();
                match courier.settle(entry, since, thread.as_deref(), deadline) {
                    Settled::Arrived { ts } => {
                        courier.found(entry, thread.as_deref(), ts.as_deref(), deadline);
                        return Ok((Some(entry.channel.clone()), ts));
                    }
                    Settled::Not if more => {}
                    Settled::Not | Settled::TooSoon => return Err((code, None)),
                    Settled::CannotTell(_) => {
                        return Err((format!("it may have arrived ({code})"), None));
                    }
                }
            }
            Verdict::LostTarget { code } => {
                if root.is_none() || tries >= TRIES {
                    return Err((code, None));
                }
                courier.thread_is_lost(entry);
                thread_lost = true;
            }
            Verdict::Throttled { retry_after } => {
                let wait = format!("Slack asks to wait {} s", retry_after.as_secs());
                if tries >= TRIES || !deadline.pause(retry_after.max(WAIT)) {
                    return Err((wait, None));
                }
            }
            Verdict::Configuration { code, needed, .. } => {
                let fix = courier.fix(&code, needed.as_deref(), &entry.channel);
                return Err((code, Some(fix)));
            }
            Verdict::LongTransient { code } | Verdict::Payload { code } => {
                return Err((code, None));
            }
        }
    }
}
