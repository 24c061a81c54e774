//! The connection: a runtime of our own, the SDK's client, and the service's clock.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_http::ServerClock;
use aws_sdk_dynamodb::Client;
use registry_core::clock::Timestamp;
use registry_core::settings::AWS_REGION;
use registry_core::store::StoreError;
use tokio::runtime::Runtime;

use crate::address::Address;
use crate::error::Trouble;
use crate::table::Table;

/// The longest that one question to the registry takes, whatever it is made of.
pub(crate) const QUESTION: Duration = Duration::from_secs(20);

/// A table that is asked in turn, one question at a time or many. Nothing is read or asked before the first one.
#[derive(Debug)]
pub(crate) struct Session {
    address: Address,
    runtime: Runtime,
    // Made at the first question, and made anew after credentials expired, so that the chain is read again.
    connected: Mutex<Option<Connected>>,
}

/// The client with what belongs to it.
#[derive(Debug, Clone)]
pub(crate) struct Connected {
    pub(crate) client: Client,
    pub(crate) clock: ServerClock,
    pub(crate) region: String,
}

impl Connected {
    /// The service's own time, when it last answered.
    pub(crate) fn now(&self) -> Result<Timestamp, StoreError> {
        self.clock.last().ok_or_else(|| {
            StoreError::Unavailable(
                "DynamoDB's answers carry no Date header, and without its clock nobody can be told dead or alive (is a proxy between?)"
                    .to_owned(),
            )
        })
    }
}

impl Session {
    pub(crate) fn new(address: Address) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| {
                StoreError::Unavailable(format!("the runtime could not start: {error}"))
            })?;
        Ok(Self {
            address,
            runtime,
            connected: Mutex::new(None),
        })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    async fn connect(&self) -> Connected {
        let known = self.lock().clone();
        if let Some(connected) = known {
            return connected;
        }
        let region = self.address.region.clone();
        let (config, clock) = match self.address.emulator {
            Some(port) => aws_http::load_emulator(region, AWS_REGION.default, port).await,
            None => aws_http::load(region, AWS_REGION.default).await,
        };
        let fresh = Connected {
            region: config.region().map(ToString::to_string).unwrap_or_default(),
            client: Client::new(&config),
            clock,
        };
        self.lock().get_or_insert(fresh).clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Connected>> {
        self.connected
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks; gives up after [`QUESTION`].
    pub(crate) fn ask<T>(
        &self,
        question: impl AsyncFnOnce(Table) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let answer = self.runtime.block_on(async {
            tokio::time::timeout(QUESTION, async {
                let connected = self.connect().await;
                question(Table::new(&self.address, connected)).await
            })
            .await
        });
        let answer = answer.unwrap_or_else(|_| Err(Trouble::no_answer(QUESTION)));
        if answer.as_ref().is_err_and(Trouble::wants_new_credentials) {
            *self.lock() = None;
        }
        answer
    }
}
