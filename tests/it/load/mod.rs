//! The function under load: many records in one event, many invocations in one process, a service that throttles.
//!
//! Every invocation's answer is checked against the contract's margin before the deadline (`Rig::try_invoke`); beyond
//! that nothing here asserts how fast anything is. `RECORDS` and `INVOCATIONS` make it last longer, as `make soak` does.

mod deadline;
mod process;
mod records;
mod table;
mod throttling;
mod ticks;

/// A number from the environment.
fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |value| value.parse().expect("a number"))
}
