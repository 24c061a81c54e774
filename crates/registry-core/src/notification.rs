//! What happened to a deployment, as the programs tell each other and Slack. Not how Slack draws it.
//!
//! A notification is made from the words of `slack-notifier` and can be turned back into them; the retry queue stores
//! those words, as the scripts did. Values are kept as given: one that makes no sense is shown as it is, never refused.

mod active;
mod kind;

pub use active::Active;
pub use kind::Kind;

use thiserror::Error;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification {
    /// A deployment started.
    Started {
        /// Correlation id.
        id: String,
        /// Environment.
        environment: String,
        /// The run's id or its whole URL.
        run: String,
    },
    /// A deployment waits for another.
    Queued {
        /// Correlation id of the one that waits.
        id: String,
        /// Environment.
        environment: String,
        /// The one in the way, as given; [`Active::read`] reads it.
        active: String,
    },
    /// A deployment goes on.
    Progress {
        /// Correlation id.
        id: String,
        /// The stack's status.
        status: String,
        /// What is going on, in words.
        details: String,
        /// How much is done and left, where it is known.
        estimate: Option<Estimate>,
    },
    /// A deployment succeeded.
    Complete {
        /// Correlation id.
        id: String,
        /// Environment.
        environment: String,
        /// How long it took, in minutes.
        minutes: String,
        /// Where the application is.
        url: Option<String>,
    },
    /// A deployment failed.
    Failed {
        /// Correlation id.
        id: String,
        /// Environment.
        environment: String,
        /// Why.
        error: String,
        /// Its stack.
        stack: Option<String>,
    },
    /// No stack event for a while.
    Stalled {
        /// Correlation id.
        id: String,
        /// Its stack.
        stack: String,
        /// For how long, in minutes.
        minutes: String,
        /// What is still in progress, in words.
        details: Option<String>,
    },
    /// Something a person should know about: an overrun, a crashed monitor.
    Alert {
        /// Correlation id.
        id: String,
        /// Its stack.
        stack: String,
        /// What.
        message: String,
    },
    /// Any text, in Markdown.
    Custom {
        /// The text.
        message: String,
    },
}

/// How far an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Whole minutes since it began.
    pub elapsed_minutes: Option<u64>,
    /// Whole minutes it will still take.
    pub remaining_minutes: u64,
}

/// A notification as words: what `slack-notifier` takes on its command line and the retry queue stores.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Words {
    /// The positional words after the type.
    pub args: Vec<String>,
    /// `--details`: a stall's resources.
    pub details: Option<String>,
    /// `--elapsed` of a progress, in minutes.
    pub elapsed: Option<String>,
    /// `--remaining` of a progress, in minutes.
    pub remaining: Option<String>,
}

/// Why words are no notification. The text is one sentence.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WordsError {
    /// Words are missing.
    #[error("`{kind}` lacks {missing}: give `{usage}`", kind = .kind.word(), usage = .kind.usage())]
    Missing {
        /// Which kind.
        kind: Kind,
        /// The names of the missing words.
        missing: String,
    },
}

/// A notification and the channel that stood behind its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The notification.
    pub notification: Notification,
    /// CHANNEL, when it was given and not empty.
    pub channel: Option<String>,
    /// What made no sense and is shown as it is, or left out; one sentence each.
    pub warnings: Vec<String>,
}

impl Notification {
    /// Reads the words of `slack-notifier`. Empty optional words count as not given.
    pub fn from_words(kind: Kind, words: Words) -> Result<Parsed, WordsError> {
        let names = kind.required();
        if let Some(missing) = names
            .get(words.args.len()..)
            .filter(|rest| !rest.is_empty())
        {
            return Err(WordsError::Missing {
                kind,
                missing: list(missing),
            });
        }
        let mut warnings = Vec::new();
        let words = Words {
            args: fitting(kind, words.args, &mut warnings),
            ..words
        };
        for (name, value) in names.iter().zip(&words.args) {
            // Of an empty ACTIVE more is said below.
            if value.trim().is_empty() && *name != "ACTIVE" {
                warnings.push(format!("{name} of `{}` is empty", kind.word()));
            }
        }
        let estimate = read_estimate(&words, &mut warnings);
        let mut args = words.args.into_iter();
        let mut next = || args.next().unwrap_or_default();
        let notification = match kind {
            Kind::Started => Self::Started {
                id: next(),
                environment: next(),
                run: next(),
            },
            Kind::Queued => Self::Queued {
                id: next(),
                environment: next(),
                active: next(),
            },
            Kind::Progress => Self::Progress {
                id: next(),
                status: next(),
                details: next(),
                estimate,
            },
            Kind::Complete => Self::Complete {
                id: next(),
                environment: next(),
                minutes: next(),
                url: given(next()),
            },
            Kind::Failed => Self::Failed {
                id: next(),
                environment: next(),
                error: next(),
                stack: given(next()),
            },
            Kind::Stalled => Self::Stalled {
                id: next(),
                stack: next(),
                minutes: next(),
                details: words.details,
            },
            Kind::Alert => Self::Alert {
                id: next(),
                stack: next(),
                message: next(),
            },
            Kind::Custom => Self::Custom { message: next() },
        };
        let channel = given(next());
        notification.check_values(&mut warnings);
        Ok(Parsed {
            notification,
            channel,
            warnings,
        })
    }

