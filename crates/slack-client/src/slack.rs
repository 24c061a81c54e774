//! What programs call: send a notification, or queue it now and send later.

use std::sync::Arc;
use std::time::Duration;

use registry_core::clock::{Clock, Timestamp, Wake};
use registry_core::notification::Notification;
use registry_core::settings::{
    REGISTRY_DIR, SLACK_CHANNEL_INTERACT, SLACK_CHANNEL_UPDATES, SLACK_QUEUE_DIR, SLACK_TIMEOUT,
    Settings,
};
use registry_core::store::lock::LockError;
use registry_core::text::Masker;

use crate::access::Access;
use crate::courier::Courier;
use crate::deadline::Deadline;
use crate::direct;
use crate::doctor::{self, Finding};
use crate::links::Links;
use crate::message::{Circumstances, plain_text};
use crate::session::{Fate, Session, Step};
use crate::spool::{Care, Draft, Enqueued, Entry, Spool, SpoolError};
use crate::threads::Threads;

/// What a caller may say beside the notification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Another channel than the one for updates: its id or name, or the words `updates` and `interact`.
    pub channel: Option<String>,
    /// A name under which the message is queued at most once, also after it was delivered.
    pub key: Option<String>,
    /// When it happened, if not now.
    pub at: Option<Timestamp>,
}

/// What became of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Delivery {
    /// Slack has it.
    Delivered {
        /// The channel's id, where Slack told it.
        channel: Option<String>,
        /// The message's id there, where Slack told it.
        ts: Option<String>,
    },
    /// It was queued under its key before.
    Known {
        /// Its name.
        message_id: String,
    },
    /// It is in the retry queue, as a waiting message or as a dead letter.
    Queued {
        /// Its name.
        message_id: String,
        /// Why it is not delivered, in words.
        reason: String,
        /// What a person must do, where there is something.
        fix: Option<String>,
        /// It may have arrived; it is looked for before it is sent again.
        unsure: bool,
    },
    /// It is neither delivered nor stored.
    Lost {
        /// Why, in words.
        reason: String,
        /// What a person must do, where there is something.
        fix: Option<String>,
        /// What it said, masked.
        text: String,
    },
}

/// How much [`Slack::process`] does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// Wait so long for what falls due; none: send what is due now.
    pub drain: Option<Duration>,
    /// Begin nothing after this; none: until everything due is sent.
    pub at_most: Option<Duration>,
}

/// What [`Slack::process`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Messages delivered.
    pub delivered: usize,
    /// Messages that became dead letters.
    pub dead: usize,
    /// What a person must mend: reason and fix.
    pub fixes: Vec<(String, String)>,
    /// Messages that are still waiting.
    pub left: usize,
    /// Another process was sending all the time.
    pub busy: bool,
    /// Damaged files that were put aside; one sentence each.
    pub damaged: Vec<String>,
}

/// How long `process` waits for another process that is sending one message.
const PROCESS_PATIENCE: Duration = Duration::from_secs(60);

/// One part in so many of a call's time is for what is around it: starting, and making the queue's file durable.
const SHARE_AROUND: u32 = 20;

/// The way to Slack, with the retry queue behind it.
pub struct Slack {
    spool: Spool,
    courier: Courier,
    clock: Arc<dyn Clock>,
    masker: Masker,
    links: Links,
    updates: String,
    interact: String,
    timeout: Duration,
    warnings: Vec<String>,
}

impl std::fmt::Debug for Slack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slack")
            .field("spool", &self.spool)
            .finish_non_exhaustive()
    }
}

