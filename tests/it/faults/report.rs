//! What invocations answer, and a Markdown table of many that run at once.

use std::{
    fmt::{self, Display},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use simulator::FunctionError;
use tokio::{
    sync::Semaphore,
    task::{JoinHandle, spawn},
};

use crate::support::Rig;

/// How many functions run at once, in all tables together: they share what cores there are, and time is short for each.
const AT_ONCE: usize = 8;

static ROOM: Semaphore = Semaphore::const_new(AT_ONCE);

/// What an invocation answered, and how long it took.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// `success`, `CheckError` and its name, or the name of the invocation's error.
    pub(super) name: String,
    /// The error's message.
    pub(super) message: String,
    pub(super) took: Duration,
    /// None where the invocation failed.
    pub(super) response: Option<Value>,
}

impl Answer {
    /// Invokes with one record.
    pub(super) async fn to(rig: &Rig, record: &Value, deadline: Duration) -> Self {
        Self::to_event(rig, &json!({"Imports": [record]}), deadline).await
    }

    /// Invokes, and sees to it that the answer, named after the first record's, leaves the contract's margin.
    pub(super) async fn to_event(rig: &Rig, event: &Value, deadline: Duration) -> Self {
        let begun = Instant::now();
        let result = rig.try_invoke(event, deadline).await;
        let took = begun.elapsed();
        assert!(took + deadline / 20 <= deadline, "answered {took:?} after the start, with {deadline:?} to go");
        let response = match result {
            Err(FunctionError { error_type: name, message, .. }) => {
                return Self { name, message, took, response: None };
            }
            Ok(response) => response,
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let check_error = &response["Imports"][0]["CheckError"];
        let name =
            text(&check_error["Error"]).map_or_else(|| "success".to_owned(), |error| format!("CheckError {error}"));
        Self { name, message: text(&check_error["Cause"]).unwrap_or_default(), took, response: Some(response) }
    }
}

impl Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} | {}", self.name, self.took.as_millis())
    }
}

/// Cells under way, by what their rows begin with.
pub(super) struct Report {
    head: &'static str,
    cells: Vec<(String, JoinHandle<Answer>)>,
}

impl Report {
    /// A table with these columns, before those of the answer and its milliseconds.
    pub(super) fn new(head: &'static str) -> Self {
        Self { head, cells: Vec::new() }
    }

    /// Runs a cell as soon as there is room for it.
    pub(super) fn run(&mut self, row: String, cell: impl Future<Output = Answer> + Send + 'static) {
        self.run_at_once(row, async {
            let _room = ROOM.acquire().await.expect("never closed");
            cell.await
        });
    }

    /// Runs a cell that does little but wait: it needs no room.
    pub(super) fn run_at_once(&mut self, row: String, cell: impl Future<Output = Answer> + Send + 'static) {
        self.cells.push((row, spawn(cell)));
    }

    /// Prints the table when all cells are done; fails, naming them, where cells did not hold.
    pub(super) async fn print(self) {
        let mut lines = vec![format!("| {} | answer | ms |", self.head)];
        lines.push(format!("|{}", "---|".repeat(lines[0].matches('|').count() - 1)));
        let mut failed = Vec::new();
        for (row, cell) in self.cells {
            match cell.await {
                Ok(answer) => lines.push(format!("| {row} | {answer} |")),
                Err(panic) => failed.push(format!("{row}: {panic}")),
            }
        }
        println!("\n{}\n", lines.join("\n"));
        assert!(failed.is_empty(), "did not hold:\n{}", failed.join("\n"));
    }
}
