//! What was typed. Nothing here looks anything up.

use std::ffi::OsString;

use clap::{Parser, Subcommand};
use registry_core::notification::{Kind, Notification, Parsed, Words};

const AFTER: &str = "\
Exit status: 0 delivered, or kept in the retry queue, or lost with an error on stderr: Slack never stops a deployment; \
1 with --strict, when the message was not delivered; 2 unknown command or missing words (words too many are a text without its \
quotes, or left out, with a warning). doctor: 0 messages can arrive; 1 they \
cannot; 2 could not tell

Examples:
  slack-notifier start 20260114-123456-abc123 production 12345
  slack-notifier concurrent 20260114-123456-abc123 production \"$(deployment-coordinator can_deploy production)\"
  slack-notifier progress 20260114-123456-abc123 CREATE_IN_PROGRESS 'Creating RDS instance...' --remaining 10
  slack-notifier complete 20260114-123456-abc123 production 25 http://app.example.com
  slack-notifier failed 20260114-123456-abc123 production 'RDS instance creation failed' CourtCaseManagementStack

CHANNEL is a channel's id or name, or one of the words updates and interact (SLACK_CHANNEL_UPDATES, \
SLACK_CHANNEL_INTERACT). Needs SLACK_BOT_TOKEN or SLACK_WEBHOOK_URL.";

#[derive(Debug, Parser)]
#[command(
    name = "slack-notifier",
    about = "Tell Slack what happened to a deployment",
    version = command_line::VERSION,
    after_help = AFTER,
    disable_help_subcommand = true
)]
pub(crate) struct Args {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Default, clap::Args)]
struct Flags {
    /// Exit 1 when the message is not delivered but queued or lost
    #[arg(long, global = true)]
    strict: bool,
    /// Channel, as the word CHANNEL
    #[arg(long, global = true, value_name = "CHANNEL")]
    channel: Option<OsString>,
    /// A name under which the message is sent at most once
    #[arg(long, global = true, value_name = "NAME")]
    key: Option<OsString>,
    /// progress: minutes since the operation began
    #[arg(long, global = true, value_name = "MINUTES")]
    elapsed: Option<OsString>,
    /// progress: minutes it will still take
    #[arg(long, global = true, value_name = "MINUTES")]
    remaining: Option<OsString>,
    /// stalled: what is still in progress
    #[arg(long, global = true, value_name = "TEXT")]
    details: Option<OsString>,
}

/// The words after a command. What begins with a hyphen may be meant as text.
#[derive(Debug, clap::Args)]
struct Rest {
    #[arg(value_name = "WORD", num_args = 0.., allow_hyphen_values = true, trailing_var_arg = true)]
    words: Vec<OsString>,
}

#[derive(Debug, Subcommand)]
#[command(rename_all = "snake_case")]
enum Command {
    /// ID ENV RUN_OR_URL [CHANNEL]: a deployment started
    #[command(aliases = ["notify_deployment_start", "notify_start"])]
    Start(Rest),
    /// ID ENV ACTIVE [CHANNEL]: a deployment waits; ACTIVE is JSON of the one in the way, an answer of `can_deploy`, or minutes
    #[command(aliases = ["notify_concurrent_deployment", "notify_deployment_concurrent", "notify_concurrent"])]
    Concurrent(Rest),
    /// ID STATUS DETAILS [CHANNEL]: a deployment goes on
    #[command(aliases = ["notify_deployment_progress", "notify_progress"])]
    Progress(Rest),
    /// ID ENV MINUTES [URL] [CHANNEL]: a deployment succeeded
    #[command(aliases = ["notify_deployment_complete", "notify_complete"])]
    Complete(Rest),
    /// ID ENV ERROR [STACK] [CHANNEL]: a deployment failed
    #[command(aliases = ["notify_deployment_failed", "notify_failed"])]
    Failed(Rest),
    /// ID STACK MINUTES [CHANNEL]: no stack event for so long
    #[command(aliases = ["notify_deployment_stalled", "notify_stalled"])]
    Stalled(Rest),
    /// ID STACK MESSAGE [CHANNEL]: something a person should know
    #[command(aliases = ["monitoring_alert", "notify_monitoring_alert", "notify_deployment_alert", "notify_alert"])]
    Alert(Rest),
    /// MESSAGE [CHANNEL]: any text, in Markdown
    #[command(aliases = ["notify_custom"])]
    Custom(Rest),
    /// Check token, scopes, channels, clock, proxy and queue, and tell the fix for each; posts nothing
    Doctor {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// What is wanted.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// Send this.
    Message(Box<Message>),
    /// Look what is wrong.
    Doctor {
        /// As JSON.
        json: bool,
    },
}

/// What is to be sent.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) parsed: Parsed,
    pub(crate) key: Option<String>,
    pub(crate) strict: bool,
}

