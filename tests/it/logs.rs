//! What the function logs, and what it never logs.

use serde_json::{Value, json};
use simulator::{Answer, description};

use crate::support::{IMAGE, Rig, SESSION_TOKEN, Stage, event, image};

async fn busy(rig: &Rig) {
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING").message("payload-of-the-service"));
    let denied = Answer::Error { status: 400, code: "AccessDeniedException".to_owned(), message: "Not you".to_owned() };
    rig.workspaces.set(&image(1), denied);
    let carried = json!({"Mine": "payload-of-the-event"});
    rig.invoke(event([
        json!({"ImageId": IMAGE, "State": "PENDING", "Description": carried}),
        json!({"ImageId": image(1)}),
    ]))
    .await;
}

#[tokio::test]
async fn a_line_a_transition_and_a_line_a_failed_check() {
    let rig = Rig::new().await;
    busy(&rig).await;
    let done = rig.logged("invocation done").await;
    assert_eq!(done.len(), 1);
    let counts: Vec<&Value> =
        ["Imports", "Pending", "Completed", "Failed", "Unchecked", "Transitions", "CheckErrors", "Described"]
            .iter()
            .map(|name| &done[0][name])
            .collect();
    assert_eq!(json!(counts), json!([2, 2, 0, 0, 0, 1, 1, 2]));
    assert_eq!(done[0]["Status"], "PENDING");
    assert!(done[0]["DurationMs"].is_u64());
    assert!(done[0]["timestamp"].is_string() && done[0]["level"] == "INFO", "{}", done[0]);
    assert!(done[0]["span"]["requestId"].is_string(), "{}", done[0]);

    let transitions = rig.logged("transition announced").await;
    assert_eq!(transitions.len(), 1);
    let fields: Vec<&Value> = ["ImageId", "TransitionId", "Kind", "Sequence", "From", "To", "Outcome"]
        .iter()
        .map(|name| &transitions[0][name])
        .collect();
    let expected =
        json!([IMAGE, format!("{IMAGE}#1:VALIDATING"), "STATE_CHANGED", 1, "PENDING", "VALIDATING", "PENDING"]);
    assert_eq!(json!(fields), expected);

    let failed = rig.logged("check failed").await;
    assert_eq!(failed.len(), 1);
    assert_eq!(
        json!([failed[0]["ImageId"], failed[0]["Error"], failed[0]["Cause"]]),
        json!([image(1), "WorkSpaces.AccessDeniedException", "Not you"])
    );
}

/// The rig looks for secrets, here as in every other test.
#[tokio::test]
async fn no_payloads_and_no_secrets() {
    for level in ["INFO", "DEBUG", "TRACE"] {
        let rig = Stage::new().await.set("AWS_LAMBDA_LOG_LEVEL", level).start().await;
        busy(&rig).await;
        rig.fail(json!({"Imports": [{"ImageId": "payload-of-the-event"}]})).await;
        rig.logged("invocation done").await;
        let log = json!(rig.log()).to_string();
        for payload in ["payload-of-the-event", "payload-of-the-service"] {
            assert!(!log.contains(payload), "{level}: {payload} in {log}");
        }
    }
}

/// The words of a service are logged as they come: these give the rig something to find.
#[tokio::test]
#[should_panic(expected = "the function wrote its credentials")]
async fn a_secret_in_the_log_fails_the_test_that_it_is_of() {
    let rig = Rig::new().await;
    let (code, message) = ("AccessDeniedException".to_owned(), format!("Not {SESSION_TOKEN}"));
    rig.workspaces.set(IMAGE, Answer::Error { status: 400, code, message });
    rig.fail(json!({"Imports": [{"ImageId": IMAGE}]})).await;
    rig.clear_log();
}

#[tokio::test]
async fn a_failed_invocation_is_one_line_by_its_name() {
    let rig = Rig::new().await;
    rig.fail(json!({})).await;
    rig.invoke(json!({"Imports": []})).await;
    rig.logged("invocation done").await;
    let errors: Vec<Value> = rig.log().into_iter().filter(|line| line["level"] == "ERROR").collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0]["message"].as_str().is_some_and(|line| line.starts_with("InvalidEvent: ")), "{errors:?}");
}

/// The metrics of each document of embedded metric format so far: by name, and for one image where it is of one.
fn metrics(rig: &Rig) -> Vec<Value> {
    rig.log().into_iter().filter(|line| line["_aws"].is_object()).collect()
}

#[tokio::test]
async fn metrics_of_every_invocation() {
    let rig = Rig::new().await;
    busy(&rig).await;
    rig.logged("invocation done").await;
    let documents = metrics(&rig);
    assert_eq!(documents.len(), 1, "{documents:?}");
    let about = &documents[0]["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(about["Namespace"], "WorkSpacesImageImport");
    assert_eq!(about["Dimensions"], json!([[]]));
    for (name, count) in [
        ("Pending", 2),
        ("Completed", 0),
        ("Failed", 0),
        ("Transitions", 1),
        ("CheckErrors", 1),
        ("Stalled", 0),
        ("Unchecked", 0),
        ("ColdStart", 1),
    ] {
        assert_eq!(documents[0][name], count, "{name}");
        assert!(
            about["Metrics"].as_array().is_some_and(|all| all.iter().any(|metric| metric["Name"] == name)),
            "{name}"
        );
    }
    busy(&rig).await;
    while metrics(&rig).len() < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(metrics(&rig)[1]["ColdStart"], 0);
}

#[tokio::test]
async fn progress_of_a_settled_import_is_not_emitted_again() {
    let rig = Rig::new().await;
    let mut record = json!({"ImageId": IMAGE});
    for (state, progress) in [("VALIDATING", 40), ("VALIDATING", 60), ("ERROR", 61), ("ERROR", 61), ("ERROR", 61)] {
        rig.workspaces.set(IMAGE, description(IMAGE, state).progress(progress));
        record = rig.check(record).await;
    }
    while rig.logged("invocation done").await.len() < 5 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let progress: Vec<Value> = metrics(&rig).into_iter().filter(|document| document["Progress"].is_number()).collect();
    let values: Vec<&Value> = progress.iter().map(|document| &document["Progress"]).collect();
    assert_eq!(json!(values), json!([40, 60, 61]));
    let about = &progress[0]["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(about["Dimensions"], json!([["ImageId"]]));
    assert_eq!(about["Metrics"], json!([{"Name": "Progress", "Unit": "Percent"}]));
    assert_eq!(progress[0]["ImageId"], IMAGE);
    assert!(progress[0]["_aws"]["Timestamp"].as_i64() > Some(1_700_000_000_000), "milliseconds since 1970");
}
