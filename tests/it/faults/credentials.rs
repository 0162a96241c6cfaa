//! Credentials that expire, handed out by a server on loopback as a container's are
//! (`AWS_CONTAINER_CREDENTIALS_FULL_URI`). In Lambda itself they come by the environment and outlive the sandbox.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use aws_smithy_types::date_time::{DateTime, Format};
use serde_json::json;
use simulator::{Act, Fault, Reply, Request, Server};

use super::{
    report::{Answer, Report},
    services::{Service, Services},
};
use crate::support::{Rig, SECRET_KEY, SESSION_TOKEN, Stage, emulator::ministack};

const HOUR: Duration = Duration::from_hours(1);

/// The SDK uses credentials no more from 5 to 10 s before they expire, so these are for one call.
const FOR_ONE_CALL: Duration = Duration::from_secs(5);

/// These are used for 5 s at most.
const FOR_FIVE_SECONDS: Duration = Duration::from_secs(10);

/// Hands out credentials: `AKID1`, `AKID2` and so on.
struct Source {
    server: Server,
    issued: Arc<AtomicUsize>,
    broken: Arc<AtomicBool>,
}

impl Source {
    /// Each key expires after this time; while the source is broken, it replies as said.
    async fn start(lifetime: Duration, when_broken: Reply) -> Self {
        let (issued, broken) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (count, is_broken) = (Arc::clone(&issued), Arc::clone(&broken));
        let handler = move |_| {
            let reply = if is_broken.load(Ordering::SeqCst) {
                when_broken.clone()
            } else {
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                let expiration = DateTime::from(SystemTime::now() + lifetime).fmt(Format::DateTime).expect("a time");
                let key = json!({
                    "AccessKeyId": format!("AKID{number}"), "SecretAccessKey": SECRET_KEY, "Token": SESSION_TOKEN,
                    "Expiration": expiration,
                });
                Reply::json(200, &key)
            };
            async move { reply }
        };
        Self { server: Server::start(handler, None).await.expect("the server starts"), issued, broken }
    }

    async fn of(lifetime: Duration) -> Self {
        Self::start(lifetime, Reply::json(500, &json!({}))).await
    }

    fn issued(&self) -> usize {
        self.issued.load(Ordering::SeqCst)
    }

    /// A function that has these credentials and no others.
    async fn serve(&self, stage: Stage) -> Rig {
        let stage = stage.unset("AWS_ACCESS_KEY_ID").unset("AWS_SECRET_ACCESS_KEY").unset("AWS_SESSION_TOKEN");
        let url = format!("{}/credentials", self.server.url());
        // The keys of the invocations are counted; opening connections would take some before.
        let stage = stage.set("CONNECT_IN_INIT", "false");
        let rig = stage.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url).start().await;
        rig.ready().await;
        rig
    }
}

/// The number of the key that signed a request.
fn key(request: &Request) -> usize {
    let authorization = request.headers["authorization"].to_str().expect("text");
    let key = authorization.split_once("Credential=AKID").and_then(|(_, rest)| rest.split_once('/'));
    key.expect("one of the source's keys").0.parse().expect("a number")
}

/// Every service takes a key from this number on, and says of any other that it has expired.
fn take_from(services: &Services, oldest: &Arc<AtomicUsize>) {
    for (service, code) in
        Service::ALL.into_iter().zip(["ExpiredTokenException", "ExpiredToken", "ExpiredTokenException"])
    {
        let oldest = Arc::clone(oldest);
        services.proxy(service).on(move |_, request| {
            if key(request) >= oldest.load(Ordering::SeqCst) {
                Act::Forward
            } else {
                Act::Reply(service.error(if service == Service::Sns { 403 } else { 400 }, code))
            }
        });
    }
}

/// The keys that signed what this service was sent.
fn keys(services: &Services, service: Service) -> Vec<usize> {
    services.proxy(service).requests().iter().map(|(_, request)| key(request)).collect()
}

#[tokio::test]
async fn refreshed_in_the_middle_of_an_invocation() {
    let table = ministack().table().await;
    let services = Services::new(Some(&table.name)).await;
    services.describe("VALIDATING");
    let source = Source::of(FOR_ONE_CALL).await;
    take_from(&services, &source.issued); // only the last one issued is any good
    let rig = source.serve(services.stage().await).await;
    let answer = Answer::to(&rig, &services.first_record(), Duration::from_secs(4)).await;
    assert_eq!(answer.name, "success");
    assert_eq!(services.announced(), ["1:VALIDATING"]);
    assert_eq!(keys(&services, Service::DynamoDb), [1, 3, 5], "read, owe, settle");
    assert_eq!(keys(&services, Service::WorkSpaces), [2]);
    assert_eq!(keys(&services, Service::Sns), [4]);
}

