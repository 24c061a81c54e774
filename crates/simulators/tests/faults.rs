//! Every way an answer can be wrong, seen from the wire.
#![expect(clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod common;

use std::collections::BTreeMap;
use std::io::ErrorKind;

use common::{ask, briefly, cloudformation, signed, slack};
use registry_core::clock::Timestamp;
use serde_json::json;
use simulators::{CloudFormation, Fault, GitHub, Run, Slack, Stack, Trouble, UPDATES};

const DESCRIBE: &str = "Action=DescribeStacks&Version=2010-05-15&StackName=App";

fn with_stack() -> CloudFormation {
    let cloudformation = CloudFormation::start().expect("a simulator");
    cloudformation.add_stack(Stack::new("App"));
    cloudformation
}

#[test]
fn connections_break_in_every_phase() {
    let service = with_stack();
    let timed_out = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
    let strike = |trouble: Trouble| {
        service.clear_faults();
        service.fault(Fault::new(trouble).times(1));
        cloudformation(&service.url(), DESCRIBE)
    };
    for trouble in [Trouble::HangUnread, Trouble::Hang] {
        let seen = briefly(|| strike(trouble));
        assert!(
            seen.status == 0 && seen.broken.is_some_and(|kind| timed_out.contains(&kind)),
            "{seen:?}"
        );
    }
    for trouble in [Trouble::ResetUnread, Trouble::Reset] {
        let seen = strike(trouble);
        assert_eq!(
            (seen.status, seen.broken),
            (0, Some(ErrorKind::ConnectionReset)),
            "{seen:?}"
        );
    }
    for trouble in [Trouble::CloseUnread, Trouble::Close] {
        let seen = strike(trouble);
        assert_eq!((seen.status, seen.broken), (0, None), "{seen:?}");
    }
    let headers = briefly(|| strike(Trouble::StallInHeaders));
    assert!(
        headers.status == 200 && headers.header("date").is_some(),
        "{headers:?}"
    );
    assert!(
        headers.header("content-length").is_none() && headers.broken.is_some(),
        "{headers:?}"
    );
    for (trouble, hangs) in [(Trouble::StallInBody, true), (Trouble::CloseInBody, false)] {
        let seen = if hangs {
            briefly(|| strike(trouble))
        } else {
            strike(trouble)
        };
        let promised: usize = seen
            .header("content-length")
            .expect("a length")
            .parse()
            .expect("a number");
        assert_eq!(seen.body.len(), promised / 2, "{seen:?}");
        assert_eq!(seen.broken.is_some(), hangs, "{seen:?}");
    }
    let whole = strike(Trouble::Delay { seconds: 0.1 });
    assert!(
        whole.body.contains("<StackName>App</StackName>"),
        "{whole:?}"
    );
    let dripped = strike(Trouble::Drip { seconds: 0.0001 });
    assert_eq!(dripped.body.len(), whole.body.len());
    // Each struck once: the next request is answered.
    assert_eq!(cloudformation(&service.url(), DESCRIBE).status, 200);
    assert!(
        service
            .recorded()
            .iter()
            .any(|seen| seen.fault.as_deref() == Some("hang") && seen.status.is_none())
    );
}

#[test]
fn wrong_answers_of_cloudformation() {
    let service = with_stack();
    let strike = |trouble: Trouble| {
        service.clear_faults();
        service.fault(trouble);
        cloudformation(&service.url(), DESCRIBE)
    };
    for (trouble, status, words) in [
        (
            Trouble::Throttling,
            400,
            "<Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message>",
        ),
        (Trouble::AccessDenied, 403, "<Code>AccessDenied</Code>"),
        (Trouble::ExpiredToken, 403, "<Code>ExpiredToken</Code>"),
        (
            Trouble::InvalidToken,
            403,
            "<Code>InvalidClientTokenId</Code>",
        ),
        (
            Trouble::NotFound,
            400,
            "<Message>Stack with id App does not exist</Message>",
        ),
        (
            Trouble::InternalError,
            500,
            "<Type>Receiver</Type><Code>InternalFailure</Code>",
        ),
        (Trouble::Unavailable, 503, "<Code>ServiceUnavailable</Code>"),
        (
            Trouble::NotItsFormat,
            500,
            "<h1>500 Internal Server Error</h1>",
        ),
        (Trouble::Html, 200, "<h1>Sign in to continue</h1>"),
        (Trouble::EmptyBody, 200, ""),
        (Trouble::HalfText, 200, "<DescribeStacksResponse"),
    ] {
        let seen = strike(trouble.clone());
        assert!(
            seen.status == status && seen.body.contains(words),
            "{trouble:?}: {seen:?}"
        );
        assert!(
            seen.header("date")
                .is_some_and(|date| date.ends_with(" GMT")),
            "{trouble:?}: {seen:?}"
        );
    }
    assert!(
        !strike(Trouble::HalfText)
            .body
            .contains("</DescribeStacksResponse>")
    );
}

