//! Many records in one event. `RECORDS` sets their number: 1,000 (the default) to 11,718.
//!
//! `RECORDS=10000 cargo test --locked --test it load::records:: -- --nocapture`

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use fake_aws::{Proxy, description};
use serde_json::{Value, json};

use super::process::Usage;
use crate::support::{Rig, Setup, announced, emulator::ministack, event, image, imports, number_from_env};

/// How many records to send, unless `RECORDS` says otherwise.
const RECORDS: usize = 1_000;

/// The highest response limit, which allows the most records.
const MAX_RESPONSE_BYTES: usize = 6_000_000;

/// Lambda's longest timeout: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const NO_HURRY: Duration = Duration::from_mins(15);

/// Prepares a function with the highest response limit.
async fn stage() -> Setup {
    Setup::new().await.set("MAX_RESPONSE_BYTES", &MAX_RESPONSE_BYTES.to_string())
}

/// Sets the state of all images.
pub(super) fn set_states(rig: &Rig, records: usize, state: &str) {
    for image in (0..records).map(image) {
        rig.workspaces.set(&image, description(&image, state).progress(40));
    }
}

/// An event with this many new records.
pub(super) fn new_records(records: usize) -> Value {
    event((0..records).map(|number| json!({"ImageId": image(number)})))
}

/// Invokes the function, prints a row of the table, and asserts that every record comes back.
async fn invoke(rig: &Rig, event: &Value, deadline: Duration) -> Value {
    let begun = Instant::now();
    let sent = rig.send_raw(event.to_string(), deadline).await.expect("the invocation succeeds");
    let response: Value = serde_json::from_str(&sent).expect("the response is JSON");
    println!(
        "| {} | {} | {} | {} | {:.1} s |",
        imports(event).len(),
        response["Transitions"].as_array().map_or(0, Vec::len),
        response["Unchecked"],
        deadline.as_secs_f64(),
        begun.elapsed().as_secs_f64(),
    );
    assert!(sent.len() <= MAX_RESPONSE_BYTES);
    let images =
        |payload: &Value| -> Vec<Value> { imports(payload).iter().map(|record| record["ImageId"].clone()).collect() };
    assert_eq!(images(&response), images(event), "every record comes back, in the order of the event");
    response
}

fn print_table_head() {
    println!("| records | announced | unchecked | deadline | duration |\n|---|---|---|---|---|");
}

/// The ID of each image's first announcement.
pub(super) fn first_ids(records: usize, state: &str) -> Vec<String> {
    (0..records).map(|number| format!("{}#1:{state}", image(number))).collect()
}

/// The ID of the first announcement of a record's image.
pub(super) fn first_id(record: &Value, state: &str) -> String {
    format!("{}#1:{state}", record["ImageId"].as_str().expect("an ID"))
}

/// Asserts that a record that was not checked comes back as it was sent.
pub(super) fn assert_unchanged(record: &Value, sent: &Value) {
    let members = |record: &Value| ["State", "Owed", "Description"].map(|name| record[name].clone());
    assert_eq!(members(record), members(sent), "an unchecked record comes back unchanged");
}

