//! Section 4: the ledger, in the emulator's DynamoDB, with a proxy in front of it that fails where a test says so.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use simulator::{Act, Answer, Fault, Proxy, Reply, SnsAnswer, description};

use crate::support::{
    IMAGE, Rig, Stage, announced,
    emulator::{Emulator, Table, ministack, moto},
    event, image,
};

/// A function with a ledger, and the way to its table.
struct Kept {
    rig: Rig,
    table: Table,
    proxy: Proxy,
}

impl Kept {
    async fn new() -> Self {
        Self::with(Stage::new().await, ministack()).await
    }

    async fn with(stage: Stage, emulator: &Emulator) -> Self {
        let table = emulator.table().await;
        let proxy = Proxy::start(&emulator.url).await.expect("the proxy starts");
        let stage = stage.set("LEDGER_TABLE", &table.name).set("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url());
        Self { rig: stage.start().await, table, proxy }
    }

    /// Another function over the same ledger, WorkSpaces and topic.
    async fn twin(&self) -> Rig {
        let mut stage = Stage::new().await;
        stage.workspaces = self.rig.workspaces.clone();
        stage.sns = self.rig.sns.clone();
        let (workspaces, sns) = (stage.workspaces.url(), stage.sns.url());
        let stage = stage.set("AWS_ENDPOINT_URL_WORKSPACES", &workspaces).set("AWS_ENDPOINT_URL_SNS", &sns);
        stage.set("LEDGER_TABLE", &self.table.name).set("AWS_ENDPOINT_URL_DYNAMODB", &self.proxy.url()).start().await
    }

    fn describe(&self, state: &str) {
        self.rig.workspaces.set(IMAGE, description(IMAGE, state));
    }

    /// What a schedule sends, each time.
    async fn tick(&self) -> Value {
        self.rig.check(json!({"ImageId": IMAGE})).await
    }

    /// The item without its time.
    async fn item(&self) -> Value {
        let mut item = self.table.json(IMAGE).await.unwrap_or_default();
        item.as_object_mut().and_then(|item| item.remove("UpdatedAt"));
        item
    }

    /// Answers the calls of this operation by their number, from 0 on; the others pass.
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
    for emulator in [ministack(), moto()] {
        let kept = Kept::with(Stage::new().await, emulator).await;
        for state in ["PENDING", "PENDING", "VALIDATING", "VALIDATING", "COMPLETED", "COMPLETED", "COMPLETED"] {
            kept.describe(state);
            kept.tick().await;
        }
        let expected = ["1:PENDING", "2:VALIDATING", "3:COMPLETED"].map(|id| format!("{IMAGE}#{id}"));
        assert_eq!(announced(&kept.rig.sns), expected);
        assert_eq!(kept.rig.workspaces.calls_of(IMAGE), 5, "what is complete is not described again");
        assert_eq!(kept.writes(), 6, "owed and settled, and nothing where nothing changed");
    }
}

#[tokio::test]
async fn the_item() {
    let kept = Kept::new().await;
    kept.describe("VALIDATING");
    kept.rig.sns.script([unauthorized()]);
    kept.rig.fail(json!({"Imports": [{"ImageId": IMAGE, "State": "PENDING", "Sequence": 3}]})).await;
    let item = kept.table.item(IMAGE).await.expect("an item");
    assert_eq!(item["ImageId"], AttributeValue::S(IMAGE.to_owned()));
    assert_eq!(item["State"], AttributeValue::S("PENDING".to_owned()));
    assert_eq!(item["Sequence"], AttributeValue::N("3".to_owned()));
    assert_eq!(item["Stalled"], AttributeValue::Bool(false));
    assert_eq!(item["Missing"], AttributeValue::Bool(false));
    let owed = item["Owed"].as_m().expect("a map");
    assert_eq!(owed["Kind"], AttributeValue::S("STATE_CHANGED".to_owned()));
    assert_eq!(owed["Sequence"], AttributeValue::N("4".to_owned()));
    assert_eq!(owed["From"], AttributeValue::S("PENDING".to_owned()));
    assert_eq!(owed["To"], AttributeValue::S("VALIDATING".to_owned()));
    let updated = item["UpdatedAt"].as_s().expect("a time");
    assert!(updated.starts_with("20") && updated.ends_with('Z'), "{updated}");
    assert_eq!(item.len(), 7);

    kept.tick().await;
    let settled = json!({"ImageId": IMAGE, "State": "VALIDATING", "Sequence": 4, "Stalled": false, "Missing": false});
    assert_eq!(kept.item().await, settled);
}

#[tokio::test]
async fn owed_before_published_and_settled_after() {
    let kept = Kept::new().await;
    kept.describe("VALIDATING");
    let seen = Arc::new(AtomicUsize::new(usize::MAX));
    let (published, sns) = (Arc::clone(&seen), kept.rig.sns.clone());
    kept.proxy.on(move |operation, request| {
        if operation == "PutItem" && String::from_utf8_lossy(&request.body).contains(r#""Owed":{"M""#) {
            published.fetch_min(sns.published().len(), Ordering::SeqCst);
        }
        Act::Forward
    });
    kept.tick().await;
    assert_eq!(seen.load(Ordering::SeqCst), 0, "nothing was published when it was written that it is owed");
    assert_eq!(announced(&kept.rig.sns).len(), 1);
}

#[tokio::test]
async fn what_was_owed_goes_out_under_the_same_id_even_if_the_import_has_moved_on() {
    let kept = Kept::new().await;
    kept.describe("VALIDATING");
    kept.rig.sns.script([unauthorized()]);
    kept.rig.fail(json!({"Imports": [{"ImageId": IMAGE}]})).await;
    kept.describe("PUBLISHING");
    let record = kept.tick().await;
    assert_eq!(record["State"], "VALIDATING");
    assert_eq!(kept.rig.sns.published()[0].json()["Description"]["State"], "PUBLISHING");
    kept.tick().await;
    assert_eq!(announced(&kept.rig.sns), [format!("{IMAGE}#1:VALIDATING"), format!("{IMAGE}#2:PUBLISHING")]);
}

#[tokio::test]
async fn the_loser_of_the_first_write_adopts_the_winners_item_and_does_nothing_more() {
    let kept = Kept::new().await;
    kept.describe("PUBLISHING");
    let winner = json!({
        "ImageId": IMAGE, "State": "PENDING", "Sequence": 1, "Owed": owed(2, "PENDING", "VALIDATING"), "Stalled": false, "Missing": false,
    });
    // The item comes between the read and the write: the read is answered with an empty table.
    let table = kept.table.name.clone();
    kept.on("BatchGetItem", move |_| {
        Act::Reply(Reply::json(200, &json!({"Responses": {table.clone(): []}, "UnprocessedKeys": {}})))
    });
    kept.table.put(winner.clone()).await;
    let response = kept.rig.invoke(json!({"Imports": [{"ImageId": IMAGE}]})).await;
    assert_eq!(announced(&kept.rig.sns), [""; 0], "only the winner publishes");
    assert_eq!(response["Transitions"], json!([]));
    let record = &response["Imports"][0];
    assert_eq!(json!([record["State"], record["Sequence"], record["Owed"]]), json!(["PENDING", 1, winner["Owed"]]));
    assert_eq!(record["CheckError"], Value::Null);
    assert_eq!(record["Outcome"], "PENDING");
    assert_eq!(kept.item().await, winner, "and its item stands");
}

#[tokio::test]
async fn the_loser_of_the_second_write_adopts_the_winners_item() {
    let kept = Kept::new().await;
    kept.describe("VALIDATING");
    let winner = json!({"ImageId": IMAGE, "State": "PUBLISHING", "Sequence": 2, "Stalled": false, "Missing": false});
    // Another invocation announces the same, and the next state, while this one's publish is under way.
    let (item, name) = (winner.clone(), kept.table.name.clone());
    let client = kept.table.client.clone();
    kept.rig.sns.set(SnsAnswer::After(Duration::from_millis(800), Box::new(SnsAnswer::Take)));
    let overtake = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let item = serde_dynamo::aws_sdk_dynamodb_1::to_item(item).expect("an object");
        client.put_item().table_name(name).set_item(Some(item)).send().await.expect("written");
    });
    let response = kept.rig.invoke(json!({"Imports": [{"ImageId": IMAGE}]})).await;
    overtake.await.expect("done");
    let record = &response["Imports"][0];
    assert_eq!(json!([record["State"], record["Sequence"]]), json!(["PUBLISHING", 2]));
    assert_eq!(record["CheckError"], Value::Null);
    assert_eq!(response["Transitions"][0]["To"], "VALIDATING", "it was announced all the same");
    assert_eq!(kept.item().await, winner);
}

