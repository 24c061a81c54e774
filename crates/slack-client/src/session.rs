//! Sending what is in the queue: one message after the other, in order, at Slack's pace.

use std::collections::HashSet;
use std::time::Duration;

use registry_core::clock::{Clock, Timestamp};

use crate::classify::{Scope, Verdict};
use crate::courier::{Courier, Settled, Tried};
use crate::deadline::Deadline;
use crate::ladder::Rung;
use crate::spool::{Care, Entry, PACE, Parked, RETRIES, Spool, SpoolError, Unsure};

/// The wait before the first retry; it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// What only time or a workspace's administrator mends.
const LONG_WAIT: Duration = Duration::from_secs(15 * 60);
/// Between two tries of one call.
const QUICK_WAIT: Duration = Duration::from_millis(500);
/// What was sent shorter ago than this and is not in the channel may still come.
const SETTLING: Duration = Duration::from_secs(2);
/// A call waits so long itself when Slack asks it to; a longer wait is the queue's.
const LONGEST_QUICK_WAIT: Duration = Duration::from_secs(5);

/// What happened to one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Slack has it.
    Delivered {
        /// The channel, as Slack names it.
        channel: Option<String>,
        /// The message's id there.
        ts: Option<String>,
    },
    /// It is tried again.
    Waits {
        /// Why, in words.
        reason: String,
        /// In how long.
        wait: Duration,
        /// It may have arrived; it is looked for before it is sent again.
        unsure: bool,
    },
    /// It waits for a person.
    Parked {
        /// Why, in words.
        reason: String,
        /// What to do.
        fix: String,
    },
    /// It is a dead letter.
    Dead {
        /// Why, in words.
        reason: String,
    },
}

/// What a step of a session did.
#[derive(Debug)]
pub(crate) enum Step {
    /// A message was tried.
    Tried { entry: Box<Entry>, fate: Fate },
    /// Nothing may be sent before this has passed. `pace`: only because messages went out a moment ago.
    Wait { span: Duration, pace: bool },
    /// Nothing is left that this session may send.
    Done,
}

/// One session's view: what it may send and what it found out.
#[derive(Debug)]
pub(crate) struct Session {
    /// Only this message and what must go before it.
    only: Option<String>,
    /// Tries at once for each message.
    tries: u32,
    /// How `only` was put into the queue.
    care: Care,
    /// Channels that Slack refused for reasons a person must mend; not asked again in this session.
    refused_channels: HashSet<String>,
    refused_everything: bool,
}

impl Session {
    /// Everything that is due, one try each.
    pub(crate) fn all() -> Self {
        Self {
            only: None,
            tries: 1,
            care: Care::Durable,
            refused_channels: HashSet::new(),
            refused_everything: false,
        }
    }

    /// One message, and what must go before it, trying up to three times.
    pub(crate) fn only(id: &str, care: Care) -> Self {
        Self {
            only: Some(id.to_owned()),
            tries: 3,
            care,
            ..Self::all()
        }
    }

    /// Sends the next message. The caller is the only sender.
    pub(crate) fn step(
        &mut self,
        spool: &Spool,
        courier: &Courier,
        clock: &dyn Clock,
        deadline: &Deadline,
    ) -> Result<Step, SpoolError> {
        let entries = spool.survey()?;
        match self.pick(&entries, spool, clock) {
            Picked::Nothing => Ok(Step::Done),
            Picked::Later { span, pace } => Ok(Step::Wait { span, pace }),
            Picked::This(entry) => {
                let mut entry = entry.clone();
                let fate = self.send(&mut entry, spool, courier, clock, deadline)?;
                Ok(Step::Tried {
                    entry: Box::new(entry),
                    fate,
                })
            }
        }
    }

