//! Faults that hit the call of one import only: its record has the error, and the other import is announced.

use std::time::Duration;

use fake_aws::Act;
use serde_json::{Value, json};

use super::{
    cell::Call,
    report::{InvocationResult, Report},
    services::Services,
    table::{Expected, InjectedFault, Row, table_of_faults},
};
use crate::support::{
    announced,
    emulator::{Table, ministack},
    event,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_import_is_announced() {
    let table = ministack().table().await;
    let mut report = Report::new("fault | service, call of one import");
    for Row(name, fault, _, every_call) in table_of_faults() {
        let code = |call: Call| match every_call {
            Expected::Fails(code) => Some(code),
            Expected::FailsWithServiceCode => Some(fault.code(call.service())),
            Expected::Success | Expected::NotApplicable => None,
        };
        // These affect both imports: they share the endpoint, and the SDK's client slows down all calls when throttled.
        if matches!(fault, InjectedFault::Endpoint(_) | InjectedFault::Error(429, _)) {
            continue;
        }
        for call in [Call::Describe, Call::RecordOwed] {
            let Some(code) = code(call) else { continue };
            let expected = format!("CheckError {:?}.{code}", call.service());
            report.run(format!("{name} | {call}"), one_of_two(table.clone(), call, fault.clone(), expected));
        }
    }
    report.print().await;
}

/// Injects the fault into the calls of the first import and returns the result of that invocation.
async fn one_of_two(table: Table, call: Call, fault: InjectedFault, expected: String) -> InvocationResult {
    let services = Services::new(Some(&table.name)).await;
    services.set_state("VALIDATING");
    let (hit, other) = (services.image.clone(), services.second_image("VALIDATING"));
    let rig = services.stage().start().await;
    rig.ready().await;
    let quoted_id = format!("\"{hit}\"");
    services.proxy(call.service()).on(move |operation, request| {
        let is_hit = String::from_utf8_lossy(&request.body).contains(&quoted_id);
        if call.matches(operation, request) && is_hit { fault.act(call.service(), request) } else { Act::Forward }
    });
    let records = || [json!({"ImageId": hit}), json!({"ImageId": other})];
    // Long enough to record and announce the other import's transition after the calls that fail.
    let result = InvocationResult::of_event(&rig, &event(records()), Duration::from_secs(10)).await;
    assert_eq!(result.name, expected);
    let response = result.response.clone().expect("the invocation succeeds");
    assert_eq!(response["Imports"][1]["CheckError"], Value::Null, "the other import has no error");
    assert_eq!(announced(&services.sns), [format!("{other}#1:VALIDATING")]);

    services.proxy(call.service()).clear();
    rig.invoke(event(records())).await;
    assert_eq!(announced(&services.sns), [format!("{other}#1:VALIDATING"), format!("{hit}#1:VALIDATING")]);
    result
}
