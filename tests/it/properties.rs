//! Properties that hold for any input, checked with random input: histories of imports, records, and JSON in general.
//!
//! `cargo test --locked --test it properties::`; a failing property prints the smallest input that breaks it.

use std::collections::BTreeSet;

use fake_aws::{Answer, STATES, description};
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json, value::RawValue};
use tokio::runtime::Runtime;
use workspaces_image_import::{error::Error, event::parse};

use crate::support::{Rig, announced, image};

/// What WorkSpaces knows about an image: its state, or `None` if it does not find the image.
type Found = Option<&'static str>;

fn found() -> impl Strategy<Value = Found> {
    let state = select(STATES.iter().copied().chain(["NEWER_THAN_US", "a state, in words"]).collect::<Vec<_>>());
    prop_oneof![8 => state.prop_map(Some), 2 => Just(None)]
}

fn answer(id: &str, found: Found) -> Answer {
    found.map_or(Answer::NotFound, |state| description(id, state).into())
}

/// Returns the transition IDs that the contract expects for these findings. Does not share code with the function.
fn expected_ids(id: &str, findings: &[Found]) -> Vec<String> {
    let (mut last, mut ids) = (None, Vec::new());
    for found in findings {
        // These checks take less than the time after which a missing image is announced.
        if let Some(to) = found.filter(|to| Some(*to) != last) {
            last = Some(to);
            ids.push(format!("{id}#{}:{to}", ids.len() + 1));
        }
        if last == Some("COMPLETED") && found.is_some() {
            break;
        }
    }
    ids
}

/// Checks a property of the function with random values. All of them use one process.
#[expect(clippy::needless_pass_by_value, reason = "callers pass closures and strategies inline")]
fn with_rig<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>, property: impl AsyncFn(&Rig, T)) {
    let runtime = Runtime::new().expect("a runtime");
    let rig = runtime.block_on(Rig::new());
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&strategy, |value| {
            runtime.block_on(async {
                rig.sns.clear();
                property(&rig, value).await;
            });
            Ok(())
        })
        .expect("the property holds");
}

#[test]
fn batching_does_not_change_what_each_import_announces() {
    // Each history has what the checks of one import find. Each round says which imports its event has.
    let histories = vec(vec(found(), 1..10), 1..4);
    let rounds = vec(vec(any::<bool>(), 3), 12..24);
    with_rig((histories, rounds), async |rig, (histories, rounds)| {
        let mut records: Vec<Value> = (0..histories.len()).map(|number| json!({"ImageId": image(number)})).collect();
        let mut checks = vec![0; histories.len()];
        for (number, history) in histories.iter().enumerate() {
            rig.workspaces.script(&image(number), history.iter().map(|found| answer(&image(number), *found)));
        }
        for round in rounds {
            let chosen: Vec<usize> = (0..records.len()).filter(|&number| round[number]).collect();
            let event = json!({"Imports": chosen.iter().map(|&number| &records[number]).collect::<Vec<_>>()});
            let response = rig.invoke(event).await;
            for (place, number) in chosen.into_iter().enumerate() {
                records[number] = response["Imports"][place].clone();
                checks[number] += 1;
            }
        }
        let all = announced(&rig.sns);
        for (number, history) in histories.iter().enumerate() {
            // After the end of a history, checks find its last element.
            let findings: Vec<Found> = (0..checks[number]).map(|check| history[check.min(history.len() - 1)]).collect();
            let of_image: Vec<&String> = all.iter().filter(|id| id.starts_with(&image(number))).collect();
            assert_eq!(of_image, expected_ids(&image(number), &findings).iter().collect::<Vec<_>>(), "{findings:?}");
        }
    });
}

/// Valid records with all kinds of fields.
fn record() -> impl Strategy<Value = Value> {
    let state = select(vec![
        Value::Null,
        json!("PENDING"),
        json!("COMPLETED"),
        json!("ERROR"),
        json!("NOT_FOUND"),
        json!("NEW"),
    ]);
    let description = select(vec![
        Value::Null,
        json!({}),
        json!({"State": "VALIDATING", "Mine": [1.5, {"a": "\u{0}"}]}),
        json!({"State": 7, "LastUpdatedTime": "no time"}),
    ]);
    (0..3_usize, state, 0..5_u64, any::<[bool; 3]>(), description).prop_map(
        |(number, state, sequence, [owes, stalled, missing], description)| {
            let owed = json!({"Kind": "STATE_CHANGED", "Sequence": sequence + 1, "From": state, "To": "PUBLISHING"});
            json!({
                "ImageId": image(number), "State": state, "Sequence": sequence, "Stalled": stalled,
                "Missing": if missing { json!("2026-01-07T09:00:00Z") } else { Value::Null },
                "Owed": if owes { owed } else { Value::Null }, "Description": description, "Unknown": {"to": "us"},
            })
        },
    )
}