impl Slack {
    /// As the settings say. A wrong setting never keeps a deployment from going on: see [`Slack::warnings`], and messages
    /// wait in the queue.
    pub fn from_settings(settings: &Settings, clock: Arc<dyn Clock>) -> Self {
        let mut warnings = Vec::new();
        let timeout = settings.duration(&SLACK_TIMEOUT).unwrap_or_else(|error| {
            warnings.push(format!("{error}; it counts as {}", SLACK_TIMEOUT.default));
            registry_core::clock::parse_duration(SLACK_TIMEOUT.default).unwrap_or_default()
        });
        let masker = Masker::new(settings.secrets());
        let threads = Threads::beside(&settings.path(&REGISTRY_DIR));
        let updates = settings.text(&SLACK_CHANNEL_UPDATES);
        let access = Access::from_settings(settings);
        let spool = Spool::new(
            settings.path(&SLACK_QUEUE_DIR),
            updates.clone(),
            Arc::clone(&clock),
        );
        warnings.extend(spool.complaint());
        Self {
            spool,
            courier: Courier::new(access, threads, Arc::clone(&clock), timeout),
            clock,
            masker,
            links: Links::from_settings(settings),
            updates,
            interact: settings.text(&SLACK_CHANNEL_INTERACT),
            timeout,
            warnings,
        }
    }

    /// Settings that make no sense and what stands in for them, and a queue that others can read; one sentence each.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The retry queue.
    #[must_use]
    pub fn spool(&self) -> &Spool {
        &self.spool
    }

    /// Looks whether everything is there that messages need; posts nothing.
    #[must_use]
    pub fn examine(&self) -> Vec<Finding> {
        let channels = [
            ("updates", self.updates.as_str()),
            ("interact", self.interact.as_str()),
        ];
        let deadline = Deadline::after(&self.clock, self.timeout);
        let mut findings = doctor::examine_way(&self.courier, &channels, &*self.clock, &deadline);
        findings.push(doctor::examine_queue(&self.spool));
        findings
    }

    /// Whether a message can be looked for in its channel at all: a webhook cannot.
    #[must_use]
    pub fn can_look(&self) -> bool {
        !self.courier.is_webhook()
    }

    /// The channel that `wanted` means, and a warning where it makes no sense.
    #[must_use]
    pub fn channel(&self, wanted: Option<&str>) -> (String, Option<String>) {
        let Some(wanted) = wanted.map(str::trim).filter(|wanted| !wanted.is_empty()) else {
            return (self.updates.clone(), None);
        };
        let channel = match wanted {
            "updates" => self.updates.clone(),
            "interact" => self.interact.clone(),
            other => other.to_owned(),
        };
        if self.courier.is_webhook() && channel != self.updates {
            let warning = format!(
                "CHANNEL {wanted:?} is ignored: a webhook posts to the channel it was made for; with SLACK_BOT_TOKEN any channel can be given"
            );
            return (self.updates.clone(), Some(warning));
        }
        if is_channel(&channel) {
            return (channel, None);
        }
        let warning = format!(
            "CHANNEL {:?} is no channel's id or name: the message goes to {}",
            registry_core::text::shorten(wanted, 60),
            self.updates
        );
        (self.updates.clone(), Some(warning))
    }

    // The notification as it is stored and sent: masked, with links made while this process knows what they need.
    fn draft(&self, notification: &Notification, options: &Options) -> Draft {
        let notification = self.links.resolve(notification);
        Draft {
            console_url: self.links.console(&notification),
            notification: notification.map_text(|text| self.masker.mask(text)),
            channel: self
                .masker
                .mask(&self.channel(options.channel.as_deref()).0),
            key: options.key.clone(),
            happened_at: options.at.unwrap_or_else(|| self.clock.now()),
        }
    }

    /// Queues a notification durably and sends nothing.
    pub fn enqueue(
        &self,
        notification: &Notification,
        options: &Options,
    ) -> Result<Enqueued, SpoolError> {
        self.spool
            .enqueue(self.draft(notification, options), Care::Durable)
    }

