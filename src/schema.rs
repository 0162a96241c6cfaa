//! JSON Schemas of events, responses and messages, generated from the types. The folder `docs/schema/` contains them as
//! files.

use schemars::{JsonSchema, Schema, generate::SchemaSettings, transform::RecursiveTransform};
use serde_json::{Map, Value};

use crate::{
    import::{Checkpoint, Description, ImageId},
    message::{Body, TestBody},
    response::Response,
    self_test::SelfTestReport,
};

/// The event: the direct form, or an EventBridge event with the direct form in its `detail`.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used: the event is read field by field to name each malformed place")]
enum Event {
    Direct {
        #[schemars(flatten)]
        direct: Direct,
        /// Absent.
        #[schemars(default)]
        detail: (),
    },
    Envelope(Envelope),
}

/// The direct form: a list of imports, or the request to discover them, or both; or the self-test.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Direct {
    #[schemars(rename_all = "PascalCase")]
    Imports {
        /// The imports to check.
        imports: Vec<Record>,
        /// Whether to check what is discovered, too.
        #[schemars(default)]
        discover: bool,
        /// Not true.
        #[schemars(default, extend("enum" = [false, null]))]
        self_test: bool,
    },
    #[schemars(rename_all = "PascalCase")]
    Discover {
        /// Absent.
        #[schemars(default)]
        imports: (),
        /// Whether to check what is discovered.
        #[schemars(extend("const" = true))]
        discover: bool,
        /// Not true.
        #[schemars(default, extend("enum" = [false, null]))]
        self_test: bool,
    },
    #[schemars(rename_all = "PascalCase")]
    SelfTest {
        /// Absent.
        #[schemars(default)]
        imports: (),
        /// Whether to check what discovery needs, too. The default is true.
        discover: Option<bool>,
        /// Whether to run the self-test.
        #[schemars(extend("const" = true))]
        self_test: bool,
    },
}

/// What EventBridge delivers.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
#[expect(dead_code, reason = "only its schema is used")]
struct Envelope {
    detail_type: String,
    source: String,
    detail: Direct,
    version: Option<String>,
    id: Option<String>,
    account: Option<String>,
    region: Option<String>,
    #[schemars(extend("format" = "date-time"))]
    time: Option<String>,
    resources: Option<Vec<String>>,
    /// Absent.
    #[schemars(default, rename = "Imports")]
    imports: (),
    /// Absent.
    #[schemars(default, rename = "Discover")]
    discover: (),
    /// Absent.
    #[schemars(default, rename = "SelfTest")]
    self_test: (),
}

/// One import, as an event carries it.
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase")]
#[expect(dead_code, reason = "only its schema is used")]
struct Record {
    /// The image that is being imported.
    image_id: ImageId,
    /// The name of the image, for people. Only its beginning is used if it is longer than 64 bytes.
    name: Option<String>,
    #[schemars(flatten)]
    checkpoint: Checkpoint,
    /// The last description, from a response.
    description: Option<Map<String, Value>>,
    /// Why the last check failed, from a response. A malformed value is ignored.
    check_error: Option<Value>,
    /// Whether `Description` was shortened or removed, from a response. A malformed value is ignored.
    truncated: Option<Value>,
}

/// The schema of events.
#[must_use]
pub fn event() -> Schema {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(allow_null));
    settings.into_generator().into_root_schema_for::<Event>()
}

/// In an event, `null` for an optional field counts as absent.
fn allow_null(schema: &mut Schema) {
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (name, property) in properties {
        if !required.iter().any(|required| required == name)
            && let Some(kind @ Value::String(_)) = property.get_mut("type")
            && kind != "null"
        {
            *kind = Value::from(vec![kind.take(), Value::from("null")]);
        }
    }
}

/// The schema of responses.
#[must_use]
pub fn response() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Response>()
}

/// The schema of an SNS message's `default` text.
#[must_use]
pub fn message() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Body<'_>>()
}

/// The schema of the response to a self-test.
#[must_use]
pub fn self_test_response() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<SelfTestReport>()
}

/// The schema of the `default` text of a self-test's SNS message.
#[must_use]
pub fn self_test_message() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<TestBody<'_>>()
}

/// The schema of a description alone.
#[must_use]
pub fn description() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Description>()
}
