//! The ledger: in DynamoDB as three emulators implement it, behind a proxy that can make calls fail.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::types::AttributeValue;
use fake_aws::{Act, Answer, Fault, Proxy, Reply, Sns, SnsAnswer, description};
use serde_json::{Value, json};

use crate::support::{
    IMAGE, Rig, Setup, announced,
    emulator::{Emulator, Table, dynalite, ministack, moto},
    event, image, imports, minutes_ago,
};

/// A function with a ledger, its table, and the proxy between them.
struct WithLedger {
    rig: Rig,
    table: Table,
    proxy: Proxy,
}

impl WithLedger {
    async fn new() -> Self {
        Self::with(Setup::new().await, ministack()).await
    }

    async fn with(stage: Setup, emulator: &Emulator) -> Self {
        let table = emulator.table().await;
        let proxy = Proxy::start(&emulator.url).await.expect("the proxy starts");
        let stage = stage.set("LEDGER_TABLE", &table.name).set("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url());
        Self { rig: stage.start().await, table, proxy }
    }

    /// A second function with the same ledger, WorkSpaces and topic.
    async fn twin(&self) -> Rig {
        let mut stage = Setup::new().await;
        stage.workspaces = self.rig.workspaces.clone();
        stage.sns = self.rig.sns.clone();
        let (workspaces, sns) = (stage.workspaces.url(), stage.sns.url());
        let stage = stage.set("AWS_ENDPOINT_URL_WORKSPACES", &workspaces).set("AWS_ENDPOINT_URL_SNS", &sns);
        stage.set("LEDGER_TABLE", &self.table.name).set("AWS_ENDPOINT_URL_DYNAMODB", &self.proxy.url()).start().await
    }

    fn describe(&self, state: &str) {
        self.rig.workspaces.set(IMAGE, description(IMAGE, state));
    }

    /// Invokes the function with the event that a schedule sends each time.
    async fn tick(&self) -> Value {
        self.rig.check(json!({"ImageId": IMAGE})).await
    }

    /// The item without `UpdatedAt`.
    async fn item(&self) -> Value {
        let mut item = self.table.json(IMAGE).await.unwrap_or_default();
        item.as_object_mut().and_then(|item| item.remove("UpdatedAt"));
        item
    }

    /// Decides about the calls of this operation by their number, from 0. All others are forwarded.
    fn on(&self, operation: &'static str, act: impl Fn(usize) -> Act + Send + Sync + 'static) {
        let count = AtomicUsize::new(0);
        self.proxy.on(
            move |called, _| {
                if called == operation { act(count.fetch_add(1, Ordering::SeqCst)) } else { Act::Forward }
            },
        );
    }

    fn writes(&self) -> usize {
        self.proxy.count("PutItem")
    }
}

fn denied(operation: &str) -> Act {
    Act::Reply(Reply::aws_error(400, "AccessDeniedException", &format!("not authorized to perform {operation}")))
}

fn unauthorized() -> SnsAnswer {
    SnsAnswer::Error { status: 403, code: "AuthorizationError".to_owned(), message: "Not you".to_owned() }
}

fn owed(sequence: u64, from: &str, to: &str) -> Value {
    json!({"Kind": "STATE_CHANGED", "Sequence": sequence, "From": from, "To": to})
}

#[tokio::test]
async fn a_fixed_schedule_announces_each_transition_once() {
    for emulator in [ministack(), moto(), dynalite()] {
        let ledger = WithLedger::with(Setup::new().await, emulator).await;
        for state in ["PENDING", "PENDING", "VALIDATING", "VALIDATING", "COMPLETED", "COMPLETED", "COMPLETED"] {
            ledger.describe(state);
            ledger.tick().await;
        }
        let expected = ["1:PENDING", "2:VALIDATING", "3:COMPLETED"].map(|id| format!("{IMAGE}#{id}"));
        assert_eq!(announced(&ledger.rig.sns), expected);
        assert_eq!(ledger.rig.workspaces.calls_of(IMAGE), 5, "a completed import is not described again");
        assert_eq!(ledger.writes(), 6, "two writes per transition, and none if nothing changed");
    }
}

#[tokio::test]
async fn the_item() {
    let ledger = WithLedger::new().await;
    ledger.describe("VALIDATING");
    ledger.rig.sns.script([unauthorized()]);
    ledger.rig.fail(json!({"Imports": [{"ImageId": IMAGE, "State": "PENDING", "Sequence": 3}]})).await;
    let item = ledger.table.item(IMAGE).await.expect("an item");
    assert_eq!(item["ImageId"], AttributeValue::S(IMAGE.to_owned()));
    assert_eq!(item["State"], AttributeValue::S("PENDING".to_owned()));
    assert_eq!(item["Sequence"], AttributeValue::N("3".to_owned()));
    assert_eq!(item["Stalled"], AttributeValue::Bool(false));
    assert!(!item.contains_key("Missing"), "{item:?}");
    let owed = item["Owed"].as_m().expect("a map");
    assert_eq!(owed["Kind"], AttributeValue::S("STATE_CHANGED".to_owned()));
    assert_eq!(owed["Sequence"], AttributeValue::N("4".to_owned()));
    assert_eq!(owed["From"], AttributeValue::S("PENDING".to_owned()));
    assert_eq!(owed["To"], AttributeValue::S("VALIDATING".to_owned()));
    let updated = item["UpdatedAt"].as_s().expect("a time");
    assert!(updated.starts_with("20") && updated.ends_with('Z'), "{updated}");
    assert_eq!(item["Version"], AttributeValue::N("1".to_owned()));
    assert_eq!(item.len(), 7);

    ledger.tick().await;
    let published = json!({
        "ImageId": IMAGE, "State": "VALIDATING", "Sequence": 4, "Stalled": false, "Version": 3,
    });
    assert_eq!(ledger.item().await, published);
}

#[tokio::test]
async fn owed_before_published_and_marked_after() {
    let ledger = WithLedger::new().await;
    ledger.describe("VALIDATING");
    let seen = Arc::new(AtomicUsize::new(usize::MAX));
    let (published, sns) = (Arc::clone(&seen), ledger.rig.sns.clone());
    ledger.proxy.on(move |operation, request| {
        if operation == "PutItem" && String::from_utf8_lossy(&request.body).contains(r#""Owed":{"M""#) {
            published.fetch_min(sns.published().len(), Ordering::SeqCst);
        }
        Act::Forward
    });
    ledger.tick().await;
    assert_eq!(seen.load(Ordering::SeqCst), 0, "nothing was published when the owed transition was written");
    assert_eq!(announced(&ledger.rig.sns).len(), 1);
}

#[tokio::test]
async fn an_owed_transition_is_announced_under_the_same_id_even_if_the_import_has_moved_on() {
    let ledger = WithLedger::new().await;
    ledger.describe("VALIDATING");
    ledger.rig.sns.script([unauthorized()]);
    ledger.rig.fail(json!({"Imports": [{"ImageId": IMAGE}]})).await;
    ledger.describe("PUBLISHING");
    let record = ledger.tick().await;
    assert_eq!(record["State"], "VALIDATING");
    assert_eq!(ledger.rig.sns.published()[0].json()["Description"]["State"], "PUBLISHING");
    ledger.tick().await;
    assert_eq!(announced(&ledger.rig.sns), [format!("{IMAGE}#1:VALIDATING"), format!("{IMAGE}#2:PUBLISHING")]);
}

#[tokio::test]
async fn the_loser_of_the_first_write_adopts_the_winners_item_and_does_nothing_more() {
    let ledger = WithLedger::new().await;
    ledger.describe("PUBLISHING");
    let winner = json!({
        "ImageId": IMAGE, "State": "PENDING", "Sequence": 1, "Owed": owed(2, "PENDING", "VALIDATING"), "Stalled": false,
    });
    // The item appears between the read and the write: the read finds an empty table.
    let table = ledger.table.name.clone();
    ledger.on("BatchGetItem", move |_| {
        Act::Reply(Reply::json(200, &json!({"Responses": {table.clone(): []}, "UnprocessedKeys": {}})))
    });
    ledger.table.put(winner.clone()).await;
    let response = ledger.rig.invoke(json!({"Imports": [{"ImageId": IMAGE}]})).await;
    assert_eq!(announced(&ledger.rig.sns), [""; 0], "only the winner publishes");
    assert_eq!(response["Transitions"], json!([]));
    let record = &response["Imports"][0];
    assert_eq!(json!([record["State"], record["Sequence"], record["Owed"]]), json!(["PENDING", 1, winner["Owed"]]));
    assert_eq!(record["CheckError"], Value::Null);
    assert_eq!(record["Outcome"], "PENDING");
    assert_eq!(ledger.item().await, winner, "the winner's item stays");
}

#[tokio::test]
async fn the_loser_of_the_second_write_adopts_the_winners_item() {
    let ledger = WithLedger::new().await;
    ledger.describe("VALIDATING");
    let winner = json!({"ImageId": IMAGE, "State": "PUBLISHING", "Sequence": 2, "Stalled": false});
    // Another invocation announces this state and the next one while this invocation publishes.
    let (item, name) = (winner.clone(), ledger.table.name.clone());
    let (client, sns) = (ledger.table.client.clone(), ledger.rig.sns.clone());
    ledger.rig.sns.set(SnsAnswer::After(Duration::from_millis(800), Box::new(SnsAnswer::Take)));
    let overtake = tokio::spawn(async move {
        publishing(&sns).await;
        let item = serde_dynamo::aws_sdk_dynamodb_1::to_item(item).expect("an object");
        client.put_item().table_name(name).set_item(Some(item)).send().await.expect("written");
    });
    let response = ledger.rig.invoke(json!({"Imports": [{"ImageId": IMAGE}]})).await;
    overtake.await.expect("done");
    let record = &response["Imports"][0];
    assert_eq!(json!([record["State"], record["Sequence"]]), json!(["PUBLISHING", 2]));
    assert_eq!(record["CheckError"], Value::Null);
    assert_eq!(response["Transitions"][0]["To"], "VALIDATING", "it was announced nevertheless");
    assert_eq!(ledger.item().await, winner);
}

/// Waits until SNS receives a call. It has not answered by then.
async fn publishing(sns: &Sns) {
    while sns.requests().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_deleted_item_does_not_reuse_a_number() {
    let ledger = WithLedger::new().await;
    ledger.describe("VALIDATING");
    // Somebody deletes the item after it owes the transition, while the invocation publishes.
    let (client, name) = (ledger.table.client.clone(), ledger.table.name.clone());
    let sns = ledger.rig.sns.clone();
    ledger.rig.sns.set(SnsAnswer::After(Duration::from_millis(800), Box::new(SnsAnswer::Take)));
    let delete = tokio::spawn(async move {
        publishing(&sns).await;
        let key = AttributeValue::S(IMAGE.to_owned());
        client.delete_item().table_name(name).key("ImageId", key).send().await.expect("deleted");
    });
    let record = ledger.rig.check(json!({"ImageId": IMAGE, "State": "PENDING", "Sequence": 4})).await;
    delete.await.expect("done");
    assert_eq!(json!([record["State"], record["Sequence"], record["Owed"]]), json!(["VALIDATING", 5, null]));
    assert_eq!(record["CheckError"], Value::Null);
    assert_eq!(ledger.table.json(IMAGE).await, None, "the item stays deleted");
    ledger.rig.sns.set(SnsAnswer::Take);
    ledger.describe("PUBLISHING");
    ledger.rig.check(record).await;
    assert_eq!(announced(&ledger.rig.sns), [format!("{IMAGE}#5:VALIDATING"), format!("{IMAGE}#6:PUBLISHING")]);
}

#[tokio::test]
async fn of_two_concurrent_invocations_one_publishes() {
    let ledger = WithLedger::new().await;
    let twin = ledger.twin().await;
    ledger.describe("VALIDATING");
    twin.check(json!({"ImageId": IMAGE, "State": "VALIDATING"})).await; // both are warm now
    ledger.rig.check(json!({"ImageId": IMAGE, "State": "VALIDATING"})).await;
    for (number, state) in ["PUBLISHING", "VALIDATING", "PUBLISHING", "VALIDATING"].into_iter().enumerate() {
        ledger.describe(state);
        let event = json!({"Imports": [{"ImageId": IMAGE, "State": "VALIDATING"}]});
        let (one, other) = tokio::join!(ledger.rig.invoke(&event), twin.invoke(&event));
        assert!(one["Imports"][0]["CheckError"].is_null() && other["Imports"][0]["CheckError"].is_null());
        let ids = announced(&ledger.rig.sns);
        assert_eq!(ids.len(), number + 1, "one message per transition: {ids:?}");
        assert!(ids[number].ends_with(&format!("#{}:{state}", number + 1)), "{ids:?}");
    }
}

#[tokio::test]
async fn a_ledger_that_can_be_read_and_not_written() {
    let ledger = WithLedger::new().await;
    ledger.describe("VALIDATING");
    ledger.on("PutItem", |_| denied("dynamodb:PutItem"));
    let failure = ledger.rig.fail(json!({"Imports": [{"ImageId": IMAGE}]})).await;
    assert_eq!(failure.error_type, "DynamoDb.AccessDeniedException");
    assert_eq!(announced(&ledger.rig.sns), [""; 0], "without a ledger write there is no announcement");
}

#[tokio::test]
async fn one_successful_write_is_enough() {
    let ledger = WithLedger::with(Setup::new().await.set("CONCURRENCY", "1"), ministack()).await;
    ledger.rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
    ledger.on("PutItem", |count| if count == 0 { denied("dynamodb:PutItem") } else { Act::Forward });
    let response = ledger.rig.invoke(event([json!({"ImageId": image(0)}), json!({"ImageId": image(1)})])).await;
    let record = &response["Imports"][0];
    assert_eq!(record["CheckError"]["Error"], "DynamoDb.AccessDeniedException");
    assert_eq!(record["Description"]["State"], "VALIDATING");
    assert_eq!(record["State"], Value::Null);
    assert_eq!(record["Outcome"], "PENDING");
    assert_eq!(announced(&ledger.rig.sns), [format!("{}#1:VALIDATING", image(1))]);
}

#[tokio::test]
async fn an_announcement_that_cannot_be_marked_is_repeated_under_the_same_id() {
    let ledger = WithLedger::new().await;
    ledger.describe("VALIDATING");
    ledger.on("PutItem", |count| if count == 0 { Act::Forward } else { denied("dynamodb:PutItem") });
    let record = ledger.tick().await;
    assert_eq!(record["CheckError"]["Error"], "DynamoDb.AccessDeniedException");
    assert_eq!(record["State"], "VALIDATING", "it was announced, and the response says so");
    assert_eq!(ledger.item().await["Owed"]["To"], "VALIDATING", "the ledger still owes it");
    ledger.proxy.on(|_, _| Act::Forward);
    ledger.describe("PUBLISHING");
    ledger.tick().await;
    ledger.tick().await;
    let expected = ["1:VALIDATING", "1:VALIDATING", "2:PUBLISHING"].map(|id| format!("{IMAGE}#{id}"));
    assert_eq!(announced(&ledger.rig.sns), expected);
}

#[tokio::test]
async fn a_ledger_that_cannot_be_read() {
    let ledger = WithLedger::new().await;
    ledger.describe("VALIDATING");
    ledger.on("BatchGetItem", |_| denied("dynamodb:BatchGetItem"));
    let failure = ledger.rig.fail(json!({"Imports": [{"ImageId": IMAGE}]})).await;
    assert_eq!(failure.error_type, "DynamoDb.AccessDeniedException");
    assert_eq!(ledger.rig.workspaces.calls().len(), 0);

    let missing =
        Setup::new().await.set("LEDGER_TABLE", "no-such-table").set("AWS_ENDPOINT_URL_DYNAMODB", &ministack().url);
    let failure = missing.start().await.fail(json!({"Imports": [{"ImageId": IMAGE}]})).await;
    assert_eq!(failure.error_type, "DynamoDb.ResourceNotFoundException");
}

#[tokio::test]
async fn a_ledger_that_does_not_answer() {
    for (fault, name) in [
        (Fault::NoAnswer, "DynamoDb.Timeout"),
        (Fault::Reset, "DynamoDb.Unreachable"),
        (Fault::Garbage, "DynamoDb.BadResponse"),
    ] {
        let ledger = WithLedger::new().await;
        ledger.rig.ready().await;
        ledger.proxy.on(move |_, _| Act::Reply(Reply::Fault(fault.clone())));
        let failed = ledger.rig.try_invoke(json!({"Imports": [{"ImageId": IMAGE}]}), Duration::from_secs(4)).await;
        assert_eq!(failed.expect_err("it fails").error_type, name);
    }
}

#[tokio::test]
async fn a_foreign_item_is_reported_and_left_alone() {
    let ledger = WithLedger::new().await;
    for theirs in [
        json!({"ImageId": IMAGE, "Sequence": "seven"}),
        json!({"ImageId": IMAGE, "State": "PENDING", "Sequence": 1, "Version": (1_u64 << 53) - 1}),
    ] {
        ledger.table.put(theirs.clone()).await;
        let failure = ledger.rig.fail(json!({"Imports": [{"ImageId": IMAGE}]})).await;
        assert_eq!(failure.error_type, "DynamoDb.BadResponse");
        assert_eq!(ledger.item().await, theirs);
    }
}

#[tokio::test]
async fn a_foreign_item_does_not_affect_other_images() {
    let ledger = WithLedger::new().await;
    ledger.rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
    let theirs = json!({"ImageId": image(0), "Sequence": "seven"});
    ledger.table.put(theirs.clone()).await;
    let before = json!({"ImageId": image(0), "State": "PENDING", "Sequence": 3});
    let response = ledger.rig.invoke(event([before, json!({"ImageId": image(1)})])).await;
    assert_eq!(announced(&ledger.rig.sns), [format!("{}#1:VALIDATING", image(1))]);
    let record = &response["Imports"][0];
    assert_eq!(record["CheckError"]["Error"], "DynamoDb.BadResponse");
    assert_eq!(json!([record["State"], record["Sequence"], record["Outcome"]]), json!(["PENDING", 3, "PENDING"]));
    assert_eq!((&record["Description"], &record["Owed"]), (&Value::Null, &Value::Null), "unchanged");
    assert_eq!(ledger.rig.workspaces.calls_of(&image(0)), 0, "not described");
    assert_eq!(ledger.table.json(&image(0)).await, Some(theirs), "not written");
    assert_eq!(response["Unchecked"], 0);
}

#[tokio::test]
async fn the_payload_ahead_of_the_ledger() {
    let ledger = WithLedger::new().await;
    ledger.table.put(json!({"ImageId": IMAGE, "State": "PENDING", "Sequence": 1, "Stalled": false})).await;
    ledger.describe("PUBLISHING");
    let record = ledger.rig.check(json!({"ImageId": IMAGE, "State": "VALIDATING", "Sequence": 5})).await;
    assert_eq!(record["Sequence"], 6);
    assert_eq!(announced(&ledger.rig.sns), [format!("{IMAGE}#6:PUBLISHING")]);
    assert_eq!(ledger.item().await["Sequence"], 6);
}

#[tokio::test]
async fn the_payload_behind_the_ledger_and_on_a_tie() {
    for sequence in [1, 4] {
        let ledger = WithLedger::new().await;
        let item = json!({"ImageId": IMAGE, "State": "PUBLISHING", "Sequence": 4, "Stalled": true});
        ledger.table.put(item.clone()).await;
        ledger.rig.workspaces.set(IMAGE, json!({"State": "PUBLISHING"}));
        let record = ledger.rig.check(json!({"ImageId": IMAGE, "State": "VALIDATING", "Sequence": sequence})).await;
        assert_eq!(json!([record["State"], record["Sequence"], record["Stalled"]]), json!(["PUBLISHING", 4, true]));
        assert_eq!(announced(&ledger.rig.sns), [""; 0]);
        assert_eq!(ledger.item().await, item);
        assert_eq!(ledger.writes(), 0, "nothing changed");
    }
}

#[tokio::test]
async fn what_the_payload_owes_is_written_before_it_is_published() {
    let ledger = WithLedger::new().await;
    ledger.describe("PUBLISHING");
    // How many messages were published when each write arrived.
    let published = Arc::new(Mutex::new(Vec::new()));
    let (counts, sns) = (Arc::clone(&published), ledger.rig.sns.clone());
    ledger.on("PutItem", move |count| {
        counts.lock().expect("not poisoned").push(sns.published().len());
        if count == 0 { Act::Forward } else { denied("dynamodb:PutItem") }
    });
    let owing = json!({"ImageId": IMAGE, "State": "PENDING", "Sequence": 1, "Owed": owed(2, "PENDING", "VALIDATING")});
    ledger.rig.check(owing.clone()).await;
    assert_eq!(announced(&ledger.rig.sns), [format!("{IMAGE}#2:VALIDATING")]);
    assert_eq!(ledger.item().await["Owed"], owing["Owed"]);
    assert_eq!(published.lock().expect("not poisoned")[0], 0, "the write came first");
}

/// An item that owes a transition: an earlier invocation has recorded it, and perhaps published it.
fn owing_item() -> Value {
    json!({
        "ImageId": IMAGE, "State": "PENDING", "Sequence": 1, "Owed": owed(2, "PENDING", "VALIDATING"), "Stalled": false,
        "Version": 3,
    })
}

#[tokio::test]
async fn without_a_write_nothing_is_published_again() {
    let ledger = WithLedger::new().await;
    ledger.describe("VALIDATING");
    ledger.table.put(owing_item()).await;
    ledger.on("PutItem", |_| denied("dynamodb:PutItem"));
    let failure = ledger.rig.fail(json!({"Imports": [{"ImageId": IMAGE}]})).await;
    assert_eq!(failure.error_type, "DynamoDb.AccessDeniedException");
    assert_eq!(announced(&ledger.rig.sns), [""; 0]);
    assert_eq!(ledger.item().await, owing_item(), "it is still owed");
}

#[tokio::test]
async fn of_two_concurrent_invocations_one_publishes_what_is_owed() {
    let ledger = WithLedger::new().await;
    let twin = ledger.twin().await;
    ledger.describe("VALIDATING");
    twin.ready().await;
    ledger.rig.ready().await;
    ledger.table.put(owing_item()).await;
    // Both have read the item before either writes.
    ledger
        .rig
        .workspaces
        .set(IMAGE, Answer::After(Duration::from_millis(500), Box::new(description(IMAGE, "VALIDATING").into())));
    let event = json!({"Imports": [{"ImageId": IMAGE}]});
    let (_, _) = tokio::join!(ledger.rig.invoke(&event), twin.invoke(&event));
    assert_eq!(announced(&ledger.rig.sns), [format!("{IMAGE}#2:VALIDATING")]);
    assert_eq!(ledger.item().await["Owed"], Value::Null);
}

#[tokio::test]
async fn on_a_tie_the_one_that_owes_wins() {
    let ledger = WithLedger::new().await;
    ledger.describe("PUBLISHING");
    let item = json!({
        "ImageId": IMAGE, "State": "PENDING", "Sequence": 1, "Stalled": false, "Version": 3,
    });
    ledger.table.put(item).await;
    let owing = json!({"ImageId": IMAGE, "State": "PENDING", "Sequence": 1, "Owed": owed(2, "PENDING", "VALIDATING")});
    ledger.rig.check(owing).await;
    assert_eq!(announced(&ledger.rig.sns), [format!("{IMAGE}#2:VALIDATING")]);
    assert_eq!(ledger.item().await["Sequence"], 2);
}

#[tokio::test]
async fn on_a_tie_an_item_that_owes_wins() {
    for payload_owes in [false, true] {
        let ledger = WithLedger::new().await;
        ledger.describe("PUBLISHING");
        ledger.table.put(owing_item()).await;
        let mut payload = json!({"ImageId": IMAGE, "State": "PENDING", "Sequence": 1});
        if payload_owes {
            payload["Owed"] = owed(2, "PENDING", "ERROR");
        }
        ledger.rig.check(payload).await;
        assert_eq!(announced(&ledger.rig.sns), [format!("{IMAGE}#2:VALIDATING")]);
    }
}

/// The winner has only changed a flag, so what the payload owes is not dropped.
#[tokio::test]
async fn a_lost_write_does_not_drop_what_the_payload_owes() {
    let ledger = WithLedger::new().await;
    ledger.describe("PUBLISHING");
    let item = |version: u64| json!({"ImageId": IMAGE, "State": "PENDING", "Sequence": 1, "Stalled": false, "Missing": "2026-01-07T10:00:00Z", "Version": version});
    ledger.table.put(item(3)).await;
    let old =
        json!({"ImageId": {"S": IMAGE}, "State": {"S": "PENDING"}, "Sequence": {"N": "1"}, "Version": {"N": "2"}});
    let table = ledger.table.name.clone();
    ledger.on("BatchGetItem", move |count| {
        let stale = json!({"Responses": {table.clone(): [old]}, "UnprocessedKeys": {}});
        if count == 0 { Act::Reply(Reply::json(200, &stale)) } else { Act::Forward }
    });
    let owing = json!({"ImageId": IMAGE, "State": "PENDING", "Sequence": 1, "Owed": owed(2, "PENDING", "VALIDATING")});
    let record = ledger.rig.check(owing.clone()).await;
    assert_eq!(record["Owed"], owing["Owed"]);
    assert_eq!(announced(&ledger.rig.sns), [""; 0]);
    ledger.rig.check(record).await;
    assert_eq!(announced(&ledger.rig.sns), [format!("{IMAGE}#2:VALIDATING")]);
}

#[tokio::test]
async fn an_item_with_unknown_members_is_published_once() {
    let ledger = WithLedger::new().await;
    ledger.describe("VALIDATING");
    let owed = json!({"Kind": "STATE_CHANGED", "Sequence": 1, "From": null, "To": "VALIDATING", "Mine": [1]});
    ledger.table.put(json!({"ImageId": IMAGE, "Sequence": 0, "Owed": owed, "Mine": {"a": 1}, "Version": 7})).await;
    for _ in 0..3 {
        ledger.tick().await;
    }
    assert_eq!(announced(&ledger.rig.sns), [format!("{IMAGE}#1:VALIDATING")]);
    assert_eq!(ledger.item().await["Owed"], Value::Null);
}

#[tokio::test]
async fn a_missing_image_is_remembered() {
    let ledger = WithLedger::new().await;
    ledger.rig.workspaces.set(IMAGE, Answer::NotFound);
    let record = ledger.rig.check(json!({"ImageId": IMAGE, "State": "VALIDATING"})).await;
    assert!(record["Missing"].is_string(), "{record}");
    assert_eq!(ledger.item().await["Missing"], record["Missing"]);
    let same = ledger.rig.check(json!({"ImageId": IMAGE, "State": "VALIDATING"})).await;
    assert_eq!(same, record, "the first miss counts");
    assert_eq!(ledger.writes(), 1);
    ledger.table.has_been_missing(IMAGE, &minutes_ago(16)).await;
    let record = ledger.rig.check(json!({"ImageId": IMAGE, "State": "VALIDATING"})).await;
    assert_eq!(record["State"], "NOT_FOUND");
    assert_eq!(announced(&ledger.rig.sns), [format!("{IMAGE}#1:NOT_FOUND")]);
}

#[tokio::test]
async fn batches_of_a_hundred_keys() {
    for (count, reads) in [(0, 0), (1, 1), (100, 1), (101, 2)] {
        let ledger = WithLedger::new().await;
        ledger.rig.workspaces.set_default(description(IMAGE, "PENDING"));
        let records = event((0..count).map(|number| json!({"ImageId": image(number), "State": "PENDING"})));
        let response = ledger.rig.invoke(records).await;
        assert_eq!(response["Imports"].as_array().map(Vec::len), Some(count));
        assert_eq!(ledger.proxy.count("BatchGetItem"), reads, "{count} keys");
        for (operation, request) in ledger.proxy.requests() {
            if operation == "BatchGetItem" {
                let body: Value = serde_json::from_slice(&request.body).expect("JSON");
                assert_eq!(body["RequestItems"][&ledger.table.name]["ConsistentRead"], true);
            }
        }
    }
}

#[tokio::test]
async fn one_batch_that_cannot_be_read_does_not_affect_the_others() {
    let ledger = WithLedger::new().await;
    ledger.rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
    let is_last = |request: &fake_aws::Request| String::from_utf8_lossy(&request.body).contains(&image(100));
    ledger.proxy.on(move |operation, request| {
        if operation == "BatchGetItem" && is_last(request) { denied("dynamodb:BatchGetItem") } else { Act::Forward }
    });
    let response = ledger.rig.invoke(event((0..101).map(|number| json!({"ImageId": image(number)})))).await;
    assert_eq!(announced(&ledger.rig.sns).len(), 100);
    let failed = &response["Imports"][100];
    assert_eq!(failed["CheckError"]["Error"], "DynamoDb.AccessDeniedException");
    assert_eq!(ledger.rig.workspaces.calls_of(&image(100)), 0, "not described");
    assert_eq!(response["Unchecked"], 0);

    // The others have nothing to write.
    let next = ledger.rig.invoke(response).await;
    assert_eq!(next["Transitions"], json!([]));
    assert_eq!(next["Imports"][100]["CheckError"]["Error"], "DynamoDb.AccessDeniedException");
}

#[tokio::test]
async fn a_key_that_stays_unprocessed_leaves_time_for_the_others() {
    let ledger = WithLedger::new().await;
    ledger.rig.ready().await;
    ledger.rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
    let table = ledger.table.name.clone();
    ledger.on("BatchGetItem", move |_| {
        let unprocessed = json!({table.clone(): {"Keys": [{"ImageId": {"S": image(0)}}], "ConsistentRead": true}});
        Act::Reply(Reply::json(200, &json!({"Responses": {}, "UnprocessedKeys": unprocessed})))
    });
    let records = event((0..3).map(|number| json!({"ImageId": image(number)})));
    let response = ledger.rig.try_invoke(records, Duration::from_secs(4)).await.expect("a response");
    assert_eq!(announced(&ledger.rig.sns).len(), 2);
    assert_eq!(response["Imports"][0]["CheckError"]["Error"], "DynamoDb.Timeout");
}

#[tokio::test]
async fn reads_respect_the_concurrency() {
    const DELAY: Duration = Duration::from_millis(150);
    for (concurrency, slots) in [("1", 3), ("2", 2)] {
        let ledger = WithLedger::with(Setup::new().await.set("CONCURRENCY", concurrency), ministack()).await;
        ledger.rig.workspaces.set_default(description(IMAGE, "PENDING"));
        let times = Arc::new(Mutex::new(Vec::new()));
        let table = ledger.table.name.clone();
        ledger.on("BatchGetItem", {
            let times = Arc::clone(&times);
            move |_| {
                times.lock().expect("not poisoned").push(Instant::now());
                let nothing = json!({"Responses": {table.clone(): []}, "UnprocessedKeys": {}});
                Act::Reply(Reply::After(DELAY, Box::new(Reply::json(200, &nothing))))
            }
        });
        let records = event((0..300).map(|number| json!({"ImageId": image(number), "State": "PENDING"})));
        ledger.rig.invoke(records).await;
        let times = times.lock().expect("not poisoned").clone();
        let span = times.iter().max().zip(times.iter().min()).map(|(last, first)| *last - *first);
        assert_eq!(times.len(), 3);
        assert!(span >= Some(DELAY * (slots - 1)), "{span:?} with concurrency {concurrency}");
    }
}

#[tokio::test]
async fn an_unchecked_record_has_the_checkpoint_of_its_item() {
    let ledger = WithLedger::with(Setup::new().await.set("CONCURRENCY", "2"), ministack()).await;
    ledger.rig.ready().await;
    ledger.rig.workspaces.set_latency(Duration::from_millis(200));
    ledger.rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
    for number in 0..60 {
        ledger.table.put(json!({"ImageId": image(number), "State": "VALIDATING", "Sequence": 4})).await;
    }
    let records = event((0..60).map(|number| json!({"ImageId": image(number), "Description": {"Mine": number}})));
    let response = ledger.rig.try_invoke(records, Duration::from_secs(3)).await.expect("a response");
    // A call that the deadline cuts off is a failed check, and keeps its description, too.
    let is_unchecked = |record: &&Value| record["Description"]["Mine"].is_number() && record["CheckError"].is_null();
    let unchecked: Vec<&Value> = imports(&response).iter().filter(is_unchecked).collect();
    assert!((1..60).contains(&unchecked.len()), "{} unchecked", unchecked.len());
    assert_eq!(response["Unchecked"], unchecked.len());
    for record in unchecked {
        assert_eq!(json!([record["State"], record["Sequence"]]), json!(["VALIDATING", 4]), "{record}");
    }
}

#[tokio::test]
async fn the_same_image_twice_is_one_key() {
    let ledger = WithLedger::new().await;
    ledger.describe("PENDING");
    ledger.rig.invoke(event([json!({"ImageId": IMAGE}), json!({"ImageId": IMAGE, "Sequence": 2})])).await;
    assert_eq!(announced(&ledger.rig.sns), [format!("{IMAGE}#3:PENDING")]);
}

#[tokio::test]
async fn unprocessed_keys_are_read_again() {
    let ledger = WithLedger::new().await;
    let item = |number: usize| json!({"ImageId": image(number), "State": "COMPLETED", "Sequence": 4});
    for number in 0..3 {
        ledger.table.put(item(number)).await;
    }
    let table = ledger.table.name.clone();
    ledger.on("BatchGetItem", move |count| {
        let keys: Vec<Value> = (0..3).map(|number| json!({"ImageId": {"S": image(number)}})).collect();
        let unprocessed = json!({table.clone(): {"Keys": keys, "ConsistentRead": true}});
        let nothing = json!({"Responses": {table.clone(): []}, "UnprocessedKeys": unprocessed});
        if count < 2 { Act::Reply(Reply::json(200, &nothing)) } else { Act::Forward }
    });
    let response = ledger.rig.invoke(event((0..3).map(|number| json!({"ImageId": image(number)})))).await;
    assert_eq!(response["Completed"], 3);
    assert_eq!(ledger.proxy.count("BatchGetItem"), 3);
}

#[tokio::test]
async fn keys_that_stay_unprocessed_fail_by_the_deadline() {
    let ledger = WithLedger::new().await;
    ledger.rig.ready().await;
    let table = ledger.table.name.clone();
    ledger.on("BatchGetItem", move |_| {
        let unprocessed = json!({table.clone(): {"Keys": [{"ImageId": {"S": IMAGE}}], "ConsistentRead": true}});
        Act::Reply(Reply::json(200, &json!({"Responses": {}, "UnprocessedKeys": unprocessed})))
    });
    let failed = ledger.rig.try_invoke(json!({"Imports": [{"ImageId": IMAGE}]}), Duration::from_secs(3)).await;
    assert_eq!(failed.expect_err("it fails").error_type, "DynamoDb.Timeout");
    // The pauses between the calls grow: the sixth is longer than the time for reading, about a second.
    let calls = ledger.proxy.count("BatchGetItem");
    assert!((2..=6).contains(&calls), "{calls} calls");
}

#[tokio::test]
async fn a_throttled_write_is_retried() {
    let ledger = WithLedger::new().await;
    ledger.describe("VALIDATING");
    ledger.on("PutItem", |count| {
        let throttled = Reply::aws_error(400, "ProvisionedThroughputExceededException", "Slow down");
        if count % 2 == 0 { Act::Reply(throttled) } else { Act::Forward }
    });
    let record = ledger.tick().await;
    assert_eq!(record["CheckError"], Value::Null);
    assert_eq!(record["State"], "VALIDATING");
}

/// The SDK's retry finds the item that its own first attempt wrote. That counts as a lost write, and the next check
/// announces what is owed.
#[tokio::test]
async fn a_write_whose_response_is_lost() {
    let ledger = WithLedger::new().await;
    ledger.describe("VALIDATING");
    ledger.on("PutItem", |count| if count == 0 { Act::ForwardThen(Fault::Reset) } else { Act::Forward });
    let record = ledger.tick().await;
    assert_eq!(record["Owed"]["To"], "VALIDATING");
    assert_eq!(announced(&ledger.rig.sns), [""; 0]);
    ledger.tick().await;
    assert_eq!(announced(&ledger.rig.sns), [format!("{IMAGE}#1:VALIDATING")]);
}

/// The table's version of the item.
async fn version(ledger: &WithLedger) -> Value {
    ledger.item().await["Version"].clone()
}

#[tokio::test]
async fn every_write_counts_the_version() {
    let ledger = WithLedger::new().await;
    for (state, expected) in [("PENDING", 2), ("PENDING", 2), ("VALIDATING", 4)] {
        ledger.describe(state);
        ledger.tick().await;
        assert_eq!(version(&ledger).await, expected, "{state}");
    }
    // A write that changes only a flag counts, too.
    ledger.rig.workspaces.set(IMAGE, Answer::NotFound);
    ledger.tick().await;
    assert!(ledger.item().await["Missing"].is_string());
    assert_eq!(version(&ledger).await, 5);
    assert_eq!(ledger.writes(), 5);
}

/// Two invocations read the same item, and only a flag tells the earlier write from what was read.
#[tokio::test]
async fn a_write_is_conditional_on_the_version_that_was_read() {
    let ledger = WithLedger::new().await;
    let item = |missing: Option<&str>, version: u64| {
        json!({
            "ImageId": IMAGE, "State": "VALIDATING", "Sequence": 2, "Stalled": false, "Missing": missing, "Version": version,
        })
    };
    ledger.table.put(item(None, 4)).await;
    let (table, newer) = (ledger.table.clone(), item(Some("2026-01-07T09:00:00Z"), 5));
    let stalled = json!({"State": "VALIDATING", "LastUpdatedTime": 5});
    ledger.rig.workspaces.set(IMAGE, Answer::After(Duration::from_millis(800), Box::new(stalled.into())));
    let overtake = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(400)).await;
        table.put(newer).await;
    });
    let record = ledger.tick().await;
    overtake.await.expect("done");
    assert_eq!(ledger.item().await, item(Some("2026-01-07T09:00:00Z"), 5), "the newer item stays");
    assert_eq!(record["Missing"], "2026-01-07T09:00:00Z", "and is adopted");
    assert_eq!(announced(&ledger.rig.sns), [""; 0]);
}

