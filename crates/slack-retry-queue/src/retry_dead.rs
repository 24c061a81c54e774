//! `retry_dead [ID]`

use command_line::output::print_line;
use command_line::{Console, Status};
use slack_client::Slack;

use crate::args::RetryDead;

pub(crate) fn run(slack: &Slack, console: &Console, words: &RetryDead) -> Result<Status, String> {
    let revived = slack
        .spool()
        .retry_dead(words.which.as_deref())
        .map_err(|error| error.to_string())?;
    if !revived.is_empty() {
        console.info("`slack-retry-queue process` sends them");
        return Ok(print_line(&revived.join("\n"), Status::Yes));
    }
    let Some(which) = &words.which else {
        console.info("there are no dead letters");
        return Ok(Status::Yes);
    };
    console.error(&format!(
        "there is no dead letter {which:?}: see 'slack-retry-queue status'"
    ));
    Ok(Status::No)
}
