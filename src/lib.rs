//! An AWS Lambda function that announces every state transition of Amazon WorkSpaces image imports that it sees, at
//! least once and under a stable ID.
//!
//! [`invocation`] handles one invocation: it reads the event, lets [`tracker::Tracker::check`] check the imports, and
//! returns the response. `Tracker::check` is the flow, from top to bottom. `docs/architecture.md` draws it, says what
//! each module may know, and why the two writes to the ledger are an outbox.

pub mod aws;
pub mod config;
pub mod error;
pub mod event;
pub mod import;
pub mod invocation;
pub mod message;
pub mod response;
pub mod schema;
pub mod self_test;
pub mod services;
mod telemetry;
pub mod time_budget;
pub mod tracker;

pub use self::invocation::serve;
