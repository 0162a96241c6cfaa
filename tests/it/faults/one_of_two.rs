//! A fault that hits only one import's call: that record tells of it, and the other one goes on.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::Act;

use super::{
    cell::Call,
    report::{Answer, Report},
    services::Services,
    table::{Answers, Row, Trouble, table_of_faults},
};
use crate::support::{
    announced,
    emulator::{Table, ministack},
    event,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_import_goes_on() {
    let table = ministack().table().await;
    let mut report = Report::new("fault | service, call, of one of two imports");
    for Row(fault, trouble, _, every_call) in table_of_faults() {
        let code = |call: Call| match every_call {
            Answers::Fails(code) => Some(code),
            Answers::FailsWithItsCode => Some(trouble.code(call.service())),
            Answers::Success | Answers::Nothing => None,
        };
        // These hit both: an endpoint is everybody's, and a client that is throttled holds its other calls back, too.
        if matches!(trouble, Trouble::Endpoint(_) | Trouble::Error(429, _)) {
            continue;
        }
        for call in [Call::Describe, Call::Owe] {
            let Some(code) = code(call) else { continue };
            let expected = format!("CheckError {:?}.{code}", call.service());
            report.run(format!("{fault} | {call}"), one_of_two(table.clone(), call, trouble.clone(), expected));
        }
    }
    report.print().await;
}

async fn one_of_two(table: Table, call: Call, trouble: Trouble, expected: String) -> Answer {
    let services = Services::new(Some(&table.name)).await;
    services.describe("VALIDATING");
    let (hit, other) = (services.image.clone(), services.another("VALIDATING"));
    let rig = services.stage().await.start().await;
    rig.ready().await;
    let body = format!("\"{hit}\"");
    services.proxy(call.service()).on(move |operation, request| {
        let of_the_hit = String::from_utf8_lossy(&request.body).contains(&body);
        if call.is(operation, request) && of_the_hit { trouble.act(call.service(), request) } else { Act::Forward }
    });
    let records = || [json!({"ImageId": hit}), json!({"ImageId": other})];
    // Enough that a second each is kept back to write and to announce what the other one owes.
    let answer = Answer::to_event(&rig, &event(records()), Duration::from_secs(10)).await;
    assert_eq!(answer.name, expected);
    let response = answer.response.clone().expect("the invocation succeeds");
    assert_eq!(response["Imports"][1]["CheckError"], Value::Null, "the other one has none");
    assert_eq!(announced(&services.sns), [format!("{other}#1:VALIDATING")]);

    services.proxy(call.service()).clear();
    rig.invoke(event(records())).await;
    assert_eq!(announced(&services.sns), [format!("{other}#1:VALIDATING"), format!("{hit}#1:VALIDATING")]);
    answer
}