    fn pick<'a>(&self, entries: &'a [Entry], spool: &Spool, clock: &dyn Clock) -> Picked<'a> {
        let now = clock.now();
        let wanted = match &self.only {
            None => None,
            Some(id) => match entries.iter().find(|entry| &entry.message_id == id) {
                Some(entry) => Some(entry),
                None => return Picked::Nothing,
            },
        };
        let mut blocked: HashSet<(&str, Option<&str>)> = HashSet::new();
        let mut soonest: Option<(Duration, bool)> = None;
        for entry in entries {
            let in_the_way = wanted.is_none_or(|wanted| {
                entry.message_id == wanted.message_id
                    || (entry.deployment().is_some()
                        && entry.deployment() == wanted.deployment()
                        && entry.sequence <= wanted.sequence)
            });
            if !in_the_way {
                continue;
            }
            let refused = self.refused_channels.contains(&entry.channel);
            if let Some(deployment) = entry.deployment() {
                let here = (deployment, Some(entry.channel.as_str()));
                if blocked.contains(&(deployment, None)) || blocked.contains(&here) {
                    continue;
                }
                // One that does not go keeps all later ones of its deployment; but where only a person can make it go, because of
                // its channel, nothing is kept from other channels.
                blocked.insert(if refused { here } else { (deployment, None) });
            }
            if self.refused_everything || refused {
                continue;
            }
            let own = entry.wait(now);
            let channel =
                spool
                    .channel_wait(&entry.channel)
                    .max(just_sent(entries, &entry.channel, now));
            let wait = own.max(channel);
            if wait.is_zero() {
                return Picked::This(entry);
            }
            let pace = own.is_zero() && channel <= PACE;
            if soonest.is_none_or(|(soonest, _)| wait < soonest) {
                soonest = Some((wait, pace));
            }
        }
        match soonest {
            Some((span, pace)) => Picked::Later { span, pace },
            None => Picked::Nothing,
        }
    }

    fn send(
        &mut self,
        entry: &mut Entry,
        spool: &Spool,
        courier: &Courier,
        clock: &dyn Clock,
        deadline: &Deadline,
    ) -> Result<Fate, SpoolError> {
        // Until its first send has failed, a message is as durable as its sender made it.
        let is_own = self.only.as_deref() == Some(entry.message_id.as_str());
        let care = if is_own && entry.attempts.is_empty() {
            self.care
        } else {
            Care::Durable
        };
        let mut tries = 0;
        let mut thread_lost = false;
        loop {
            tries += 1;
            match settle(entry, courier, clock, deadline) {
                None | Some(Settled::Not) => entry.unsure = None,
                Some(Settled::Arrived { ts }) => {
                    spool.delivered(entry, false)?;
                    let unsure = entry.unsure.take();
                    let thread = unsure.and_then(|unsure| unsure.thread);
                    courier.found(entry, thread.as_deref(), ts.as_deref(), deadline);
                    return Ok(Fate::Delivered {
                        channel: Some(entry.channel.clone()),
                        ts,
                    });
                }
                Some(Settled::TooSoon) => {
                    entry.wait_for(SETTLING, clock.now());
                    spool.update(entry, Care::Durable)?;
                    let last = entry.attempts.last();
                    let reason = last.map_or("its sender was ended", |last| &last.detail);
                    return Ok(Fate::Waits {
                        reason: reason.to_owned(),
                        wait: SETTLING,
                        unsure: true,
                    });
                }
                // It is sent again, but not in the same breath: perhaps history can be read later.
                Some(Settled::CannotTell(_)) if tries > 1 => {
                    return count_failure(entry, spool, clock);
                }
                Some(Settled::CannotTell(_)) => {
                    entry.unsure = None;
                    entry.maybe_repeated += 1;
                    spool.count_maybe_repeated()?;
                }
            }
            // A root that cannot be answered would only be found again in the channel.
            let root = if thread_lost {
                None
            } else {
                courier.root_of(entry, deadline)
            };
            entry.unsure = Some(Unsure {
                since: clock.now(),
                thread: root.as_ref().map(|root| root.ts.clone()),
            });
            if !noted(entry, care, spool)? {
                // Taken out of the queue meanwhile: newer progress replaced it.
                return Ok(Fate::Waits {
                    reason: "newer progress replaced it".to_owned(),
                    wait: Duration::ZERO,
                    unsure: false,
                });
            }
            crate::crash::point("before-send");
            let tried = courier.send(entry, root.as_ref(), deadline);
            crate::crash::point("after-send");
            let again = tries < self.tries;
            match self.after(entry, &tried, spool, courier, clock)? {
                After::Delivered { channel, ts } => {
                    spool.delivered(entry, tried.rung == Rung::Truncated)?;
                    crate::crash::point("after-delivered");
                    let id = channel.clone();
                    courier.delivered(entry, root, id, tried.rung, ts.as_deref(), deadline);
                    return Ok(Fate::Delivered { channel, ts });
                }
                // A new message instead of the one that could not be answered, at once.
                After::LostTarget if root.is_some() => {
                    courier.thread_is_lost(entry);
                    thread_lost = true;
                    continue;
                }
                After::LostTarget => {}
                After::Final(fate) => return Ok(fate),
                After::Throttled { fate, wait } => {
                    if again && wait <= LONGEST_QUICK_WAIT && deadline.pause(wait) {
                        continue;
                    }
                    return Ok(fate);
                }
                After::Again { wait } => {
                    if again && deadline.pause(wait) {
                        continue;
                    }
                }
            }
            return count_failure(entry, spool, clock);
        }
    }

    // What an answer changes, in the entry and in the queue.
    fn after(
        &mut self,
        entry: &mut Entry,
        tried: &Tried,
        spool: &Spool,
        courier: &Courier,
        clock: &dyn Clock,
    ) -> Result<After, SpoolError> {
        let now = clock.now();
        for refused in &tried.refused {
            entry.tried(now, "payload", refused);
        }
        // Everything but a maybe is known not to have arrived.
        let unsure = entry.unsure.take();
        let shortest = if self.only.is_some() {
            PACE
        } else {
            backoff(entry.failures)
        };
        let mut note = |outcome: &str, code: &str| entry.tried(now, outcome, code);
        Ok(match &tried.verdict {
            Verdict::Delivered { channel, ts } => After::Delivered {
                channel: channel.clone(),
                ts: ts.clone(),
            },
            Verdict::Transient { code } => {
                note("transient", code);
                After::Again { wait: QUICK_WAIT }
            }
            Verdict::Unknown { code } => {
                note("unknown", code);
                After::Again { wait: QUICK_WAIT }
            }
            Verdict::Maybe { code } => {
                note("maybe", code);
                entry.unsure = unsure;
                // It may be in the channel, so the next one waits as if it were.
                spool.hold(&entry.channel, PACE)?;
                After::Again { wait: QUICK_WAIT }
            }
            Verdict::LostTarget { code } => {
                note("lost_target", code);
                After::LostTarget
            }
            Verdict::Payload { code } => {
                let reason = format!("Slack refuses the message in every form ({code})");
                entry.parked = None;
                spool.bury(entry)?;
                After::Final(Fate::Dead { reason })
            }
            Verdict::Throttled { retry_after } => {
                let wait = (*retry_after).max(shortest);
                note("throttled", &format!("wait {} s", wait.as_secs()));
                entry.parked = None;
                spool.hold(&entry.channel, wait)?;
                spool.update(entry, Care::Durable)?;
                let seconds = wait.as_secs();
                let reason = format!(
                    "Slack asks to wait {seconds} s before the next message to {}",
                    entry.channel
                );
                After::Throttled {
                    fate: Fate::Waits {
                        reason,
                        wait,
                        unsure: false,
                    },
                    wait,
                }
            }
            Verdict::LongTransient { code } => {
                note("long_transient", code);
                entry.parked = None;
                entry.wait_for(LONG_WAIT, now);
                spool.update(entry, Care::Durable)?;
                After::Final(Fate::Waits {
                    reason: code.clone(),
                    wait: LONG_WAIT,
                    unsure: false,
                })
            }
            Verdict::Configuration {
                code,
                scope,
                needed,
            } => {
                match scope {
                    Scope::Everything => self.refused_everything = true,
                    Scope::Channel => drop(self.refused_channels.insert(entry.channel.clone())),
                }
                let fix = courier.fix(code, needed.as_deref(), &entry.channel);
                let before = entry.parked.take();
                entry.parked = Some(Parked {
                    since: before.as_ref().map_or(now, |parked| parked.since),
                    reason: code.clone(),
                    fix: fix.clone(),
                    tries: before.map_or(0, |parked| parked.tries) + 1,
                });
                spool.update(entry, Care::Durable)?;
                After::Final(Fate::Parked {
                    reason: code.clone(),
                    fix,
                })
            }
        })
    }
}

