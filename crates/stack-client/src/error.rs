//! Why a question failed, sorted by what the caller does next.

use std::error::Error;

use aws_http::{Trouble, words};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use registry_core::stack::StackError;

/// A failed question; a stack that does not exist is told apart, since that is an answer.
pub(crate) enum Failure {
    NoSuchStack,
    Error(StackError),
}

pub(crate) fn classify<E>(action: &str, error: &SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let action = action.to_owned();
    Failure::Error(match Trouble::sort(error) {
        Trouble::Settings(detail) => StackError::Settings { detail },
        Trouble::NoCredentials(detail) => StackError::NoCredentials { detail },
        Trouble::Expired(detail) => StackError::Expired { detail },
        Trouble::Denied(detail) => StackError::Denied { action, detail },
        Trouble::Throttled(detail) => StackError::Throttled { action, detail },
        Trouble::Unreachable(detail) => StackError::Unreachable { detail },
        Trouble::Nonsense(detail) => StackError::Nonsense { detail },
        Trouble::Service { code, message } if is_missing_stack(&code, &message) => {
            return Failure::NoSuchStack;
        }
        Trouble::Service { code, message } => StackError::Invalid {
            detail: words(&code, &message),
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
