//! A ledger that stops responding during a large event: the function still responds before the deadline. The last
//! writes use all the time that they have, so only the time that is reserved for the response is left.

use std::time::Duration;

use fake_aws::{Act, Fault, Proxy, Quota, Reply, description};
use serde_json::{Value, json};

use super::{quota::limit, records::new_records};
use crate::support::{Setup, image, imports};

const RECORDS: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_unanswered_writes_do_not_delay_the_response() {
    assert_in_time(RECORDS, None).await;
}

/// Invokes a function, under a CPU quota if one is given, with this many new imports.
pub(super) async fn assert_in_time(records: usize, quota: Option<&Quota>) {
    let proxy = Proxy::start("http://no-such-host.invalid").await.expect("the proxy starts");
    let stage = Setup::new().await.set("LEDGER_TABLE", "ledger").set("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url());
    let rig = stage.set("MAX_RESPONSE_BYTES", "6000000").start().await;
    rig.workspaces.set_default(description(&image(0), "VALIDATING"));
    // The ledger records what is owed. After the first announcement, it no longer responds to writes.
    let sns = rig.sns.clone();
    proxy.on(move |operation, _| match operation {
        "PutItem" if sns.requests().is_empty() => Act::Reply(Reply::json(200, &json!({}))),
        "PutItem" => Act::Reply(Reply::Fault(Fault::NoAnswer)),
        _ => Act::Reply(Reply::json(200, &json!({"Responses": {}, "UnprocessedKeys": {}}))),
    });
    rig.ready().await;
    if let Some(quota) = quota {
        limit(quota, &rig);
    }

    // `try_invoke` asserts that the function responds in time.
    let response =
        rig.try_invoke(new_records(records), Duration::from_secs(12)).await.expect("the invocation succeeds");
    let late = |record: &&Value| record["CheckError"]["Error"] == "DynamoDb.Timeout";
    let late = imports(&response).iter().filter(late).count();
    let announced = response["Transitions"].as_array().expect("transitions").len();
    assert!(announced > 0 && late >= announced, "{announced} announced, {late} not marked in time");
}
