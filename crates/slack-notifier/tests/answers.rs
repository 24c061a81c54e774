//! Every kind of answer Slack, or something in its place, can give: what becomes of the message, the exit status, the words.
//! The table in docs/slack.md is this test's.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

#[path = "answers/bot.rs"]
mod bot;
mod common;
#[path = "answers/texts.rs"]
mod texts;
#[path = "answers/webhook.rs"]
mod webhook;

use std::fmt::Write as _;
use std::sync::Mutex;

use common::{ID, Place, Ran, Through};
use simulators::{DeadEnd, Fault, Trouble};

const NOTIFIER: &str = env!("CARGO_BIN_EXE_slack-notifier");

struct Case {
    name: &'static str,
    through: Through,
    faults: Vec<Fault>,
    outcome: &'static str,
    words: &'static str,
    /// Another address than the simulator's, and how long a call may take.
    elsewhere: Option<(String, &'static str)>,
    /// It is a reply in a thread: a start message is there already.
    in_thread: bool,
}

impl Case {
    fn at(mut self, url: String) -> Self {
        self.elsewhere = Some((url, "15s"));
        self
    }

    fn within(mut self, limit: &'static str) -> Self {
        let url = self.elsewhere.map_or_else(String::new, |(url, _)| url);
        self.elsewhere = Some((url, limit));
        self
    }

    fn in_thread(mut self) -> Self {
        self.in_thread = true;
        self
    }
}

fn case(
    name: &'static str,
    through: Through,
    faults: impl IntoIterator<Item = Fault>,
    outcome: &'static str,
    words: &'static str,
) -> Case {
    Case {
        name,
        through,
        faults: faults.into_iter().collect(),
        outcome,
        words,
        elsewhere: None,
        in_thread: false,
    }
}

fn post(trouble: Trouble) -> Fault {
    Fault::new(trouble).on("chat.postMessage")
}

fn code(code: &str) -> Fault {
    Fault::error(code).on("chat.postMessage")
}

fn redirect(status: u16) -> Trouble {
    Trouble::Redirect {
        status,
        location: None,
    }
}

struct Row {
    order: usize,
    text: String,
}

#[test]
fn every_answer_has_its_outcome_its_status_and_its_words() {
    let dead_end = DeadEnd::start().unwrap();
    let cases: Vec<(usize, Case)> = bot::cases(&dead_end)
        .into_iter()
        .chain(webhook::cases())
        .enumerate()
        .collect();
    let waiting = Mutex::new(cases.into_iter());
    let rows = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().unwrap().next();
                    let Some((order, case)) = next else { break };
                    let text = play(&case);
                    rows.lock().unwrap().push(Row { order, text });
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|row| row.order);
    let mut table = String::from(
        "| Slack answers | through | outcome | exit | words on stderr |\n|---|---|---|---|---|\n",
    );
    for row in rows {
        writeln!(table, "{}", row.text).unwrap();
    }
    check_page(&table);
}

#[test]
fn whatever_a_message_has_in_it_is_shown_and_does_nothing() {
    check_page(&texts::table());
}

fn check_page(table: &str) {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/slack.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(
        page.contains(table),
        "docs/slack.md should have this table:\n{table}"
    );
}

fn play(case: &Case) -> String {
    let mut place = Place::new(case.through);
    if let Some((url, limit)) = &case.elsewhere {
        place.set("SLACK_TIMEOUT", limit);
        let name = match case.through {
            Through::Bot => "SLACK_API_URL",
            Through::Webhook => "SLACK_WEBHOOK_URL",
        };
        if !url.is_empty() {
            place.set(name, url);
        }
    }
    let start = ["start", ID, "production", "12345"];
    let mut words = &start[..];
    if case.in_thread {
        assert_eq!(place.run(NOTIFIER, words).code, Some(0));
        words = &[
            "progress",
            ID,
            "CREATE_IN_PROGRESS",
            "Creating RDS instance...",
        ];
    }
    for fault in &case.faults {
        place.slack.fault(fault.clone());
    }
    let ran = place.run(NOTIFIER, words);
    let shown = format!("{}: {ran:?}", case.name);
    assert_eq!(ran.code, Some(0), "{shown}");
    assert_eq!(ran.stdout, "", "{shown}");
    assert!(ran.stderr.contains(case.words), "{shown}");
    let queued = place.queued();
    let dead = queued.iter().any(|name| name.starts_with("dead_letter_"));
    let outcome = match (queued.len(), dead) {
        (0, _) => "delivered",
        (_, false) => "kept",
        (_, true) => "dead letter",
    };
    assert_eq!(outcome, case.outcome, "{shown}");
    if outcome == "delivered" {
        let expected = 1 + usize::from(case.in_thread);
        assert_eq!(place.messages().len(), expected, "{shown}");
    }
    let through = match case.through {
        Through::Bot => "bot",
        Through::Webhook => "webhook",
    };
    let last = last_words(&ran, &queued);
    format!("| {} | {through} | {outcome} | 0 | {last} |", case.name)
}

// The last line of stderr, without the names that differ from run to run.
fn last_words(ran: &Ran, queued: &[String]) -> String {
    let line = ran.stderr.lines().last().unwrap_or_default();
    let mut line = line.replace('|', "\\|").replace('<', "&lt;");
    // A port is another one each time.
    if let Some(at) = line.find("127.0.0.1:") {
        let digits = line[at + 10..]
            .chars()
            .take_while(char::is_ascii_digit)
            .count();
        line.replace_range(at + 10..at + 10 + digits, "PORT");
    }
    for name in queued {
        let id = name
            .trim_start_matches("dead_letter_")
            .trim_end_matches(".json");
        line = line.replace(id, "NAME");
    }
    line
}
