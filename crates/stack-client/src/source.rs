//! The blocking client.

use std::sync::{Mutex, PoisonError};

use aws_config::SdkConfig;
use aws_http::ServerClock;
use aws_sdk_cloudformation::Client;
use registry_core::ids::StackName;
use registry_core::settings::{AWS_REGION, Origin, Settings};
use registry_core::stack::{
    EventsPage, Observed, StackError, StackResource, StackSource, StackState,
};
use tokio::runtime::Runtime;

use crate::convert;
use crate::error::{Failure, classify};

/// Who the credentials belong to, as `sts:GetCallerIdentity` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account number.
    pub account: String,
    /// The ARN of the user or assumed role.
    pub arn: String,
}

/// CloudFormation in one region, through the SDK's own chain of credentials and endpoints. Nothing is read or asked before the
/// first question.
#[derive(Debug)]
pub struct AwsStacks {
    region: Option<String>,
    // The port of an emulator on this machine, instead of AWS.
    emulator: Option<u16>,
    runtime: Runtime,
    // Made at the first question, and made anew after credentials were refused, so that the chain is read again.
    session: Mutex<Option<Session>>,
}

#[derive(Debug, Clone)]
struct Session {
    config: SdkConfig,
    client: Client,
    clock: ServerClock,
    region: String,
}

impl AwsStacks {
    /// Prepares to ask the region that the settings name; where they name none, the profile's, else the default.
    pub fn new(settings: &Settings) -> Result<Self, StackError> {
        let region = settings
            .get(&AWS_REGION)
            .filter(|(_, origin)| *origin != Origin::Default)
            .map(|(region, _)| region);
        Self::asking(region, None)
    }

    /// An emulator that listens on `port` of this machine, with made-up keys and nothing from the environment or from profiles.
    pub fn emulator(port: u16) -> Result<Self, StackError> {
        Self::asking(None, Some(port))
    }

    fn asking(region: Option<String>, emulator: Option<u16>) -> Result<Self, StackError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| StackError::Unreachable {
                detail: format!("the runtime could not start: {error}"),
            })?;
        Ok(Self {
            region,
            emulator,
            runtime,
            session: Mutex::new(None),
        })
    }

    /// The region that is asked.
    #[must_use]
    pub fn region(&self) -> String {
        self.session().region
    }

    /// Who the credentials belong to.
    pub fn caller(&self) -> Result<Caller, StackError> {
        let session = self.session();
        let client = aws_sdk_sts::Client::new(&session.config);
        let answer = self.ask("sts:GetCallerIdentity", client.get_caller_identity().send())?;
        let answer = answer.ok_or_else(|| StackError::Nonsense {
            detail: "GetCallerIdentity spoke of a stack".to_owned(),
        })?;
        Ok(Caller {
            account: answer.account().unwrap_or_default().to_owned(),
            arn: answer.arn().unwrap_or_default().to_owned(),
        })
    }

    fn session(&self) -> Session {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let load = || Session::load(self.region.clone(), self.emulator);
        session
            .get_or_insert_with(|| self.runtime.block_on(load()))
            .clone()
    }

    /// A name is asked as it is; an ARN must be of the region that is asked.
    fn checked(&self, stack: &StackName) -> Result<Session, StackError> {
        let session = self.session();
        match stack.region() {
            Some(region) if region != session.region => Err(StackError::Invalid {
                detail: format!(
                    "the stack ARN {stack} is of region {region}, but region {} is asked (set AWS_REGION={region})",
                    session.region
                ),
            }),
            _ => Ok(session),
        }
    }

    /// `None`: there is no such stack.
    fn ask<T, E>(
        &self,
        action: &str,
        question: impl Future<Output = Result<T, aws_sdk_cloudformation::error::SdkError<E>>>,
    ) -> Result<Option<T>, StackError>
    where
        E: aws_smithy_types::error::metadata::ProvideErrorMetadata + std::error::Error + 'static,
    {
        match self.runtime.block_on(question) {
            Ok(answer) => Ok(Some(answer)),
            Err(error) => match classify(action, &error) {
                Failure::NoSuchStack => Ok(None),
                Failure::Error(error) => {
                    if is_about_credentials(&error) {
                        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = None;
                    }
                    Err(error)
                }
            },
        }
    }
}

