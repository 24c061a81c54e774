//! The retry queue's files: a message, a dead letter and the counts, then sent to a Slack that takes all.

use std::cell::OnceCell;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use registry_core::clock::{ManualClock, Timestamp};
use registry_core::settings::{Settings, SettingsFile};
use simulators::TOKEN;
use slack_client::{Effort, Slack};

use crate::{assert_a_sentence, put, with};

thread_local! {
    static SERVICE: OnceCell<simulators::Slack> = const { OnceCell::new() };
}

pub(crate) fn slack_in(folder: &Path, api: String) -> Slack {
    let folder = folder.to_string_lossy().into_owned();
    let settings = Settings::new(
        move |name| match name {
            "SLACK_BOT_TOKEN" => Some(TOKEN.to_owned()),
            "SLACK_API_URL" => Some(api.clone()),
            "SLACK_QUEUE_DIR" => Some(format!("{folder}/queue")),
            "REGISTRY_DIR" => Some(format!("{folder}/registry")),
            "SLACK_TIMEOUT" => Some("5s".to_owned()),
            _ => None,
        },
        SettingsFile::default(),
    );
    let clock = ManualClock::at(Timestamp::from_seconds(1_768_394_200));
    Slack::from_settings(&settings, Arc::new(clock))
}

pub(crate) fn run(bytes: &[u8]) {
    let start = || simulators::Slack::start().expect("a simulator");
    with(&SERVICE, start, |service| sent(service, bytes));
}

fn sent(service: &simulators::Slack, bytes: &[u8]) {
    let folder = crate::folder();
    let queue = folder.path().join("queue");
    fs::create_dir(&queue).expect("a folder");
    for name in ["m1.json", "dead_letter_m2.json", "state"] {
        put(queue.join(name), bytes);
    }
    let slack = slack_in(folder.path(), service.api_url());
    let before = slack.spool().status().expect("a folder that can be read");
    assert!(
        before.pending + before.corrupt + before.newer_version <= 1,
        "{before:?}"
    );
    let _found = slack.spool().find("m1").expect("a folder that can be read");
    let effort = Effort {
        drain: Some(Duration::from_secs(300)),
        at_most: Some(Duration::from_secs(600)),
    };
    match slack.process(effort, &mut |_, _| {}) {
        Ok(report) => {
            report.damaged.iter().for_each(assert_a_sentence);
            not_lost(&slack, bytes, &queue, report.delivered);
        }
        Err(error) => assert_a_sentence(&error),
    }
    let dead = queue.join("dead_letter_m2.json");
    let revived = slack.spool().retry_dead(None).expect("a folder");
    assert!(
        dead.exists() != revived.contains(&"m2".to_owned()),
        "a dead letter is there or was revived: {revived:?}"
    );
}

// A message was delivered, waits, was given up, was of no use any more, or lies in corrupt/ as it was.
fn not_lost(slack: &Slack, bytes: &[u8], queue: &Path, delivered: usize) {
    let after = slack.spool().status().expect("a folder that can be read");
    let damaged = fs::read(queue.join("corrupt/m1.json")).ok();
    if let Some(damaged) = &damaged {
        assert_eq!(damaged, bytes, "a damaged file is kept as it was");
    }
    let dropped = usize::try_from(after.expired + after.replaced).unwrap_or(usize::MAX);
    let dead = after.dead_letters.saturating_sub(1);
    let kept = queue.join("m1.json").exists() || damaged.is_some();
    assert!(
        kept || delivered + dead > 0 || dropped > 0,
        "the message is gone: {after:?}"
    );
}