    /// The words that make this notification again.
    #[must_use]
    pub fn words(&self) -> Words {
        let mut words = Words::default();
        words.args = match self.clone() {
            Self::Started {
                id,
                environment,
                run,
            } => vec![id, environment, run],
            Self::Queued {
                id,
                environment,
                active,
            } => vec![id, environment, active],
            Self::Progress {
                id,
                status,
                details,
                estimate,
            } => {
                if let Some(estimate) = estimate {
                    words.remaining = Some(estimate.remaining_minutes.to_string());
                    words.elapsed = estimate.elapsed_minutes.map(|m| m.to_string());
                }
                vec![id, status, details]
            }
            Self::Complete {
                id,
                environment,
                minutes,
                url,
            } => vec![id, environment, minutes, url.unwrap_or_default()],
            Self::Failed {
                id,
                environment,
                error,
                stack,
            } => vec![id, environment, error, stack.unwrap_or_default()],
            Self::Stalled {
                id,
                stack,
                minutes,
                details,
            } => {
                words.details = details;
                vec![id, stack, minutes]
            }
            Self::Alert { id, stack, message } => vec![id, stack, message],
            Self::Custom { message } => vec![message],
        };
        words
    }

    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Started { .. } => Kind::Started,
            Self::Queued { .. } => Kind::Queued,
            Self::Progress { .. } => Kind::Progress,
            Self::Complete { .. } => Kind::Complete,
            Self::Failed { .. } => Kind::Failed,
            Self::Stalled { .. } => Kind::Stalled,
            Self::Alert { .. } => Kind::Alert,
            Self::Custom { .. } => Kind::Custom,
        }
    }

    /// The correlation id; `None` for a custom message and for an empty id.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Started { id, .. }
            | Self::Queued { id, .. }
            | Self::Progress { id, .. }
            | Self::Complete { id, .. }
            | Self::Failed { id, .. }
            | Self::Stalled { id, .. }
            | Self::Alert { id, .. } => Some(id.as_str()).filter(|id| !id.is_empty()),
            Self::Custom { .. } => None,
        }
    }

    /// The same with `change` applied to every text in it (masking, for example).
    #[must_use]
    pub fn map_text(&self, change: impl Fn(&str) -> String) -> Self {
        let mut words = self.words();
        for text in words.args.iter_mut().chain(words.details.iter_mut()) {
            *text = change(text);
        }
        match Self::from_words(self.kind(), words) {
            Ok(parsed) => parsed.notification,
            // Cannot be: the number of words did not change.
            Err(_) => self.clone(),
        }
    }

    // Values that read oddly are shown as they are; the caller is told.
    fn check_values(&self, warnings: &mut Vec<String>) {
        match self {
            Self::Queued { active, .. } => warnings.extend(Active::read(active).problem),
            Self::Complete { minutes, .. } | Self::Stalled { minutes, .. } => {
                if minutes.trim().parse::<u64>().is_err() {
                    warnings.push(format!(
                        "MINUTES is {:?}, not a whole number: it is shown as it is",
                        crate::text::shorten(minutes, 60)
                    ));
                }
            }
            Self::Started { .. }
            | Self::Progress { .. }
            | Self::Failed { .. }
            | Self::Alert { .. }
            | Self::Custom { .. } => {}
        }
    }
}

// `A`, `A and B`, `A, B and C`.
fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

// More words than the kind takes: a text without quotes around it, which the shell took to pieces. A message is worth more
// than the order of its words, so the pieces become one text again, or what is too much is left out.
fn fitting(kind: Kind, mut args: Vec<String>, warnings: &mut Vec<String>) -> Vec<String> {
    let needed = kind.required().len();
    let most = needed + kind.optional().len();
    let Some(surplus) = args.get(most) else {
        return args;
    };
    let surplus = crate::text::shorten(surplus, 60);
    let done = if kind.ends_in_text() {
        let text = args.split_off(needed - 1).join(" ");
        args.push(text);
        format!(
            "all words from {} on are taken for it",
            kind.required()[needed - 1]
        )
    } else {
        args.truncate(most);
        "what is too much is left out".to_owned()
    };
    warnings.push(format!(
        "`{}` has words too many, {surplus:?} is the first, and {done}: give `{}`, with quotes around a text that has spaces",
        kind.word(),
        kind.usage()
    ));
    args
}

