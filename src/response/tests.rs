use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::import::{
    CarriedDescription, CheckError, Checkpoint, Description, ImageId, ImageName, Kind, State, Timestamp, Transition,
};

fn record(number: usize, description: &Value) -> Record {
    let mut record = Record::new(ImageId::parse(&format!("wsi-{number:09}")).expect("valid"));
    record.checkpoint = Checkpoint { state: State::parse("VALIDATING"), sequence: 3, ..Checkpoint::default() };
    let json = RawValue::from_string(description.to_string()).expect("JSON");
    record.description = Some(CarriedDescription::from_json(json));
    record
}

fn response(records: Vec<Record>) -> Response {
    Response::new(records, Vec::new())
}

fn failed(mut record: Record, cause: &str) -> Record {
    record.check_error = Some(CheckError { error: "WorkSpaces.Timeout".to_owned(), cause: cause.to_owned() });
    record
}

fn parsed(json: &RawValue) -> Value {
    serde_json::from_str(json.get()).expect("JSON")
}

#[test]
fn a_response_within_the_limit_is_not_shortened() {
    let whole = || response(vec![record(1, &json!({"StateMessage": "m".repeat(1000)}))]);
    let size = whole().to_json().get().len();
    assert_eq!(whole().into_json(size).get(), whole().to_json().get());
    assert!(whole().into_json(size - 1).get().contains(r#""Truncated":true"#));
}

#[test]
fn texts_are_shortened_only_as_far_as_needed() {
    let whole = || {
        response(vec![
            record(1, &json!({"StateMessage": "m".repeat(1000), "Mine": "x".repeat(300)})),
            record(2, &json!({"StateMessage": "m".repeat(200)})),
        ])
    };
    let size = whole().to_json().get().len();
    for excess in [1, 50, 500] {
        let shorter = parsed(&whole().into_json(size - excess));
        let [long, short] = [0, 1].map(|number| shorter["Imports"][number]["Description"].clone());
        let left = long["StateMessage"].as_str().expect("a text").len();
        assert!(left < 1000 && left + excess + 50 > 1000, "{left} of 1000 characters are left, for {excess} bytes");
        assert_eq!((&long["Mine"], &short["StateMessage"]), (&json!("x".repeat(300)), &json!("m".repeat(200))));
    }
}

#[test]
fn megabytes_of_texts_are_cut_and_marked_as_any_other() {
    for (count, length) in [(1, 3_000_000), (30, 9_000), (480, 11_000)] {
        let records = (0..count).map(|number| {
            let description = Description {
                state: Some("ERROR".to_owned()),
                state_message: Some("\"é".repeat(length / 3)),
                ..Description::default()
            };
            Record { description: Some(Box::new(description).into()), ..record(number, &json!({})) }
        });
        let json = response(records.collect()).into_json(245_760);
        assert!(json.get().len() <= 245_760 && json.get().len() > 230_000, "{}", json.get().len());
        for import in parsed(&json)["Imports"].as_array().expect("imports") {
            let text = import["Description"]["StateMessage"].as_str().expect("a text");
            assert!(text.ends_with('…') && text.starts_with("\"é\"é"), "{text}");
            assert_eq!(import["Truncated"], true);
        }
    }
}

#[test]
fn every_limit_is_kept() {
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
            import.record.checkpoint.state = State::parse("VALIDATING");
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
    assert_eq!(texts["Imports"][1]["Truncated"], Value::Null, "nothing of it was shortened");
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
fn a_full_event_with_the_longest_ids_and_states_fits() {
    let state = State::parse(&"F".repeat(64)).expect("a state");
    let owed = Transition {
        kind: Kind::StateChanged,
        sequence: 10,
        from: Some(state.clone()),
        to: State::parse(&"T".repeat(64)).expect("a state"),
    };
    let records: Vec<Record> = (0..480)
        .map(|number| {
            let mut record = failed(record(0, &json!({"StateMessage": "m".repeat(5000)})), &"c".repeat(300));
            record.image_id = ImageId::parse(&format!("wsi-{number:063}")).expect("valid");
            record.name = ImageName::new(&"n".repeat(64));
            record.checkpoint = Checkpoint {
                state: Some(state.clone()),
                sequence: 9,
                owed: Some(owed.clone()),
                stalled: false,
                missing: Timestamp::from_millis(1),
                listed: false,
            };
            record
        })
        .collect();
    let announced = records
        .iter()
        .map(|record| Announcement::new(record.image_id.clone(), record.name.clone(), owed.clone()))
        .collect();
    let json = Response::new(records, announced).into_json(245_760);
    assert!(json.get().len() <= 245_760, "{}", json.get().len());
    let parsed = parsed(&json);
    assert_eq!(parsed["Imports"].as_array().map(Vec::len), Some(480));
    assert!(parsed["Imports"].as_array().into_iter().flatten().all(|import| import["Owed"]["Sequence"] == 10));
}

#[test]
fn transitions_and_then_check_errors_are_removed_last() {
    let owed = Transition { kind: Kind::StateChanged, sequence: 3, from: None, to: State::not_found() };
    let record = failed(record(1, &json!({})), "");
    let announced =
        |count: usize| vec![Announcement::new(record.image_id.clone(), record.name.clone(), owed.clone()); count];
    let cut_to = |limit: usize| parsed(&Response::new(vec![record.clone()], announced(3)).into_json(limit));
    let size = Response::new(vec![record.clone()], announced(3)).to_json().get().len();

    let fewer = cut_to(size - 100);
    assert_eq!(fewer["Transitions"].as_array().map(Vec::len), Some(2));
    assert_eq!(fewer["Imports"][0]["CheckError"]["Error"], "WorkSpaces.Timeout");

    let least = cut_to(1);
    assert_eq!(least["Transitions"], json!([]));
    assert_eq!(least["Imports"][0]["CheckError"], Value::Null);
    assert_eq!(json!([least["Imports"][0]["State"], least["Imports"][0]["Sequence"]]), json!(["VALIDATING", 3]));
}

#[test]
fn names_are_removed_after_descriptions_and_causes_and_before_transitions() {
    let owed = Transition { kind: Kind::StateChanged, sequence: 3, from: None, to: State::not_found() };
    let records: Vec<Record> = (0..3)
        .map(|number| Record { name: ImageName::new("windows-11"), ..failed(record(number, &json!({})), "cause") })
        .collect();
    let announced = |record: &Record| Announcement::new(record.image_id.clone(), record.name.clone(), owed.clone());
    let whole = || Response::new(records.clone(), records.iter().map(announced).collect());
    let bare: Vec<Record> =
        records.iter().map(|one| Record { description: None, truncated: true, ..failed(one.clone(), "") }).collect();
    let size = Response::new(bare.clone(), records.iter().map(announced).collect()).to_json().get().len();
    let names = |response: &Value, list: &str| {
        let all = response[list].as_array().expect("a list").iter();
        all.filter(|one| one["Name"] == "windows-11").count()
    };
    let all = parsed(&whole().into_json(size));
    assert_eq!((names(&all, "Imports"), names(&all, "Transitions")), (3, 3));
    assert_eq!(
        (&all["Imports"][0]["Description"], &all["Imports"][0]["CheckError"]["Cause"]),
        (&Value::Null, &json!(""))
    );

    let fewer = parsed(&whole().into_json(size - 25));
    assert_eq!((names(&fewer, "Imports"), names(&fewer, "Transitions")), (3, 1), "only as many as needed");
    let none = parsed(&whole().into_json(size - 101));
    assert_eq!((names(&none, "Imports"), none["Transitions"].as_array().map(Vec::len)), (0, Some(3)));
    assert_eq!(none["Imports"][2]["CheckError"]["Error"], "WorkSpaces.Timeout");
}

/// What the rest of a response needs at most.
const BYTES_FOR_THE_REST: usize = 256;
/// The share of the smallest response that each of its records gets.
const BYTES_PER_RECORD: usize = Record::MAX_BYTES - BYTES_FOR_THE_REST / 32;

fn size_in_a_response(record: Record) -> usize {
    serde_json::to_string(&ImportReport::from(record)).expect("JSON").len() + ",".len()
}

/// A record with these states and the longest ID, of which nothing can be removed.
fn owing(announced: State, from: State, to: State, kind: Kind, sequence: u64) -> Record {
    let owed = Transition { kind, sequence: sequence + 1, from: Some(from), to };
    let missing = Timestamp::from_millis(1);
    let checkpoint =
        Checkpoint { state: Some(announced), sequence, owed: Some(owed), stalled: false, missing, listed: true };
    let image_id = ImageId::parse(&format!("wsi-{}", "z".repeat(63))).expect("valid");
    Record { checkpoint, truncated: true, ..Record::new(image_id) }
}

fn any_state() -> impl Strategy<Value = State> {
    "[!-~]([ -~]{0,62}[!-~])?".prop_filter_map("a state", |text| State::parse(&text))
}

proptest! {
    #[test]
    fn any_record_fits_into_its_share_of_the_response(
        announced in any_state(),
        from in any_state(),
        to in any_state(),
        kind in prop_oneof![Just(Kind::StateChanged), Just(Kind::Stalled)],
        sequence in 0..Checkpoint::MAX_SEQUENCE,
    ) {
        let size = size_in_a_response(owing(announced, from, to, kind, sequence));
        prop_assert!(size <= BYTES_PER_RECORD, "{size}");
    }
}

#[test]
fn the_longest_record_fits_into_its_share_of_the_response() {
    for text in ["X".repeat(64), "\"".repeat(32)] {
        let state = State::parse(&text).expect("a state");
        let sequence = Checkpoint::MAX_SEQUENCE - 1;
        let size = size_in_a_response(owing(state.clone(), state.clone(), state, Kind::StateChanged, sequence));
        assert!(size <= BYTES_PER_RECORD, "{size}");
    }
}
