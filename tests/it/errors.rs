//! Section 5: errors.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simulator::{Answer, Fault, SnsAnswer, description};

use crate::support::{IMAGE, Rig, Stage, announced, event, image};

fn error(code: &str) -> Answer {
    Answer::Error { status: 400, code: code.to_owned(), message: format!("{code}, in words") }
}

fn one() -> Value {
    json!({"Imports": [{"ImageId": IMAGE}]})
}

#[tokio::test]
async fn not_one_import_could_be_described() {
    let rig = Rig::new().await;
    for code in
        ["AccessDeniedException", "ThrottlingException", "com.amazonaws.workspaces#OperationNotSupportedException"]
    {
        rig.workspaces.set(IMAGE, error(code));
        let failure = rig.fail(one()).await;
        let name = code.rsplit('#').next().expect("a name");
        assert_eq!(failure.error_type, format!("WorkSpaces.{name}"));
        assert!(failure.message.contains("in words"), "{}", failure.message);
    }
}

#[tokio::test]
async fn the_first_error_in_the_events_order_is_named() {
    let rig = Rig::new().await;
    rig.workspaces.set(&image(0), Answer::After(Duration::from_millis(300), Box::new(error("SlowException"))));
    rig.workspaces.set(&image(1), error("FastException"));
    for _ in 0..3 {
        let failure = rig.fail(event([json!({"ImageId": image(0)}), json!({"ImageId": image(1)})])).await;
        assert_eq!(failure.error_type, "WorkSpaces.SlowException");
    }
}

#[tokio::test]
async fn one_that_worked_out_is_enough() {
    let rig = Rig::new().await;
    rig.workspaces.set(&image(0), error("AccessDeniedException"));
    rig.workspaces.set(&image(1), Answer::NotFound);
    let response = rig.invoke(event([json!({"ImageId": image(0)}), json!({"ImageId": image(1)})])).await;
    assert_eq!(response["Imports"][0]["CheckError"]["Error"], "WorkSpaces.AccessDeniedException");
}

#[tokio::test]
async fn a_settled_record_does_not_hide_that_nothing_could_be_described() {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, error("AccessDeniedException"));
    let records = event([json!({"ImageId": image(1), "State": "COMPLETED"}), json!({"ImageId": IMAGE})]);
    assert_eq!(rig.fail(records).await.error_type, "WorkSpaces.AccessDeniedException");
}

#[tokio::test]
async fn not_one_announcement_could_be_made() {
    let rig = Rig::new().await;
    rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
    for (status, code) in
        [(403, "AuthorizationError"), (404, "NotFound"), (400, "InvalidParameter"), (400, "KMSThrottling")]
    {
        rig.sns.set(SnsAnswer::Error { status, code: code.to_owned(), message: "in words".to_owned() });
        let failure = rig.fail(one()).await;
        assert_eq!(failure.error_type, format!("Sns.{code}"));
        assert_eq!(failure.message, "in words");
    }
    rig.sns.set(SnsAnswer::FailEntries(vec![(0, "KMSDisabled".to_owned(), "no key".to_owned())]));
    assert_eq!(rig.fail(one()).await.error_type, "Sns.KMSDisabled");
}

#[tokio::test]
async fn a_transient_error_is_tried_again() {
    let rig = Rig::new().await;
    let unavailable = Answer::Error { status: 503, code: "ServiceUnavailable".to_owned(), message: String::new() };
    for transient in [error("ThrottlingException"), unavailable, Fault::Reset.into()] {
        rig.workspaces.script(IMAGE, [transient.clone(), description(IMAGE, "PENDING").into()]);
        let record = rig.check(json!({"ImageId": IMAGE, "State": "PENDING"})).await;
        assert_eq!(record["CheckError"], Value::Null, "{transient:?}");
    }
}

#[tokio::test]
async fn calls_without_an_answer() {
    let rig = Rig::new().await;
    rig.ready().await;
    for (fault, name) in [
        (Fault::NoAnswer, "WorkSpaces.Timeout"),
        (Fault::SlowBody(Duration::from_mins(1)), "WorkSpaces.Timeout"),
        (Fault::Reset, "WorkSpaces.Unreachable"),
        (Fault::Garbage, "WorkSpaces.BadResponse"),
        (Fault::Truncated, "WorkSpaces.BadResponse"),
    ] {
        rig.workspaces.set(IMAGE, fault.clone());
        let failure = rig.try_invoke(one(), Duration::from_secs(5)).await.expect_err("nothing could be done");
        assert_eq!(failure.error_type, name, "{fault:?}: {}", failure.message);
    }
}

