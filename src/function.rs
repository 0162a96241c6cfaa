//! One invocation: an event in, a response or a named error out, whatever happens on the way.

use std::{
    cell::RefCell,
    future::Future,
    panic::{self, AssertUnwindSafe},
    time::Instant,
};

use futures_util::FutureExt as _;
use lambda_runtime::LambdaEvent;
use serde_json::value::RawValue;

use crate::{
    announcement::Announce,
    clock::{Clock, Schedule},
    error::Error,
    event::{self, Payload},
    ledger::Ledger,
    metrics,
    response::Response,
    tracker::Tracker,
    workspaces::DescribeImport,
};

/// The function, ready for its invocations.
#[derive(Debug)]
pub struct Function<W, A, L, C> {
    /// What checks imports.
    pub tracker: Tracker<W, A, L, C>,
    /// The most records that an event may bring.
    pub max_records: usize,
    /// The most bytes of a response.
    pub max_response_bytes: usize,
}

impl<W: DescribeImport, A: Announce, L: Ledger, C: Clock> Function<W, A, L, C> {
    /// Answers one event.
    ///
    /// # Errors
    /// See section 5 of the contract.
    pub async fn answer(&self, event: LambdaEvent<Payload>) -> Result<Box<RawValue>, Error> {
        let started = Instant::now();
        let records = event::parse(event.payload.json()?, self.max_records)?;
        let schedule = Schedule::until(event.context.deadline, self.tracker.clock.now()).ok_or(Error::Deadline)?;
        let checked = self.tracker.check(records, &schedule).await?;
        metrics::emit(&checked);
        let (described, check_errors) = (checked.described, checked.failed_checks);
        let response = Response::from(checked);
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
            DurationMs = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "invocation done"
        );
        Ok(response.into_json(self.max_response_bytes))
    }
}

thread_local! {
    /// Where this thread panicked last, and over what.
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Notes where a panic happens, so that [`caught`] can say so; what a panic prints by itself is no JSON.
pub fn note_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let words = info.payload_as_str().unwrap_or("no message");
        LAST_PANIC.set(Some(format!("a defect of this function, please report it: panicked at {place}: {words}")));
    }));
}

/// What the future comes to, or, where it panics, an [`Error::Internal`] that says where.
///
/// # Errors
/// The future's own, and [`Error::Internal`].
pub async fn caught<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let unknown = || "a defect of this function, please report it: panicked".to_owned();
    let panicked = |_| Err(Error::Internal(LAST_PANIC.take().unwrap_or_else(unknown)));
    AssertUnwindSafe(future).catch_unwind().await.unwrap_or_else(panicked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_internal_error_that_says_where() {
        note_panics();
        let error = caught::<()>(async { panic!("so it goes") }).await.expect_err("caught");
        assert_eq!(error.name(), "Internal");
        assert!(error.to_string().contains("src/function.rs:"), "{error}");
        assert!(error.to_string().ends_with("so it goes"), "{error}");
    }
}