#[tokio::test]
async fn an_item_deleted_under_way_does_not_bring_a_number_back() {
    let kept = Kept::new().await;
    kept.describe("VALIDATING");
    // A person deletes the item once it owes, while the publish is under way.
    let (client, name) = (kept.table.client.clone(), kept.table.name.clone());
    kept.rig.sns.set(SnsAnswer::After(Duration::from_millis(800), Box::new(SnsAnswer::Take)));
    let delete = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let key = AttributeValue::S(IMAGE.to_owned());
        client.delete_item().table_name(name).key("ImageId", key).send().await.expect("deleted");
    });
    let record = kept.rig.check(json!({"ImageId": IMAGE, "State": "PENDING", "Sequence": 4})).await;
    delete.await.expect("done");
    assert_eq!(json!([record["State"], record["Sequence"], record["Owed"]]), json!(["VALIDATING", 5, null]));
    assert_eq!(record["CheckError"], Value::Null);
    assert_eq!(kept.table.json(IMAGE).await, None, "deleted is deleted");
    kept.rig.sns.set(SnsAnswer::Take);
    kept.describe("PUBLISHING");
    kept.rig.check(record).await;
    assert_eq!(announced(&kept.rig.sns), [format!("{IMAGE}#5:VALIDATING"), format!("{IMAGE}#6:PUBLISHING")]);
}

