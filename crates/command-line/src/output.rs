//! stdout: the result.

use std::io::{ErrorKind, Write as _};

use registry_core::text::{Masker, printable, unforged};
use serde::Serialize;
use serde_json::Value;

use crate::status::Status;

/// Prints `value` as indented JSON and a newline on stdout, then ends with `status`. A reader that has gone away is no error;
/// a stdout that cannot be written is told and ends with [`Status::CannotTell`].
///
/// Text from outside is in it: its values carry no escapes, no secrets and no workflow command, also after a reader such as
/// `jq -r` has undone JSON's own escaping.
pub fn print_json<T: Serialize>(value: &T, status: Status) -> Status {
    let masker = crate::context::masker();
    match serde_json::to_value(value)
        .map(|value| clean(value, &masker))
        .and_then(|value| serde_json::to_string_pretty(&value))
    {
        Ok(text) => write(&text, status),
        Err(error) => complain(&error.to_string()),
    }
}

/// As [`print_json`], several values, each on a line of its own.
pub fn print_json_lines<T: Serialize>(values: &[T], status: Status) -> Status {
    let masker = crate::context::masker();
    let lines: Result<Vec<String>, serde_json::Error> = values
        .iter()
        .map(|value| Ok(clean(serde_json::to_value(value)?, &masker).to_string()))
        .collect();
    match lines {
        Ok(lines) => write(&lines.join("\n"), status),
        Err(error) => complain(&error.to_string()),
    }
}

/// Prints one line (or several) on stdout; as [`print_json`].
pub fn print_line(text: &str, status: Status) -> Status {
    write(&clean_text(text, &crate::context::masker()), status)
}

/// A person's words as they may be kept in a file or told to others: one line, no escapes, no secrets.
#[must_use]
pub fn keepable(text: &str) -> String {
    crate::context::masker().mask(&registry_core::text::one_line(text))
}

fn clean(value: Value, masker: &Masker) -> Value {
    match value {
        Value::String(text) => Value::String(clean_text(&text, masker)),
        Value::Array(values) => values
            .into_iter()
            .map(|value| clean(value, masker))
            .collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (clean_text(&name, masker), clean(value, masker)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

fn clean_text(text: &str, masker: &Masker) -> String {
    let text = masker.mask(&printable(text));
    let lines: Vec<String> = text.split('\n').map(unforged).collect();
    lines.join("\n")
}

fn write(text: &str, status: Status) -> Status {
    let mut stdout = std::io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.write_all(b"\n"))
        .and_then(|()| stdout.flush())
    {
        Ok(()) => status,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => status,
        Err(error) => complain(&error.to_string()),
    }
}

fn complain(why: &str) -> Status {
    crate::Console::for_process()
        .error(&format!("the result could not be written to stdout: {why}"));
    Status::CannotTell
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_printed_is_text_only() {
        let masker = Masker::new(["a-secret-of-ours".to_owned()]);
        let dirty = json!({"a\u{1b}[31m": ["x\u{9b}2J\n::error::y", {"b": "##[command]z"}],
            "secret": "a-secret-of-ours xoxb-123456789012-abc", "number": 1, "none": null});
        let expected = json!({"a": ["x2J\n: :error::y", {"b": "# #[command]z"}],
            "secret": "*** ***", "number": 1, "none": null});
        assert_eq!(clean(dirty, &masker), expected);
        assert_eq!(
            clean_text("  indented\n  ::notice::x\n", &masker),
            "  indented\n  : :notice::x\n"
        );
    }
}
