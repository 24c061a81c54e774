//! The programs against software that is not ours: moto's CloudFormation, driven by the real `aws` command.

use end_to_end::{ID, Outcome, STACK, Server, World, tool};
use serde_json::json;
use simulators::Stack;

use crate::{TARGET_TMP, world};

const TEMPLATE: &str = r#"{"Resources": {
    "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "cases-NUMBER"}},
    "Topic": {"Type": "AWS::SNS::Topic"}}}"#;

/// Runs the real `aws` command in a world.
pub(crate) fn aws(world: &World, line: &str) -> Outcome {
    let program = tool("AWS_CLI", "aws", TARGET_TMP);
    let mut words = vec![program.to_str().unwrap_or_default()];
    words.extend(["--region", "us-east-1", "--output", "json"]);
    words.extend(line.split_whitespace());
    world.run(&words)
}

/// A world whose AWS is moto's.
pub(crate) fn moto_world() -> (World, Server) {
    let mut world = world();
    let server = Server::moto(
        &tool("MOTO_SERVER", "moto_server", TARGET_TMP),
        &world.path("../out/moto.log"),
    );
    world
        .set("AWS_ENDPOINT_URL", &server.url())
        .set("CHECK_INTERVAL", "100ms");
    world.write("first.json", &TEMPLATE.replace("NUMBER", "1"));
    world.write("second.json", &TEMPLATE.replace("NUMBER", "2"));
    // moto loads a service when it is first asked for; the aws command is patient enough for that.
    aws(&world, "cloudformation list-stacks").expect(0);
    (world, server)
}

fn check_can_deploy(world: &World, reason: &str, fallback: &str) {
    let answer = world
        .run(&["deployment-coordinator", "can_deploy", "production"])
        .expect(0)
        .json();
    assert_eq!(answer["reason"], json!(reason), "{answer}");
    let answer = world
        .run(&["registry-fallback", "can_deploy", "production"])
        .expect(0)
        .json();
    assert_eq!(answer["reason"], json!(fallback), "{answer}");
    for program in ["deployment-coordinator", "registry-fallback"] {
        assert_eq!(
            world.run(&[program, "get_active"]).expect(1).json(),
            json!({})
        );
    }
}

#[test]
fn a_whole_deployment_on_moto_needs_moto_and_needs_aws_cli() {
    let (world, _moto) = moto_world();
    check_can_deploy(&world, "NO_STACK_EXISTS", "no_active_deployment");
    world
        .run(&[
            "deployment-coordinator",
            "register",
            ID,
            "12345",
            "production",
        ])
        .expect(0);
    let create = format!(
        "cloudformation create-stack --stack-name {STACK} --template-body file://first.json --tags Key=CorrelationId,Value={ID}"
    );
    aws(&world, &create).expect(0);
    // moto has created the stack when it answers.
    world.run(&["deployment-monitor", ID, STACK]).expect(0);
    let log = world.read("deployment-monitor.log");
    assert!(log.contains("CREATE_COMPLETE"), "{log}");
    world
        .run(&["deployment-coordinator", "cleanup", ID])
        .expect(0);
    check_can_deploy(&world, "STACK_IDLE", "no_active_deployment");
    let update = format!(
        "cloudformation update-stack --stack-name {STACK} --template-body file://second.json"
    );
    aws(&world, &update).expect(0);
    check_can_deploy(&world, "STACK_IDLE", "no_active_deployment");
    world
        .run(&["deployment-time-estimator", "collect", STACK])
        .expect(0);
    let history: serde_json::Value =
        serde_json::from_str(&world.read(".deployment-registry/deployment-history.json")).unwrap();
    assert!(history["resource_averages"].is_object(), "{history}");
    let estimate = world
        .run(&["deployment-time-estimator", "estimate", ID, STACK, "1"])
        .in_order();
    assert!(!estimate.stdout.is_empty(), "{estimate}");
    aws(
        &world,
        &format!("cloudformation delete-stack --stack-name {STACK}"),
    )
    .expect(0);
    check_can_deploy(&world, "NO_STACK_EXISTS", "no_active_deployment");
}

#[test]
fn the_aws_lines_of_the_guide_needs_aws_cli() {
    let mut world = world();
    let program = tool("AWS_CLI", "aws", TARGET_TMP);
    let folder = program
        .parent()
        .and_then(|folder| folder.to_str())
        .unwrap_or_default()
        .to_owned();
    let path = format!("{folder}:{}", world.get("PATH").unwrap_or_default());
    // The guide names no region, so the user's AWS has one.
    world
        .set("PATH", &path)
        .set("AWS_DEFAULT_REGION", "us-east-1");
    world
        .cloudformation
        .add_stack(Stack::new(STACK).status("ROLLBACK_COMPLETE"));
    let describe = format!(
        "AWS_PAGER=\"\" aws cloudformation describe-stacks --stack-name {STACK} --query 'Stacks[0].StackStatus'"
    );
    let delete = format!("AWS_PAGER=\"\" aws cloudformation delete-stack --stack-name {STACK}");
    assert_eq!(
        world.bash(&describe).expect(0).json(),
        json!("ROLLBACK_COMPLETE")
    );
    let answer = world
        .run(&["deployment-coordinator", "can_deploy", "production"])
        .expect(0)
        .json();
    assert_eq!(answer["reason"], json!("STACK_NEEDS_CLEANUP"));
    // What `can_deploy` says to do is what the guide says to do.
    assert!(
        answer["warning"]
            .as_str()
            .unwrap_or_default()
            .contains("aws cloudformation delete-stack"),
        "{answer}"
    );
    world.bash(&delete).expect(0);
    end_to_end::eventually("the stack is gone", || {
        let answer = world.run(&["deployment-coordinator", "can_deploy", "production"]);
        (answer.json()["reason"] == json!("NO_STACK_EXISTS")).then_some(())
    });
}
