//! Helpers that the tests share.
//!
//! [`Setup`] prepares a function: its services and its environment. [`Setup::start`] runs the bootstrap binary as
//! Lambda does and returns a [`Rig`], which invokes it.

pub(crate) mod emulator;
pub(crate) mod fake_table;
mod output;
pub(crate) mod private_ca;

use std::{
    fmt::Debug,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    str::FromStr,
    time::{Duration, Instant, SystemTime},
};

use fake_aws::{Answer, FunctionError, RuntimeApi, Sns, WorkSpaces};
use serde_json::{Value, json};
use workspaces_image_import::import::Timestamp;

pub(crate) use self::output::{SECRET_KEY, SESSION_TOKEN};
use self::{output::Output, private_ca::PrivateCa};

pub(crate) const IMAGE: &str = "wsi-0a1b2c3d4";
pub(crate) const TOPIC_ARN: &str = "arn:aws:sns:eu-west-1:123456789012:image-imports";

/// The path of the binary under test: the value of `BOOTSTRAP`, or the binary that Cargo built for the tests.
pub(crate) fn bootstrap() -> String {
    std::env::var("BOOTSTRAP").unwrap_or_else(|_| env!("CARGO_BIN_EXE_bootstrap").to_owned())
}

/// A function before its start: the services that it calls, and its environment.
pub(crate) struct Setup {
    pub(crate) workspaces: WorkSpaces,
    pub(crate) sns: Sns,
    variables: Vec<(String, Option<String>)>,
}

/// A running function and the services that it calls. When dropped, it fails the test if the function wrote its
/// credentials to its output.
pub(crate) struct Rig {
    pub(crate) workspaces: WorkSpaces,
    pub(crate) sns: Sns,
    api: RuntimeApi,
    child: Child,
    /// `None` only while the rig is being dropped.
    output: Option<Output>,
}

impl Setup {
    /// A function that calls simulators of WorkSpaces and SNS, and has no ledger.
    pub(crate) async fn new() -> Self {
        let workspaces = WorkSpaces::start().await.expect("the simulator starts");
        let sns = Sns::start().await.expect("the simulator starts");
        Self::with(workspaces, sns)
    }

    /// Like `new`, over TLS.
    pub(crate) async fn over_tls(ca: &PrivateCa) -> Self {
        let workspaces = WorkSpaces::start_tls(&ca.tls).await.expect("the simulator starts");
        let sns = Sns::start_tls(&ca.tls).await.expect("the simulator starts");
        Self::with(workspaces, sns).set("AWS_CA_BUNDLE", ca.file())
    }

