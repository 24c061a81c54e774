//! `deployment-coordinator run` with the real monitor: what it watches, and that nothing of it lives on.

use end_to_end::{ID, Running, STACK, World, eventually};
use rustix::process::Signal;
use simulators::{Event, Message, Stack, UPDATES};

use crate::world;

/// A deployment that goes on until the file `go` is there, and then ends with the status in it.
const COMMAND: &str = "touch begun; until [ -e go ]; do sleep 0.05; done; exit $(cat go)";

fn deploying() -> (World, Running) {
    let mut world = world();
    world.set("CHECK_INTERVAL", "200ms");
    let stack = Stack::new(STACK).status("UPDATE_COMPLETE");
    world.cloudformation.add_stack(stack);
    let words = ["deployment-coordinator", "run", "production", "--id", ID];
    let words = [&words, ["--", "bash", "-c", COMMAND].as_slice()].concat();
    let running = world.start(&words, "run.log");
    eventually("the command runs", || {
        world.path("begun").exists().then_some(())
    });
    (world, running)
}

fn monitors(world: &World) -> Vec<u32> {
    world.processes(|words| {
        words
            .first()
            .is_some_and(|word| word == "deployment-monitor.sh")
    })
}

/// Waits until the monitor's log has this text.
fn logged(world: &World, text: &str) {
    eventually(text, || {
        world
            .read("deployment-monitor.log")
            .contains(text)
            .then_some(())
    });
}

fn happens(world: &World, events: impl IntoIterator<Item = Event>) {
    for event in events {
        world.cloudformation.event(STACK, event);
    }
}

fn texts(world: &World) -> Vec<String> {
    let messages = world.slack.messages(UPDATES);
    let root = messages.first().expect("a message").ts.clone();
    for reply in &messages[1..] {
        assert_eq!(reply.thread_ts.as_ref(), Some(&root), "one thread");
    }
    messages.iter().map(Message::shown).collect()
}

#[test]
fn the_monitor_tells_the_first_cause_and_ends_with_the_run() {
    let (world, running) = deploying();
    eventually("a monitor that pgrep finds", || monitors(&world).pop());
    happens(
        &world,
        [
            Event::own(0.0, "UPDATE_IN_PROGRESS"),
            Event::resource(
                0.0,
                "Database",
                "AWS::RDS::DBInstance",
                "CREATE_IN_PROGRESS",
            ),
            Event::resource(0.0, "Database", "AWS::RDS::DBInstance", "CREATE_FAILED")
                .because("Insufficient capacity"),
        ],
    );
    logged(&world, "AWS::RDS::DBInstance (Database) -> CREATE_FAILED");
    happens(
        &world,
        [
            Event::own(0.0, "UPDATE_ROLLBACK_IN_PROGRESS"),
            Event::own(0.0, "UPDATE_ROLLBACK_COMPLETE"),
        ],
    );
    logged(&world, "UPDATE_ROLLBACK_COMPLETE");
    world.write("go", "1");
    assert_eq!(running.wait(), Some(1), "{}", world.read("run.log"));
    assert_eq!(world.processes(|_| true), Vec::<u32>::new());
    let texts = texts(&world);
    assert!(texts[0].contains("Deployment Started"), "{texts:#?}");
    let last = texts.last().expect("the end");
    assert!(last.contains("Deployment Failed"), "{texts:#?}");
    assert!(last.contains("Insufficient capacity"), "{texts:#?}");
    let alerts = &texts[1..texts.len() - 1];
    assert!(
        alerts
            .iter()
            .any(|text| text.contains("Insufficient capacity")),
        "the monitor told it at once: {texts:#?}"
    );
}

#[test]
fn a_monitor_that_is_killed_is_restarted() {
    let mut world = world();
    world
        .set("CHECK_INTERVAL", "200ms")
        .set("RECOVERY_INTERVAL", "200ms");
    let words = ["deployment-coordinator", "run", "production", "--id", ID];
    let words = [&words, ["--", "bash", "-c", COMMAND].as_slice()].concat();
    let running = world.start(&words, "run.log");
    logged(&world, "\"message\"");
    let first = eventually("a monitor", || monitors(&world).pop());
    let pid = rustix::process::Pid::from_raw(first.cast_signed()).expect("a pid");
    rustix::process::kill_process(pid, Signal::KILL).expect("it lives");
    eventually("another monitor", || {
        monitors(&world).into_iter().find(|pid| *pid != first)
    });
    eventually("somebody says so", || {
        world.read("run.log").contains("works again").then_some(())
    });
    world.write("go", "0");
    assert_eq!(running.wait(), Some(0), "{}", world.read("run.log"));
    assert_eq!(world.processes(|_| true), Vec::<u32>::new());
}

#[test]
fn killed_with_9_its_monitor_does_not_live_on() {
    let (world, running) = deploying();
    eventually("a monitor", || monitors(&world).pop());
    logged(&world, "\"message\"");
    running.signal(Signal::KILL);
    let _killed = running.wait();
    eventually("the monitor is gone", || {
        monitors(&world).is_empty().then_some(())
    });
    let ours = |words: &[String]| words[0].contains("deployment-");
    eventually("and its keeper", || {
        world.processes(ours).is_empty().then_some(())
    });
    world.write("go", "0");
}