// Keys that were rotated under us are "denied", not "expired": InvalidClientTokenId.
fn is_about_credentials(error: &StackError) -> bool {
    match error {
        StackError::NoCredentials { .. }
        | StackError::Expired { .. }
        | StackError::Denied { .. } => true,
        StackError::Throttled { .. }
        | StackError::Unreachable { .. }
        | StackError::Nonsense { .. }
        | StackError::Settings { .. }
        | StackError::Invalid { .. } => false,
    }
}

impl Session {
    async fn load(region: Option<String>, emulator: Option<u16>) -> Self {
        let fallback = AWS_REGION.default;
        let (config, clock) = match emulator {
            Some(port) => aws_http::load_emulator(region, fallback, port).await,
            None => aws_http::load(region, fallback).await,
        };
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        let whole = aws_sdk_cloudformation::config::Builder::from(&config)
            .interceptor(crate::whole::WholeAnswers)
            .build();
        Self {
            client: Client::from_conf(whole),
            config,
            clock,
            region,
        }
    }
}

impl StackSource for AwsStacks {
    fn describe(&self, stack: &StackName) -> Result<Observed<StackState>, StackError> {
        let session = self.checked(stack)?;
        let question = session
            .client
            .describe_stacks()
            .stack_name(stack.as_str())
            .send();
        let answer = self.ask("cloudformation:DescribeStacks", question)?;
        let value = match answer.as_ref().map(|answer| answer.stacks().first()) {
            None => StackState::Missing,
            Some(Some(found)) => StackState::Exists(Box::new(convert::stack(found)?)),
            // Of a stack that does not exist AWS says so in an error.
            Some(None) => {
                return Err(StackError::Nonsense {
                    detail: "DescribeStacks answered with no stack and no error".to_owned(),
                });
            }
        };
        Ok(Observed {
            value,
            server_time: session.clock.last(),
        })
    }

    fn events(
        &self,
        stack: &StackName,
        next: Option<&str>,
    ) -> Result<Observed<EventsPage>, StackError> {
        let session = self.checked(stack)?;
        let question = session
            .client
            .describe_stack_events()
            .stack_name(stack.as_str())
            .set_next_token(next.map(str::to_owned))
            .send();
        let answer = self.ask("cloudformation:DescribeStackEvents", question)?;
        let mut page = EventsPage {
            events: Vec::new(),
            next: None,
        };
        if let Some(answer) = answer {
            let events: Result<Vec<_>, _> =
                answer.stack_events().iter().map(convert::event).collect();
            page.events = events?;
            page.next = answer
                .next_token()
                .filter(|token| !token.is_empty())
                .map(str::to_owned);
        }
        Ok(Observed {
            value: page,
            server_time: session.clock.last(),
        })
    }

    fn resources(&self, stack: &StackName) -> Result<Vec<StackResource>, StackError> {
        let session = self.checked(stack)?;
        let mut resources = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let question = session
                .client
                .list_stack_resources()
                .stack_name(stack.as_str())
                .set_next_token(token.clone())
                .send();
            let Some(answer) = self.ask("cloudformation:ListStackResources", question)? else {
                return Ok(resources);
            };
            for summary in answer.stack_resource_summaries() {
                resources.push(convert::resource(summary)?);
            }
            let next = answer
                .next_token()
                .filter(|next| !next.is_empty())
                .map(str::to_owned);
            if next.is_none() || next == token {
                return Ok(resources);
            }
            token = next;
        }
    }

    fn template(&self, stack: &StackName) -> Result<String, StackError> {
        let session = self.checked(stack)?;
        let question = session
            .client
            .get_template()
            .stack_name(stack.as_str())
            .send();
        let answer = self.ask("cloudformation:GetTemplate", question)?;
        Ok(answer
            .and_then(|answer| answer.template_body().map(str::to_owned))
            .unwrap_or_default())
    }
}
