//! Connections are opened in Init, where Lambda gives a whole CPU, and without a call.

use serde_json::json;
use simulator::{Proxy, description, http::Request};
use tokio::net::TcpListener;

use crate::support::{IMAGE, Stage, emulator::ministack, event};

/// Nothing of a ping says who asks or what for.
fn is_unsigned(ping: &Request) -> bool {
    let tells = |name: &str| name == "authorization" || name.starts_with("x-amz") || name.starts_with("amz-sdk");
    ping.body.is_empty() && !ping.headers.keys().any(|name| tells(name.as_str()))
}

#[tokio::test]
async fn are_open_before_the_first_invocation_and_carry_it() {
    let emulator = ministack();
    let (topic, table) = (emulator.topic(false).await, emulator.table().await);
    let (sns, dynamodb) = (Proxy::start(&emulator.url).await.unwrap(), Proxy::start(&emulator.url).await.unwrap());
    let stage = Stage::new().await.set("TOPIC_ARN", &topic).set("LEDGER_TABLE", &table.name);
    let stage = stage.set("AWS_ENDPOINT_URL_SNS", &sns.url()).set("AWS_ENDPOINT_URL_DYNAMODB", &dynamodb.url());
    stage.workspaces.set(IMAGE, description(IMAGE, "IN_PROGRESS"));
    let rig = stage.start().await;
    rig.ready().await;
    let servers = [rig.workspaces.server(), sns.server(), dynamodb.server()];
    for server in servers {
        assert_eq!(server.connections(), 1);
        assert_eq!(server.pings().len(), 1);
        assert!(server.pings().iter().all(is_unsigned), "{:?}", server.pings());
    }
    assert!(rig.workspaces.calls().is_empty() && sns.requests().is_empty() && dynamodb.requests().is_empty());

    rig.invoke(event([json!({"ImageId": IMAGE})])).await;
    assert_eq!((rig.workspaces.calls().len(), sns.count("PublishBatch")), (1, 1));
    assert_eq!(servers.map(|server| (server.connections(), server.pings().len())), [(1, 1); 3]);
}

#[tokio::test]
async fn are_not_opened_where_that_is_switched_off_nor_to_a_ledger_that_is_not_there() {
    let dynamodb = Proxy::start("http://127.0.0.1:9").await.unwrap();
    let rig = Stage::new().await.set("AWS_ENDPOINT_URL_DYNAMODB", &dynamodb.url()).start().await;
    rig.ready().await;
    assert_eq!((rig.sns.server().connections(), dynamodb.server().connections()), (1, 0));

    let rig = Stage::new().await.set("CONNECT_IN_INIT", "false").start().await;
    rig.ready().await;
    assert_eq!((rig.workspaces.server().connections(), rig.sns.server().connections()), (0, 0));
    rig.workspaces.set(IMAGE, description(IMAGE, "IN_PROGRESS"));
    assert_eq!(rig.invoke(event([json!({"ImageId": IMAGE})])).await["Transitions"][0]["To"], "IN_PROGRESS");
}

/// One service is down and another never answers: the start says so, goes on, and what works then works.
#[tokio::test]
async fn that_cannot_be_opened_do_not_keep_the_start() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stage = Stage::new().await.set("AWS_ENDPOINT_URL_SNS", "http://127.0.0.1:9");
    let workspaces = format!("http://{}", silent.local_addr().unwrap());
    let rig = stage.set("AWS_ENDPOINT_URL_WORKSPACES", &workspaces).start().await;
    rig.ready().await;
    let mut logged = Vec::new();
    while logged.len() < 2 {
        logged = rig.logged("no connection was opened in Init").await;
    }
    let mut errors: Vec<_> = logged.iter().map(|line| line["Error"].as_str().unwrap()).collect();
    errors.sort_unstable();
    assert_eq!(errors, ["Sns.Unreachable", "WorkSpaces.Timeout"]);
    let settled = json!({"ImageId": IMAGE, "State": "COMPLETED", "Sequence": 4});
    assert_eq!(rig.check(settled.clone()).await["State"], "COMPLETED");
}
