//! Stacks in time, by a clock that the test moves.
#![expect(clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Seen, ask, elements, signed};
use registry_core::clock::{Clock as _, ManualClock, Timestamp};
use registry_core::trace::Trace;
use simulators::{CloudFormation, Event, Play, Stack, trace_file};

struct World {
    clock: ManualClock,
    service: CloudFormation,
}

impl World {
    fn new() -> Self {
        let clock =
            ManualClock::at(Timestamp::parse_rfc3339("2026-01-14T12:00:00Z").expect("a time"));
        let service =
            CloudFormation::start_with_clock(Arc::new(clock.clone())).expect("a simulator");
        Self { clock, service }
    }

    fn ask(&self, form: &str) -> Seen {
        signed(
            &self.service.url(),
            &format!("Version=2010-05-15&{form}"),
            self.clock.now(),
        )
    }

    /// The stack's status, or the error's message.
    fn status(&self, stack: &str) -> String {
        let seen = self.ask(&format!("Action=DescribeStacks&StackName={stack}"));
        let mut found = elements(
            &seen.body,
            if seen.status == 200 {
                "StackStatus"
            } else {
                "Message"
            },
        );
        found.pop().unwrap_or_else(|| panic!("{seen:?}"))
    }

    /// Newest first.
    fn events(&self, stack: &str) -> Vec<String> {
        elements(
            &self
                .ask(&format!("Action=DescribeStackEvents&StackName={stack}"))
                .body,
            "ResourceStatus",
        )
    }

    fn advance(&self, seconds: f64) {
        self.clock.advance(Duration::from_secs_f64(seconds));
    }
}

fn update() -> [Event; 4] {
    [
        Event::own(0.0, "UPDATE_IN_PROGRESS").because("User Initiated"),
        Event::resource(60.0, "Queue", "AWS::SQS::Queue", "UPDATE_IN_PROGRESS"),
        Event::resource(120.0, "Queue", "AWS::SQS::Queue", "UPDATE_COMPLETE"),
        Event::own(180.0, "UPDATE_COMPLETE"),
    ]
}

#[test]
fn events_come_when_their_second_comes_at_any_speed() {
    let world = World::new();
    world.service.add_stack(Stack::new("App"));
    world
        .service
        .play("App", &update(), &Play::at_speed(60.0).after(5.0));
    assert_eq!(world.status("App"), "CREATE_COMPLETE");
    world.advance(5.0);
    assert_eq!(world.status("App"), "UPDATE_IN_PROGRESS");
    world.advance(1.99);
    assert_eq!(world.events("App")[0], "UPDATE_IN_PROGRESS");
    world.advance(0.02);
    assert_eq!(
        world.events("App")[0],
        "UPDATE_COMPLETE",
        "120 seconds at speed 60"
    );
    assert_eq!(world.status("App"), "UPDATE_IN_PROGRESS");
    world.advance(1.0);
    assert_eq!(world.status("App"), "UPDATE_COMPLETE");
    let seen = world.ask("Action=DescribeStackEvents&StackName=App");
    assert_eq!(
        elements(&seen.body, "Timestamp")[0],
        "2026-01-14T12:00:08.000Z",
        "timestamps are of now"
    );
}

#[test]
fn describe_stacks_lags_the_events() {
    let world = World::new();
    world.service.add_stack(Stack::new("App"));
    world.service.set_lag(10.0);
    world.service.play("App", &update(), &Play::default());
    assert_eq!(
        (
            world.status("App").as_str(),
            world.events("App")[0].as_str()
        ),
        ("CREATE_COMPLETE", "UPDATE_IN_PROGRESS")
    );
    world.advance(10.0);
    assert_eq!(world.status("App"), "UPDATE_IN_PROGRESS");
    // A stack that was just created is not there yet.
    world.service.play(
        "New",
        &[Event::own(0.0, "CREATE_IN_PROGRESS")],
        &Play::default(),
    );
    assert_eq!(world.status("New"), "Stack with id New does not exist");
    assert_eq!(world.events("New"), ["CREATE_IN_PROGRESS"]);
}

