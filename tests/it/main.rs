//! The function under test is the bootstrap binary, under a Runtime API of the tests' own: a module per section of
//! the contract, and what serves them all in `support`.

mod support;

mod announcements;
mod bad_input;
mod configuration;
mod connections;
mod crashes;
mod descriptions;
mod errors;
mod events;
mod faults;
mod fuzzed;
mod ledger;
mod load;
mod logs;
mod properties;
mod release;
mod responses;
mod schemas;
mod simulation;
mod subscribers;
mod transitions;
