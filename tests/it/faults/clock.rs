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
pub(super) const AHEAD: Duration = Duration::from_hours(3);

/// How far the time of a signature may differ from the service's time.
const TOLERANCE: Duration = Duration::from_mins(5);

/// What the proxy does with a request: reject it if its signature is not of the service's time, else forward it. The
/// response has the service's time in both cases.
pub(super) fn act(service: Service, code: &str, request: &Request) -> Act {
    let service_time = SystemTime::now() + AHEAD;
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
/// some other services with `RequestTimeTooSkewed`. The SDK accepts each of these codes from any service and retries with
/// the service's time. It does not retry `RequestExpired`: that invocation fails, and the next one uses the right time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_function_adopts_the_time_of_a_service_after_one_refusal() {
    let table = ministack().table().await;
    let mut report = Report::new("service | error code");
    for service in Service::ALL {
        for (code, expected) in [
            ("InvalidSignatureException", None),
            ("SignatureDoesNotMatch", None),
            ("RequestTimeTooSkewed", None),
            ("RequestExpired", Some(format!("{service:?}.RequestExpired"))),
        ] {
            let table = table.name.clone();
            report.run(format!("{service:?} | {code}"), async move {
                let services = Services::new(Some(&table)).await;
                services.set_state("VALIDATING");
                services.proxy(service).on(move |_, request| act(service, code, request));
                let rig = services.stage().start().await;
                rig.ready().await;
                let result = InvocationResult::of(&rig, &services.first_record(), Duration::from_secs(4)).await;
                assert_eq!(result.name, expected.as_deref().unwrap_or("success"));
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
