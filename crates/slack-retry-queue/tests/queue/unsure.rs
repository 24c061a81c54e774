//! Messages that may have arrived, and nobody said so.

use super::*;

/// The next message is posted, and the connection ends without a word about it.
fn lose_an_answer(place: &Place, action: &str) {
    let fault = Fault::new(Trouble::Close).on(action).although_applied();
    place.slack.fault(fault.times(1));
}

#[test]
fn what_may_have_arrived_is_looked_for_before_it_is_sent_again() {
    let place = Place::bot();
    lose_an_answer(&place, "chat.postMessage");
    queue(&place, &["custom", "x"]);
    let ran = process(&place);
    assert!(
        ran.stderr.contains("did not say whether it took"),
        "{ran:?}"
    );
    assert_eq!(place.queued().len(), 1);
    make_due(&place);
    let ran = process(&place);
    assert!(ran.stderr.contains("Slack has"), "{ran:?}");
    assert_eq!(
        (place.messages().len(), place.queued().len()),
        (1, 0),
        "found, not sent again"
    );
    assert_eq!(place.slack.requests("chat.postMessage"), 1);
    assert_eq!(status(&place)["maybe_repeated"], 0);
    // In a thread, too.
    queue(&place, &["start", ID, "production", "1"]);
    process(&place);
    lose_an_answer(&place, "chat.postMessage");
    queue(&place, &["alert", ID, "S", "in the thread"]);
    process(&place);
    make_due(&place);
    process(&place);
    assert_eq!(
        (place.messages().len(), place.queued().len()),
        (3, 0),
        "found, not sent again"
    );
}

/// What a killed sender had sent already, on its way to Slack for a while longer.
fn arrive_late(api: &str, message_id: &str) {
    let address = api.trim_start_matches("http://").trim_end_matches("/api/");
    let body = json!({"channel": UPDATES, "text": "x", "metadata": {"event_type": "deployment_notification",
        "event_payload": {"message_id": message_id}}})
    .to_string();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /api/chat.postMessage HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        simulators::TOKEN,
        body.len()
    )
    .unwrap();
    std::io::Read::read_to_end(&mut stream, &mut Vec::new()).unwrap();
}

#[test]
fn a_killed_senders_message_that_is_still_on_its_way_is_not_sent_again() {
    let place = Place::bot();
    let id = queue(&place, &["custom", "x"]);
    let path = place.queue().join(format!("{id}.json"));
    let mut entry = read_json(&path);
    // Of a clock that was set back since, so that it is a moment ago also where this machine is slow.
    entry["unsure"] = json!({"since": "2099-01-01T00:00:00Z", "thread": null});
    write(&path, entry.to_string().as_bytes());
    let mut running = place.command(QUEUE, &["process"]).spawn().unwrap();
    // Once it has looked in vain, the message comes.
    while place.slack.requests("conversations.history") == 0 {
        assert!(running.try_wait().unwrap().is_none(), "it did not look");
        std::thread::yield_now();
    }
    arrive_late(&place.slack.api_url(), &id);
    assert!(running.wait().unwrap().success());
    assert_eq!((place.messages().len(), place.queued().len()), (1, 0));
    assert_eq!(
        place.slack.requests("chat.postMessage"),
        1,
        "only the late one"
    );
}

#[test]
fn where_nobody_can_look_it_is_sent_again_marked_and_counted() {
    let place = Place::new(Through::Webhook);
    lose_an_answer(&place, "webhook");
    queue(&place, &["custom", "x"]);
    process(&place);
    make_due(&place);
    process(&place);
    let shown = shown(&place);
    assert_eq!(shown.len(), 2);
    assert!(
        !shown[0].contains("repeat") && shown[1].contains("🔁 This may be a repeat"),
        "{shown:?}"
    );
    let status = status(&place);
    assert_eq!(
        (&status["maybe_repeated"], &status["pending"]),
        (&json!(1), &json!(0))
    );
}
