//! Command lines, one word a line, the first of them the program's name.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use clap::Command;
use command_line::arguments::{Refusal, understand};

use crate::assert_a_sentence;

pub(crate) fn run(bytes: &[u8]) {
    let words: Vec<OsString> = bytes
        .split(|byte| *byte == b'\n')
        // A word of a command line ends at its first zero byte.
        .map(|word| word.split(|byte| *byte == 0).next().unwrap_or_default())
        .map(|word| OsString::from_vec(word.to_vec()))
        .collect();
    for program in programs() {
        let named = words
            .first()
            .is_some_and(|word| word.to_string_lossy() == program.get_name());
        if named {
            return read(program, words);
        }
    }
    // No program's name: the words are tried on each.
    for program in programs() {
        read(program, words.clone());
    }
}

fn read(program: Command, words: Vec<OsString>) {
    match understand(program, words) {
        Ok(_) => {}
        Err(Refusal::Shown(text)) => assert!(!text.trim().is_empty(), "help says nothing"),
        Err(Refusal::Wrong(sentence)) => {
            // Said to people through the console, which takes control characters out.
            assert_a_sentence(&registry_core::text::one_line(&sentence));
        }
    }
}

fn programs() -> [Command; 7] {
    [
        deployment_coordinator::command(),
        deployment_monitor::command(),
        slack_notifier::command(),
        monitor_recovery::command(),
        slack_retry_queue::command(),
        registry_fallback::command(),
        deployment_time_estimator::command(),
    ]
}
