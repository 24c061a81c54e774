//! What a person does next: the exact commands for a stack that stands in a failed state, and what a resource type waits for.
//!
//! Meanings of the states: CloudFormation user guide, "Stack status codes", "Continue rolling back an update" and "Delete a
//! stack"; API reference of `RollbackStack`, `ContinueUpdateRollback` and `DeleteStack` (its `DeletionMode`).

use crate::ids::StackName;
use crate::stack::StackStatus;

/// One way out of a state: when to take it, and the commands, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayOut {
    /// When this is the way, as in "To …".
    pub to: &'static str,
    /// The commands, ready to paste.
    pub commands: Vec<String>,
}

/// The ways out of a stack's state, the one to try first first; none where nothing needs to be done (healthy states, work in
/// progress, states we do not know). A `REVIEW_IN_PROGRESS` is answered as one that was left behind.
#[must_use]
pub fn next_commands(status: &StackStatus, stack: &StackName) -> Vec<WayOut> {
    let aws = |rest: &str| format!("aws cloudformation {rest} --stack-name {stack}");
    let way = |to, commands| WayOut { to, commands };
    let delete = || vec![aws("delete-stack"), aws("wait stack-delete-complete")];
    match status {
        StackStatus::RollbackComplete => vec![way(
            "remove what is left (a stack whose creation was rolled back can only be deleted), then deploy again",
            delete(),
        )],
        StackStatus::RollbackFailed => vec![
            way(
                "see what could not be removed",
                vec![failed_resources(stack)],
            ),
            way(
                "remove the stack (it can only be deleted), then deploy again",
                delete(),
            ),
        ],
        StackStatus::DeleteFailed => vec![
            way("delete again after mending what stood in the way", delete()),
            way(
                "delete the stack and leave behind what cannot be deleted",
                vec![
                    aws("delete-stack --deletion-mode FORCE_DELETE_STACK"),
                    aws("wait stack-delete-complete"),
                ],
            ),
        ],
        StackStatus::CreateFailed => vec![
            way(
                "keep what was created, mend the cause and go on",
                vec![format!("cdk deploy {} --no-rollback", stack.name())],
            ),
            way("remove it and start over", delete()),
        ],
        StackStatus::UpdateFailed => vec![
            way(
                "go back to the version before",
                vec![aws("rollback-stack"), aws("wait stack-rollback-complete")],
            ),
            way(
                "keep what was updated, mend the cause and go on",
                vec![format!("cdk deploy {} --no-rollback", stack.name())],
            ),
        ],
        StackStatus::UpdateRollbackFailed => vec![
            way(
                "finish the rollback after mending its cause (add --resources-to-skip LOGICAL_ID for what cannot be mended)",
                vec![
                    aws("continue-update-rollback"),
                    aws("wait stack-rollback-complete"),
                ],
            ),
            way("remove the stack and everything in it", delete()),
        ],
        StackStatus::ImportRollbackFailed => vec![
            way("see what stands in the way", vec![failed_resources(stack)]),
            way(
                "remove the stack (imported resources stay if their DeletionPolicy is Retain)",
                delete(),
            ),
        ],
        StackStatus::ReviewInProgress => vec![
            way(
                "go on with the change set that was made",
                vec![
                    aws("list-change-sets"),
                    aws("execute-change-set --change-set-name NAME"),
                ],
            ),
            way("remove the empty stack", delete()),
        ],
        StackStatus::CreateInProgress
        | StackStatus::CreateComplete
        | StackStatus::RollbackInProgress
        | StackStatus::DeleteInProgress
        | StackStatus::DeleteComplete
        | StackStatus::UpdateInProgress
        | StackStatus::UpdateCompleteCleanupInProgress
        | StackStatus::UpdateComplete
        | StackStatus::UpdateRollbackInProgress
        | StackStatus::UpdateRollbackCompleteCleanupInProgress
        | StackStatus::UpdateRollbackComplete
        | StackStatus::ImportInProgress
        | StackStatus::ImportComplete
        | StackStatus::ImportRollbackInProgress
        | StackStatus::ImportRollbackComplete
        | StackStatus::Unknown(_) => Vec::new(),
    }
}

fn failed_resources(stack: &StackName) -> String {
    format!(
        "aws cloudformation describe-stack-resources --stack-name {stack} \
         --query \"StackResources[?ends_with(ResourceStatus, 'FAILED')]\""
    )
}

