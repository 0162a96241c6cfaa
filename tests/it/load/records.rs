//! Many records in one event; `RECORDS` says how many, from 1,000 to 11,718.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use simulator::{Proxy, description};

use super::{number, process::Usage};
use crate::support::{Rig, Stage, announced, emulator::ministack, event, image};

/// As many records as `RECORDS` says, on a response limit that lets them in.
const RECORDS: usize = 1_000;
const MAX_RESPONSE_BYTES: usize = 6_000_000;

/// More than anyone needs: Lambda's longest.
const LONG: Duration = Duration::from_mins(15);

async fn stage() -> Stage {
    Stage::new().await.set("MAX_RESPONSE_BYTES", &MAX_RESPONSE_BYTES.to_string())
}

fn describe_all(rig: &Rig, records: usize, state: &str) {
    for image in (0..records).map(image) {
        rig.workspaces.set(&image, description(&image, state).progress(40));
    }
}

/// An event with these records, of which nothing is known yet.
fn fresh(records: usize) -> Value {
    event((0..records).map(|number| json!({"ImageId": image(number)})))
}

async fn invoke(rig: &Rig, event: &Value, deadline: Duration) -> Value {
    let begun = Instant::now();
    let response = rig.try_invoke(event, deadline).await.expect("the invocation succeeds");
    println!(
        "| {} | {} | {} | {} | {:.1} s |",
        event["Imports"].as_array().map_or(0, Vec::len),
        response["Transitions"].as_array().map_or(0, Vec::len),
        response["Unchecked"],
        deadline.as_secs_f64(),
        begun.elapsed().as_secs_f64(),
    );
    assert!(response.to_string().len() <= MAX_RESPONSE_BYTES);
    let images = |value: &Value| -> Vec<Value> {
        value["Imports"].as_array().expect("records").iter().map(|record| record["ImageId"].clone()).collect()
    };
    assert_eq!(images(&response), images(event), "every record comes back, in the event's order");
    response
}

fn head() {
    println!("| records | announced | unchecked | deadline in s | answered after |\n|---|---|---|---|---|");
}

/// The id of each record's first announcement.
fn ids(records: usize, state: &str) -> Vec<String> {
    (0..records).map(|number| format!("{}#1:{state}", image(number))).collect()
}

fn ids_of(response: &Value) -> Vec<String> {
    let transitions = response["Transitions"].as_array().expect("transitions");
    transitions.iter().map(|transition| transition["TransitionId"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_transition_of_a_large_event_is_announced_once() {
    let records = number("RECORDS", RECORDS);
    let rig = stage().await.start().await;
    describe_all(&rig, records, "VALIDATING");
    head();

    let response = invoke(&rig, &fresh(records), LONG).await;
    assert_eq!(json!([response["Status"], response["Pending"], response["Unchecked"]]), json!(["PENDING", records, 0]));
    assert_eq!(ids_of(&response), ids(records, "VALIDATING"));
    let mut published = announced(&rig.sns);
    published.sort();
    assert_eq!(published, ids(records, "VALIDATING"));
    let full = rig.sns.batches().iter().filter(|batch| batch.len() == 10).count();
    assert_eq!((rig.sns.batches().len(), full), (records.div_ceil(10), records / 10), "ten to a call");

    rig.sns.clear();
    rig.workspaces.clear_calls();
    let again = invoke(&rig, &response, LONG).await;
    assert_eq!(json!([again["Transitions"], again["Pending"], again["Unchecked"]]), json!([[], records, 0]));
    assert_eq!(again["Imports"], response["Imports"], "nothing new");
    assert_eq!((rig.workspaces.calls().len(), announced(&rig.sns).len()), (records, 0));
    println!("\nat most {} kB of memory", Usage::of(rig.pid()).peak_kb);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_too_short_for_all_loses_none_of_them() {
    let records = number("RECORDS", RECORDS);
    let rig = stage().await.start().await;
    describe_all(&rig, records, "VALIDATING");
    // Describing may take five eighths of this time; describing all of them, eight at once, takes 70 % of it or more.
    let count = u32::try_from(records).expect("a few thousand");
    let deadline = Duration::from_millis(8) * count;
    rig.workspaces.set_latency(deadline * 8 / count * 7 / 10);
    head();

    let mut event = fresh(records);
    // A publish that the deadline cuts may have reached SNS all the same: its announcements stay owed, and are repeated.
    let (mut missing, mut cut) = (BTreeSet::from_iter(ids(records, "VALIDATING")), BTreeSet::new());
    let mut invocations = 0;
    while !missing.is_empty() {
        let response = invoke(&rig, &event, deadline).await;
        assert!(response["Unchecked"].as_u64() > Some(0), "the deadline is too short for all");
        for id in ids_of(&response) {
            assert!(missing.remove(&id), "{id} is announced twice");
        }
        for (record, before) in records_of(&response).iter().zip(records_of(&event)) {
            let error = record["CheckError"]["Error"].as_str();
            assert!(matches!(error, None | Some("WorkSpaces.Timeout" | "Sns.Timeout")), "{record}");
            if error == Some("Sns.Timeout") {
                cut.insert(format!("{}#1:VALIDATING", record["ImageId"].as_str().expect("an id")));
            } else if record["Sequence"] == 0 {
                let members = |of: &Value| ["State", "Owed", "Description"].map(|name| of[name].clone());
                assert_eq!(members(record), members(before), "unchecked, and as it went in");
            }
        }
        event = response;
        invocations += 1;
        assert!(invocations < 200, "{} never had their turn: {missing:?}", missing.len());
    }
    let mut published = announced(&rig.sns);
    published.sort();
    published.dedup_by(|one, other| one == other && cut.contains(one));
    assert_eq!(published, ids(records, "VALIDATING"), "each once");
    println!("\nall {records} after {invocations} invocations, {} announcements cut by the deadline", cut.len());
}

fn records_of(payload: &Value) -> &Vec<Value> {
    payload["Imports"].as_array().expect("records")
}

/// With the ledger the event is the same each time, as a schedule sends it.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_of_many_records_is_read_in_chunks() {
    const RECORDS: usize = 1_000;
    let emulator = ministack();
    let table = emulator.table().await;
    let proxy = Proxy::start(&emulator.url).await.expect("the proxy starts");
    let stage = stage().await.set("LEDGER_TABLE", &table.name).set("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url());
    let rig = stage.start().await;
    describe_all(&rig, RECORDS, "VALIDATING");
    head();

    let response = invoke(&rig, &fresh(RECORDS), LONG).await;
    assert_eq!(ids_of(&response), ids(RECORDS, "VALIDATING"));
    assert_eq!((proxy.count("BatchGetItem"), proxy.count("PutItem")), (RECORDS / 100, 2 * RECORDS));
    proxy.clear();
    let response = invoke(&rig, &fresh(RECORDS), LONG).await;
    assert_eq!(json!([response["Transitions"], response["Unchecked"]]), json!([[], 0]));
    assert_eq!((proxy.count("BatchGetItem"), proxy.count("PutItem")), (RECORDS / 100, 0), "nothing new, no write");

    let mut published = announced(&rig.sns);
    published.sort();
    assert_eq!(published, ids(RECORDS, "VALIDATING"), "each once");
}
