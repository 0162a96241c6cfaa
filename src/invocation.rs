//! Serves invocations: an event in, a response or a named error out. A panic becomes a named error, too.

use std::{
    cell::RefCell,
    future::Future,
    panic::{self, AssertUnwindSafe},
    time::SystemTime,
};

use futures_util::FutureExt as _;
use lambda_runtime::{LambdaEvent, LambdaInvocation, Runtime, layers::TracingLayer, service_fn};
use serde_json::value::RawValue;
use tokio::time::Instant;
use tower::util::MapRequestLayer;

use crate::{
    aws::{Aws, SharedCredentialsProvider},
    config::Config,
    error::{Error, NotSent},
    event::{self, RawEvent},
    message::{Origin, TestDraft},
    response::Response,
    self_test,
    services::Services,
    telemetry,
    time_budget::{Clock, TimeBudget},
    tracker::{CheckOutcome, Context, Tracker},
};

/// Reads the configuration, opens connections, and handles invocations from the Lambda Runtime API until the process
/// ends. Without `credentials`, Lambda's are used. All slow work happens before the first invocation, during Init.
///
/// If the configuration is invalid, every invocation fails with that error. A process that exits instead would show
/// users only an exit code.
///
/// # Errors
/// If the Runtime API cannot be reached.
pub async fn serve(credentials: Option<SharedCredentialsProvider>) -> Result<(), lambda_runtime::Error> {
    telemetry::start_logging();
    install_panic_hook();
    match Function::start(credentials).await {
        Ok(function) => {
            let runtime = Runtime::new(service_fn(|event| catch_panic(function.handle(event))));
            // The tracing layer puts the request ID into each log line, as `lambda_runtime::run` does.
            let runtime = runtime.layer(MapRequestLayer::new(without_byte_order_mark)).layer(TracingLayer::new());
            runtime.run().await
        }
        Err(error) => {
            let problem = match error {
                Error::InvalidConfiguration(_) => "the configuration is invalid",
                _ => "the function cannot start",
            };
            tracing::error!(Error = error.name(), Cause = error.to_string(), "{problem}");
            let refuse = |_: LambdaEvent<RawEvent>| async { Err::<Box<RawValue>, _>(error.clone()) };
            lambda_runtime::run(service_fn(refuse)).await
        }
    }
}

/// Some tools write a byte order mark before JSON. It is not part of the JSON.
fn without_byte_order_mark(mut invocation: LambdaInvocation) -> LambdaInvocation {
    const MARK: &[u8] = "\u{feff}".as_bytes();
    if invocation.body.starts_with(MARK) {
        invocation.body = invocation.body.slice(MARK.len()..);
    }
    invocation
}

/// The function, ready for its invocations.
struct Function<S> {
    /// Checks the imports of an event.
    tracker: Tracker<S>,
    region: String,
    /// The size limit of a response, in bytes.
    max_response_bytes: usize,
}

impl Function<Aws> {
    /// # Errors
    /// [`Error::InvalidConfiguration`].
    async fn start(credentials: Option<SharedCredentialsProvider>) -> Result<Self, Error> {
        let config = Config::from_env()?;
        let aws = Aws::start(&config, credentials).await?;
        Ok(Self {
            region: aws.region().to_owned(),
            max_response_bytes: config.max_response_bytes,
            tracker: Tracker {
                services: aws,
                concurrency: config.concurrency,
                stall_after: config.stall_after,
                chat: config.chat,
                max_records: config.max_records(),
            },
        })
    }
}

impl<S: Services> Function<S> {
    /// Handles one event.
    ///
    /// # Errors
    /// If the invocation could do nothing useful. Section "Errors" of the contract lists the cases.
    async fn handle(&self, event: LambdaEvent<RawEvent>) -> Result<Box<RawValue>, Error> {
        let started = Instant::now();
        let clock = Clock::starting_at(SystemTime::now());
        let LambdaEvent { payload, context } = event;
        let event = event::parse(payload.json()?, self.tracker.max_records)?;
        if event.self_test {
            return self.self_test(event.discover, &context, clock).await;
        }
        let records = event.max_returned(self.tracker.max_records);
        let budget = TimeBudget::until(context.deadline, clock.now(), records);
        let budget = budget.ok_or(Error::Deadline(NotSent::NoTime))?;
        let origin = Origin::new(&context.invoked_function_arn, &self.region);
        let mut outcome = self.tracker.check(event, &Context { clock, budget, origin }).await?;
        // An incomplete discovery has to show in the alarms, too.
        let check_errors = outcome.check_errors + usize::from(outcome.discover_error.is_some());
        let described = outcome.described;
        let (progress, durations) = (std::mem::take(&mut outcome.progress), std::mem::take(&mut outcome.durations));
        let response = respond(outcome);
        telemetry::write_metrics(&response, check_errors, &progress, &durations, clock.now());
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
            Undiscovered = response.undiscovered,
            DurationMs = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "invocation finished"
        );
        Ok(response.into_json(self.max_response_bytes))
    }

    /// Runs the self-test. It writes no metrics, because it checks no import.
    ///
    /// # Errors
    /// [`Error::Deadline`] if there is no time.
    async fn self_test(
        &self,
        with_discovery: bool,
        context: &lambda_runtime::Context,
        clock: Clock,
    ) -> Result<Box<RawValue>, Error> {
        let budget = TimeBudget::until(context.deadline, clock.now(), 0).ok_or(Error::Deadline(NotSent::NoTime))?;
        let draft = TestDraft {
            origin: &Origin::new(&context.invoked_function_arn, &self.region),
            function_name: &context.env_config.function_name,
            sent_at: clock.now(),
            chat: self.tracker.chat,
        };
        let report = self_test::run(&self.tracker.services, with_discovery, &draft, &budget).await;
        tracing::info!(Passed = report.passed, Checks = report.checks.len(), "self-test finished");
        Ok(serde_json::value::to_raw_value(&report).expect("structs of strings and numbers are valid JSON"))
    }
}

/// The response to an event.
#[must_use]
pub fn respond(outcome: CheckOutcome) -> Response {
    let CheckOutcome { records, announced, unchecked, undiscovered, discover_error, .. } = outcome;
    Response { unchecked, undiscovered, discover_error, ..Response::new(records, announced) }
}

thread_local! {
    /// The place and the message of this thread's last panic.
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Logs panics and makes [`catch_panic`] able to say where they happened. Replaces the default output of panics, which
/// is not JSON.
fn install_panic_hook() {
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
async fn catch_panic<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
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
        assert!(logged.contains("src/invocation.rs:") && logged.ends_with("so it goes"), "{logged}");
    }
}
