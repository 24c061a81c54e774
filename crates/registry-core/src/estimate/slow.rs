//! Rough figures for types that nobody recorded for us and that are known to be slow. Pure.
//!
//! Without them such a type would count as unknown and be taken for an average resource, which is done in ten seconds: of a
//! deployment with a database the estimate would be wrong until the database is the only thing left. Three are the guide's; the
//! others are neither measured nor from a publication of AWS, but what people who deploy such things are used to, rounded. See
//! [`SIGMA`] for how little they are trusted: one case of a stack's own, or one recorded operation, takes their place.

/// What creating one takes, in seconds.
pub(super) const CREATE: [(&str, f64); 47] = [
    // The guide's own figures ("Deployment History").
    ("AWS::RDS::DBInstance", 900.0),
    ("AWS::ECS::Service", 180.0),
    ("AWS::ElasticLoadBalancingV2::LoadBalancer", 120.0),
    // Databases and caches.
    ("AWS::DAX::Cluster", 600.0),
    ("AWS::DocDB::DBInstance", 600.0),
    ("AWS::ElastiCache::CacheCluster", 450.0),
    ("AWS::ElastiCache::ReplicationGroup", 750.0),
    ("AWS::ElastiCache::ServerlessCache", 180.0),
    ("AWS::MemoryDB::Cluster", 900.0),
    ("AWS::Neptune::DBInstance", 600.0),
    ("AWS::RDS::DBProxy", 600.0),
    ("AWS::Redshift::Cluster", 300.0),
    ("AWS::RedshiftServerless::Workgroup", 240.0),
    ("AWS::OpenSearchService::Domain", 1200.0),
    ("AWS::Elasticsearch::Domain", 1200.0),
    ("AWS::OpenSearchServerless::Collection", 300.0),
    ("AWS::DocDB::DBCluster", 60.0),
    ("AWS::Neptune::DBCluster", 60.0),
    ("AWS::Cassandra::Table", 60.0),
    // Streams, brokers, files.
    ("AWS::AmazonMQ::Broker", 900.0),
    ("AWS::MSK::Cluster", 1800.0),
    ("AWS::FSx::FileSystem", 600.0),
    ("AWS::EFS::MountTarget", 90.0),
    ("AWS::Kinesis::Stream", 30.0),
    ("AWS::KinesisFirehose::DeliveryStream", 60.0),
    ("AWS::DMS::ReplicationInstance", 600.0),
    ("AWS::DirectoryService::MicrosoftAD", 1800.0),
    // Computing.
    ("AWS::EC2::Instance", 30.0),
    ("AWS::AppRunner::Service", 240.0),
    ("AWS::EKS::Cluster", 600.0),
    ("AWS::EKS::Nodegroup", 150.0),
    ("AWS::EKS::FargateProfile", 120.0),
    ("AWS::EMR::Cluster", 420.0),
    ("AWS::ElasticBeanstalk::Environment", 300.0),
    ("AWS::MWAA::Environment", 1800.0),
    ("AWS::SageMaker::Domain", 300.0),
    ("AWS::SageMaker::Endpoint", 300.0),
    ("AWS::SageMaker::NotebookInstance", 240.0),
    // Networks.
    ("AWS::CloudFront::Distribution", 300.0),
    ("AWS::CertificateManager::Certificate", 180.0),
    ("AWS::Route53::RecordSet", 40.0),
    ("AWS::Route53::HostedZone", 40.0),
    ("AWS::ServiceDiscovery::PrivateDnsNamespace", 45.0),
    ("AWS::EC2::TransitGateway", 150.0),
    ("AWS::EC2::TransitGatewayAttachment", 60.0),
    ("AWS::EC2::VPNConnection", 240.0),
    ("AWS::NetworkFirewall::Firewall", 420.0),
];

/// Of three such resources one takes twice, or half, as long.
pub(super) const SIGMA: f64 = 0.6;
