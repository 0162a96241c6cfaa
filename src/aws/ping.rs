//! Opens a connection without calling anything. Lambda gives Init a full CPU, so no invocation on a fraction of one
//! pays for a TLS handshake.
//!
//! The ping goes through the SDK. That costs a tenth of a start's instructions, but it runs the SDK's code for the
//! first time during Init. The first invocation, on a fraction of a CPU, is 0.2 ms faster.

use std::error::Error as StdError;

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::BeforeTransmitInterceptorContextMut},
        orchestrator::{HttpRequest, HttpResponse},
        result::SdkError,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;

use super::error::unreachable;
use crate::error::{CallError, Service};

/// Replaces the request of the call that it is added to with an unsigned `GET /ping` to the same endpoint, over the
/// connection that later calls will use. AWS endpoints answer it themselves (`healthy`), and it does not appear in
/// `CloudTrail`.
#[derive(Debug)]
pub(super) struct Ping;

impl Intercept for Ping {
    fn name(&self) -> &'static str {
        "Ping"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let endpoint = request.uri();
        let origin = endpoint.find("://").and_then(|scheme| {
            let authority = scheme + "://".len();
            let path = endpoint[authority..].find(['/', '?']);
            endpoint.get(..path.map_or(endpoint.len(), |path| authority + path))
        });
        let origin = origin.ok_or_else(|| format!("{endpoint} has no host"))?;
        *request = HttpRequest::get(format!("{origin}/ping"))?;
        Ok(())
    }
}

/// Whether a call with [`Ping`] opened a connection. The response itself is ignored.
///
/// # Errors
/// If no server was reached.
pub(super) fn connected<T, E>(service: Service, pinged: Result<T, SdkError<E, HttpResponse>>) -> Result<(), CallError>
where
    E: StdError + Send + Sync + 'static,
{
    match pinged {
        Ok(_) | Err(SdkError::ServiceError(_) | SdkError::ResponseError(_)) => Ok(()),
        Err(error) => Err(unreachable(service, &error)),
    }
}