// How long the channel is still busy with a message whose sender died before it could say so.
fn just_sent(entries: &[Entry], channel: &str, now: Timestamp) -> Duration {
    let sent = entries
        .iter()
        .filter(|entry| entry.channel == channel)
        .filter_map(|entry| entry.unsure.as_ref())
        .filter(|unsure| unsure.since <= now)
        .map(|unsure| PACE.saturating_sub(now.since(unsure.since)));
    sent.max().unwrap_or_default()
}

enum Picked<'a> {
    This(&'a Entry),
    Later { span: Duration, pace: bool },
    Nothing,
}

enum After {
    Delivered {
        channel: Option<String>,
        ts: Option<String>,
    },
    LostTarget,
    Again {
        wait: Duration,
    },
    Throttled {
        fate: Fate,
        wait: Duration,
    },
    Final(Fate),
}

// A send whose outcome is not known: look before sending again.
fn settle(
    entry: &Entry,
    courier: &Courier,
    clock: &dyn Clock,
    deadline: &Deadline,
) -> Option<Settled> {
    let unsure = entry.unsure.as_ref()?;
    let look = || courier.settle(entry, unsure.since, unsure.thread.as_deref(), deadline);
    let first = look();
    let young = SETTLING.saturating_sub(clock.now().since(unsure.since));
    if first != Settled::Not || young.is_zero() {
        return Some(first);
    }
    // Its sender was killed, or the connection lost, a moment ago: Slack may be about to post it.
    Some(if deadline.pause(young) {
        look()
    } else {
        Settled::TooSoon
    })
}

