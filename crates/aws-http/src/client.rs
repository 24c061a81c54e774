//! The HTTP client under the AWS SDK.

use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use registry_core::clock::Timestamp;

/// The `Date` header of the newest answer: the service's own clock, whatever ours says.
#[derive(Debug, Clone, Default)]
pub struct ServerClock(Arc<Mutex<Option<Timestamp>>>);

impl ServerClock {
    /// When the service last answered, by its own clock, in whole seconds.
    #[must_use]
    pub fn last(&self) -> Option<Timestamp> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, date: Option<&str>) {
        if let Some(at) = date.and_then(Timestamp::parse_http_date) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
        }
    }
}

/// An HTTP client that makes its TLS connector (and reads the system's certificates) only for the first `https` request.
/// Proxies are taken from the environment, as every AWS tool does.
#[derive(Debug, Clone)]
pub struct LazyTlsClient {
    plain: SharedHttpClient,
    tls: SharedHttpClient,
    clock: ServerClock,
}

impl Default for LazyTlsClient {
    fn default() -> Self {
        Self {
            plain: Builder::new().build_with_connector_fn(|settings, components| {
                connector(settings, components).build_http()
            }),
            tls: Builder::new().build_with_connector_fn(|settings, components| {
                connector(settings, components)
                    .tls_provider(Provider::Rustls(CryptoMode::Ring))
                    .build()
            }),
            clock: ServerClock::default(),
        }
    }
}

impl LazyTlsClient {
    /// The clock that this client's answers set.
    #[must_use]
    pub fn server_clock(&self) -> ServerClock {
        self.clock.clone()
    }
}

fn connector(
    settings: Option<&HttpConnectorSettings>,
    components: Option<&RuntimeComponents>,
) -> aws_smithy_http_client::ConnectorBuilder {
    let mut builder = Connector::builder()
        .proxy_config(ProxyConfig::from_env())
        .enable_tcp_nodelay(true);
    builder.set_connector_settings(settings.cloned());
    builder.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
    builder
}

impl HttpClient for LazyTlsClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(ByScheme {
            client: self.clone(),
            settings: settings.clone(),
            components: components.clone(),
        })
    }
}

/// Picks the connector when the request, and with it the scheme, is known.
#[derive(Debug)]
struct ByScheme {
    client: LazyTlsClient,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
}

impl HttpConnector for ByScheme {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = if request.uri().starts_with("http://") {
            &self.client.plain
        } else {
            &self.client.tls
        };
        let connector = client.http_connector(&self.settings, &self.components);
        let clock = self.client.clock.clone();
        HttpConnectorFuture::new(async move {
            let answer = connector.call(request).await?;
            clock.record(answer.headers().get("date"));
            Ok(answer)
        })
    }
}
