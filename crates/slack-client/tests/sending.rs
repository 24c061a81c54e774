//! Notifications through the whole crate against a Slack on loopback.

use std::path::Path;
use std::sync::Arc;

use registry_core::clock::SystemClock;
use registry_core::notification::Notification;
use registry_core::settings::{Settings, SettingsFile};
use simulators::{Fault, TOKEN, UPDATES};
use slack_client::{Delivery, Effort, Options, Slack};

fn settings(folder: &Path, variables: &[(&str, &str)]) -> Settings {
    let mut all: Vec<(String, String)> = vec![
        (
            "SLACK_QUEUE_DIR".into(),
            folder.join("queue").display().to_string(),
        ),
        (
            "REGISTRY_DIR".into(),
            folder.join("registry").display().to_string(),
        ),
    ];
    all.extend(variables.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())));
    let look_up = move |name: &str| {
        all.iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
    };
    Settings::new(look_up, SettingsFile::default())
}

fn start() -> Notification {
    Notification::Started {
        id: "20260114-123456-abc123".into(),
        environment: "production".into(),
        run: "12345".into(),
    }
}

fn with_bot(sim: &simulators::Slack, folder: &Path) -> Slack {
    let api = sim.api_url();
    let settings = settings(
        folder,
        &[("SLACK_API_URL", api.as_str()), ("SLACK_BOT_TOKEN", TOKEN)],
    );
    Slack::from_settings(&settings, Arc::new(SystemClock::default()))
}

#[test]
fn a_message_arrives_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let sim = simulators::Slack::start().unwrap();
    let slack = with_bot(&sim, folder.path());
    let delivery = slack.send(&start(), &Options::default());
    assert!(
        matches!(&delivery, Delivery::Delivered { channel: Some(channel), ts: Some(_) } if channel == UPDATES),
        "{delivery:?}"
    );
    assert_eq!(sim.messages(UPDATES).len(), 1);
    assert!(slack.spool().waiting().unwrap().is_empty());
}

#[test]
fn a_key_is_queued_once_also_after_delivery() {
    let folder = tempfile::tempdir().unwrap();
    let sim = simulators::Slack::start().unwrap();
    let slack = with_bot(&sim, folder.path());
    let options = Options {
        key: Some("id/event-1/failed".into()),
        ..Options::default()
    };
    let first = slack.enqueue(&start(), &options).unwrap();
    let second = slack.enqueue(&start(), &options).unwrap();
    assert_eq!(first.message_id(), second.message_id());
    let report = slack.process(Effort::default(), &mut |_, _| {}).unwrap();
    assert_eq!((report.delivered, report.left), (1, 0));
    let again = slack.send(&start(), &options);
    assert!(matches!(again, Delivery::Known { .. }), "{again:?}");
    assert_eq!(sim.messages(UPDATES).len(), 1);
}

#[test]
fn what_is_not_delivered_waits_and_arrives_later() {
    let folder = tempfile::tempdir().unwrap();
    let sim = simulators::Slack::start().unwrap();
    let slack = with_bot(&sim, folder.path());
    sim.fault(Fault::error("invalid_auth").on("chat.postMessage").times(1));
    let delivery = slack.send(&start(), &Options::default());
    let Delivery::Queued { fix: Some(fix), .. } = &delivery else {
        panic!("{delivery:?}");
    };
    assert!(fix.contains("SLACK_BOT_TOKEN"));
    let report = slack.process(Effort::default(), &mut |_, _| {}).unwrap();
    assert_eq!((report.delivered, report.left), (1, 0));
}