#[tokio::test]
async fn a_lost_write_is_logged_with_both_versions() {
    let ledger = WithLedger::new().await;
    ledger.describe("VALIDATING");
    let item = |version: u64| json!({"ImageId": IMAGE, "State": "PENDING", "Sequence": 1, "Stalled": false, "Version": version});
    ledger.table.put(item(3)).await;
    let old = json!({
        "ImageId": {"S": IMAGE}, "State": {"S": "PENDING"}, "Sequence": {"N": "1"}, "Version": {"N": "2"},
    });
    let table = ledger.table.name.clone();
    ledger.on("BatchGetItem", move |_| {
        Act::Reply(Reply::json(200, &json!({"Responses": {table.clone(): [old]}, "UnprocessedKeys": {}})))
    });
    ledger.tick().await;
    let lost = ledger.rig.logged("ledger write lost").await;
    assert_eq!(lost.len(), 1);
    assert_eq!(json!([lost[0]["level"], lost[0]["ImageId"]]), json!(["INFO", IMAGE]));
    assert_eq!(json!([lost[0]["Expected"], lost[0]["Found"]]), json!([2, 3]));
    assert_eq!(announced(&ledger.rig.sns), [""; 0]);
}

/// An item that somebody has written by hand has no version, or version 0. It counts as written zero times.
#[tokio::test]
async fn an_item_without_a_version_can_be_used() {
    for version in [json!({}), json!({"Version": 0})] {
        let ledger = WithLedger::new().await;
        ledger.describe("VALIDATING");
        let mut item = json!({"ImageId": IMAGE, "State": "PENDING", "Sequence": 1});
        item.as_object_mut().expect("an object").extend(version.as_object().expect("an object").clone());
        ledger.table.put(item).await;
        ledger.tick().await;
        assert_eq!(announced(&ledger.rig.sns), [format!("{IMAGE}#2:VALIDATING")]);
        let item = json!({
            "ImageId": IMAGE, "State": "VALIDATING", "Sequence": 2, "Stalled": false, "Version": 2,
        });
        assert_eq!(ledger.item().await, item);
    }
}

