//! The typed `DescribeCustomWorkspaceImageImport` response.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Timestamp;

/// Every member that the service sent, under its own name, and no member that it did not send.
///
/// Source: the WorkSpaces API reference of `DescribeCustomWorkspaceImageImport`. A test walks the SDK's schema of
/// that output, so that a member that an SDK upgrade adds cannot be forgotten here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Description {
    /// The image, `wsi-…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// The EC2 Image Builder infrastructure configuration that the import uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub infrastructure_configuration_arn: Option<String>,
    /// The state of the import, one of 14 so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The service's words on that state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_message: Option<String>,
    /// 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_percentage: Option<i32>,
    /// When the import began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// When the service last said something new of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated_time: Option<Timestamp>,
    /// What is imported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_source: Option<ImageSource>,
    /// The EC2 instance that builds the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_builder_instance_id: Option<String>,
    /// Errors, those that the service fixed by itself among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_details: Option<Vec<ErrorDetail>>,
}

/// What is imported: the one key that is set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum ImageSource {
    /// The identifier of an EC2 image.
    Ec2ImageId(String),
    /// The identifier of an EC2 VM import task.
    Ec2ImportTaskId(String),
    /// The ARN of an EC2 Image Builder image.
    ImageBuildVersionArn(String),
    /// A member that the SDK does not know yet, as boto3 shows it.
    #[serde(rename = "SDK_UNKNOWN_MEMBER")]
    Unknown {
        /// The member's name on the wire.
        name: String,
    },
}

/// One error of an import.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct ErrorDetail {
    /// A code such as `OutdatedPowershellVersion`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// The service's words on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}