#[test]
fn pages_do_not_shift_when_events_happen_between_them() {
    let world = World::new();
    world.service.add_stack(Stack::new("App").history(250));
    let ids = |token: Option<&str>| {
        let token = token
            .map(|token| format!("&NextToken={token}"))
            .unwrap_or_default();
        let seen = world.ask(&format!("Action=DescribeStackEvents&StackName=App{token}"));
        (
            elements(&seen.body, "EventId"),
            elements(&seen.body, "NextToken").pop(),
        )
    };
    let (first, next) = ids(None);
    world
        .service
        .event("App", Event::own(0.0, "UPDATE_IN_PROGRESS"));
    let (second, next) = ids(next.as_deref());
    let (third, next) = ids(next.as_deref());
    assert_eq!(
        (first.len(), second.len(), third.len(), next),
        (100, 100, 50, None)
    );
    let all: std::collections::BTreeSet<_> = [first, second, third].concat().into_iter().collect();
    assert_eq!(all.len(), 250, "none twice, none left out");
    let refused = world.ask("Action=DescribeStackEvents&StackName=App&NextToken=nonsense");
    assert!(
        refused.status == 400 && refused.body.contains("ValidationError"),
        "{refused:?}"
    );
}

#[test]
fn a_hundred_thousand_old_events_are_there_when_asked_for() {
    let world = World::new();
    world.service.add_stack(Stack::new("Old").history(100_000));
    assert_eq!(world.events("Old").len(), 100);
    assert_eq!(world.status("Old"), "UPDATE_COMPLETE");
    let resources = world.ask("Action=ListStackResources&StackName=Old");
    assert_eq!(elements(&resources.body, "LogicalResourceId").len(), 3);
    // Page after page would be a thousand requests; a token is a place, so the oldest can be asked for.
    let oldest =
        world.ask("Action=DescribeStackEvents&StackName=Old&NextToken=sim-0000000000000003");
    let ids = elements(&oldest.body, "ResourceStatus");
    assert_eq!((ids.len(), ids[2].as_str()), (3, "CREATE_IN_PROGRESS"));
}

#[test]
fn a_deleted_stack_is_found_by_its_arn_only() {
    let world = World::new();
    world.service.add_stack(Stack::new("App"));
    let arn = world.service.stack_id("App", "us-east-1").expect("an id");
    world.service.delete_stack("App");
    assert_eq!(world.status("App"), "Stack with id App does not exist");
    assert_eq!(world.status(&arn), "DELETE_COMPLETE");
    assert_eq!(
        world.events(&arn)[..2],
        ["DELETE_COMPLETE", "DELETE_IN_PROGRESS"]
    );
    let missing = world.ask("Action=DescribeStackEvents&StackName=App");
    assert_eq!(
        elements(&missing.body, "Message"),
        ["Stack [App] does not exist"]
    );
    // The next of the name is another stack.
    world.service.play(
        "App",
        &[Event::own(0.0, "CREATE_IN_PROGRESS")],
        &Play::default(),
    );
    let next = world.service.stack_id("App", "us-east-1").expect("an id");
    assert_ne!(arn, next);
    assert_eq!(world.status("App"), "CREATE_IN_PROGRESS");
}

#[test]
fn a_change_set_is_executed_on_the_stack_it_made() {
    let world = World::new();
    world.service.play(
        "App",
        &[Event::own(0.0, "REVIEW_IN_PROGRESS")],
        &Play::default(),
    );
    let made = world.service.stack_id("App", "us-east-1");
    world.advance(5.0);
    world.service.play(
        "App",
        &[Event::own(0.0, "CREATE_IN_PROGRESS")],
        &Play::default(),
    );
    assert_eq!(world.service.stack_id("App", "us-east-1"), made);
    assert_eq!(
        world.events("App"),
        ["CREATE_IN_PROGRESS", "REVIEW_IN_PROGRESS"]
    );
}

