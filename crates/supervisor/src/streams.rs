//! Whether what a program prints goes into its own log.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;

/// Whether standard output or standard error is this very file, as after `>> FILE 2>&1`.
#[must_use]
pub fn is_standard_stream(file: &File) -> bool {
    // By way of a file's metadata, whose numbers have one type on every system.
    let place = |file: &File| {
        let metadata = file.metadata().ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    let Some(own) = place(file) else {
        return false;
    };
    let same = |stream: &dyn AsFd| {
        let stream = stream.as_fd().try_clone_to_owned().ok();
        stream.and_then(|stream| place(&File::from(stream))) == Some(own)
    };
    same(&io::stdout()) || same(&io::stderr())
}
