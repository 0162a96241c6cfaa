//! The Lambda Runtime API, version 2018-06-01, as Lambda serves it to a custom runtime.

mod desk;
mod invocation;

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ::http::Method;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::{sync::oneshot, time::timeout};

use self::desk::{Desk, Outcome};
pub use self::invocation::{FunctionError, Invocation};
use crate::{
    http::{Reply, Request, Server},
    lock::lock,
};

/// How long a function may take to ask for its first invocation: what Lambda gives Init, and then some.
const INIT: Duration = Duration::from_secs(15);
/// How long after its deadline an invocation is given up. Lambda kills the sandbox; here the test does.
const GRACE: Duration = Duration::from_secs(5);
/// The largest response that Lambda passes on.
const MAX_RESPONSE: usize = 6_291_556;

/// Hands invocations to one function (or to one that takes several at once) and its answers back.
#[derive(Clone, Debug)]
pub struct RuntimeApi {
    state: Arc<State>,
    server: Arc<Server>,
}

impl RuntimeApi {
    /// Starts; the function may be started after it.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> io::Result<Self> {
        let state =
            Arc::new(State { desk: Desk::new(), init_errors: Mutex::default(), invocations: AtomicU64::new(0) });
        let handler = {
            let state = Arc::clone(&state);
            move |request| Arc::clone(&state).answer(request)
        };
        Ok(Self { server: Arc::new(Server::start(handler, None).await?), state })
    }

    /// `127.0.0.1:PORT`, for `AWS_LAMBDA_RUNTIME_API`.
    #[must_use]
    pub fn address(&self) -> String {
        self.server.addr().to_string()
    }

    /// Makes one invocation and waits for its answer. Its deadline is `timeout` after it is handed out.
    ///
    /// # Errors
    /// `TimedOut` when the function does not ask for it within 15 s, or has not answered 5 s after the deadline.
    pub async fn invoke(&self, payload: impl Into<Bytes>, timeout: Duration) -> io::Result<Invocation> {
        let number = self.state.invocations.fetch_add(1, Ordering::Relaxed) + 1;
        let request_id = format!("00000000-0000-4000-8000-{number:012x}");
        let (started, starts) = oneshot::channel();
        let (answer, answers) = oneshot::channel();
        self.state.desk.add(Waiting {
            request_id: request_id.clone(),
            payload: payload.into(),
            timeout,
            started: Some(started),
            answer: Some(answer),
        });
        let started = within(INIT, starts, "the function did not ask for the invocation").await?;
        let result = within(timeout + GRACE, answers, "the function did not answer by its deadline").await?;
        Ok(Invocation { request_id, result, took: started.elapsed() })
    }

    /// Resolves when the function has asked for its first invocation: Init is over.
    pub async fn ready(&self) {
        self.state.desk.asked().await;
    }

    /// What was posted to `init/error`.
    #[must_use]
    pub fn init_errors(&self) -> Vec<Value> {
        lock(&self.state.init_errors).clone()
    }
}

async fn within<T>(limit: Duration, receiver: oneshot::Receiver<T>, otherwise: &str) -> io::Result<T> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, otherwise);
    timeout(limit, receiver).await.map_err(|_| late())?.map_err(|_| late())
}

/// An invocation that nobody has taken yet.
#[derive(Debug)]
struct Waiting {
    request_id: String,
    payload: Bytes,
    timeout: Duration,
    /// Tells the caller when it is handed out.
    started: Option<oneshot::Sender<Instant>>,
    answer: Option<oneshot::Sender<Outcome>>,
}

#[derive(Debug)]
struct State {
    desk: Desk,
    init_errors: Mutex<Vec<Value>>,
    invocations: AtomicU64,
}

impl State {
    async fn answer(self: Arc<Self>, request: Request) -> Reply {
        let path = request.path.strip_prefix("/2018-06-01/runtime/").unwrap_or_default();
        let steps: Vec<&str> = path.split('/').collect();
        match (&request.method, steps.as_slice()) {
            (&Method::GET, ["invocation", "next"]) => handed_out(self.desk.next().await),
            (&Method::POST, ["invocation", id, "response"]) if request.body.len() > MAX_RESPONSE => {
                self.settle(id, Err(too_large(request.body.len())), 413)
            }
            (&Method::POST, ["invocation", id, "response"]) => self.settle(id, Ok(text(&request.body)), 202),
            (&Method::POST, ["invocation", id, "error"]) => {
                self.settle(id, Err(FunctionError::parse(text(&request.body))), 202)
            }
            (&Method::POST, ["init", "error"]) => {
                let error = serde_json::from_slice(&request.body).unwrap_or_else(|_| text(&request.body).into());
                lock(&self.init_errors).push(error);
                accepted(202)
            }
            _ => refused(404, "InvalidPath"),
        }
    }

    fn settle(&self, request_id: &str, outcome: Outcome, status: u16) -> Reply {
        if self.desk.settle(request_id, outcome) { accepted(status) } else { refused(400, "InvalidRequestID") }
    }
}

fn handed_out(waiting: Waiting) -> Reply {
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

fn refused(status: u16, error_type: &str) -> Reply {
    Reply::json(status, &json!({"errorType": error_type, "errorMessage": "The Runtime API refuses this."}))
}

fn too_large(bytes: usize) -> FunctionError {
    let message =
        format!("Response payload size ({bytes} bytes) exceeded maximum allowed payload size ({MAX_RESPONSE} bytes).");
    let error_type = "Function.ResponseSizeTooLarge".to_owned();
    let raw = json!({"errorType": error_type, "errorMessage": message}).to_string();
    FunctionError { error_type, message, raw }
}

fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

#[cfg(test)]
mod tests;
