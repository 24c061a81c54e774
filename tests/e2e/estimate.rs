//! One number everywhere: whoever is asked how long the deployment will still take says the same.

use end_to_end::{ID, STACK, World, eventually};
use serde_json::Value;
use simulators::{Event, Play, Stack};

use crate::world;

const OTHER: &str = "20260114-130000-def456";
const SECOND: &str = "SecondStack";

/// A database, and a service that waits for it: what is left is a chain, which no sum and no single resource is.
const TEMPLATE: &str = "Resources:
  Db: {Type: 'AWS::RDS::DBInstance'}
  Service: {Type: 'AWS::ECS::Service', Properties: {Url: !GetAtt Db.Endpoint}}
  Cache: {Type: 'AWS::ElastiCache::CacheCluster'}
";

/// Done in ten minutes.
const SMALL: &str = "Resources:\n  Cache: {Type: 'AWS::ElastiCache::CacheCluster'}\n";

/// What the deployments here took, in seconds, by type.
const HISTORY: &str = r#"{"deployments": [], "resource_averages":
  {"AWS::RDS::DBInstance": 1800, "AWS::ECS::Service": 900, "AWS::ElastiCache::CacheCluster": 600}}"#;

const DB: (&str, &str) = ("Db", "AWS::RDS::DBInstance");
const CACHE: (&str, &str) = ("Cache", "AWS::ElastiCache::CacheCluster");

/// A creation that has begun with these, of which none is done while the test lasts.
fn creating(world: &World, stack: &str, begun: &[(&str, &str)]) {
    let template = if begun.contains(&DB) { TEMPLATE } else { SMALL };
    world
        .cloudformation
        .add_stack(Stack::absent(stack).template(template));
    let mut events = vec![Event::own(0.0, "CREATE_IN_PROGRESS")];
    for (ending, at) in [("CREATE_IN_PROGRESS", 0.1), ("CREATE_COMPLETE", 9000.0)] {
        events.extend(
            begun
                .iter()
                .map(|(id, resource_type)| Event::resource(at, id, resource_type, ending)),
        );
    }
    world.cloudformation.play(stack, &events, &Play::default());
}

/// A registered deployment that has begun to create its stack.
fn deploying(stacks: &str) -> World {
    let world = world();
    world.write(".deployment-registry/deployment-history.json", HISTORY);
    let register = [
        "deployment-coordinator",
        "register",
        ID,
        "12345",
        "production",
        stacks,
    ];
    world.run(&register).expect(0);
    creating(&world, STACK, &[DB, CACHE]);
    world
}

fn number(of: &Value) -> u64 {
    let found = of["estimated_remaining_minutes"].as_u64();
    found.unwrap_or_else(|| panic!("no number in {of}"))
}

/// The number after some words in a text.
fn after(text: &str, words: &str) -> Option<u64> {
    let (_, rest) = text.split_once(words)?;
    let digits: String = rest
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

fn estimate(world: &World) -> u64 {
    let words = ["deployment-time-estimator", "estimate", ID];
    number(&world.run(&words).expect(0).json())
}

/// What a message in Slack says is left.
fn told_in_slack(world: &World, title: &str) -> Option<u64> {
    let messages = world.slack.all_messages();
    let message = messages
        .iter()
        .rfind(|message| message.text.contains(title))?;
    let all = format!("{} {}", message.text, Value::from(message.blocks.clone()));
    after(&all, "Estimated Remaining:")
}

/// What everybody says who may be asked while the deployment runs.
fn everybody(world: &World) -> Vec<(&'static str, u64)> {
    let coordinator = |words: &[&str]| world.run(&[&["deployment-coordinator"], words].concat());
    let can_deploy = coordinator(&["can_deploy", "production"]).expect(1);
    let active = can_deploy.json()["active_deployment"].clone();
    let waited = coordinator(&["wait", "production", "1s"]).expect(1);
    let status = coordinator(&["status", "--format", "json"])
        .expect(0)
        .json();
    let shown = coordinator(&["status"]).expect(0);
    let refused = coordinator(&["register", OTHER, "12346", "production", STACK]).expect(1);
    let fallback = world
        .run(&["registry-fallback", "can_deploy", "production"])
        .expect(1);
    let concurrent = [
        "slack-notifier",
        "concurrent",
        OTHER,
        "production",
        &active.to_string(),
    ];
    world.run(&concurrent).expect(0);
    vec![
        ("can_deploy", number(&active)),
        (
            "get_active",
            number(&coordinator(&["get_active", "production"]).expect(0).json()),
        ),
        ("register", number(&refused.json()["active_deployment"])),
        (
            "wait's line",
            after(&waited.stderr, "it needs about").expect("a line with the number"),
        ),
        ("wait's answer", number(&waited.json()["active_deployment"])),
        ("status", number(holder(&status))),
        (
            "status in words",
            after(&shown.stdout, "about").expect("a line with the number"),
        ),
        (
            "registry-fallback",
            number(&fallback.json()["active_deployment"]),
        ),
        (
            "concurrent",
            told_in_slack(world, "Deployment Queued").expect("a message with the number"),
        ),
    ]
}

/// The holder of production in the answer of `status`, wherever it stands there.
fn holder(status: &Value) -> &Value {
    match status {
        Value::Object(fields) if fields.get("correlation_id") == Some(&Value::from(ID)) => status,
        Value::Object(fields) => first(fields.values()),
        Value::Array(list) => first(list.iter()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => &Value::Null,
    }
}

fn first<'a>(values: impl Iterator<Item = &'a Value>) -> &'a Value {
    values
        .map(holder)
        .find(|found| !found.is_null())
        .unwrap_or(&Value::Null)
}

