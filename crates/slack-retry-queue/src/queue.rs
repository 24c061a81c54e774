//! `queue TYPE ARGS…`

use command_line::output::print_line;
use command_line::{Console, Status};
use registry_core::notification::{Kind, Notification, Words};
use slack_client::{Options, Slack};

use crate::args::Queue;

pub(crate) fn run(slack: &Slack, console: &Console, words: Queue) -> Result<Status, String> {
    let kind = Kind::parse(&words.kind).ok_or_else(|| unknown(&words.kind))?;
    let args = words.words.into_iter().map(|word| {
        word.into_string()
            .unwrap_or_else(|word| word.to_string_lossy().into_owned())
    });
    let words = Words {
        args: args.collect(),
        ..Words::default()
    };
    let parsed = Notification::from_words(kind, words).map_err(|error| error.to_string())?;
    let (channel, odd_channel) = slack.channel(parsed.channel.as_deref());
    for warning in parsed.warnings.iter().chain(&odd_channel) {
        console.warning(warning);
    }
    let options = Options {
        channel: Some(channel),
        ..Options::default()
    };
    let queued = slack
        .enqueue(&parsed.notification, &options)
        .map_err(|error| error.to_string())?;
    Ok(print_line(queued.message_id(), Status::Yes))
}

fn unknown(word: &str) -> String {
    let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.word()).collect();
    let near = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(word, known), known))
        .filter(|(distance, _)| *distance <= NEAR)
        .min();
    let hint = match near {
        Some((_, near)) => format!("did you mean {near}?"),
        None => format!("known are {}", known.join(", ")),
    };
    let word = registry_core::text::shorten(word, 60);
    format!("there is no type {word:?}: {hint} (see 'slack-retry-queue queue --help')")
}

/// So many letters may be wrong in a word that is meant for another.
const NEAR: usize = 2;
