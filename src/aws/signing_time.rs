//! Retries a request that a service rejects because it was signed at the wrong time, with the time of the service.
//!
//! The SDK signs with the difference of the clocks that it measured last, and retries a rejected request if the clocks
//! differ by more than four minutes. If a clock has been corrected since, they no longer differ, but the rejected
//! signature still has the old difference. The SDK has measured again by then, but does not retry.

use std::time::{Duration, SystemTime};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept, SharedInterceptor,
            context::{
                BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef, InterceptorContext,
            },
        },
        retries::classifiers::{ClassifyRetry, RetryAction, RetryClassifierPriority},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{
    DateTime,
    config_bag::{ConfigBag, Storable, StoreReplace},
    date_time::Format,
    retry::ErrorKind,
};

/// How far a signature's time may differ from a service's. AWS accepts five minutes in most services.
const TOLERANCE: Duration = Duration::from_mins(4);

/// Interceptor and retry classifier of every client.
#[derive(Clone, Copy, Debug)]
pub(super) struct SigningTime;

/// The time in a request's signature, as in the header `X-Amz-Date`.
#[derive(Debug)]
struct SignedAt(String);

impl Storable for SignedAt {
    type Storer = StoreReplace<Self>;
}

/// Marks the response to a request that was signed at the wrong time.
#[derive(Clone, Copy, Debug)]
struct WrongTime;

impl SigningTime {
    /// An interceptor that no call can turn off. If the SDK had to ask each time whether it is on, a start would take
    /// half a percent more instructions.
    pub(super) fn interceptor() -> SharedInterceptor {
        SharedInterceptor::permanent(Self)
    }
}

impl Intercept for SigningTime {
    fn name(&self) -> &'static str {
        "SigningTime"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(signed_at) = context.request().headers().get("x-amz-date") {
            bag.interceptor_state().store_put(SignedAt(signed_at.to_owned()));
        }
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        if !response.status().is_client_error() {
            return Ok(());
        }
        let date = response.headers().get("date");
        let date = date.and_then(|date| time(DateTime::from_str(date, Format::HttpDate).ok()?));
        let signed_at = bag.load::<SignedAt>().and_then(|SignedAt(signed_at)| from_basic(signed_at));
        if let (Some(date), Some(signed_at)) = (date, signed_at) {
            let difference = date.duration_since(signed_at).unwrap_or_else(|error| error.duration());
            if difference > TOLERANCE {
                context.response_mut().add_extension(WrongTime);
            }
        }
        Ok(())
    }
}

impl ClassifyRetry for SigningTime {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let is_wrong_time = context.response().is_some_and(|response| response.extension::<WrongTime>().is_some());
        if is_wrong_time {
            RetryAction::retryable_error(ErrorKind::ServerError)
        } else {
            RetryAction::NoActionIndicated
        }
    }

    /// Leaves the decisions of other classifiers alone: a throttled request has to wait longer.
    fn classify_retry_v2(&self, context: &InterceptorContext, previous: &RetryAction) -> RetryAction {
        match previous {
            RetryAction::NoActionIndicated => self.classify_retry(context),
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "SigningTime"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::http_status_code_classifier())
    }
}

/// Reads a time such as `20260107T090000Z`.
fn from_basic(text: &str) -> Option<SystemTime> {
    let part = |from: usize, to: usize| text.get(from..to);
    let (date, hour, minute, second) = (part(0, 8)?, part(9, 11)?, part(11, 13)?, part(13, 15)?);
    let (year, month, day) = (date.get(0..4)?, date.get(4..6)?, date.get(6..8)?);
    let extended = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
    time(DateTime::from_str(&extended, Format::DateTime).ok()?)
}

fn time(time: DateTime) -> Option<SystemTime> {
    SystemTime::try_from(time).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_signature() {
        let expected = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_776_401);
        assert_eq!(from_basic("20260107T090001Z"), Some(expected));
        for malformed in ["", "20260107", "2026-01-07T09:00:00Z", "20261307T090000Z", "äääääääääää"] {
            assert_eq!(from_basic(malformed), None, "{malformed}");
        }
    }
}
