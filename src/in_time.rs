//! Calls that end before the invocation's time is up, and what they had come to by then.

use std::{cell::RefCell, error::Error as StdError, future::Future, marker::PhantomData};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef},
        },
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{config_bag::ConfigBag, error::metadata::ProvideErrorMetadata};
use tokio::time::{Instant, timeout_at};

use crate::{
    error::{CallError, Service},
    sdk_error::answered_error,
};

tokio::task_local! {
    /// How far the call under way has come.
    static CALL: RefCell<Call>;
}

#[derive(Default)]
struct Call {
    /// Whether the SDK has sent anything: it holds calls back while the service throttles others.
    sent: bool,
    /// The last error that the service answered it with.
    answer: Option<CallError>,
}

/// What a call comes to, as [`in_time_if_sent`] has it; one that was never sent is a `….Timeout`, too.
///
/// # Errors
/// The call's own, the last answer's, or `….Timeout`.
pub(crate) async fn in_time<T>(
    service: Service,
    until: Instant,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    in_time_if_sent(service, until, call).await.unwrap_or_else(|| Err(late(service)))
}

/// What a call comes to. One whose time is up while the SDK still tries again comes to what its last attempt was
/// answered with: a throttled call is not one without an answer. `None` where nothing was ever sent; a call that comes
/// too late is not begun, since hundreds of requests that nobody sends take longer to make than the margin is wide.
pub(crate) async fn in_time_if_sent<T>(
    service: Service,
    until: Instant,
    call: impl Future<Output = Result<T, CallError>>,
) -> Option<Result<T, CallError>> {
    if Instant::now() >= until {
        return None;
    }
    let call = async {
        match timeout_at(until, call).await {
            Ok(result) => Some(result),
            Err(_) => match CALL.with(RefCell::take) {
                Call { answer: Some(answer), .. } => Some(Err(answer)),
                Call { sent: true, .. } => Some(Err(late(service))),
                Call { sent: false, .. } => None,
            },
        }
    };
    CALL.scope(RefCell::default(), call).await
}

/// A call that had no answer, or was not begun, by the time that it had.
pub(crate) fn late(service: Service) -> CallError {
    CallError::timeout(service, "no answer before the invocation's time was up")
}

/// Notes that an operation with errors of type `E` was sent, and what each attempt was answered with, for [`in_time`].
#[derive(Debug)]
pub(crate) struct NoteAnswers<E> {
    service: Service,
    errors: PhantomData<fn() -> E>,
}

impl<E> NoteAnswers<E> {
    pub(crate) fn of(service: Service) -> Self {
        Self { service, errors: PhantomData }
    }
}

impl<E: StdError + ProvideErrorMetadata + Send + Sync + 'static> Intercept for NoteAnswers<E> {
    fn name(&self) -> &'static str {
        "NoteAnswers"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Outside of `in_time` nobody asks.
        let _ = CALL.try_with(|call| call.borrow_mut().sent = true);
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let error = context.output_or_error().and_then(Result::err);
        let answer = error
            .and_then(|error| error.as_operation_error()?.downcast_ref::<E>())
            .and_then(|error| answered_error(self.service, error));
        if answer.is_some() {
            let _ = CALL.try_with(|call| call.borrow_mut().answer = answer);
        }
        Ok(())
    }
}
