//! What both AWS adapters share: one HTTP client, one set of time-outs, the region, and the service's own clock.
//!
//! The SDK's default client opens every certificate of the system before the first request, also for plain HTTP; has no read
//! time-out; and knows one crypto provider only. This one makes TLS when the first `https` request comes, with ring.
#![warn(missing_docs)]

mod client;
mod region;
mod settings;
mod trouble;

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::Credentials;

pub use client::{LazyTlsClient, ServerClock};
pub use trouble::{Trouble, words};

/// Time to connect.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Time for one attempt, from connecting to the last byte of the answer.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(6);
/// Time for one question, retries and credentials included. Below 20 s by what a busy machine may add.
pub const QUESTION_TIMEOUT: Duration = Duration::from_secs(18);

/// Loads the SDK's own chain of settings and credentials (profiles, SSO, web identity, endpoints) with our HTTP client under
/// it. `region` as settings have it; `None` lets `AWS_DEFAULT_REGION` and the profile speak, and else `fallback_region`.
pub async fn load(region: Option<String>, fallback_region: &str) -> (SdkConfig, ServerClock) {
    let region = match region {
        Some(region) => region,
        None => region::resolve(fallback_region).await,
    };
    let (loader, clock) = loader(region);
    (settings::sound(loader.load().await), clock)
}

/// As [`load`], for an emulator that listens on `port` of this machine: with made-up keys, and with nothing from the environment or
/// from profiles.
pub async fn load_emulator(
    region: Option<String>,
    fallback_region: &str,
    port: u16,
) -> (SdkConfig, ServerClock) {
    let (loader, clock) = loader(region.unwrap_or_else(|| fallback_region.to_owned()));
    let keys = Credentials::new("emulator", "emulator", None, None, "emulator");
    let config = loader
        .empty_test_environment()
        .credentials_provider(keys)
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .load()
        .await;
    (config, clock)
}

fn loader(region: String) -> (aws_config::ConfigLoader, ServerClock) {
    let client = LazyTlsClient::default();
    let clock = client.server_clock();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(QUESTION_TIMEOUT)
        .build();
    // Two attempts are the least: the SDK corrects a wrong signing clock only on a retry.
    let retries = RetryConfig::standard()
        .with_max_attempts(3)
        .with_max_backoff(Duration::from_secs(2));
    let loader = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new(region))
        .http_client(client)
        .timeout_config(timeouts)
        .retry_config(retries);
    (loader, clock)
}
