//! The JSON Schemas in `docs/schema/`: generated from the types, held equal to them, and true of what goes in and out.
//! The schema of events accepts the same events as the parser.

use std::{cell::Cell, path::Path};

use fake_aws::{Answer, Published, SnsAnswer, description};
use jsonschema::Validator;
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};
use serde_json::{Map, Value, json, value::RawValue};
use workspaces_image_import::{event::parse, schema};

use crate::support::{IMAGE, Rig, event, image, minutes_ago};

/// `UPDATE_SCHEMAS=1 cargo test --test it schemas` writes the files anew.
fn is_committed(name: &str, schema: &schemars::Schema) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema").join(format!("{name}.schema.json"));
    let generated = format!("{:#}\n", schema.as_value());
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, &generated).expect("written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == generated, "{} is not what the types say; {}", path.display(), "see is_committed");
}

fn validator(schema: &schemars::Schema) -> Validator {
    jsonschema::options().should_validate_formats(true).build(schema.as_value()).expect("a schema")
}

fn holds(validator: &Validator, value: &Value) {
    let errors: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?} in {value:#}");
}

#[test]
fn the_committed_schemas_are_those_of_the_types() {
    is_committed("event", &schema::event());
    is_committed("response", &schema::response());
    is_committed("message", &schema::message());
    is_committed("description", &schema::description());
    is_committed("self-test-response", &schema::self_test_response());
    is_committed("self-test-message", &schema::self_test_message());
}

#[test]
fn every_example_event_is_of_the_schema() {
    let validator = validator(&schema::event());
    for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("events")).expect("events/") {
        let path = file.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "json") {
            holds(&validator, &serde_json::from_slice(&std::fs::read(path).expect("readable")).expect("JSON"));
        }
    }
    let envelope = json!({"detail-type": "x", "source": "y", "detail": {"Discover": true}});
    for good in [
        envelope,
        json!({"Imports": [], "Discover": null}),
        json!({"Imports": null, "Discover": true}),
        json!({"Imports": [], "SelfTest": false}),
        json!({"SelfTest": true, "Discover": false}),
        json!({"detail-type": "x", "source": "y", "detail": {"SelfTest": true}}),
    ] {
        holds(&validator, &good);
    }
    for bad in [
        json!({}),
        json!({"Imports": [{}]}),
        json!({"Imports": [{"ImageId": "wsi-no"}]}),
        json!([]),
        json!({"Discover": false}),
        json!({"Discover": "true"}),
        json!({"Imports": [], "Discover": 1}),
        json!({"Imports": [{}], "Discover": true}),
        json!({"SelfTest": false}),
        json!({"SelfTest": true, "Imports": []}),
        json!({"SelfTest": true, "detail-type": "x", "source": "y", "detail": {"SelfTest": true}}),
        json!({"detail-type": "x", "source": "y", "detail": {"Discover": false}}),
    ] {
        assert!(!validator.is_valid(&bad), "{bad}");
    }
}

#[tokio::test]
async fn what_goes_out_is_of_the_schemas() {
    let rig = Rig::new().await;
    let whole = description(IMAGE, "ERROR").message("m").progress(1).created(1.0).updated(2.0).ami("ami-1");
    rig.workspaces.set(IMAGE, whole.infrastructure("arn").instance("i-1").error("A", "b"));
    rig.workspaces.set(&image(1), Answer::NotFound);
    rig.workspaces.set(&image(2), Answer::Error { status: 400, code: "Odd".to_owned(), message: "odd".to_owned() });
    rig.workspaces.set(&image(3), json!({"State": "NEW", "ImageSource": {"New": 1}, "ErrorDetails": []}));
    rig.workspaces.set(&image(4), json!({"State": "VALIDATING", "LastUpdatedTime": 5}));
    rig.sns.script([SnsAnswer::FailEntries(vec![(1, "Odd".to_owned(), "odd".to_owned())])]);
    let mut round = event([
        json!({"ImageId": IMAGE, "Name": "windows-11"}),
        json!({"ImageId": image(1), "State": "PENDING", "Missing": minutes_ago(16)}),
        json!({"ImageId": image(2)}),
        json!({"ImageId": image(3)}),
        json!({"ImageId": image(4), "State": "VALIDATING"}),
        json!({"ImageId": image(5), "State": "COMPLETED", "Sequence": 3}),
    ]);
    for _ in 0..3 {
        round = rig.invoke(round).await;
        holds(&validator(&schema::response()), &round);
        holds(&validator(&schema::event()), &round);
    }
    holds(&validator(&schema::self_test_response()), &rig.invoke(json!({"SelfTest": true})).await);
    let validator = validator(&schema::message());
    let published: Vec<Value> = rig.sns.published().iter().map(Published::json).collect();
    assert_eq!(published.len(), 5);
    for message in &published[..4] {
        holds(&validator, message);
    }
    holds(&self::validator(&schema::self_test_message()), &published[4]);
}

