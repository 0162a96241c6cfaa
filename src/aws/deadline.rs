//! Ends SDK calls at their deadline and reports how far they got.

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

/// The time limit of a call with all its attempts. The deadline of the invocation is usually sooner. The SDK's own limit
/// would report every error as a timeout.
const CALL_TIMEOUT: Duration = Duration::from_secs(40);

/// What became of a call.
#[derive(Debug)]
pub(crate) enum Finished<T, E> {
    /// The service did what it was asked to do.
    Succeeded(T),
    /// The call failed, or its time ran out during an attempt or before a retry. The first field is the error of the last
    /// attempt that ended: a throttled call is not reported as unanswered. Without one, it is `….Timeout`, or
    /// `….Unreachable` if the request could not be built. The second field is the error that the service sent, as the SDK
    /// models it, if the SDK returned one in time.
    Failed(CallError, Option<E>),
    /// The time ran out before the SDK sent anything.
    NotSent(NotSent),
}

/// Follows the attempts of one call of an operation with errors of type `E`. Add a clone of it to the call as an
/// interceptor.
#[derive(Debug)]
pub(crate) struct Attempts<E> {
    service: Service,
    progress: Arc<Mutex<Progress>>,
    errors: PhantomData<fn() -> E>,
}

#[derive(Debug, Default)]
struct Progress {
    /// The SDK has started an attempt: its rate limiter let the call pass.
    attempted: bool,
    sent: bool,
    last_error: Option<CallError>,
}

impl<E> Clone for Attempts<E> {
    fn clone(&self) -> Self {
        Self { service: self.service, progress: Arc::clone(&self.progress), errors: PhantomData }
    }
}

impl<E: StdError + Send + Sync + 'static> Attempts<E> {
    /// Follows one call to this service.
    pub(crate) fn new(service: Service) -> Self {
        Self { service, progress: Arc::default(), errors: PhantomData }
    }

    fn update(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits for the call until the deadline, for at most [`CALL_TIMEOUT`]. A call that is already late is not started:
    /// building hundreds of requests that nobody sends would take longer than the margin before Lambda's deadline.
    pub(crate) async fn finish_by<T>(
        &self,
        deadline: Instant,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Finished<T, E> {
        let now = Instant::now();
        if now >= deadline {
            return Finished::NotSent(NotSent::NoTime);
        }
        let returned = timeout_at(deadline.min(now + CALL_TIMEOUT), call).await;
        let mut progress = Progress::default();
        self.update(|current| std::mem::swap(current, &mut progress));
        match (returned, progress) {
            (Ok(Ok(output)), _) => Finished::Succeeded(output),
            (Ok(Err(error)), Progress { last_error, .. }) => {
                // Without an attempt, the request could not be built.
                let named = last_error.unwrap_or_else(|| unreachable(self.service, &error));
                let modeled = match error {
                    SdkError::ServiceError(context) => Some(context.into_err()),
                    _ => None,
                };
                Finished::Failed(named, modeled)
            }
            (Err(_), Progress { last_error: Some(error), .. }) => Finished::Failed(error, None),
            (Err(_), Progress { sent: true, .. }) => Finished::Failed(CallError::late(self.service), None),
            (Err(_), Progress { attempted: true, .. }) => Finished::NotSent(NotSent::NoCredentials),
            (Err(_), Progress { attempted: false, .. }) => Finished::NotSent(NotSent::HeldBack),
        }
    }
}

impl<E: StdError + ProvideErrorMetadata + Send + Sync + 'static> Attempts<E> {
    /// Like [`Attempts::finish_by`], for callers to whom a call that was not sent is one more failure.
    ///
    /// # Errors
    /// The call's error, or `….Timeout` if it was not sent.
    pub(crate) async fn result_by<T>(
        &self,
        deadline: Instant,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, CallError> {
        match self.finish_by(deadline, call).await {
            Finished::Succeeded(output) => Ok(output),
            Finished::Failed(error, _) => Err(error),
            Finished::NotSent(_) => Err(CallError::late(self.service)),
        }
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
        self.update(|progress| progress.attempted = true);
        Ok(())
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.update(|progress| progress.sent = true);
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
            self.update(|progress| progress.last_error = Some(error));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use aws_sdk_sns::operation::publish::{PublishError, PublishOutput};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_that_takes_too_long_reports_the_error_of_its_last_attempt() {
        let attempts = Attempts::<PublishError>::new(Service::Sns);
        attempts.update(|progress| progress.last_error = Some(CallError::timeout(Service::Sns, "the last attempt")));
        let begun = Instant::now();
        let call = pending::<Result<PublishOutput, _>>();
        let finished = attempts.finish_by(begun + Duration::from_mins(10), call).await;
        assert_eq!(begun.elapsed(), CALL_TIMEOUT);
        assert!(
            matches!(&finished, Finished::Failed(error, None) if error.cause() == "the last attempt"),
            "{finished:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_held_back_for_too_long_was_not_sent() {
        let begun = Instant::now();
        let call = pending::<Result<PublishOutput, _>>();
        let attempts = Attempts::<PublishError>::new(Service::Sns);
        let finished = attempts.finish_by(begun + Duration::from_mins(10), call).await;
        assert_eq!(begun.elapsed(), CALL_TIMEOUT);
        assert!(matches!(&finished, Finished::NotSent(NotSent::HeldBack)), "{finished:?}");
    }
}