#[test]
fn a_clock_more_than_five_minutes_off_is_refused() {
    let service = with_stack();
    service.set_clock_offset(3600.0);
    let refused = cloudformation(&service.url(), DESCRIBE);
    assert_eq!(refused.status, 403);
    assert!(
        refused
            .body
            .contains("<Code>SignatureDoesNotMatch</Code><Message>Signature expired: "),
        "{refused:?}"
    );
    // As the SDK does it: take the server's clock from the header, sign again.
    let told =
        Timestamp::parse_http_date(refused.header("date").expect("a date")).expect("an HTTP date");
    assert_eq!(signed(&service.url(), DESCRIBE, told).status, 200);
    let unsigned = ask(&format!("{}/?{DESCRIBE}", service.url()), "GET", &[], "");
    assert!(
        unsigned.body.contains("MissingAuthenticationToken"),
        "{unsigned:?}"
    );
}

#[test]
fn every_http_row_for_slack() {
    let service = Slack::start().expect("a simulator");
    let message = json!({"channel": UPDATES, "text": "hello"});
    let api = || slack(&service, "chat.postMessage", &message);
    let webhook = || {
        ask(
            &service.webhook_url(),
            "POST",
            &[("Content-Type", "application/json")],
            r#"{"text": "hello"}"#,
        )
    };
    let set = |fault: Fault| {
        service.clear_faults();
        service.fault(fault);
    };
    for status in [301, 302, 303, 307, 308] {
        set(Fault::new(Trouble::Redirect {
            status,
            location: None,
        }));
        let seen = api();
        assert_eq!(
            (seen.status, seen.header("location")),
            (status, Some("/_sim/page"))
        );
        let page = ask(&format!("{}/_sim/page", service.url()), "GET", &[], "");
        assert!(
            page.status == 200 && page.body.starts_with("<!DOCTYPE html>"),
            "following it looks like success"
        );
    }
    for (code, status) in [
        ("invalid_payload", 400),
        ("no_text", 400),
        ("too_many_attachments", 400),
        ("user_not_found", 400),
        ("invalid_blocks", 400),
        ("action_prohibited", 403),
        ("invalid_token", 403),
        ("posting_to_general_channel_denied", 403),
        ("team_disabled", 403),
        ("channel_not_found", 404),
        ("no_service", 404),
        ("no_active_hooks", 404),
        ("no_service_id", 404),
        ("no_team", 404),
        ("channel_is_archived", 410),
        ("rollup_error", 500),
    ] {
        set(Fault::error(code).on("webhook"));
        let seen = webhook();
        assert_eq!((seen.status, seen.body.as_str()), (status, code));
        assert_eq!(api().json()["ok"], true, "only the webhook is struck");
    }
    for status in [408, 413, 425, 500, 502, 503, 504] {
        set(Fault::status(status, "whatever"));
        assert_eq!((api().status, webhook().status), (status, status));
    }
    for retry_after in [
        Some("0"),
        Some("1"),
        Some("30"),
        Some("abc"),
        Some("Wed, 21 Oct 2026 07:28:00 GMT"),
        None,
    ] {
        set(Fault::rate_limited(retry_after));
        for seen in [api(), webhook()] {
            assert_eq!(
                (seen.status, seen.header("retry-after")),
                (429, retry_after),
                "{seen:?}"
            );
        }
    }
    set(Fault::new(Trouble::Html));
    assert!(api().body.contains("<html>") && webhook().body.contains("<html>"));
    set(Fault::new(Trouble::Answer {
        status: 200,
        headers: BTreeMap::new(),
        body: "okay".to_owned(),
    }));
    assert_eq!(webhook().body, "okay");
    set(Fault::new(Trouble::OkWithoutTs));
    let seen = api().json();
    assert!(seen["ok"] == true && seen["ts"].is_null(), "{seen}");
}

