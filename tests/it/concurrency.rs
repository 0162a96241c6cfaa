//! Calls that the function makes at the same time, and calls of one kind that must not slow down another kind.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use fake_aws::{Act, Proxy, Reply, description};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{
    discovery::WithLedger,
    support::{Rig, Setup, announced, emulator::ministack, event, image, imports, workspaces_error},
};

/// Shorter than an attempt, so that a call that is held is not repeated.
const TIMEOUT: Duration = Duration::from_secs(9);

/// Holds the calls of an operation, except for the first ones, until this many of them have arrived.
fn hold_until_together(proxy: &Proxy, operation: &'static str, first: usize, together: usize) {
    let held = Mutex::new(Vec::new());
    proxy.on(move |called, _| {
        if called != operation {
            return Act::Forward;
        }
        let release = Arc::new(Notify::new());
        let mut held = held.lock().expect("not poisoned");
        held.push(Arc::clone(&release));
        if held.len() <= first || held.len() >= first + together {
            held.iter().for_each(|release| release.notify_one());
        }
        Act::Hold(release)
    });
}

fn pending(count: usize) -> Value {
    event((0..count).map(|number| json!({"ImageId": image(number)})))
}

fn assert_all_checked(response: &Value, count: usize) {
    let problems: Vec<&Value> = imports(response)
        .iter()
        .filter(|record| !record["CheckError"].is_null() || record["State"].is_null())
        .collect();
    assert_eq!((imports(response).len(), &response["Unchecked"], problems), (count, &json!(0), Vec::new()));
}

#[tokio::test]
async fn items_are_read_and_written_at_the_same_time() {
    for (operation, records, together) in [("PutItem", 16, 8), ("BatchGetItem", 300, 3)] {
        let ledger = WithLedger::with(Setup::new().await, ministack()).await;
        ledger.rig.workspaces.set_default(description(&image(0), "PENDING"));
        hold_until_together(&ledger.proxy, operation, 0, together);
        let response = ledger.rig.try_invoke(pending(records), TIMEOUT).await.expect("a response");
        assert_all_checked(&response, records);
    }
}

#[tokio::test]
async fn batches_are_published_at_the_same_time() {
    let setup = Setup::new().await;
    let proxy = Proxy::start(&setup.sns.url()).await.expect("the proxy starts");
    let rig = setup.set("AWS_ENDPOINT_URL_SNS", &proxy.url()).start().await;
    rig.workspaces.set_default(description(&image(0), "PENDING"));
    // The first wave has one batch, the second one has two, and the third one has four.
    hold_until_together(&proxy, "PublishBatch", 3, 4);
    let response = rig.try_invoke(pending(70), TIMEOUT).await.expect("a response");
    assert_all_checked(&response, 70);
    assert_eq!((announced(&rig.sns).len(), proxy.count("PublishBatch")), (70, 7));
}

/// The SDK slows down while a service throttles. Each kind of search has a rate limiter of its own.
#[tokio::test]
async fn a_throttled_listing_does_not_slow_down_describing() {
    let rig = Rig::new().await;
    rig.workspaces.set_default(description(&image(0), "PENDING"));
    rig.workspaces.script_listing((0..100).map(|_| Some(workspaces_error("ThrottlingException", "slow"))));
    let mut event = pending(100);
    event["Discover"] = true.into();
    let response = rig.try_invoke(event, TIMEOUT).await.expect("a response");
    assert_all_checked(&response, 100);
    assert_eq!(response["DiscoverError"]["Error"], "WorkSpaces.ThrottlingException");
}

#[tokio::test]
async fn a_throttled_scan_does_not_slow_down_writes() {
    let ledger = WithLedger::new().await;
    ledger.rig.workspaces.set_default(description(&image(0), "PENDING"));
    ledger.proxy.on(|called, _| match called {
        "Scan" => Act::Reply(Reply::aws_error(400, "ThrottlingException", "slow")),
        _ => Act::Forward,
    });
    let mut event = pending(100);
    event["Discover"] = true.into();
    let response = ledger.rig.try_invoke(event, TIMEOUT).await.expect("a response");
    assert_all_checked(&response, 100);
    assert_eq!(response["DiscoverError"]["Error"], "DynamoDb.ThrottlingException");
}
