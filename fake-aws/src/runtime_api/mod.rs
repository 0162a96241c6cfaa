//! The [Lambda Runtime API], version 2018-06-01, for one custom runtime.
//!
//! [Lambda Runtime API]: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html

mod queue;

use std::{
    io,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ::http::Method;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::{sync::oneshot, time::timeout};

use self::queue::{Queue, Waiting};
use crate::{
    http::{Reply, Request},
    lock,
    service::{FakeService, Handle},
};

/// How long a function may take to ask for its first invocation. Lambda allows 10 seconds for the Init phase:
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>. This leaves room for a slow machine.
const INIT: Duration = Duration::from_secs(15);

/// How long an invocation may run past its deadline before [`invoke`](RuntimeApi::invoke) gives up. Lambda would stop
/// the sandbox at the deadline; here the test fails.
const GRACE: Duration = Duration::from_secs(5);

/// The maximum size of a response in bytes. The documented quota is 6 MB:
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>. The exact number is the one in Lambda's
/// error message.
const MAX_RESPONSE: usize = 6_291_556;

/// Sends invocations to a function and returns its responses. The function may take several at once.
pub type RuntimeApi = FakeService<Backend>;

/// The answer to an invocation.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The request ID, as the function received it.
    pub request_id: String,
    /// The response body as posted, or the error.
    pub result: Result<String, FunctionError>,
    /// The time from sending the invocation to the function until its answer.
    pub took: Duration,
}

/// An error that the function returned.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionError {
    /// `errorType`, which `ErrorEquals` in a state machine matches.
    pub error_type: String,
    /// `errorMessage`.
    pub message: String,
    /// The body as posted.
    pub raw: String,
}

/// The invocations and the errors of the Init phase.
#[derive(Debug, Default)]
pub struct Backend {
    queue: Queue,
    init_errors: Mutex<Vec<Value>>,
    invocations: AtomicU64,
}

impl RuntimeApi {
    /// `127.0.0.1:PORT`, for `AWS_LAMBDA_RUNTIME_API`.
    #[must_use]
    pub fn address(&self) -> String {
        self.server().addr().to_string()
    }

    /// Invokes the function and waits for its answer. The deadline is `timeout` after the function receives the
    /// invocation.
    ///
    /// # Errors
    /// `TimedOut` if the function does not ask for the invocation within 15 seconds, or does not answer until 5 seconds
    /// after the deadline.
    pub async fn invoke(&self, payload: impl Into<Bytes>, timeout: Duration) -> io::Result<Invocation> {
        let number = self.backend.invocations.fetch_add(1, Ordering::Relaxed) + 1;
        let request_id = format!("00000000-0000-4000-8000-{number:012x}");
        let (start_sender, start) = oneshot::channel();
        let (result_sender, result) = oneshot::channel();
        self.backend.queue.add(Waiting {
            request_id: request_id.clone(),
            payload: payload.into(),
            timeout,
            started: Some(start_sender),
            result: Some(result_sender),
        });
        let started = within(INIT, start, "the function did not ask for the invocation").await?;
        let result = within(timeout + GRACE, result, "the function did not answer by its deadline").await?;
        Ok(Invocation { request_id, result, took: started.elapsed() })
    }

    /// Waits until the function asks for its first invocation, which ends its Init phase.
    pub async fn ready(&self) {
        self.backend.queue.asked().await;
    }

    /// Every error posted to `init/error`.
    #[must_use]
    pub fn init_errors(&self) -> Vec<Value> {
        lock(&self.backend.init_errors).clone()
    }
}

impl FunctionError {
    /// Parses the body that a runtime posts. A missing member becomes an empty string.
    fn parse(raw: String) -> Self {
        let body: Value = serde_json::from_str(&raw).unwrap_or_default();
        let text = |name| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { error_type: text("errorType"), message: text("errorMessage"), raw }
    }

    /// The error that replaces a response larger than [`MAX_RESPONSE`].
    fn response_too_large(bytes: usize) -> Self {
        let message = format!(
            "Response payload size ({bytes} bytes) exceeded maximum allowed payload size ({MAX_RESPONSE} bytes)."
        );
        let error_type = "Function.ResponseSizeTooLarge".to_owned();
        let raw = json!({"errorType": error_type, "errorMessage": message}).to_string();
        Self { error_type, message, raw }
    }
}

impl Handle for Backend {
    async fn handle(&self, request: Request) -> Reply {
        let path = request.path.strip_prefix("/2018-06-01/runtime/").unwrap_or_default();
        let segments: Vec<&str> = path.split('/').collect();
        match (&request.method, segments.as_slice()) {
            (&Method::GET, ["invocation", "next"]) => event(self.queue.next().await),
            (&Method::POST, ["invocation", id, "response"]) if request.body.len() > MAX_RESPONSE => {
                self.finish(id, Err(FunctionError::response_too_large(request.body.len())), 413)
            }
            (&Method::POST, ["invocation", id, "response"]) => self.finish(id, Ok(text(&request.body)), 202),
            (&Method::POST, ["invocation", id, "error"]) => {
                self.finish(id, Err(FunctionError::parse(text(&request.body))), 202)
            }
            (&Method::POST, ["init", "error"]) => {
                let error = serde_json::from_slice(&request.body).unwrap_or_else(|_| text(&request.body).into());
                lock(&self.init_errors).push(error);
                accepted(202)
            }
            _ => rejected(404, "InvalidPath"),
        }
    }
}

impl Backend {
    fn finish(&self, request_id: &str, result: Result<String, FunctionError>, status: u16) -> Reply {
        if self.queue.finish(request_id, result) { accepted(status) } else { rejected(400, "InvalidRequestID") }
    }
}

/// The reply to `invocation/next`.
fn event(waiting: Waiting) -> Reply {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", waiting.request_id),
        ("lambda-runtime-deadline-ms", (now + waiting.timeout).as_millis().to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-west-1:123456789012:function:workspaces-image-import".to_owned(),
        ),
        (
            "lambda-runtime-trace-id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0".to_owned(),
        ),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value)).into();
    Reply::Http { status: 200, headers, body: waiting.payload }
}

fn accepted(status: u16) -> Reply {
    Reply::json(status, &json!({"status": "OK"}))
}

fn rejected(status: u16, error_type: &str) -> Reply {
    Reply::json(status, &json!({"errorType": error_type, "errorMessage": "The Runtime API rejects this request."}))
}

fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

async fn within<T>(limit: Duration, receiver: oneshot::Receiver<T>, otherwise: &str) -> io::Result<T> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, otherwise);
    timeout(limit, receiver).await.map_err(|_| late())?.map_err(|_| late())
}

#[cfg(test)]
mod tests;