/// Every `error` string of the reference, by class.
const SLACK_ERRORS: &str = "service_unavailable request_timeout internal_error fatal_error \
    duplicate_message_not_found duplicate_channel_not_found team_added_to_org org_login_required message_limit_exceeded \
    external_channel_migrating streaming_state_conflict update_failed not_authed invalid_auth account_inactive token_revoked \
    token_expired not_allowed_token_type two_factor_setup_required is_bot no_permission access_denied accesslimited \
    ekm_access_denied enterprise_is_restricted app_access_restricted team_access_not_granted as_user_not_supported \
    send_on_behalf_not_allowed messages_tab_disabled channel_not_found not_in_channel is_archived team_not_found \
    restricted_action restricted_action_read_only_channel unknown_method deprecated_endpoint method_deprecated msg_too_long \
    msg_blocks_too_long markdown_text_too_long invalid_blocks invalid_blocks_format markdown_text_conflict \
    too_many_attachments attachment_payload_limit_exceeded metadata_too_large invalid_metadata_format \
    invalid_metadata_schema metadata_must_be_sent_from_app no_text too_many_contact_cards missing_file_data \
    invalid_arguments invalid_arg_name invalid_array_arg invalid_charset invalid_form_data invalid_post_type \
    missing_post_type message_not_found cant_update_message edit_window_closed is_inactive block_mismatch \
    cannot_reply_to_message restricted_action_thread_locked restricted_action_non_threadable_channel \
    restricted_action_thread_only_channel slack_connect_file_link_sharing_blocked an_error_nobody_has_heard_of";

#[test]
fn every_error_string_of_the_web_api() {
    let service = Slack::start().expect("a simulator");
    for code in SLACK_ERRORS.split_whitespace() {
        service.fault(Fault::error(code).on("chat.postMessage").times(1));
        let seen = slack(
            &service,
            "chat.postMessage",
            &json!({"channel": UPDATES, "text": "x"}),
        );
        assert_eq!((seen.status, &seen.json()["error"]), (200, &json!(code)));
    }
    for code in ["ratelimited", "rate_limited"] {
        service.fault(Fault::error(code).times(1));
        let seen = slack(
            &service,
            "chat.postMessage",
            &json!({"channel": UPDATES, "text": "x"}),
        );
        assert_eq!((seen.status, seen.header("retry-after")), (429, Some("1")));
    }
    service.fault(Fault::error("missing_scope").times(1));
    let seen = slack(&service, "auth.test", &json!({})).json();
    assert_eq!(seen["needed"], "chat:write");
    assert!(service.all_messages().is_empty(), "an error posts nothing");
}

#[test]
fn an_answer_is_lost_after_the_message_was_posted() {
    let service = Slack::start().expect("a simulator");
    let message = json!({"channel": UPDATES, "text": "x", "client_msg_id": "a",
        "metadata": {"event_type": "deployment", "event_payload": {"id": "m1"}}});
    let troubles = [
        Trouble::Close,
        Trouble::Reset,
        Trouble::Hang,
        Trouble::CloseInBody,
        Trouble::Html,
        Trouble::InternalError,
    ];
    let count = troubles.len();
    for trouble in troubles {
        service.fault(Fault::new(trouble).times(1).although_applied());
        let seen = briefly(|| slack(&service, "chat.postMessage", &message));
        let told = serde_json::from_str::<serde_json::Value>(&seen.body)
            .is_ok_and(|body| body["ok"] == true);
        assert!(!told, "{seen:?}");
    }
    assert_eq!(
        service.messages(UPDATES).len(),
        count,
        "each was posted, though nobody was told"
    );
    let duplicates = service.duplicates();
    assert_eq!(
        (
            duplicates.client_msg_id,
            duplicates.metadata,
            duplicates.text
        ),
        (count - 1, count - 1, count - 1)
    );
    service.fault(Fault::new(Trouble::Close).times(1));
    slack(&service, "chat.postMessage", &message);
    assert_eq!(
        service.messages(UPDATES).len(),
        count,
        "without `applied` nothing was posted"
    );
}

