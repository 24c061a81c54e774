//! Why a question failed, sorted by what the caller does next.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use registry_core::stack::StackError;
use registry_core::text::{one_line, shorten};

/// A failed question; a stack that does not exist is told apart, since that is an answer.
pub(crate) enum Failure {
    NoSuchStack,
    Error(StackError),
}

pub(crate) fn classify<E>(action: &str, error: &SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    Failure::Error(match error {
        SdkError::ServiceError(service) => {
            let answer = service.err();
            let status = service.raw().status().as_u16();
            let Some(code) = answer.code().filter(|code| !code.is_empty()) else {
                return Failure::Error(nonsense(status, service.raw()));
            };
            let message = detail(answer.message().unwrap_or(code));
            if is_missing_stack(code, &message) {
                return Failure::NoSuchStack;
            }
            by_code(action, code, status, message)
        }
        SdkError::ResponseError(response) => {
            nonsense(response.raw().status().as_u16(), response.raw())
        }
        SdkError::TimeoutError(_) => StackError::Unreachable {
            detail: "no answer in time".to_owned(),
        },
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => unsent(error),
        // SdkError is non-exhaustive; whatever it may add was not an answer.
        _ => StackError::Nonsense {
            detail: detail(&chain(error)),
        },
    })
}

// CloudFormation has no code of its own for it: "Stack with id X does not exist" (DescribeStacks, ListStackResources),
// "Stack [X] does not exist" (DescribeStackEvents), both ValidationError.
fn is_missing_stack(code: &str, message: &str) -> bool {
    code == "ValidationError"
        && message.starts_with("Stack ")
        && message.ends_with("does not exist")
}

fn by_code(action: &str, code: &str, status: u16, message: String) -> StackError {
    let action = action.to_owned();
    let detail = if message == code {
        message
    } else {
        format!("{code}: {message}")
    };
    match code {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "RequestLimitExceeded"
        | "SlowDown" => StackError::Throttled { action, detail },
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => {
            StackError::Expired { detail }
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
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "OptInRequired"
        | "RequestExpired"
        | "InvalidAccessKeyId" => StackError::Denied { action, detail },
        _ if status >= 500 => StackError::Nonsense { detail },
        _ => StackError::Invalid { detail },
    }
}

fn nonsense(status: u16, raw: &HttpResponse) -> StackError {
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
    StackError::Nonsense {
        detail: format!("HTTP {status} with {shown}"),
    }
}

fn unsent(error: &(dyn Error + 'static)) -> StackError {
    let mut cause = Some(error);
    while let Some(link) = cause {
        if let Some(credentials) = link.downcast_ref::<CredentialsError>() {
            return credentials_error(credentials);
        }
        cause = link.source();
    }
    StackError::Unreachable {
        detail: detail(&chain(error)),
    }
}

fn credentials_error(error: &CredentialsError) -> StackError {
    let text = detail(&chain(error));
    // A web identity or SSO session that has ended says so in words only.
    let lower = text.to_lowercase();
    if lower.contains("expired") {
        return StackError::Expired { detail: text };
    }
    match error {
        CredentialsError::ProviderTimedOut(_) => StackError::Unreachable { detail: text },
        // The SDK lists every provider it tried, which fills a screen and helps nobody.
        CredentialsError::CredentialsNotLoaded(_) => StackError::NoCredentials {
            detail: "environment, profile, web identity, container and instance metadata have none"
                .to_owned(),
        },
        _ => StackError::NoCredentials { detail: text },
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