const MAX_RECORDS: usize = 3;
const MAX_SEQUENCE: u64 = (1 << 53) - 2;

/// Values that are wrong for most fields.
fn anything() -> impl Strategy<Value = Value> {
    select(vec![
        json!(false),
        json!(true),
        json!(-1),
        json!(0),
        json!(1.0),
        json!(1.5),
        json!(MAX_SEQUENCE + 1),
        json!(u64::MAX),
        json!(""),
        json!("a"),
        json!([]),
        json!([1]),
        json!({}),
        json!({"ImageId": IMAGE}),
    ])
}

/// An object whose fields mostly have the given values. Some are absent, `null`, or anything else.
fn object(fields: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let field = |(name, right): (&'static str, BoxedStrategy<Value>)| {
        prop_oneof![
            90 => right.prop_map(Some),
            8 => Just(None),
            1 => Just(Some(Value::Null)),
            1 => anything().prop_map(Some),
        ]
        .prop_map(move |value| (name.to_owned(), value))
    };
    let fields: Vec<_> = fields.into_iter().map(field).collect();
    let present = |(name, value): (String, Option<Value>)| Some((name, value?));
    fields.prop_map(move |fields| fields.into_iter().filter_map(present).collect::<Map<_, _>>().into()).boxed()
}

/// One of the values that are right for a field, or rarely one that is almost right.
fn mostly<T: Into<Value>>(
    right: impl IntoIterator<Item = T>,
    almost: impl IntoIterator<Item = T>,
) -> BoxedStrategy<Value> {
    let right = select(right.into_iter().map(Into::into).collect::<Vec<Value>>());
    let almost = select(almost.into_iter().map(Into::into).collect::<Vec<Value>>());
    prop_oneof![29 => right, 1 => almost].boxed()
}

fn flag() -> BoxedStrategy<Value> {
    any::<bool>().prop_map(Value::from).boxed()
}

fn state() -> BoxedStrategy<Value> {
    let known = mostly(["PENDING", "COMPLETED", "a state, in words", "\""], [" PENDING", "PENDING ", "PÉNDING", "\n"]);
    let at_the_limit = prop_oneof!["[ -~]{60,66}", "[!\"\\\\]{30,65}"].prop_map(Value::from);
    prop_oneof![29 => known, 1 => at_the_limit].boxed()
}

fn times() -> BoxedStrategy<Value> {
    mostly(["2026-01-07T09:00:00Z", "2026-01-07T09:00:00.25+01:00"], ["2026-13-07T09:00:00Z", "now"])
}

fn record() -> BoxedStrategy<Value> {
    let owed = object(vec![
        ("Kind", mostly(["STATE_CHANGED", "STALLED"], ["stalled"])),
        ("Sequence", mostly([1, MAX_SEQUENCE], [0, 2, MAX_SEQUENCE + 1])),
        ("From", state()),
        ("To", state()),
    ]);
    let ids = mostly([IMAGE, "wsi-000000001"], ["wsi-00000000", "wsi-0a1b2c3d4\n", "WSI-0a1b2c3d4"]);
    let described = [json!({"State": "PENDING"}), json!({"State": 7, "Created": "no time"})];
    object(vec![
        ("ImageId", ids),
        ("Name", mostly(["windows-11", "", "n\n"], [""])),
        ("State", state()),
        ("Sequence", mostly([0, MAX_SEQUENCE - 1], [MAX_SEQUENCE, MAX_SEQUENCE + 1])),
        ("Owed", prop_oneof![owed, Just(Value::Null)].boxed()),
        ("Stalled", flag()),
        ("Missing", times()),
        ("Listed", flag()),
        ("Description", mostly(described, [json!([])])),
        ("CheckError", mostly([json!({"Error": "Sns.Timeout", "Cause": ""})], [json!({"Error": 7})])),
        ("Truncated", flag()),
    ])
}

