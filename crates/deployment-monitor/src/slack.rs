//! Slack as the watching sees it: a message is put on the retry queue at once, and sent by a thread of its own, so that a Slack
//! that hangs never keeps the monitor from looking at the stack.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use command_line::Context;
use registry_core::clock::Clock;
use registry_core::notification::Notification;
use slack_client::{Effort, Options, Slack};

use crate::args::Plan;
use crate::ports::{Channel, Telling};

/// One round of sending begins nothing after this.
const ROUND: Duration = Duration::from_secs(15);

/// What is still queued at the end gets so long; later ones are sent by whoever processes the queue next.
const LAST_ROUND: Duration = Duration::from_secs(10);

/// The retry queue, and who empties it.
pub(crate) struct SlackQueue {
    slack: Arc<Slack>,
    channel: Option<String>,
    waiting: Arc<AtomicBool>,
    kick: SyncSender<()>,
    worker: Mutex<Option<JoinHandle<()>>>,
}

impl SlackQueue {
    /// As the settings say.
    pub(crate) fn new(context: &Context, plan: &Plan, clock: Arc<dyn Clock>) -> Self {
        let slack = Arc::new(Slack::from_settings(&context.settings, clock));
        let waiting = Arc::new(AtomicBool::new(false));
        let (kick, kicked) = sync_channel(1);
        let (sender, flag) = (Arc::clone(&slack), Arc::clone(&waiting));
        let worker = std::thread::Builder::new()
            .name("slack".to_owned())
            .spawn(move || {
                while kicked.recv().is_ok() {
                    round(&sender, &flag, ROUND);
                }
            })
            .ok();
        Self {
            slack,
            channel: plan.channel.clone(),
            waiting,
            kick,
            worker: Mutex::new(worker),
        }
    }

    /// Sends what is queued, for a while; what Slack does not take stays in the queue.
    pub(crate) fn finish(self) {
        drop(self.kick);
        let worker = self
            .worker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(worker) = worker {
            // A thread that died has left the queue as it is, on disk.
            let _ended = worker.join();
        }
        if self.waiting.load(Ordering::Acquire) {
            round(&self.slack, &self.waiting, LAST_ROUND);
        }
    }
}

fn round(slack: &Slack, waiting: &AtomicBool, at_most: Duration) {
    waiting.store(false, Ordering::Release);
    let effort = Effort {
        drain: None,
        at_most: Some(at_most),
    };
    let empty = slack
        .process(effort, &mut |_, _| {})
        .is_ok_and(|report| report.left == 0);
    if !empty {
        waiting.store(true, Ordering::Release);
    }
}

impl Telling for SlackQueue {
    fn tell(&self, key: &str, note: Notification, channel: Channel) -> Result<(), String> {
        let options = Options {
            channel: match channel {
                Channel::Updates => self.channel.clone(),
                Channel::Interact => Some("interact".to_owned()),
            },
            key: Some(key.to_owned()),
            at: None,
        };
        self.slack
            .enqueue(&note, &options)
            .map(|_queued| self.waiting.store(true, Ordering::Release))
            .map_err(|error| error.to_string())
    }

    fn push(&self) {
        if self.waiting.load(Ordering::Acquire) {
            // A round that is under way will be followed by one more.
            let _kicked = self.kick.try_send(());
        }
    }
}
