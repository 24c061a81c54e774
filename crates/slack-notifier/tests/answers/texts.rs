//! What a message may have in it: lengths around Slack's limits, and text that would ping, format, forge or flood.

use std::sync::Mutex;

use simulators::{Fault, UPDATES};

use super::common::{ID, Place, Ran, Through};
use super::{NOTIFIER, last_words};

/// A text that is given to every word of every command.
struct Hostile {
    name: &'static str,
    text: String,
    /// What of it a person sees in the channel.
    seen: &'static str,
}

fn hostile() -> Vec<Hostile> {
    let of = |name, text: &str, seen| Hostile {
        name,
        text: text.to_owned(),
        seen,
    };
    vec![
        of("`<!channel>`", "<!channel> down", "<!channel> down"),
        of("`<@U1>`", "<@U1> feat/<x> & y", "<@U1> feat/<x> & y"),
        of(
            "a URL with `<!channel>`",
            "https://x/?a=1&b=<!channel>",
            "https://x/?a=1&b=<!channel>",
        ),
        of("backticks", "a `rm -rf` ```b", "rm -rf"),
        of("line breaks, CRLF too", "one\r\ntwo\nthree", "three"),
        of("`**`, `_` and `~`", "**bold** _it_ ~~gone~~ *x", "bold"),
        of("emoji and CJK", "部署失败 🎉 👩‍🚒", "部署失败 🎉 👩‍🚒"),
        of(
            "terminal escapes",
            "\u{1b}[31mred\u{1b}[0m\u{7} \u{9b}2J \u{202e}txet",
            "red",
        ),
        of(
            "a fake `::set-output`",
            "x\n::set-output name=a::b\n##[error]c",
            "::set-output name=a::b",
        ),
        Hostile {
            name: "100 kB",
            text: format!("BEGIN {} END", "<x> & **y**\n".repeat(8_000)),
            seen: "BEGIN",
        },
    ]
}

/// Each command with the text in all of its words.
fn commands(text: &str) -> [Vec<&str>; 9] {
    [
        vec!["start", text, text, text],
        vec!["concurrent", text, text, text],
        vec!["progress", text, text, text],
        vec!["complete", text, text, text, text],
        vec!["failed", text, text, text, text],
        vec!["failed", ID, "production", text],
        vec!["stalled", text, text, text],
        vec!["alert", text, text, text],
        vec!["custom", text],
    ]
}

/// Of [`commands`]: all words are long, one is, the whole message is.
const LONG_TEXTS: [usize; 3] = [0, 5, 8];

/// A way for a message to be sent, and whether Slack refuses the richest form.
#[derive(Debug, Clone, Copy)]
struct Way {
    through: Through,
    refused: bool,
}

const WAYS: [Way; 4] = [
    Way {
        through: Through::Bot,
        refused: false,
    },
    Way {
        through: Through::Webhook,
        refused: false,
    },
    Way {
        through: Through::Bot,
        refused: true,
    },
    Way {
        through: Through::Webhook,
        refused: true,
    },
];

/// What a failed check shows of a text that may be long.
fn beginning(text: &str) -> String {
    text.chars().take(2_000).collect()
}

/// Sends it to a Slack of its own; what it said, and what the channel shows.
fn send(words: &[&str], way: Way) -> (Ran, String) {
    let mut place = Place::new(way.through);
    place.set("GITHUB_ACTIONS", "true");
    if way.refused {
        place.slack.fault(Fault::error("invalid_blocks").times(1));
    }
    let ran = place.run(NOTIFIER, words);
    let shown = beginning(&format!("{way:?} {}: {}", ran.stderr, words.join(" ")));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{shown}");
    assert!(place.queued().is_empty(), "{shown}");
    check_log(&ran);
    check_wire(&place);
    let mut messages = place.slack.messages(UPDATES);
    assert_eq!(messages.len(), 1, "{shown}");
    (ran, messages.remove(0).shown())
}

/// Nothing in the log moves a cursor, and no line commands the runner, but for our own warnings.
fn check_log(ran: &Ran) {
    for line in ran.stderr.lines() {
        let begin = line.trim_start();
        assert!(line.chars().all(|c| !c.is_control()), "{line:?}");
        assert!(
            !begin.starts_with("::") || begin.starts_with("::warning::"),
            "{line}"
        );
        assert!(!begin.starts_with("##["), "{line}");
        assert!(!line.contains(['\u{202e}', '\u{9b}']), "{line:?}");
    }
}

