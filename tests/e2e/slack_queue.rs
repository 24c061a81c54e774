//! What the retry queue lives through, each case with the real programs, and what `slack-retry-queue process` says of it. The table
//! in docs/slack.md is this test's.

use end_to_end::{ID, Outcome, World, eventually};
use rustix::process::Signal;
use simulators::{Fault, Trouble, UPDATES};

use crate::world;

const QUEUE: &str = ".slack-retry-queue";
const POST: &str = "chat.postMessage";
const PROCESS: [&str; 2] = ["slack-retry-queue", "process"];
const ALERT: [&str; 5] = ["slack-notifier", "alert", ID, "S", "the message"];
const QUEUED: [&str; 6] = [
    "slack-retry-queue",
    "queue",
    "alert",
    ID,
    "S",
    "the message",
];

/// A row of the table.
struct Case {
    name: &'static str,
    play: fn() -> (World, Outcome),
    /// Copies of the message in the channel.
    arrived: usize,
    /// Messages that wait still, or again.
    waiting: usize,
}

const CASES: &[Case] = &[
    case("`slack-notifier` killed before Slack read it", || {
        killed_in(world(), &ALERT, &Trouble::HangUnread, false)
    }),
    case("`slack-notifier` killed when Slack had read it", || {
        killed_in(world(), &ALERT, &Trouble::Hang, false)
    }),
    case("`slack-notifier` killed when Slack had posted it", || {
        killed_in(world(), &ALERT, &Trouble::Hang, true)
    }),
    case("`process` killed before Slack read it", || {
        killed_in(queued(), &PROCESS, &Trouble::HangUnread, false)
    }),
    case("`process` killed when Slack had read it", || {
        killed_in(queued(), &PROCESS, &Trouble::Hang, false)
    }),
    case("`process` killed when Slack had posted it", || {
        killed_in(queued(), &PROCESS, &Trouble::Hang, true)
    }),
    case("`process` killed in the middle of Slack's answer", || {
        killed_in(queued(), &PROCESS, &Trouble::StallInBody, true)
    }),
    case("two `process` at once", || {
        let world = queued();
        let other = world.start(&PROCESS, "other.log");
        let mut outcome = world.run(&PROCESS);
        assert_eq!(other.wait(), Some(0));
        // Either may be the one that sends it.
        outcome.stderr.push_str(&world.read("other.log"));
        (world, outcome)
    }),
    case("the clock was set back by years since", || {
        let world = queued();
        let name = &waiting(&world)[0];
        let mut file: serde_json::Value = serde_json::from_str(&world.read(name)).unwrap();
        for time in ["queued_at", "next_retry_at", "decided_at"] {
            file[time] = "2099-01-01T00:00:00Z".into();
        }
        world.write(name, &file.to_string());
        done(world)
    }),
    case("a file that is cut off beside it", || {
        beside("1-cut.json", br#"{"message_id": "1-cut", "notif"#)
    }),
    case("an empty file beside it", || beside("1-empty.json", b"")),
    case("a file that is no UTF-8 beside it", || {
        beside("1-bytes.json", b"\xff\xfe{}")
    }),
    Case {
        waiting: 1,
        ..case("a file of a newer version beside it", || {
            beside("1-newer.json", br#"{"version": 99}"#)
        })
    },
    Case {
        arrived: 0,
        waiting: 1,
        ..case("a folder that cannot be used", || {
            let mut world = queued();
            world.set("SLACK_QUEUE_DIR", "/proc/self/no-such-place");
            done(world)
        })
    },
];

const fn case(name: &'static str, play: fn() -> (World, Outcome)) -> Case {
    Case {
        name,
        play,
        arrived: 1,
        waiting: 0,
    }
}

fn queued() -> World {
    let world = world();
    world.run(&QUEUED).expect(0);
    world
}

fn done(world: World) -> (World, Outcome) {
    let outcome = world.run(&PROCESS);
    (world, outcome)
}

fn beside(name: &str, content: &[u8]) -> (World, Outcome) {
    let world = queued();
    let path = world.path(QUEUE).join(name);
    std::io::Write::write_all(&mut std::fs::File::create(path).unwrap(), content).unwrap();
    done(world)
}

/// Runs a program until Slack leaves it waiting, ends it with -9, and lets `process` go on.
fn killed_in(world: World, words: &[&str], trouble: &Trouble, posted: bool) -> (World, Outcome) {
    let unread = matches!(trouble, Trouble::HangUnread);
    let fault = Fault::new(trouble.clone());
    // Of what is not read nobody knows what it is.
    let fault = if unread { fault } else { fault.on(POST) };
    world.slack.fault(if posted {
        fault.although_applied()
    } else {
        fault
    });
    let running = world.start(words, "killed.log");
    eventually("the message is noted as being sent", || {
        let names = waiting(&world);
        let mut texts = names.iter().map(|name| world.read(name));
        texts.find(|text| text.contains("\"unsure\""))
    });
    eventually("Slack has read it", || {
        (unread || world.slack.requests(POST) > 0).then_some(())
    });
    running.signal(Signal::KILL);
    assert_eq!(running.wait(), None, "killed");
    world.slack.clear_faults();
    done(world)
}

/// The queue's messages, by their files' names.
fn waiting(world: &World) -> Vec<String> {
    let is_message = |name: &str| {
        let name = name.strip_prefix(".slack-retry-queue/")?;
        let id = name.strip_suffix(".json")?;
        (!id.contains('/') && !id.starts_with('.')).then_some(())
    };
    let names = world.files().into_iter();
    names.filter(|name| is_message(name).is_some()).collect()
}

fn play(case: &Case) -> String {
    let (world, outcome) = (case.play)();
    let arrived = world.slack.messages(UPDATES);
    assert_eq!(arrived.len(), case.arrived, "{}: {outcome}", case.name);
    assert_eq!(
        waiting(&world).len(),
        case.waiting,
        "{}: {outcome}",
        case.name
    );
    let code = outcome.code.unwrap();
    // What is told beside the success is what a person should know.
    let mut lines = outcome.stderr.lines();
    let told = lines.clone().find(|line| !line.starts_with("[SUCCESS]"));
    let said = told.or(lines.next()).unwrap_or("(nothing)");
    let words = unnamed(said).replace('|', "\\|");
    let arrives = match case.arrived {
        0 => "kept",
        _ => "arrives once",
    };
    format!("| {} | {arrives} | {code} | {words} |", case.name)
}

/// The message's name is another one each time: `1795732093233-9cdbbd6d`.
fn unnamed(line: &str) -> String {
    let is_name = |word: &str| {
        word.split_once('-').is_some_and(|(time, rest)| {
            time.len() == 13
                && rest.len() == 8
                && time.bytes().all(|byte| byte.is_ascii_digit())
                && rest.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    };
    let words = line
        .split(' ')
        .map(|word| if is_name(word) { "NAME" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn whatever_happens_to_the_queue_the_message_arrives_once() {
    let mut rows = vec![String::new(); CASES.len()];
    std::thread::scope(|scope| {
        for (row, case) in rows.iter_mut().zip(CASES) {
            scope.spawn(|| *row = play(case));
        }
    });
    let table = format!(
        "| what happens | the message | exit | words of `process` |\n|---|---|---|---|\n{}\n",
        rows.join("\n")
    );
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/slack.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(
        page.contains(&table),
        "docs/slack.md should have this table:\n{table}"
    );
}