// Notes in the queue that a message is being sent. Whether it is still there.
fn noted(entry: &Entry, care: Care, spool: &Spool) -> Result<bool, SpoolError> {
    match spool.update(entry, care) {
        // A full disk is a reason for a deployment to fail, and no reason not to say so. Only a kill could now double it.
        Err(SpoolError::Io { .. }) => Ok(spool.has(&entry.message_id)),
        other => other,
    }
}

// One more failed send. After the last retry the message is given up.
fn count_failure(entry: &mut Entry, spool: &Spool, clock: &dyn Clock) -> Result<Fate, SpoolError> {
    entry.failures = entry.failures.saturating_add(1);
    entry.parked = None;
    let reason = entry
        .attempts
        .last()
        .map_or_else(String::new, |last| last.detail.clone());
    if entry.failures > RETRIES {
        spool.bury(entry)?;
        return Ok(Fate::Dead { reason });
    }
    let wait = backoff(entry.failures);
    entry.wait_for(wait, clock.now());
    spool.update(entry, Care::Durable)?;
    Ok(Fate::Waits {
        reason,
        wait,
        unsure: entry.unsure.is_some(),
    })
}

/// The wait after so many failed sends: 5, 10, 20, 40, 80 s.
fn backoff(failures: u32) -> Duration {
    FIRST_WAIT * 2_u32.saturating_pow(failures.clamp(1, RETRIES) - 1)
}
