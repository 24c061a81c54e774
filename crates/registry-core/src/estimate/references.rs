//! Which types usually refer to which, from the property types of the CloudFormation "AWS resource and property types
//! reference": a property that takes another resource's id, ARN or name. Used to guess an order where there is neither a
//! template nor a past. Pure.

/// Each type with the types it usually waits for.
pub(super) fn all() -> impl Iterator<Item = (&'static str, impl Iterator<Item = &'static str>)> {
    TABLE
        .iter()
        .map(|(later, earlier)| (*later, earlier.iter().copied()))
}

const ROLE: &str = "AWS::IAM::Role";
const POLICY: &str = "AWS::IAM::Policy";
const VPC: &str = "AWS::EC2::VPC";
const SUBNET: &str = "AWS::EC2::Subnet";
const GROUP: &str = "AWS::EC2::SecurityGroup";
const FUNCTION: &str = "AWS::Lambda::Function";
const BUCKET: &str = "AWS::S3::Bucket";
const CLUSTER: &str = "AWS::ECS::Cluster";
const BALANCER: &str = "AWS::ElasticLoadBalancingV2::LoadBalancer";
const LISTENER: &str = "AWS::ElasticLoadBalancingV2::Listener";
const TARGETS: &str = "AWS::ElasticLoadBalancingV2::TargetGroup";
const REST_API: &str = "AWS::ApiGateway::RestApi";
const HTTP_API: &str = "AWS::ApiGatewayV2::Api";
const DB_INSTANCE: &str = "AWS::RDS::DBInstance";
const DB_CLUSTER: &str = "AWS::RDS::DBCluster";
const KEY: &str = "AWS::KMS::Key";
const TOPIC: &str = "AWS::SNS::Topic";
const QUEUE: &str = "AWS::SQS::Queue";

