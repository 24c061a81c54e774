//! The words of the command line, and what is wrong with them in one sentence.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Parser};

use crate::console::Console;
use crate::output::print_line;
use crate::status::Status;

/// A program's arguments: a clap parser. Implemented for every `clap::Parser`.
pub trait Arguments: Parser {
    /// Reads the process's arguments. `Err` carries the exit status when there is nothing left to do: help was printed, or
    /// the words were wrong and one sentence on stderr said so.
    fn read() -> Result<Self, Status> {
        Self::read_from(std::env::args_os())
    }

    /// As [`Arguments::read`], from given words; the first is the program's name.
    fn read_from(words: impl IntoIterator<Item = OsString>) -> Result<Self, Status> {
        let understood = understand(Self::command(), words).and_then(|mut matches| {
            Self::from_arg_matches_mut(&mut matches)
                .map_err(|error| refusal(&error, &Self::command()))
        });
        understood.map_err(|refusal| match refusal {
            Refusal::Shown(text) => print_line(text.trim_end(), Status::Yes),
            Refusal::Wrong(sentence) => {
                Console::for_process().error(&sentence);
                Status::CannotTell
            }
        })
    }
}

/// Why there is nothing to be done with the words of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Help or the version was asked for; this is its text.
    Shown(String),
    /// They are wrong; one sentence says how.
    Wrong(String),
}

/// Reads words as `command` wants them; the first is the program's name. Nothing is printed.
pub fn understand(
    command: clap::Command,
    words: impl IntoIterator<Item = OsString>,
) -> Result<ArgMatches, Refusal> {
    let words = underscore_command(words, &command);
    command
        .clone()
        .try_get_matches_from(words)
        .map_err(|error| refusal(&error, &command))
}

fn refusal(error: &clap::Error, command: &clap::Command) -> Refusal {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Refusal::Shown(error.to_string()),
        // clap's list of kinds is open; all the others are something wrong.
        _ => Refusal::Wrong(sentence(error, command)),
    }
}

impl<P: Parser> Arguments for P {}

// `can-deploy` is `can_deploy`. Only a command's own name is touched: the value of an option may stand before it.
fn underscore_command(
    words: impl IntoIterator<Item = OsString>,
    command: &clap::Command,
) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.into_iter().collect();
    let underscored = |word: &OsString| word.to_str().map(|text| text.replace('-', "_"));
    let named = |word: &OsString| {
        underscored(word).is_some_and(|text| command.find_subcommand(&text).is_some())
    };
    if let Some(word) = words.iter_mut().skip(1).find(|word| named(word))
        && let Some(text) = underscored(word)
    {
        *word = text.into();
    }
    words
}

