//! Sends one message and says what became of it.

use std::sync::Arc;

use command_line::{Console, Context, Status};
use registry_core::clock::{Clock, SystemClock};
use registry_core::notification::Notification;
use slack_client::{Delivery, Options, Slack};

use crate::active;
use crate::args::Message;

pub(crate) fn send(context: &Context, message: Message) -> Status {
    let console = &context.console;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let slack = Slack::from_settings(&context.settings, Arc::clone(&clock));
    let parsed = message.parsed;
    let (channel, odd_channel) = slack.channel(parsed.channel.as_deref());
    let warnings = slack.warnings().iter().chain(&parsed.warnings);
    for warning in warnings.chain(&odd_channel) {
        console.warning(warning);
    }
    let (notification, unread) = active::complete(parsed.notification, &context.settings, &clock);
    if let Some(warning) = unread {
        console.warning(&warning);
    }
    let options = Options {
        channel: Some(channel),
        key: message.key,
        at: None,
    };
    let delivery = slack.send(&notification, &options);
    let can_look = slack.can_look();
    report(console, &notification, delivery, message.strict, can_look)
}

fn report(
    console: &Console,
    notification: &Notification,
    delivery: Delivery,
    strict: bool,
    can_look: bool,
) -> Status {
    let what = format!("the message `{}`", notification.kind().word());
    let not_delivered = if strict { Status::No } else { Status::Yes };
    match delivery {
        Delivery::Delivered { channel, .. } => {
            let place = channel.map_or_else(String::new, |channel| format!(" in {channel}"));
            console.success(&format!("Slack has {what}{place}"));
            Status::Yes
        }
        Delivery::Known { message_id } => {
            console.info(&format!(
                "{what} was queued before under the same key, as {message_id}; it is not sent again"
            ));
            Status::Yes
        }
        Delivery::Queued {
            message_id,
            reason,
            fix,
            unsure,
        } => {
            let (says, next) = if unsure {
                let next = if can_look {
                    "`slack-retry-queue process` looks for it in the channel before it sends it again"
                } else {
                    "`slack-retry-queue process` sends it again, marked as a possible repeat: through a webhook it cannot be looked for"
                };
                ("did not say whether it took", next)
            } else {
                (
                    "does not have",
                    "`slack-retry-queue process` sends it when Slack can be reached",
                )
            };
            let next = fix.unwrap_or_else(|| next.to_owned());
            console.warning(&format!(
                "Slack {says} {what}: {reason}; it is kept in the retry queue as {message_id}; {next}"
            ));
            not_delivered
        }
        Delivery::Lost { reason, fix, text } => {
            let fix = fix.map_or_else(String::new, |fix| format!("; {fix}"));
            console.error(&format!(
                "{what} is neither delivered nor kept: {reason}{fix}. It said:"
            ));
            for line in text.lines().filter(|line| !line.is_empty()) {
                console.info(line);
            }
            not_delivered
        }
    }
}
