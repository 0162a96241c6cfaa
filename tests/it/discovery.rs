//! Discovery: imports that no event names (section "Discovery" of the contract).
//!
//! `cargo test --locked --test it discovery::`

use std::{collections::BTreeSet, time::Duration};

use fake_aws::{Act, Answer, Fault, Proxy, Reply, Request, WorkSpaces, description};
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

/// The number of segments in which a large table is scanned.
const SEGMENTS: usize = 64;

/// A request of a scan, as JSON.
fn scan(request: &Request) -> Value {
    serde_json::from_slice(&request.body).expect("JSON")
}

/// The segment that a scan asks for. `None`: the whole table.
fn segment(scan: &Value) -> Option<usize> {
    scan["Segment"].as_u64().map(|segment| segment.try_into().expect("a small number"))
}

/// A page with one image. `next` is the number of the image in `LastEvaluatedKey`.
fn page(number: usize, next: Option<usize>) -> Value {
    let key = |number| json!({"ImageId": {"S": image(number)}});
    let mut body = json!({"Items": [key(number)], "Count": 1, "ScannedCount": 9});
    if let Some(next) = next {
        body["LastEvaluatedKey"] = key(next);
    }
    body
}

/// The scans that the table received, in order.
fn scans(proxy: &Proxy) -> Vec<Value> {
    let scans = proxy.requests().into_iter().filter(|(operation, _)| operation == "Scan");
    scans.map(|(_, request)| scan(&request)).collect()
}

/// Answers each scan with this page.
fn on_scan(proxy: &Proxy, page: impl Fn(&Value) -> Reply + Send + Sync + 'static) {
    proxy.on(move |called, request| if called == "Scan" { Act::Reply(page(&scan(request))) } else { Act::Forward });
}

#[tokio::test]
async fn a_small_table_is_read_with_one_consistent_scan() {
    let ledger = WithLedger::new().await;
    ledger.put(1, "VALIDATING", json!({})).await;
    assert_eq!(image_ids(&ledger.tick().await), [image(1)]);
    let scans = scans(&ledger.proxy);
    assert_eq!(scans.len(), 1);
    assert_eq!((&scans[0]["ConsistentRead"], segment(&scans[0])), (&json!(true), None));
    assert!(scans[0]["FilterExpression"].is_string());
    assert_eq!(scans[0]["ProjectionExpression"], "ImageId", "a page has more items if they are small");
}

#[tokio::test]
async fn a_large_table_is_read_in_segments_with_all_their_pages() {
    let ledger = WithLedger::new().await;
    on_scan(&ledger.proxy, |scan| {
        let page = match (segment(scan), &scan["ExclusiveStartKey"]) {
            (None, _) => page(300, Some(300)),
            (Some(segment), Value::Null) => page(segment, Some(segment)),
            (Some(segment), key) => {
                assert_eq!(key["ImageId"]["S"], image(segment));
                page(100 + segment, None)
            }
        };
        Reply::json(200, &page)
    });
    ledger.rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
    let response = ledger.tick().await;
    let numbers = (0..SEGMENTS).chain(100..100 + SEGMENTS).chain([300]);
    assert_eq!(image_ids(&response), numbers.map(image).collect::<Vec<_>>());
    assert_eq!(response["DiscoverError"], Value::Null);
    let scans = scans(&ledger.proxy);
    assert_eq!(scans.len(), 1 + 2 * SEGMENTS);
    for scan in &scans {
        assert_eq!(scan["ConsistentRead"], true);
        assert!(scan["FilterExpression"].is_string(), "{scan}");
        assert!(segment(scan).is_none() || scan["TotalSegments"] == SEGMENTS, "{scan}");
    }
}

/// A page of a real table has at most 1 MB. The items have large attributes that the function does not know.
#[tokio::test]
async fn a_large_table_is_found_completely() {
    let ledger = WithLedger::with(Setup::new().await, dynalite()).await;
    let padding = json!({"Padding": "p".repeat(200_000)});
    for number in 0..12 {
        ledger.put(number, if number < 9 { "VALIDATING" } else { "COMPLETED" }, padding.clone()).await;
    }
    let response = ledger.tick().await;
    assert!(ledger.proxy.count("Scan") > SEGMENTS, "the table is one page");
    assert_eq!(image_ids(&response), (0..9).map(image).collect::<Vec<_>>());
    let errors: Vec<&Value> = imports(&response).iter().map(|record| &record["CheckError"]).collect();
    assert_eq!((errors, &response["DiscoverError"]), (vec![&Value::Null; 9], &Value::Null));
}

