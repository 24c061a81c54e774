//! What a newcomer reads.

use std::io::IsTerminal as _;
use std::time::Instant;

use registry_core::text::{one_line, shorten};

/// Prints what happens, each line with the seconds since the beginning and who did it.
#[derive(Debug)]
pub(crate) struct Timeline {
    begun: Instant,
    colour: bool,
}

impl Timeline {
    pub(crate) fn begin() -> Self {
        Self {
            begun: Instant::now(),
            colour: std::io::stdout().is_terminal(),
        }
    }

    /// A heading.
    pub(crate) fn chapter(&self, text: &str) {
        println!("\n{}", self.paint("1", text));
    }

    /// Something that `who` did, or that happened to it.
    pub(crate) fn tell(&self, who: &str, text: &str) {
        println!(
            "{:6.1}s  {who:<10} {text}",
            self.begun.elapsed().as_secs_f64()
        );
    }

    /// A command line as a workflow has it.
    pub(crate) fn command(&self, who: &str, line: &str) {
        self.tell(who, &self.paint("36", &format!("$ {}", shorten(line, 150))));
    }

    /// What a command said, in short.
    pub(crate) fn answer(text: &str) {
        println!("                      {}", shorten(&one_line(text), 150));
    }

    /// A file or an output, whole.
    pub(crate) fn show(text: &str) {
        for line in text.trim_end().lines() {
            println!("    {line}");
        }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
