//! The forms of an event, and errors in them (section "Event" of the contract). `bad_input` has the exact error
//! messages.
//!
//! `cargo test --locked --test it events::`

use std::time::Duration;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use fake_aws::description;
use serde_json::{Value, json};

use crate::support::{IMAGE, Rig, Setup, announced, event, example_events, image, imports, minutes_ago};

/// Sends a malformed event, asserts that it fails as such and without any call, and returns the error message.
async fn refused(rig: &Rig, event: impl ToString) -> String {
    let error = rig.fail(event).await;
    assert_eq!(error.error_type, "InvalidEvent", "{}", error.message);
    assert_eq!(rig.workspaces.calls().len(), 0, "nothing is described");
    assert_eq!(announced(&rig.sns), [""; 0], "nothing is published");
    error.message
}

#[tokio::test]
async fn the_direct_form() {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
    rig.workspaces.set("wsi-1b2c3d4e5", description("wsi-1b2c3d4e5", "PUBLISHING"));
    let response = rig
        .invoke(json!({"Imports": [{"ImageId": IMAGE}, {"ImageId": "wsi-1b2c3d4e5", "State": "VALIDATING", "Sequence": 4}]}))
        .await;
    assert_eq!(response["Imports"][0]["State"], "VALIDATING");
    assert_eq!(response["Imports"][1]["Sequence"], 5);
}

#[tokio::test]
async fn the_eventbridge_envelope() {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
    let envelope = json!({
        "version": "0", "id": "17793124-05d4-b198-2fde-7ededc63b103", "detail-type": "Image imports",
        "source": "my.pipeline", "account": "123456789012", "time": "2026-01-07T10:00:00Z", "region": "eu-west-1",
        "resources": [], "detail": {"Imports": [{"ImageId": IMAGE}]},
    });
    assert_eq!(rig.invoke(&envelope).await["Imports"][0]["State"], "VALIDATING");
    // As AWS's own Rust type serializes it.
    let envelope: EventBridgeEvent = serde_json::from_value(envelope).expect("an EventBridge event");
    let envelope = serde_json::to_value(envelope).expect("JSON");
    assert_eq!(rig.invoke(envelope).await["Imports"][0]["State"], "VALIDATING");
}

#[tokio::test]
async fn every_offending_place_is_named_at_once() {
    let rig = Rig::new().await;
    let message = refused(
        &rig,
        json!({"Imports": [
            {"ImageId": IMAGE},
            {"ImageId": "wsi-SHOUTED00"},
            {"State": 5},
            7,
            {"ImageId": IMAGE, "State": "", "Sequence": -1, "Stalled": "no", "Missing": 1, "Description": [], "Owed": 1},
            {"ImageId": IMAGE, "Sequence": 1.5, "Owed": {"Kind": "OTHER", "Sequence": "7", "From": 1}},
            {"ImageId": format!("{IMAGE}\n"), "Sequence": "1"},
        ]}),
    )
    .await;
    let places: Vec<&str> = message.split("; ").map(|place| place.split(": ").next().expect("a place")).collect();
    assert_eq!(
        places,
        [
            "Imports[1].ImageId",
            "Imports[2].ImageId",
            "Imports[2].State",
            "Imports[3]",
            "Imports[4].State",
            "Imports[4].Sequence",
            "Imports[4].Stalled",
            "Imports[4].Missing",
            "Imports[4].Owed",
            "Imports[4].Description",
            "Imports[5].Sequence",
            "Imports[5].Owed.Kind",
            "Imports[5].Owed.From",
            "Imports[5].Owed.To",
            "Imports[5].Owed.Sequence",
            "Imports[6].ImageId",
            "Imports[6].Sequence",
        ],
        "{message}"
    );
}

#[tokio::test]
async fn offending_places_after_the_twentieth_are_counted() {
    let rig = Rig::new().await;
    let message = refused(&rig, event((0..23).map(|_| json!({})))).await;
    assert!(message.contains("Imports[19].ImageId"), "{message}");
    assert!(!message.contains("Imports[20]"), "{message}");
    assert!(message.ends_with("and 3 more"), "{message}");
    assert!(refused(&rig, event((0..20).map(|_| json!({})))).await.contains("Imports[19]"));
}

#[tokio::test]
async fn error_messages_do_not_repeat_the_content_of_the_event() {
    let rig = Rig::new().await;
    let message = refused(&rig, json!({"Imports": [{"ImageId": "hunter2", "State": ["hunter2"], "hunter2": 1}]})).await;
    assert!(!message.contains("hunter2"), "{message}");
}

#[tokio::test]
async fn an_empty_list_is_valid() {
    let response = Rig::new().await.invoke(json!({"Imports": []})).await;
    let expected = json!({
        "Status": "COMPLETED", "Pending": 0, "Completed": 0, "Failed": 0, "Unchecked": 0, "Imports": [], "Transitions": [],
    });
    assert_eq!(response, expected);
}

#[tokio::test]
async fn the_response_limit_limits_the_number_of_records() {
    let rig = Rig::new().await;
    let message = refused(&rig, event((0..481).map(|number| json!({"ImageId": image(number)})))).await;
    assert!(message.contains("481 records") && message.contains("at most 480"), "{message}");
    rig.workspaces.set_default(description(IMAGE, "PENDING"));
    let response =
        rig.invoke(event((0..480).map(|number| json!({"ImageId": image(number), "State": "PENDING"})))).await;
    assert_eq!(response["Pending"], 480);

    let rig = Setup::new().await.set("MAX_RESPONSE_BYTES", "16384").start().await;
    let message = refused(&rig, event((0..33).map(|number| json!({"ImageId": image(number)})))).await;
    assert!(message.contains("at most 32"), "{message}");
}