#[test]
fn everybody_says_the_same() {
    let world = deploying(STACK);
    let monitor = [
        "deployment-monitor",
        ID,
        STACK,
        "--interval",
        "200ms",
        "--progress-interval",
        "1s",
    ];
    let before = estimate(&world);
    let running = world.start(&monitor, "monitor.out");
    eventually("progress is told", || {
        told_in_slack(&world, "Deployment Progress Update")
    });
    let mut told = everybody(&world);
    let progress = told_in_slack(&world, "Deployment Progress Update");
    told.push(("the monitor's progress", progress.expect("just seen")));
    let after = estimate(&world);
    drop(running);
    // Half an hour of the database and a quarter of the service, which cannot begin before. Time passes while they are asked.
    assert!((42..=46).contains(&before), "{before}");
    for (who, minutes) in told {
        assert!(
            (after..=before).contains(&minutes),
            "{who}: {minutes}, not {before} to {after}"
        );
    }
}

#[test]
fn of_several_stacks_everybody_means_the_one_that_takes_longest() {
    let world = deploying(&format!("{SECOND},{STACK}"));
    world.write(
        "deployment-coordination.toml",
        &format!("[environments]\nproduction = [\"{SECOND}\", \"{STACK}\"]\n"),
    );
    creating(&world, SECOND, &[CACHE]);
    let before = estimate(&world);
    let told = everybody(&world);
    let after = estimate(&world);
    assert!((42..=46).contains(&before), "{before}");
    for (who, minutes) in told {
        assert!(
            (after..=before).contains(&minutes),
            "{who}: {minutes}, not {before} to {after}"
        );
    }
}

#[test]
fn before_it_begins_and_after_it_is_over_they_agree_too() {
    let world = world();
    let usual = format!(
        r#"{{"deployments": [{{"correlation_id": "x", "stack_name": "{STACK}", "duration_minutes": 25,
            "completed_at": "2026-01-14T12:59:56Z"}}], "resource_averages": {{}}}}"#
    );
    world.write(".deployment-registry/deployment-history.json", &usual);
    world
        .cloudformation
        .add_stack(Stack::new(STACK).operation_ago(86_400.0));
    let register = [
        "deployment-coordinator",
        "register",
        ID,
        "12345",
        "production",
        STACK,
    ];
    world.run(&register).expect(0);
    let asked = || {
        let words = ["deployment-coordinator", "get_active", "production"];
        number(&world.run(&words).expect(0).json())
    };
    assert_eq!((estimate(&world), asked()), (25, 25));
    // The stack's operation began after the registration, and is over.
    world.cloudformation.play(
        STACK,
        &[
            Event::own(0.0, "UPDATE_IN_PROGRESS"),
            Event::own(0.1, "UPDATE_COMPLETE"),
        ],
        &Play::default().after(1.0),
    );
    eventually("it is over", || (estimate(&world) == 0).then_some(()));
    assert_eq!(asked(), 0);
}
