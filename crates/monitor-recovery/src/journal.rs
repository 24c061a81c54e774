//! `monitor-recovery.log`: one JSON object per line; and the same for a person on stderr, unless stderr is that file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use command_line::Console;
use command_line::console::Level;
use registry_core::clock::Clock;
use registry_core::text::{Masker, one_line};
use serde_json::json;
use supervisor::{MonitorSpec, is_standard_stream};

/// Where recovery says what it does.
pub(crate) struct Journal {
    file: File,
    console: Console,
    masker: Masker,
    id: String,
    stack: String,
}

impl Journal {
    /// Opens the log, or creates it in an existing folder.
    pub(crate) fn open(
        path: &Path,
        spec: &MonitorSpec,
        console: &Console,
        masker: Masker,
    ) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(0o644).open(path)?;
        let console = if is_standard_stream(&file) {
            Console::silent()
        } else {
            console.clone()
        };
        Ok(Self {
            file,
            console,
            masker,
            id: spec.id.to_string(),
            stack: spec.names(),
        })
    }

    /// Says one thing. A log that cannot be written does not keep recovery from its work.
    pub(crate) fn say(&self, clock: &dyn Clock, level: Level, message: &str) {
        let word = match level {
            Level::Info => "INFO",
            Level::Success => "SUCCESS",
            Level::Warning => "WARNING",
            Level::Error => "ERROR",
        };
        let line = json!({
            "timestamp": clock.now().rfc3339_millis(),
            "level": word,
            "correlation_id": self.id,
            "message": self.masker.mask(&one_line(message)),
            "stack_name": self.stack,
        });
        let mut file = &self.file;
        if let Err(error) = file.write_all(format!("{line}\n").as_bytes()) {
            self.console
                .warning(&format!("the log cannot be written: {error}"));
        }
        self.console.write(level, message);
    }
}