fn direct_form() -> BoxedStrategy<Value> {
    let records = || vec(prop_oneof![29 => record(), 1 => anything()], 0..=MAX_RECORDS + 1);
    let imports = || records().prop_map(Value::from).boxed();
    prop_oneof![
        object(vec![("Imports", imports())]),
        object(vec![("Discover", flag())]),
        object(vec![("Imports", imports()), ("Discover", flag())]),
        object(vec![("SelfTest", flag())]),
        object(vec![("Imports", imports()), ("Discover", flag()), ("SelfTest", flag())]),
    ]
    .boxed()
}

fn event_of_either_form() -> BoxedStrategy<Value> {
    let text = || mostly(["", "text"], [" "]);
    let envelope = || {
        vec![
            ("version", text()),
            ("id", text()),
            ("detail-type", text()),
            ("source", text()),
            ("account", text()),
            ("time", times()),
            ("region", text()),
            ("resources", mostly([json!([]), json!(["arn"])], [json!({})])),
            ("detail", direct_form()),
        ]
    };
    let both = (direct_form(), object(envelope())).prop_map(|(mut direct, envelope)| {
        if let (Some(fields), Value::Object(more)) = (direct.as_object_mut(), envelope) {
            fields.extend(more);
        }
        direct
    });
    prop_oneof![10 => direct_form(), 10 => object(envelope()), 2 => both, 1 => anything()].boxed()
}

/// Whether the parser rejects an event for a reason that JSON Schema cannot express: a limit that depends on the
/// configuration, a rule about two fields, or the length of a text as JSON.
fn is_beyond_json_schema(event: &Value) -> bool {
    let direct_form = if event["detail"].is_null() { event } else { &event["detail"] };
    let Some(records) = direct_form["Imports"].as_array() else { return false };
    let is_beyond = |record: &Value| {
        let owed = &record["Owed"];
        // As a floating-point number, 1 and 1.0 are the same. Each number within the limit has an exact one.
        let number = |record: &Value| record["Sequence"].as_f64().unwrap_or_default();
        let skips_a_number = !owed.is_null() && (number(owed) - number(record) - 1.0).abs() > 0.5;
        let is_long = |state: &Value| state.is_string() && state.to_string().len() > "\"\"".len() + 64;
        skips_a_number || [&record["State"], &owed["From"], &owed["To"]].into_iter().any(is_long)
    };
    records.len() > MAX_RECORDS || records.iter().any(is_beyond)
}

#[test]
fn the_schema_and_the_parser_accept_the_same_events() {
    let validator = validator(&schema::event());
    let seen = Cell::new([0; 3]);
    let config = Config { cases: 3000, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&event_of_either_form(), |event| {
            let raw = RawValue::from_string(event.to_string()).expect("JSON");
            let parsed = parse(&raw, MAX_RECORDS);
            let (by_schema, beyond) = (validator.is_valid(&event), is_beyond_json_schema(&event));
            prop_assert_eq!(parsed.is_ok(), by_schema && !beyond, "{:?} of {:#}", parsed.map(|_| ()), event);
            let mut counts = seen.get();
            counts[usize::from(by_schema) + usize::from(by_schema && beyond)] += 1;
            seen.set(counts);
            Ok(())
        })
        .expect("the schema and the parser agree");
    let [invalid, valid, beyond] = seen.get();
    assert!(
        invalid > 300 && valid > 300 && beyond > 30,
        "{invalid} invalid, {valid} valid, {beyond} beyond the schema"
    );
}
