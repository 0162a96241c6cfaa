//! Calls that end before the invocation's time is up, and what they had come to by then.

use std::{cell::RefCell, error::Error as StdError, future::Future, marker::PhantomData};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::FinalizerInterceptorContextRef},
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
    /// The last error that the service answered the call under way with.
    static LAST_ANSWER: RefCell<Option<CallError>>;
}

/// What a call comes to. One whose time is up while the SDK still tries again comes to what its last attempt was
/// answered with: a throttled call is not one without an answer.
///
/// # Errors
/// The call's own, the last answer's, or `….Timeout`.
pub(crate) async fn in_time<T>(
    service: Service,
    until: Instant,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let late = || CallError::timeout(service, "no answer before the invocation's time was up");
    let call = async {
        let result = timeout_at(until, call).await;
        result.unwrap_or_else(|_| Err(LAST_ANSWER.with(RefCell::take).unwrap_or_else(late)))
    };
    LAST_ANSWER.scope(RefCell::new(None), call).await
}

/// Notes what each attempt of an operation with errors of type `E` was answered with, for [`in_time`].
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
            // Outside of `in_time` nobody asks.
            let _ = LAST_ANSWER.try_with(|last| last.replace(answer));
        }
        Ok(())
    }
}
