//! Turns a response of `DescribeCustomWorkspaceImageImport` into a description, even if the SDK cannot read all of it.
//!
//! The SDK rejects a response as a whole because of one member that it cannot read, and drops the name of an
//! `ImageSource` that it does not know. An interceptor keeps the body of such a response, and the function reads it
//! again.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use aws_sdk_workspaces::{
    operation::describe_custom_workspace_image_import::DescribeCustomWorkspaceImageImportOutput as Output,
    types::ImageSourceIdentifier,
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::AfterDeserializationInterceptorContextRef},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{DateTime, config_bag::ConfigBag};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::import::{Description, ErrorDetail, ImageSource, Timestamp};

/// Keeps the body of a response that the SDK could not read completely.
#[derive(Clone, Debug, Default)]
pub(super) struct UnreadBody(Arc<OnceLock<String>>);

impl UnreadBody {
    /// The body. Empty if the SDK could read everything, or if there was no body.
    fn text(&self) -> &str {
        self.0.get().map_or("", String::as_str)
    }

    /// Reads the body again, without the members that cannot be read. Returns `None` if it is not a description, or if
    /// its `State` cannot be read.
    pub(super) fn description(&self) -> Option<Description> {
        let members = members(self.text())?;
        let state = members.get("State").map_or("null", |state| state.get());
        Some(Description {
            image_id: read(&members, "ImageId"),
            infrastructure_configuration_arn: read(&members, "InfrastructureConfigurationArn"),
            state: serde_json::from_str(state).ok()?,
            state_message: read(&members, "StateMessage"),
            progress_percentage: read(&members, "ProgressPercentage"),
            created: timestamp(read(&members, "Created").map(DateTime::from_secs_f64)),
            last_updated_time: timestamp(read(&members, "LastUpdatedTime").map(DateTime::from_secs_f64)),
            image_source: image_source(&members),
            image_builder_instance_id: read(&members, "ImageBuilderInstanceId"),
            error_details: read(&members, "ErrorDetails").map(error_details),
        })
    }
}

impl Intercept for UnreadBody {
    fn name(&self) -> &'static str {
        "UnreadBody"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let was_read = match context.output_or_error() {
            Ok(output) => {
                let source = output.downcast_ref().and_then(Output::image_source);
                !source.is_some_and(ImageSourceIdentifier::is_unknown)
            }
            Err(_) => !context.response().status().is_success(),
        };
        if !was_read {
            let body = context.response().body().bytes().unwrap_or_default();
            self.0.get_or_init(|| String::from_utf8_lossy(body).into_owned());
        }
        Ok(())
    }
}

/// The description that the SDK has read. `body` is for an image source that it does not know.
pub(super) fn description(output: Output, body: &UnreadBody) -> Description {
    let known_source = |source| match source {
        ImageSourceIdentifier::Ec2ImageId(id) => ImageSource::Ec2ImageId(id),
        ImageSourceIdentifier::Ec2ImportTaskId(id) => ImageSource::Ec2ImportTaskId(id),
        ImageSourceIdentifier::ImageBuildVersionArn(arn) => ImageSource::ImageBuildVersionArn(arn),
        _ => {
            let named = members(body.text()).and_then(|members| image_source(&members));
            named.unwrap_or(ImageSource::Unknown { name: String::new() })
        }
    };
    Description {
        image_id: output.image_id,
        infrastructure_configuration_arn: output.infrastructure_configuration_arn,
        state: output.state.map(|state| state.as_str().to_owned()),
        state_message: output.state_message,
        progress_percentage: output.progress_percentage,
        created: timestamp(output.created),
        last_updated_time: timestamp(output.last_updated_time),
        image_source: output.image_source.map(known_source),
        image_builder_instance_id: output.image_builder_instance_id,
        error_details: output.error_details.map(|details| {
            let details = details.into_iter().map(|detail| ErrorDetail {
                error_code: detail.error_code.map(|code| code.as_str().to_owned()),
                error_message: detail.error_message,
            });
            details.collect()
        }),
    }
}

/// A time that RFC 3339 cannot express must not keep the import from being checked.
fn timestamp(time: Option<DateTime>) -> Option<Timestamp> {
    Timestamp::from_nanos(time?.as_nanos())
}

/// The members of a JSON object. Each one is read by itself, so that one that cannot be read does not affect the
/// others.
type Members<'a> = BTreeMap<String, &'a RawValue>;

fn members(json: &str) -> Option<Members<'_>> {
    serde_json::from_str(json).ok()
}

fn read<'a, T: Deserialize<'a>>(members: &Members<'a>, name: &str) -> Option<T> {
    serde_json::from_str(members.get(name)?.get()).ok()
}

fn image_source(members: &Members<'_>) -> Option<ImageSource> {
    let mut members: Members<'_> = read(members, "ImageSource")?;
    members.retain(|name, value| name != "__type" && value.get() != "null");
    // It has exactly one member.
    let name = members.first_key_value().filter(|_| members.len() == 1)?.0.as_str();
    match name {
        "Ec2ImageId" => read(&members, name).map(ImageSource::Ec2ImageId),
        "Ec2ImportTaskId" => read(&members, name).map(ImageSource::Ec2ImportTaskId),
        "ImageBuildVersionArn" => read(&members, name).map(ImageSource::ImageBuildVersionArn),
        name => Some(ImageSource::Unknown { name: name.to_owned() }),
    }
}

fn error_details(details: Vec<&RawValue>) -> Vec<ErrorDetail> {
    let details = details.into_iter().filter_map(|detail| members(detail.get()));
    let details = details.map(|detail| ErrorDetail {
        error_code: read(&detail, "ErrorCode"),
        error_message: read(&detail, "ErrorMessage"),
    });
    details.collect()
}
