//! A plain HTTP client for the unit tests.

use std::error::Error;

use ::http::{HeaderMap, Method};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

pub(crate) type TestResult = Result<(), Box<dyn Error>>;

pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) async fn send(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Answered, Box<dyn Error>> {
    let mut request = ::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request.body(Full::new(body.into()))?).await?;
    let (parts, body) = response.into_parts();
    Ok(Answered { status: parts.status.as_u16(), headers: parts.headers, body: body.collect().await?.to_bytes() })
}

pub(crate) async fn post(
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Answered, Box<dyn Error>> {
    send(Method::POST, url, headers, body).await
}
