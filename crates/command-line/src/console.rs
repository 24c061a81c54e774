//! stderr: everything meant for a person, and GitHub's annotations.

use std::io::{IsTerminal as _, Write as _};

use registry_core::text::{Masker, one_line};

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What is going on.
    Info,
    /// Something was done.
    Success,
    /// Something is not as it should be; the program goes on.
    Warning,
    /// The program cannot do what it was asked.
    Error,
}

impl Level {
    fn mark(self) -> &'static str {
        match self {
            Self::Info => "[INFO]",
            Self::Success => "[SUCCESS]",
            Self::Warning => "[WARNING]",
            Self::Error => "[ERROR]",
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Self::Info => "\x1b[34m",
            Self::Success => "\x1b[32m",
            Self::Warning => "\x1b[33m",
            Self::Error => "\x1b[31m",
        }
    }
}

/// Writes messages to stderr: one line each, without escapes or secrets, coloured only on a terminal, and as annotations
/// under GitHub Actions.
#[derive(Debug, Clone, Default)]
pub struct Console {
    colour: bool,
    annotate: bool,
    silent: bool,
    masker: Masker,
}

impl Console {
    /// A console as the process's environment wants it.
    #[must_use]
    pub fn new(github_actions: bool, no_color: bool, masker: Masker) -> Self {
        Self {
            colour: !no_color && std::io::stderr().is_terminal(),
            annotate: github_actions,
            silent: false,
            masker,
        }
    }

    /// A console for a program that has not read its settings yet.
    #[must_use]
    pub fn for_process() -> Self {
        crate::context::early_console()
    }

    /// A console that writes nothing (a monitor whose stderr is its own log file).
    #[must_use]
    pub fn silent() -> Self {
        Self {
            silent: true,
            ..Self::default()
        }
    }

    /// What is going on.
    pub fn info(&self, message: &str) {
        self.write(Level::Info, message);
    }

    /// Something was done.
    pub fn success(&self, message: &str) {
        self.write(Level::Success, message);
    }

    /// Something is not as it should be; the program goes on.
    pub fn warning(&self, message: &str) {
        self.write(Level::Warning, message);
    }

    /// The program cannot do what it was asked.
    pub fn error(&self, message: &str) {
        self.write(Level::Error, message);
    }

    /// Writes one message at `level`. A stderr that is gone is no reason to stop.
    pub fn write(&self, level: Level, message: &str) {
        if self.silent {
            return;
        }
        let text = self.render(level, message);
        let _written = std::io::stderr().lock().write_all(text.as_bytes());
    }

    /// Begins a group of lines that GitHub folds under `title`; nothing elsewhere. Close it with [`Console::end_group`].
    pub fn group(&self, title: &str) {
        if self.annotate && !self.silent {
            let title = self.masker.mask(&one_line(title));
            let line = format!("::group::{}\n", escape_data(&title));
            let _written = std::io::stderr().lock().write_all(line.as_bytes());
        }
    }

    /// Ends the group of lines; nothing elsewhere.
    pub fn end_group(&self) {
        if self.annotate && !self.silent {
            let _written = std::io::stderr().lock().write_all(b"::endgroup::\n");
        }
    }

    fn render(&self, level: Level, message: &str) -> String {
        let message = self.masker.mask(&one_line(message));
        let mark = level.mark();
        let mut text = if self.colour {
            format!("{}{mark}\x1b[0m {message}\n", level.colour())
        } else {
            format!("{mark} {message}\n")
        };
        let annotation = match level {
            Level::Warning => Some("warning"),
            Level::Error => Some("error"),
            Level::Info | Level::Success => None,
        };
        if let (true, Some(kind)) = (self.annotate, annotation) {
            // The runner shows an annotation's own line, so the plain one would only repeat it.
            text = format!("::{kind}::{}\n", escape_data(&message));
        }
        text
    }
}

// actions/toolkit, packages/core/src/command.ts, escapeData.
fn escape_data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_one_line_and_annotated_under_actions() {
        let plain = Console::default();
        assert_eq!(
            plain.render(Level::Warning, "a\nb\u{1b}[31m"),
            "[WARNING] a b\n"
        );
        let actions = Console {
            annotate: true,
            ..Console::default()
        };
        assert_eq!(
            actions.render(Level::Error, "100% ::x"),
            "::error::100%25 ::x\n"
        );
        assert_eq!(
            actions.render(Level::Info, "::error::x"),
            "[INFO] : :error::x\n"
        );
    }

    #[test]
    fn secrets_never_reach_stderr() {
        let console = Console {
            masker: Masker::new(["hunter2hunter2".to_owned()]),
            ..Console::default()
        };
        assert_eq!(
            console.render(Level::Info, "hunter2hunter2 xoxb-123456789-abc"),
            "[INFO] *** ***\n"
        );
    }
}
