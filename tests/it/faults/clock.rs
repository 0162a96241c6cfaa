//! Services whose clock is hours ahead of the function's. The SDK learns a service's time from the `Date` header of its
//! responses and then signs with that time.

use std::time::{Duration, SystemTime};

use aws_smithy_types::date_time::{DateTime, Format};
use fake_aws::{Act, Reply, Request};

use super::{
    report::{InvocationResult, Report},
    services::{Service, Services},
};
use crate::support::emulator::ministack;

/// How far the service's clock is ahead of the function's. This is the same as a function whose clock is behind.
const AHEAD: Duration = Duration::from_hours(3);

/// How far the time of a signature may differ from the service's time.
const TOLERANCE: Duration = Duration::from_mins(5);

/// What the proxy does with a request: reject it if its signature is not of the service's time, else forward it. The
/// response has the service's time in both cases.
pub(super) fn act(service: Service, code: &str, request: &Request) -> Act {
    act_at(SystemTime::now() + AHEAD, service, code, request)
}

/// Like `act`, at this time of the service.
fn act_at(service_time: SystemTime, service: Service, code: &str, request: &Request) -> Act {
    let date = ("date".to_owned(), DateTime::from(service_time).fmt(Format::HttpDate).expect("a time"));
    let signed = signed_at(request);
    let difference = service_time.duration_since(signed).unwrap_or_else(|error| error.duration());
    if difference <= TOLERANCE {
        return Act::ForwardWith(vec![date]);
    }
    let mut rejection = service.error(if service == Service::Sns { 403 } else { 400 }, code);
    if let Reply::Http { headers, .. } = &mut rejection {
        headers.push(date);
    }
    Act::Reply(rejection)
}

/// Reads the time of a signature from `X-Amz-Date`, which has the form `20260107T090000Z`.
fn signed_at(request: &Request) -> SystemTime {
    let basic = request.headers["x-amz-date"].to_str().expect("text");
    let extended = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &basic[..4],
        &basic[4..6],
        &basic[6..8],
        &basic[9..11],
        &basic[11..13],
        &basic[13..15]
    );
    let time = DateTime::from_str(&extended, Format::DateTime).expect("a time");
    SystemTime::try_from(time).expect("a time since 1970")
}

/// How many requests the service rejected because of their time.
fn rejected(services: &Services, service: Service) -> usize {
    let is_rejected = |request: &Request| matches!(act(service, "", request), Act::Reply(_));
    services.proxy(service).requests().iter().filter(|(_, request)| is_rejected(request)).count()
}

/// WorkSpaces and DynamoDB reject such requests with `InvalidSignatureException`, SNS with `SignatureDoesNotMatch`, and
/// some other services with `RequestTimeTooSkewed` or `RequestExpired`.
const CODES: [&str; 4] =
    ["InvalidSignatureException", "SignatureDoesNotMatch", "RequestTimeTooSkewed", "RequestExpired"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_function_adopts_the_time_of_a_service_after_one_refusal() {
    let table = ministack().table().await;
    let mut report = Report::new("service | error code");
    for service in Service::ALL {
        for code in CODES {
            let table = table.name.clone();
            report.run(format!("{service:?} | {code}"), async move {
                let services = Services::new(Some(&table)).await;
                services.set_state("VALIDATING");
                services.proxy(service).on(move |_, request| act(service, code, request));
                let rig = services.stage().start().await;
                rig.ready().await;
                let result = InvocationResult::of(&rig, &services.first_record(), Duration::from_secs(4)).await;
                assert_eq!(result.name, "success");
                assert_eq!(rejected(&services, service), 1);

                services.check(&rig, services.first_record()).await;
                services.set_state("PUBLISHING");
                services.check(&rig, services.first_record()).await;
                assert_eq!(rejected(&services, service), 1, "no other call has the wrong time");
                assert_eq!(services.announced(), ["1:VALIDATING", "2:PUBLISHING"]);
                result
            });
        }
    }
    report.print().await;
}

/// A clock is corrected, back or forward, by more than a signature allows. The function has signed with the old
/// difference until then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_function_adopts_the_time_of_a_clock_that_was_corrected() {
    let table = ministack().table().await;
    let mut report = Report::new("service | difference before and after, in minutes | error code");
    for service in Service::ALL {
        for (before, after) in [(180, 0), (-180, 0), (180, -180), (6, 0), (-6, 0)] {
            for code in CODES {
                let table = table.name.clone();
                report.run(format!("{service:?} | {before} to {after} | {code}"), async move {
                    let services = Services::new(Some(&table)).await;
                    let set_difference = |minutes: i64| {
                        services.proxy(service).on(move |_, request| {
                            let difference = Duration::from_mins(minutes.unsigned_abs());
                            let now = SystemTime::now();
                            let time = if minutes < 0 { now - difference } else { now + difference };
                            act_at(time, service, code, request)
                        });
                    };
                    services.set_state("VALIDATING");
                    set_difference(before);
                    let rig = services.stage().start().await;
                    rig.ready().await;
                    services.check(&rig, services.first_record()).await;
                    services.set_state("PUBLISHING");
                    set_difference(after);
                    let result = InvocationResult::of(&rig, &services.first_record(), Duration::from_secs(4)).await;
                    assert_eq!(result.name, "success");
                    assert_eq!(services.announced(), ["1:VALIDATING", "2:PUBLISHING"]);
                    result
                });
            }
        }
    }
    report.print().await;
}

/// A wrong key gives the same codes, but no other time helps, so it is not tried again.
#[tokio::test]
async fn a_wrong_signature_at_the_right_time_is_not_repeated() {
    for (service, status, expected) in [
        (Service::WorkSpaces, 400, "WorkSpaces.SignatureDoesNotMatch"),
        (Service::Sns, 403, "CheckError Sns.SignatureDoesNotMatch"),
    ] {
        let services = Services::new(None).await;
        services.set_state("VALIDATING");
        services.proxy(service).on(move |_, _| Act::Reply(service.error(status, "SignatureDoesNotMatch")));
        let rig = services.stage().start().await;
        let result = InvocationResult::of(&rig, &services.first_record(), Duration::from_secs(4)).await;
        assert_eq!(result.name, expected);
        assert_eq!(services.proxy(service).requests().len(), 1);
    }
}
