//! Inputs: kept ones, changed in a few places.

use std::fs;

use fuzzing::Target;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// The kept inputs of a target, by name.
pub(crate) fn kept(target: &Target) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = fs::read_dir(target.corpus())
        .expect("the kept inputs")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| fs::read(path).expect("a kept input"))
        .collect()
}

/// What stands in for a word, a number or a text: ends of ranges, wrong kinds, what programs choke on.
const WORDS: [&str; 44] = [
    "null",
    "true",
    "0",
    "-1",
    "1",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "4294967296",
    "1e308",
    "-1e308",
    "1e-320",
    "0.5",
    "NaN",
    "[]",
    "{}",
    "\"\"",
    "[[[[[[[[[[",
    "{\"a\":{\"a\":{\"a\":{}}}}",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\u{1b}[31m\"",
    "\"<!channel> <@U1>\"",
    "\"::set-output name=a::b\"",
    "\"1970-01-01T00:00:00Z\"",
    "\"9999-12-31T23:59:59Z\"",
    "\"0000-01-01T00:00:00Z\"",
    "\"2026-02-30T25:61:61Z\"",
    "\"2026-01-14T12:34:56+23:59\"",
    "\"+1000000-01-01T00:00:00Z\"",
    "production",
    "App",
    "IN_PROGRESS",
    "CREATE_COMPLETE",
    "DELETE_COMPLETE",
    "REVIEW_IN_PROGRESS",
    "99999999999999999999h",
    "../../x",
    "--",
    "&#xFFFFFFFF;",
    "<![CDATA[x]]>",
    "!Ref",
    "\u{feff}",
];

/// One change of an input.
#[derive(Debug, Clone)]
enum Change {
    /// A word, number or quoted text becomes another.
    Replace(Index, &'static str),
    /// One word of the input stands in for another of it.
    Swap(Index, Index),
    /// Bytes come in.
    Insert(Index, Vec<u8>),
    /// A piece goes out.
    Cut(Index, usize),
    /// A piece is there several times.
    Repeat(Index, usize, usize),
    /// The input ends here.
    End(Index),
    /// One byte is another.
    Byte(Index, u8),
}

/// Kept inputs with a few changes; seldom, bytes that were never an input.
pub(crate) fn made_from(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let word = || proptest::sample::select(&WORDS[..]);
    let change = prop_oneof![
        6 => (any::<Index>(), word()).prop_map(|(at, word)| Change::Replace(at, word)),
        3 => any::<(Index, Index)>().prop_map(|(at, other)| Change::Swap(at, other)),
        1 => (any::<Index>(), vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        2 => (any::<Index>(), 1..40_usize).prop_map(|(at, length)| Change::Cut(at, length)),
        1 => (any::<Index>(), 1..60_usize, 2..400_usize).prop_map(|(at, length, times)| Change::Repeat(at, length, times)),
        1 => any::<Index>().prop_map(Change::End),
        2 => any::<(Index, u8)>().prop_map(|(at, byte)| Change::Byte(at, byte)),
    ];
    let changed = (proptest::sample::select(seeds), vec(change, 1..6))
        .prop_map(|(seed, changes)| changes.into_iter().fold(seed, changed));
    prop_oneof![
        20 => changed,
        1 => vec(any::<u8>(), 0..200),
        1 => "[ -~\n]{0,200}".prop_map(String::into_bytes),
    ]
}

fn changed(mut input: Vec<u8>, change: Change) -> Vec<u8> {
    if input.is_empty() {
        return input;
    }
    let length = input.len();
    match change {
        Change::Replace(at, word) => {
            let (from, to) = word_at(&input, at);
            input.splice(from..to, word.bytes());
        }
        Change::Swap(at, other) => {
            let (from, to) = word_at(&input, other);
            let other = input[from..to].to_vec();
            let (from, to) = word_at(&input, at);
            input.splice(from..to, other);
        }
        Change::Insert(at, bytes) => {
            let at = at.index(length);
            input.splice(at..at, bytes);
        }
        Change::Cut(at, count) => {
            let from = at.index(length);
            input.drain(from..(from + count).min(length));
        }
        Change::Repeat(at, count, times) => {
            let from = at.index(length);
            let piece = input[from..(from + count).min(length)].repeat(times);
            input.splice(from..from, piece);
        }
        Change::End(at) => input.truncate(at.index(length)),
        Change::Byte(at, byte) => input[at.index(length)] = byte,
    }
    input
}

// A quoted text, or a run of what words and numbers are made of, that begins at or behind a place.
fn word_at(input: &[u8], at: Index) -> (usize, usize) {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-+:".contains(byte);
    let start = at.index(input.len());
    let from = input[start..]
        .iter()
        .position(|byte| is_word(byte) || *byte == b'"')
        .map_or(start, |step| start + step);
    let end = if input[from] == b'"' {
        let close = input[from + 1..].iter().position(|byte| *byte == b'"');
        close.map(|step| from + step + 2)
    } else {
        let end = input[from..].iter().position(|byte| !is_word(byte));
        end.map(|step| from + step)
    };
    (from, end.unwrap_or(input.len()))
}
