//! What WorkSpaces says about an import: the `DescribeCustomWorkspaceImageImport` response, and the form in which
//! records carry it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};

use super::{
    Outcome, State, Timestamp,
    truncate::{escaped_len, shorten},
};

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

impl Description {
    /// The texts that may be long: `StateMessage` and those of `ErrorDetails`.
    fn texts(&self) -> impl Iterator<Item = &String> {
        let errors = self.error_details.iter().flatten();
        let errors = errors.flat_map(|error| [&error.error_code, &error.error_message]).flatten();
        self.state_message.iter().chain(errors)
    }

    fn texts_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let errors = self.error_details.iter_mut().flatten();
        let errors = errors.flat_map(|error| [&mut error.error_code, &mut error.error_message]).flatten();
        self.state_message.iter_mut().chain(errors)
    }

    /// How long an import took that ended in this state, in seconds: from its creation to its last update. `None` if
    /// the state ends no import, or if this describes another state.
    #[must_use]
    pub fn duration_seconds(&self, end: &State) -> Option<u64> {
        let has_ended = end.outcome() != Outcome::Pending && self.state.as_deref() == Some(end.as_str());
        let (created, updated) = (self.created?, self.last_updated_time?);
        (has_ended && updated >= created).then(|| updated.since(created).as_secs())
    }
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

/// The description that a record carries. One that an event contains is passed on byte for byte until the import is
/// described again.
#[derive(Clone, Debug)]
pub struct CarriedDescription {
    content: Content,
    /// The description's `State`, if it has a valid one.
    state: Option<State>,
}

#[derive(Clone, Debug)]
enum Content {
    /// What this invocation got from the service.
    Described(Box<Description>),
    /// What an event contains. It can be any JSON: an older version may have written it.
    Json(Box<RawValue>),
}

impl CarriedDescription {
    /// Takes a description out of an event.
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
        Self { content: Content::Json(json), state }
    }

    /// The described state, if there is a valid one.
    #[must_use]
    pub fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }

    /// The description, typed. If an event contains another form, people get only what is certain: nothing.
    #[must_use]
    pub fn typed(&self) -> Cow<'_, Description> {
        match &self.content {
            Content::Described(description) => Cow::Borrowed(description),
            Content::Json(json) => Cow::Owned(serde_json::from_str(json.get()).unwrap_or_default()),
        }
    }

    /// The description as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The size of each text that may be shortened, in bytes of JSON.
    #[must_use]
    pub fn text_sizes(&self) -> Vec<usize> {
        let mut sizes = Vec::new();
        self.clone().for_each_text(|text| {
            sizes.push(escaped_len(text));
            false
        });
        sizes
    }

    /// The length of each text that this invocation got from the service, in bytes. Unlike [`Self::text_sizes`], it
    /// takes no time.
    #[must_use]
    pub fn text_lengths(&self) -> Vec<usize> {
        match &self.content {
            Content::Described(description) => description.texts().map(String::len).collect(),
            Content::Json(_) => Vec::new(),
        }
    }

    /// Drops what is behind the first `length` bytes of each text that this invocation got from the service.
    pub fn cut_texts(&mut self, length: usize) {
        if let Content::Described(description) = &mut self.content {
            for text in description.texts_mut() {
                text.truncate(text.floor_char_boundary(length));
            }
        }
    }

    /// Shortens every text to `limit` bytes of JSON. Returns whether a text was longer.
    pub fn shorten_texts(&mut self, limit: usize) -> bool {
        self.for_each_text(|text| {
            let is_longer = escaped_len(text) > limit;
            if is_longer {
                *text = shorten(text, limit);
            }
            is_longer
        })
    }

    /// Visits `StateMessage` and the texts of `ErrorDetails`. `visit` returns whether it has changed the text. Returns
    /// whether any was changed.
    fn for_each_text(&mut self, mut visit: impl FnMut(&mut String) -> bool) -> bool {
        let mut changed = false;
        match &mut self.content {
            Content::Described(description) => {
                for text in description.texts_mut() {
                    changed |= visit(text);
                }
            }
            Content::Json(json) => {
                let Ok(mut value) = serde_json::from_str::<Value>(json.get()) else { return false };
                if let Some(Value::String(message)) = value.get_mut("StateMessage") {
                    changed |= visit(message);
                }
                let errors = value.get_mut("ErrorDetails").and_then(Value::as_array_mut);
                for member in errors.into_iter().flatten().filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
                    if let Value::String(text) = member {
                        changed |= visit(text);
                    }
                }
                // What is not changed stays as it is, byte for byte.
                if changed {
                    *json = to_raw_value(&value).expect("JSON stays JSON");
                }
            }
        }
        changed
    }
}

