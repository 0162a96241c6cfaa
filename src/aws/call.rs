//! Makes SDK calls that end at their deadline and say how far they got.

use std::{
    error::Error as StdError,
    future::Future,
    marker::PhantomData,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef},
        },
        orchestrator::HttpResponse,
        result::SdkError,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{config_bag::ConfigBag, error::metadata::ProvideErrorMetadata};
use tokio::time::{Instant, timeout_at};

use super::error::{attempt_error, unreachable};
use crate::error::{CallError, NotSent, Service};

/// The time limit of a call with all its attempts. The deadline of the invocation is usually sooner. The SDK's own
/// limit would report every error as a timeout.
const CALL_TIMEOUT: Duration = Duration::from_secs(40);

/// What became of a call.
#[derive(Debug)]
pub(super) enum CallOutcome<T, E> {
    /// The service did what it was asked to do.
    Succeeded(T),
    /// The call failed, or its time ran out during an attempt or before a retry.
    Failed {
        /// The error of the last attempt that ended: a throttled call is not reported as unanswered. Without one, it is
        /// `….Timeout`, or `….Unreachable` if the request could not be built.
        error: CallError,
        /// The error that the service sent, as the SDK models it, if the SDK returned one in time.
        modeled: Option<E>,
    },
    /// The time ran out before the SDK sent anything.
    NotSent(NotSent),
}

/// Makes a call and waits for it until the deadline, for at most [`CALL_TIMEOUT`]. `send` sends the operation, with the
/// interceptor that it is given. A call that is already late is not started: building hundreds of requests that nobody
/// sends would take longer than the margin before Lambda's deadline.
pub(super) async fn call<T, E, F>(
    service: Service,
    deadline: Instant,
    send: impl FnOnce(Attempts<E>) -> F,
) -> CallOutcome<T, E>
where
    E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
{
    let now = Instant::now();
    if now >= deadline {
        return CallOutcome::NotSent(NotSent::NoTime);
    }
    let attempts = Attempts::new(service);
    let returned = timeout_at(deadline.min(now + CALL_TIMEOUT), send(attempts.clone())).await;
    let History { started, sent, last_error } = attempts.take();
    match (returned, last_error) {
        (Ok(Ok(output)), _) => CallOutcome::Succeeded(output),
        (Ok(Err(error)), last_error) => {
            // Without an attempt, the request could not be built.
            let last_error = last_error.unwrap_or_else(|| unreachable(service, &error));
            let modeled = match error {
                SdkError::ServiceError(context) => Some(context.into_err()),
                _ => None,
            };
            CallOutcome::Failed { error: last_error, modeled }
        }
        (Err(_), Some(error)) => CallOutcome::Failed { error, modeled: None },
        (Err(_), None) if sent => CallOutcome::Failed { error: CallError::late(service), modeled: None },
        (Err(_), None) if started => CallOutcome::NotSent(NotSent::NoCredentials),
        (Err(_), None) => CallOutcome::NotSent(NotSent::HeldBack),
    }
}

impl<T, E> CallOutcome<T, E> {
    /// For callers to whom a call that was not sent is one more failure.
    ///
    /// # Errors
    /// The call's error, or `….Timeout` if it was not sent.
    pub(super) fn into_result(self, service: Service) -> Result<T, CallError> {
        match self {
            Self::Succeeded(output) => Ok(output),
            Self::Failed { error, .. } => Err(error),
            Self::NotSent(_) => Err(CallError::late(service)),
        }
    }
}

/// Follows the attempts of one call of an operation with errors of type `E`, as an interceptor of the call.
#[derive(Debug)]
pub(super) struct Attempts<E> {
    service: Service,
    history: Arc<Mutex<History>>,
    errors: PhantomData<fn() -> E>,
}

/// What has happened to a call so far.
#[derive(Debug, Default)]
struct History {
    /// The SDK has started an attempt: its rate limiter let the call pass.
    started: bool,
    sent: bool,
    last_error: Option<CallError>,
}

impl<E> Clone for Attempts<E> {
    fn clone(&self) -> Self {
        Self { service: self.service, history: Arc::clone(&self.history), errors: PhantomData }
    }
}

impl<E> Attempts<E> {
    fn new(service: Service) -> Self {
        Self { service, history: Arc::default(), errors: PhantomData }
    }

    fn update(&self, change: impl FnOnce(&mut History)) {
        change(&mut self.history.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn take(&self) -> History {
        std::mem::take(&mut self.history.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<E: StdError + ProvideErrorMetadata + Send + Sync + 'static> Intercept for Attempts<E> {
    fn name(&self) -> &'static str {
        "Attempts"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.update(|history| history.started = true);
        Ok(())
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.update(|history| history.sent = true);
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let status = context.response().map(|response| response.status().as_u16());
        if let Some(Err(error)) = context.output_or_error() {
            let error = attempt_error::<E>(self.service, error, status);
            self.update(|history| history.last_error = Some(error));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use aws_sdk_sns::operation::publish::{PublishError, PublishOutput};

    use super::*;

    type Published = Result<PublishOutput, SdkError<PublishError, HttpResponse>>;

    #[tokio::test(start_paused = true)]
    async fn a_call_that_takes_too_long_reports_the_error_of_its_last_attempt() {
        let begun = Instant::now();
        let outcome = call(Service::Sns, begun + Duration::from_mins(10), |attempts| {
            attempts.update(|history| history.last_error = Some(CallError::timeout(Service::Sns, "the last attempt")));
            pending::<Published>()
        });
        let outcome = outcome.await;
        assert_eq!(begun.elapsed(), CALL_TIMEOUT);
        assert!(
            matches!(&outcome, CallOutcome::Failed { error, modeled: None } if error.cause() == "the last attempt"),
            "{outcome:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_held_back_for_too_long_was_not_sent() {
        let begun = Instant::now();
        let outcome = call(Service::Sns, begun + Duration::from_mins(10), |_| pending::<Published>()).await;
        assert_eq!(begun.elapsed(), CALL_TIMEOUT);
        assert!(matches!(&outcome, CallOutcome::NotSent(NotSent::HeldBack)), "{outcome:?}");
    }
}
