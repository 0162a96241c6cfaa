//! The HTTP/1.1 server that every simulated service runs on, and the requests and replies it handles.

mod body;
mod ending;
mod reply;
mod server;

use ::http::{HeaderMap, Method, header::CONTENT_TYPE};
use bytes::Bytes;

pub use self::ending::Ending;
pub use self::reply::{Fault, Reply};
pub(crate) use self::reply::{escape, pause};
pub use self::server::Server;

/// A request whose body has been read completely.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path, including the query string if there is one.
    pub path: String,
    /// The headers as sent.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The number of the connection over which it came, from 1 on.
    pub connection: usize,
}

impl Request {
    /// The AWS operation that this request calls: the part of `X-Amz-Target` after the dot (AWS JSON protocol) or the
    /// form field `Action` (AWS Query protocol). Empty for any other request.
    #[must_use]
    pub fn operation(&self) -> String {
        if let Some(target) = self.header("x-amz-target") {
            return target.rsplit('.').next().unwrap_or_default().to_owned();
        }
        if !self.header(CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
        {
            return String::new();
        }
        form_urlencoded::parse(&self.body)
            .find(|(key, _)| key == "Action")
            .map(|(_, action)| action.into_owned())
            .unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(name: &'static str, value: &'static str, body: &'static str) -> Request {
        let mut headers = HeaderMap::new();
        headers.insert(name, ::http::HeaderValue::from_static(value));
        let body = Bytes::from_static(body.as_bytes());
        Request { method: Method::POST, path: "/".into(), headers, body, connection: 1 }
    }

    #[test]
    fn reads_the_operation_in_both_protocols() {
        assert_eq!(request("x-amz-target", "DynamoDB_20120810.GetItem", "{}").operation(), "GetItem");
        let form = request("content-type", "application/x-www-form-urlencoded", "Version=1&Action=PublishBatch");
        assert_eq!(form.operation(), "PublishBatch");
        assert_eq!(request("content-type", "text/plain", "Action=PublishBatch").operation(), "");
    }
}
