//! Errors, under the names that a state machine's `ErrorEquals` and a record's `CheckError` use.

use std::fmt;

use lambda_runtime::Diagnostic;

use crate::import::CheckError;

/// The maximum length of a `Cause`, in characters.
const MAX_CAUSE_CHARS: usize = 300;

/// The services that the function calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Amazon WorkSpaces.
    WorkSpaces,
    /// Amazon SNS.
    Sns,
    /// Amazon DynamoDB.
    DynamoDb,
}

impl fmt::Display for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::WorkSpaces => "WorkSpaces",
            Self::Sns => "Sns",
            Self::DynamoDb => "DynamoDb",
        })
    }
}

/// A failed call to a service.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{service}.{code}: {message}")]
pub struct CallError {
    /// The service that was called.
    pub service: Service,
    /// The service's error code without a namespace, or `Timeout`, `Unreachable` or `BadResponse`.
    pub code: String,
    /// The service's message, or the error and its sources if the service sent none.
    pub message: String,
    /// Whether the error may pass by itself: throttling, an outage, no answer, or one that could not be understood.
    pub transient: bool,
}

/// Why a call was not sent before its time ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// The deadline had already passed.
    NoTime,
    /// The SDK held the call back, because the service throttles others.
    HeldBack,
    /// The credentials did not arrive in time.
    NoCredentials,
}

impl CallError {
    /// There was no answer in time.
    #[must_use]
    pub fn timeout(service: Service, message: impl Into<String>) -> Self {
        Self { service, code: "Timeout".to_owned(), message: message.into(), transient: true }
    }

    /// The call was unanswered or unsent when its time ran out.
    #[must_use]
    pub fn late(service: Service) -> Self {
        Self::timeout(service, "the time for this call ran out")
    }

    /// The answer could not be understood.
    #[must_use]
    pub fn bad_response(service: Service, message: impl Into<String>) -> Self {
        Self { service, code: "BadResponse".to_owned(), message: message.into(), transient: true }
    }

    /// The name in `errorType` and `CheckError.Error`, such as `Sns.NotFound`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{}", self.service, self.code)
    }

    /// The message, shortened to the 300 characters of a `Cause`.
    #[must_use]
    pub fn cause(&self) -> &str {
        let end = self.message.char_indices().nth(MAX_CAUSE_CHARS).map_or(self.message.len(), |(end, _)| end);
        &self.message[..end]
    }

    /// The error as a record carries it.
    #[must_use]
    pub fn to_check_error(&self) -> CheckError {
        CheckError { error: self.name(), cause: self.cause().to_owned() }
    }
}

/// Why an invocation fails. It fails only if it could do nothing useful.
#[derive(Clone, thiserror::Error)]
pub enum Error {
    /// The event is malformed. The text names every offending place.
    #[error("{0}")]
    InvalidEvent(String),
    /// All calls of a required kind failed. This is the error of the first record.
    #[error("{}", .0.cause())]
    Call(#[source] CallError),
    /// The time ran out before anything was checked.
    #[error("the time ran out before any import was checked: {}", advice(*.0))]
    Deadline(NotSent),
    /// An environment variable is missing or malformed.
    #[error("{0}")]
    InvalidConfiguration(String),
    /// A defect: the function panicked. The text says where.
    #[error("{0}")]
    Internal(String),
}

/// What a user can do about calls that were not sent.
fn advice(why: NotSent) -> &'static str {
    match why {
        NotSent::NoTime => "raise the function's timeout or send fewer imports per event",
        NotSent::HeldBack => "WorkSpaces throttles the account's calls, so the SDK held them back; check less often",
        NotSent::NoCredentials => "the function got no credentials in time; check its execution role and its network",
    }
}

impl Error {
    /// The `errorType` of the invocation.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::InvalidEvent(_) => "InvalidEvent".to_owned(),
            Self::Call(call) => call.name(),
            Self::Deadline(_) => "Deadline".to_owned(),
            Self::InvalidConfiguration(_) => "InvalidConfiguration".to_owned(),
            Self::Internal(_) => "Internal".to_owned(),
        }
    }
}

/// A single line without sensitive data: `lambda_runtime` logs the `Debug` output of an invocation's error.
impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {self}", self.name())
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        Self { error_type: error.name(), error_message: error.to_string() }
    }
}
