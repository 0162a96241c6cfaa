//! The function opens its connections during init, when Lambda gives it a full CPU. It sends each service an unsigned
//! request without a body (a ping), and makes no AWS call.
//!
//! `cargo test --locked --test it connections::`

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use fake_aws::{Act, Fault, Proxy, Reply, Server, Sns, WorkSpaces, description, http::Request};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{IMAGE, Rig, Setup, announced, emulator::ministack, event, fake_table, private_ca::PrivateCa};

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

/// A function that has opened its connections to three proxies, which count them.
async fn behind_proxies() -> (Rig, [Proxy; 3]) {
    let (workspaces, sns) = (WorkSpaces::start().await.expect("it starts"), Sns::start().await.expect("it starts"));
    let table = ministack().table().await;
    let proxy = async |upstream: &str| Proxy::start(upstream).await.expect("it starts");
    let proxies = [proxy(&workspaces.url()).await, proxy(&sns.url()).await, proxy(&ministack().url).await];
    let mut stage = Setup::with(workspaces, sns).set("LEDGER_TABLE", &table.name);
    for (service, proxy) in ["WORKSPACES", "SNS", "DYNAMODB"].iter().zip(&proxies) {
        stage = stage.set(&format!("AWS_ENDPOINT_URL_{service}"), &proxy.url());
    }
    let rig = stage.start().await;
    rig.ready().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
    (rig, proxies)
}

/// Makes each proxy answer like this to everything on its first connection, as a broken host behind a load balancer
/// does.
fn break_first_connections(proxies: &[Proxy], reply: &Reply) {
    for proxy in proxies {
        let reply = reply.clone();
        proxy.on(move |_, request| if request.connection == 1 { Act::Reply(reply.clone()) } else { Act::Forward });
    }
}

/// The number of requests on the first connection of each proxy.
fn on_first_connections(proxies: &[Proxy; 3]) -> [usize; 3] {
    let is_first = |(_, request): &(String, Request)| request.connection == 1;
    [0, 1, 2].map(|index| proxies[index].requests().into_iter().filter(is_first).count())
}

fn error(status: u16, body: &'static str) -> Reply {
    Reply::Http { status, headers: Vec::new(), body: body.into() }
}

#[tokio::test]
async fn a_connection_with_a_server_error_is_not_used_again() {
    for reply in [
        error(500, ""),
        error(502, "<html>Bad gateway</html>"),
        error(503, r#"{"__type": "ServiceUnavailable"}"#),
        error(504, "late"),
    ] {
        let (rig, proxies) = behind_proxies().await;
        break_first_connections(&proxies, &reply);
        let response = rig.invoke(event([json!({"ImageId": IMAGE})])).await;
        assert_eq!(response["Imports"][0]["CheckError"], Value::Null, "{reply:?}");
        assert_eq!(announced(&rig.sns), [format!("{IMAGE}#1:VALIDATING")]);
        assert_eq!(on_first_connections(&proxies), [1; 3], "one attempt each: {reply:?}");
        assert_eq!(proxies.each_ref().map(|proxy| proxy.server().connections()), [2; 3]);
    }
}

/// The SDK abandons an attempt after ten seconds.
#[tokio::test]
async fn a_connection_on_which_a_body_does_not_arrive_in_time_is_not_used_again() {
    join_all([0, 1, 2].map(async |index| {
        let (rig, proxies) = behind_proxies().await;
        break_first_connections(&proxies[index..=index], &Reply::Fault(Fault::SlowBody(Duration::from_mins(10))));
        let response = rig.try_invoke(event([json!({"ImageId": IMAGE})]), Duration::from_mins(1)).await;
        assert_eq!(response.expect("a response")["Imports"][0]["CheckError"], Value::Null);
        assert_eq!(on_first_connections(&proxies)[index], 1);
    }))
    .await;
}

#[tokio::test]
async fn a_connection_with_another_error_is_used_again() {
    let (rig, proxies) = behind_proxies().await;
    for (status, code) in
        [(429, "ThrottlingException"), (400, "ThrottlingException"), (400, "ResourceNotFoundException")]
    {
        for proxy in &proxies {
            let rejected = AtomicBool::new(false);
            proxy.on(move |operation, _| {
                let is_first = !rejected.swap(true, Ordering::Relaxed);
                let reply = match operation {
                    "PublishBatch" => Reply::query_error(status, code, "in words"),
                    _ => Reply::aws_error(status, code, "in words"),
                };
                if is_first { Act::Reply(reply) } else { Act::Forward }
            });
        }
        let _ = rig.try_invoke(event([json!({"ImageId": IMAGE})]), Duration::from_secs(20)).await;
    }
    assert_eq!(proxies.each_ref().map(|proxy| proxy.server().connections()), [1; 3]);
}