/// The ways out in one line: `To …: COMMAND && COMMAND; or to …: COMMAND`. `None` where nothing needs to be done.
#[must_use]
pub fn next_steps(status: &StackStatus, stack: &StackName) -> Option<String> {
    let ways = next_commands(status, stack);
    let told: Vec<String> = ways
        .iter()
        .map(|way| format!("to {}: {}", way.to, way.commands.join(" && ")))
        .collect();
    let line = told.join("; or ");
    let mut letters = line.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
}

/// The ways out after a deployment that ended in this state and failed: what the stack needs, else, where it needs nothing (the
/// version before is live again, or nothing is left of the stack), the deployment once more. None for states that no failed
/// deployment ends in.
#[must_use]
pub fn commands_after_failure(status: &StackStatus, stack: &StackName) -> Vec<WayOut> {
    let again = |to, verb| {
        let commands = vec![format!("cdk {verb} {}", stack.name())];
        vec![WayOut { to, commands }]
    };
    match status {
        StackStatus::UpdateRollbackComplete => again(
            "deploy again after mending the cause (the version before is live, and the stack needs nothing)",
            "deploy",
        ),
        StackStatus::ImportRollbackComplete => again(
            "import again after mending the cause (nothing was imported, and the stack needs nothing)",
            "import",
        ),
        StackStatus::DeleteComplete => again(
            "deploy again after mending the cause (nothing is left of the stack)",
            "deploy",
        ),
        StackStatus::RollbackComplete
        | StackStatus::RollbackFailed
        | StackStatus::DeleteFailed
        | StackStatus::CreateFailed
        | StackStatus::UpdateFailed
        | StackStatus::UpdateRollbackFailed
        | StackStatus::ImportRollbackFailed => next_commands(status, stack),
        StackStatus::ReviewInProgress
        | StackStatus::CreateInProgress
        | StackStatus::CreateComplete
        | StackStatus::RollbackInProgress
        | StackStatus::DeleteInProgress
        | StackStatus::UpdateInProgress
        | StackStatus::UpdateCompleteCleanupInProgress
        | StackStatus::UpdateComplete
        | StackStatus::UpdateRollbackInProgress
        | StackStatus::UpdateRollbackCompleteCleanupInProgress
        | StackStatus::ImportInProgress
        | StackStatus::ImportComplete
        | StackStatus::ImportRollbackInProgress
        | StackStatus::Unknown(_) => Vec::new(),
    }
}

/// What a resource of this type usually waits for when it takes long; `None` where nothing is known. How long that usually is says
/// the estimate, so that no two figures stand side by side; only limits are named here.
#[must_use]
pub fn waits_for(resource_type: &str) -> Option<&'static str> {
    if resource_type.starts_with("Custom::")
        || resource_type == "AWS::CloudFormation::CustomResource"
    {
        return Some(CUSTOM_RESOURCE);
    }
    Some(match resource_type {
        "AWS::ECS::Service" => {
            "its tasks to start and stay healthy: image pull, container start, load balancer health checks (look at the service's events and stopped tasks)"
        }
        "AWS::EKS::Nodegroup"
        | "AWS::ECS::CapacityProvider"
        | "AWS::ECS::ClusterCapacityProviderAssociations" => "its instances to join the cluster",
        "AWS::CertificateManager::Certificate" => {
            "validation: the DNS record or the e-mail that proves the domain is yours"
        }
        "AWS::CloudFormation::WaitCondition" => "a signal to its handle, until its time-out",
        "AWS::AutoScaling::AutoScalingGroup" | "AWS::EC2::Instance" => {
            "its instances to start, and signals from them where a CreationPolicy asks for some"
        }
        "AWS::CloudFront::Distribution" => "the change to reach every edge location",
        "AWS::RDS::DBInstance"
        | "AWS::RDS::DBCluster"
        | "AWS::DocDB::DBCluster"
        | "AWS::Neptune::DBCluster" => "the database to be provisioned, backed up and available",
        "AWS::ElastiCache::ReplicationGroup"
        | "AWS::ElastiCache::CacheCluster"
        | "AWS::OpenSearchService::Domain"
        | "AWS::Elasticsearch::Domain" => "its nodes to be provisioned",
        "AWS::EKS::Cluster" => "the control plane",
        "AWS::MSK::Cluster" => "its brokers to be provisioned",
        "AWS::EC2::NatGateway" => "the gateway to become available",
        "AWS::EC2::VPCEndpoint" => "its network interfaces, or the owner's acceptance",
        "AWS::EC2::NetworkInterface" | "AWS::EC2::SecurityGroup" | "AWS::EC2::Subnet" => {
            "whatever still uses it, when it is being deleted (a Lambda function's network interface takes up to 40 minutes)"
        }
        "AWS::Lambda::Function" => {
            "its code to be optimised, and its network interfaces where it is in a VPC"
        }
        "AWS::S3::Bucket" => {
            "a deletion only works on an empty bucket; a new name may wait for an earlier deletion"
        }
        "AWS::ElasticBeanstalk::Environment" => {
            "its instances to become healthy (look at the environment's events)"
        }
        "AWS::DynamoDB::Table" | "AWS::DynamoDB::GlobalTable" => {
            "its indexes to be filled, or its replicas"
        }
        "AWS::CloudFormation::Stack" => "the resources inside the nested stack",
        _ => return None,
    })
}

