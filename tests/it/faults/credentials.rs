//! Credentials that expire, and a source of credentials that fails. A local server issues them, as for containers
//! (`AWS_CONTAINER_CREDENTIALS_FULL_URI`). Lambda itself passes credentials in environment variables.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use aws_smithy_types::date_time::{DateTime, Format};
use fake_aws::{Act, Fault, Reply, Request, Server};
use serde_json::json;

use super::{
    report::{InvocationResult, Report},
    services::{Service, Services},
};
use crate::support::{Rig, SECRET_KEY, SESSION_TOKEN, Setup, emulator::ministack};

const HOUR: Duration = Duration::from_hours(1);

/// The SDK refreshes credentials 5 to 10 seconds before they expire, so it uses these for one call only.
const LIFETIME_OF_ONE_CALL: Duration = Duration::from_secs(5);

/// The SDK uses these for at most five seconds.
const LIFETIME_OF_FIVE_SECONDS: Duration = Duration::from_secs(10);

/// A server that issues credentials with the access key IDs `AKID1`, `AKID2` and so on.
struct Source {
    server: Server,
    issued: Arc<AtomicUsize>,
    broken: Arc<AtomicBool>,
}

impl Source {
    /// Credentials expire after `lifetime`. While the source is broken, it replies with `when_broken`.
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

    async fn with_lifetime(lifetime: Duration) -> Self {
        Self::start(lifetime, Reply::json(500, &json!({}))).await
    }

    fn issued(&self) -> usize {
        self.issued.load(Ordering::SeqCst)
    }

    /// Starts a function that has no other credentials.
    async fn start_function(&self, stage: Setup) -> Rig {
        let stage = stage.unset("AWS_ACCESS_KEY_ID").unset("AWS_SECRET_ACCESS_KEY").unset("AWS_SESSION_TOKEN");
        let url = format!("{}/credentials", self.server.url());
        // The tests count the keys. Opening connections during init would use some.
        let stage = stage.set("CONNECT_IN_INIT", "false");
        let rig = stage.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url).start().await;
        rig.ready().await;
        rig
    }
}

/// The number of the access key that signed a request.
fn key(request: &Request) -> usize {
    let authorization = request.headers["authorization"].to_str().expect("text");
    let key = authorization.split_once("Credential=AKID").and_then(|(_, rest)| rest.split_once('/'));
    key.expect("one of the source's keys").0.parse().expect("a number")
}

