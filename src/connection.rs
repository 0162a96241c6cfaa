//! Opening a connection without calling anything: for Init, where Lambda gives a whole CPU, so that no invocation at a
//! fraction of one pays for a TLS handshake.

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
use aws_smithy_types::{config_bag::ConfigBag, error::metadata::ProvideErrorMetadata};

use crate::{
    error::{CallError, Service},
    sdk_error::call_error,
};

/// Sends `GET /ping` in place of the call that it is added to: to the endpoint that the SDK found for that, over the
/// connection that the calls to come will use, and without a signature or anything else of the call. AWS's endpoints
/// answer it themselves (`healthy`), and `CloudTrail` knows nothing of it.
#[derive(Debug)]
pub(crate) struct Ping;

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

/// Whether a connection is open after a call that [`Ping`] stood in for. That its answer is none to the call is no
/// matter.
///
/// # Errors
/// Where nothing was reached.
pub(crate) fn opened<T, E>(service: Service, pinged: Result<T, SdkError<E, HttpResponse>>) -> Result<(), CallError>
where
    E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
{
    match pinged {
        Ok(_) | Err(SdkError::ServiceError(_) | SdkError::ResponseError(_)) => Ok(()),
        Err(error) => Err(call_error(service, error)),
    }
}
