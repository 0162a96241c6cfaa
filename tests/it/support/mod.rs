//! A rig: the bootstrap binary, as Lambda starts it, between a Runtime API and the services.

pub(crate) mod emulator;
mod output;

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use simulator::{FunctionError, RuntimeApi, Sns, WorkSpaces};

use self::output::Output;
pub(crate) use self::output::{SECRET_KEY, SESSION_TOKEN};

pub(crate) const IMAGE: &str = "wsi-0a1b2c3d4";
pub(crate) const TOPIC_ARN: &str = "arn:aws:sns:eu-west-1:123456789012:image-imports";

/// The binary under test: the test profile's, or the release file where `BOOTSTRAP` names it.
pub(crate) fn bootstrap() -> String {
    std::env::var("BOOTSTRAP").unwrap_or_else(|_| env!("CARGO_BIN_EXE_bootstrap").to_owned())
}

/// What the function runs between, before it is started.
pub(crate) struct Stage {
    pub(crate) workspaces: WorkSpaces,
    pub(crate) sns: Sns,
    variables: Vec<(String, Option<String>)>,
}

/// A started function. Whatever the test is about, it fails where the function has written its credentials anywhere.
pub(crate) struct Rig {
    pub(crate) workspaces: WorkSpaces,
    pub(crate) sns: Sns,
    api: RuntimeApi,
    child: Child,
    /// `None` once it has come to its end.
    output: Option<Output>,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let stage = Self {
            workspaces: WorkSpaces::start().await.expect("the simulator starts"),
            sns: Sns::start().await.expect("the simulator starts"),
            variables: Vec::new(),
        };
        let (workspaces, sns) = (stage.workspaces.url(), stage.sns.url());
        stage
            .set("TOPIC_ARN", TOPIC_ARN)
            .set("AWS_ENDPOINT_URL_WORKSPACES", &workspaces)
            .set("AWS_ENDPOINT_URL_SNS", &sns)
            // Whatever has no endpoint of its own must fail at once, and never reach a real service.
            .set("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
            .set("AWS_REGION", "eu-west-1")
            .set("AWS_ACCESS_KEY_ID", "AKIDTESTS")
            .set("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .set("AWS_SESSION_TOKEN", SESSION_TOKEN)
            .set("AWS_LAMBDA_FUNCTION_NAME", "image-imports")
            .set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .set("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
    }

    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), Some(value.to_owned())));
        self
    }

    pub(crate) fn unset(mut self, name: &str) -> Self {
        self.variables.push((name.to_owned(), None));
        self
    }

    pub(crate) async fn start(self) -> Rig {
        let api = RuntimeApi::start().await.expect("the Runtime API starts");
        let mut command = Command::new(bootstrap());
        command.env_clear().env("AWS_LAMBDA_RUNTIME_API", api.address()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (name, value) in &self.variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let mut child = command.spawn().expect("the bootstrap binary starts");
        let output = Some(Output::of(&mut child));
        Rig { workspaces: self.workspaces, sns: self.sns, api, child, output }
    }
}

impl Rig {
    /// The function with the payload as its only memory.
    pub(crate) async fn new() -> Self {
        Stage::new().await.start().await
    }

    pub(crate) async fn try_invoke(&self, event: impl ToString, timeout: Duration) -> Result<Value, FunctionError> {
        self.send(event.to_string(), timeout).await
    }

    /// The answer to any bytes.
    pub(crate) async fn send(&self, payload: impl Into<Vec<u8>>, timeout: Duration) -> Result<Value, FunctionError> {
        let invocation = self.api.invoke(payload.into(), timeout).await.expect("an answer before the deadline");
        let margin = Duration::from_millis(500).max(timeout / 20);
        assert!(
            invocation.took + margin <= timeout || timeout < Duration::from_millis(600),
            "answered {:?} after the start, with {timeout:?} to go",
            invocation.took
        );
        invocation.result.map(|body| serde_json::from_str(&body).expect("the response is JSON"))
    }

    /// The response to an event.
    pub(crate) async fn invoke(&self, event: impl ToString) -> Value {
        self.try_invoke(event, Duration::from_secs(30)).await.expect("the invocation succeeds")
    }

    /// The error that an event is answered with.
    pub(crate) async fn fail(&self, event: impl ToString) -> FunctionError {
        self.try_invoke(event, Duration::from_secs(30)).await.expect_err("the invocation fails")
    }

    /// The one record that comes back when this one is sent.
    pub(crate) async fn check(&self, record: Value) -> Value {
        let mut response = self.invoke(json!({"Imports": [record]})).await;
        response["Imports"][0].take()
    }

    /// Every log line so far, as JSON.
    pub(crate) fn log(&self) -> Vec<Value> {
        let lines = self.output().lines.lock().expect("not poisoned");
        lines.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
    }

    /// Forgets the log lines so far.
    pub(crate) fn clear_log(&self) {
        self.output().lines.lock().expect("not poisoned").clear();
    }

    fn output(&self) -> &Output {
        self.output.as_ref().expect("it has not come to its end")
    }

    /// The function's process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a log line with this message has come, and returns all of them.
    pub(crate) async fn logged(&self, message: &str) -> Vec<Value> {
        for _ in 0..200 {
            let lines: Vec<Value> = self.log().into_iter().filter(|line| line["message"] == message).collect();
            if !lines.is_empty() {
                return lines;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("nothing logged «{message}»: {:#?}", self.log());
    }

    /// Ends the function as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("killed");
    }

    pub(crate) async fn ready(&self) {
        self.api.ready().await;
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(output) = self.output.take().filter(|_| !std::thread::panicking()) {
            let secrets = output.into_secrets();
            assert!(secrets.is_empty(), "the function wrote its credentials: {secrets:#?}");
        }
    }
}

/// Image ids that differ.
pub(crate) fn image(number: usize) -> String {
    format!("wsi-{number:09}")
}

/// An event with these records.
pub(crate) fn event(records: impl IntoIterator<Item = Value>) -> Value {
    json!({"Imports": records.into_iter().collect::<Vec<_>>()})
}

/// What SNS has taken, as ids, in order.
pub(crate) fn announced(sns: &Sns) -> Vec<String> {
    sns.published()
        .iter()
        .map(|published| published.json()["TransitionId"].as_str().expect("an id").to_owned())
        .collect()
}