    /// Sends a notification. Returns within `SLACK_TIMEOUT`, however Slack behaves; what is not delivered then is in the queue.
    pub fn send(&self, notification: &Notification, options: &Options) -> Delivery {
        let deadline = Deadline::after(
            &self.clock,
            self.timeout / SHARE_AROUND * (SHARE_AROUND - 1),
        );
        let draft = self.draft(notification, options);
        // A caller with a key moves on once it is queued; others live until it is sent or the queue has it for good.
        let care = if options.key.is_some() {
            Care::Durable
        } else {
            Care::ForNow
        };
        match self.spool.enqueue(draft.clone(), care) {
            Ok(Enqueued::Known { message_id }) => Delivery::Known { message_id },
            Ok(Enqueued::New { message_id }) => {
                let delivery = self.deliver(&message_id, care, &deadline);
                self.make_sure(delivery, care)
            }
            Err(error) => self.send_unqueued(draft, &error, &deadline),
        }
    }

    /// Sends a message that [`Slack::enqueue`] has taken, and what must go before it. Returns within `at_most` and
    /// `SLACK_TIMEOUT`, whichever is shorter; what is not delivered then stays in the queue.
    pub fn send_queued(&self, message_id: &str, at_most: Duration) -> Delivery {
        let deadline = Deadline::after(&self.clock, self.timeout.min(at_most));
        self.deliver(message_id, Care::Durable, &deadline)
    }

    // What was queued only for as long as its sender lives must be durable before "it is queued" is said.
    fn make_sure(&self, delivery: Delivery, care: Care) -> Delivery {
        if let (Delivery::Queued { message_id, .. }, Care::ForNow) = (&delivery, care) {
            // The file is there; that only a power cut could take it away is no reason to say anything else.
            let _durable = self.spool.sync(message_id);
        }
        delivery
    }

    fn deliver(&self, id: &str, care: Care, deadline: &Deadline) -> Delivery {
        let mut session = Session::only(id, care);
        // Of the last message that was tried and did not arrive; when that is another one, ours waits behind it.
        let mut obstacle: Option<(String, Option<String>)> = None;
        let queued = |(reason, fix): (String, Option<String>)| Delivery::Queued {
            message_id: id.to_owned(),
            reason,
            fix,
            unsure: false,
        };
        loop {
            let step = self.spool.as_sender(deadline.remaining(), || {
                session.step(&self.spool, &self.courier, &*self.clock, deadline)
            });
            match step {
                Ok(Ok(Step::Tried { entry, fate })) => {
                    let own = entry.message_id == id;
                    match fate {
                        Fate::Delivered { channel, ts } if own => {
                            return Delivery::Delivered { channel, ts };
                        }
                        Fate::Delivered { .. } => {}
                        other => {
                            let unsure = matches!(other, Fate::Waits { unsure: true, .. });
                            let told = tell(other, &entry);
                            if own {
                                return Delivery::Queued {
                                    message_id: id.to_owned(),
                                    reason: told.0,
                                    fix: told.1,
                                    unsure,
                                };
                            }
                            obstacle = Some(told);
                        }
                    }
                }
                Ok(Ok(Step::Wait { span, pace })) => {
                    if pace && deadline.pause(span) {
                        continue;
                    }
                    let waits = registry_core::clock::human_duration(span);
                    return queued(obstacle.map_or_else(
                        || {
                            let reason = format!(
                                "an earlier message of this deployment, or its channel, waits for another {waits}"
                            );
                            (reason, None)
                        },
                        behind,
                    ));
                }
                Ok(Ok(Step::Done)) if !self.spool.has(id) => {
                    // Another process has sent it.
                    return Delivery::Delivered {
                        channel: None,
                        ts: None,
                    };
                }
                Ok(Ok(Step::Done)) => {
                    let unknown = || ("it could not be tried now".to_owned(), None);
                    return queued(obstacle.map_or_else(unknown, behind));
                }
                Ok(Err(error)) | Err(error) => {
                    return queued((error.to_string(), None));
                }
            }
        }
    }