#[test]
fn responses_fed_back_reach_a_steady_state() {
    with_rig((vec(record(), 0..5), vec(found(), 3)), async |rig, (records, findings)| {
        for (number, found) in findings.into_iter().enumerate() {
            rig.workspaces.set(&image(number), answer(&image(number), found));
        }
        let mut response = rig.invoke(json!({"Imports": records})).await;
        // At most three more checks announce something: what is owed, the described state, and NOT_FOUND.
        for _ in 0..3 {
            response = rig.invoke(&response).await;
        }
        let next = rig.invoke(&response).await;
        assert_eq!(next["Transitions"], json!([]));
        assert_eq!(next["Imports"], response["Imports"]);
        assert_eq!(next["Status"], response["Status"]);
    });
}

#[test]
fn if_nothing_is_owed_the_second_check_announces_nothing() {
    with_rig((vec(record(), 0..5), vec(found(), 3)), async |rig, (mut records, findings)| {
        for record in &mut records {
            record["Owed"].take();
        }
        for (number, found) in findings.into_iter().enumerate() {
            rig.workspaces.set(&image(number), answer(&image(number), found.or(Some("PENDING"))));
        }
        let response = rig.invoke(json!({"Imports": records})).await;
        assert_eq!(rig.invoke(&response).await["Transitions"], json!([]));
    });
}

fn raw_json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("JSON")
}

/// Any JSON, with some of the names and values that events have.
fn any_json() -> impl Strategy<Value = Value> {
    let name = select(vec![
        "Imports",
        "detail",
        "detail-type",
        "source",
        "ImageId",
        "State",
        "Sequence",
        "Owed",
        "Stalled",
        "Missing",
        "Description",
        "CheckError",
        "Truncated",
        "Kind",
        "From",
        "To",
        "time",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
        select(vec!["wsi-0a1b2c3d4", "PENDING", "STATE_CHANGED"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((name.clone(), inner), 0..8)
                .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #![proptest_config(Config { cases: 4000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn parsing_any_json_as_an_event_never_panics(event in any_json()) {
        match parse(&raw_json(&event.to_string()), 480) {
            Ok(read) => {
                if event["Imports"].is_null() && event["detail"]["Imports"].is_null() {
                    prop_assert!(read.discover && read.records.is_empty(), "{event}");
                    return Ok(());
                }
                let imports = if event["Imports"].is_null() { &event["detail"]["Imports"] } else { &event["Imports"] };
                let images = imports.as_array().expect("a list").iter().map(|record| record["ImageId"].as_str());
                prop_assert!(images.clone().all(|image| image.is_some()), "{event}");
                let read: BTreeSet<Option<&str>> = read.records.iter().map(|record| Some(record.image_id.as_str())).collect();
                prop_assert_eq!(read, images.collect::<BTreeSet<_>>());
            }
            Err(Error::InvalidEvent(message)) => prop_assert!(!message.is_empty()),
            Err(other) => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn parsing_any_json_as_a_record_never_panics(record in any_json(), wrapped in any::<bool>()) {
        let imports = json!({"Imports": [record]});
        let event = if wrapped { json!({"detail-type": "x", "source": "y", "detail": imports}) } else { imports };
        if let Err(error) = parse(&raw_json(&event.to_string()), 480) {
            prop_assert!(error.to_string().contains("Imports[0]"), "{error}");
        }
    }

    /// Otherwise, a parser that refuses everything would pass the tests above.
    #[test]
    fn every_valid_record_is_read(record in record()) {
        let read = parse(&raw_json(&json!({"Imports": [record]}).to_string()), 480).expect("a valid event").records;
        let checkpoint = &read[0].checkpoint;
        prop_assert_eq!(&json!(read[0].image_id), &record["ImageId"]);
        prop_assert_eq!(&json!(checkpoint.state), &record["State"]);
        prop_assert_eq!(&json!(checkpoint.owed), &record["Owed"]);
        prop_assert_eq!(
            json!([checkpoint.sequence, checkpoint.stalled, checkpoint.missing]),
            json!([record["Sequence"], record["Stalled"], record["Missing"]])
        );
    }

    /// The same number, with zeros at its end and its point anywhere, is read exactly. One more digit makes a fraction.
    #[test]
    fn an_integer_is_read_exactly_in_any_form(
        number in prop_oneof![1..100_i64, 1..1_i64 << 54, Just((1 << 53) - 2)],
        zeros in 0..30_usize,
        point in 0..60_usize,
        one_more in 1..10_u8,
    ) {
        let read = |sequence: String| {
            let event = format!(r#"{{"Imports": [{{"ImageId": "wsi-0a1b2c3d4", "Sequence": {sequence}}}]}}"#);
            parse(&raw_json(&event), 480).map(|event| event.records[0].checkpoint.sequence).ok()
        };
        let digits = format!("{number}{}", "0".repeat(zeros));
        let digits = format!("{digits:0>0$}", point + 1);
        let (whole, fraction) = digits.split_at(digits.len() - point);
        let exponent = point.cast_signed() - zeros.cast_signed();
        let expected = u64::try_from(number).ok().filter(|number| *number <= (1 << 53) - 2);
        prop_assert_eq!(read(format!("{whole}.{fraction}0e{exponent}")), expected);
        prop_assert_eq!(read(format!("{whole}.{fraction}{one_more}e{exponent}")), None);
        prop_assert_eq!(read(format!("-{whole}.{fraction}0E{exponent}")), None);
    }
}
