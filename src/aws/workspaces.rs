//! Amazon `WorkSpaces`: describes imports, and lists the images that may be imports.

use std::sync::{Arc, OnceLock};

use aws_sdk_workspaces::{
    Client,
    config::{
        Builder,
        retry::{RetryConfig, RetryPartition},
    },
    operation::describe_custom_workspace_image_import::{
        DescribeCustomWorkspaceImageImportError as DescribeError, DescribeCustomWorkspaceImageImportOutput,
    },
    types::{ImageSourceIdentifier, ImageType, WorkspaceImage, WorkspaceImageState},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::AfterDeserializationInterceptorContextRef},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{DateTime, config_bag::ConfigBag};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    call::{CallOutcome, call},
    ping::{Ping, connected},
};
use crate::{
    error::{CallError, Service},
    import::{Description, ErrorDetail, ImageId, ImageName, ImageSource, Observation, State, Timestamp},
    services::{DescribeOutcome, SearchOutcome},
};

/// The maximum number of images per [`DescribeWorkspaceImages`][api] call.
///
/// [api]: https://docs.aws.amazon.com/workspaces/latest/api/API_DescribeWorkspaceImages.html
const MAX_RESULTS: i32 = 25;

/// Discovery has its own rate limiter. If the service throttles it, the SDK would otherwise hold back describing, too.
const RETRY_PARTITION: &str = "WorkSpaces discovery";

/// Amazon `WorkSpaces`. `DescribeCustomWorkspaceImageImport` describes the import of one image per call, and
/// `DescribeWorkspaceImages` lists all images.
#[derive(Clone, Debug)]
pub(super) struct WorkSpaces {
    client: Client,
}

impl WorkSpaces {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Opens a connection without describing anything.
    ///
    /// # Errors
    /// If the service could not be reached.
    pub(super) async fn connect(&self) -> Result<(), CallError> {
        let ping = self.client.describe_custom_workspace_image_import().image_id("wsi-000000000").customize();
        let once = Builder::new().retry_config(RetryConfig::disabled());
        connected(Service::WorkSpaces, ping.interceptor(Ping).config_override(once).send().await)
    }

    pub(super) async fn list_pending(&self, deadline: Instant) -> SearchOutcome {
        let mut found = SearchOutcome::default();
        let mut next_token = None;
        loop {
            let list = self
                .client
                .describe_workspace_images()
                .image_type(ImageType::Owned)
                .max_results(MAX_RESULTS)
                .set_next_token(next_token)
                .customize()
                .config_override(Builder::new().retry_partition(RetryPartition::new(RETRY_PARTITION)));
            let outcome = call(Service::WorkSpaces, deadline, |attempts| list.interceptor(attempts).send()).await;
            let page = match outcome.into_result(Service::WorkSpaces) {
                Ok(page) => page,
                Err(error) => return SearchOutcome { error: Some(error), ..found },
            };
            for image in page.images.iter().flatten().filter(|image| may_be_running(image)) {
                match image_id(image) {
                    Ok(image_id) => found.images.push((image_id, image.name.as_deref().and_then(ImageName::new))),
                    Err(error) => found.error = Some(error),
                }
            }
            next_token = page.next_token.filter(|token| !token.is_empty());
            if next_token.is_none() {
                return found;
            }
        }
    }

    pub(super) async fn describe(&self, image_id: &ImageId, deadline: Instant) -> DescribeOutcome {
        let unknown_source = UnknownSource::default();
        let describe = self
            .client
            .describe_custom_workspace_image_import()
            .image_id(image_id.as_str())
            .customize()
            .interceptor(unknown_source.clone());
        match call(Service::WorkSpaces, deadline, |attempts| describe.interceptor(attempts).send()).await {
            CallOutcome::Succeeded(output) => match description(output, unknown_source.name()) {
                Ok(description) => DescribeOutcome::Observed(Observation::Described(Box::new(description))),
                Err(error) => DescribeOutcome::Failed(error),
            },
            // Decided by the modeled error alone: every error of this operation has the HTTP status 400.
            CallOutcome::Failed(_, Some(DescribeError::ResourceNotFoundException(_))) => {
                DescribeOutcome::Observed(Observation::NotFound)
            }
            CallOutcome::Failed(error, _) => DescribeOutcome::Failed(error),
            CallOutcome::NotSent(why) => DescribeOutcome::NotSent(why),
        }
    }
}

/// Whether a listed image may be a running import. The service lists images that were not made by an import, too.
///
/// This is an assumption: AWS does not document in which state `DescribeWorkspaceImages` lists a running import.
fn may_be_running(image: &WorkspaceImage) -> bool {
    image.state == Some(WorkspaceImageState::Pending)
}

fn image_id(image: &WorkspaceImage) -> Result<ImageId, CallError> {
    let id = image.image_id.as_deref().and_then(ImageId::parse);
    id.ok_or_else(|| CallError::bad_response(Service::WorkSpaces, "a listed image has no valid ImageId"))
}

fn description(
    output: DescribeCustomWorkspaceImageImportOutput,
    unknown_source: Option<String>,
) -> Result<Description, CallError> {
    // A time that RFC 3339 cannot express must not keep the import from being checked.
    let time = |time: Option<DateTime>| Timestamp::from_nanos(time?.as_nanos());
    let state = output.state.map(|state| state.as_str().to_owned());
    if state.as_deref().is_some_and(|state| State::parse(state).is_none()) {
        let message = "State is not 1 to 64 printable ASCII characters";
        return Err(CallError::bad_response(Service::WorkSpaces, message));
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
        let Ok(output) = context.output_or_error() else { return Ok(()) };
        let output = output.downcast_ref::<DescribeCustomWorkspaceImageImportOutput>();
        let source = output.and_then(DescribeCustomWorkspaceImageImportOutput::image_source);
        if !source.is_some_and(ImageSourceIdentifier::is_unknown) {
            return Ok(());
        }
        let body = context.response().body().bytes().unwrap_or_default();
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        for (name, value) in body["ImageSource"].as_object().into_iter().flatten() {
            if name != "__type" && !value.is_null() {
                self.0.get_or_init(|| name.clone());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_workspaces::types::WorkspaceImageErrorDetailCode;

    use crate::message::find;

    #[test]
    fn every_code_of_the_sdk_has_a_remedy() {
        let codes = WorkspaceImageErrorDetailCode::values().iter().copied();
        let missing: Vec<&str> = codes.filter(|code| find(code).is_none()).collect();
        assert!(missing.is_empty(), "write the remedies of {missing:?} into src/message/remedies/table.rs");
    }
}
