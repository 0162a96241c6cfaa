//! Simulates the services that the function talks to, on loopback: Amazon `WorkSpaces` (image imports only), an SNS
//! topic that records what its subscribers receive, and the Lambda Runtime API. A proxy in front of a real endpoint
//! adds faults to services that are not simulated. A control group limits the function's CPU time as Lambda does.
//!
//! The simulation happens at the HTTP level, so tests run the unchanged binary with the unchanged AWS SDK. Every server
//! binds `127.0.0.1` on a free port and stops when its last handle is dropped. If a caller disconnects, the server
//! drops the call, so a call that timed out has no late effects.

pub mod http;
pub mod tls;

pub mod service;

pub mod proxy;
pub mod quota;
pub mod runtime_api;
pub mod sns;
pub mod workspaces;

#[cfg(test)]
mod testing;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use self::http::{Ending, Fault, Reply, Request, Server};
pub use self::proxy::{Act, Proxy};
pub use self::quota::Quota;
pub use self::runtime_api::{FunctionError, Invocation, RuntimeApi};
pub use self::service::{FakeService, Handle};
pub use self::sns::{Published, Sns, SnsAnswer};
pub use self::tls::Tls;
pub use self::workspaces::{Answer, Call, DescriptionBody, ListCall, STATES, WorkSpaces, description};

/// Locks a mutex, even if a test panicked while it held the lock: the data is valid after every single write.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
