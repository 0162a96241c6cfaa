//! Maps the SDK's errors to the names of the contract.

use std::error::Error as StdError;

use aws_smithy_runtime_api::client::{
    interceptors::context::Error, orchestrator::OrchestratorError, result::ConnectorError,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::error::{CallError, Service};

/// The longest error code that is accepted, in bytes. The longest code of the services has less than half as many.
const MAX_CODE_BYTES: usize = 128;

/// Names the error of one attempt of a call, which got a response with this HTTP status or none: the service's error code
/// if it sent one, otherwise `Timeout`, `Unreachable` (no server was reached) or `BadResponse` (the response could not be
/// understood).
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
    CallError { service, code: code.to_owned(), message: text(cause), transient: true }
}

/// Names the error of a call that got no response.
pub(super) fn unreachable(service: Service, error: &(dyn StdError + 'static)) -> CallError {
    let code = if is_not_http(error) { "BadResponse" } else { "Unreachable" };
    CallError { service, code: code.to_owned(), message: text(error), transient: true }
}

/// The error that the service itself reported with this HTTP status.
fn service_error<E>(service: Service, error: &E, status: u16) -> CallError
where
    E: StdError + ProvideErrorMetadata + 'static,
{
    let code = error.code().and_then(wire_code).unwrap_or("BadResponse").to_owned();
    let message = match error.message() {
        Some(message) if !message.is_empty() => message.to_owned(),
        _ => text(error),
    };
    CallError { service, transient: is_transient(&code, status), code, message }
}

/// Whether an error that a service reports may pass by itself: throttling, an outage, or a code that is missing.
pub(super) fn is_transient(code: &str, status: u16) -> bool {
    status >= 500 || status == 429 || code == "BadResponse" || is_throttling(code)
}

/// Whether a code means throttling. The services spell it in many ways, KMS behind a topic among them.
fn is_throttling(code: &str) -> bool {
    code.contains("Throttl")
        || matches!(
            code,
            "LimitExceededException"
                | "ProvisionedThroughputExceededException"
                | "RequestLimitExceeded"
                | "TooManyRequests"
                | "TooManyRequestsException"
        )
}

/// Whether a server answered with something other than HTTP.
fn is_not_http(error: &(dyn StdError + 'static)) -> bool {
    chain(error).filter_map(|error| error.downcast_ref::<hyper::Error>()).any(hyper::Error::is_parse)
}

/// The code without the namespace before `#` and without what some services append after `:`. Returns `None` if the rest
/// is not a name, because no state machine could match it.
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
