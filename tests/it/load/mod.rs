//! The function under load: many records in one event, many invocations of one process, a fraction of a CPU, and a
//! service that throttles.
//!
//! Every response must leave the margin before the deadline ([`Rig::try_invoke`](crate::support::Rig::try_invoke)).
//! Apart from that, only `throttling` asserts speed: how the rate of calls changes. `make soak` runs larger tests on
//! the release binary:
//!
//! ```sh
//! cargo test --locked --test it load:: -- --nocapture    # prints tables with the measurements
//! RECORDS=10000 cargo test --locked --test it load::records:: -- --nocapture
//! INVOCATIONS=100000 cargo test --locked --test it load::ticks:: -- --nocapture
//! RECORDS=5000 cargo test --locked --test it load::quota:: -- --nocapture
//! ```

mod deadline;
mod margin;
mod process;
mod quota;
mod records;
mod throttling;
mod ticks;