fn given(word: String) -> Option<String> {
    Some(word).filter(|word| !word.trim().is_empty())
}

fn read_estimate(words: &Words, warnings: &mut Vec<String>) -> Option<Estimate> {
    let mut minutes = |name: &str, text: &Option<String>| {
        let text = text.as_deref()?.trim();
        let number = text.parse::<u64>().ok();
        if number.is_none() {
            warnings.push(format!(
                "{name} is {:?}, not a whole number of minutes: it is left out",
                crate::text::shorten(text, 60)
            ));
        }
        number
    };
    let elapsed_minutes = minutes("--elapsed", &words.elapsed);
    let remaining_minutes = minutes("--remaining", &words.remaining)?;
    Some(Estimate {
        elapsed_minutes,
        remaining_minutes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(args: &[&str]) -> Words {
        Words {
            args: args.iter().map(|&a| a.to_owned()).collect(),
            ..Words::default()
        }
    }

    #[test]
    fn words_and_back() {
        for (kind, args) in [
            (Kind::Started, vec!["i", "production", "12345"]),
            (Kind::Queued, vec!["i", "production", "{}"]),
            (Kind::Progress, vec!["i", "CREATE_IN_PROGRESS", "text"]),
            (Kind::Complete, vec!["i", "production", "25", "http://x"]),
            (Kind::Failed, vec!["i", "production", "error", "Stack"]),
            (Kind::Stalled, vec!["i", "Stack", "12"]),
            (Kind::Alert, vec!["i", "Stack", "message"]),
            (Kind::Custom, vec!["message"]),
        ] {
            let mut with_channel = args.clone();
            with_channel.push("C1");
            let parsed = Notification::from_words(kind, words(&with_channel)).unwrap();
            assert_eq!(parsed.channel.as_deref(), Some("C1"), "{kind:?}");
            assert_eq!(parsed.notification.words(), words(&args), "{kind:?}");
            assert_eq!(parsed.notification.kind(), kind);
            let again = Notification::from_words(kind, parsed.notification.words()).unwrap();
            assert_eq!(again.notification, parsed.notification);
            assert_eq!(again.channel, None);
            assert_eq!(Kind::parse(kind.word()), Some(kind));
        }
    }

    #[test]
    fn extras_survive() {
        let stalled = Notification::Stalled {
            id: "i".into(),
            stack: "s".into(),
            minutes: "12".into(),
            details: Some("- Db".into()),
        };
        let progress = Notification::Progress {
            id: "i".into(),
            status: "s".into(),
            details: "d".into(),
            estimate: Some(Estimate {
                elapsed_minutes: Some(3),
                remaining_minutes: 9,
            }),
        };
        for notification in [stalled, progress] {
            let again =
                Notification::from_words(notification.kind(), notification.words()).unwrap();
            assert_eq!(again.notification, notification);
        }
    }

    #[test]
    fn missing_and_surplus_words() {
        let error = Notification::from_words(Kind::Started, words(&["i"])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`start` lacks ENV and RUN_OR_URL: give `start ID ENV RUN_OR_URL [CHANNEL]`"
        );
        let error = Notification::from_words(Kind::Started, words(&[])).unwrap_err();
        assert!(error.to_string().contains("lacks ID, ENV and RUN_OR_URL:"));
        // A text without quotes around it.
        for (kind, args, fitting) in [
            (
                Kind::Custom,
                &["the", "disk", "is", "full"][..],
                &["the disk is full"][..],
            ),
            (
                Kind::Failed,
                &["i", "e", "RDS", "creation", "has", "failed"],
                &["i", "e", "RDS creation has failed", ""],
            ),
            (
                Kind::Complete,
                &["i", "e", "25", "http://x", "C1", "more"],
                &["i", "e", "25", "http://x"],
            ),
        ] {
            let parsed = Notification::from_words(kind, words(args)).unwrap();
            assert_eq!(parsed.notification.words().args, fitting);
            assert!(
                parsed.warnings.len() == 1 && parsed.warnings[0].contains("words too many"),
                "{parsed:?}"
            );
        }
    }

    #[test]
    fn odd_values_are_kept_and_told() {
        let parsed = Notification::from_words(Kind::Complete, words(&["i", "", "abc"])).unwrap();
        assert_eq!(
            parsed.warnings,
            [
                "ENV of `complete` is empty",
                "MINUTES is \"abc\", not a whole number: it is shown as it is"
            ]
        );
        assert_eq!(parsed.notification.words().args, ["i", "", "abc", ""]);
    }
}