/// Some tools write every attribute of an item, and NULL for those without a value.
#[tokio::test]
async fn an_attribute_that_is_null_counts_as_absent() {
    for emulator in [ministack(), moto(), dynalite()] {
        let ledger = WithLedger::with(Setup::new().await, emulator).await;
        ledger.describe("VALIDATING");
        let nulls = json!({
            "ImageId": image(0), "State": null, "Sequence": null, "Owed": null, "Stalled": null, "Missing": null,
            "UpdatedAt": null, "Version": null,
        });
        let owed = json!({"Kind": "STATE_CHANGED", "Sequence": 1, "From": null, "To": "VALIDATING"});
        ledger.table.put(nulls).await;
        for (number, name) in ["Stalled", "Missing", "Version", "Sequence", "State"].into_iter().enumerate() {
            let mut item = json!({"ImageId": image(number + 1), "State": "PENDING", "Owed": owed, "Version": 3});
            item[name] = Value::Null;
            ledger.table.put(item).await;
        }
        ledger.rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
        let response = ledger.rig.invoke(event((0..6).map(|number| json!({"ImageId": image(number)})))).await;
        for (number, record) in imports(&response).iter().enumerate() {
            assert_eq!(record["CheckError"], Value::Null, "{record:#}");
            assert_eq!((&record["State"], &record["Sequence"]), (&json!("VALIDATING"), &json!(1)), "{record:#}");
            let item = ledger.table.json(&image(number)).await.expect("an item");
            assert_eq!(json!([item["State"], item["Stalled"]]), json!(["VALIDATING", false]));
        }
        let ids: Vec<String> = (0..6).map(|number| format!("{}#1:VALIDATING", image(number))).collect();
        let mut published = announced(&ledger.rig.sns);
        published.sort_unstable();
        assert_eq!(published, ids);
    }
}

