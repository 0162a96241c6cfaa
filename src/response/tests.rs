use serde_json::{Value, json};

use super::*;
use crate::import::Memory;

fn record(number: usize, description: &Value) -> Record {
    let mut record = Record::new(format!("wsi-{number:09}"));
    record.memory = Memory { state: State::parse("VALIDATING"), sequence: 3, ..Memory::default() };
    record.description = RawValue::from_string(description.to_string()).ok();
    record
}

fn response(records: Vec<Record>) -> Response {
    Response::from(Checked { records, announced: Vec::new(), ..Checked::default() })
}

fn failed(mut record: Record, cause: &str) -> Record {
    record.check_error = Some(CheckError { error: "WorkSpaces.Timeout".to_owned(), cause: cause.to_owned() });
    record
}

fn parsed(json: &RawValue) -> Value {
    serde_json::from_str(json.get()).expect("JSON")
}

#[test]
fn what_fits_is_not_cut() {
    let whole = || response(vec![record(1, &json!({"StateMessage": "m".repeat(1000)}))]);
    let size = whole().to_json().get().len();
    assert_eq!(whole().into_json(size).get(), whole().to_json().get());
    assert!(whole().into_json(size - 1).get().contains(r#""Truncated":true"#));
}

#[test]
fn every_limit_is_kept_to_step_by_step() {
    let whole = || {
        let records = (0..20).map(|number| {
            let text = "\"\u{1}ä".repeat(number * 10);
            let description = json!({"State": "VALIDATING", "StateMessage": text, "Mine": "x".repeat(number * 7)});
            failed(record(number, &description), &"cause\"".repeat(number))
        });
        response(records.collect())
    };
    let size = whole().to_json().get().len();
    let least = {
        let bare = (0..20)
            .map(|number| failed(Record { description: None, truncated: true, ..record(number, &Value::Null) }, ""));
        let mut bare = response(bare.collect());
        for import in &mut bare.imports {
            import.state = State::parse("VALIDATING");
        }
        bare.to_json().get().len()
    };
    for limit in (least..=size).step_by(37) {
        let json = whole().into_json(limit);
        assert!(json.get().len() <= limit, "{} of {limit}", json.get().len());
        for import in parsed(&json)["Imports"].as_array().expect("imports") {
            assert_eq!(json!([import["State"], import["Sequence"]]), json!(["VALIDATING", 3]));
            assert_eq!(import["CheckError"]["Error"], "WorkSpaces.Timeout");
        }
    }
}

#[test]
fn the_order_is_texts_then_descriptions_then_causes() {
    let long = json!({"State": "VALIDATING", "StateMessage": "m".repeat(1000)});
    let records = || vec![failed(record(1, &long), &"c".repeat(200)), record(2, &json!({"State": "VALIDATING"}))];
    let size = response(records()).to_json().get().len();

    let texts = parsed(&response(records()).into_json(size - 500));
    assert!(texts["Imports"][0]["Description"]["StateMessage"].as_str().is_some_and(|text| text.ends_with('…')));
    assert_eq!(texts["Imports"][0]["Truncated"], true);
    assert_eq!(texts["Imports"][1]["Truncated"], Value::Null, "nothing of it was cut");
    assert_eq!(texts["Imports"][0]["CheckError"]["Cause"].as_str().map(str::len), Some(200));

    let descriptions = parsed(&response(records()).into_json(size - 1000));
    assert_eq!(descriptions["Imports"][0]["Description"], Value::Null);
    assert_eq!(descriptions["Imports"][0]["CheckError"]["Cause"].as_str().map(str::len), Some(200));
    assert_eq!(descriptions["Imports"][1]["Description"]["State"], "VALIDATING", "the largest goes first");

    let causes = parsed(&response(records()).into_json(size - 1200));
    assert_eq!(causes["Imports"][1]["Description"], Value::Null);
    assert!(causes["Imports"][0]["CheckError"]["Cause"].as_str().is_some_and(|cause| cause.len() < 200));
}

#[test]
fn the_fullest_event_of_the_longest_names_fits() {
    let state = State::parse("IMAGE_COMPATIBILITY_CHECKING").expect("a state");
    let owed = Transition {
        kind: Kind::StateChanged,
        sequence: 10,
        from: Some(state.clone()),
        to: State::parse("IMAGE_TESTING_GENERALIZATION").expect("a state"),
    };
    let records: Vec<Record> = (0..480)
        .map(|number| {
            let mut record = failed(record(0, &json!({"StateMessage": "m".repeat(5000)})), &"c".repeat(300));
            record.image_id = format!("wsi-{number:063}");
            record.memory = Memory {
                state: Some(state.clone()),
                sequence: 9,
                owed: Some(owed.clone()),
                stalled: false,
                missing: true,
            };
            record
        })
        .collect();
    let announced = records
        .iter()
        .map(|record| Announced { image_id: record.image_id.clone(), transition: owed.clone() })
        .collect();
    let response = Response::from(Checked { records, announced, ..Checked::default() });
    let json = response.into_json(245_760);
    assert!(json.get().len() <= 245_760, "{}", json.get().len());
    let parsed = parsed(&json);
    assert_eq!(parsed["Imports"].as_array().map(Vec::len), Some(480));
    assert!(parsed["Imports"].as_array().into_iter().flatten().all(|import| import["Owed"]["Sequence"] == 10));
}
