//! What hangs on time: a call that is over among the forms, and the pace of a channel that may have a message already.
//!
//! Time is a clock set by hand; a Slack of a few lines moves it while a request is on its way.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use registry_core::clock::{Clock as _, ManualClock, Timestamp};
use registry_core::notification::Notification;
use registry_core::settings::{Settings, SettingsFile};
use slack_client::{Delivery, Effort, Options, Slack};

const OK: &str = r#"{"ok":true,"channel":"C0A9M9DPFUY","ts":"1768394096.000100"}"#;
const REFUSED: &str = r#"{"ok":false,"error":"invalid_blocks"}"#;

/// What is done about one request: how much time passes until the answer, and the answer; without one the connection is closed.
type Answer = (Duration, Option<&'static str>);

/// Answers each request as `script` says, the last one for ever. When each was answered, by `clock`.
fn slack_that(script: Vec<Answer>, clock: &ManualClock) -> (String, Arc<Mutex<Vec<Timestamp>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/api/", listener.local_addr().unwrap());
    let answered: Arc<Mutex<Vec<Timestamp>>> = Arc::default();
    let (clock, times) = (clock.clone(), Arc::clone(&answered));
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let stream = stream.unwrap();
            read_request(&stream);
            let (passes, answer) = script[number.min(script.len() - 1)];
            clock.advance(passes);
            times.lock().unwrap().push(clock.now());
            let Some(body) = answer else { continue };
            let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json";
            let length = body.len();
            let _gone = write!(&stream, "{head}\r\nContent-Length: {length}\r\n\r\n{body}");
        }
    });
    (url, answered)
}

fn read_request(stream: &TcpStream) {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
}

fn slack(folder: &Path, api: &str, clock: &ManualClock) -> Slack {
    let variables = [
        (
            "SLACK_QUEUE_DIR",
            folder.join("queue").display().to_string(),
        ),
        (
            "REGISTRY_DIR",
            folder.join("registry").display().to_string(),
        ),
        ("SLACK_API_URL", api.to_owned()),
        ("SLACK_BOT_TOKEN", "xoxb-hand-set".to_owned()),
    ];
    let look_up = move |name: &str| {
        let found = variables.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| value.clone())
    };
    let settings = Settings::new(look_up, SettingsFile::default());
    Slack::from_settings(&settings, Arc::new(clock.clone()))
}

fn begin() -> Timestamp {
    Timestamp::from_seconds(1_768_394_096)
}

fn custom(message: &str) -> Notification {
    Notification::Custom {
        message: message.to_owned(),
    }
}

#[test]
fn a_message_is_not_given_up_because_time_ran_out_among_its_forms() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(begin());
    // The answer about the second form comes when the call's 15 s are over; two more forms were not tried.
    let moment = Duration::from_millis(10);
    let script = vec![
        (moment, Some(REFUSED)),
        (Duration::from_secs(15), Some(REFUSED)),
        (moment, Some(OK)),
    ];
    let (api, answered) = slack_that(script, &clock);
    let slack = slack(folder.path(), &api, &clock);
    let delivery = slack.send(&custom("x"), &Options::default());
    assert!(
        matches!(
            &delivery,
            Delivery::Queued {
                fix: None,
                unsure: false,
                ..
            }
        ),
        "{delivery:?}"
    );
    let status = slack.spool().status().unwrap();
    assert_eq!(
        (status.pending, status.dead_letters),
        (1, 0),
        "only what Slack refused in every form is given up: {status:?}"
    );
    assert_eq!(answered.lock().unwrap().len(), 2);
    clock.advance(Duration::from_secs(5));
    let report = slack.process(Effort::default(), &mut |_, _| {}).unwrap();
    assert_eq!((report.delivered, report.left), (1, 0), "{report:?}");
}

#[test]
fn a_channel_that_may_have_a_message_waits_a_second_for_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(begin());
    // The connection ends after 3 s, so the message may have been posted just now, long after it was sent.
    let script = vec![(Duration::from_secs(3), None), (Duration::ZERO, Some(OK))];
    let (api, answered) = slack_that(script, &clock);
    let slack = slack(folder.path(), &api, &clock);
    for message in ["lost answer", "next"] {
        let _queued = slack
            .enqueue(&custom(message), &Options::default())
            .unwrap();
    }
    let report = slack.process(Effort::default(), &mut |_, _| {}).unwrap();
    assert_eq!((report.delivered, report.left), (1, 1), "{report:?}");
    let answered = answered.lock().unwrap();
    assert_eq!(answered.len(), 2);
    let between = answered[1].since(answered[0]);
    assert_eq!(between, Duration::from_secs(1));
}

#[test]
fn a_channel_waits_a_second_after_a_killed_senders_message() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(begin());
    let (api, answered) = slack_that(vec![(Duration::ZERO, Some(OK))], &clock);
    let slack = slack(folder.path(), &api, &clock);
    let queued = slack.enqueue(&custom("of a killed sender"), &Options::default());
    let id = queued.unwrap().message_id().to_owned();
    // As its sender left it: noted as being sent, and not tried again for a while.
    let path = slack.spool().path().join(format!("{id}.json"));
    let text = std::fs::read_to_string(&path).unwrap();
    let mut file: serde_json::Value = serde_json::from_str(&text).unwrap();
    file["unsure"] = serde_json::json!({"since": begin().rfc3339_millis(), "thread": null});
    file["next_retry_at"] = (begin() + Duration::from_secs(60)).rfc3339_millis().into();
    let mut rewritten = std::fs::File::create(&path).unwrap();
    rewritten.write_all(file.to_string().as_bytes()).unwrap();
    let elsewhere = Options {
        channel: Some("interact".to_owned()),
        ..Options::default()
    };
    let _queued = slack.enqueue(&custom("next"), &Options::default()).unwrap();
    let _queued = slack.enqueue(&custom("elsewhere"), &elsewhere).unwrap();
    let report = slack.process(Effort::default(), &mut |_, _| {}).unwrap();
    assert_eq!((report.delivered, report.left), (2, 1), "{report:?}");
    // The other channel's goes at once, this one's a second after the killed one's.
    assert_eq!(
        *answered.lock().unwrap(),
        [begin(), begin() + Duration::from_secs(1)]
    );
}
