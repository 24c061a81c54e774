//! The programs on several machines over one shared registry: dynalite, through the real binaries.

use end_to_end::{ID, STACK, World, eventually};
use serde_json::Value;
use simulators::{Event, Stack, UPDATES};

use crate::emulator::{Emulator, dynalite};
use crate::moto::{aws, moto_world};
use crate::world;

/// A machine whose registry is in the emulator's table.
fn machine(emulator: &Emulator) -> World {
    let mut world = world();
    world
        .set(
            "AWS_ENDPOINT_URL_DYNAMODB",
            &format!("http://127.0.0.1:{}", emulator.port),
        )
        .set("REGISTRY_URL", "dynamodb://deployment-registry")
        .set("REGISTRY_NAMESPACE", "owner/repository");
    world
        .cloudformation
        .add_stack(Stack::new(STACK).status("UPDATE_COMPLETE"));
    world
}

/// How many deployments the report tells of.
fn deployments(world: &World) -> usize {
    let report = world
        .run(&["deployment-time-estimator", "report", "--format", "json"])
        .expect(0);
    let Value::Array(list) = &report.json()["deployments"] else {
        panic!("{report}");
    };
    list.len()
}

const HISTORY: &str = "deployment-history.json";

fn has_local_history(world: &World) -> bool {
    world.files().iter().any(|name| name.ends_with(HISTORY))
}

#[test]
fn what_a_deployment_took_is_known_on_every_machine_needs_dynalite() {
    let Some(emulator) = dynalite() else { return };
    let (one, mut other) = (machine(&emulator), machine(&emulator));
    one.run(&["deployment-coordinator", "init"]);
    let estimator = "deployment-time-estimator";
    let nothing = one.run(&[estimator, "report"]).expect(1);
    assert!(
        nothing
            .stderr
            .contains("the history dynamodb://deployment-registry has no deployment"),
        "{nothing}"
    );
    one.run(&[estimator, "update", "earlier", "25", STACK])
        .expect(0);
    let answer = other.run(&[estimator, "estimate", ID, STACK]).expect(0);
    assert_eq!(answer.json()["estimated_remaining_minutes"], 0, "{answer}");

    // Who is in the way will take what the last one took.
    one.run(&["deployment-coordinator", "register", ID, "1", "production"])
        .expect(0);
    let answer = other
        .run(&["deployment-coordinator", "can_deploy", "production"])
        .expect(1);
    let active = &answer.json()["active_deployment"];
    assert_eq!(active["correlation_id"], ID, "{answer}");
    assert_eq!(active["estimated_remaining_minutes"], 25, "{answer}");
    let answer = other.run(&[estimator, "estimate", ID]).expect(0);
    assert_eq!(answer.json()["estimated_remaining_minutes"], 25, "{answer}");

    // And the monitor of any machine tells Slack so.
    other
        .set("CHECK_INTERVAL", "200ms")
        .set("PROGRESS_INTERVAL", "1s");
    let words = ["deployment-monitor", ID, STACK];
    let monitor = other.start(&words, "monitor.out");
    other
        .cloudformation
        .event(STACK, Event::own(0.0, "UPDATE_IN_PROGRESS"));
    eventually("the monitor has an estimate", || {
        let texts = other.slack.messages(UPDATES);
        texts
            .iter()
            .any(|message| message.shown().contains("25 minutes"))
            .then_some(())
    });
    other
        .cloudformation
        .event(STACK, Event::own(0.0, "UPDATE_COMPLETE"));
    assert_eq!(monitor.wait(), Some(0), "{}", other.read("monitor.out"));
    one.run(&["deployment-coordinator", "cleanup", ID])
        .expect(0);

    // `run` notes what it took, `collect` what the stack did.
    let words = [
        "deployment-coordinator",
        "run",
        "production",
        "--id",
        "run-1",
        "--",
        "bash",
        "-c",
        "touch ready; while [ ! -e go ]; do sleep 0.05; done",
    ];
    let run = one.start(&words, "run.out");
    eventually("the command runs", || {
        one.path("ready").exists().then_some(())
    });
    for status in ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"] {
        one.cloudformation.event(STACK, Event::own(0.0, status));
    }
    one.write("go", "");
    assert_eq!(run.wait(), Some(0), "{}", one.read("run.out"));
    assert_eq!(deployments(&other), 2);
    other.run(&[estimator, "collect", STACK]).expect(0);
    assert!(deployments(&one) > 2);
    assert!(!has_local_history(&one) && !has_local_history(&other));
}

const PAGE: &str = include_str!("../../docs/shared-registry.md");

/// The template on the page makes a table that is a registry.
#[test]
fn the_template_of_the_page_makes_the_table_needs_moto_and_needs_aws_cli() {
    let (mut world, _moto) = moto_world();
    let (_, rest) = PAGE.split_once("```yaml\n").expect("a template");
    let (template, _) = rest.split_once("```").expect("its end");
    world.write("table.yaml", template);
    aws(
        &world,
        "cloudformation create-stack --stack-name registry --template-body file://table.yaml",
    )
    .expect(0);
    world
        .set("REGISTRY_URL", "dynamodb://deployment-registry")
        .set("REGISTRY_NAMESPACE", "owner/repository");
    let init = world.run(&["deployment-coordinator", "init"]);
    assert_eq!(init.json()["created"], false, "{init}");
    // moto's CloudFormation takes no notice of these two, so init misses them here; AWS's does.
    for part in [
        "TimeToLiveSpecification: { AttributeName: ttl, Enabled: true }",
        "PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true }",
    ] {
        assert!(template.contains(part), "{template}");
    }
    let told = aws(
        &world,
        "dynamodb describe-table --table-name deployment-registry",
    );
    let table = &told.expect(0).json()["Table"];
    assert_eq!(
        table["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST",
        "{table}"
    );
    assert_eq!(table["DeletionProtectionEnabled"], true, "{table}");
    world
        .run(&["deployment-coordinator", "register", ID, "1", "production"])
        .expect(0);
}

/// What `init` makes, asked with the real `aws` command.
#[test]
fn init_makes_what_it_promises_needs_moto_and_needs_aws_cli() {
    let (mut world, _moto) = moto_world();
    world.set("REGISTRY_URL", "dynamodb://deployment-registry");
    world.run(&["deployment-coordinator", "init"]).expect(0);
    let ask = |what: &str| {
        let line = format!("dynamodb {what} --table-name deployment-registry");
        aws(&world, &line).expect(0).json()
    };
    let table = &ask("describe-table")["Table"];
    assert_eq!(
        table["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST",
        "{table}"
    );
    assert_eq!(table["DeletionProtectionEnabled"], true, "{table}");
    let ttl = &ask("describe-time-to-live")["TimeToLiveDescription"];
    assert_eq!(ttl["TimeToLiveStatus"], "ENABLED", "{ttl}");
    assert_eq!(ttl["AttributeName"], "ttl", "{ttl}");
    let recovery = &ask("describe-continuous-backups")["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        ["PointInTimeRecoveryStatus"];
    assert_eq!(recovery, "ENABLED");
}
