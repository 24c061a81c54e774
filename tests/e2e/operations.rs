//! The incident guide: every command in it, in its order, prints what the guide says it prints.

use std::path::Path;

use end_to_end::{ID, STACK, World, eventually};
use simulators::{Fault, Stack, Trouble};

use crate::world;

/// One block of a chapter: a command, lines that it prints (`…` stands for anything), its exit status.
struct Step {
    command: String,
    prints: Vec<String>,
    code: i32,
}

/// A chapter: its heading and its steps.
type Chapter = (String, Vec<Step>);

fn chapters() -> Vec<Chapter> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut chapters: Vec<Chapter> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            chapters.push((heading.to_owned(), Vec::new()));
        } else if line.starts_with("```") {
            // A command that is not in such a block would not be run.
            assert!(inside || line == "```console", "{line}");
            inside = !inside;
        } else if inside {
            let (_, steps) = chapters.last_mut().unwrap();
            if let Some(command) = line.strip_prefix("$ ") {
                steps.push(Step {
                    command: command.to_owned(),
                    prints: Vec::new(),
                    code: 0,
                });
                continue;
            }
            let step = steps.last_mut().unwrap();
            match line
                .strip_prefix("(exit ")
                .and_then(|rest| rest.strip_suffix(')'))
            {
                Some(code) => step.code = code.parse().unwrap(),
                None => step.prints.push(line.to_owned()),
            }
        }
    }
    chapters
}

/// `text` is `pattern`, in which `…` stands for anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        last = Some(part);
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    last.map_or(rest.is_empty(), |part| {
        part.is_empty() || text.ends_with(part)
    })
}

/// The incident that a chapter is about.
fn incident(heading: &str) -> World {
    let mut world = world();
    world.set("CHECK_INTERVAL", "200ms");
    let stack = |status: &str| Stack::new(STACK).status(status);
    world.cloudformation.add_stack(stack("UPDATE_COMPLETE"));
    match heading {
        "Before anything else" | "Estimates are off" => {}
        "It waits for a deployment that does not exist" | "The job was killed" => held(&world),
        "Nobody may deploy, and nothing is deployed" => {
            let words = [
                "deployment-coordinator",
                "freeze",
                "production",
                "--reason",
                "release day",
            ];
            drop(world.run(&words).expect(0));
        }
        "It says that the status is unknown" => {
            world
                .cloudformation
                .fault(Fault::from(Trouble::ExpiredToken));
        }
        "It says that the stack needs cleanup" => {
            world
                .cloudformation
                .add_stack(stack("UPDATE_ROLLBACK_FAILED"));
        }
        "No messages for ten minutes" => {
            held(&world);
            let words = [
                "deployment-monitor",
                ID,
                STACK,
                "C0A9M9DPFUY",
                "deployment-monitor.log",
            ];
            let monitor = world.start(&words, "monitor.out");
            eventually("the monitor writes", || {
                (!world.read("deployment-monitor.log").is_empty()).then_some(())
            });
            monitor.signal(rustix::process::Signal::KILL);
            let _killed = monitor.wait();
        }
        "Messages do not appear in Slack" => {
            world.slack.set_token("xoxb-of-somebody-else");
            let words = ["slack-notifier", "start", ID, "production", "12345"];
            drop(world.run(&words).expect(0));
        }
        "Registry unavailable" => {
            world.write(
                ".deployment-registry/deployments.json",
                "{ \"deployments\": [",
            );
        }
        other => panic!("no incident is known for the chapter {other:?}"),
    }
    world
}

fn held(world: &World) {
    let words = [
        "deployment-coordinator",
        "register",
        ID,
        "12345",
        "production",
    ];
    drop(world.run(&words).expect(0));
}

#[track_caller]
fn play((heading, steps): &Chapter) {
    assert!(!steps.is_empty(), "{heading} has nothing to run");
    let world = incident(heading);
    for step in steps {
        // What is mended outside of the programs.
        if heading == "Messages do not appear in Slack"
            && step.command == "slack-retry-queue process"
        {
            world.slack.set_token(simulators::TOKEN);
        }
        world.write("step.sh", &step.command);
        let outcome = world.run(&["bash", "-eo", "pipefail", "step.sh"]);
        let told = format!("in {heading:?}, $ {}\n{outcome}", step.command);
        assert_eq!(outcome.code, Some(step.code), "{told}");
        let printed = format!("{}{}", outcome.stdout, outcome.stderr);
        let mut lines = printed.lines();
        for expected in &step.prints {
            assert!(
                lines.any(|line| is_like(line, expected)),
                "no line (or not in this order) is like\n{expected}\n{told}"
            );
        }
    }
}

#[test]
fn every_command_prints_what_the_guide_says() {
    let chapters = chapters();
    assert!(chapters.len() >= 10, "{}", chapters.len());
    std::thread::scope(|scope| {
        for chapter in &chapters {
            scope.spawn(|| play(chapter));
        }
    });
}

#[test]
fn a_pattern_is_a_whole_line() {
    for (text, pattern, expected) in [
        ("a b c", "a b c", true),
        ("a b c", "a b", false),
        ("a b c", "a …", true),
        ("a b c", "…c", true),
        ("a b c", "a … c", true),
        ("a b c", "b …", false),
        ("a b c", "a … d", false),
        ("a b c d", "a … c", false),
    ] {
        assert_eq!(is_like(text, pattern), expected, "{text} {pattern}");
    }
}