#[test]
fn any_status_can_be_played_and_has_a_past() {
    let world = World::new();
    for status in [
        "UPDATE_ROLLBACK_COMPLETE",
        "ROLLBACK_FAILED",
        "SOMETHING_NEW",
        "SOMETHING_IN_PROGRESS",
    ] {
        world
            .service
            .add_stack(Stack::new("App").status(status).reason("because"));
        assert_eq!(world.status("App"), status);
        let events = world.events("App");
        assert_eq!(events[0], status);
        assert_eq!(events[events.len() - 1], "CREATE_IN_PROGRESS", "{events:?}");
    }
    world.service.add_stack(
        Stack::new("App")
            .status("UPDATE_IN_PROGRESS")
            .operation_ago(900.0),
    );
    let seen = world.ask("Action=DescribeStacks&StackName=App");
    assert_eq!(
        elements(&seen.body, "LastUpdatedTime"),
        ["2026-01-14T11:45:00.000Z"]
    );
}

#[test]
fn nested_stacks_have_events_of_their_own() {
    let world = World::new();
    let kind = "AWS::CloudFormation::Stack";
    world.service.play(
        "App",
        &[
            Event::own(0.0, "CREATE_IN_PROGRESS"),
            Event::resource(1.0, "Child", kind, "CREATE_IN_PROGRESS").nested("App-Child"),
            Event::resource(2.0, "Child", kind, "CREATE_IN_PROGRESS").nested("App-Child"),
            Event::resource(9.0, "Child", kind, "CREATE_COMPLETE").nested("App-Child"),
            Event::own(10.0, "CREATE_COMPLETE"),
        ],
        &Play::default(),
    );
    let child = world
        .service
        .stack_id("App-Child", "us-east-1")
        .expect("an id");
    world.advance(2.0);
    let rows = world.ask("Action=DescribeStackEvents&StackName=App").body;
    assert_eq!(
        elements(&rows, "PhysicalResourceId")[..2],
        [child.clone(), String::new()],
        "the first has none yet"
    );
    assert_eq!(
        world.events(&child),
        ["CREATE_IN_PROGRESS"],
        "without events of its own it repeats its row"
    );
    world.service.play(
        "App-Child",
        &[
            Event::own(0.0, "CREATE_IN_PROGRESS"),
            Event::resource(1.0, "Bucket", "AWS::S3::Bucket", "CREATE_IN_PROGRESS"),
            Event::own(5.0, "CREATE_COMPLETE"),
        ],
        &Play::default(),
    );
    assert_eq!(
        world.service.stack_id("App-Child", "us-east-1").as_ref(),
        Some(&child)
    );
    world.advance(1.0);
    assert_eq!(world.events(&child).len(), 2);
    let described = world
        .ask(&format!("Action=DescribeStacks&StackName={child}"))
        .body;
    let app = world.service.stack_id("App", "us-east-1").expect("an id");
    assert_eq!(
        (
            elements(&described, "ParentId"),
            elements(&described, "RootId")
        ),
        (vec![app.clone()], vec![app])
    );
    world.advance(20.0);
    let resources = world
        .ask("Action=DescribeStackResources&StackName=App")
        .body;
    assert_eq!(elements(&resources, "PhysicalResourceId"), [child]);
}

#[test]
fn a_rollback_is_an_operation_of_its_own() {
    let world = World::new();
    world
        .service
        .add_stack(Stack::new("App").status("UPDATE_ROLLBACK_COMPLETE"));
    let described = world.ask("Action=DescribeStacks&StackName=App").body;
    assert_eq!(
        elements(&described, "OperationType"),
        ["ROLLBACK", "UPDATE_STACK"]
    );
    let newest = &elements(&described, "OperationId")[0];
    assert_eq!(
        &elements(
            &world.ask("Action=DescribeStackEvents&StackName=App").body,
            "OperationId"
        )[0],
        newest
    );
}

