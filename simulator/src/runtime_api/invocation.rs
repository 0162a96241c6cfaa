//! What became of an invocation.

use std::time::Duration;

use serde_json::Value;

/// One invocation that was answered.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Its id, as the function saw it.
    pub request_id: String,
    /// The body as it was posted, or the error.
    pub result: Result<String, FunctionError>,
    /// From handing it out to its answer.
    pub took: Duration,
}

/// An error that the function answered with.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionError {
    /// `errorType`: what a state machine's `ErrorEquals` names.
    pub error_type: String,
    /// `errorMessage`.
    pub message: String,
    /// The body as it was posted.
    pub raw: String,
}

impl FunctionError {
    /// Reads what a runtime posts; a member that is not there stays empty.
    pub(super) fn parse(raw: String) -> Self {
        let body: Value = serde_json::from_str(&raw).unwrap_or_default();
        let text = |name| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { error_type: text("errorType"), message: text("errorMessage"), raw }
    }
}
