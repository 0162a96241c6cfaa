//! What can go wrong, under the names that a state machine's `ErrorEquals` and a record's `CheckError` use.

use std::{error::Error as StdError, fmt};

use lambda_runtime::Diagnostic;

use crate::import::CheckError;

type Source = Box<dyn StdError + Send + Sync>;

/// The most characters of a `Cause`.
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

/// A call to a service that did not work out.
#[derive(Debug, thiserror::Error)]
#[error("{service}.{code}: {cause}")]
pub struct CallError {
    /// Whom the call was for.
    pub service: Service,
    /// The code on the wire (without a namespace before `#`), or `Timeout`, `Unreachable`, `BadResponse`.
    pub code: String,
    /// The service's words, or the chain of what went wrong on the way.
    pub cause: String,
    /// The SDK's error, where there is one.
    pub source: Option<Source>,
}

impl CallError {
    /// No answer came before the invocation's time was up.
    #[must_use]
    pub fn timeout(service: Service, cause: impl Into<String>) -> Self {
        Self { service, code: "Timeout".to_owned(), cause: cause.into(), source: None }
    }

    /// An answer came and made no sense.
    #[must_use]
    pub fn bad_response(service: Service, cause: impl Into<String>) -> Self {
        Self { service, code: "BadResponse".to_owned(), cause: cause.into(), source: None }
    }

    /// The same for another record that the same call was for; the source stays with the first.
    #[must_use]
    pub fn again(&self) -> Self {
        Self { service: self.service, code: self.code.clone(), cause: self.cause.clone(), source: None }
    }

    /// As `errorType` and `CheckError.Error` spell it.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{}", self.service, self.code)
    }

    /// The cause, at most 300 characters.
    #[must_use]
    pub fn cause(&self) -> &str {
        self.cause.char_indices().nth(MAX_CAUSE_CHARS).map_or(&self.cause, |(end, _)| &self.cause[..end])
    }

    /// As a record tells it.
    #[must_use]
    pub fn to_check_error(&self) -> CheckError {
        CheckError { error: self.name(), cause: self.cause().to_owned() }
    }
}

/// Why an invocation fails: only where it could do nothing useful.
#[derive(thiserror::Error)]
pub enum Error {
    /// The event is malformed; the text names every offending place.
    #[error("{0}")]
    InvalidEvent(String),
    /// Not one call of a kind that was needed worked out; this is the first record's.
    #[error("{}", .0.cause())]
    Call(#[source] CallError),
    /// The time ran out before anything was checked.
    #[error(
        "the time ran out before anything was checked: give the function a longer timeout, or fewer imports at a time"
    )]
    Deadline,
    /// An environment variable is missing or malformed.
    #[error("{0}")]
    InvalidConfiguration(String),
    /// A defect: a panic was caught; the text says where.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// The `errorType`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::InvalidEvent(_) => "InvalidEvent".to_owned(),
            Self::Call(call) => call.name(),
            Self::Deadline => "Deadline".to_owned(),
            Self::InvalidConfiguration(_) => "InvalidConfiguration".to_owned(),
            Self::Internal(_) => "Internal".to_owned(),
        }
    }
}

/// One safe line: `lambda_runtime` logs a failed invocation by the `Debug` of its error.
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
