//! The AWS SDK plumbing: clients, TLS, connections opened during Init, deadlines of calls, and the names of errors.

pub mod clients;
pub(crate) mod deadline;
pub(crate) mod error;
mod http_client;
mod tls;
pub(crate) mod warm_up;