// ServiceTimeout of AWS::CloudFormation::CustomResource: 3600 s when not set.
const CUSTOM_RESOURCE: &str = "its function's answer: CloudFormation gives up after ServiceTimeout, 3600 s if not set (look at the function's logs)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::{Verdict, verdict_of};
    use crate::stack::StatusClass;

    fn stack() -> StackName {
        "App".parse().unwrap()
    }

    #[test]
    fn every_state_that_needs_a_person_has_commands_and_no_other() {
        for status in StackStatus::ALL {
            let needs = match status.class() {
                StatusClass::DeleteOnly | StatusClass::NeedsDecision | StatusClass::Parked => true,
                StatusClass::InProgress
                | StatusClass::CleaningUp
                | StatusClass::RollingBack
                | StatusClass::Deleting
                | StatusClass::Succeeded
                | StatusClass::Deleted
                | StatusClass::RolledBack
                | StatusClass::Unknown => false,
            };
            let ways = next_commands(&status, &stack());
            assert_eq!(!ways.is_empty(), needs, "{status}");
            for way in ways {
                assert!(!way.commands.is_empty());
                for command in way.commands {
                    assert!(command.contains("App"), "{command}");
                }
            }
        }
    }

    #[test]
    fn every_state_that_a_deployment_may_fail_in_has_an_exact_command() {
        for status in StackStatus::ALL {
            // Undone, so that a deletion that nobody asked for counts as well.
            let failed = verdict_of(&status, true) == Some(Verdict::Failed);
            let ways = commands_after_failure(&status, &stack());
            assert_eq!(!ways.is_empty(), failed, "{status}");
            for command in ways.iter().flat_map(|way| &way.commands) {
                assert!(
                    command.starts_with("aws cloudformation ") || command.starts_with("cdk "),
                    "{command}"
                );
                assert!(command.contains("App"), "{command}");
            }
        }
        let [again] = &commands_after_failure(&StackStatus::ImportRollbackComplete, &stack())[..]
        else {
            panic!("one way out");
        };
        assert_eq!(again.commands, ["cdk import App"]);
    }

    #[test]
    fn both_ways_out_where_there_are_two() {
        let steps = next_steps(&StackStatus::UpdateRollbackFailed, &stack()).unwrap();
        assert_eq!(
            steps,
            "To finish the rollback after mending its cause (add --resources-to-skip LOGICAL_ID for what cannot be mended): \
             aws cloudformation continue-update-rollback --stack-name App && \
             aws cloudformation wait stack-rollback-complete --stack-name App; \
             or to remove the stack and everything in it: aws cloudformation delete-stack --stack-name App && \
             aws cloudformation wait stack-delete-complete --stack-name App"
        );
        assert_eq!(next_steps(&StackStatus::CreateComplete, &stack()), None);
    }

    #[test]
    fn custom_resources_name_their_time_out() {
        for kind in [
            "Custom::S3AutoDelete",
            "AWS::CloudFormation::CustomResource",
        ] {
            assert!(waits_for(kind).unwrap().contains("3600"), "{kind}");
        }
        assert_eq!(waits_for("AWS::New::Thing"), None);
    }
}