fn context(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        Some(ContextValue::Number(number)) => number.to_string(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

fn sentence(error: &clap::Error, command: &clap::Command) -> String {
    let name = command.get_name();
    let argument = context(error, ContextKind::InvalidArg);
    let value = context(error, ContextKind::InvalidValue);
    let help = format!("see '{name} --help'");
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let word = context(error, ContextKind::InvalidSubcommand);
            let near = context(error, ContextKind::SuggestedSubcommand);
            let hint = if near.is_empty() {
                let known: Vec<&str> = command
                    .get_subcommands()
                    .filter(|sub| !sub.is_hide_set())
                    .map(clap::Command::get_name)
                    .collect();
                format!("known are {}", known.join(", "))
            } else {
                format!("did you mean {near}?")
            };
            format!("there is no command {word:?}: {hint} ({help})")
        }
        ErrorKind::MissingRequiredArgument => format!("missing {argument}: {help}"),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let known: Vec<&str> = command
                .get_subcommands()
                .filter(|sub| !sub.is_hide_set())
                .map(clap::Command::get_name)
                .collect();
            format!("missing the command, one of {}: {help}", known.join(", "))
        }
        ErrorKind::UnknownArgument => {
            let near = context(error, ContextKind::SuggestedArg);
            let hint = if !near.is_empty() {
                format!("did you mean {near}? ")
            } else if context(error, ContextKind::Usage).contains("[-- <") {
                "what is to be run stands after --; ".to_owned()
            } else {
                String::new()
            };
            format!(
                "the word {argument:?} is one too many, or an option that does not exist: {hint}{help}"
            )
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation if value.is_empty() => {
            format!("{argument} has no value: {help}")
        }
        ErrorKind::InvalidValue => {
            format!(
                "{value:?} is no value for {argument}, known are {}: {help}",
                context(error, ContextKind::ValidValue)
            )
        }
        ErrorKind::ValueValidation => {
            let cause =
                std::error::Error::source(error).map_or_else(String::new, ToString::to_string);
            format!("{argument}: {cause}")
        }
        ErrorKind::InvalidUtf8 => format!("an argument is not valid UTF-8: {help}"),
        // The rest of clap's kinds (conflicts, counts of values) say it well themselves in their first line.
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            format!("{}: {help}", first.strip_prefix("error: ").unwrap_or(first))
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    #[command(name = "tool")]
    struct Tool {
        #[arg(long)]
        dir: Option<String>,
        #[command(subcommand)]
        command: Commands,
    }

    #[derive(Debug, clap::Subcommand)]
    #[command(rename_all = "snake_case")]
    enum Commands {
        CanDeploy {
            environment: String,
            #[arg(long)]
            format: Option<Format>,
        },
        Register {
            #[arg(value_parser = |text: &str| text.parse::<registry_core::ids::CorrelationId>())]
            id: registry_core::ids::CorrelationId,
        },
    }

    #[derive(Debug, Clone, clap::ValueEnum)]
    enum Format {
        Json,
    }

    fn check(words: &[&str], expected: &str) {
        let all = std::iter::once("tool")
            .chain(words.iter().copied())
            .map(OsString::from);
        let error = Tool::try_parse_from(underscore_command(all, &Tool::command())).unwrap_err();
        assert_eq!(sentence(&error, &Tool::command()), expected);
    }

    #[test]
    fn one_sentence_each() {
        check(
            &["can_deplyo"],
            "there is no command \"can_deplyo\": did you mean can_deploy? (see 'tool --help')",
        );
        check(
            &["xyz"],
            "there is no command \"xyz\": known are can_deploy, register (see 'tool --help')",
        );
        check(
            &[],
            "missing the command, one of can_deploy, register: see 'tool --help'",
        );
        check(&["can_deploy"], "missing <ENVIRONMENT>: see 'tool --help'");
        check(
            &["can_deploy", "a", "b"],
            "the word \"b\" is one too many, or an option that does not exist: see 'tool --help'",
        );
        check(
            &["can_deploy", "a", "--format", "xml"],
            "\"xml\" is no value for --format <FORMAT>, known are json: see 'tool --help'",
        );
        check(
            &["register", "a/b"],
            "<ID>: the correlation id \"a/b\" has '/' at position 2: give 1 to 128 of A-Z a-z 0-9 . _ : - that does not \
             start with '-' or '.', like 20260114-123456-abc123",
        );
    }

    #[test]
    fn the_value_of_an_option_keeps_its_hyphens() {
        let words = ["tool", "--dir", "my-dir", "can-deploy", "my-env"].map(OsString::from);
        let tool = Tool::read_from(words).unwrap();
        assert_eq!(tool.dir.as_deref(), Some("my-dir"));
        assert!(matches!(
            tool.command,
            Commands::CanDeploy { environment, .. } if environment == "my-env"
        ));
    }

    #[test]
    fn hyphens_and_underscores_are_one() {
        for word in ["can_deploy", "can-deploy"] {
            let words = ["tool", word, "my-env"].map(OsString::from);
            assert!(matches!(
                Tool::read_from(words).unwrap().command,
                Commands::CanDeploy { environment, .. } if environment == "my-env"
            ));
        }
    }
}