/// As it goes over the wire: no control sequence of Slack's or of a terminal's in any text.
fn check_wire(place: &Place) {
    for post in place.slack.recorded() {
        if post.method != "POST" {
            continue;
        }
        let body: serde_json::Value = serde_json::from_str(&post.body).unwrap();
        let visible = format!("{}{}", body["text"], body["blocks"]);
        for token in ["<!", "<@", "<#", "\\u001b", "\u{9b}", "\u{202e}"] {
            assert!(
                !visible.contains(token),
                "{token} in {}",
                beginning(&visible)
            );
        }
    }
}

fn row(name: &str, words: &str) -> String {
    format!("| {name} | delivered | 0 | {words} |")
}

fn play_hostile(number: usize, hostile: &Hostile) -> String {
    let mut last = String::new();
    for (at, words) in commands(&hostile.text).iter().enumerate() {
        // Long texts take long, and one long word is as good as another.
        if hostile.text.len() > 10_000 && !LONG_TEXTS.contains(&at) {
            continue;
        }
        // Each text with each command, and each of them in every way.
        let way = WAYS[(number + at) % WAYS.len()];
        let (ran, shown) = send(words, way);
        assert!(
            shown.contains(hostile.seen),
            "{}, {way:?}, {}: {}",
            hostile.name,
            words[0],
            beginning(&shown)
        );
        if way.through == Through::Bot {
            last = last_words(&ran, &[]).replace(words[0], "…");
        }
    }
    row(hostile.name, &last)
}

/// Texts at one of Slack's limits.
struct Long {
    name: &'static str,
    texts: Vec<String>,
}

fn long() -> Vec<Long> {
    let of_length = |length: usize| "é&<".chars().cycle().take(length).collect();
    let lengths = |name, lengths: &[usize]| Long {
        name,
        texts: lengths.iter().copied().map(of_length).collect(),
    };
    let blocks = |count: usize| {
        let paragraphs = vec!["A paragraph."; count].join("\n\n");
        [paragraphs, "```\nlet x = 1;\n```\n".repeat(count)]
    };
    vec![
        lengths(
            "149, 150, 151 characters (a header block's limit)",
            &[149, 150, 151],
        ),
        lengths(
            "2,999, 3,000, 3,001 characters (a section's)",
            &[2_999, 3_000, 3_001],
        ),
        lengths(
            "9,999, 12,001 characters (of all blocks together)",
            &[9_999, 12_001],
        ),
        Long {
            name: "50, 51 paragraphs or pieces of code (blocks of a message)",
            texts: [blocks(50), blocks(51)].concat(),
        },
    ]
}

fn play_long(long: &Long) -> String {
    let mut last = String::new();
    for text in &long.texts {
        for way in WAYS {
            let (ran, shown) = send(&["custom", text], way);
            let begin: String = text.chars().take(140).collect();
            assert!(
                shown.starts_with(begin.trim_end()),
                "{}, {way:?}: {}",
                long.name,
                beginning(&shown)
            );
            if way.through == Through::Bot {
                last = last_words(&ran, &[]).replace("custom", "…");
            }
        }
    }
    row(long.name, &last)
}

/// The table of docs/slack.md.
pub(super) fn table() -> String {
    let hostile = hostile();
    let long = long();
    let mut jobs: Vec<Box<dyn FnOnce() -> String + Send + '_>> = Vec::new();
    for long in &long {
        jobs.push(Box::new(move || play_long(long)));
    }
    for (number, hostile) in hostile.iter().enumerate() {
        jobs.push(Box::new(move || play_hostile(number, hostile)));
    }
    let jobs = Mutex::new(jobs.into_iter().enumerate());
    let rows = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let next = jobs.lock().unwrap().next();
                    let Some((order, job)) = next else { break };
                    let row = job();
                    rows.lock().unwrap().push((order, row));
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    rows.sort();
    let rows: Vec<String> = rows.into_iter().map(|(_, row)| row).collect();
    format!(
        "| the message has in it, sent in every way | outcome | exit | words on stderr |\n|---|---|---|---|\n{}\n",
        rows.join("\n")
    )
}
