//! Describes imports and lists the images that may be imports: the ports, and their adapter to the SDK.

mod listing;

use std::{
    future::Future,
    sync::{Arc, OnceLock},
};

use aws_sdk_workspaces::{
    Client,
    config::Builder,
    operation::describe_custom_workspace_image_import::{
        DescribeCustomWorkspaceImageImportError, DescribeCustomWorkspaceImageImportOutput,
    },
    types::ImageSourceIdentifier,
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::AfterDeserializationInterceptorContextRef},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{config_bag::ConfigBag, retry::RetryConfig};
use serde_json::Value;

use tokio::time::Instant;

pub use self::listing::ListPendingImages;
use crate::{
    aws::{
        deadline::{Attempts, Finished},
        warm_up::{Ping, connected},
    },
    error::{CallError, NotSent, Service},
    import::{Description, ErrorDetail, ImageId, ImageSource, Observation, State, Timestamp},
};

/// Describes imports.
pub trait DescribeImport {
    /// Describes the import of one image. Returns by the deadline.
    fn describe(&self, image_id: &ImageId, deadline: Instant) -> impl Future<Output = DescribeOutcome>;
}

/// What became of describing an import.
#[derive(Debug)]
pub enum DescribeOutcome {
    /// The service described the import, or does not know the image.
    Observed(Observation),
    /// The time for the call ran out before it was sent. The import was not checked.
    NotSent(NotSent),
    /// The call failed. If there were several attempts, this is the last one's error.
    Failed(CallError),
}

/// Amazon WorkSpaces. `DescribeCustomWorkspaceImageImport` describes the import of one image per call, and
/// `DescribeWorkspaceImages` lists all images.
#[derive(Clone, Debug)]
pub struct WorkSpaces {
    client: Client,
}

impl WorkSpaces {
    /// Uses this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Opens a connection without describing anything.
    ///
    /// # Errors
    /// If the service could not be reached.
    pub(crate) async fn connect(&self) -> Result<(), CallError> {
        let call = self.client.describe_custom_workspace_image_import().image_id("wsi-000000000").customize();
        let once = Builder::new().retry_config(RetryConfig::disabled());
        connected(Service::WorkSpaces, call.interceptor(Ping).config_override(once).send().await)
    }
}

impl DescribeImport for WorkSpaces {
    async fn describe(&self, image_id: &ImageId, deadline: Instant) -> DescribeOutcome {
        let attempts = Attempts::new(Service::WorkSpaces);
        let unknown_source = UnknownSource::default();
        let call = self
            .client
            .describe_custom_workspace_image_import()
            .image_id(image_id.as_str())
            .customize()
            .interceptor(unknown_source.clone())
            .interceptor(attempts.clone())
            .send();
        match attempts.finish_by(deadline, call).await {
            Finished::Succeeded(output) => match description(output, unknown_source.name()) {
                Ok(description) => DescribeOutcome::Observed(Observation::Described(Box::new(description))),
                Err(error) => DescribeOutcome::Failed(error),
            },
            // Decided by the modeled error alone: every error of this operation has the HTTP status 400.
            Finished::Failed(_, Some(DescribeCustomWorkspaceImageImportError::ResourceNotFoundException(_))) => {
                DescribeOutcome::Observed(Observation::NotFound)
            }
            Finished::Failed(error, _) => DescribeOutcome::Failed(error),
            Finished::NotSent(why) => DescribeOutcome::NotSent(why),
        }
    }
}

fn description(
    output: DescribeCustomWorkspaceImageImportOutput,
    unknown_source: Option<String>,
) -> Result<Description, CallError> {
    // A time that RFC 3339 cannot express must not keep the import from being checked.
    let time = |time: Option<aws_smithy_types::DateTime>| time.and_then(|time| Timestamp::try_from(time).ok());
    let state = output.state.map(|state| state.as_str().to_owned());
    if state.as_deref().is_some_and(|state| State::parse(state).is_none()) {
        let cause = "State is not 1 to 64 printable ASCII characters";
        return Err(CallError::bad_response(Service::WorkSpaces, cause));
    }
    Ok(Description {
        image_id: output.image_id,
        infrastructure_configuration_arn: output.infrastructure_configuration_arn,
        state,
        state_message: output.state_message,
        progress_percentage: output.progress_percentage,
        created: time(output.created),
        last_updated_time: time(output.last_updated_time),
        image_source: output.image_source.map(|source| image_source(source, unknown_source)),
        image_builder_instance_id: output.image_builder_instance_id,
        error_details: output.error_details.map(|details| {
            let details = details.into_iter().map(|detail| ErrorDetail {
                error_code: detail.error_code.map(|code| code.as_str().to_owned()),
                error_message: detail.error_message,
            });
            details.collect()
        }),
    })
}

fn image_source(source: ImageSourceIdentifier, unknown: Option<String>) -> ImageSource {
    match source {
        ImageSourceIdentifier::Ec2ImageId(id) => ImageSource::Ec2ImageId(id),
        ImageSourceIdentifier::Ec2ImportTaskId(id) => ImageSource::Ec2ImportTaskId(id),
        ImageSourceIdentifier::ImageBuildVersionArn(arn) => ImageSource::ImageBuildVersionArn(arn),
        _ => ImageSource::Unknown { name: unknown.unwrap_or_default() },
    }
}

/// Reads the name of an `ImageSource` member that the SDK does not know. The SDK drops the name, but an interceptor can
/// still read the response body after deserialization.
#[derive(Clone, Debug, Default)]
struct UnknownSource(Arc<OnceLock<String>>);

impl UnknownSource {
    fn name(&self) -> Option<String> {
        self.0.get().cloned()
    }
}

impl Intercept for UnknownSource {
    fn name(&self) -> &'static str {
        "UnknownSource"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let unknown = context
            .output_or_error()
            .ok()
            .and_then(|output| output.downcast_ref::<DescribeCustomWorkspaceImageImportOutput>())
            .and_then(DescribeCustomWorkspaceImageImportOutput::image_source)
            .is_some_and(ImageSourceIdentifier::is_unknown);
        if unknown
            && let Some(body) = context.response().body().bytes()
            && let Ok(body) = serde_json::from_slice::<Value>(body)
            && let Some(member) = body["ImageSource"].as_object().and_then(|source| {
                source.iter().find(|(name, value)| *name != "__type" && !value.is_null()).map(|(name, _)| name)
            })
        {
            self.0.get_or_init(|| member.clone());
        }
        Ok(())
    }
}
