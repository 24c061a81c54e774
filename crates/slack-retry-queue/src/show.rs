//! `show ID`

use command_line::{Console, Status, print_json};
use serde_json::{Value, json};
use slack_client::Slack;

use crate::args::Show;

pub(crate) fn run(slack: &Slack, console: &Console, words: &Show) -> Result<Status, String> {
    let found = slack
        .spool()
        .find(&words.which)
        .map_err(|error| error.to_string())?;
    if found.is_empty() {
        console.error(&format!(
            "there is no message {:?}: see 'slack-retry-queue status'",
            words.which
        ));
        return Ok(Status::No);
    }
    let messages: Vec<Value> = found
        .into_iter()
        .map(|message| {
            json!({"message_id": message.message_id, "state": message.state, "message": message.file})
        })
        .collect();
    Ok(print_json(&messages, Status::Yes))
}
