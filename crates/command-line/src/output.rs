//! stdout: the result.

use std::io::{ErrorKind, Write as _};

use serde::Serialize;

use crate::status::Status;

/// Prints `value` as indented JSON and a newline on stdout, then ends with `status`. A reader that has gone away is no error;
/// a stdout that cannot be written is told and ends with [`Status::CannotTell`].
pub fn print_json<T: Serialize>(value: &T, status: Status) -> Status {
    match serde_json::to_string_pretty(value) {
        Ok(text) => print_line(&text, status),
        Err(error) => complain(&error.to_string()),
    }
}

/// Prints one line (or several) on stdout; as [`print_json`].
pub fn print_line(text: &str, status: Status) -> Status {
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
