//! How a monitor's log ends: with its outcome, or in the middle.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde_json::{Map, Value};

/// Several deployments may share the log; ours is looked for among so many last bytes.
const LOOKED_AT: u64 = 1 << 20;

/// So many of a monitor's last lines go into an alert.
const LAST_LINES: usize = 5;

/// The end of one monitor's part of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LogEnd {
    /// The `outcome` of its last line; `None` while it has none.
    pub(crate) outcome: Option<String>,
    /// Its last messages, oldest first.
    pub(crate) last_lines: Vec<String>,
}

/// Reads the end of the log of the monitor of `id` on `names` (plain names, separated by commas). A log that is not there has
/// no lines.
pub(crate) fn read(path: &Path, id: &str, names: &str) -> io::Result<LogEnd> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(LogEnd::default()),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOOKED_AT)))?;
    let mut bytes = Vec::new();
    file.take(LOOKED_AT).read_to_end(&mut bytes)?;
    Ok(end_of(&bytes, id, names))
}

fn end_of(bytes: &[u8], id: &str, names: &str) -> LogEnd {
    let mut end = LogEnd::default();
    for line in bytes.split(|&byte| byte == b'\n') {
        let Ok(line) = serde_json::from_slice::<Map<String, Value>>(line) else {
            continue;
        };
        let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
        let watched = if text("watched_stack").is_empty() {
            text("stack_name")
        } else {
            text("watched_stack")
        };
        let about_us = watched == names || names.split(',').any(|name| name == watched);
        if text("correlation_id") != id || !about_us {
            continue;
        }
        end.outcome = line
            .get("outcome")
            .and_then(Value::as_str)
            .map(str::to_owned);
        end.last_lines.push(format!(
            "{} {} {}",
            text("timestamp"),
            text("level"),
            text("message")
        ));
        if end.last_lines.len() > LAST_LINES {
            end.last_lines.remove(0);
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(log: &str, outcome: Option<&str>, lines: usize) {
        let end = end_of(log.as_bytes(), "a", "App,Db");
        assert_eq!(end.outcome.as_deref(), outcome, "{log}");
        assert_eq!(end.last_lines.len(), lines, "{log}");
    }

    #[test]
    fn only_our_own_last_line_counts() {
        let ours = r#"{"timestamp":"t","level":"INFO","correlation_id":"a","message":"m","stack_name":"App,Db"}"#;
        let event = r#"{"timestamp":"t","level":"EVENT","correlation_id":"a","message":"m","stack_name":"Nested","watched_stack":"Db"}"#;
        let done = r#"{"timestamp":"t","level":"INFO","correlation_id":"a","message":"m","stack_name":"App,Db","outcome":"deployed"}"#;
        let theirs = r#"{"timestamp":"t","level":"INFO","correlation_id":"b","message":"m","stack_name":"App,Db","outcome":"failed"}"#;
        check("", None, 0);
        check(&format!("{ours}\n{event}\n{theirs}\n"), None, 2);
        check(
            &format!("{ours}\n{done}\n{theirs}\nplain text"),
            Some("deployed"),
            2,
        );
        // Started again after an end: not over.
        check(&format!("{done}\n{ours}\n{{\"torn"), None, 2);
        check(&[ours; 9].join("\n"), None, LAST_LINES);
    }
}
