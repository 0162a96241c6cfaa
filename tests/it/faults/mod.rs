//! The function while WorkSpaces, SNS or DynamoDB fail: proxies in front of the services inject faults into single
//! calls.
//!
//! - `table`: all faults and the expected results; read this first
//! - `cell`: what the test does, and what must hold, for one fault on one call
//! - `one_of_two`: faults that hit the call of only one of two imports
//! - `clock`: services whose clock is hours ahead of the function's
//! - `credentials`: credentials that expire, and a source of credentials that fails
//! - `services`, `report`: the services around the function, and the results as Markdown tables
//!
//! `cargo test --locked --test it faults:: -- --nocapture` prints the tables.

mod cell;
mod clock;
mod credentials;
mod one_of_two;
mod report;
mod services;
mod table;
