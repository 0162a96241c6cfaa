//! An AWS Lambda function that tells of every state transition of Amazon WorkSpaces image imports, once.
//!
//! # The flow
//!
//! ```text
//! event ─▶ records ─▶ recall ─▶ describe ─▶ compare ─▶ owe ─▶ announce ─▶ settle ─▶ response
//!         event.rs    ledger    workspaces  import/    ledger  sns        ledger    response.rs
//! ```
//!
//! Every arrow is one function, and [`tracker::Tracker::check`] reads as the flow does. `compare` is
//! [`import::Record::check`]: pure, a record and an observation in, a record that owes what is due out. `owe` and
//! `settle` are the two halves of an outbox: what is due is recorded before it is published, and crossed off after.
//! With the payload as the only memory both are steps on the record in hand.
//!
//! Three narrow ports lead outside: [`workspaces::DescribeImport`], [`announcement::Announce`] and
//! [`ledger::Ledger`].

pub mod announcement;
pub mod clients;
pub mod clock;
pub mod config;
mod connection;
mod cut;
pub mod error;
pub mod event;
pub mod function;
mod http_client;
pub mod import;
mod in_time;
pub mod ledger;
pub mod logging;
mod metrics;
pub mod response;
pub mod schema;
mod sdk_error;
pub mod tracker;
mod trust;
pub mod workspaces;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::value::RawValue;

use crate::{
    clients::Clients,
    clock::Clock,
    config::Config,
    error::Error,
    event::Payload,
    function::{Function, caught},
    tracker::Tracker,
};

/// Answers invocations from the Lambda Runtime API for as long as there are any.
///
/// # Errors
/// Where the Runtime API cannot be reached.
pub async fn run(config: Config, clients: Clients, clock: impl Clock) -> Result<(), lambda_runtime::Error> {
    let function = Function {
        max_records: config.max_records(),
        max_response_bytes: config.max_response_bytes,
        tracker: Tracker {
            workspaces: clients.workspaces,
            topic: clients.topic,
            ledger: clients.ledger,
            clock,
            concurrency: config.concurrency,
            stall_after: config.stall_after,
            region: clients.region,
        },
    };
    lambda_runtime::run(service_fn(|event| caught(function.answer(event)))).await
}

/// Answers every invocation with the same configuration error: Lambda shows it where a failed start would show an
/// exit code.
///
/// # Errors
/// Where the Runtime API cannot be reached.
pub async fn refuse(error: Error) -> Result<(), lambda_runtime::Error> {
    let problem = error.to_string();
    tracing::error!(Error = error.name(), Cause = problem, "the configuration is invalid");
    let answer =
        |_: LambdaEvent<Payload>| async { Err::<Box<RawValue>, _>(Error::InvalidConfiguration(problem.clone())) };
    lambda_runtime::run(service_fn(answer)).await
}
