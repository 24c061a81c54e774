//! How often `estimate` asks CloudFormation: at most three times for each stack, whatever the stack is.

use simulators::{Event, Stack};

use crate::{Answer, Bench, ID, STACK, creating, trace};

const NESTED: &str = "AWS::CloudFormation::Stack";

fn estimate(bench: &Bench, stacks: &str) -> (Answer, Vec<String>) {
    bench.aws.forget_requests();
    let answer = bench.run(&["estimate", ID, stacks]);
    assert_eq!(answer.status, 0, "{}", answer.stderr);
    assert!(answer.json()["estimated_remaining_seconds"].as_u64() > Some(0));
    let asked = bench.aws.recorded();
    (
        answer,
        asked.into_iter().map(|request| request.action).collect(),
    )
}

/// A stack with a nested one, both at work, and one in that.
fn play_nested(bench: &Bench) {
    let play = |stack: &str, child: Option<(&str, &str)>| {
        let mut events = vec![Event::own(0.0, "CREATE_IN_PROGRESS")];
        events.extend(child.map(|(id, stack)| {
            Event::resource(1.0, id, NESTED, "CREATE_IN_PROGRESS").nested(stack)
        }));
        events.extend([
            Event::resource(2.0, "Db", "AWS::RDS::DBInstance", "CREATE_IN_PROGRESS"),
            Event::resource(900.0, "Db", "AWS::RDS::DBInstance", "CREATE_COMPLETE"),
        ]);
        events.extend(child.map(|(id, stack)| {
            Event::resource(950.0, id, NESTED, "CREATE_COMPLETE").nested(stack)
        }));
        events.push(Event::own(1000.0, "CREATE_COMPLETE"));
        bench.aws.play(stack, &events, &creating(60.0));
    };
    play(STACK, Some(("Inner", "InnerStack")));
    play("InnerStack", Some(("Innermost", "InnermostStack")));
    play("InnermostStack", None);
}

#[test]
fn nested_stacks_cost_no_more() {
    let bench = Bench::new();
    play_nested(&bench);
    let (_, asked) = estimate(&bench, STACK);
    assert_eq!(
        asked,
        ["DescribeStacks", "DescribeStackEvents", "GetTemplate"]
    );
}

#[test]
fn an_operation_of_many_events_costs_no_more() {
    let bench = Bench::new();
    let events = trace("rlhf-synth-fixer_tap-serverless-pr2695_create.jsonl");
    bench.aws.play_trace(STACK, &events, &creating(300.0));
    let (_, asked) = estimate(&bench, STACK);
    assert_eq!(
        asked,
        [
            "DescribeStacks",
            "DescribeStackEvents",
            "DescribeStackEvents"
        ]
    );
}

#[test]
fn each_of_several_stacks_costs_at_most_three() {
    let bench = Bench::new();
    play_nested(&bench);
    bench.aws.play_trace(
        "Other",
        &trace("rlhf-synth-fixer_secure-web-stack_create3.jsonl"),
        &creating(60.0),
    );
    bench
        .aws
        .add_stack(Stack::new("Idle").status("UPDATE_COMPLETE"));
    let (answer, asked) = estimate(&bench, &format!("{STACK},Other,Idle"));
    // One that has nothing to do is asked once.
    assert_eq!(asked.len(), 3 + 3 + 1, "{asked:?}");
    let of = |action: &str| asked.iter().filter(|asked| *asked == action).count();
    assert_eq!(of("DescribeStacks"), 3);
    assert_eq!(answer.json()["stack_name"], STACK);
}