impl Args {
    /// Reads the words. `Err`: one sentence.
    pub(crate) fn wanted(self) -> Result<Wanted, String> {
        let (kind, words) = match self.command.split() {
            Split::Message(kind, words) => (kind, words),
            Split::Doctor { json } => return Ok(Wanted::Doctor { json }),
        };
        let text = |word: Option<OsString>| word.map(lossy);
        let plain = Words {
            args: words.iter().cloned().map(lossy).collect(),
            ..Words::default()
        };
        let read = self.flags.clone().and(words).and_then(|(mut flags, args)| {
            let words = Words {
                args: args.into_iter().map(lossy).collect(),
                details: text(flags.details.take()),
                elapsed: text(flags.elapsed.take()),
                remaining: text(flags.remaining.take()),
            };
            let parsed =
                Notification::from_words(kind, words).map_err(|error| error.to_string())?;
            Ok((flags, parsed))
        });
        // An error text may look like one of our flags. Where words are lacking without it, it was text: no message is lost.
        let (flags, mut parsed) = match read {
            Ok(read) => read,
            Err(error) => match Notification::from_words(kind, plain) {
                Ok(parsed) => (self.flags, parsed),
                Err(_) => return Err(error),
            },
        };
        if let Some(channel) = text(flags.channel) {
            parsed.channel = Some(channel);
        }
        Ok(Wanted::Message(Box::new(Message {
            parsed,
            key: text(flags.key).filter(|key| !key.is_empty()),
            strict: flags.strict,
        })))
    }
}

// Bytes that are no text are shown as such: a message is worth more than its last byte.
fn lossy(word: OsString) -> String {
    word.into_string()
        .unwrap_or_else(|word| word.to_string_lossy().into_owned())
}

enum Split {
    Message(Kind, Vec<OsString>),
    Doctor { json: bool },
}

impl Command {
    fn split(self) -> Split {
        let (kind, rest) = match self {
            Self::Start(rest) => (Kind::Started, rest),
            Self::Concurrent(rest) => (Kind::Queued, rest),
            Self::Progress(rest) => (Kind::Progress, rest),
            Self::Complete(rest) => (Kind::Complete, rest),
            Self::Failed(rest) => (Kind::Failed, rest),
            Self::Stalled(rest) => (Kind::Stalled, rest),
            Self::Alert(rest) => (Kind::Alert, rest),
            Self::Custom(rest) => (Kind::Custom, rest),
            Self::Doctor { json } => return Split::Doctor { json },
        };
        Split::Message(kind, rest.words)
    }
}

impl Flags {
    // clap takes every word after the first for text, because a text may begin with a hyphen; our own flags are still flags.
    fn and(mut self, words: Vec<OsString>) -> Result<(Self, Vec<OsString>), String> {
        let mut rest = Vec::new();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let text = word.to_str().unwrap_or_default();
            if text == "--" {
                rest.extend(words);
                break;
            }
            if text == "--strict" {
                self.strict = true;
                continue;
            }
            let (name, given) = match text.split_once('=') {
                Some((name, value)) => (name, Some(OsString::from(value))),
                None => (text, None),
            };
            let slot = match name {
                "--channel" => &mut self.channel,
                "--key" => &mut self.key,
                "--elapsed" => &mut self.elapsed,
                "--remaining" => &mut self.remaining,
                "--details" => &mut self.details,
                _ => {
                    rest.push(word);
                    continue;
                }
            };
            let name = name.to_owned();
            let value = given.or_else(|| words.next());
            *slot = Some(
                value.ok_or_else(|| format!("{name} has no value: see 'slack-notifier --help'"))?,
            );
        }
        Ok((self, rest))
    }
}

#[cfg(test)]
mod tests {
    use command_line::Arguments as _;

    use super::*;

    fn message(words: &[&str]) -> Result<Message, String> {
        let words = std::iter::once("slack-notifier").chain(words.iter().copied());
        let args = Args::read_from(words.map(OsString::from));
        match args.map_err(|status| format!("{status:?}"))?.wanted()? {
            Wanted::Message(message) => Ok(*message),
            Wanted::Doctor { .. } => Err("doctor".to_owned()),
        }
    }

    #[test]
    fn flags_may_stand_anywhere_and_texts_may_begin_with_a_hyphen() {
        for words in [
            &[
                "--strict",
                "--channel",
                "C1",
                "progress",
                "i",
                "s",
                "-- all good",
                "--remaining=10",
            ][..],
            &[
                "progress",
                "--strict",
                "i",
                "s",
                "-- all good",
                "--remaining",
                "10",
                "--channel=C1",
            ],
        ] {
            let message = message(words).unwrap();
            assert!(message.strict);
            assert_eq!(message.parsed.channel.as_deref(), Some("C1"));
            let words = message.parsed.notification.words();
            assert_eq!(words.args, ["i", "s", "-- all good"]);
            assert_eq!(words.remaining.as_deref(), Some("10"));
        }
        let negative = message(&["complete", "i", "e", "-5"]).unwrap();
        assert_eq!(negative.parsed.notification.words().args[2], "-5");
        let after = message(&["progress", "i", "s", "--", "--strict"]).unwrap();
        assert!(!after.strict, "{after:?}");
        for text in ["--strict", "--channel=foo", "--remaining"] {
            let error = message(&["failed", "i", "e", text]).unwrap();
            assert_eq!(error.parsed.notification.words().args[2], text);
            assert!(!error.strict);
        }
    }

    #[test]
    fn every_alias_is_a_command_of_the_rules_too() {
        use clap::CommandFactory as _;
        for command in Args::command().get_subcommands() {
            for name in std::iter::once(command.get_name()).chain(command.get_all_aliases()) {
                if name == "doctor" {
                    continue;
                }
                let kind = Kind::parse(name).map(Kind::word);
                assert_eq!(kind, Some(command.get_name()), "{name}");
            }
        }
    }
}