/// Though the SDK would go on trying for longer than there is time.
#[tokio::test]
async fn a_throttled_call_is_not_one_without_an_answer() {
    let rig = Rig::new().await;
    rig.ready().await;
    for number in 0..5 {
        rig.workspaces.set(&image(number), error("ThrottlingException"));
    }
    for (count, seconds) in [(1, 3), (5, 5), (5, 8)] {
        let records = event((0..count).map(|number| json!({"ImageId": image(number)})));
        let failure = rig.try_invoke(records, Duration::from_secs(seconds)).await.expect_err("nothing could be done");
        assert_eq!(failure.error_type, "WorkSpaces.ThrottlingException");
        assert_eq!(failure.message, "ThrottlingException, in words");
    }
    let rig = Rig::new().await;
    rig.ready().await;
    rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
    rig.sns.set(SnsAnswer::Error { status: 400, code: "KMSThrottling".to_owned(), message: "in words".to_owned() });
    let failure = rig.try_invoke(one(), Duration::from_secs(3)).await.expect_err("nothing could be announced");
    assert_eq!(failure.error_type, "Sns.KMSThrottling");
}

#[tokio::test]
async fn an_answer_that_is_no_error_of_the_service() {
    let rig = Rig::new().await;
    let reply = simulator::Reply::Http { status: 502, headers: Vec::new(), body: "<html>Bad gateway</html>".into() };
    rig.workspaces.set(IMAGE, Answer::Raw(reply));
    assert_eq!(rig.fail(one()).await.error_type, "WorkSpaces.BadResponse");
    for state in [json!(5), json!({}), json!("A\u{0}B"), json!("X".repeat(200))] {
        rig.workspaces.set(IMAGE, json!({"ImageId": IMAGE, "State": state}));
        assert_eq!(rig.fail(one()).await.error_type, "WorkSpaces.BadResponse", "{state}");
    }
}

#[tokio::test]
async fn nobody_is_there() {
    let rig = Stage::new().await.set("AWS_ENDPOINT_URL_WORKSPACES", "http://127.0.0.1:9").start().await;
    let failure = rig.fail(one()).await;
    assert_eq!(failure.error_type, "WorkSpaces.Unreachable");
    assert!(failure.message.contains("Connection refused"), "{}", failure.message);
    let rig = Stage::new().await.set("AWS_ENDPOINT_URL_SNS", "http://127.0.0.1:9").start().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
    assert_eq!(rig.fail(one()).await.error_type, "Sns.Unreachable");
}

#[tokio::test]
async fn a_topic_that_does_not_answer() {
    let rig = Rig::new().await;
    rig.ready().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
    rig.sns.set(SnsAnswer::Fault(Fault::NoAnswer));
    let failure = rig.try_invoke(one(), Duration::from_secs(3)).await.expect_err("nothing could be announced");
    assert_eq!(failure.error_type, "Sns.Timeout");
}

#[tokio::test]
async fn the_time_ran_out_before_anything_was_checked() {
    let rig = Rig::new().await;
    rig.ready().await;
    let started = Instant::now();
    let failure = rig.try_invoke(one(), Duration::from_millis(450)).await.expect_err("no time");
    assert_eq!(failure.error_type, "Deadline");
    assert!(started.elapsed() < Duration::from_millis(450), "it does not wait for it");
    assert_eq!(announced(&rig.sns), [""; 0]);
}

#[tokio::test]
async fn the_answer_leaves_a_margin() {
    let rig = Rig::new().await;
    rig.ready().await;
    rig.workspaces.set(IMAGE, Fault::NoAnswer);
    rig.workspaces.set(&image(1), description(&image(1), "PENDING"));
    let records = event([json!({"ImageId": IMAGE}), json!({"ImageId": image(1), "State": "PENDING"})]);
    for (seconds, margin) in [(2, 500), (14, 700)] {
        let started = Instant::now();
        rig.try_invoke(&records, Duration::from_secs(seconds)).await.expect("a response");
        let left = Duration::from_secs(seconds).saturating_sub(started.elapsed());
        assert!(left >= Duration::from_millis(margin), "{left:?} left of {seconds} s");
    }
}