#[tokio::test]
async fn of_two_at_once_one_publishes() {
    let kept = Kept::new().await;
    let twin = kept.twin().await;
    kept.describe("VALIDATING");
    twin.check(json!({"ImageId": IMAGE, "State": "VALIDATING"})).await; // both are warm
    kept.rig.check(json!({"ImageId": IMAGE, "State": "VALIDATING"})).await;
    for (number, state) in ["PUBLISHING", "VALIDATING", "PUBLISHING", "VALIDATING"].into_iter().enumerate() {
        kept.describe(state);
        let event = json!({"Imports": [{"ImageId": IMAGE, "State": "VALIDATING"}]});
        let (one, other) = tokio::join!(kept.rig.invoke(&event), twin.invoke(&event));
        assert!(one["Imports"][0]["CheckError"].is_null() && other["Imports"][0]["CheckError"].is_null());
        let ids = announced(&kept.rig.sns);
        let mut distinct = ids.clone();
        distinct.dedup();
        assert_eq!(distinct.len(), number + 1, "{ids:?}");
        assert!(distinct[number].ends_with(&format!("#{}:{state}", number + 1)), "{ids:?}");
    }
}

#[tokio::test]
async fn a_ledger_that_can_be_read_and_not_written() {
    let kept = Kept::new().await;
    kept.describe("VALIDATING");
    kept.on("PutItem", |_| denied("dynamodb:PutItem"));
    let failure = kept.rig.fail(json!({"Imports": [{"ImageId": IMAGE}]})).await;
    assert_eq!(failure.error_type, "DynamoDb.AccessDeniedException");
    assert_eq!(announced(&kept.rig.sns), [""; 0], "without a ledger write there is no announcement");
}

