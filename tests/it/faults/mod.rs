//! Faults on the wire: the real binary between WorkSpaces, SNS and DynamoDB that fail it.
//!
//! - `table`: every fault, and what the invocation answers: read this first
//! - `cell`: what is done and what must hold for each fault on each call
//! - `one_of_two`: a fault that hits only one import's call
//! - `clock`: a service whose clock is hours away
//! - `credentials`: credentials that expire, and a source of them that fails
//! - `services`, `report`: what all of these run between, and the Markdown that they print
//!
//! `cargo test --locked --test it faults:: -- --nocapture` prints the tables.

mod cell;
mod clock;
mod credentials;
mod one_of_two;
mod report;
mod services;
mod table;
