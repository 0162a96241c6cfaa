//! JSON Schemas of what goes in and out, generated from the types. `tests/schema/` has them as files.
//!
//! The event alone has types of its own here: it is read field by field, so that every offending place can be named.

use schemars::{JsonSchema, Schema, generate::SchemaSettings};

use crate::{
    announcement::message::Body,
    import::{Description, State, Transition},
    response::Response,
};

/// The event: the direct form, or an EventBridge event with that in its `detail`.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "a schema is all that is made of it")]
enum Event {
    Direct(Direct),
    Envelope(Envelope),
}

/// The direct form.
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase")]
#[expect(dead_code, reason = "a schema is all that is made of it")]
struct Direct {
    imports: Vec<Record>,
}

/// What EventBridge delivers.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
#[expect(dead_code, reason = "a schema is all that is made of it")]
struct Envelope {
    detail_type: String,
    source: String,
    detail: Direct,
}

/// One import.
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase")]
#[expect(dead_code, reason = "a schema is all that is made of it")]
struct Record {
    #[schemars(regex(pattern = r"^wsi-[0-9a-z]{9,63}$"))]
    image_id: String,
    /// The state last announced, or where to start from; absent: nothing announced yet.
    state: Option<State>,
    /// How many announcements this import has had; 0 where absent.
    sequence: Option<u64>,
    /// An announcement that is due and has not gone out.
    owed: Option<Transition>,
    /// A stall has been announced and not yet ended; false where absent.
    stalled: Option<bool>,
    /// The last check did not find the image; false where absent.
    missing: Option<bool>,
    /// The last description; carried as it is wherever the import is not described anew.
    description: Option<serde_json::Map<String, serde_json::Value>>,
}

/// The schema of the event.
#[must_use]
pub fn event() -> Schema {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Event>()
}

/// The schema of the response.
#[must_use]
pub fn response() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Response>()
}

/// The schema of an SNS message's `default` text.
#[must_use]
pub fn message() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Body<'_>>()
}

/// The schema of a description alone.
#[must_use]
pub fn description() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Description>()
}
