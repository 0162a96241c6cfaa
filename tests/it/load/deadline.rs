//! A ledger that stops answering in the middle of a large event: the answer still leaves before the deadline.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::{Act, Fault, Proxy, Reply, description};

use crate::support::{Stage, event, image};

const RECORDS: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_writes_that_come_too_late_cost_no_time() {
    let proxy = Proxy::start("http://nobody.invalid").await.expect("the proxy starts");
    let stage = Stage::new().await.set("LEDGER_TABLE", "ledger").set("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url());
    let rig = stage.start().await;
    rig.workspaces.set_default(description(&image(0), "VALIDATING"));
    // What is owed is written; from the first announcement on, nothing is.
    let sns = rig.sns.clone();
    proxy.on(move |operation, _| match operation {
        "PutItem" if sns.requests().is_empty() => Act::Reply(Reply::json(200, &json!({}))),
        "PutItem" => Act::Reply(Reply::Fault(Fault::NoAnswer)),
        _ => Act::Reply(Reply::json(200, &json!({"Responses": {}, "UnprocessedKeys": {}}))),
    });
    rig.ready().await;

    // The margin is what `try_invoke` asserts.
    let event = event((0..RECORDS).map(|number| json!({"ImageId": image(number)})));
    let response = rig.try_invoke(event, Duration::from_secs(12)).await.expect("the invocation succeeds");
    let late = |record: &&Value| record["CheckError"]["Error"] == "DynamoDb.Timeout";
    let late = response["Imports"].as_array().expect("records").iter().filter(late).count();
    let announced = response["Transitions"].as_array().expect("transitions").len();
    assert!(announced > 0 && late >= announced, "{announced} announced, {late} not written in time");
}
