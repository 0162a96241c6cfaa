//! Handles one invocation: an event in, a response or a named error out. A panic becomes a named error, too.

use std::{
    cell::RefCell,
    future::Future,
    panic::{self, AssertUnwindSafe},
};

use futures_util::FutureExt as _;
use lambda_runtime::LambdaEvent;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::{
    announcement::Announce,
    clock::Clock,
    error::{Error, NotSent},
    event::{self, RawEvent},
    import::Timestamp,
    ledger::Ledger,
    metrics,
    response::Response,
    time_budget::TimeBudget,
    tracker::{Checked, Tracker},
    workspaces::{DescribeImport, ListPendingImages},
};

/// Handles invocations.
#[derive(Debug)]
pub struct Handler<W, A, L, C> {
    /// Checks the imports of an event.
    pub tracker: Tracker<W, A, L, C>,
    /// The size limit of a response, in bytes.
    pub max_response_bytes: usize,
}

impl<W: ListPendingImages + DescribeImport, A: Announce, L: Ledger, C: Clock> Handler<W, A, L, C> {
    /// Handles one event.
    ///
    /// # Errors
    /// If the invocation could do nothing useful. Section "Errors" of the contract lists the cases.
    pub async fn handle(&self, event: LambdaEvent<RawEvent>) -> Result<Box<RawValue>, Error> {
        let started = Instant::now();
        let clock = &self.tracker.clock;
        let LambdaEvent { payload, context } = event;
        self.tracker.origin.learn_account(&context.invoked_function_arn);
        let event = event::parse(payload.json()?, self.tracker.max_records)?;
        let records = if event.discover { self.tracker.max_records } else { event.records.len() };
        let budget = TimeBudget::until(context.deadline, clock.now(), records);
        let budget = budget.ok_or(Error::Deadline(NotSent::NoTime))?;
        let checked = self.tracker.check(event, &budget).await?;
        let Checked { records, announced, unchecked, described, check_errors, undiscovered, discover_error, progress } =
            checked;
        // An incomplete discovery has to show in the alarms, too.
        let check_errors = check_errors + usize::from(discover_error.is_some());
        let response = Response { undiscovered, discover_error, ..Response::new(records, announced, unchecked) };
        metrics::emit(&response, check_errors, &progress, Timestamp::from(clock.now()));
        tracing::info!(
            Status = response.status.as_str(),
            Imports = response.imports.len(),
            Pending = response.pending,
            Completed = response.completed,
            Failed = response.failed,
            Unchecked = response.unchecked,
            Transitions = response.transitions.len(),
            CheckErrors = check_errors,
            Described = described,
            Undiscovered = undiscovered,
            DurationMs = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "invocation finished"
        );
        Ok(response.into_json(self.max_response_bytes))
    }
}

thread_local! {
    /// The place and the message of this thread's last panic.
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Logs panics and makes [`catch_panic`] able to say where they happened. Replaces the default output of panics, which is
/// not JSON.
pub fn install_panic_hook() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let message = info.payload_as_str().unwrap_or("no message");
        let problem = format!("this is a bug in the function, please report it: panicked at {place}: {message}");
        // During Init and in spawned tasks, nothing else would say why.
        tracing::error!(Error = "Internal", Cause = problem, "the function panicked");
        LAST_PANIC.set(Some(problem));
    }));
}

/// Runs a future and turns a panic into an [`Error::Internal`] that says where it happened.
///
/// # Errors
/// The future's own errors, and [`Error::Internal`].
pub async fn catch_panic<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let unknown = || "this is a bug in the function, please report it: panicked".to_owned();
    let panicked = |_| Err(Error::Internal(LAST_PANIC.take().unwrap_or_else(unknown)));
    AssertUnwindSafe(future).catch_unwind().await.unwrap_or_else(panicked)
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Arc};

    use super::*;

    // One test, because the hook and the log are shared by all threads.
    #[tokio::test]
    async fn a_panic_is_logged_and_is_an_internal_error_that_says_where() {
        install_panic_hook();
        let (log, writer) = io::pipe().expect("a pipe");
        let lines = tracing_subscriber::fmt().json().with_writer(Arc::new(writer)).finish();
        let logging = tracing::subscriber::set_default(lines);
        let error = catch_panic::<()>(async { panic!("so it goes") }).await.expect_err("caught");
        drop(logging);

        let line: serde_json::Value = serde_json::from_reader(log).expect("one JSON line");
        assert_eq!((line["level"].as_str(), line["fields"]["Error"].as_str()), (Some("ERROR"), Some("Internal")));
        let logged = line["fields"]["Cause"].as_str().expect("a cause");
        assert_eq!((error.name().as_str(), error.to_string().as_str()), ("Internal", logged));
        assert!(logged.contains("src/handler.rs:") && logged.ends_with("so it goes"), "{logged}");
    }
}
