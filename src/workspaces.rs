//! Describing an import: the port, and its adapter to the SDK.

use std::{
    future::Future,
    sync::{Arc, OnceLock},
};

use aws_sdk_workspaces::{
    Client,
    config::Builder,
    error::SdkError,
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

use crate::{
    connection::{Ping, opened},
    error::{CallError, Service},
    import::{Description, ErrorDetail, ImageSource, Observation, State, Timestamp},
    in_time::NoteAnswers,
    sdk_error::call_error,
};

/// Describes imports.
pub trait DescribeImport {
    /// What there is to be seen of this image's import now.
    fn describe(&self, image_id: &str) -> impl Future<Output = Result<Observation, CallError>>;
}

/// Amazon WorkSpaces, by `DescribeCustomWorkspaceImageImport`: one image a call.
#[derive(Clone, Debug)]
pub struct WorkSpaces {
    client: Client,
}

impl WorkSpaces {
    /// Calls through this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Opens a connection, and describes nothing.
    ///
    /// # Errors
    /// Where nothing was reached.
    pub async fn connect(&self) -> Result<(), CallError> {
        let call = self.client.describe_custom_workspace_image_import().image_id("wsi-000000000").customize();
        let once = Builder::new().retry_config(RetryConfig::disabled());
        opened(Service::WorkSpaces, call.interceptor(Ping).config_override(once).send().await)
    }
}

impl DescribeImport for WorkSpaces {
    async fn describe(&self, image_id: &str) -> Result<Observation, CallError> {
        let unknown_source = UnknownSource::default();
        let described = self
            .client
            .describe_custom_workspace_image_import()
            .image_id(image_id)
            .customize()
            .interceptor(unknown_source.clone())
            .interceptor(NoteAnswers::<DescribeCustomWorkspaceImageImportError>::of(Service::WorkSpaces))
            .send()
            .await;
        match described {
            Ok(output) => description(output, unknown_source.name()).map(Box::new).map(Observation::Described),
            Err(error) if is_not_found(&error) => Ok(Observation::NotFound),
            Err(error) => Err(call_error(Service::WorkSpaces, error)),
        }
    }
}

/// Only ever by the modelled error: every error of this operation is a 400.
fn is_not_found<R>(error: &SdkError<DescribeCustomWorkspaceImageImportError, R>) -> bool {
    error.as_service_error().is_some_and(DescribeCustomWorkspaceImageImportError::is_resource_not_found_exception)
}

fn description(
    output: DescribeCustomWorkspaceImageImportOutput,
    unknown_source: Option<String>,
) -> Result<Description, CallError> {
    let no_sense = |what: &str| CallError::bad_response(Service::WorkSpaces, what);
    let time = |time: Option<aws_smithy_types::DateTime>| time.map(Timestamp::try_from).transpose().map_err(no_sense);
    let state = output.state.map(|state| state.as_str().to_owned());
    if state.as_deref().is_some_and(|state| !state.is_empty() && State::parse(state).is_none()) {
        return Err(no_sense("a State with control characters, or too long to be one"));
    }
    Ok(Description {
        image_id: output.image_id,
        infrastructure_configuration_arn: output.infrastructure_configuration_arn,
        state,
        state_message: output.state_message,
        progress_percentage: output.progress_percentage,
        created: time(output.created)?,
        last_updated_time: time(output.last_updated_time)?,
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

/// Keeps the name of an `ImageSource` member that the SDK does not know: the SDK itself drops it, but the response's
/// body is still there to be read after it was deserialised.
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
