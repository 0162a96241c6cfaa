//! A service whose clock and the function's are hours apart. The SDK takes the service's time from the `Date` of each
//! answer, and signs by it from then on.

use std::time::{Duration, SystemTime};

use aws_smithy_types::date_time::{DateTime, Format};
use simulator::{Act, Reply, Request};

use super::{
    report::{Answer, Report},
    services::{Service, Services},
};
use crate::support::emulator::ministack;

/// How far the service is ahead of the function: as good as the function's being behind.
pub(super) const AHEAD: Duration = Duration::from_hours(3);

/// How far a signature may be from the service's time.
const TOLERATED: Duration = Duration::from_mins(5);

/// What such a service does: it refuses a signature that is not of its own time, and tells that time in any case.
pub(super) fn act(service: Service, code: &str, request: &Request) -> Act {
    let there = SystemTime::now() + AHEAD;
    let date = ("date".to_owned(), DateTime::from(there).fmt(Format::HttpDate).expect("a time"));
    let signed = signed_at(request);
    let apart = there.duration_since(signed).unwrap_or_else(|error| error.duration());
    if apart <= TOLERATED {
        return Act::ForwardWith(vec![date]);
    }
    let mut refusal = service.error(if service == Service::Sns { 403 } else { 400 }, code);
    if let Reply::Http { headers, .. } = &mut refusal {
        headers.push(date);
    }
    Act::Reply(refusal)
}

/// `X-Amz-Date`, which is ISO 8601 without its separators: `20260107T090000Z`.
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
    SystemTime::try_from(time).expect("a time of this age")
}

/// How many requests the service refused for their time.
fn refused(services: &Services, service: Service) -> usize {
    let refused = |request: &Request| matches!(act(service, "", request), Act::Reply(_));
    services.proxy(service).requests().iter().filter(|(_, request)| refused(request)).count()
}

/// What services call it: WorkSpaces and DynamoDB `InvalidSignatureException`, SNS `SignatureDoesNotMatch`, some others
/// `RequestTimeTooSkewed`. The SDK takes each of them from each service, and knows the time from the first one on.
/// `RequestExpired` it does not retry: the invocation fails, and the next one is right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_refusal_and_the_function_knows_the_time() {
    let table = ministack().table().await;
    let mut report = Report::new("service | skewed signatures are");
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
                services.describe("VALIDATING");
                services.proxy(service).on(move |_, request| act(service, code, request));
                let rig = services.stage().await.start().await;
                rig.ready().await;
                let answer = Answer::to(&rig, &services.first_record(), Duration::from_secs(4)).await;
                assert_eq!(answer.name, expected.as_deref().unwrap_or("success"));
                assert_eq!(refused(&services, service), 1);

                services.tick(&rig, services.first_record()).await;
                services.describe("PUBLISHING");
                services.tick(&rig, services.first_record()).await;
                assert_eq!(refused(&services, service), 1, "no call was signed by the wrong time again");
                assert_eq!(services.announced(), ["1:VALIDATING", "2:PUBLISHING"]);
                answer
            });
        }
    }
    report.print().await;
}
