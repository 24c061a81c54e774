//! AWS: who we are, where, what we may read, what the stacks allow, whose clock is wrong.

use std::time::Duration;

use registry_core::advice::next_commands;
use registry_core::clock::{Clock as _, SystemClock, Timestamp, human_duration};
use registry_core::ids::StackName;
use registry_core::settings::{AWS_REGION, Origin};
use registry_core::stack::{StackError, StackSource, StackState, StatusClass};
use slack_client::Finding;
use stack_client::AwsStacks;

use super::{bad, good, unknown, weak};
use crate::world::{Target, World};

/// Beyond this AWS refuses a signature (SDKs then correct themselves, at the price of a second question).
const REFUSED: Duration = Duration::from_secs(5 * 60);
/// Beyond this times in messages and logs mislead.
const MISLEADS: Duration = Duration::from_secs(30);

pub(super) fn examine(world: &World, targets: &[Target]) -> Vec<Finding> {
    let source = match AwsStacks::new(world.settings()) {
        Ok(source) => source,
        Err(error) => return vec![told("client", &error)],
    };
    let mut findings = vec![region(world, &source)];
    match source.caller() {
        Ok(caller) => findings.push(good(
            "credentials",
            format!("{} in account {}", caller.arn, caller.account),
        )),
        Err(error) => {
            let hopeless = !matches!(error, StackError::Denied { .. }) || is_identity(&error);
            findings.push(told("credentials", &error));
            if hopeless {
                return findings;
            }
        }
    }
    let mut clock = None;
    for target in targets {
        for stack in &target.stacks {
            stack_of(&source, target, stack, &mut clock, &mut findings);
        }
    }
    findings.extend(clock.map(|server| clock_against(server, SystemClock::default().now())));
    findings
}

// A key that AWS does not know is denied everything; one that may not ask who it is may still read stacks.
fn is_identity(error: &StackError) -> bool {
    match error {
        StackError::Denied { detail, .. } => [
            "InvalidClientTokenId",
            "SignatureDoesNotMatch",
            "invalid",
            "not valid",
        ]
        .iter()
        .any(|word| detail.contains(word)),
        StackError::Settings { .. }
        | StackError::NoCredentials { .. }
        | StackError::Expired { .. }
        | StackError::Throttled { .. }
        | StackError::Unreachable { .. }
        | StackError::Nonsense { .. }
        | StackError::Invalid { .. } => false,
    }
}

fn region(world: &World, source: &AwsStacks) -> Finding {
    let region = source.region();
    let named = world
        .settings()
        .get(&AWS_REGION)
        .filter(|(_, origin)| *origin != Origin::Default);
    match named {
        Some((_, origin)) => good("region", format!("{region}, from {origin}")),
        None => good(
            "region",
            format!("{region}, from the AWS profile or by default (AWS_REGION sets another)"),
        ),
    }
}

// One question that failed; the error's own words have the fix in brackets.
fn told(subject: &str, error: &StackError) -> Finding {
    let words = error.to_string();
    match error {
        StackError::Settings { .. } => bad(
            subject,
            words,
            "set it to what it should be, or take it out",
        ),
        StackError::NoCredentials { .. } => bad(
            subject,
            words,
            "in a workflow: permissions id-token: write and aws-actions/configure-aws-credentials; by hand: aws sso login, or AWS_PROFILE",
        ),
        StackError::Expired { .. } => bad(
            subject,
            words,
            "sign in again (aws sso login); in a workflow give the role a longer session (role-duration-seconds)",
        ),
        StackError::Denied { action, .. } => bad(
            subject,
            words,
            format!(
                "allow {action} in the IAM policy of the role, or check the key: docs/ has the whole policy"
            ),
        ),
        StackError::Invalid { .. } => bad(subject, words, "check the stack's name and AWS_REGION"),
        StackError::Throttled { .. }
        | StackError::Unreachable { .. }
        | StackError::Nonsense { .. } => unknown(
            subject,
            format!("{words}; check AWS_ENDPOINT_URL, the proxy and the network, or try again"),
        ),
    }
}

fn stack_of(
    source: &AwsStacks,
    target: &Target,
    stack: &StackName,
    clock: &mut Option<Timestamp>,
    findings: &mut Vec<Finding>,
) {
    let subject = format!("stack {stack} ({})", target.environment);
    match source.describe(stack) {
        Ok(observed) => {
            *clock = (*clock).max(observed.server_time);
            findings.push(state(&subject, stack, &observed.value));
        }
        Err(error) => findings.push(told(&subject, &error)),
    }
    // The monitor, the estimate and the fallback read these.
    let reads: [(&str, Option<StackError>); 3] = [
        (
            "cloudformation:DescribeStackEvents",
            source.events(stack, None).err(),
        ),
        (
            "cloudformation:ListStackResources",
            source.resources(stack).err(),
        ),
        ("cloudformation:GetTemplate", source.template(stack).err()),
    ];
    for (action, error) in reads {
        match error {
            None => {}
            Some(error) if action == "cloudformation:GetTemplate" => findings.push(weak(
                &subject,
                format!("{error}; estimates will not know what waits for what"),
                format!("allow {action} in the IAM policy of the role"),
            )),
            Some(error) => findings.push(told(&subject, &error)),
        }
    }
}

fn state(subject: &str, stack: &StackName, state: &StackState) -> Finding {
    let StackState::Exists(found) = state else {
        return good(
            subject,
            "is not there yet; a deployment creates it".to_owned(),
        );
    };
    let status = &found.status;
    let ways: Vec<String> = next_commands(status, stack)
        .iter()
        .map(|way| format!("to {}: {}", way.to, way.commands.join(" && ")))
        .collect();
    let ways = ways.join("; or ");
    match status.class() {
        StatusClass::Succeeded | StatusClass::RolledBack | StatusClass::Deleted => {
            good(subject, format!("{status}, may be deployed to"))
        }
        StatusClass::InProgress
        | StatusClass::CleaningUp
        | StatusClass::RollingBack
        | StatusClass::Deleting => weak(
            subject,
            format!("{status}: CloudFormation works on it, nobody may deploy until it is done"),
            "wait (deployment-coordinator wait), or look at it: deployment-coordinator get_active",
        ),
        StatusClass::Parked => weak(
            subject,
            format!("{status}: a change set was made and not executed"),
            ways,
        ),
        StatusClass::DeleteOnly | StatusClass::NeedsDecision => bad(
            subject,
            format!("{status}: a deployment would fail until a person has mended it"),
            ways,
        ),
        StatusClass::Unknown => unknown(
            subject,
            format!("{status} is a state that this program does not know"),
        ),
    }
}

fn clock_against(server: Timestamp, local: Timestamp) -> Finding {
    let (off, way) = if local > server {
        (local.since(server), "ahead of")
    } else {
        (server.since(local), "behind")
    };
    let words = format!("{} {way} AWS's", human_duration(off));
    let fix = "set the machine's clock (timedatectl set-ntp true, or restart chrony)";
    if off > REFUSED {
        bad("clock", format!("{words}: AWS refuses signatures"), fix)
    } else if off > MISLEADS {
        weak("clock", words, fix)
    } else {
        good("clock", format!("agrees with AWS's ({words})"))
    }
}