/// Makes every service accept keys from this number on and reject older ones as expired.
fn accept_keys_from(services: &Services, oldest: &Arc<AtomicUsize>) {
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

/// The numbers of the keys that signed the requests to a service, in order.
fn keys(services: &Services, service: Service) -> Vec<usize> {
    services.proxy(service).requests().iter().map(|(_, request)| key(request)).collect()
}

#[tokio::test]
async fn expiring_credentials_are_refreshed_during_an_invocation() {
    let table = ministack().table().await;
    let services = Services::new(Some(&table.name)).await;
    services.set_state("VALIDATING");
    let source = Source::with_lifetime(LIFETIME_OF_ONE_CALL).await;
    accept_keys_from(&services, &source.issued); // only the last key issued is accepted
    let rig = source.start_function(services.stage()).await;
    let result = InvocationResult::of(&rig, &services.first_record(), Duration::from_secs(4)).await;
    assert_eq!(result.name, "success");
    assert_eq!(services.announced(), ["1:VALIDATING"]);
    assert_eq!(keys(&services, Service::DynamoDb), [1, 3, 5], "read, record owed, mark published");
    assert_eq!(keys(&services, Service::WorkSpaces), [2]);
    assert_eq!(keys(&services, Service::Sns), [4]);
}

#[tokio::test]
async fn expiring_credentials_are_refreshed_between_invocations() {
    let table = ministack().table().await;
    let services = Services::new(Some(&table.name)).await;
    services.set_state("VALIDATING");
    let source = Source::with_lifetime(LIFETIME_OF_FIVE_SECONDS).await;
    let oldest = Arc::<AtomicUsize>::default();
    accept_keys_from(&services, &oldest);
    let rig = source.start_function(services.stage()).await;
    services.check(&rig, services.first_record()).await;
    tokio::time::sleep(Duration::from_millis(5_100)).await;
    oldest.store(source.issued() + 1, Ordering::SeqCst);
    services.set_state("PUBLISHING");
    services.check(&rig, services.first_record()).await;
    assert_eq!(services.announced(), ["1:VALIDATING", "2:PUBLISHING"]);
}

#[tokio::test]
async fn valid_credentials_are_requested_once_for_all_services() {
    let table = ministack().table().await;
    let services = Services::new(Some(&table.name)).await;
    let source = Source::with_lifetime(HOUR).await;
    let rig = source.start_function(services.stage()).await;
    for state in ["VALIDATING", "PUBLISHING"] {
        services.set_state(state);
        services.check(&rig, services.first_record()).await;
    }
    assert_eq!(source.issued(), 1);
    for service in Service::ALL {
        assert!(keys(&services, service).iter().all(|key| *key == 1));
    }
}

/// The SDK keeps credentials until they expire, even if a service rejects them. Until then, invocations fail with the
/// service's error, and nothing is lost. A new execution environment requests new credentials.
#[tokio::test]
async fn credentials_that_a_service_rejects_before_they_expire() {
    let table = ministack().table().await;
    let services = Services::new(Some(&table.name)).await;
    services.set_state("VALIDATING");
    let source = Source::with_lifetime(HOUR).await;
    accept_keys_from(&services, &Arc::new(AtomicUsize::new(2)));
    let rig = source.start_function(services.stage()).await;
    for _ in 0..2 {
        let result = InvocationResult::of(&rig, &services.first_record(), Duration::from_secs(4)).await;
        assert_eq!(result.name, "DynamoDb.ExpiredTokenException");
    }
    let rig = source.start_function(services.stage()).await;
    services.check(&rig, services.first_record()).await;
    assert_eq!(services.announced(), ["1:VALIDATING"]);
}

/// Without credentials, the first call of the invocation fails, because the SDK cannot sign it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_of_credentials_that_fails() {
    let table = ministack().table().await;
    let mut report = Report::new("source of credentials | checkpoints in");
    // The SDK makes three attempts, a second or two apart.
    let (three_attempts, one_attempt) = (Duration::from_secs(15), Duration::from_secs(4));
    for (fault, reply, deadline, with_ledger, with_payload) in [
        ("500", Reply::json(500, &json!({})), three_attempts, "DynamoDb.Unreachable", "WorkSpaces.Unreachable"),
        ("reset", Reply::Fault(Fault::Reset), three_attempts, "DynamoDb.Unreachable", "WorkSpaces.Unreachable"),
        ("garbage", Reply::Fault(Fault::Garbage), three_attempts, "DynamoDb.Unreachable", "WorkSpaces.Unreachable"),
        ("no answer", Reply::Fault(Fault::NoAnswer), one_attempt, "DynamoDb.Timeout", "Deadline"),
    ] {
        for (storage, expected) in [("Ledger", with_ledger), ("Payload", with_payload)] {
            let (reply, name) = (reply.clone(), (storage == "Ledger").then(|| table.name.clone()));
            report.run(format!("{fault} | {storage}"), async move {
                let services = Services::new(name.as_deref()).await;
                services.set_state("VALIDATING");
                let source = Source::start(HOUR, reply).await;
                source.broken.store(true, Ordering::SeqCst);
                let rig = source.start_function(services.stage()).await;
                let result = InvocationResult::of(&rig, &services.first_record(), deadline).await;
                assert_eq!(result.name, expected, "{result:?}");
                if expected.ends_with("Unreachable") {
                    assert!(result.message.contains("credentials"), "{}", result.message);
                    assert!(!result.message.contains("unknown"), "{}", result.message);
                }

                source.broken.store(false, Ordering::SeqCst);
                services.check(&rig, services.first_record()).await;
                assert_eq!(services.announced(), ["1:VALIDATING"]);
                result
            });
        }
    }
    report.print().await;
}
