//! `process`

use command_line::{Console, Status};
use slack_client::spool::Entry;
use slack_client::{Effort, Fate, Slack};

use crate::args::Process;

pub(crate) fn run(slack: &Slack, console: &Console, words: &Process) -> Result<Status, String> {
    let effort = Effort {
        drain: words.drain,
        at_most: None,
    };
    let report = slack
        .process(effort, &mut |entry, fate| tell(console, entry, fate))
        .map_err(|error| error.to_string())?;
    for damaged in &report.damaged {
        console.warning(&registry_core::text::one_line(damaged));
    }
    for (reason, fix) in &report.fixes {
        console.warning(&format!("messages are parked: {reason}: {fix}"));
    }
    if report.busy {
        console.info("another process is sending what is in the queue");
    }
    if report.left > 0 {
        console.info(&format!("left in the queue: {}", report.left));
    }
    Ok(if words.strict && report.left > 0 {
        Status::No
    } else {
        Status::Yes
    })
}

// Silent when there is nothing to do: cron mails whatever is said.
fn tell(console: &Console, entry: &Entry, fate: &Fate) {
    let name = format!(
        "{} `{}` of {}",
        entry.message_id,
        entry.notification.kind().word(),
        entry.deployment().unwrap_or("no deployment")
    );
    match fate {
        Fate::Delivered { .. } => console.success(&format!("Slack has {name}")),
        Fate::Waits {
            reason,
            wait,
            unsure,
        } => {
            let says = if *unsure {
                "did not say whether it took"
            } else {
                "does not have"
            };
            console.warning(&format!(
                "Slack {says} {name}: {reason}; next try in {} s",
                wait.as_secs()
            ));
        }
        // Told once for the whole queue.
        Fate::Parked { .. } => {}
        Fate::Dead { reason } => console.error(&format!("{name} is a dead letter: {reason}")),
    }
}