#[test]
fn every_recorded_trace_reaches_a_verdict_and_reads_back() {
    let world = World::new();
    for entry in std::fs::read_dir(trace_file("")).expect("the traces") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|end| end != "jsonl") {
            continue;
        }
        let trace = Trace::parse(&std::fs::read(&path).expect("a file")).expect("a trace");
        world
            .service
            .play_trace("App", &trace, &Play::at_speed(100.0));
        let begun = world.status("App");
        // A record that is only the end of a rollback begins with it.
        let beginnings = [
            "CREATE_IN_PROGRESS",
            "UPDATE_IN_PROGRESS",
            "ROLLBACK_IN_PROGRESS",
        ];
        assert!(
            beginnings.contains(&begun.as_str()),
            "{}: {begun}",
            path.display()
        );
        world.advance(30.0);
        assert!(
            !world.status("App").ends_with("_IN_PROGRESS"),
            "{}",
            path.display()
        );
    }
    assert_eq!(world.service.requests("DescribeStacks"), 100);
}

#[test]
fn a_stack_can_be_steered_over_http() {
    let world = World::new();
    let post = |path: &str, body: &str| {
        ask(
            &format!("{}/_sim/{path}", world.service.url()),
            "POST",
            &[],
            body,
        )
    };
    assert_eq!(
        post(
            "stacks",
            r#"{"name": "App", "status": "UPDATE_COMPLETE", "tags": {"a": "b"}}"#
        )
        .status,
        200
    );
    let file = trace_file("ai-chatbot_ai-chatbot_update.jsonl");
    let play = serde_json::json!({"trace_file": file, "speed": 34.092}).to_string();
    assert_eq!(post("stacks/App/play", &play).json()["events"], 13);
    assert_eq!(world.status("App"), "UPDATE_IN_PROGRESS");
    world.advance(1.01);
    assert_eq!(world.status("App"), "UPDATE_COMPLETE");
    assert_eq!(
        post(
            "stacks/App/event",
            r#"{"status": "UPDATE_FAILED", "reason": "x"}"#
        )
        .status,
        200
    );
    assert_eq!(world.status("App"), "UPDATE_FAILED");
    assert_eq!(
        post("scenario", "[[stack]]\nname = 'Other'\nstatus = 'X_Y'").status,
        200
    );
    assert_eq!(world.status("Other"), "X_Y");
    assert_eq!(post("stacks/App/delete", r#"{"seconds": 5}"#).status, 200);
    assert_eq!(world.status("App"), "DELETE_IN_PROGRESS");
    assert_eq!(post("lag", r#"{"seconds": 0.5}"#).status, 200);
    assert_eq!(
        world.status("App"),
        "UPDATE_IN_PROGRESS",
        "what is shown is half a second old"
    );
    assert_eq!(post("stacks/App/play", "{}").status, 400);
    assert_eq!(post("stacks", r#"{"nme": "App"}"#).status, 400);
    assert_eq!(post("nonsense", "").status, 404);
}

#[test]
fn names_and_missing_parameters_are_checked_as_aws_does() {
    let world = World::new();
    for (form, code) in [
        ("Action=DescribeStackEvents", "ValidationError"),
        ("Action=DescribeStacks&StackName=a_b", "ValidationError"),
        ("Action=Nonsense", "InvalidAction"),
        ("", "InvalidAction"),
    ] {
        let seen = world.ask(form);
        assert_eq!(
            (seen.status, elements(&seen.body, "Code")),
            (400, vec![code.to_owned()]),
            "{form}"
        );
    }
}

#[test]
fn the_last_update_is_when_the_newest_one_began() {
    let world = World::new();
    world.service.add_stack(Stack::new("App"));
    for _ in 0..2 {
        world.service.play("App", &update(), &Play::at_speed(180.0));
        world.advance(60.0);
    }
    let seen = world.ask("Action=DescribeStacks&StackName=App");
    assert_eq!(
        elements(&seen.body, "LastUpdatedTime"),
        ["2026-01-14T12:01:00.000Z"]
    );
    assert_eq!(
        elements(&seen.body, "CreationTime"),
        ["2025-12-15T12:00:00.000Z"]
    );
}
