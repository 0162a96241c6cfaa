//! What the function logs, and what it never logs.

use fake_aws::{Answer, SnsAnswer, description};
use serde_json::{Value, json};

use crate::support::{IMAGE, Rig, SESSION_TOKEN, Setup, event, image};

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
async fn each_transition_and_each_failure_is_one_line() {
    let rig = Rig::new().await;
    busy(&rig).await;
    let finished = rig.logged("invocation finished").await;
    assert_eq!(finished.len(), 1);
    let counts: Vec<&Value> =
        ["Imports", "Pending", "Completed", "Failed", "Unchecked", "Transitions", "CheckErrors", "Described"]
            .iter()
            .map(|name| &finished[0][name])
            .collect();
    assert_eq!(json!(counts), json!([2, 2, 0, 0, 0, 1, 1, 2]));
    assert_eq!(finished[0]["Status"], "PENDING");
    assert!(finished[0]["DurationMs"].is_u64());
    assert!(finished[0]["timestamp"].is_string() && finished[0]["level"] == "INFO", "{}", finished[0]);
    assert!(finished[0]["span"]["requestId"].is_string(), "{}", finished[0]);

    let transitions = rig.logged("transition announced").await;
    assert_eq!(transitions.len(), 1);
    let fields: Vec<&Value> = ["ImageId", "TransitionId", "Kind", "Sequence", "From", "To", "Outcome"]
        .iter()
        .map(|name| &transitions[0][name])
        .collect();
    let expected =
        json!([IMAGE, format!("{IMAGE}#1:VALIDATING"), "STATE_CHANGED", 1, "PENDING", "VALIDATING", "PENDING"]);
    assert_eq!(json!(fields), expected);

    let failed = rig.logged("describe failed").await;
    assert_eq!(failed.len(), 1);
    assert_eq!(
        json!([failed[0]["ImageId"], failed[0]["Error"], failed[0]["Cause"]]),
        json!([image(1), "WorkSpaces.AccessDeniedException", "Not you"])
    );
}

#[tokio::test]
async fn the_log_level_can_be_set() {
    for (level, expected) in [("fatal", vec![]), ("WARN", vec!["WARN"]), ("nonsense", vec!["WARN", "INFO"])] {
        let rig = Setup::new().await.set("AWS_LAMBDA_LOG_LEVEL", level).start().await;
        busy(&rig).await;
        // An error is logged at every level, and after the lines before it.
        let failure = rig.fail(json!({})).await;
        rig.logged(&format!("{}: {}", failure.error_type, failure.message)).await;
        let log = rig.log();
        for name in ["WARN", "INFO"] {
            let is_logged = log.iter().any(|line| line["level"] == name);
            assert_eq!(is_logged, expected.contains(&name), "{level}: {log:?}");
        }
    }
}

/// The rig looks for credentials, in this test as in every other.
#[tokio::test]
async fn no_payloads_and_no_credentials() {
    for level in ["INFO", "DEBUG", "TRACE"] {
        let rig = Setup::new().await.set("AWS_LAMBDA_LOG_LEVEL", level).start().await;
        busy(&rig).await;
        rig.fail(json!({"Imports": [{"ImageId": "payload-of-the-event"}]})).await;
        rig.logged("invocation finished").await;
        let log = json!(rig.log()).to_string();
        for payload in ["payload-of-the-event", "payload-of-the-service"] {
            assert!(!log.contains(payload), "{level}: {payload} in {log}");
        }
    }
}

/// The message of a service is logged unchanged. This one contains a credential, which the rig has to find.
#[tokio::test]
#[should_panic(expected = "the function wrote its credentials")]
async fn a_credential_in_the_log_fails_the_test() {
    let rig = Rig::new().await;
    let (code, message) = ("AccessDeniedException".to_owned(), format!("Not {SESSION_TOKEN}"));
    rig.workspaces.set(IMAGE, Answer::Error { status: 400, code, message });
    rig.fail(json!({"Imports": [{"ImageId": IMAGE}]})).await;
    rig.clear_log();
}

#[tokio::test]
async fn a_failed_invocation_is_one_line_that_starts_with_its_error_type() {
    let rig = Rig::new().await;
    rig.fail(json!({})).await;
    rig.invoke(json!({"Imports": []})).await;
    rig.logged("invocation finished").await;
    let errors: Vec<Value> = rig.log().into_iter().filter(|line| line["level"] == "ERROR").collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0]["message"].as_str().is_some_and(|line| line.starts_with("InvalidEvent: ")), "{errors:?}");
}

