//! Discovery: imports that no event names (section "Discovery" of the contract).
//!
//! `cargo test --locked --test it discovery::`

use std::{sync::Arc, time::Duration};

use fake_aws::{Act, Answer, Fault, Proxy, Reply, WorkSpaces, description};
use serde_json::{Value, json};

use crate::support::{
    IMAGE, Rig, Setup, announced,
    emulator::{Emulator, Table, dynalite, ministack, moto},
    image, imports, minutes_ago, workspaces_error,
};

/// A function with a ledger, and the proxy between them.
pub(crate) struct WithLedger {
    pub(crate) rig: Rig,
    pub(crate) table: Table,
    pub(crate) proxy: Proxy,
}

impl WithLedger {
    pub(crate) async fn new() -> Self {
        Self::with(Setup::new().await, ministack()).await
    }

    pub(crate) async fn with(stage: Setup, emulator: &Emulator) -> Self {
        let table = emulator.table().await;
        let proxy = Proxy::start(&emulator.url).await.expect("the proxy starts");
        let stage = stage.set("LEDGER_TABLE", &table.name).set("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url());
        Self { rig: stage.start().await, table, proxy }
    }

    /// Invokes the function with the event that a schedule sends each time.
    pub(crate) async fn tick(&self) -> Value {
        self.rig.invoke(discover()).await
    }

    pub(crate) fn describe(&self, number: usize, state: &str) {
        self.rig.workspaces.set(&image(number), description(&image(number), state));
    }

    /// Writes an item. The service no longer lists its image.
    pub(crate) async fn put(&self, number: usize, state: &str, more: Value) {
        let mut item = json!({"ImageId": image(number), "State": state, "Sequence": 4});
        item.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        self.table.put(item).await;
        self.rig.workspaces.set(&image(number), description(&image(number), state));
        self.rig.workspaces.list(&image(number), None);
    }

    /// Fails every call of this operation.
    fn deny(&self, operation: &'static str) {
        self.proxy.on(move |called, _| if called == operation { Act::Reply(denied()) } else { Act::Forward });
    }
}

fn discover() -> Value {
    json!({"Discover": true})
}

fn denied() -> Reply {
    Reply::aws_error(400, "AccessDeniedException", "not you")
}

/// The images of a response, in its order.
pub(crate) fn image_ids(response: &Value) -> Vec<&str> {
    imports(response).iter().map(|record| record["ImageId"].as_str().expect("an ID")).collect()
}

fn counts(response: &Value) -> [&Value; 4] {
    ["Pending", "Completed", "Failed", "Unchecked"].map(|name| &response[name])
}

fn is_pending(workspaces: &WorkSpaces, numbers: impl IntoIterator<Item = usize>) {
    for number in numbers {
        workspaces.set(&image(number), description(&image(number), "VALIDATING"));
    }
}

#[tokio::test]
async fn every_page_of_pending_images_is_checked() {
    let rig = Rig::new().await;
    is_pending(&rig.workspaces, [3, 1, 4, 2]);
    rig.workspaces.set(&image(0), description(&image(0), "COMPLETED"));
    rig.workspaces.set(&image(5), description(&image(5), "ERROR"));
    rig.workspaces.set_page_size(2);
    let response = rig.invoke(discover()).await;
    assert_eq!(image_ids(&response), [1, 2, 3, 4].map(image), "in the order of the IDs");
    assert_eq!(announced(&rig.sns), [1, 2, 3, 4].map(|number| format!("{}#1:VALIDATING", image(number))));
    assert_eq!(response["Transitions"][0]["From"], Value::Null, "nothing is known");
    assert_eq!(counts(&response), [4, 0, 0, 0]);
    for absent in ["Discover", "DiscoverError", "Undiscovered"] {
        assert_eq!(response[absent], Value::Null, "{response}");
    }

    let calls = rig.workspaces.list_calls();
    assert_eq!(calls.len(), 3, "a page each");
    for (call, token) in calls.iter().zip([Value::Null, json!(image(2)), json!(image(4))]) {
        assert_eq!(call.request["ImageType"], "OWNED", "the account's own");
        assert_eq!(json!([call.request["NextToken"], call.request["ImageIds"]]), json!([token, null]));
    }
}

#[tokio::test]
async fn the_events_records_come_first_and_in_the_envelope_too() {
    let rig = Rig::new().await;
    is_pending(&rig.workspaces, [1, 2, 7]);
    let direct = json!({"Discover": true, "Imports": [{"ImageId": image(7), "State": "PENDING", "Sequence": 3}]});
    let response = rig.invoke(&direct).await;
    assert_eq!(image_ids(&response), [7, 1, 2].map(image));
    assert_eq!(imports(&response)[0]["Sequence"], 4, "the event's record counts");
    let envelope = |detail: &Value| json!({"detail-type": "x", "source": "y", "detail": detail});
    assert_eq!(image_ids(&rig.invoke(envelope(&direct)).await), [7, 1, 2].map(image));
    assert_eq!(image_ids(&rig.invoke(envelope(&discover())).await), [1, 2, 7].map(image));
}

#[tokio::test]
async fn an_event_without_discover_lists_and_scans_nothing() {
    let ledger = WithLedger::new().await;
    is_pending(&ledger.rig.workspaces, [1, 2]);
    for event in [json!({"Imports": []}), json!({"Imports": [{"ImageId": image(1)}], "Discover": false})] {
        ledger.rig.invoke(event).await;
    }
    assert_eq!((ledger.rig.workspaces.list_calls().len(), ledger.proxy.count("Scan")), (0, 0));
    // A response is the next event of a workflow, which does not discover again.
    let found = ledger.tick().await;
    assert_eq!(image_ids(&ledger.rig.invoke(&found).await), [1, 2].map(image));
    assert_eq!((ledger.rig.workspaces.list_calls().len(), ledger.proxy.count("Scan")), (1, 1));
}

#[tokio::test]
async fn with_nothing_to_discover_the_response_is_empty() {
    let response = Rig::new().await.invoke(discover()).await;
    assert_eq!((response["Status"].as_str(), imports(&response).len()), (Some("COMPLETED"), 0));
}

#[tokio::test]
async fn an_import_is_followed_to_its_end_although_it_leaves_the_list() {
    for emulator in [ministack(), moto(), dynalite()] {
        let ledger = WithLedger::with(Setup::new().await, emulator).await;
        let (completed, deleted) = (1, 2);
        is_pending(&ledger.rig.workspaces, [completed, deleted]);
        ledger.tick().await;
        ledger.describe(completed, "COMPLETED");
        ledger.rig.workspaces.set(&image(deleted), Answer::NotFound);
        assert_eq!(counts(&ledger.tick().await), [1, 1, 0, 0]);
        ledger.table.has_been_missing(&image(deleted), &minutes_ago(16)).await;
        for expected in [[0, 0, 1, 0], [0, 0, 0, 0]] {
            assert_eq!(counts(&ledger.tick().await), expected);
        }
        let ids = [
            (completed, "1:VALIDATING"),
            (deleted, "1:VALIDATING"),
            (completed, "2:COMPLETED"),
            (deleted, "2:NOT_FOUND"),
        ];
        assert_eq!(announced(&ledger.rig.sns), ids.map(|(number, id)| format!("{}#{id}", image(number))));
    }
}

/// Whatever the item says, the filter of the scan decides as the contract does.
#[tokio::test]
async fn unsettled_items_are_found() {
    for emulator in [ministack(), moto(), dynalite()] {
        let ledger = WithLedger::with(Setup::new().await, emulator).await;
        let owed = json!({"Owed": {"Kind": "STATE_CHANGED", "Sequence": 5, "From": "ERROR", "To": "VALIDATING"}});
        let missing = json!({"Missing": minutes_ago(1)});
        let settled = ["COMPLETED", "ERROR", "NOT_FOUND"];
        let mut unsettled = Vec::new();
        for (number, state) in ["PENDING", "VALIDATING", "NEW", "completed"].into_iter().chain(settled).enumerate() {
            ledger.put(number, state, json!({})).await;
            ledger.put(10 + number, state, missing.clone()).await;
            ledger.put(20 + number, state, owed.clone()).await;
            unsettled.push(20 + number);
            if !settled.contains(&state) {
                unsettled.push(number);
            }
            if state != "NOT_FOUND" {
                unsettled.push(10 + number);
            }
        }
        ledger.table.put(json!({"ImageId": image(30), "Sequence": 0})).await;
        unsettled.push(30);
        unsettled.sort_unstable();
        assert_eq!(image_ids(&ledger.tick().await), unsettled.into_iter().map(image).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn the_scan_is_consistent_and_reads_every_page() {
    let ledger = WithLedger::new().await;
    let requests = Arc::<std::sync::Mutex<Vec<Value>>>::default();
    let seen = Arc::clone(&requests);
    ledger.proxy.on(move |operation, request| {
        if operation != "Scan" {
            return Act::Forward;
        }
        let request: Value = serde_json::from_slice(&request.body).expect("JSON");
        let page = request["ExclusiveStartKey"]["ImageId"]["S"]
            .as_str()
            .map_or(1, |last| last[4..].parse().expect("a number"));
        seen.lock().expect("not poisoned").push(request);
        let key = json!({"ImageId": {"S": image(page + 1)}});
        let mut body = json!({"Items": [{"ImageId": {"S": image(page)}}], "Count": 1, "ScannedCount": 9});
        if page < 3 {
            body["LastEvaluatedKey"] = key;
        }
        Act::Reply(Reply::json(200, &body))
    });
    ledger.rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
    assert_eq!(image_ids(&ledger.tick().await), [1, 2, 3].map(image));
    let requests = requests.lock().expect("not poisoned");
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| request["ConsistentRead"] == true), "{requests:?}");
    assert!(requests.iter().all(|request| request["FilterExpression"].is_string()), "{requests:?}");
}

#[tokio::test]
async fn an_image_made_in_another_way_is_left_out() {
    let ledger = WithLedger::new().await;
    is_pending(&ledger.rig.workspaces, [2]);
    ledger.rig.workspaces.add_other_image(&image(1));
    for _ in 0..3 {
        let response = ledger.tick().await;
        assert_eq!(
            (image_ids(&response), counts(&response)),
            (vec![image(2).as_str()], [&json!(1), &json!(0), &json!(0), &json!(0)])
        );
    }
    assert_eq!(announced(&ledger.rig.sns), [format!("{}#1:VALIDATING", image(2))]);
    assert!(ledger.table.item(&image(1)).await.is_none(), "it is not remembered");
    assert_eq!(ledger.rig.workspaces.calls_of(&image(1)), 3, "each check looks again");

    // The event names it, so it is an import that is missing.
    let event = json!({"Discover": true, "Imports": [{"ImageId": image(1)}]});
    assert!(imports(&ledger.rig.invoke(event).await)[0]["Missing"].is_string());
    assert!(imports(&ledger.tick().await)[0]["Missing"].is_string(), "the ledger knows it by now");
}

/// A workflow goes on with the response, and must not take an image for an import that it could not describe.
#[tokio::test]
async fn an_image_that_was_not_described_stays_listed() {
    let rig = Rig::new().await;
    is_pending(&rig.workspaces, [2]);
    let throttled = || workspaces_error("AccessDeniedException", "not you");
    rig.workspaces.script(&image(1), [throttled(), throttled(), Answer::NotFound]);
    rig.workspaces.script(&image(3), [throttled(), description(&image(3), "VALIDATING").into(), Answer::NotFound]);
    let first = rig.invoke(discover()).await;
    assert_eq!(image_ids(&first), [1, 2, 3].map(image));
    let listed: Vec<&Value> = imports(&first).iter().map(|record| &record["Listed"]).collect();
    assert_eq!(listed, [&json!(true), &Value::Null, &json!(true)]);
    assert_eq!(imports(&first)[0]["CheckError"]["Error"], "WorkSpaces.AccessDeniedException");

    let second = rig.invoke(&first).await;
    assert_eq!(imports(&second)[0]["Listed"], true);
    assert_eq!(imports(&second)[2]["Listed"], Value::Null, "it was described, so it is an import");
    let third = rig.invoke(&second).await;
    assert_eq!(image_ids(&third), [2, 3].map(image), "it was made in another way");
    assert!(imports(&third)[1]["Missing"].is_string());
}

#[tokio::test]
async fn a_new_import_without_a_state_is_remembered() {
    let ledger = WithLedger::new().await;
    ledger.rig.workspaces.set(&image(1), json!({"ImageId": image(1)}));
    assert_eq!(counts(&ledger.tick().await), [1, 0, 0, 0]);
    ledger.describe(1, "ERROR");
    assert_eq!(counts(&ledger.tick().await), [0, 0, 1, 0]);
    assert_eq!(announced(&ledger.rig.sns), [format!("{}#1:ERROR", image(1))]);
}

#[tokio::test]
async fn what_does_not_fit_is_left_for_the_next_check_and_counted() {
    let stage = Setup::new().await.set("MAX_RESPONSE_BYTES", "16384");
    let ledger = WithLedger::with(stage, ministack()).await;
    is_pending(&ledger.rig.workspaces, 100..140);
    for number in [50, 51] {
        ledger.put(number, "VALIDATING", json!({})).await;
    }
    ledger.describe(1, "VALIDATING");
    let event = json!({"Discover": true, "Imports": [{"ImageId": image(1)}]});
    let response = ledger.rig.invoke(event).await;
    assert_eq!((imports(&response).len(), &response["Undiscovered"]), (32, &json!(11)));
    let ids = image_ids(&response);
    assert_eq!(ids[..3], [1, 50, 51].map(image), "the event's record, and then the ledger's");
    assert!(ids[3..].is_sorted(), "{ids:?}");
    assert_eq!(ledger.rig.logged("invocation finished").await[0]["Undiscovered"], 11);
    // The next ones find those in the ledger first, and the rest from a random place.
    assert_eq!(ledger.tick().await["Undiscovered"], 11);
}

#[tokio::test]
async fn a_listing_that_fails_does_not_stop_the_ledgers_imports() {
    let ledger = WithLedger::new().await;
    ledger.put(9, "VALIDATING", json!({})).await;
    ledger.describe(9, "PUBLISHING");
    is_pending(&ledger.rig.workspaces, [1, 2]);
    ledger.rig.workspaces.set_page_size(1);
    let denied = workspaces_error("AccessDeniedException", &"n".repeat(400));
    ledger.rig.workspaces.script_listing([None, Some(denied.clone())]);
    let response = ledger.tick().await;
    assert_eq!(image_ids(&response), [1, 9].map(image), "the pages before the failure count");
    assert_eq!(response["DiscoverError"]["Error"], "WorkSpaces.AccessDeniedException");
    assert_eq!(response["DiscoverError"]["Cause"].as_str().map(str::len), Some(300));
    assert_eq!(announced(&ledger.rig.sns).len(), 2);
    let logged = ledger.rig.logged("listing failed").await;
    assert_eq!((logged.len(), &logged[0]["Error"]), (1, &json!("WorkSpaces.AccessDeniedException")));
    assert_eq!(ledger.rig.logged("invocation finished").await[0]["CheckErrors"], 1);

    ledger.rig.workspaces.script_listing([Some(denied)]);
    assert_eq!(image_ids(&ledger.tick().await), [1, 9].map(image), "the ledger remembers both");
    ledger.rig.workspaces.script_listing([]);
    assert_eq!(ledger.tick().await["DiscoverError"], Value::Null);
}

#[tokio::test]
async fn a_scan_that_fails_does_not_stop_the_listing() {
    let ledger = WithLedger::new().await;
    is_pending(&ledger.rig.workspaces, [1]);
    ledger.deny("Scan");
    let response = ledger.tick().await;
    assert_eq!(image_ids(&response), [image(1)]);
    assert_eq!(response["DiscoverError"], json!({"Error": "DynamoDb.AccessDeniedException", "Cause": "not you"}));
    assert_eq!(announced(&ledger.rig.sns), [format!("{}#1:VALIDATING", image(1))]);
    assert_eq!(ledger.rig.logged("ledger scan failed").await[0]["Error"], "DynamoDb.AccessDeniedException");
}

#[tokio::test]
async fn without_any_record_a_failed_discovery_fails_the_invocation() {
    let ledger = WithLedger::new().await;
    ledger.deny("Scan");
    assert_eq!(ledger.rig.fail(discover()).await.error_type, "DynamoDb.AccessDeniedException");
    ledger.rig.workspaces.add_other_image(&image(1));
    assert_eq!(ledger.rig.fail(discover()).await.error_type, "DynamoDb.AccessDeniedException", "no import was found");
    ledger.rig.workspaces.script_listing([Some(workspaces_error("AccessDeniedException", "not you"))]);
    assert_eq!(ledger.rig.fail(discover()).await.error_type, "WorkSpaces.AccessDeniedException");
    ledger.proxy.clear();
    assert_eq!(ledger.rig.fail(discover()).await.error_type, "WorkSpaces.AccessDeniedException");
    ledger.describe(2, "VALIDATING");
    let event = json!({"Discover": true, "Imports": [{"ImageId": image(2)}]});
    assert_eq!(ledger.rig.invoke(event).await["DiscoverError"]["Error"], "WorkSpaces.AccessDeniedException");
}

#[tokio::test]
async fn malformed_entries_do_not_stop_the_others() {
    let ledger = WithLedger::new().await;
    is_pending(&ledger.rig.workspaces, [1]);
    ledger.put(2, "VALIDATING", json!({})).await;
    ledger.table.put(json!({"ImageId": "mine", "State": "VALIDATING"})).await;
    let response = ledger.tick().await;
    assert_eq!(image_ids(&response), [1, 2].map(image));
    assert_eq!(response["DiscoverError"]["Error"], "DynamoDb.BadResponse");
    ledger.rig.workspaces.list("wsi-no", Some("PENDING"));
    let response = ledger.tick().await;
    assert_eq!(image_ids(&response), [1, 2].map(image));
    assert_eq!(response["DiscoverError"]["Error"], "WorkSpaces.BadResponse");
}

#[tokio::test]
async fn a_throttled_listing_is_repeated() {
    let rig = Rig::new().await;
    is_pending(&rig.workspaces, [1]);
    let throttled = || Some(workspaces_error("ThrottlingException", "slow"));
    rig.workspaces.script_listing([throttled(), throttled(), None]);
    let response = rig.invoke(discover()).await;
    assert_eq!((image_ids(&response), &response["DiscoverError"]), (vec![image(1).as_str()], &Value::Null));
    assert_eq!(rig.workspaces.list_calls().len(), 3);
}

#[tokio::test]
async fn a_slow_discovery_leaves_time_for_describing() {
    let ledger = WithLedger::new().await;
    ledger.put(1, "VALIDATING", json!({})).await;
    ledger.describe(1, "PUBLISHING");
    is_pending(&ledger.rig.workspaces, [2]);
    ledger.rig.workspaces.set_page_size(1);
    is_pending(&ledger.rig.workspaces, [3]);
    ledger.rig.workspaces.script_listing([None, Some(Fault::NoAnswer.into())]);
    let response = ledger.rig.try_invoke(discover(), Duration::from_secs(4)).await.expect("a response");
    assert_eq!(image_ids(&response), [1, 2].map(image));
    assert_eq!(response["DiscoverError"]["Error"], "WorkSpaces.Timeout");
    assert_eq!(counts(&response), [2, 0, 0, 0]);
    assert_eq!(announced(&ledger.rig.sns).len(), 2);
}
