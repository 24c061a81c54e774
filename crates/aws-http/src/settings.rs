//! What people set that the SDK takes as it is, and then panics on.

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

/// `config` with empty endpoints taken for none, as a variable of GitHub Actions that is not set arrives, and with keys that
/// cannot be sent refused.
pub(crate) fn sound(config: SdkConfig) -> SdkConfig {
    let keys = config.credentials_provider();
    let no_endpoint = config.endpoint_url().is_some_and(is_empty);
    let mut sound = config.to_builder().service_config(NotEmpty(config));
    if no_endpoint {
        sound.set_endpoint_url(None);
    }
    sound.set_credentials_provider(keys.map(|keys| SharedCredentialsProvider::new(Sendable(keys))));
    sound.build()
}

fn is_empty(value: &str) -> bool {
    value.trim().is_empty()
}

/// What the environment and the profile say about one service, but for empty words.
#[derive(Debug)]
struct NotEmpty(SdkConfig);

impl LoadServiceConfig for NotEmpty {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        self.0
            .service_config()?
            .load_config(key)
            .filter(|value| !is_empty(value))
    }
}

/// Credentials that can stand in a header.
#[derive(Debug)]
struct Sendable(SharedCredentialsProvider);

impl Sendable {
    async fn checked(&self) -> Result<Credentials, CredentialsError> {
        let keys = self.0.provide_credentials().await?;
        let parts = [
            (
                "access key id (AWS_ACCESS_KEY_ID)",
                Some(keys.access_key_id()),
            ),
            ("session token (AWS_SESSION_TOKEN)", keys.session_token()),
        ];
        for (name, part) in parts {
            if part.is_some_and(|part| !part.bytes().all(|byte| byte.is_ascii_graphic())) {
                return Err(CredentialsError::invalid_configuration(format!(
                    "the {name} has a space, a line break or another sign that none has: was it pasted with its line break?"
                )));
            }
        }
        Ok(keys)
    }
}

impl ProvideCredentials for Sendable {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.checked())
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.0.fallback_on_interrupt()
    }
}

#[cfg(test)]
mod tests {
    use aws_config::BehaviorVersion;

    use super::*;

    #[derive(Debug)]
    struct Says(&'static str);

    impl LoadServiceConfig for Says {
        fn load_config(&self, _: ServiceConfigKey<'_>) -> Option<String> {
            Some(self.0.to_owned())
        }
    }

    fn endpoints(value: &'static str) -> (Option<String>, Option<String>) {
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(value)
            .service_config(Says(value))
            .build();
        let sound = sound(config);
        let key = ServiceConfigKey::builder()
            .service_id("CloudFormation")
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build()
            .unwrap();
        let of_service = sound.service_config().unwrap().load_config(key);
        (sound.endpoint_url().map(str::to_owned), of_service)
    }

    #[test]
    fn an_empty_endpoint_is_none() {
        assert_eq!(endpoints(""), (None, None));
        assert_eq!(endpoints(" "), (None, None));
        let set = Some("http://127.0.0.1:1".to_owned());
        assert_eq!(endpoints("http://127.0.0.1:1"), (set.clone(), set));
    }
}
