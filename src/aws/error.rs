//! Maps the SDK's errors to the names of the contract.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::{
    interceptors::context::Error, orchestrator::OrchestratorError, result::ConnectorError,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::error::{CallError, Service};

/// The longest error code that is accepted, in bytes. The longest code of the services has less than half as many.
const MAX_CODE_BYTES: usize = 128;

/// Parts of the codes that the services use for errors that pass by themselves, in many variants: `KMSThrottling`,
/// `ThrottledException`, `InternalServerError`, `RequestTimeoutException`.
const TRANSIENT_PARTS: [&str; 5] = ["Throttl", "Internal", "ServiceUnavailable", "RequestTimeout", "TooManyRequests"];

/// The other codes of errors that pass by themselves. Sources: the errors that the SDK's models list for the operations
/// that this function calls, the [common errors] of AWS, the [errors of DynamoDB][dynamodb], and the codes that the SDK
/// retries. Every other code of these sources tells of something that a person has to change.
///
/// [common errors]: https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html
/// [dynamodb]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
const TRANSIENT_CODES: [&str; 17] = [
    // Too many calls.
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "SlowDown",
    // Others write at the same time.
    "ConcurrentAccess",
    "ReplicatedWriteConflictException",
    "TransactionConflictException",
    "TransactionInProgressException",
    // The service gave up the request.
    "RequestAbortedException",
    // The credentials have expired. The next execution environment gets new ones.
    "ExpiredToken",
    "ExpiredTokenException",
    // The request was signed at the wrong time. The SDK signs the next one at the service's time.
    "InvalidSignatureException",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
];

/// Names the error of one attempt of a call, which got a response with this HTTP status or none: the service's error
/// code if it sent one, otherwise `Timeout`, `Unreachable` (no server was reached) or `BadResponse` (the response could
/// not be understood).
pub(super) fn attempt_error<E>(service: Service, error: &OrchestratorError<Error>, status: Option<u16>) -> CallError
where
    E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
{
    if let Some(error) = error.as_operation_error().and_then(|error| error.downcast_ref::<E>()) {
        return service_error(service, error, status.unwrap_or_default());
    }
    let timed_out = error.is_timeout_error() || error.as_connector_error().is_some_and(ConnectorError::is_timeout);
    let responded = error.is_response_error() || status.is_some();
    // The text of the outermost error only names its kind.
    let cause = error.source().unwrap_or(error);
    let code = if is_not_http(cause) {
        "BadResponse"
    } else if timed_out {
        "Timeout"
    } else if responded {
        "BadResponse"
    } else {
        "Unreachable"
    };
    let message = match status {
        Some(status) if code == "BadResponse" => unintelligible(status, cause),
        _ => text(cause),
    };
    let transient = match error.as_connector_error() {
        Some(connector) => !connector.is_user(),
        None => responded || timed_out || may_get_credentials(cause),
    };
    CallError { service, code: code.to_owned(), message, transient }
}

/// Names the error of a call whose request could not be built.
pub(super) fn unreachable(service: Service, error: &(dyn StdError + 'static)) -> CallError {
    let code = if is_not_http(error) { "BadResponse" } else { "Unreachable" };
    CallError { service, code: code.to_owned(), message: text(error), transient: false }
}

/// Whether this is the error of a source of credentials that may work later. If no source is configured, none will.
fn may_get_credentials(error: &(dyn StdError + 'static)) -> bool {
    let error = chain(error).find_map(|error| error.downcast_ref::<CredentialsError>());
    error.is_some_and(|error| {
        !matches!(error, CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_))
    })
}

/// What to say about a response that is not the service's, for example the page of a gateway.
fn unintelligible(status: u16, error: &(dyn StdError + 'static)) -> String {
    format!("HTTP status {status}, and the body could not be understood: {}", text(error))
}

/// The error that the service itself reported with this HTTP status.
fn service_error<E>(service: Service, error: &E, status: u16) -> CallError
where
    E: StdError + ProvideErrorMetadata + 'static,
{
    let code = error.code().and_then(wire_code).unwrap_or("BadResponse").to_owned();
    let message = match error.message() {
        Some(message) if !message.is_empty() => message.to_owned(),
        _ if code == "BadResponse" => unintelligible(status, error),
        _ => text(error),
    };
    CallError { service, transient: is_transient(&code, status), code, message }
}

/// Whether an error that a service reports may pass by itself. `BadResponse` stands for a code that is missing.
pub(super) fn is_transient(code: &str, status: u16) -> bool {
    status >= 500
        || status == 429
        || code == "BadResponse"
        || TRANSIENT_CODES.contains(&code)
        || TRANSIENT_PARTS.iter().any(|part| code.contains(part))
}

/// Whether a server answered with something other than HTTP.
fn is_not_http(error: &(dyn StdError + 'static)) -> bool {
    chain(error).filter_map(|error| error.downcast_ref::<hyper::Error>()).any(hyper::Error::is_parse)
}

/// The code without the namespace before `#` and without what some services append after `:`. Returns `None` if the
/// rest is not a name, because no state machine could match it.
pub(super) fn wire_code(code: &str) -> Option<&str> {
    let code = code.rsplit_once('#').map_or(code, |(_, code)| code);
    let code = code.split_once(':').map_or(code, |(code, _)| code);
    let is_name = (1..=MAX_CODE_BYTES).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    is_name.then_some(code)
}

/// The texts of an error and its sources.
fn text(error: &(dyn StdError + 'static)) -> String {
    chain(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// An error and its sources, outermost first.
pub(super) fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_is_removed() {
        for (code, name) in [
            ("com.amazonaws.workspaces#ThrottlingException", "ThrottlingException"),
            ("ThrottlingException:http://internal.amazon.com/", "ThrottlingException"),
            ("KMSThrottling", "KMSThrottling"),
            ("AWS.SimpleQueueService.NonExistentQueue", "AWS.SimpleQueueService.NonExistentQueue"),
        ] {
            assert_eq!(wire_code(code), Some(name));
        }
    }

    #[test]
    fn a_code_that_is_not_a_name_is_rejected() {
        for code in ["", "a#", ":x", "two words", "line\nbreak", "é", &"x".repeat(MAX_CODE_BYTES + 1)] {
            assert_eq!(wire_code(code), None, "{code:?}");
        }
    }
}
