//! Why a question to the table failed, and what the registry makes of it.

use std::error::Error;
use std::time::Duration;

use aws_http::words;
use aws_sdk_dynamodb::error::SdkError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use registry_core::clock::human_duration;
use registry_core::store::StoreError;

/// What went wrong, by what is done next.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Others are working, or too much was asked: try again.
    Contended,
    /// The write may or may not have been made: look.
    Unclear(StoreError),
    /// Nothing was done.
    Refused(StoreError),
    /// Nothing was done, since the credentials are none or no longer good.
    Credentials(StoreError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl Trouble {
    pub(crate) fn no_answer(limit: Duration) -> Self {
        Self::Unclear(StoreError::Unavailable(format!(
            "DynamoDB gave no answer within {}",
            human_duration(limit)
        )))
    }

    pub(crate) fn wants_new_credentials(&self) -> bool {
        matches!(self, Self::Credentials(_))
    }

    /// Sorts the error of `action` (the IAM action, as `dynamodb:PutItem`) on `table` in `region`.
    pub(crate) fn sort<E>(
        action: &str,
        table: &str,
        region: &str,
        error: &SdkError<E, HttpResponse>,
    ) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        use aws_http::Trouble as T;
        let unavailable = StoreError::Unavailable;
        match T::sort(error) {
            T::Settings(detail) => Self::Refused(StoreError::Wrong(format!(
                "the shared registry cannot be asked: {detail}"
            ))),
            T::NoCredentials(detail) => Self::Credentials(unavailable(format!(
                "no AWS credentials found for the shared registry: {detail} (set AWS_PROFILE or AWS_ACCESS_KEY_ID, or configure OIDC for the workflow)"
            ))),
            T::Expired(detail) => Self::Credentials(unavailable(format!(
                "the AWS credentials for the shared registry have expired: {detail} (renew them: sign in again, or shorten the job)"
            ))),
            T::Denied(detail) if detail.contains("scoped to a valid region") => {
                Self::Refused(StoreError::Wrong(format!(
                    "the region {region} is not the one that DynamoDB answers for: {detail} (set dynamodb://{table}?region=REGION)"
                )))
            }
            T::Denied(detail) => Self::Refused(unavailable(format!(
                "AWS denied {action} on the table {table}: {detail} (allow the action in the role's IAM policy)"
            ))),
            T::Throttled(_) => Self::Contended,
            T::Unreachable(detail) => Self::Unclear(unavailable(format!(
                "DynamoDB in {region} could not be reached: {detail} (see to the network, the region, and AWS_ENDPOINT_URL_DYNAMODB if it is set)"
            ))),
            T::Nonsense(detail) => Self::Unclear(unavailable(format!(
                "DynamoDB gave an answer that could not be used: {detail} (is a proxy between?)"
            ))),
            T::Service { code, message } => by_code(&code, &message, table, region),
        }
    }
}

// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
fn by_code(code: &str, message: &str, table: &str, region: &str) -> Trouble {
    Trouble::Refused(match code {
        "TransactionConflictException"
        | "ReplicatedWriteConflictException"
        | "TransactionInProgressException" => return Trouble::Contended,
        "ResourceNotFoundException" | "TableNotFoundException" => StoreError::Wrong(format!(
            "there is no table {table} in the region {region}: create it with 'deployment-coordinator init', or set REGISTRY_URL=dynamodb://TABLE?region=REGION to where it is"
        )),
        // Our own questions are always alike, so what the table does not take is the table's shape.
        "ValidationException" if speaks_of_keys(message) => StoreError::Wrong(format!(
            "the table {table} has other keys than pk and sk (text both), so it is no registry: create one with 'deployment-coordinator init' ({message})"
        )),
        _ => StoreError::Wrong(format!(
            "DynamoDB refused the request on the table {table} in {region}: {}",
            words(code, message)
        )),
    })
}

fn speaks_of_keys(message: &str) -> bool {
    let message = message.to_lowercase();
    message.contains("key")
}
