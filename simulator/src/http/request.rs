//! What came in.

use ::http::{HeaderMap, Method, header::CONTENT_TYPE};
use bytes::Bytes;

/// A request, read to its end.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path, with its query where there is one.
    pub path: String,
    /// The headers as they were sent.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Request {
    /// The AWS operation that this calls: the part of `X-Amz-Target` after the dot (AWS JSON), or the `Action` of a
    /// form (AWS Query); empty where it is neither.
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
        Request { method: Method::POST, path: "/".into(), headers, body: Bytes::from_static(body.as_bytes()) }
    }

    #[test]
    fn names_the_operation_of_both_protocols() {
        assert_eq!(request("x-amz-target", "DynamoDB_20120810.GetItem", "{}").operation(), "GetItem");
        let form = request("content-type", "application/x-www-form-urlencoded", "Version=1&Action=PublishBatch");
        assert_eq!(form.operation(), "PublishBatch");
        assert_eq!(request("content-type", "text/plain", "Action=PublishBatch").operation(), "");
    }
}
