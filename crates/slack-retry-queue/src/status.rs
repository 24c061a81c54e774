//! `status`

use command_line::output::print_line;
use command_line::print_json;
use registry_core::clock::Timestamp;
use registry_core::text::one_line;
use slack_client::Slack;
use slack_client::spool::{Line, Status};

use crate::args;

pub(crate) fn run(slack: &Slack, words: &args::Status) -> Result<command_line::Status, String> {
    let status = slack.spool().status().map_err(|error| error.to_string())?;
    let exit = if status.dead_letters > 0 {
        command_line::Status::No
    } else {
        command_line::Status::Yes
    };
    Ok(if words.json {
        print_json(&status, exit)
    } else {
        print_line(&for_people(&status), exit)
    })
}

fn for_people(status: &Status) -> String {
    let parked = match status.parked {
        0 => String::new(),
        parked => format!(" ({parked} parked)"),
    };
    let mut lines = vec![format!(
        "{}: {} waiting{parked}, {}",
        status.queue_dir,
        status.pending,
        counted(status.dead_letters as u64, "dead letter")
    )];
    lines.extend(status.messages.iter().map(message));
    for fix in &status.fixes {
        lines.push(format!("parked: {}", one_line(fix)));
    }
    let mut told = |count: u64, what: &str, words: &str| {
        if count > 0 {
            lines.push(format!("{} {words}", counted(count, what)));
        }
    };
    told(
        status.corrupt as u64,
        "damaged file",
        "put aside, or about to be, in corrupt/",
    );
    told(
        status.newer_version as u64,
        "file",
        "of a newer version of this program, left alone",
    );
    told(
        status.maybe_repeated,
        "time",
        "so far a message was sent again although it may have arrived",
    );
    told(
        status.expired,
        "message",
        "of progress or a stall so far too old to be sent",
    );
    told(
        status.replaced,
        "message",
        "of progress so far replaced by a newer one",
    );
    if status.dead_letters > 0 {
        lines.push(
            "look at them with `slack-retry-queue show ID`, try again with `slack-retry-queue retry_dead [ID]`".to_owned(),
        );
    }
    lines.join("\n")
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}

fn message(line: &Line) -> String {
    let next = match (&line.next_retry_at, line.state) {
        (Some(next), "waiting" | "unsure") => when(line, next),
        (_, _) => String::new(),
    };
    let error = match &line.last_error {
        Some(error) => format!(", last: {}", one_line(error)),
        None => String::new(),
    };
    let failed = match line.failures {
        0 => String::new(),
        failures => format!(", failed {}", counted(u64::from(failures), "time")),
    };
    format!(
        "  {} {} `{}` of {} to {}{failed}{next}{error}",
        line.message_id,
        line.state,
        line.notification_type,
        one_line(line.correlation_id.as_deref().unwrap_or("no deployment")),
        one_line(&line.channel)
    )
}

fn when(line: &Line, next: &str) -> String {
    match &line.behind {
        Some(earlier) => format!(", goes after {earlier}"),
        None if line.due => ", due".to_owned(),
        None => {
            let next =
                Timestamp::parse_rfc3339(next).map_or_else(|| next.to_owned(), Timestamp::human);
            format!(", next try {next}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_for_people_is_written_for_people() {
        let line = Line {
            message_id: "m".to_owned(),
            state: "waiting",
            notification_type: "alert",
            correlation_id: None,
            channel: "C0".to_owned(),
            queued_at: "2026-01-14T12:34:51Z".to_owned(),
            failures: 1,
            next_retry_at: Some("2026-01-14T12:34:56Z".to_owned()),
            due: false,
            behind: None,
            last_error: None,
        };
        let told = message(&line);
        assert!(
            told.ends_with(", next try 2026-01-14 12:34:56 UTC"),
            "{told}"
        );
    }
}