#[tokio::test]
async fn one_write_that_worked_out_is_enough() {
    let kept = Kept::with(Stage::new().await.set("CONCURRENCY", "1"), ministack()).await;
    kept.rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
    kept.on("PutItem", |count| if count == 0 { denied("dynamodb:PutItem") } else { Act::Forward });
    let response = kept.rig.invoke(event([json!({"ImageId": image(0)}), json!({"ImageId": image(1)})])).await;
    let record = &response["Imports"][0];
    assert_eq!(record["CheckError"]["Error"], "DynamoDb.AccessDeniedException");
    assert_eq!(record["Description"]["State"], "VALIDATING");
    assert_eq!(record["State"], Value::Null);
    assert_eq!(record["Outcome"], "PENDING");
    assert_eq!(announced(&kept.rig.sns), [format!("{}#1:VALIDATING", image(1))]);
}

#[tokio::test]
async fn a_settlement_that_cannot_be_written_is_repeated_under_the_same_id() {
    let kept = Kept::new().await;
    kept.describe("VALIDATING");
    kept.on("PutItem", |count| if count == 0 { Act::Forward } else { denied("dynamodb:PutItem") });
    let record = kept.tick().await;
    assert_eq!(record["CheckError"]["Error"], "DynamoDb.AccessDeniedException");
    assert_eq!(record["State"], "VALIDATING", "it was announced, and the payload says so");
    assert_eq!(kept.item().await["Owed"]["To"], "VALIDATING", "the ledger still owes it");
    kept.proxy.on(|_, _| Act::Forward);
    kept.describe("PUBLISHING");
    kept.tick().await;
    kept.tick().await;
    let expected = ["1:VALIDATING", "1:VALIDATING", "2:PUBLISHING"].map(|id| format!("{IMAGE}#{id}"));
    assert_eq!(announced(&kept.rig.sns), expected);
}

#[tokio::test]
async fn a_ledger_that_cannot_be_read() {
    let kept = Kept::new().await;
    kept.describe("VALIDATING");
    kept.on("BatchGetItem", |_| denied("dynamodb:BatchGetItem"));
    let failure = kept.rig.fail(json!({"Imports": [{"ImageId": IMAGE}]})).await;
    assert_eq!(failure.error_type, "DynamoDb.AccessDeniedException");
    assert_eq!(kept.rig.workspaces.calls().len(), 0);

    let missing =
        Stage::new().await.set("LEDGER_TABLE", "no-such-table").set("AWS_ENDPOINT_URL_DYNAMODB", &ministack().url);
    let failure = missing.start().await.fail(json!({"Imports": [{"ImageId": IMAGE}]})).await;
    assert_eq!(failure.error_type, "DynamoDb.ResourceNotFoundException");
}

#[tokio::test]
async fn a_ledger_without_an_answer() {
    for (fault, name) in [
        (Fault::NoAnswer, "DynamoDb.Timeout"),
        (Fault::Reset, "DynamoDb.Unreachable"),
        (Fault::Garbage, "DynamoDb.BadResponse"),
    ] {
        let kept = Kept::new().await;
        kept.rig.ready().await;
        kept.proxy.on(move |_, _| Act::Reply(Reply::Fault(fault.clone())));
        let failed = kept.rig.try_invoke(json!({"Imports": [{"ImageId": IMAGE}]}), Duration::from_secs(4)).await;
        assert_eq!(failed.expect_err("it fails").error_type, name);
    }
}

#[tokio::test]
async fn an_item_of_somebody_else_is_told_and_left_alone() {
    let kept = Kept::new().await;
    let theirs = json!({"ImageId": IMAGE, "Sequence": "seven"});
    kept.table.put(theirs.clone()).await;
    let failure = kept.rig.fail(json!({"Imports": [{"ImageId": IMAGE}]})).await;
    assert_eq!(failure.error_type, "DynamoDb.BadResponse");
    assert_eq!(kept.item().await, theirs);
}

