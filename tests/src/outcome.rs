//! What a program did: its words, its two outputs, its exit status.

use std::fmt;

use serde_json::Value;

/// How a process ended. Shown whole when a check on it fails.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The command line.
    pub line: String,
    /// What it printed on stdout.
    pub stdout: String,
    /// What it printed on stderr.
    pub stderr: String,
    /// Its exit status; `None`: a signal ended it.
    pub code: Option<i32>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self
            .code
            .map_or("a signal".to_owned(), |code| code.to_string());
        write!(
            f,
            "$ {}\n{}--- stderr ---\n{}--- ended with {code} ---",
            self.line, self.stdout, self.stderr
        )
    }
}

#[expect(clippy::panic, reason = "a test's own complaints")]
#[expect(
    clippy::return_self_not_must_use,
    reason = "checks are chained, and the last one's result is of no use"
)]
impl Outcome {
    /// It ended with this status.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// stderr has this text.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "stderr should have {text:?}\n{self}"
        );
        self
    }

    /// Neither output has this text.
    #[track_caller]
    pub fn never_says(self, text: &str) -> Self {
        let said = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(!said, "no output may have {text:?}\n{self}");
        self
    }

    /// stdout as one JSON document and nothing else.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        match serde_json::from_str(&self.stdout) {
            Ok(value) => value,
            Err(error) => panic!("stdout should be JSON: {error}\n{self}"),
        }
    }

    /// stdout as JSON documents one after the other.
    #[track_caller]
    #[must_use]
    pub fn json_documents(&self) -> Vec<Value> {
        serde_json::Deserializer::from_str(&self.stdout)
            .into_iter()
            .map(|document| match document {
                Ok(value) => value,
                Err(error) => panic!("stdout should be JSON documents: {error}\n{self}"),
            })
            .collect()
    }

    /// It refused its words: exit 2, one sentence on stderr, and nothing on stdout that is not JSON.
    #[track_caller]
    pub fn refused(self) -> Self {
        let this = self.expect(2);
        if !this.stdout.is_empty() {
            drop(this.json());
        }
        let lines: Vec<&str> = this.stderr.lines().collect();
        assert!(
            lines.len() == 1
                && lines[0].starts_with("[ERROR] ")
                && lines[0].len() > "[ERROR] ".len(),
            "a refusal is one sentence on stderr\n{this}"
        );
        this
    }

    /// Whatever it was asked: it ended by itself with 0, 1 or 2, and did not panic.
    #[track_caller]
    pub fn in_order(self) -> Self {
        assert!(matches!(self.code, Some(0..=2)), "{self}");
        assert!(!self.stderr.contains("panicked at"), "{self}");
        self
    }
}
