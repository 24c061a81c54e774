//! What the programs read from outside, each kind as one function that takes any bytes and must come back: no panic, no hang, no
//! memory without end, and nothing that was there lost.
//!
//! The tests of this crate try each target with inputs made from the kept ones (`fuzz/corpus/NAME`), the same ones every time;
//! `cargo fuzz` tries the same functions for as long as somebody wants (`fuzz/README.md`).
#![warn(missing_docs)]
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a property that does not hold panics; that is what these functions are for"
)]

mod cloudformation;
mod cursor;
mod history;
mod queue;
mod registry;
mod settings;
mod slack;
mod template;
mod trace;
mod words;

use std::cell::OnceCell;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// One kind of input.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, also of its folder of kept inputs.
    pub name: &'static str,
    /// Takes any bytes.
    pub run: fn(&[u8]),
    /// How many inputs the tests make: fewer where each asks a simulated service.
    pub cases: u32,
}

/// Every target.
pub const TARGETS: [Target; 10] = [
    target("registry", registry::run, 1000),
    target("history", history::run, 600),
    target("queue", queue::run, 300),
    target("cursor", cursor::run, 60),
    target("trace", trace::run, 1500),
    target("template", template::run, 3000),
    target("words", words::run, 600),
    target("stacks", cloudformation::run, 500),
    target("slack", slack::run, 60),
    target("settings", settings::run, 2000),
];

const fn target(name: &'static str, run: fn(&[u8]), cases: u32) -> Target {
    Target { name, run, cases }
}

impl Target {
    /// The target of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        TARGETS.into_iter().find(|target| target.name == name)
    }

    /// The folder with its kept inputs.
    #[must_use]
    pub fn corpus(&self) -> PathBuf {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus")).join(self.name)
    }
}

/// What an error says to a person: something, in one line, without control characters.
fn assert_a_sentence(error: &impl ToString) {
    let text = error.to_string();
    assert!(!text.trim().is_empty(), "an error says nothing");
    let clean = registry_core::text::one_line(&text);
    assert!(!clean.is_empty(), "{text:?}");
    assert!(
        !text.contains(['\n', '\u{1b}', '\0']),
        "an error is one line without control characters: {text:?}"
    );
}

/// A folder for one input: in memory where that can be, since much is synced to disk that nobody will read again.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    made.expect("a folder")
}

/// A file as somebody else may have left it.
fn put(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
    let mut file = File::create(path).expect("a file");
    file.write_all(bytes.as_ref()).expect("a file");
}

/// Something that is costly to start, once for each thread that tries inputs.
fn with<T>(
    cell: &'static std::thread::LocalKey<OnceCell<T>>,
    start: impl FnOnce() -> T,
    work: impl FnOnce(&T),
) {
    cell.with(|cell| work(cell.get_or_init(start)));
}
