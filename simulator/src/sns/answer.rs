//! What a `PublishBatch` call gets.

use std::time::Duration;

use crate::{fault::Fault, http::Reply};

/// An answer to `PublishBatch`. What SNS itself would refuse is refused, whatever was scripted to be taken.
#[derive(Clone, Debug)]
pub enum SnsAnswer {
    /// Every entry is published.
    Take,
    /// These entries fail (index in the batch, code, message); the others are published.
    FailEntries(Vec<(usize, String, String)>),
    /// The whole call fails.
    Error {
        /// The HTTP status.
        status: u16,
        /// The code.
        code: String,
        /// The message.
        message: String,
    },
    /// Nothing is published and there is no proper response.
    Fault(Fault),
    /// Every entry is published, and there is no proper response.
    TakeThen(Fault),
    /// The same, later; nothing is published before, nor at all if the caller has left by then.
    After(Duration, Box<SnsAnswer>),
    /// Nothing is published; anything else comes back.
    Raw(Reply),
}
