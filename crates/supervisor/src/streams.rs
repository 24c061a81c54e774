//! Whether what a program prints goes into its own log.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;

/// Whether standard output or standard error is this very file, as after `>> FILE 2>&1`.
#[must_use]
pub fn is_standard_stream(file: &File) -> bool {
    let Ok(own) = file.metadata() else {
        return false;
    };
    let own = (own.dev(), own.ino());
    let same = |stat: rustix::io::Result<rustix::fs::Stat>| {
        stat.is_ok_and(|stat| (stat.st_dev, stat.st_ino) == own)
    };
    same(rustix::fs::fstat(io::stdout())) || same(rustix::fs::fstat(io::stderr()))
}