#[tokio::test]
async fn null_counts_as_absent_and_unknown_fields_are_ignored() {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "PENDING"));
    let record = rig
        .check(json!({
            "ImageId": IMAGE, "State": null, "Sequence": null, "Owed": null, "Stalled": null, "Missing": null,
            "Description": null, "CheckError": 7, "Truncated": "?", "Outcome": {"Any": ["thing"]}, "Mine": null,
        }))
        .await;
    assert_eq!(record["State"], "PENDING");
    assert_eq!(record["Sequence"], 1);
}

/// Every number whose value is an integer is one, as in JSON Schema. Serializers of some languages write `1.0`.
#[tokio::test]
async fn an_integer_can_have_any_form_of_json() {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "PENDING"));
    for (number, sequence) in [
        ("0", 0),
        ("-0", 0),
        ("0.0", 0),
        ("-0.0e0", 0),
        ("0e99999999999999999999", 0),
        ("1.0", 1),
        ("1e0", 1),
        ("1E+0", 1),
        ("10e-1", 1),
        ("0.01e2", 1),
        ("1e2", 100),
        ("1.25e2", 125),
        ("120.0e-1", 12),
        ("9007199254740989.00", (1_u64 << 53) - 3),
        ("9.007199254740989e15", (1 << 53) - 3),
    ] {
        let event = format!(r#"{{"Imports": [{{"ImageId": "{IMAGE}", "State": "PENDING", "Sequence": {number}}}]}}"#);
        let response = rig.send(event.into_bytes(), Duration::from_secs(30)).await.expect(number);
        assert_eq!(response["Imports"][0]["Sequence"], sequence, "{number}");
    }
    let owed = r#"{"Kind": "STATE_CHANGED", "Sequence": 20.0e-1, "From": "PENDING", "To": "VALIDATING"}"#;
    let event = format!(r#"{{"Imports": [{{"ImageId": "{IMAGE}", "Sequence": 1.0, "Owed": {owed}}}]}}"#);
    rig.send(event.into_bytes(), Duration::from_secs(30)).await.expect("valid");
    assert_eq!(announced(&rig.sns), [format!("{IMAGE}#2:VALIDATING")]);
}

#[tokio::test]
async fn a_byte_order_mark_before_the_event_is_ignored() {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "PENDING"));
    let event = format!("\u{feff}{{\"Imports\": [{{\"ImageId\": \"{IMAGE}\"}}]}}");
    let response = rig.send(event.into_bytes(), Duration::from_secs(30)).await.expect("valid");
    assert_eq!(response["Imports"][0]["State"], "PENDING");
}

#[tokio::test]
async fn the_response_of_the_import_call_is_a_record() {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "PENDING"));
    let record = rig.check(json!({"ImageId": IMAGE, "State": "PENDING"})).await;
    assert_eq!(record["Sequence"], 0, "the import is still pending");
    assert_eq!(announced(&rig.sns), [""; 0]);
}

#[tokio::test]
async fn the_same_image_twice_is_one_import() {
    let rig = Rig::new().await;
    rig.workspaces.set_default(description(IMAGE, "PUBLISHING"));
    let response = rig
        .invoke(event([
            json!({"ImageId": IMAGE, "State": "PENDING", "Sequence": 1}),
            json!({"ImageId": image(1), "State": "PENDING"}),
            json!({"ImageId": IMAGE, "State": "VALIDATING", "Sequence": 2}),
            json!({"ImageId": IMAGE, "State": "GENERALIZING", "Sequence": 2}),
        ]))
        .await;
    assert_eq!(rig.workspaces.calls_of(IMAGE), 1, "described once");
    assert_eq!(announced(&rig.sns), [format!("{IMAGE}#3:PUBLISHING"), format!("{}#1:PUBLISHING", image(1))]);
    let imports = imports(&response);
    assert_eq!(imports.len(), 2, "returned once");
    assert_eq!(imports[0]["ImageId"], IMAGE, "in its first position");
    assert_eq!(
        response["Transitions"][0]["From"], "VALIDATING",
        "the record with the higher Sequence counts, or the first on a tie"
    );
}

#[tokio::test]
async fn a_response_can_be_the_next_event() {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING").progress(5).error("A", "b"));
    let first = rig.invoke(event([json!({"ImageId": IMAGE}), json!({"ImageId": image(1)})])).await;
    let mut next = first.clone();
    next["Imports"][1]["Missing"] = minutes_ago(16).into();
    let second = rig.invoke(&next).await;
    assert_eq!(second["Imports"][0], first["Imports"][0]);
    assert_eq!(second["Imports"][1]["Owed"], Value::Null);
    assert_eq!(second["Transitions"][0]["To"], "NOT_FOUND");
    let third = rig.invoke(&second).await;
    assert_eq!(third["Imports"], second["Imports"]);
    assert_eq!(third["Transitions"], json!([]));
}

#[tokio::test]
async fn every_example_event_works() {
    let rig = Rig::new().await;
    rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
    let examples = example_events();
    assert!(examples.len() >= 6, "{} events", examples.len());
    for (path, event) in examples {
        let direct = if event["detail"].is_null() { &event } else { &event["detail"] };
        let records = direct["Imports"].as_array().map_or(0, Vec::len);
        let response = rig.invoke(&event).await;
        assert_eq!(imports(&response).len(), records, "{}", path.display());
        assert!(records > 0 || direct["Imports"] == json!([]) || direct["Discover"] == true, "{}", path.display());
    }
}
