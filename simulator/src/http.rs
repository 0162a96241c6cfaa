//! One small HTTP/1.1 server with keep-alive, what it takes in and what it gives back.

mod body;
mod reply;
mod request;
mod server;

pub use self::reply::Reply;
pub(crate) use self::reply::escape;
pub use self::request::Request;
pub use self::server::Server;