#[tokio::test]
async fn refreshed_between_two_invocations() {
    let table = ministack().table().await;
    let services = Services::new(Some(&table.name)).await;
    services.describe("VALIDATING");
    let source = Source::of(FOR_FIVE_SECONDS).await;
    let oldest = Arc::<AtomicUsize>::default();
    take_from(&services, &oldest);
    let rig = source.serve(services.stage().await).await;
    services.tick(&rig, services.first_record()).await;
    tokio::time::sleep(Duration::from_millis(5_100)).await;
    oldest.store(source.issued() + 1, Ordering::SeqCst);
    services.describe("PUBLISHING");
    services.tick(&rig, services.first_record()).await;
    assert_eq!(services.announced(), ["1:VALIDATING", "2:PUBLISHING"]);
}

#[tokio::test]
async fn asked_for_once_while_they_last_and_for_all_three_services() {
    let table = ministack().table().await;
    let services = Services::new(Some(&table.name)).await;
    let source = Source::of(HOUR).await;
    let rig = source.serve(services.stage().await).await;
    for state in ["VALIDATING", "PUBLISHING"] {
        services.describe(state);
        services.tick(&rig, services.first_record()).await;
    }
    assert_eq!(source.issued(), 1);
    for service in Service::ALL {
        assert!(keys(&services, service).iter().all(|key| *key == 1));
    }
}

/// The SDK goes by the expiration that it was told, whatever a service says: the invocations fail by name until then,
/// and nothing is lost meanwhile. A new sandbox asks anew.
#[tokio::test]
async fn a_key_that_a_service_calls_expired_before_its_time() {
    let table = ministack().table().await;
    let services = Services::new(Some(&table.name)).await;
    services.describe("VALIDATING");
    let source = Source::of(HOUR).await;
    take_from(&services, &Arc::new(AtomicUsize::new(2)));
    let rig = source.serve(services.stage().await).await;
    for _ in 0..2 {
        let answer = Answer::to(&rig, &services.first_record(), Duration::from_secs(4)).await;
        assert_eq!(answer.name, "DynamoDb.ExpiredTokenException");
    }
    let rig = source.serve(services.stage().await).await;
    services.tick(&rig, services.first_record()).await;
    assert_eq!(services.announced(), ["1:VALIDATING"]);
}

/// A source that fails: no call can be signed, so the first one of the invocation tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_fails() {
    let table = ministack().table().await;
    let mut report = Report::new("credentials' source | memory");
    // The SDK asks three times, with a second or two in between.
    let (three_times, once) = (Duration::from_secs(15), Duration::from_secs(4));
    for (fault, reply, deadline, with_ledger, with_payload) in [
        ("500", Reply::json(500, &json!({})), three_times, "DynamoDb.Unreachable", "WorkSpaces.Unreachable"),
        ("reset", Reply::Fault(Fault::Reset), three_times, "DynamoDb.Unreachable", "WorkSpaces.Unreachable"),
        ("garbage", Reply::Fault(Fault::Garbage), three_times, "DynamoDb.Unreachable", "WorkSpaces.Unreachable"),
        ("no answer", Reply::Fault(Fault::NoAnswer), once, "DynamoDb.Timeout", "Deadline"),
    ] {
        for (memory, expected) in [("Ledger", with_ledger), ("Payload", with_payload)] {
            let (reply, name) = (reply.clone(), (memory == "Ledger").then(|| table.name.clone()));
            report.run(format!("{fault} | {memory}"), async move {
                let services = Services::new(name.as_deref()).await;
                services.describe("VALIDATING");
                let source = Source::start(HOUR, reply).await;
                source.broken.store(true, Ordering::SeqCst);
                let rig = source.serve(services.stage().await).await;
                let answer = Answer::to(&rig, &services.first_record(), deadline).await;
                assert_eq!(answer.name, expected, "{answer:?}");
                if expected.ends_with("Unreachable") {
                    assert!(answer.message.contains("credentials"), "{}", answer.message);
                }

                source.broken.store(false, Ordering::SeqCst);
                services.tick(&rig, services.first_record()).await;
                assert_eq!(services.announced(), ["1:VALIDATING"]);
                answer
            });
        }
    }
    report.print().await;
}
