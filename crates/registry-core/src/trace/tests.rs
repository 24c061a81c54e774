use super::{Trace, TraceError};
use std::path::{Path, PathBuf};

fn traces() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../simulators/traces")
}

fn parse_file(name: &str) -> Trace {
    let bytes = std::fs::read(traces().join(name)).expect("a trace file");
    Trace::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// File name, events and resources as `SOURCES.md` counts them.
fn counted() -> Vec<(String, usize, f64)> {
    let sources = std::fs::read_to_string(traces().join("SOURCES.md")).expect("SOURCES.md");
    let rows = sources.lines().filter(|line| line.starts_with("- `"));
    let counted: Vec<_> = rows
        .map(|line| {
            let name = line.split('`').nth(1).expect("a file name").to_owned();
            let number = |unit: &str| -> f64 {
                let part = line
                    .split([',', ';'])
                    .find(|part| part.trim().ends_with(unit))
                    .expect(unit);
                part.trim()
                    .trim_end_matches(unit)
                    .trim()
                    .parse()
                    .expect(unit)
            };
            (name, number("events") as usize, number("s"))
        })
        .collect();
    counted
}

#[test]
fn every_recorded_trace_has_the_events_its_source_counts() {
    let counted = counted();
    assert_eq!(counted.len(), 50);
    for (name, events, seconds) in counted {
        let trace = parse_file(&name);
        assert_eq!(trace.events.len(), events, "{name}");
        assert!(
            (trace.duration_seconds() - seconds).abs() < 0.051,
            "{name}: {}",
            trace.duration_seconds()
        );
        assert!(
            trace.events.is_sorted_by(|a, b| a.seconds <= b.seconds),
            "{name}"
        );
    }
}

#[test]
fn equal_timestamps_keep_the_order_of_the_file() {
    let line = |id: &str, t: f64| {
        format!(
            r#"{{"t":{t},"ts":"","logical_id":"{id}","type":"AWS::S3::Bucket","status":"CREATE_IN_PROGRESS"}}"#
        )
    };
    let text = [
        line("b", 1.0),
        line("a", 1.0),
        line("z", 0.0),
        line("c", 1.0),
    ]
    .join("\n");
    let trace = Trace::parse(text.as_bytes()).expect("a trace");
    let ids: Vec<_> = trace
        .events
        .iter()
        .map(|event| event.logical_id.as_str())
        .collect();
    assert_eq!(ids, ["z", "b", "a", "c"]);
}

const AWS: &str = r#"{
    "StackEvents": [
        {"StackId": "arn:aws:cloudformation:us-east-1:1:stack/s/1", "EventId": "3", "StackName": "s", "LogicalResourceId": "s",
         "PhysicalResourceId": "arn:aws:cloudformation:us-east-1:1:stack/s/1", "ResourceType": "AWS::CloudFormation::Stack",
         "Timestamp": "2025-09-05T07:40:30.500000+00:00", "ResourceStatus": "CREATE_COMPLETE"},
        {"StackId": "arn:aws:cloudformation:us-east-1:1:stack/s/1", "EventId": "2", "StackName": "s", "LogicalResourceId": "Child",
         "PhysicalResourceId": "arn:aws:cloudformation:us-east-1:1:stack/child/2", "ResourceType": "AWS::CloudFormation::Stack",
         "Timestamp": "2025-09-05T07:40:28Z", "ResourceStatus": "CREATE_IN_PROGRESS", "ResourceStatusReason": ""},
        {"StackId": "arn:aws:cloudformation:us-east-1:1:stack/s/1", "EventId": "1", "StackName": "s", "LogicalResourceId": "s",
         "PhysicalResourceId": "arn:aws:cloudformation:us-east-1:1:stack/s/1", "ResourceType": "AWS::CloudFormation::Stack",
         "Timestamp": "2025-09-05T07:40:28Z", "ResourceStatus": "CREATE_IN_PROGRESS", "ResourceStatusReason": "User Initiated"}
    ]
}"#;

#[test]
fn the_output_of_the_aws_tool_is_turned_oldest_first() {
    let trace = Trace::parse(AWS.as_bytes()).expect("a trace");
    let ids: Vec<_> = trace
        .events
        .iter()
        .map(|event| event.event_id.as_deref().unwrap_or(""))
        .collect();
    assert_eq!(ids, ["1", "2", "3"]);
    assert!((trace.duration_seconds() - 2.5).abs() < 1e-6);
    let own: Vec<_> = trace
        .events
        .iter()
        .map(|event| event.is_stack_event)
        .collect();
    assert_eq!(
        own,
        [true, false, true],
        "a nested stack's row is not the stack's own event"
    );
    assert_eq!(trace.events[1].reason, None, "an empty reason is no reason");
    assert_eq!(trace.stack_name(), Some("s"));
}

