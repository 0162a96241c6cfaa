//! What WorkSpaces says about an import: the typed `DescribeCustomWorkspaceImageImport` response, and the raw JSON of it
//! that records carry.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::{State, Timestamp};

/// What WorkSpaces says about an import: every member that the service sent, under its own name, and no other.
///
/// Source: <https://docs.aws.amazon.com/workspaces/latest/api/API_DescribeCustomWorkspaceImageImport.html>
// A test walks the SDK's schema of this output, so a member that an SDK upgrade adds cannot be forgotten here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Description {
    /// The image ID, `wsi-…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// The EC2 Image Builder infrastructure configuration that the import uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub infrastructure_configuration_arn: Option<String>,
    /// The state of the import. The service has 14 so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The service's message about the state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_message: Option<String>,
    /// The progress in percent, 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_percentage: Option<i32>,
    /// When the import started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// When the service last updated the import.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated_time: Option<Timestamp>,
    /// What is being imported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_source: Option<ImageSource>,
    /// The EC2 instance that builds the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_builder_instance_id: Option<String>,
    /// The errors of the import, including those that the service has fixed automatically.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_details: Option<Vec<ErrorDetail>>,
}

/// The source of an import. Exactly one member is set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum ImageSource {
    /// The ID of an EC2 image (AMI).
    Ec2ImageId(String),
    /// The ID of an EC2 VM import task.
    Ec2ImportTaskId(String),
    /// The ARN of an EC2 Image Builder image.
    ImageBuildVersionArn(String),
    /// A member that the SDK does not know yet, in the form that boto3 uses.
    #[serde(rename = "SDK_UNKNOWN_MEMBER")]
    Unknown {
        /// The member's name in the service's response.
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
    /// The service's message about the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}

/// The description that a record carries: raw JSON, passed on byte for byte until the import is described again, with
/// its state beside it.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct CarriedDescription {
    json: Box<RawValue>,
    /// The description's `State`, if it has a valid one.
    #[serde(skip)]
    state: Option<State>,
}

impl CarriedDescription {
    /// Takes a description out of an event. It can be any JSON: an event may carry what an older version wrote.
    #[must_use]
    pub fn from_json(json: Box<RawValue>) -> Self {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct StateOnly<'a> {
            #[serde(borrow, default)]
            state: Option<Cow<'a, str>>,
        }
        let described = serde_json::from_str::<StateOnly<'_>>(json.get()).ok();
        let state = described.and_then(|described| State::parse(&described.state?));
        Self { json, state }
    }

    /// The same description with shorter texts. Its state stays.
    #[must_use]
    pub fn with_json(&self, json: Box<RawValue>) -> Self {
        Self { json, state: self.state.clone() }
    }

    /// The raw JSON.
    #[must_use]
    pub fn json(&self) -> &RawValue {
        &self.json
    }

    /// The described state, if there is a valid one.
    #[must_use]
    pub fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }
}

impl From<&Description> for CarriedDescription {
    fn from(description: &Description) -> Self {
        let json = to_raw_value(description).expect("a struct of strings and numbers is valid JSON");
        Self { json, state: description.state.as_deref().and_then(State::parse) }
    }
}

impl JsonSchema for CarriedDescription {
    fn schema_name() -> Cow<'static, str> {
        Description::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Description::json_schema(generator)
    }
}
