//! The function opens its connections during init, when Lambda gives it a full CPU. It sends each service an unsigned
//! request without a body (a ping), and makes no AWS call.
//!
//! `cargo test --locked --test it connections::`

use fake_aws::{Proxy, Server, description, http::Request};
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::{IMAGE, Setup, emulator::ministack, event, fake_table, private_ca::PrivateCa};

/// Whether a ping has no body, no signature and no header that names an operation.
fn is_unsigned_and_empty(ping: &Request) -> bool {
    let is_aws_header =
        |name: &str| name == "authorization" || name.starts_with("x-amz") || name.starts_with("amz-sdk");
    ping.body.is_empty() && !ping.headers.keys().any(|name| is_aws_header(name.as_str()))
}

#[tokio::test]
async fn init_opens_the_connections_that_the_first_invocation_uses() {
    let emulator = ministack();
    let (topic, table) = (emulator.topic(false).await, emulator.table().await);
    let (sns, dynamodb) = (Proxy::start(&emulator.url).await.unwrap(), Proxy::start(&emulator.url).await.unwrap());
    let stage = Setup::new().await.set("TOPIC_ARN", &topic).set("LEDGER_TABLE", &table.name);
    let stage = stage.set("AWS_ENDPOINT_URL_SNS", &sns.url()).set("AWS_ENDPOINT_URL_DYNAMODB", &dynamodb.url());
    stage.workspaces.set(IMAGE, description(IMAGE, "IN_PROGRESS"));
    let rig = stage.start().await;
    rig.ready().await;
    let servers = [rig.workspaces.server(), sns.server(), dynamodb.server()];
    for server in servers {
        assert_eq!(server.connections(), 1);
        assert_eq!(server.pings().len(), 1);
        assert!(server.pings().iter().all(is_unsigned_and_empty), "{:?}", server.pings());
    }
    assert!(rig.workspaces.calls().is_empty() && sns.requests().is_empty() && dynamodb.requests().is_empty());

    rig.invoke(event([json!({"ImageId": IMAGE})])).await;
    assert_eq!((rig.workspaces.calls().len(), sns.count("PublishBatch")), (1, 1));
    assert_eq!(servers.map(|server| (server.connections(), server.pings().len())), [(1, 1); 3]);
}

#[tokio::test]
async fn init_makes_the_only_tls_handshakes() {
    let ca = PrivateCa::new();
    let (stage, table) = fake_table::stage(Some(&ca)).await;
    let rig = stage.start().await;
    rig.ready().await;
    // Over TLS, only connections that completed the handshake count.
    let handshakes = || [rig.workspaces.server(), rig.sns.server(), &table.server].map(Server::connections);
    assert_eq!(handshakes(), [1; 3]);

    for (invocation, state) in ["PENDING", "IN_PROGRESS", "VALIDATING", "IN_PROGRESS", "COMPLETED"].iter().enumerate() {
        rig.workspaces.set(IMAGE, description(IMAGE, state));
        let response = rig.invoke(event([json!({"ImageId": IMAGE})])).await;
        assert_eq!(response["Transitions"][0]["To"], *state);
        assert_eq!(handshakes(), [1; 3], "after invocation {invocation}");
    }
}

#[tokio::test]
async fn init_opens_no_connection_if_disabled_and_none_to_an_unconfigured_ledger() {
    let dynamodb = Proxy::start("http://127.0.0.1:9").await.unwrap();
    let rig = Setup::new().await.set("AWS_ENDPOINT_URL_DYNAMODB", &dynamodb.url()).start().await;
    rig.ready().await;
    assert_eq!((rig.sns.server().connections(), dynamodb.server().connections()), (1, 0));

    let rig = Setup::new().await.set("CONNECT_IN_INIT", "false").start().await;
    rig.ready().await;
    assert_eq!((rig.workspaces.server().connections(), rig.sns.server().connections()), (0, 0));
    rig.workspaces.set(IMAGE, description(IMAGE, "IN_PROGRESS"));
    assert_eq!(rig.invoke(event([json!({"ImageId": IMAGE})])).await["Transitions"][0]["To"], "IN_PROGRESS");
}

/// SNS refuses connections and WorkSpaces accepts them but never responds. Init logs both errors and finishes.
#[tokio::test]
async fn a_connection_that_cannot_be_opened_does_not_block_init() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stage = Setup::new().await.set("AWS_ENDPOINT_URL_SNS", "http://127.0.0.1:9");
    let workspaces = format!("http://{}", silent.local_addr().unwrap());
    let rig = stage.set("AWS_ENDPOINT_URL_WORKSPACES", &workspaces).start().await;
    rig.ready().await;
    let logged = rig.logged_times(2, "no connection could be opened during Init").await;
    let mut errors: Vec<_> = logged.iter().map(|line| line["Error"].as_str().unwrap()).collect();
    errors.sort_unstable();
    assert_eq!(errors, ["Sns.Unreachable", "WorkSpaces.Timeout"]);

    // What works is used: a check that announces nothing does not need SNS.
    let rig = Setup::new().await.set("AWS_ENDPOINT_URL_SNS", "http://127.0.0.1:9").start().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "PENDING").progress(7));
    let record = rig.check(json!({"ImageId": IMAGE, "State": "PENDING"})).await;
    assert_eq!(record["Description"]["ProgressPercentage"], 7);
}
