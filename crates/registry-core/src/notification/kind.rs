//! The kinds of notification and the words that name them.

/// The kinds of notification, as `slack-notifier` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `start`
    Started,
    /// `concurrent`
    Queued,
    /// `progress`
    Progress,
    /// `complete`
    Complete,
    /// `failed`
    Failed,
    /// `stalled`
    Stalled,
    /// `alert`
    Alert,
    /// `custom`
    Custom,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Started,
        Self::Queued,
        Self::Progress,
        Self::Complete,
        Self::Failed,
        Self::Stalled,
        Self::Alert,
        Self::Custom,
    ];

    /// The word on the command line and in queue files.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Started => "start",
            Self::Queued => "concurrent",
            Self::Progress => "progress",
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Stalled => "stalled",
            Self::Alert => "alert",
            Self::Custom => "custom",
        }
    }

    /// Reads a word: the kind's own, `monitoring_alert`, and the names of the scripts' functions
    /// (`notify_deployment_start`, `notify_concurrent_deployment`); hyphens count as underscores.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let word = word.replace('-', "_");
        let bare = match word.strip_prefix("notify_") {
            Some(rest) => {
                let rest = rest.strip_prefix("deployment_").unwrap_or(rest);
                rest.strip_suffix("_deployment").unwrap_or(rest)
            }
            None => &word,
        };
        if bare == "monitoring_alert" {
            return Some(Self::Alert);
        }
        Self::ALL.into_iter().find(|kind| kind.word() == bare)
    }

    /// Names of the words it needs.
    #[must_use]
    pub fn required(self) -> &'static [&'static str] {
        match self {
            Self::Started => &["ID", "ENV", "RUN_OR_URL"],
            Self::Queued => &["ID", "ENV", "ACTIVE"],
            Self::Progress => &["ID", "STATUS", "DETAILS"],
            Self::Complete => &["ID", "ENV", "MINUTES"],
            Self::Failed => &["ID", "ENV", "ERROR"],
            Self::Stalled => &["ID", "STACK", "MINUTES"],
            Self::Alert => &["ID", "STACK", "MESSAGE"],
            Self::Custom => &["MESSAGE"],
        }
    }

    /// Whether the last word it needs is a text of any length.
    #[must_use]
    pub fn ends_in_text(self) -> bool {
        match self {
            Self::Progress | Self::Failed | Self::Alert | Self::Custom => true,
            Self::Started | Self::Queued | Self::Complete | Self::Stalled => false,
        }
    }

    /// Names of the words that may follow.
    #[must_use]
    pub fn optional(self) -> &'static [&'static str] {
        match self {
            Self::Complete => &["URL", "CHANNEL"],
            Self::Failed => &["STACK", "CHANNEL"],
            Self::Started
            | Self::Queued
            | Self::Progress
            | Self::Stalled
            | Self::Alert
            | Self::Custom => &["CHANNEL"],
        }
    }

    /// The line of words it takes: `start ID ENV RUN_OR_URL [CHANNEL]`.
    #[must_use]
    pub fn usage(self) -> String {
        let mut words = vec![self.word().to_owned()];
        words.extend(self.required().iter().map(|name| (*name).to_owned()));
        words.extend(self.optional().iter().map(|name| format!("[{name}]")));
        words.join(" ")
    }

    /// Whether it is of no use once it is half an hour old.
    #[must_use]
    pub fn expires(self) -> bool {
        match self {
            Self::Progress | Self::Stalled => true,
            Self::Started
            | Self::Queued
            | Self::Complete
            | Self::Failed
            | Self::Alert
            | Self::Custom => false,
        }
    }

    /// Whether it is shown in the channel too when it goes into a thread.
    #[must_use]
    pub fn broadcasts(self) -> bool {
        match self {
            Self::Complete | Self::Failed | Self::Stalled => true,
            Self::Started | Self::Queued | Self::Progress | Self::Alert | Self::Custom => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_scripts() {
        for (word, kind) in [
            ("monitoring_alert", Kind::Alert),
            ("monitoring-alert", Kind::Alert),
            ("notify_deployment_start", Kind::Started),
            ("notify_concurrent_deployment", Kind::Queued),
            ("notify_deployment_concurrent", Kind::Queued),
            ("notify_deployment_progress", Kind::Progress),
            ("notify-deployment-failed", Kind::Failed),
            ("notify_deployment_stalled", Kind::Stalled),
            ("notify_monitoring_alert", Kind::Alert),
            ("notify_custom", Kind::Custom),
        ] {
            assert_eq!(Kind::parse(word), Some(kind), "{word}");
        }
        for word in ["", "notify_", "Start", "deployment_start", "begin"] {
            assert_eq!(Kind::parse(word), None, "{word}");
        }
    }
}
