//! Slack's messages on a disk that is full, and on one that nobody may write.

use end_to_end::{ID, Outcome, SmallDisk, World};
use simulators::{Fault, UPDATES};

use crate::world;

const QUEUE: &str = ".slack-retry-queue";
const FAILED: [&str; 5] = [
    "slack-notifier",
    "failed",
    ID,
    "production",
    "No space left",
];

const QUEUED_BEFORE: [&str; 6] = [
    "slack-retry-queue",
    "queue",
    "alert",
    "other",
    "S",
    "queued before",
];

fn slack_is_down(world: &World) {
    let fault = Fault::error("service_unavailable");
    world.slack.fault(fault.on("chat.postMessage"));
}

fn messages(world: &World, words: &str) -> usize {
    let messages = world.slack.messages(UPDATES);
    messages
        .iter()
        .filter(|message| message.shown().contains(words))
        .count()
}

fn waiting(world: &World) -> Vec<String> {
    let files = world.files().into_iter();
    files
        .filter(|name| name.starts_with(QUEUE) && name.strip_suffix(".json").is_some())
        .collect()
}

/// Neither sent nor kept: the whole message is on stderr, and the deployment goes on.
fn check_lost(outcome: Outcome) {
    outcome
        .expect(0)
        .says("[ERROR] the message `failed` is neither delivered nor kept: ")
        .says("❌ Deployment Failed")
        .says("No space left")
        .says(ID)
        .in_order();
}

#[test]
fn a_full_disk_keeps_no_message_from_slack_and_harms_none_that_waits() {
    let world = world();
    let mut disk = SmallDisk::at(&world, QUEUE);
    // Queued while there was room.
    slack_is_down(&world);
    world.run(&QUEUED_BEFORE).expect(0);
    disk.fill();
    // Slack cannot be reached either.
    check_lost(disk.run(&world, &FAILED));
    disk.run(&world, &["slack-notifier", "--strict", "custom", "x"])
        .expect(1);
    let before = waiting(&world);
    assert_eq!(before.len(), 1, "no half file: {before:?}");
    let text = world.read(&before[0]);
    disk.run(&world, &QUEUED_BEFORE)
        .expect(2)
        .says("the retry queue .slack-retry-queue cannot be used: ");
    disk.run(&world, &["slack-retry-queue", "process"])
        .expect(2)
        .says("cannot be used: ");
    assert_eq!(
        (waiting(&world), world.read(&before[0])),
        (before, text),
        "left as it was"
    );
    disk.run(&world, &["slack-retry-queue", "status"]).expect(0);
    // Slack is back, the disk is still full: everything goes, what waited too.
    world.slack.clear_faults();
    disk.run(&world, &FAILED)
        .expect(0)
        .says("Slack has the message `failed`");
    assert_eq!(messages(&world, "No space left"), 1);
    disk.run(&world, &["slack-retry-queue", "process"])
        .expect(0)
        .says("Slack has ");
    assert_eq!(messages(&world, "queued before"), 1);
    disk.empty();
    let last = world.run(&["slack-retry-queue", "process"]).expect(0);
    assert_eq!(
        (last.stderr.as_str(), waiting(&world).len()),
        ("", 0),
        "{last}"
    );
    assert_eq!(messages(&world, "queued before"), 1);
}

#[test]
fn a_folder_that_nobody_may_write_keeps_no_message_from_slack() {
    let world = world();
    let disk = SmallDisk::at(&world, QUEUE);
    if !disk.is_real() {
        // Without the right to mount, a folder in which even root can write nothing.
        let mut world = world;
        world.set("SLACK_QUEUE_DIR", "/proc/self");
        check_unwritable(&world);
        return;
    }
    slack_is_down(&world);
    world.run(&QUEUED_BEFORE).expect(0);
    disk.read_only(true);
    check_unwritable(&world);
    world.run(&["slack-retry-queue", "status"]).expect(0);
    disk.read_only(false);
    world.run(&["slack-retry-queue", "process"]).expect(0);
    assert_eq!(messages(&world, "queued before"), 1);
}

fn check_unwritable(world: &World) {
    slack_is_down(world);
    check_lost(world.run(&FAILED));
    world.slack.clear_faults();
    world
        .run(&FAILED)
        .expect(0)
        .says("Slack has the message `failed`");
    assert_eq!(messages(world, "No space left"), 1);
    // A lost answer is looked for, as it is with a queue.
    world.slack.fault(
        Fault::new(simulators::Trouble::Close)
            .on("chat.postMessage")
            .although_applied()
            .times(1),
    );
    world
        .run(&["slack-notifier", "custom", "answer lost"])
        .expect(0)
        .says("Slack has the message `custom`");
    assert_eq!(messages(world, "answer lost"), 1);
    for words in [&["queue", "custom", "x"][..], &["process"]] {
        let mut line = vec!["slack-retry-queue"];
        line.extend(words);
        let told = world.run(&line).expect(2);
        assert_eq!(told.stderr.lines().count(), 1, "{told}");
    }
}