#[test]
fn wrong_answers_of_github() {
    let service = GitHub::start().expect("a simulator");
    service.set_run(Run::in_progress("Owner/Repo", 7));
    let url = format!("{}/repos/owner/repo/actions/runs/7", service.url());
    for (trouble, status) in [
        (Trouble::AccessDenied, 403),
        (Trouble::Throttling, 403),
        (Trouble::NotFound, 404),
        (Trouble::ExpiredToken, 401),
        (Trouble::InternalError, 500),
        (Trouble::NotItsFormat, 500),
        (Trouble::Unavailable, 503),
    ] {
        service.clear_faults();
        service.fault(Fault::new(trouble).on("run"));
        assert_eq!(ask(&url, "GET", &[], "").status, status);
        assert_eq!(
            ask(&format!("{url}/jobs"), "GET", &[], "").status,
            200,
            "only `run` is struck"
        );
    }
    service.clear_faults();
    service.fault(Trouble::Hang);
    assert!(briefly(|| ask(&url, "GET", &[], "")).broken.is_some());
}

#[test]
fn no_fault_locks_out_who_set_it() {
    let service = with_stack();
    for trouble in [
        Trouble::HangUnread,
        Trouble::ResetUnread,
        Trouble::CloseUnread,
        Trouble::Hang,
    ] {
        service.fault(trouble);
        let seen = briefly(|| cloudformation(&service.url(), DESCRIBE));
        assert_eq!(seen.status, 0);
        assert_eq!(
            ask(&format!("{}/_sim/faults", service.url()), "DELETE", &[], "").status,
            200
        );
        assert_eq!(cloudformation(&service.url(), DESCRIBE).status, 200);
    }
}

#[test]
fn faults_are_set_and_seen_over_http() {
    let service = with_stack();
    let faults = format!("{}/_sim/faults", service.url());
    let fault = r#"[{"trouble": "throttling", "action": "DescribeStacks", "times": 2}]"#;
    assert_eq!(ask(&faults, "POST", &[], fault).status, 200);
    let statuses: Vec<_> = (0..3)
        .map(|_| cloudformation(&service.url(), DESCRIBE).status)
        .collect();
    assert_eq!(statuses, [400, 400, 200]);
    assert_eq!(ask(&faults, "GET", &[], "").json()[0]["struck"], 2);
    assert_eq!(
        ask(&format!("{}/_sim/counts", service.url()), "GET", &[], "").json()["DescribeStacks"],
        3
    );
    let recorded = ask(
        &format!("{}/_sim/requests?action=DescribeStacks", service.url()),
        "GET",
        &[],
        "",
    )
    .json();
    assert_eq!(
        (&recorded[0]["fault"], &recorded[2]["fault"]),
        (&json!("throttling"), &json!(null))
    );
    let refused = ask(&faults, "POST", &[], r#"{"trouble": "rain"}"#);
    assert!(
        refused.status == 400 && refused.body.contains("unknown variant `rain`"),
        "{refused:?}"
    );
    assert_eq!(
        ask(
            &format!("{}/_sim/clock", service.url()),
            "PUT",
            &[],
            r#"{"offset": -900}"#
        )
        .status,
        200
    );
    assert_eq!(cloudformation(&service.url(), DESCRIBE).status, 403);
    assert_eq!(
        ask(&format!("{}/_sim/reset", service.url()), "POST", &[], "").status,
        200
    );
    assert!(
        cloudformation(&service.url(), DESCRIBE)
            .body
            .contains("does not exist")
    );
}
