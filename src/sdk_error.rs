//! From what the SDK reports to the names of the contract.

use std::error::Error as StdError;

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::error::{CallError, Service};

/// No code that the services have is half as long.
const MAX_CODE_BYTES: usize = 128;

/// Names what went wrong with a call: the code on the wire where the service answered with one, else `Timeout`,
/// `Unreachable` (it reached nobody) or `BadResponse` (the answer made no sense).
pub(crate) fn call_error<E>(service: Service, error: SdkError<E, HttpResponse>) -> CallError
where
    E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
{
    let code = match &error {
        SdkError::TimeoutError(_) => "Timeout",
        SdkError::DispatchFailure(failure) if failure.is_timeout() => "Timeout",
        SdkError::ServiceError(context) => context.err().code().and_then(wire_code).unwrap_or("BadResponse"),
        SdkError::ResponseError(_) if timed_out(&error) => "Timeout",
        SdkError::ResponseError(_) => "BadResponse",
        _ => "Unreachable",
    }
    .to_owned();
    let cause = match &error {
        SdkError::ServiceError(context) if context.err().message().is_some_and(|message| !message.is_empty()) => {
            context.err().message().unwrap_or_default().to_owned()
        }
        _ => chain(&error).map(ToString::to_string).collect::<Vec<_>>().join(": "),
    };
    CallError { service, code, cause, source: Some(Box::new(error)) }
}

/// What the service itself said in answer to a call, where it gave a code.
pub(crate) fn answered_error(service: Service, error: &impl ProvideErrorMetadata) -> Option<CallError> {
    let cause = error.message().unwrap_or_default().to_owned();
    Some(CallError { service, code: wire_code(error.code()?)?.to_owned(), cause, source: None })
}

/// The code without a namespace before `#`, nor what some services append after `:`; `None` for what is no name, which
/// no state machine could match.
pub(crate) fn wire_code(code: &str) -> Option<&str> {
    let code = code.rsplit_once('#').map_or(code, |(_, code)| code);
    let code = code.split_once(':').map_or(code, |(code, _)| code);
    let is_name = (1..=MAX_CODE_BYTES).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    is_name.then_some(code)
}

/// A body that comes too slowly is reported as a response that could not be read.
fn timed_out(error: &(dyn StdError + 'static)) -> bool {
    let signs = ["timeout", "timed out", "minimum throughput"];
    chain(error).map(ToString::to_string).any(|text| signs.iter().any(|sign| text.contains(sign)))
}

/// An error and what it came from, outermost first.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_goes() {
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
    fn what_is_no_name_is_no_code() {
        for code in ["", "a#", ":x", "two words", "line\nbreak", "é", &"x".repeat(MAX_CODE_BYTES + 1)] {
            assert_eq!(wire_code(code), None, "{code:?}");
        }
    }
}