#[test]
fn utf_16_and_byte_order_marks_are_read() {
    let plain = Trace::parse(AWS.as_bytes()).expect("UTF-8");
    let little: Vec<u8> = AWS.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = AWS.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let marked = |mark: &[u8], body: &[u8]| [mark, body].concat();
    for bytes in [
        marked(&[0xEF, 0xBB, 0xBF], AWS.as_bytes()),
        marked(&[0xFF, 0xFE], &little),
        marked(&[0xFE, 0xFF], &big),
        little,
        big,
    ] {
        assert_eq!(Trace::parse(&bytes).as_ref(), Ok(&plain));
    }
}

#[test]
fn statuses_that_the_cdk_log_cut_are_whole() {
    let trace = parse_file("hawking-edison_hawking-edison-dev_update.jsonl");
    let own: Vec<_> = trace
        .events
        .iter()
        .filter(|event| event.is_stack_event)
        .map(|e| e.status.as_str())
        .collect();
    assert_eq!(
        own,
        [
            "UPDATE_IN_PROGRESS",
            "UPDATE_ROLLBACK_IN_PROGRESS",
            "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
            "UPDATE_ROLLBACK_COMPLETE",
        ]
    );
    assert_eq!(
        trace
            .events
            .last()
            .and_then(|e| e.recorded_status.as_deref()),
        Some("UPDATE_ROLLBACK_COMP")
    );
    for (name, _, _) in counted() {
        for event in parse_file(&name).events {
            assert!(
                event.status.ends_with("_IN_PROGRESS") || !event.status.contains("_CLEA"),
                "{name}: {event:?}"
            );
            assert!(
                ["_IN_PROGRESS", "_COMPLETE", "_FAILED", "_SKIPPED"]
                    .iter()
                    .any(|end| event.status.ends_with(end)),
                "{name}: {event:?}"
            );
        }
    }
}

#[test]
fn a_history_is_cut_into_operations() {
    let line = |t: u32, status: &str| {
        format!(
            r#"{{"t":{t},"logical_id":"s","type":"AWS::CloudFormation::Stack","status":"{status}","stack_event":true}}"#
        )
    };
    let text = [
        line(0, "CREATE_IN_PROGRESS"),
        line(5, "CREATE_COMPLETE"),
        line(100, "UPDATE_IN_PROGRESS"),
        line(110, "UPDATE_ROLLBACK_IN_PROGRESS"),
        line(120, "UPDATE_ROLLBACK_COMPLETE"),
    ]
    .join("\r\n");
    let operations = Trace::parse(text.as_bytes()).expect("a trace").operations();
    let shape: Vec<_> = operations
        .iter()
        .map(|o| (o.events.len(), o.duration_seconds() as u32))
        .collect();
    assert_eq!(
        shape,
        [(2, 5), (3, 20)],
        "a rollback belongs to the operation it undoes"
    );
}

fn check_error(text: &str, expected: &str) {
    let error = Trace::parse(text.as_bytes()).expect_err("not a trace");
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn errors_name_the_line() {
    let good = r#"{"t":0,"logical_id":"a","type":"b","status":"c"}"#;
    check_error(
        &format!("{good}\n\n{{broken\n"),
        "line 3 of the trace is not JSON",
    );
    check_error(
        &format!("{good}\n{{\"t\":1}}\n"),
        "line 2 of the trace: missing field `logical_id`",
    );
    check_error(
        r#"{"t":-1,"logical_id":"a","type":"b","status":"c"}"#,
        "line 1 of the trace: `t` must be",
    );
    check_error(
        "{\n\"StackEvents\": [\n{]\n}",
        "line 3 of the trace is not JSON",
    );
    check_error(
        r#"{"StackEvents": [{"LogicalResourceId": "x"}]}"#,
        "event 1 of the trace: missing field",
    );
    check_error(
        &AWS.replace("2025-09-05T07:40:30.500000+00:00", "yesterday"),
        "neither RFC 3339",
    );
    check_error("[1]", "event 1 of the trace");
    check_error("7", "expected an object");
    assert_eq!(Trace::parse(b""), Err(TraceError::Empty));
    assert_eq!(
        Trace::parse(b"{\"StackEvents\": []}"),
        Err(TraceError::Empty)
    );
    assert_eq!(
        Trace::parse(&[b'{', 0xC3, 0x28]),
        Err(TraceError::NotText { offset: 1 })
    );
}
