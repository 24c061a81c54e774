//! Slack's answers: the first byte chooses which request gets them and with what status, the rest is the body.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::time::Duration;

use registry_core::notification::{Kind, Notification, Words};
use simulators::{Fault, Trouble};
use slack_client::{Delivery, Effort, Options};

use crate::queue::slack_in;
use crate::{assert_a_sentence, with};

thread_local! {
    static SERVICE: OnceCell<simulators::Slack> = const { OnceCell::new() };
}

pub(crate) fn run(bytes: &[u8]) {
    let Some((first, body)) = bytes.split_first() else {
        return;
    };
    let start = || simulators::Slack::start().expect("a simulator");
    with(&SERVICE, start, |service| answered(service, *first, body));
}

fn message(kind: Kind, args: [&str; 3]) -> Notification {
    let words = Words {
        args: args.map(str::to_owned).to_vec(),
        ..Words::default()
    };
    Notification::from_words(kind, words)
        .expect("enough words")
        .notification
}

fn answered(service: &simulators::Slack, choice: u8, body: &[u8]) {
    let folder = crate::folder();
    let slack = slack_in(folder.path(), service.api_url());
    let status = [200, 429, 200, 200, 400, 404, 500, 503][usize::from(choice % 8)];
    let retry_after = String::from_utf8_lossy(body)
        .chars()
        .filter(char::is_ascii_graphic)
        .take(12)
        .collect();
    let answer = Trouble::Answer {
        status,
        headers: BTreeMap::from([
            ("Content-Type".to_owned(), "application/json".to_owned()),
            ("Retry-After".to_owned(), retry_after),
        ]),
        body: String::from_utf8_lossy(body).into_owned(),
    };
    let only = [
        "chat.postMessage",
        "conversations.history",
        "conversations.replies",
    ];
    let action = only[usize::from(choice / 8) % only.len()];
    service.clear_faults();
    service.fault(Fault::new(answer).on(action).times(3));
    let notes = [
        message(Kind::Started, ["a1", "production", "12345"]),
        message(
            Kind::Failed,
            ["a1", "production", "<!channel> \u{1b}[31mno"],
        ),
    ];
    for note in &notes {
        let delivery = slack.send(note, &Options::default());
        let has = |id: &str| {
            let found = slack.spool().find(id).expect("the queue");
            found.iter().any(|found| found.state != "delivered")
        };
        match delivery {
            Delivery::Delivered { .. } | Delivery::Known { .. } => {}
            Delivery::Queued {
                message_id,
                reason,
                fix,
                ..
            } => {
                assert!(has(&message_id), "{message_id} is not in the queue");
                assert_a_sentence(&reason);
                fix.iter().for_each(assert_a_sentence);
            }
            Delivery::Lost { reason, .. } => panic!("lost though the disk is fine: {reason}"),
        }
    }
    // Whatever was answered, what was not refused for good goes when Slack is itself again.
    service.clear_faults();
    let effort = Effort {
        drain: Some(Duration::from_secs(24 * 3600)),
        at_most: Some(Duration::from_secs(48 * 3600)),
    };
    let report = slack.process(effort, &mut |_, _| {}).expect("the queue");
    let status = slack.spool().status().expect("the queue");
    assert_eq!(status.pending, report.left, "{status:?}");
    assert_eq!(
        status.corrupt, 0,
        "we wrote a file that we cannot read: {status:?}"
    );
}
