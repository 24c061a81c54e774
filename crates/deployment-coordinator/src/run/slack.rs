//! What Slack is told. Every message is in the retry queue before anything else is done, so that none is lost whatever happens
//! to this process; a thread of its own carries them, so that no deployment waits for Slack.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use command_line::Console;
use registry_core::clock::{Clock, SystemClock};
use registry_core::notification::Notification;
use registry_core::settings::Settings;
use slack_client::{Delivery, Options, Slack};

use super::course::Event;

/// For one message; the client's own time-out ends it earlier.
const EACH: Duration = Duration::from_secs(20);
/// The most that the end of a run waits for its messages: its first and its last one.
const AT_THE_END: Duration = Duration::from_secs(32);

enum Job {
    Queued(String),
    /// The queue could not take it.
    Direct(Box<Notification>),
}

/// Tells Slack.
pub(super) struct Teller {
    slack: Arc<Slack>,
    options: Options,
    jobs: Sender<Job>,
    done: Receiver<()>,
}

impl Teller {
    /// Nothing is sent before the first message.
    pub(super) fn new(
        settings: &Settings,
        console: &Console,
        channel: Option<&str>,
    ) -> std::io::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let slack = Arc::new(Slack::from_settings(settings, clock));
        for warning in slack.warnings() {
            console.warning(warning);
        }
        if let (_, Some(warning)) = slack.channel(channel) {
            console.warning(&warning);
        }
        let options = Options {
            channel: channel.map(str::to_owned),
            ..Options::default()
        };
        let (jobs, todo) = mpsc::channel();
        let (all_done, done) = mpsc::channel();
        let (carrier, words) = (Arc::clone(&slack), options.clone());
        let console = console.clone();
        std::thread::Builder::new()
            .name("slack".to_owned())
            .spawn(move || {
                for job in todo {
                    let delivery = match job {
                        Job::Queued(id) => carrier.send_queued(&id, EACH),
                        Job::Direct(notification) => carrier.send(&notification, &words),
                    };
                    report(&console, &delivery);
                }
                let _nobody_waits = all_done.send(());
            })?;
        Ok(Self {
            slack,
            options,
            jobs,
            done,
        })
    }

    /// Stores a message and has it sent. Returns at once.
    pub(super) fn tell(&self, notification: Notification) {
        let job = match self.slack.enqueue(&notification, &self.options) {
            Ok(queued) => Job::Queued(queued.message_id().to_owned()),
            Err(_) => Job::Direct(Box::new(notification)),
        };
        // The thread ends only after us.
        let _taken = self.jobs.send(job);
    }

    /// Waits until everything is sent; no longer than a signal takes to come, and hardly at all in a `hurry`. What is not sent by
    /// then stays in the queue.
    pub(super) fn finish(self, hurry: bool, events: &Receiver<Event>) -> bool {
        const STEP: Duration = Duration::from_millis(50);
        let Self { jobs, done, .. } = self;
        drop(jobs);
        let mut left = if hurry {
            Duration::from_millis(300)
        } else {
            AT_THE_END
        };
        loop {
            match done.recv_timeout(STEP.min(left)) {
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => {}
            }
            left = left.saturating_sub(STEP);
            let asked = events
                .try_iter()
                .any(|event| matches!(event, Event::Signal(_)));
            if left.is_zero() || asked {
                return false;
            }
        }
    }
}

fn report(console: &Console, delivery: &Delivery) {
    let with = |fix: &Option<String>| {
        fix.as_ref()
            .map_or_else(String::new, |fix| format!("; {fix}"))
    };
    match delivery {
        Delivery::Delivered { .. } | Delivery::Known { .. } => {}
        Delivery::Queued { reason, fix, .. } => console.warning(&format!(
            "Slack was not told, the message is in the retry queue: {reason}{} (slack-retry-queue process sends it)",
            with(fix)
        )),
        Delivery::Lost { reason, fix, text } => console.error(&format!(
            "Slack was not told, and the message could not be stored: {reason}{}; it said: {text}",
            with(fix)
        )),
    }
}