#[tokio::test]
async fn the_end_of_an_import_has_its_duration_in_the_log_and_as_a_metric() {
    let rig = Rig::new().await;
    let timed = |number, state| description(&image(number), state).created(1_000_000.0).updated(1_011_400.0);
    rig.workspaces.set(&image(0), timed(0, "VALIDATING"));
    rig.workspaces.set(&image(1), timed(1, "COMPLETED"));
    rig.workspaces.set(&image(2), timed(2, "ERROR"));
    rig.workspaces.set(&image(3), description(&image(3), "ERROR"));
    rig.invoke(event((0..4).map(|number| json!({"ImageId": image(number)})))).await;
    rig.logged("invocation finished").await;
    let mut durations: Vec<(Value, Value)> = rig
        .logged_times(4, "transition announced")
        .await
        .into_iter()
        .map(|line| (line["ImageId"].clone(), line["DurationSeconds"].clone()))
        .collect();
    durations.sort_by_key(|(image_id, _)| image_id.to_string());
    let durations: Vec<Value> = durations.into_iter().map(|(_, seconds)| seconds).collect();
    assert_eq!(json!(durations), json!([null, 11_400, 11_400, null]));
    let with_durations: Vec<Value> =
        metrics(&rig).into_iter().filter(|document| !document["DurationSeconds"].is_null()).collect();
    assert_eq!(with_durations.len(), 1, "{with_durations:?}");
    assert_eq!(with_durations[0]["DurationSeconds"], json!([11_400.0, 11_400.0]));
    let metrics_of_it = &with_durations[0]["_aws"]["CloudWatchMetrics"][0];
    let metric = json!({"Name": "DurationSeconds", "Unit": "Seconds"});
    assert!(metrics_of_it["Metrics"].as_array().is_some_and(|all| all.contains(&metric)), "{metrics_of_it}");

    rig.clear_log();
    rig.invoke(event([json!({"ImageId": image(1), "State": "COMPLETED"})])).await;
    rig.logged("invocation finished").await;
    assert!(metrics(&rig).iter().all(|document| document["DurationSeconds"].is_null()), "only when an import ends");
}

/// The documents in embedded metric format that have been logged so far.
fn metrics(rig: &Rig) -> Vec<Value> {
    rig.log().into_iter().filter(|line| line["_aws"].is_object()).collect()
}

#[tokio::test]
async fn metrics_of_every_invocation() {
    let rig = Rig::new().await;
    rig.workspaces.set(&image(3), json!({"ImageId": image(3)}));
    rig.workspaces.set(&image(4), description(&image(4), "ERROR"));
    busy(&rig).await;
    rig.logged("invocation finished").await;
    let documents = metrics(&rig);
    assert_eq!(documents.len(), 1, "{documents:?}");
    let metadata = &documents[0]["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(metadata["Namespace"], "WorkSpacesImageImport");
    assert_eq!(metadata["Dimensions"], json!([["FunctionName"]]));
    assert_eq!(documents[0]["FunctionName"], "image-imports");
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
            metadata["Metrics"].as_array().is_some_and(|all| all.iter().any(|metric| metric["Name"] == name)),
            "{name}"
        );
    }
    rig.invoke(event([
        json!({"ImageId": IMAGE, "State": "COMPLETED"}),
        json!({"ImageId": image(2), "State": "COMPLETED"}),
        json!({"ImageId": image(3), "State": "VALIDATING", "Stalled": true}),
        json!({"ImageId": image(4), "State": "ERROR"}),
    ]))
    .await;
    // The metrics come before this line.
    rig.logged_times(2, "invocation finished").await;
    let documents = metrics(&rig);
    for (name, count) in [("Completed", 2), ("Failed", 1), ("Stalled", 1), ("Pending", 1), ("ColdStart", 0)] {
        assert_eq!(documents[1][name], count, "{name}");
    }
}

#[tokio::test]
async fn a_transient_error_of_the_topic_counts_as_a_check_error() {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
    rig.sns.set(SnsAnswer::Error { status: 500, code: "InternalError".to_owned(), message: "Oh".to_owned() });
    rig.try_invoke(event([json!({"ImageId": IMAGE})]), std::time::Duration::from_secs(3)).await.expect("a response");
    assert_eq!(rig.logged("invocation finished").await[0]["CheckErrors"], 1);
    assert_eq!(metrics(&rig)[0]["CheckErrors"], 1);
    let failed = rig.logged("publish failed").await;
    assert_eq!(json!([failed[0]["ImageId"], failed[0]["Error"]]), json!([IMAGE, "Sns.InternalError"]));
}

#[tokio::test]
async fn progress_of_a_settled_import_is_not_emitted_again() {
    let rig = Rig::new().await;
    let mut record = json!({"ImageId": IMAGE});
    for (state, progress) in [("VALIDATING", 40), ("VALIDATING", 60), ("ERROR", 61), ("ERROR", 61), ("ERROR", 61)] {
        rig.workspaces.set(IMAGE, description(IMAGE, state).progress(progress));
        record = rig.check(record).await;
    }
    rig.logged_times(5, "invocation finished").await;
    let progress: Vec<Value> = metrics(&rig).into_iter().filter(|document| document["Progress"].is_number()).collect();
    let values: Vec<&Value> = progress.iter().map(|document| &document["Progress"]).collect();
    assert_eq!(json!(values), json!([40, 60, 61]));
    let metadata = &progress[0]["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(metadata["Dimensions"], json!([["FunctionName", "ImageId"]]));
    assert_eq!(metadata["Metrics"], json!([{"Name": "Progress", "Unit": "Percent"}]));
    assert_eq!(json!([progress[0]["FunctionName"], progress[0]["ImageId"]]), json!(["image-imports", IMAGE]));
    assert!(progress[0]["_aws"]["Timestamp"].as_i64() > Some(1_700_000_000_000), "milliseconds since 1970");
}

#[tokio::test]
async fn an_invocation_with_nothing_to_say_writes_no_metrics() {
    let rig = Rig::new().await;
    rig.workspaces.set(&image(4), description(&image(4), "ERROR"));
    rig.invoke(event([])).await;
    rig.invoke(json!({"Discover": true})).await;
    let settled = [
        json!({"ImageId": IMAGE, "State": "COMPLETED", "Sequence": 3}),
        json!({"ImageId": image(4), "State": "ERROR", "Sequence": 3}),
    ];
    rig.invoke(event(settled)).await;
    rig.logged_times(3, "invocation finished").await;
    assert_eq!(metrics(&rig), [Value::Null; 0]);
}