/// What the time does not suffice for is counted, and is not the same every time.
#[tokio::test]
async fn a_table_that_takes_too_long_is_read_from_a_random_segment_on() {
    let ledger = WithLedger::new().await;
    on_scan(&ledger.proxy, |scan| match segment(scan) {
        None => Reply::json(200, &page(300, Some(300))),
        Some(segment) => Reply::After(Duration::from_millis(200), Box::new(Reply::json(200, &page(segment, None)))),
    });
    ledger.rig.workspaces.set_default(description(IMAGE, "PENDING"));
    let mut choices = BTreeSet::new();
    for _ in 0..6 {
        let before = scans(&ledger.proxy).len();
        let response = ledger.rig.try_invoke(discover(), Duration::from_secs(3)).await.expect("a response");
        let found = imports(&response).iter().filter(|record| record["ImageId"].as_str() < Some(&image(SEGMENTS)));
        let in_time: BTreeSet<String> = found.map(|record| record["ImageId"].to_string()).collect();
        assert_eq!(response["DiscoverError"]["Error"], "DynamoDb.Timeout");
        let cause = response["DiscoverError"]["Cause"].as_str().expect("a text");
        assert!(cause.contains("of 64 segments of the table were not read"), "{cause}");
        let unread: usize = cause.split(' ').next().and_then(|number| number.parse().ok()).expect("a number");
        let read: Vec<usize> = scans(&ledger.proxy)[before..].iter().filter_map(segment).collect();
        assert!(unread + read.len() >= SEGMENTS && unread < SEGMENTS, "{cause}: {read:?}");
        assert!(in_time.len() >= SEGMENTS - unread, "the ledger knows the ones of the checks before, too: {in_time:?}");
        choices.insert(read.into_iter().collect::<BTreeSet<usize>>());
    }
    assert!(choices.len() > 1, "always the same segments: {choices:?}");
    assert_eq!(ledger.rig.logged("invocation finished").await[0]["CheckErrors"], 1);
}

#[tokio::test]
async fn a_segment_that_fails_does_not_stop_the_others() {
    let ledger = WithLedger::new().await;
    on_scan(&ledger.proxy, |scan| match segment(scan) {
        None => Reply::json(200, &page(300, Some(300))),
        Some(5) => denied(),
        Some(segment) => Reply::json(200, &page(segment, None)),
    });
    ledger.rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
    let response = ledger.tick().await;
    assert_eq!(imports(&response).len(), SEGMENTS, "all but one, and the first page");
    let cause = "1 of 64 segments of the table were not read: not you";
    assert_eq!(response["DiscoverError"], json!({"Error": "DynamoDb.AccessDeniedException", "Cause": cause}));
}

/// A service that repeats itself would otherwise be called until the time runs out.
#[tokio::test]
async fn the_first_repetition_of_a_token_or_key_ends_a_search() {
    for tokens in [vec!["a", "a"], vec!["a", "b", "a"], vec!["a", "b", "c", "b"]] {
        let rig = Rig::new().await;
        is_pending(&rig.workspaces, [1]);
        let pages = tokens.iter().map(|token| {
            let body = json!({"Images": [{"ImageId": image(1), "State": "PENDING"}], "NextToken": token});
            Some(Answer::Raw(Reply::json(200, &body)))
        });
        rig.workspaces.script_listing(pages);
        let response = rig.invoke(discover()).await;
        assert_eq!(image_ids(&response), [image(1)], "what the pages show counts");
        assert_eq!(response["DiscoverError"]["Error"], "WorkSpaces.BadResponse", "{tokens:?}");
        assert_eq!(rig.workspaces.list_calls().len(), tokens.len(), "{tokens:?}");
    }
    for cycle in 1..4 {
        let ledger = WithLedger::new().await;
        ledger.describe(1, "VALIDATING");
        on_scan(&ledger.proxy, move |scan| {
            let last = scan["ExclusiveStartKey"]["ImageId"]["S"].as_str();
            let last: usize = last.map_or(0, |last| last[4..].parse().expect("a number"));
            Reply::json(200, &page(1, Some(last % cycle + 1)))
        });
        let response = ledger.tick().await;
        assert_eq!(image_ids(&response), [image(1)]);
        assert_eq!(response["DiscoverError"]["Error"], "DynamoDb.BadResponse");
        assert_eq!(ledger.proxy.count("Scan"), 1 + SEGMENTS * (cycle + 1), "{cycle}");
    }
}

/// The tokens of the calls that listed images.
fn listed_from(workspaces: &WorkSpaces) -> Vec<Value> {
    workspaces.list_calls().iter().map(|call| call.request["NextToken"].clone()).collect()
}

#[tokio::test]
async fn a_listing_that_takes_too_long_continues_where_it_ended() {
    let rig = Rig::new().await;
    is_pending(&rig.workspaces, [1, 2, 3, 4]);
    rig.workspaces.set_page_size(1);
    let run_out_of_time = async || {
        rig.workspaces.script_listing([None, None, Some(Fault::NoAnswer.into())]);
        let response = rig.try_invoke(discover(), Duration::from_secs(3)).await.expect("a response");
        assert_eq!(response["DiscoverError"]["Error"], "WorkSpaces.Timeout");
        assert_eq!(image_ids(&response), [1, 2].map(image));
        rig.workspaces.clear_calls();
    };
    run_out_of_time().await;
    rig.workspaces.script_listing([]);
    let response = rig.invoke(discover()).await;
    assert_eq!((image_ids(&response).len(), &response["DiscoverError"]), (4, &Value::Null));
    assert_eq!(listed_from(&rig.workspaces), [json!(image(3)), json!(image(4)), Value::Null, json!(image(2))]);
    rig.workspaces.clear_calls();
    rig.invoke(discover()).await;
    assert_eq!(listed_from(&rig.workspaces)[0], Value::Null, "the list was read completely");

    // WorkSpaces does not accept the token any more.
    rig.workspaces.clear_calls();
    run_out_of_time().await;
    let refused = workspaces_error("InvalidParameterValuesException", "an old token");
    rig.workspaces.script_listing([Some(refused), None]);
    let response = rig.invoke(discover()).await;
    assert_eq!((imports(&response).len(), &response["DiscoverError"]), (4, &Value::Null));
    assert_eq!(listed_from(&rig.workspaces)[..2], [json!(image(3)), Value::Null]);
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