#[tokio::test]
async fn an_item_of_somebody_else_keeps_no_other_image_back() {
    let kept = Kept::new().await;
    kept.rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
    let theirs = json!({"ImageId": image(0), "Sequence": "seven"});
    kept.table.put(theirs.clone()).await;
    let before = json!({"ImageId": image(0), "State": "PENDING", "Sequence": 3});
    let response = kept.rig.invoke(event([before, json!({"ImageId": image(1)})])).await;
    assert_eq!(announced(&kept.rig.sns), [format!("{}#1:VALIDATING", image(1))]);
    let record = &response["Imports"][0];
    assert_eq!(record["CheckError"]["Error"], "DynamoDb.BadResponse");
    assert_eq!(json!([record["State"], record["Sequence"], record["Outcome"]]), json!(["PENDING", 3, "PENDING"]));
    assert_eq!((&record["Description"], &record["Owed"]), (&Value::Null, &Value::Null), "as it went in");
    assert_eq!(kept.rig.workspaces.calls_of(&image(0)), 0, "it is not described");
    assert_eq!(kept.table.json(&image(0)).await, Some(theirs), "and not written");
    assert_eq!(response["Unchecked"], 0);
}

#[tokio::test]
async fn the_payload_ahead_of_the_ledger() {
    let kept = Kept::new().await;
    kept.table
        .put(json!({"ImageId": IMAGE, "State": "PENDING", "Sequence": 1, "Stalled": false, "Missing": false}))
        .await;
    kept.describe("PUBLISHING");
    let record = kept.rig.check(json!({"ImageId": IMAGE, "State": "VALIDATING", "Sequence": 5})).await;
    assert_eq!(record["Sequence"], 6);
    assert_eq!(announced(&kept.rig.sns), [format!("{IMAGE}#6:PUBLISHING")]);
    assert_eq!(kept.item().await["Sequence"], 6);
}

#[tokio::test]
async fn the_payload_behind_the_ledger_and_on_a_tie() {
    for sequence in [1, 4] {
        let kept = Kept::new().await;
        let item = json!({"ImageId": IMAGE, "State": "PUBLISHING", "Sequence": 4, "Stalled": true, "Missing": false});
        kept.table.put(item.clone()).await;
        kept.rig.workspaces.set(IMAGE, json!({"State": "PUBLISHING"}));
        let record = kept.rig.check(json!({"ImageId": IMAGE, "State": "VALIDATING", "Sequence": sequence})).await;
        assert_eq!(json!([record["State"], record["Sequence"], record["Stalled"]]), json!(["PUBLISHING", 4, true]));
        assert_eq!(announced(&kept.rig.sns), [""; 0]);
        assert_eq!(kept.item().await, item);
        assert_eq!(kept.writes(), 0, "nothing changed");
    }
}

#[tokio::test]
async fn what_the_payload_owes_is_written_before_it_goes_out() {
    let kept = Kept::new().await;
    kept.describe("PUBLISHING");
    kept.on("PutItem", |count| if count == 0 { Act::Forward } else { denied("dynamodb:PutItem") });
    let owing = json!({"ImageId": IMAGE, "State": "PENDING", "Sequence": 1, "Owed": owed(2, "PENDING", "VALIDATING")});
    kept.rig.check(owing.clone()).await;
    assert_eq!(announced(&kept.rig.sns), [format!("{IMAGE}#2:VALIDATING")]);
    assert_eq!(kept.item().await["Owed"], owing["Owed"]);
}

#[tokio::test]
async fn a_missing_image_is_remembered() {
    let kept = Kept::new().await;
    kept.rig.workspaces.set(IMAGE, Answer::NotFound);
    let record = kept.rig.check(json!({"ImageId": IMAGE, "State": "VALIDATING"})).await;
    assert_eq!(record["Missing"], true);
    assert_eq!(kept.item().await["Missing"], true);
    let record = kept.rig.check(json!({"ImageId": IMAGE, "State": "VALIDATING"})).await;
    assert_eq!(record["State"], "NOT_FOUND");
    assert_eq!(announced(&kept.rig.sns), [format!("{IMAGE}#1:NOT_FOUND")]);
}

