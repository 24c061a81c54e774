//! Why a question to AWS failed, sorted by what the caller does next; the same for every service.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use registry_core::text::{one_line, shorten};

/// A failed question. Details are one line, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// A setting from which no question can be made; nothing was asked.
    Settings(String),
    /// The credential chain found nothing.
    NoCredentials(String),
    /// The credentials were good once.
    Expired(String),
    /// AWS knows who asks and says no, or does not know who asks.
    Denied(String),
    /// Too many questions.
    Throttled(String),
    /// No answer: name not resolved, refused, reset, timed out. Whether the question arrived cannot be told.
    Unreachable(String),
    /// An answer that makes no sense, or an error of the service itself.
    Nonsense(String),
    /// An answer of the service with its own code.
    Service {
        /// The error's code, for example `ValidationException`.
        code: String,
        /// The service's words; the code itself where it had none.
        message: String,
    },
}

impl Trouble {
    /// Sorts the error of any operation of any service.
    #[must_use]
    pub fn sort<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match error {
            SdkError::ServiceError(service) => {
                let answer = service.err();
                let status = service.raw().status().as_u16();
                let Some(code) = answer.code().filter(|code| !code.is_empty()) else {
                    return nonsense(status, service.raw());
                };
                by_code(code, status, detail(answer.message().unwrap_or(code)))
            }
            SdkError::ResponseError(response) => {
                nonsense(response.raw().status().as_u16(), response.raw())
            }
            SdkError::TimeoutError(_) => Self::Unreachable("no answer in time".to_owned()),
            SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => unsent(error),
            // SdkError is non-exhaustive; whatever it may add was not an answer.
            _ => Self::Nonsense(detail(&chain(error))),
        }
    }
}

/// A service's code and message as one text; the message alone where it only repeats the code.
#[must_use]
pub fn words(code: &str, message: &str) -> String {
    if message == code {
        message.to_owned()
    } else {
        format!("{code}: {message}")
    }
}

fn by_code(code: &str, status: u16, message: String) -> Trouble {
    match code {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "ProvisionedThroughputExceededException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "RequestLimitExceeded"
        | "SlowDown" => Trouble::Throttled(words(code, &message)),
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => {
            Trouble::Expired(words(code, &message))
        }
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "NotAuthorized"
        | "AuthFailure"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "OptInRequired"
        | "RequestExpired"
        | "InvalidAccessKeyId" => Trouble::Denied(words(code, &message)),
        _ if status >= 500 => Trouble::Nonsense(words(code, &message)),
        _ => Trouble::Service {
            code: code.to_owned(),
            message,
        },
    }
}

fn nonsense(status: u16, raw: &HttpResponse) -> Trouble {
    let body = raw
        .body()
        .bytes()
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .unwrap_or_default();
    let body = detail(&body);
    let shown = if body.is_empty() {
        "an empty body".to_owned()
    } else {
        format!("{body:?}")
    };
    Trouble::Nonsense(format!("HTTP {status} with {shown}"))
}

fn unsent(error: &(dyn Error + 'static)) -> Trouble {
    let mut cause = Some(error);
    while let Some(link) = cause {
        if let Some(credentials) = link.downcast_ref::<CredentialsError>() {
            return credentials_error(credentials);
        }
        cause = link.source();
    }
    let said = detail(&chain(error));
    // The SDK has no type for it, and shows the whole request.
    if said.contains("failed to apply endpoint") {
        return Trouble::Settings(
            "its endpoint is no address that begins with http:// or https:// (AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_CLOUDFORMATION, \
             AWS_ENDPOINT_URL_DYNAMODB, or endpoint_url of the profile)"
                .to_owned(),
        );
    }
    if said.contains("endpoint params could not be built")
        || said.contains("invalid value for field: region")
    {
        return Trouble::Settings(
            "the region is none: letters, digits and hyphens, as in us-east-1 (AWS_REGION, or the region of the profile)"
                .to_owned(),
        );
    }
    Trouble::Unreachable(said)
}

fn credentials_error(error: &CredentialsError) -> Trouble {
    let text = detail(&chain(error));
    // A web identity or SSO session that has ended says so in words only.
    let lower = text.to_lowercase();
    if lower.contains("expired") {
        return Trouble::Expired(text);
    }
    match error {
        CredentialsError::ProviderTimedOut(_) => Trouble::Unreachable(text),
        // The SDK lists every provider it tried, which fills a screen and helps nobody.
        CredentialsError::CredentialsNotLoaded(_) => Trouble::NoCredentials(
            "environment, profile, web identity, container and instance metadata have none"
                .to_owned(),
        ),
        CredentialsError::InvalidConfiguration(_) => Trouble::Settings(text),
        _ => Trouble::NoCredentials(text),
    }
}

/// The innermost causes say what happened; the outer ones repeat "dispatch failure".
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut cause = Some(error);
    while let Some(link) = cause {
        let text = link.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        cause = link.source();
    }
    parts.split_off(parts.len().saturating_sub(2)).join(": ")
}

fn detail(text: &str) -> String {
    shorten(&one_line(text), 300)
}
