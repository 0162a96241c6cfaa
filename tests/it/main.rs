//! Integration tests of the built function.
//!
//! Most tests start the bootstrap binary with a simulated Lambda Runtime API and simulated or emulated AWS services,
//! send it events, and look at its responses, its calls and its log. `support` has the helpers that the modules share.
//!
//! | modules | what they test |
//! |---|---|
//! | `events`, `bad_input` | what arrives, and what the function says about malformed input |
//! | `responses`, `descriptions`, `schemas` | what the function returns |
//! | `transitions`, `announcements`, `subscribers` | what it announces, and what subscribers receive |
//! | `ledger` | the DynamoDB table |
//! | `discovery` | imports that no event names |
//! | `names`, `self_test` | the names of images, and the self-test |
//! | `errors`, `configuration`, `logs` | errors, environment variables, output |
//! | `connections`, `concurrency`, `release` | Init, calls at the same time, the release binary |
//! | `properties`, `fuzzed`, `simulation` | random input, random courses of events |
//! | `faults`, `frozen`, `crashes`, `histories`, `load` | failing services, lost connections, kills, load |
//!
//! `cargo test --locked --test it` runs all of them; `cargo test --locked --test it events::` runs one module. The
//! emulators need `.venv`, which `make setup` creates. Set `BOOTSTRAP` to the path of another binary to test that one.

mod support;

mod announcements;
mod architecture;
mod bad_input;
mod concurrency;
mod configuration;
mod connections;
mod crashes;
mod descriptions;
mod discovery;
mod errors;
mod events;
mod faults;
mod frozen;
mod fuzzed;
mod histories;
mod last_seen;
mod ledger;
mod load;
mod logs;
mod names;
mod properties;
mod release;
mod responses;
mod schemas;
mod self_test;
mod simulation;
mod subscribers;
mod transitions;
