use super::*;

fn now() -> Timestamp {
    Timestamp::from_seconds(1_768_394_096)
}

fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status,
        body: body.to_owned(),
        ..Answer::default()
    }
}

// A verdict in one word.
fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Delivered { .. } => "delivered",
        Verdict::Throttled { .. } => "throttled",
        Verdict::Transient { .. } => "transient",
        Verdict::Maybe { .. } => "maybe",
        Verdict::LongTransient { .. } => "long",
        Verdict::Configuration {
            scope: Scope::Everything,
            ..
        } => "configuration",
        Verdict::Configuration {
            scope: Scope::Channel,
            ..
        } => "channel",
        Verdict::Payload { .. } => "payload",
        Verdict::LostTarget { .. } => "lost target",
        Verdict::Unknown { .. } => "unknown",
    }
}

#[test]
fn every_code_of_the_web_api() {
    for (codes, expected) in [
        ("ratelimited rate_limited", "throttled"),
        ("service_unavailable request_timeout", "transient"),
        (
            "internal_error fatal_error duplicate_message_not_found duplicate_channel_not_found",
            "maybe",
        ),
        (
            "team_added_to_org org_login_required message_limit_exceeded external_channel_migrating \
             streaming_state_conflict update_failed",
            "long",
        ),
        (
            "not_authed invalid_auth account_inactive token_revoked token_expired not_allowed_token_type \
             two_factor_setup_required is_bot missing_scope no_permission access_denied accesslimited ekm_access_denied \
             enterprise_is_restricted app_access_restricted team_access_not_granted as_user_not_supported \
             send_on_behalf_not_allowed team_not_found unknown_method deprecated_endpoint method_deprecated",
            "configuration",
        ),
        (
            "channel_not_found not_in_channel is_archived restricted_action restricted_action_read_only_channel \
             restricted_action_thread_only_channel messages_tab_disabled slack_connect_file_upload_sharing_blocked",
            "channel",
        ),
        (
            "msg_too_long msg_blocks_too_long markdown_text_too_long invalid_blocks invalid_blocks_format \
             markdown_text_conflict too_many_attachments attachment_payload_limit_exceeded metadata_too_large \
             invalid_metadata_format invalid_metadata_schema metadata_must_be_sent_from_app no_text \
             too_many_contact_cards missing_file_data invalid_arguments invalid_arg_name invalid_array_arg \
             invalid_charset invalid_form_data invalid_post_type missing_post_type",
            "payload",
        ),
        (
            "message_not_found cant_update_message edit_window_closed is_inactive block_mismatch \
             cannot_reply_to_message restricted_action_thread_locked restricted_action_non_threadable_channel",
            "lost target",
        ),
        // Matched exactly, not by what they contain.
        (
            "channel_not_found_x my_channel_not_found Invalid_Auth something_new",
            "unknown",
        ),
    ] {
        for code in codes.split_whitespace() {
            let body = format!(r#"{{"ok":false,"error":"{code}"}}"#);
            let verdict = web_api(&answer(200, &body), now());
            assert_eq!(word(&verdict), expected, "{code}: {verdict:?}");
        }
    }
}

#[test]
fn answers_of_the_web_api() {
    for (status, body, expected) in [
        (200, r#"{"ok":true,"channel":"C1","ts":"1.2"}"#, "delivered"),
        (200, r#"{"ok":true,"channel":"C1"}"#, "maybe"),
        (200, r#"{"ok":true,"channel":"C1","ts":""}"#, "maybe"),
        (200, "<html>log in</html>", "maybe"),
        (200, r#"{"error":"x"}"#, "maybe"),
        (200, r#"{"ok":"true","ts":"1.2"}"#, "maybe"),
        (200, r#"{"ok":true,"ts":"1."#, "maybe"),
        (200, "", "maybe"),
        (500, r#"{"ok":true,"channel":"C1","ts":"1.2"}"#, "maybe"),
        (301, "", "configuration"),
        (302, "<html>", "configuration"),
        (303, "", "configuration"),
        (307, "", "configuration"),
        (308, "", "configuration"),
        (400, "", "unknown"),
        (403, "Forbidden", "configuration"),
        (404, "<html>", "configuration"),
        (407, "", "configuration"),
        (408, "", "transient"),
        (425, "", "transient"),
        (413, "", "payload"),
        (429, "", "throttled"),
        (429, r#"{"ok":false,"error":"new_words"}"#, "throttled"),
        (500, "<html>", "maybe"),
        (
            503,
            r#"{"ok":false,"error":"service_unavailable"}"#,
            "transient",
        ),
        (502, "", "maybe"),
        (418, "", "unknown"),
    ] {
        let verdict = web_api(&answer(status, body), now());
        assert_eq!(word(&verdict), expected, "{status} {body}: {verdict:?}");
    }
}

#[test]
fn answers_of_a_webhook() {
    for (status, body, expected) in [
        (200, "ok", "delivered"),
        (200, "ok\n", "maybe"),
        (200, "OK", "maybe"),
        (200, "<html>", "maybe"),
        (200, "", "maybe"),
        (400, "invalid_payload", "payload"),
        (400, "no_text", "payload"),
        (400, "too_many_attachments", "payload"),
        (400, "user_not_found", "payload"),
        (400, "invalid_blocks", "payload"),
        (403, "action_prohibited", "configuration"),
        (403, "invalid_token", "configuration"),
        (403, "posting_to_general_channel_denied", "configuration"),
        (403, "team_disabled", "configuration"),
        (404, "channel_not_found", "configuration"),
        (404, "no_service", "configuration"),
        (404, "no_active_hooks", "configuration"),
        (404, "no_service_id", "configuration"),
        (404, "no_team", "configuration"),
        (410, "channel_is_archived", "configuration"),
        // The text comes first: the statuses are only what users report.
        (400, "no_active_hooks", "configuration"),
        (302, "", "configuration"),
        (408, "", "transient"),
        (413, "", "payload"),
        (
            429,
            r#"{"retry_after":1,"ok":false,"error":"rate_limited"}"#,
            "throttled",
        ),
        (500, "rollup_error", "maybe"),
        (503, "", "maybe"),
        (400, "something_new", "unknown"),
    ] {
        let verdict = webhook(&answer(status, body), now());
        assert_eq!(word(&verdict), expected, "{status} {body}: {verdict:?}");
    }
}

#[test]
fn how_long_to_wait() {
    let body = r#"{"ok":false,"error":"ratelimited"}"#;
    let with_body = r#"{"ok":false,"error":"rate_limited","retry_after":7}"#;
    for (header, date, body, seconds) in [
        (Some("0"), None, body, 0),
        (Some("1"), None, body, 1),
        (Some(" 30 "), None, body, 30),
        (Some("abc"), None, body, 30),
        (Some("-1"), None, body, 30),
        (None, None, body, 30),
        (None, None, with_body, 7),
        (Some("abc"), None, with_body, 7),
        (Some("99999999"), None, body, 3600),
        (Some("Wed, 14 Jan 2026 12:35:16 GMT"), None, body, 20),
        (
            Some("Wed, 14 Jan 2026 12:35:16 GMT"),
            Some("Wed, 14 Jan 2026 12:35:06 GMT"),
            body,
            10,
        ),
        (Some("Wed, 14 Jan 2020 12:35:16 GMT"), None, body, 0),
    ] {
        let answer = Answer {
            status: 429,
            retry_after: header.map(str::to_owned),
            date: date.map(str::to_owned),
            scopes: None,
            body: body.to_owned(),
        };
        assert_eq!(
            web_api(&answer, now()),
            Verdict::Throttled {
                retry_after: Duration::from_secs(seconds)
            },
            "{header:?} {date:?} {body}"
        );
    }
}

#[test]
fn what_is_told_of_an_answer_is_short_and_one_line() {
    let body = format!("<html>\n\u{1b}[31m{}", "x".repeat(10_000));
    let Verdict::Maybe { code } = web_api(&answer(200, &body), now()) else {
        panic!();
    };
    assert!(
        code.starts_with("HTTP 200: <html> xxx") && code.len() < 120,
        "{code}"
    );
    let verdict = web_api(
        &answer(
            200,
            r#"{"ok":false,"error":"missing_scope","needed":"chat:write","provided":"x"}"#,
        ),
        now(),
    );
    assert!(
        matches!(&verdict, Verdict::Configuration { needed: Some(needed), .. } if needed == "chat:write"),
        "{verdict:?}"
    );
}