/// The IDs of the transitions in a response.
fn announced_ids(response: &Value) -> Vec<String> {
    let transitions = response["Transitions"].as_array().expect("transitions");
    transitions.iter().map(|transition| transition["TransitionId"].as_str().expect("an ID").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_transition_of_a_large_event_is_announced_once() {
    let records = number_from_env("RECORDS").unwrap_or(RECORDS);
    let rig = stage().await.start().await;
    set_states(&rig, records, "VALIDATING");
    print_table_head();

    let response = invoke(&rig, &new_records(records), NO_HURRY).await;
    assert_eq!(json!([response["Status"], response["Pending"], response["Unchecked"]]), json!(["PENDING", records, 0]));
    assert_eq!(announced_ids(&response), first_ids(records, "VALIDATING"));
    let mut published = announced(&rig.sns);
    published.sort();
    assert_eq!(published, first_ids(records, "VALIDATING"));
    let full = rig.sns.batches().iter().filter(|batch| batch.len() == 10).count();
    assert_eq!((rig.sns.batches().len(), full), (records.div_ceil(10), records / 10), "ten in each call");

    rig.sns.clear();
    rig.workspaces.clear_calls();
    let next = invoke(&rig, &response, NO_HURRY).await;
    assert_eq!(json!([next["Transitions"], next["Pending"], next["Unchecked"]]), json!([[], records, 0]));
    assert_eq!(next["Imports"], response["Imports"], "nothing has changed");
    assert_eq!((rig.workspaces.calls().len(), announced(&rig.sns).len()), (records, 0));
    println!("\npeak memory: {} kB", Usage::of(rig.pid()).peak_kb);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_record_is_lost_if_the_deadline_is_too_short_for_all() {
    let records = number_from_env("RECORDS").unwrap_or(RECORDS);
    let rig = stage().await.start().await;
    set_states(&rig, records, "VALIDATING");
    // The function describes for less than 80% of this time: it reserves a third of a short time and 15 seconds of a
    // long one. Describing all images takes 80% or more.
    let count = u32::try_from(records).expect("a few thousand");
    let deadline = Duration::from_millis(8) * count;
    rig.workspaces.set_latency(deadline * 8 / count * 8 / 10);
    print_table_head();

    let mut event = new_records(records);
    // A publish that times out at the deadline may have reached SNS. Its announcements stay owed and are repeated.
    let (mut missing, mut timed_out) = (BTreeSet::from_iter(first_ids(records, "VALIDATING")), BTreeSet::new());
    let mut invocations = 0;
    while !missing.is_empty() {
        let response = invoke(&rig, &event, deadline).await;
        assert!(response["Unchecked"].as_u64() > Some(0), "the deadline is too short to check all of them");
        for id in announced_ids(&response) {
            assert!(missing.remove(&id), "{id} is announced twice");
        }
        for (record, before) in imports(&response).iter().zip(imports(&event)) {
            let error = record["CheckError"]["Error"].as_str();
            assert!(matches!(error, None | Some("WorkSpaces.Timeout" | "Sns.Timeout")), "{record}");
            if error == Some("Sns.Timeout") {
                timed_out.insert(first_id(record, "VALIDATING"));
            } else if record["Sequence"] == 0 {
                assert_unchanged(record, before);
            }
        }
        event = response;
        invocations += 1;
        assert!(invocations < 200, "{} are never announced: {missing:?}", missing.len());
    }
    let mut published = announced(&rig.sns);
    published.sort();
    published.dedup_by(|one, other| one == other && timed_out.contains(one));
    assert_eq!(published, first_ids(records, "VALIDATING"), "each is announced once");
    println!("\nall {records} after {invocations} invocations, {} announcements timed out", timed_out.len());
}

/// Sends the same event twice, as a schedule does.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_of_many_records_is_read_in_batches() {
    const RECORDS: usize = 1_000;
    let emulator = ministack();
    let table = emulator.table().await;
    let proxy = Proxy::start(&emulator.url).await.expect("the proxy starts");
    let stage = stage().await.set("LEDGER_TABLE", &table.name).set("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url());
    let rig = stage.start().await;
    set_states(&rig, RECORDS, "VALIDATING");
    print_table_head();

    let response = invoke(&rig, &new_records(RECORDS), NO_HURRY).await;
    assert_eq!(announced_ids(&response), first_ids(RECORDS, "VALIDATING"));
    assert_eq!((proxy.count("BatchGetItem"), proxy.count("PutItem")), (RECORDS / 100, 2 * RECORDS));
    proxy.clear();
    let response = invoke(&rig, &new_records(RECORDS), NO_HURRY).await;
    assert_eq!(json!([response["Transitions"], response["Unchecked"]]), json!([[], 0]));
    assert_eq!(
        (proxy.count("BatchGetItem"), proxy.count("PutItem")),
        (RECORDS / 100, 0),
        "nothing has changed, so nothing is written"
    );

    let mut published = announced(&rig.sns);
    published.sort();
    assert_eq!(published, first_ids(RECORDS, "VALIDATING"), "each is announced once");
}