/// The ledger also works if a lost write does not say which item won.
#[tokio::test]
async fn a_lost_write_without_the_winners_item_publishes_nothing() {
    let ledger = WithLedger::with(Setup::new().await, dynalite()).await;
    ledger.describe("VALIDATING");
    let table = ledger.table.name.clone();
    let item = json!({"ImageId": IMAGE, "State": "PENDING", "Sequence": 1, "Version": 3});
    ledger.table.put(item.clone()).await;
    ledger.on("BatchGetItem", move |count| {
        let old =
            json!({"ImageId": {"S": IMAGE}, "State": {"S": "PENDING"}, "Sequence": {"N": "1"}, "Version": {"N": "2"}});
        let stale = json!({"Responses": {table.clone(): [old]}, "UnprocessedKeys": {}});
        if count == 0 { Act::Reply(Reply::json(200, &stale)) } else { Act::Forward }
    });
    let record = ledger.tick().await;
    assert_eq!(json!([record["State"], record["Sequence"], record["Owed"]]), json!(["PENDING", 1, null]));
    assert_eq!(announced(&ledger.rig.sns), [""; 0]);
    ledger.tick().await;
    assert_eq!(announced(&ledger.rig.sns), [format!("{IMAGE}#2:VALIDATING")]);
}

/// An item without a version that was deleted in the meantime is not written again.
#[tokio::test]
async fn a_deleted_item_without_a_version_loses_the_write() {
    for emulator in [ministack(), moto(), dynalite()] {
        let ledger = WithLedger::with(Setup::new().await, emulator).await;
        ledger.describe("VALIDATING");
        let table = ledger.table.name.clone();
        let old = json!({"ImageId": {"S": IMAGE}, "State": {"S": "PENDING"}, "Sequence": {"N": "1"}});
        ledger.on("BatchGetItem", move |_| {
            Act::Reply(Reply::json(200, &json!({"Responses": {table.clone(): [old]}, "UnprocessedKeys": {}})))
        });
        ledger.tick().await;
        assert_eq!(announced(&ledger.rig.sns), [""; 0]);
        assert!(ledger.table.item(IMAGE).await.is_none(), "the write was lost");
    }
}
