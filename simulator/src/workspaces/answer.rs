//! What a call for an image gets.

use std::time::Duration;

use serde_json::Value;

use super::DescriptionBody;
use crate::{fault::Fault, http::Reply};

/// An answer to `DescribeCustomWorkspaceImageImport`.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The response body, as it goes on the wire; see [`description`](super::description).
    Description(Value),
    /// 400 `ResourceNotFoundException`.
    NotFound,
    /// Any other error of the service.
    Error {
        /// The HTTP status.
        status: u16,
        /// The `__type`.
        code: String,
        /// The message.
        message: String,
    },
    /// No proper response.
    Fault(Fault),
    /// The same, later.
    After(Duration, Box<Answer>),
    /// Anything else.
    Raw(Reply),
}

impl Answer {
    pub(super) fn into_reply(self, image_id: &str) -> Reply {
        match self {
            Self::Description(body) => Reply::json(200, &body),
            Self::NotFound => {
                let message = format!("The image {image_id} could not be found.");
                Reply::aws_error(400, "ResourceNotFoundException", &message)
            }
            Self::Error { status, code, message } => Reply::aws_error(status, &code, &message),
            Self::Fault(fault) => Reply::Fault(fault),
            Self::After(delay, then) => Reply::After(delay, Box::new(then.into_reply(image_id))),
            Self::Raw(reply) => reply,
        }
    }
}

impl From<Value> for Answer {
    fn from(body: Value) -> Self {
        Self::Description(body)
    }
}

impl From<DescriptionBody> for Answer {
    fn from(body: DescriptionBody) -> Self {
        Self::Description(body.into())
    }
}

impl From<Fault> for Answer {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