    /// A function that calls these services.
    pub(crate) fn with(workspaces: WorkSpaces, sns: Sns) -> Self {
        let (workspaces_url, sns_url) = (workspaces.url(), sns.url());
        Self { workspaces, sns, variables: Vec::new() }
            .set("TOPIC_ARN", TOPIC_ARN)
            .set("AWS_ENDPOINT_URL_WORKSPACES", &workspaces_url)
            .set("AWS_ENDPOINT_URL_SNS", &sns_url)
            // Calls to any other service fail at once and never reach AWS.
            .set("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
            .set("AWS_REGION", "eu-west-1")
            // As template.yaml sets them.
            .set("AWS_RETRY_MODE", "adaptive")
            .set("AWS_NEW_RETRIES_2026", "true")
            .set("AWS_ACCESS_KEY_ID", "AKIDTESTS")
            .set("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .set("AWS_SESSION_TOKEN", SESSION_TOKEN)
            .set("AWS_LAMBDA_FUNCTION_NAME", "image-imports")
            .set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .set("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
    }

    /// Sets an environment variable.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), Some(value.to_owned())));
        self
    }

    /// Removes an environment variable.
    pub(crate) fn unset(mut self, name: &str) -> Self {
        self.variables.push((name.to_owned(), None));
        self
    }

    /// Limits each call to two attempts instead of ten, whose back-offs take many seconds. For tests of what follows
    /// from a call's last error.
    pub(crate) fn two_attempts(self) -> Self {
        self.set("AWS_MAX_ATTEMPTS", "2")
    }

    /// Starts the function.
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
    /// Starts a function with simulated services and without a ledger.
    pub(crate) async fn new() -> Self {
        Setup::new().await.start().await
    }

    /// Invokes the function with an event. The deadline is `timeout` from now.
    pub(crate) async fn try_invoke(&self, event: impl ToString, timeout: Duration) -> Result<Value, FunctionError> {
        self.send(event.to_string(), timeout).await
    }

    /// Invokes the function with any bytes, and asserts that it responds early enough before the deadline.
    pub(crate) async fn send(&self, payload: impl Into<Vec<u8>>, timeout: Duration) -> Result<Value, FunctionError> {
        self.send_raw(payload, timeout).await.map(|body| serde_json::from_str(&body).expect("the response is JSON"))
    }

    /// Like `send`, but returns the response as the function sent it.
    pub(crate) async fn send_raw(
        &self,
        payload: impl Into<Vec<u8>>,
        timeout: Duration,
    ) -> Result<String, FunctionError> {
        let invocation =
            self.api.invoke(payload.into(), timeout).await.expect("the function responds before the deadline");
        let margin = Duration::from_millis(500).max(timeout / 20);
        assert!(
            invocation.took + margin <= timeout || timeout < Duration::from_millis(600),
            "responded after {:?}, too close to the deadline at {timeout:?}",
            invocation.took
        );
        invocation.result
    }

    /// Invokes the function, asserts that it responds early enough before the deadline, and returns how long it took.
    /// The invocation may fail.
    pub(crate) async fn took(&self, event: impl ToString, timeout: Duration) -> Duration {
        let begun = Instant::now();
        let _ = self.send_raw(event.to_string(), timeout).await;
        begun.elapsed()
    }

    /// Returns the response to an event, and its size in bytes.
    pub(crate) async fn invoke_and_measure(&self, event: impl ToString) -> (Value, usize) {
        let sent = self.send_raw(event.to_string(), Duration::from_secs(30)).await.expect("the invocation succeeds");
        (serde_json::from_str(&sent).expect("the response is JSON"), sent.len())
    }

    /// Returns the response to an event.
    pub(crate) async fn invoke(&self, event: impl ToString) -> Value {
        self.try_invoke(event, Duration::from_secs(30)).await.expect("the invocation succeeds")
    }

    /// Returns the error of an invocation that fails.
    pub(crate) async fn fail(&self, event: impl ToString) -> FunctionError {
        self.try_invoke(event, Duration::from_secs(30)).await.expect_err("the invocation fails")
    }

    /// Sends one record and returns it as it comes back.
    pub(crate) async fn check(&self, record: Value) -> Value {
        let mut response = self.invoke(json!({"Imports": [record]})).await;
        response["Imports"][0].take()
    }

    /// Returns every log line so far, as JSON.
    pub(crate) fn log(&self) -> Vec<Value> {
        let lines = self.output().lines.lock().expect("not poisoned");
        lines.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect()
    }

    /// Drops the log lines so far.
    pub(crate) fn clear_log(&self) {
        self.output().lines.lock().expect("not poisoned").clear();
    }

    fn output(&self) -> &Output {
        self.output.as_ref().expect("the function runs")
    }

    /// Returns the function's process ID.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until there is a log line with this message, and returns all such lines.
    pub(crate) async fn logged(&self, message: &str) -> Vec<Value> {
        self.logged_times(1, message).await
    }

    /// Waits until there are this many log lines with this message, and returns all such lines.
    pub(crate) async fn logged_times(&self, times: usize, message: &str) -> Vec<Value> {
        for _ in 0..200 {
            let lines: Vec<Value> = self.log().into_iter().filter(|line| line["message"] == message).collect();
            if lines.len() >= times {
                return lines;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("fewer than {times} log lines say {message:?}: {:#?}", self.log());
    }

    /// Kills the function, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("killed");
    }

    /// Freezes the function until [`Rig::thaw`], as Lambda does between invocations.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets a frozen function run again.
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        // The shell's own `kill`, because not every system has the program.
        let kill = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &self.pid().to_string()]).status();
        assert!(kill.expect("a shell").success(), "the function gets SIG{name}");
    }

    /// Waits until the function has finished its init and asks for its first invocation.
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

/// Returns the image ID with this number.
pub(crate) fn image(number: usize) -> String {
    format!("wsi-{number:09}")
}

/// Returns the time this many minutes ago, as the contract writes it.
pub(crate) fn minutes_ago(minutes: u64) -> String {
    Timestamp::from(SystemTime::now() - Duration::from_mins(minutes)).to_string()
}

/// Returns an event with these records.
pub(crate) fn event(records: impl IntoIterator<Item = Value>) -> Value {
    json!({"Imports": records.into_iter().collect::<Vec<_>>()})
}

/// Returns the transition IDs that SNS accepted, in order.
pub(crate) fn announced(sns: &Sns) -> Vec<String> {
    sns.published()
        .iter()
        .map(|published| published.json()["TransitionId"].as_str().expect("an ID").to_owned())
        .collect()
}

/// Returns the records of an event or a response.
pub(crate) fn imports(payload: &Value) -> &Vec<Value> {
    payload["Imports"].as_array().expect("an array of records")
}

/// Returns an error of WorkSpaces with this code and message.
pub(crate) fn workspaces_error(code: &str, message: &str) -> Answer {
    Answer::Error { status: 400, code: code.to_owned(), message: message.to_owned() }
}

/// Returns the JSON files in `events/`, with their paths.
pub(crate) fn example_events() -> Vec<(PathBuf, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("events");
    let paths = std::fs::read_dir(folder).expect("events/ exists").map(|entry| entry.expect("an entry").path());
    let json = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    json.map(|path| {
        let text = std::fs::read(&path).expect("a readable file");
        (path, serde_json::from_slice(&text).expect("a JSON file"))
    })
    .collect()
}

/// Reads a number from an environment variable, for tests that can run longer or replay a run.
pub(crate) fn number_from_env<T: FromStr<Err: Debug>>(variable: &str) -> Option<T> {
    std::env::var(variable).ok().map(|value| value.parse().expect("a number"))
}
