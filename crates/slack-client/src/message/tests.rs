use super::*;
use crate::document::slack_length;
use crate::forms::{Markdown, Plain};

fn at(text: &str) -> Circumstances {
    Circumstances {
        at: Timestamp::parse_rfc3339(text).unwrap(),
        ..Circumstances::default()
    }
}

fn markdown(notification: &Notification, circumstances: &Circumstances) -> String {
    document(notification, circumstances).draw(&Markdown, 10_000)
}

const ID: &str = "20260114-123456-abc123";

fn started() -> Notification {
    Notification::Started {
        id: ID.into(),
        environment: "production".into(),
        run: "https://github.com/owner/repo/actions/runs/12345".into(),
    }
}

// The six texts of the guide, letter for letter.

#[test]
fn the_guides_start() {
    insta::assert_snapshot!(markdown(&started(), &at("2026-01-14T12:34:56Z")), @"
    🚀 **Deployment Started**

    **Environment:** production
    **Correlation ID:** `20260114-123456-abc123`
    **Started:** 2026-01-14 12:34:56 UTC
    **Workflow:** https://github.com/owner/repo/actions/runs/12345

    Monitoring deployment progress...
    ");
}

#[test]
fn the_guides_queued() {
    let queued = Notification::Queued {
        id: ID.into(),
        environment: "production".into(),
        active: r#"{"status":"CREATE_IN_PROGRESS","started_at":"2026-01-14T12:00:00Z","elapsed_minutes":15,
            "estimated_remaining_minutes":10}"#
            .into(),
    };
    insta::assert_snapshot!(markdown(&queued, &at("2026-01-14T12:15:00Z")), @"
    ⏸️ **Deployment Queued**

    **Environment:** production
    **Correlation ID:** `20260114-123456-abc123`

    **Active Deployment Detected:**
    - Status: CREATE_IN_PROGRESS
    - Started: 2026-01-14 12:00:00 UTC
    - Elapsed: 15 minutes
    - Estimated Remaining: 10 minutes

    This deployment will wait for the active deployment to complete.
    ");
}

#[test]
fn the_guides_progress() {
    let progress = Notification::Progress {
        id: ID.into(),
        status: "CREATE_IN_PROGRESS".into(),
        details: "Creating RDS instance...".into(),
        estimate: Some(Estimate {
            elapsed_minutes: Some(15),
            remaining_minutes: 10,
        }),
    };
    insta::assert_snapshot!(markdown(&progress, &at("2026-01-14T12:44:56Z")), @"
    ⏳ **Deployment Progress Update**

    **Correlation ID:** `20260114-123456-abc123`
    **Status:** CREATE_IN_PROGRESS
    **Time:** 2026-01-14 12:44:56 UTC
    **Estimated Remaining:** 10 minutes
    **Est. Completion:** 2026-01-14 12:54:56 UTC

    Creating RDS instance...
    ");
}

#[test]
fn the_guides_complete() {
    let complete = Notification::Complete {
        id: ID.into(),
        environment: "production".into(),
        minutes: "25".into(),
        url: Some("http://app.example.com".into()),
    };
    insta::assert_snapshot!(markdown(&complete, &at("2026-01-14T12:59:56Z")), @"
    ✅ **Deployment Successful**

    **Environment:** production
    **Correlation ID:** `20260114-123456-abc123`
    **Completed:** 2026-01-14 12:59:56 UTC
    **Duration:** 25 minutes

    **Application URL:** http://app.example.com

    All services are healthy and running! 🎉
    ");
}

fn failed(error: &str) -> Notification {
    Notification::Failed {
        id: ID.into(),
        environment: "production".into(),
        error: error.into(),
        stack: None,
    }
}

#[test]
fn the_guides_failed() {
    let failed = failed("RDS instance creation failed: Insufficient capacity");
    insta::assert_snapshot!(markdown(&failed, &at("2026-01-14T12:45:00Z")), @"
    ❌ **Deployment Failed**

    **Environment:** production
    **Correlation ID:** `20260114-123456-abc123`
    **Failed:** 2026-01-14 12:45:00 UTC

    **Error Details:**
    RDS instance creation failed: Insufficient capacity

    **Troubleshooting:**
    - View stack events: [AWS Console Link]
    - Check CloudWatch logs for detailed error messages
    - Review recent code changes

    Need help? Check the deployment troubleshooting guide.
    ");
    let linked = Circumstances {
        console_url: Some("https://console/x".into()),
        ..at("2026-01-14T12:45:00Z")
    };
    let text = markdown(&failed, &linked);
    assert!(text.contains("- View stack events: [AWS Console Link](https://console/x)\n"));
}

#[test]
fn what_the_guide_has_no_text_for() {
    let stalled = Notification::Stalled {
        id: ID.into(),
        stack: "CourtCaseManagementStack".into(),
        minutes: "12".into(),
        details: Some("Still in progress:\n- Db (AWS::RDS::DBInstance): 14m, usually 15m".into()),
    };
    insta::assert_snapshot!(markdown(&stalled, &at("2026-01-14T12:45:00Z")), @"
    ⚠️ **Deployment Stalled**

    **Correlation ID:** `20260114-123456-abc123`
    **Stack:** CourtCaseManagementStack
    **Time:** 2026-01-14 12:45:00 UTC
    **No Stack Events For:** 12 minutes

    Still in progress:
    - Db (AWS::RDS::DBInstance): 14m, usually 15m
    ");
    let alert = Notification::Alert {
        id: ID.into(),
        stack: "CourtCaseManagementStack".into(),
        message: "The monitor crashed and was restarted.".into(),
    };
    insta::assert_snapshot!(markdown(&alert, &at("2026-01-14T12:45:00Z")), @"
    🚨 **Deployment Alert**

    **Correlation ID:** `20260114-123456-abc123`
    **Stack:** CourtCaseManagementStack
    **Time:** 2026-01-14 12:45:00 UTC

    The monitor crashed and was restarted.
    ");
}

#[test]
fn what_is_not_known_reads_unknown() {
    for active in ["30", "", "{}", "garbage"] {
        let queued = Notification::Queued {
            id: ID.into(),
            environment: "production".into(),
            active: active.into(),
        };
        let text = markdown(&queued, &at("2026-01-14T12:15:00Z"));
        assert!(
            text.contains("- Status: UNKNOWN\n- Started: UNKNOWN\n- Elapsed: UNKNOWN\n- Estimated Remaining: UNKNOWN\n"),
            "{text}"
        );
        assert_eq!(
            text.contains("It gives up after 30 minutes."),
            active == "30"
        );
    }
}

#[test]
fn values_without_sense_are_shown_as_they_are() {
    for (value, shown) in [
        ("abc", "abc"),
        ("1", "1 minute"),
        ("-5", "-5"),
        ("25m", "25m"),
    ] {
        let complete = Notification::Complete {
            id: String::new(),
            environment: "a\nb".into(),
            minutes: value.into(),
            url: None,
        };
        let text = markdown(&complete, &at("2026-01-14T12:15:00Z"));
        assert!(
            text.contains(&format!("**Duration:** {shown}\n\nAll services")),
            "{text}"
        );
        assert!(text.contains("**Environment:** a b\n"), "{text}");
    }
}

#[test]
fn additions_stand_below_the_guides_words() {
    let circumstances = Circumstances {
        late: Some(Duration::from_secs(2520)),
        may_be_a_repeat: true,
        state: state_line(&failed("x <!here>"), Timestamp::from_seconds(0)),
        ..at("2026-01-14T12:34:56Z")
    };
    let text = markdown(&started(), &circumstances);
    let (words, additions) = text.split_once("progress...").unwrap();
    assert_eq!(
        format!("{words}progress..."),
        markdown(&started(), &at("2026-01-14T12:34:56Z"))
    );
    insta::assert_snapshot!(additions.trim(), @"
    **Now:** ❌ failed: x &lt;!here&gt; (1970-01-01 00:00:00 UTC)

    🕓 Sent 42m late: this happened at 2026-01-14 12:34:56 UTC.

    🔁 This may be a repeat: Slack did not say whether it took the message the first time.
    ");
}

#[test]
fn states() {
    let progress = |elapsed, remaining| Notification::Progress {
        id: ID.into(),
        status: "UPDATE_IN_PROGRESS".into(),
        details: String::new(),
        estimate: Some(Estimate {
            elapsed_minutes: elapsed,
            remaining_minutes: remaining,
        }),
    };
    let line = |notification: &Notification| {
        state_line(notification, Timestamp::from_seconds(0))
            .unwrap()
            .replace(" (1970-01-01 00:00:00 UTC)", "")
    };
    assert_eq!(
        line(&progress(Some(15), 10)),
        "⏳ UPDATE_IN_PROGRESS ▰▰▰▰▰▰▱▱▱▱ 60%, about 10 minutes left"
    );
    assert_eq!(
        line(&progress(None, 1)),
        "⏳ UPDATE_IN_PROGRESS about 1 minute left"
    );
    assert_eq!(
        line(&progress(Some(u64::MAX), 0)),
        "⏳ UPDATE_IN_PROGRESS ▰▰▰▰▰▰▰▰▰▱ 99%, about 0 minutes left"
    );
}

#[test]
fn long_texts_keep_beginning_and_end_and_fit() {
    for unit in ["x", "<", "*", "🎉", "部", "&", "a\n"] {
        let error = format!("BEGIN {} END", unit.repeat(30_000));
        for (limit, form) in [
            (10_000, &Markdown as &dyn crate::document::Form),
            (4_000, &Plain),
        ] {
            let text = document(&failed(&error), &at("2026-01-14T12:45:00Z")).draw(form, limit);
            let length = slack_length(&text);
            assert!(
                length <= limit && length > limit * 9 / 10,
                "{unit}: {length}"
            );
            assert!(
                text.contains("\nBEGIN ") && text.contains(" END\n"),
                "{unit}"
            );
            assert!(
                text.ends_with("Check the deployment troubleshooting guide."),
                "{unit}"
            );
        }
    }
    // Even where every value is absurd.
    let absurd = Notification::Started {
        id: "<".repeat(50_000),
        environment: "&".repeat(50_000),
        run: "*".repeat(50_000),
    };
    let text = document(&absurd, &at("2026-01-14T12:45:00Z")).draw(&Plain, 4_000);
    assert!(slack_length(&text) <= 4_000);
}
