//! Results of invocations, and a Markdown table of many that run concurrently.

use std::{
    fmt::{self, Display},
    time::{Duration, Instant},
};

use fake_aws::FunctionError;
use serde_json::{Value, json};
use tokio::{
    sync::Semaphore,
    task::{JoinHandle, spawn},
};

use crate::support::Rig;

/// How many tests run concurrently, in all tables together. Deadlines are short, and more functions would slow each
/// other down.
const CONCURRENCY: usize = 8;

static PERMITS: Semaphore = Semaphore::const_new(CONCURRENCY);

/// What an invocation returned, and how long it took.
#[derive(Clone, Debug)]
pub(super) struct InvocationResult {
    /// `success`, `CheckError` or `DiscoverError` and its name, or the name of the error that the invocation failed
    /// with.
    pub(super) name: String,
    /// The error's message.
    pub(super) message: String,
    pub(super) took: Duration,
    /// `None` if the invocation failed.
    pub(super) response: Option<Value>,
}

impl InvocationResult {
    /// Invokes the function with one record.
    pub(super) async fn of(rig: &Rig, record: &Value, deadline: Duration) -> Self {
        Self::of_event(rig, &json!({"Imports": [record]}), deadline).await
    }

    /// Invokes the function, and asserts that it responds early enough before the deadline. The name of the result
    /// depends on the first record.
    pub(super) async fn of_event(rig: &Rig, event: &Value, deadline: Duration) -> Self {
        let begun = Instant::now();
        let result = rig.try_invoke(event, deadline).await;
        let took = begun.elapsed();
        assert!(
            took + deadline / 20 <= deadline,
            "responded after {took:?}, too close to the deadline at {deadline:?}"
        );
        let response = match result {
            Err(FunctionError { error_type: name, message, .. }) => {
                return Self { name, message, took, response: None };
            }
            Ok(response) => response,
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let errors =
            [("CheckError", &response["Imports"][0]["CheckError"]), ("DiscoverError", &response["DiscoverError"])];
        let error = errors.into_iter().find(|(_, error)| !error.is_null());
        let name = error.map_or_else(
            || "success".to_owned(),
            |(field, error)| format!("{field} {}", text(&error["Error"]).unwrap_or_default()),
        );
        let message = error.and_then(|(_, error)| text(&error["Cause"])).unwrap_or_default();
        Self { name, message, took, response: Some(response) }
    }
}

impl Display for InvocationResult {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} | {}", self.name, self.took.as_millis())
    }
}

/// The running tests of a table, each with the first columns of its row.
pub(super) struct Report {
    head: &'static str,
    tests: Vec<(String, JoinHandle<InvocationResult>)>,
}

impl Report {
    /// Creates a table with these columns. The columns for the result and its duration follow them.
    pub(super) fn new(head: &'static str) -> Self {
        Self { head, tests: Vec::new() }
    }

    /// Runs a test as soon as fewer than [`CONCURRENCY`] are running.
    pub(super) fn run(&mut self, row: String, test: impl Future<Output = InvocationResult> + Send + 'static) {
        self.run_now(row, async {
            let _permit = PERMITS.acquire().await.expect("the semaphore is never closed");
            test.await
        });
    }

    /// Runs a test now, regardless of [`CONCURRENCY`], because it mostly waits.
    pub(super) fn run_now(&mut self, row: String, test: impl Future<Output = InvocationResult> + Send + 'static) {
        self.tests.push((row, spawn(test)));
    }

    /// Waits for all tests and prints the table. Panics with the rows that failed, if any.
    pub(super) async fn print(self) {
        let mut lines = vec![format!("| {} | result | ms |", self.head)];
        lines.push(format!("|{}", "---|".repeat(lines[0].matches('|').count() - 1)));
        let mut failed = Vec::new();
        for (row, test) in self.tests {
            match test.await {
                Ok(result) => lines.push(format!("| {row} | {result} |")),
                Err(panic) => failed.push(format!("{row}: {panic}")),
            }
        }
        println!("\n{}\n", lines.join("\n"));
        assert!(failed.is_empty(), "failed:\n{}", failed.join("\n"));
    }
}