    // The queue cannot take it: a direct try is better than none.
    fn send_unqueued(&self, draft: Draft, error: &SpoolError, deadline: &Deadline) -> Delivery {
        let now = self.clock.now();
        let mut entry = Entry::new(
            format!("{:013}-unqueued", now.millis()),
            now.millis(),
            draft.notification,
            draft.channel,
            now,
        );
        entry.console_url = draft.console_url;
        entry.happened_at = draft.happened_at;
        match direct::send(&entry, &self.courier, &*self.clock, deadline) {
            Ok((channel, ts)) => Delivery::Delivered { channel, ts },
            Err((reason, fix)) => {
                let circumstances = Circumstances {
                    at: entry.happened_at,
                    ..Circumstances::default()
                };
                Delivery::Lost {
                    reason: format!("{reason}; and {error}"),
                    fix,
                    text: plain_text(&entry.notification, &circumstances),
                }
            }
        }
    }

    /// Sends what is due, in order, at Slack's pace. `on` is told each message and its fate.
    pub fn process(
        &self,
        effort: Effort,
        on: &mut dyn FnMut(&Entry, &Fate),
    ) -> Result<Report, SpoolError> {
        let mut report = Report::default();
        let drained = Deadline::after(&self.clock, effort.drain.unwrap_or_default());
        let over = effort
            .at_most
            .map(|span| Deadline::after(&self.clock, span));
        let mut session = Session::all();
        report.damaged = self.spool.sweep()?;
        while over.as_ref().is_none_or(|over| !over.remaining().is_zero()) {
            let patience = over.as_ref().map_or(PROCESS_PATIENCE, Deadline::remaining);
            let step = self.spool.as_sender(patience, || {
                let deadline = Deadline::after(&self.clock, self.timeout);
                session.step(&self.spool, &self.courier, &*self.clock, &deadline)
            });
            match step {
                Ok(step) => match step? {
                    Step::Tried { entry, fate } => {
                        on(&entry, &fate);
                        count(&mut report, fate);
                    }
                    Step::Wait { span, pace } => {
                        let allowed = if pace {
                            Duration::MAX
                        } else {
                            drained.remaining()
                        };
                        let late = over.as_ref().is_some_and(|over| span >= over.remaining());
                        if span > allowed || late || self.clock.sleep(span) == Wake::Stopped {
                            break;
                        }
                    }
                    Step::Done => break,
                },
                Err(SpoolError::Lock(LockError::Busy { .. })) => {
                    report.busy = true;
                    break;
                }
                Err(SpoolError::Lock(LockError::Stopped { .. })) => break,
                Err(error) => return Err(error),
            }
        }
        report.left = self.spool.waiting()?.len();
        Ok(report)
    }
}

fn count(report: &mut Report, fate: Fate) {
    match fate {
        Fate::Delivered { .. } => report.delivered += 1,
        Fate::Dead { .. } => report.dead += 1,
        Fate::Parked { reason, fix } => {
            let told = (reason, fix);
            if !report.fixes.contains(&told) {
                report.fixes.push(told);
            }
        }
        Fate::Waits { .. } => {}
    }
}

fn tell(fate: Fate, entry: &Entry) -> (String, Option<String>) {
    match fate {
        Fate::Delivered { .. } => (String::new(), None),
        Fate::Waits { reason, .. } => (reason, None),
        Fate::Parked { reason, fix } => (reason, Some(fix)),
        Fate::Dead { reason } => {
            let id = &entry.message_id;
            let fix = format!(
                "it is a dead letter now: look at it with `slack-retry-queue show {id}`, try again with `slack-retry-queue retry_dead {id}`"
            );
            (reason, Some(fix))
        }
    }
}

fn behind((reason, fix): (String, Option<String>)) -> (String, Option<String>) {
    let reason = format!("an earlier message of this deployment is not delivered: {reason}");
    (reason, fix)
}

// An id (`C0A9M9DPFUY`) or a name (`#kiro-updates`); Slack's names have no blanks and at most 80 characters.
fn is_channel(text: &str) -> bool {
    let name = text.trim_start_matches('#');
    !name.is_empty()
        && !name.starts_with('-')
        && name.chars().count() <= 80
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
}