const TABLE: &[(&str, &[&str])] = &[
    (
        "AWS::ApiGateway::BasePathMapping",
        &["AWS::ApiGateway::DomainName", "AWS::ApiGateway::Stage"],
    ),
    (
        "AWS::ApiGateway::Deployment",
        &[REST_API, "AWS::ApiGateway::Method"],
    ),
    (
        "AWS::ApiGateway::Method",
        &[
            REST_API,
            "AWS::ApiGateway::Resource",
            FUNCTION,
            "AWS::ApiGateway::Authorizer",
        ],
    ),
    ("AWS::ApiGateway::Resource", &[REST_API]),
    ("AWS::ApiGateway::RestApi", &[FUNCTION]),
    ("AWS::ApiGateway::Stage", &["AWS::ApiGateway::Deployment"]),
    ("AWS::ApiGateway::UsagePlan", &["AWS::ApiGateway::Stage"]),
    ("AWS::ApiGatewayV2::Integration", &[HTTP_API, FUNCTION]),
    (
        "AWS::ApiGatewayV2::Route",
        &["AWS::ApiGatewayV2::Integration"],
    ),
    ("AWS::ApiGatewayV2::Stage", &[HTTP_API]),
    (
        "AWS::ApplicationAutoScaling::ScalableTarget",
        &["AWS::ECS::Service", "AWS::DynamoDB::Table"],
    ),
    (
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        &["AWS::ApplicationAutoScaling::ScalableTarget"],
    ),
    (
        "AWS::AutoScaling::AutoScalingGroup",
        &[
            "AWS::EC2::LaunchTemplate",
            "AWS::AutoScaling::LaunchConfiguration",
            SUBNET,
            TARGETS,
        ],
    ),
    (
        "AWS::AutoScaling::ScalingPolicy",
        &["AWS::AutoScaling::AutoScalingGroup"],
    ),
    (
        "AWS::CertificateManager::Certificate",
        &["AWS::Route53::HostedZone"],
    ),
    (
        "AWS::CloudFront::Distribution",
        &[
            BUCKET,
            BALANCER,
            "AWS::CloudFront::OriginAccessControl",
            "AWS::CloudFront::CloudFrontOriginAccessIdentity",
            "AWS::CertificateManager::Certificate",
            "AWS::WAFv2::WebACL",
        ],
    ),
    (
        "AWS::Cognito::IdentityPool",
        &["AWS::Cognito::UserPoolClient"],
    ),
    ("AWS::Cognito::UserPoolClient", &["AWS::Cognito::UserPool"]),
    ("AWS::Cognito::UserPoolDomain", &["AWS::Cognito::UserPool"]),
    ("AWS::EC2::EIP", &["AWS::EC2::VPCGatewayAttachment"]),
    ("AWS::EC2::FlowLog", &[VPC, ROLE, "AWS::Logs::LogGroup"]),
    (
        "AWS::EC2::Instance",
        &[SUBNET, GROUP, "AWS::IAM::InstanceProfile"],
    ),
    (
        "AWS::EC2::LaunchTemplate",
        &[GROUP, "AWS::IAM::InstanceProfile"],
    ),
    (
        "AWS::EC2::NatGateway",
        &["AWS::EC2::EIP", SUBNET, "AWS::EC2::VPCGatewayAttachment"],
    ),
    (
        "AWS::EC2::Route",
        &[
            "AWS::EC2::RouteTable",
            "AWS::EC2::NatGateway",
            "AWS::EC2::VPCGatewayAttachment",
        ],
    ),
    ("AWS::EC2::RouteTable", &[VPC]),
    ("AWS::EC2::SecurityGroup", &[VPC]),
    ("AWS::EC2::SecurityGroupEgress", &[GROUP]),
    ("AWS::EC2::SecurityGroupIngress", &[GROUP]),
    ("AWS::EC2::Subnet", &[VPC]),
    (
        "AWS::EC2::SubnetRouteTableAssociation",
        &["AWS::EC2::RouteTable", SUBNET],
    ),
    (
        "AWS::EC2::VPCEndpoint",
        &[VPC, SUBNET, GROUP, "AWS::EC2::RouteTable"],
    ),
    (
        "AWS::EC2::VPCGatewayAttachment",
        &[VPC, "AWS::EC2::InternetGateway"],
    ),
    (
        "AWS::ECS::ClusterCapacityProviderAssociations",
        &[CLUSTER, "AWS::ECS::CapacityProvider"],
    ),
    (
        "AWS::ECS::CapacityProvider",
        &["AWS::AutoScaling::AutoScalingGroup"],
    ),
    (
        "AWS::ECS::Service",
        &[
            CLUSTER,
            "AWS::ECS::TaskDefinition",
            LISTENER,
            "AWS::ElasticLoadBalancingV2::ListenerRule",
            TARGETS,
            GROUP,
            "AWS::ECS::ClusterCapacityProviderAssociations",
        ],
    ),
    (
        "AWS::ECS::TaskDefinition",
        &[ROLE, POLICY, "AWS::Logs::LogGroup"],
    ),
    (
        "AWS::EFS::MountTarget",
        &["AWS::EFS::FileSystem", SUBNET, GROUP],
    ),
    (
        "AWS::EKS::Addon",
        &["AWS::EKS::Cluster", "AWS::EKS::Nodegroup"],
    ),
    ("AWS::EKS::Cluster", &[ROLE, SUBNET, GROUP]),
    (
        "AWS::EKS::Nodegroup",
        &["AWS::EKS::Cluster", ROLE, "AWS::EC2::LaunchTemplate"],
    ),
    (
        "AWS::ElastiCache::CacheCluster",
        &["AWS::ElastiCache::SubnetGroup", GROUP],
    ),
    (
        "AWS::ElastiCache::ReplicationGroup",
        &["AWS::ElastiCache::SubnetGroup", GROUP],
    ),
    ("AWS::ElastiCache::SubnetGroup", &[SUBNET]),
    (
        "AWS::ElasticBeanstalk::Environment",
        &[
            "AWS::ElasticBeanstalk::ApplicationVersion",
            "AWS::ElasticBeanstalk::Application",
        ],
    ),
    (
        "AWS::ElasticLoadBalancingV2::Listener",
        &[BALANCER, TARGETS, "AWS::CertificateManager::Certificate"],
    ),
    (
        "AWS::ElasticLoadBalancingV2::ListenerRule",
        &[LISTENER, TARGETS],
    ),
    (
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        &[SUBNET, GROUP, "AWS::EC2::VPCGatewayAttachment"],
    ),
    ("AWS::ElasticLoadBalancingV2::TargetGroup", &[VPC]),
    (
        "AWS::Events::Rule",
        &[
            FUNCTION,
            "AWS::Events::EventBus",
            "AWS::StepFunctions::StateMachine",
        ],
    ),
    ("AWS::IAM::InstanceProfile", &[ROLE]),
    ("AWS::IAM::Policy", &[ROLE]),
    ("AWS::KMS::Alias", &[KEY]),
    (
        "AWS::Lambda::EventSourceMapping",
        &[
            FUNCTION,
            QUEUE,
            "AWS::DynamoDB::Table",
            "AWS::Kinesis::Stream",
        ],
    ),
    (
        "AWS::Lambda::Function",
        &[ROLE, POLICY, GROUP, "AWS::Lambda::LayerVersion"],
    ),
    (
        "AWS::Lambda::Permission",
        &[FUNCTION, REST_API, HTTP_API, "AWS::Events::Rule"],
    ),
    ("AWS::Lambda::Url", &[FUNCTION]),
    ("AWS::Lambda::Version", &[FUNCTION]),
    ("AWS::OpenSearchService::Domain", &[SUBNET, GROUP]),
    (
        "AWS::RDS::DBCluster",
        &[
            "AWS::RDS::DBSubnetGroup",
            GROUP,
            "AWS::SecretsManager::Secret",
            "AWS::RDS::DBClusterParameterGroup",
            KEY,
        ],
    ),
    (
        "AWS::RDS::DBInstance",
        &[
            DB_CLUSTER,
            "AWS::RDS::DBSubnetGroup",
            GROUP,
            "AWS::SecretsManager::Secret",
            "AWS::RDS::DBParameterGroup",
            KEY,
        ],
    ),
    (
        "AWS::RDS::DBProxy",
        &[
            "AWS::SecretsManager::SecretTargetAttachment",
            DB_CLUSTER,
            DB_INSTANCE,
            ROLE,
        ],
    ),
    ("AWS::RDS::DBSubnetGroup", &[SUBNET]),
    (
        "AWS::Route53::RecordSet",
        &[
            "AWS::Route53::HostedZone",
            BALANCER,
            "AWS::CloudFront::Distribution",
        ],
    ),
    (
        "AWS::S3::BucketPolicy",
        &[BUCKET, "AWS::CloudFront::Distribution"],
    ),
    (
        "AWS::SecretsManager::RotationSchedule",
        &["AWS::SecretsManager::SecretTargetAttachment", FUNCTION],
    ),
    (
        "AWS::SecretsManager::SecretTargetAttachment",
        &["AWS::SecretsManager::Secret", DB_INSTANCE, DB_CLUSTER],
    ),
    ("AWS::SNS::Subscription", &[TOPIC, QUEUE, FUNCTION]),
    ("AWS::SNS::TopicPolicy", &[TOPIC]),
    ("AWS::SQS::QueuePolicy", &[QUEUE]),
    (
        "AWS::StepFunctions::StateMachine",
        &[ROLE, POLICY, FUNCTION],
    ),
    (
        "AWS::WAFv2::WebACLAssociation",
        &["AWS::WAFv2::WebACL", BALANCER, "AWS::ApiGateway::Stage"],
    ),
];
