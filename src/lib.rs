//! An AWS Lambda function that announces every state transition of Amazon WorkSpaces image imports that it sees, at
//! least once and under a stable ID.
//!
//! # The flow
//!
//! ```text
//! event ─▶ discover ─▶ recall ─▶ describe ─▶ compare ─▶ record owed ─▶ announce ─▶ mark published ─▶ response
//!          workspaces  ledger    workspaces  import     ledger         announcement  ledger
//! ```
//!
//! [`Tracker::check`](tracker::Tracker::check) is this flow, from top to bottom. Its two ledger writes are an outbox: the function records what
//! it owes its subscribers before it publishes, and marks it as published afterwards. Whatever fails in between is
//! announced by the next check. Without a ledger, the record in the payload carries what is owed.
//!
//! # The modules, in reading order
//!
//! | module | subject |
//! |---|---|
//! | [`handler`] | one invocation: event in, response or named error out |
//! | [`event`] | reads events and reports every malformed place |
//! | [`import`] | the domain: image ID, state, description, record, transition, and the comparison |
//! | [`tracker`] | the flow, over four ports |
//! | [`ledger`] | the port for checkpoints, and its DynamoDB adapter |
//! | [`workspaces`] | the ports for descriptions and for the list of images, and their WorkSpaces adapter |
//! | [`found`] | what a search in the ledger or in the list of images has found |
//! | [`announcement`] | messages for subscribers, and the port for publishing with its SNS adapter |
//! | `remedies` | what error codes mean and what to do about them |
//! | [`response`] | the response |
//! | `truncate` | shortens descriptions to fit into responses and messages |
//! | [`schema`] | the JSON Schemas of events, responses and messages |
//! | [`error`] | errors and their names |
//! | [`config`] | the configuration from environment variables |
//! | [`time_budget`] | the deadlines of an invocation's steps |
//! | [`clock`] | the time of day, injected |
//! | [`logging`] | the log's format and level |
//! | `metrics` | CloudWatch metrics in the log |
//! | [`aws`] | SDK plumbing: clients, TLS, HTTP, warm-up, deadlines of calls, error names |
//!
//! The four ports are [`ListPendingImages`](workspaces::ListPendingImages),
//! [`DescribeImport`](workspaces::DescribeImport), [`Announce`](announcement::Announce) and
//! [`Ledger`](ledger::Ledger). Each call through them takes a deadline and returns by then.

pub mod announcement;
pub mod aws;
pub mod clock;
pub mod config;
pub mod error;
pub mod event;
pub mod found;
pub mod handler;
pub mod import;
pub mod ledger;
pub mod logging;
mod metrics;
mod remedies;
pub mod response;
pub mod schema;
pub mod time_budget;
pub mod tracker;
mod truncate;
pub mod workspaces;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::value::RawValue;

use crate::{
    announcement::Origin,
    aws::clients::Clients,
    clock::Clock,
    config::Config,
    error::Error,
    event::RawEvent,
    handler::{Handler, catch_panic},
    tracker::Tracker,
};

/// Handles invocations from the Lambda Runtime API until the process ends.
///
/// # Errors
/// If the Runtime API cannot be reached.
pub async fn run(config: Config, clients: Clients, clock: impl Clock) -> Result<(), lambda_runtime::Error> {
    let handler = Handler {
        max_response_bytes: config.max_response_bytes,
        tracker: Tracker {
            workspaces: clients.workspaces,
            topic: clients.topic,
            ledger: clients.ledger,
            clock,
            concurrency: config.concurrency,
            stall_after: config.stall_after,
            origin: Origin::new(clients.region),
            chat: config.chat,
            max_records: config.max_records(),
        },
    };
    lambda_runtime::run(service_fn(|event| catch_panic(handler.handle(event)))).await
}

/// Answers every invocation with the same configuration error. A process that exits instead would show users only an
/// exit code.
///
/// # Errors
/// If the Runtime API cannot be reached.
pub async fn refuse(error: Error) -> Result<(), lambda_runtime::Error> {
    let problem = error.to_string();
    tracing::error!(Error = error.name(), Cause = problem, "the configuration is invalid");
    let answer =
        |_: LambdaEvent<RawEvent>| async { Err::<Box<RawValue>, _>(Error::InvalidConfiguration(problem.clone())) };
    lambda_runtime::run(service_fn(answer)).await
}
