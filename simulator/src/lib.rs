//! What the function talks to, on loopback: Amazon `WorkSpaces`' image imports, an SNS topic that shows what its
//! subscribers receive, the Lambda Runtime API, and a proxy that makes a real endpoint fail.
//!
//! Everything stands in on the wire, so that the unchanged binary and the unchanged SDK are what is tested. Every
//! server binds `127.0.0.1` on a port of the system's choosing and stops when its last handle is dropped; a dropped
//! caller drops its call too, so a call that timed out never takes effect later.

pub mod fault;
pub mod http;
mod lock;
mod pause;
pub mod proxy;
pub mod runtime_api;
pub mod sns;
pub mod tls;
pub mod workspaces;

#[cfg(test)]
mod testing;

pub use self::fault::Fault;
pub use self::http::{Reply, Request, Server};
pub use self::proxy::{Act, Proxy};
pub use self::runtime_api::{FunctionError, Invocation, RuntimeApi};
pub use self::sns::{Published, Sns, SnsAnswer};
pub use self::tls::Tls;
pub use self::workspaces::{Answer, Call, DescriptionBody, STATES, WorkSpaces, description};
