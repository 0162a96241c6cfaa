//! The JSON Schemas in `docs/schema/`: generated from the types, held equal to them, and true of what goes in and out.

use std::path::Path;

use fake_aws::{Answer, Published, SnsAnswer, description};
use jsonschema::Validator;
use serde_json::{Value, json};
use workspaces_image_import::schema;

use crate::support::{IMAGE, Rig, event, image};

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
    jsonschema::validator_for(schema.as_value()).expect("a schema")
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
    for good in [envelope, json!({"Imports": [], "Discover": null}), json!({"Imports": null, "Discover": true})] {
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
        json!({"ImageId": IMAGE}),
        json!({"ImageId": image(1), "State": "PENDING"}),
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
    let validator = validator(&schema::message());
    let published: Vec<Value> = rig.sns.published().iter().map(Published::json).collect();
    assert_eq!(published.len(), 4);
    for message in &published {
        holds(&validator, message);
    }
}