#[tokio::test]
async fn batches_of_a_hundred_keys() {
    for (count, reads) in [(0, 0), (1, 1), (100, 1), (101, 2)] {
        let kept = Kept::new().await;
        kept.rig.workspaces.set_default(description(IMAGE, "PENDING"));
        let records = event((0..count).map(|number| json!({"ImageId": image(number), "State": "PENDING"})));
        let response = kept.rig.invoke(records).await;
        assert_eq!(response["Imports"].as_array().map(Vec::len), Some(count));
        assert_eq!(kept.proxy.count("BatchGetItem"), reads, "{count} keys");
        for (operation, request) in kept.proxy.requests() {
            if operation == "BatchGetItem" {
                let body: Value = serde_json::from_slice(&request.body).expect("JSON");
                assert_eq!(body["RequestItems"][&kept.table.name]["ConsistentRead"], true);
            }
        }
    }
}

#[tokio::test]
async fn the_same_image_twice_is_one_key() {
    let kept = Kept::new().await;
    kept.describe("PENDING");
    kept.rig.invoke(event([json!({"ImageId": IMAGE}), json!({"ImageId": IMAGE, "Sequence": 2})])).await;
    assert_eq!(announced(&kept.rig.sns), [format!("{IMAGE}#3:PENDING")]);
}

#[tokio::test]
async fn unprocessed_keys_are_read_again() {
    let kept = Kept::new().await;
    let item = |number: usize| json!({"ImageId": image(number), "State": "COMPLETED", "Sequence": 4});
    for number in 0..3 {
        kept.table.put(item(number)).await;
    }
    let table = kept.table.name.clone();
    kept.on("BatchGetItem", move |count| {
        let keys: Vec<Value> = (0..3).map(|number| json!({"ImageId": {"S": image(number)}})).collect();
        let unprocessed = json!({table.clone(): {"Keys": keys, "ConsistentRead": true}});
        let nothing = json!({"Responses": {table.clone(): []}, "UnprocessedKeys": unprocessed});
        if count < 2 { Act::Reply(Reply::json(200, &nothing)) } else { Act::Forward }
    });
    let response = kept.rig.invoke(event((0..3).map(|number| json!({"ImageId": image(number)})))).await;
    assert_eq!(response["Completed"], 3);
    assert_eq!(kept.proxy.count("BatchGetItem"), 3);
}

#[tokio::test]
async fn keys_that_stay_unprocessed_fail_in_time() {
    let kept = Kept::new().await;
    kept.rig.ready().await;
    let table = kept.table.name.clone();
    kept.on("BatchGetItem", move |_| {
        let unprocessed = json!({table.clone(): {"Keys": [{"ImageId": {"S": IMAGE}}], "ConsistentRead": true}});
        Act::Reply(Reply::json(200, &json!({"Responses": {}, "UnprocessedKeys": unprocessed})))
    });
    let failed = kept.rig.try_invoke(json!({"Imports": [{"ImageId": IMAGE}]}), Duration::from_secs(3)).await;
    assert_eq!(failed.expect_err("it fails").error_type, "DynamoDb.Timeout");
}

#[tokio::test]
async fn a_throttled_write_is_tried_again() {
    let kept = Kept::new().await;
    kept.describe("VALIDATING");
    kept.on("PutItem", |count| {
        let throttled = Reply::aws_error(400, "ProvisionedThroughputExceededException", "Slow down");
        if count % 2 == 0 { Act::Reply(throttled) } else { Act::Forward }
    });
    let record = kept.tick().await;
    assert_eq!(record["CheckError"], Value::Null);
    assert_eq!(record["State"], "VALIDATING");
}

/// A retry by the SDK finds the item that its own first attempt wrote: it counts as lost, and nothing is lost by it.
#[tokio::test]
async fn a_write_taken_whose_answer_is_lost() {
    let kept = Kept::new().await;
    kept.describe("VALIDATING");
    kept.on("PutItem", |count| if count == 0 { Act::ForwardThen(Fault::Reset) } else { Act::Forward });
    let record = kept.tick().await;
    assert_eq!(record["Owed"]["To"], "VALIDATING");
    assert_eq!(announced(&kept.rig.sns), [""; 0]);
    kept.tick().await;
    assert_eq!(announced(&kept.rig.sns), [format!("{IMAGE}#1:VALIDATING")]);
}