impl From<Box<Description>> for CarriedDescription {
    fn from(description: Box<Description>) -> Self {
        let state = description.state.as_deref().and_then(State::parse);
        Self { content: Content::Described(description), state }
    }
}

impl Serialize for CarriedDescription {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.content {
            Content::Described(description) => description.serialize(serializer),
            Content::Json(json) => json.serialize(serializer),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The same description as an event carries it, and as the service sent it.
    fn in_both_forms(description: &Value) -> [CarriedDescription; 2] {
        let json = CarriedDescription::from_json(to_raw_value(description).expect("JSON"));
        let typed: Box<Description> = serde_json::from_value(description.clone()).expect("a description");
        [json, CarriedDescription::from(typed)]
    }

    #[test]
    fn only_messages_are_shortened() {
        let long = "x".repeat(500);
        let errors = serde_json::json!([{"ErrorCode": "A", "ErrorMessage": long}]);
        let description = serde_json::json!({"ImageId": long, "StateMessage": long, "ErrorDetails": errors});
        for mut carried in in_both_forms(&description) {
            assert_eq!(carried.text_sizes(), [500, 1, 500]);
            assert!(!carried.shorten_texts(500));
            assert!(carried.shorten_texts(100));
            let short: Value = serde_json::from_str(&carried.to_json()).expect("JSON");
            assert_eq!(short["ImageId"], long);
            assert_eq!(short["StateMessage"].as_str().map(escaped_len), Some(100));
            assert_eq!(short["ErrorDetails"][0]["ErrorMessage"].as_str().map(escaped_len), Some(100));
        }
    }

    #[test]
    fn only_an_import_that_has_ended_has_a_duration() {
        let described = |state: &str, created: &str, updated: &str| Description {
            state: Some(state.to_owned()),
            created: created.parse().ok(),
            last_updated_time: updated.parse().ok(),
            ..Description::default()
        };
        let (start, end) = ("2026-01-07T09:00:00Z", "2026-01-07T12:10:00.900Z");
        for (state, created, updated, announced, seconds) in [
            ("COMPLETED", start, end, "COMPLETED", Some(11_400)),
            ("ERROR", start, end, "ERROR", Some(11_400)),
            ("ERROR", start, start, "ERROR", Some(0)),
            ("VALIDATING", start, end, "VALIDATING", None),
            ("COMPLETED", start, end, "ERROR", None),
            ("COMPLETED", start, end, "NOT_FOUND", None),
            ("COMPLETED", end, start, "COMPLETED", None),
            ("COMPLETED", "", end, "COMPLETED", None),
            ("COMPLETED", start, "", "COMPLETED", None),
        ] {
            let announced = State::parse(announced).expect("a state");
            let description = described(state, created, updated);
            assert_eq!(description.duration_seconds(&announced), seconds, "{description:?} {announced:?}");
        }
    }

    #[test]
    fn what_is_not_shortened_stays_as_it_is() {
        let json = r#"{ "State" : "PENDING", "StateMessage":"\u0041", "Mine": [1e400] }"#;
        let mut carried = CarriedDescription::from_json(RawValue::from_string(json.to_owned()).expect("JSON"));
        assert!(!carried.shorten_texts(100));
        assert_eq!(carried.to_json(), json);
    }
}
