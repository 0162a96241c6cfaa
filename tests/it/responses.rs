//! The response: its records, outcomes, counts, order and size (section "Response" of the contract).
//!
//! `cargo test --locked --test it responses::`

use std::time::Duration;

use fake_aws::{Answer, Fault, SnsAnswer, description};
use serde_json::{Value, json};

use crate::support::{IMAGE, Rig, Setup, announced, event, image, imports, workspaces_error};

#[tokio::test]
async fn the_complete_response() {
    let rig = Rig::new().await;
    rig.workspaces.set(
        IMAGE,
        description(IMAGE, "VALIDATING")
            .infrastructure("arn:aws:imagebuilder:eu-west-1:123456789012:infrastructure-configuration/a")
            .message("Validating")
            .progress(62)
            .created(1_767_776_400.0)
            .updated(1_767_780_751.25)
            .ami("ami-0123456789abcdef0")
            .instance("i-0123456789abcdef0")
            .error("OutdatedPowershellVersion", "Update it."),
    );
    let response = rig.invoke(event([json!({"ImageId": IMAGE, "State": "PENDING", "Sequence": 1})])).await;
    let transition = json!({
        "TransitionId": "wsi-0a1b2c3d4#2:VALIDATING", "Kind": "STATE_CHANGED", "ImageId": IMAGE, "Sequence": 2,
        "From": "PENDING", "To": "VALIDATING", "Outcome": "PENDING",
    });
    let expected = json!({
        "Status": "PENDING", "Pending": 1, "Completed": 0, "Failed": 0, "Unchecked": 0,
        "Imports": [{
            "ImageId": IMAGE, "State": "VALIDATING", "Sequence": 2, "Outcome": "PENDING", "Stalled": false,
            "Description": {
                "ImageId": IMAGE,
                "InfrastructureConfigurationArn": "arn:aws:imagebuilder:eu-west-1:123456789012:infrastructure-configuration/a",
                "State": "VALIDATING", "StateMessage": "Validating", "ProgressPercentage": 62,
                "Created": "2026-01-07T09:00:00Z", "LastUpdatedTime": "2026-01-07T10:12:31.250Z",
                "ImageSource": {"Ec2ImageId": "ami-0123456789abcdef0"}, "ImageBuilderInstanceId": "i-0123456789abcdef0",
                "ErrorDetails": [{"ErrorCode": "OutdatedPowershellVersion", "ErrorMessage": "Update it."}],
            },
        }],
        "Transitions": [transition],
    });
    assert_eq!(response, expected);
}

#[tokio::test]
async fn records_keep_the_order_of_the_event() {
    let rig = Setup::new().await.set("CONCURRENCY", "3").start().await;
    rig.workspaces.set_default(description(IMAGE, "PENDING"));
    for number in 0..20 {
        let delay = Duration::from_millis(20 * ((number * 7) % 5));
        rig.workspaces.set(
            &image(usize::try_from(number).expect("small")),
            Answer::After(delay, Box::new(description(IMAGE, "VALIDATING").into())),
        );
    }
    let ids: Vec<String> = (0..20).rev().map(image).collect();
    let response = rig.invoke(event(ids.iter().map(|id| json!({"ImageId": id})))).await;
    let returned: Vec<&str> =
        imports(&response).iter().map(|record| record["ImageId"].as_str().expect("an ID")).collect();
    assert_eq!(returned, ids);
    assert_eq!(rig.workspaces.peak_concurrency(), 3, "CONCURRENCY limits the concurrent calls");
}

#[tokio::test]
async fn outcomes_and_status() {
    let rig = Rig::new().await;
    for (number, state) in ["COMPLETED", "ERROR", "PUBLISHING", "NEWER_THAN_US"].into_iter().enumerate() {
        rig.workspaces.set(&image(number), description(&image(number), state).error("Fixed", "by itself"));
    }
    let records = |numbers: &[usize]| event(numbers.iter().map(|&number| json!({"ImageId": image(number)})));
    for (numbers, status, counts) in [
        (&[0, 1, 2, 3][..], "PENDING", [2, 1, 1]),
        (&[0, 1], "FAILED", [0, 1, 1]),
        (&[0], "COMPLETED", [0, 1, 0]),
        (&[3], "PENDING", [1, 0, 0]),
    ] {
        let response = rig.invoke(records(numbers)).await;
        assert_eq!(response["Status"], status);
        assert_eq!(json!([response["Pending"], response["Completed"], response["Failed"]]), json!(counts));
    }
    let unknown = rig.check(json!({"ImageId": image(3)})).await;
    assert_eq!(unknown["State"], "NEWER_THAN_US", "an unknown state stays as it is");
    assert_eq!(unknown["Outcome"], "PENDING");
}

#[tokio::test]
async fn a_completed_record_is_not_described_again() {
    let rig = Rig::new().await;
    let record = json!({
        "ImageId": IMAGE, "State": "COMPLETED", "Sequence": 9, "Stalled": false, "Outcome": "COMPLETED",
        "Description": {"State": "COMPLETED", "Mine": [1.50, {"a": null}]},
    });
    let response = rig.invoke(event([record.clone()])).await;
    assert_eq!(response["Imports"][0], record, "it comes back unchanged");
    assert_eq!(response["Completed"], 1);
    assert_eq!(rig.workspaces.calls().len(), 0);
}

#[tokio::test]
async fn error_and_not_found_are_described_again() {
    let rig = Rig::new().await;
    rig.workspaces.set_default(description(IMAGE, "PUBLISHING"));
    let response = rig
        .invoke(event([
            json!({"ImageId": image(0), "State": "ERROR", "Sequence": 2}),
            json!({"ImageId": image(1), "State": "NOT_FOUND", "Sequence": 2, "Missing": "2026-01-07T09:00:00Z"}),
        ]))
        .await;
    assert_eq!(response["Transitions"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_failed_check_keeps_the_rest_of_the_record() {
    let rig = Setup::new().await.two_attempts().start().await;
    rig.workspaces.set(IMAGE, workspaces_error("ThrottlingException", "Rate exceeded"));
    rig.workspaces.set(&image(1), description(&image(1), "PENDING"));
    let failing = json!({
        "ImageId": IMAGE, "State": "ERROR", "Sequence": 4, "Stalled": false, "Description": {"State": "ERROR"},
    });
    let response = rig.invoke(event([failing.clone(), json!({"ImageId": image(1), "State": "PENDING"})])).await;
    let mut expected = failing;
    expected["Outcome"] = json!("FAILED");
    expected["CheckError"] = json!({"Error": "WorkSpaces.ThrottlingException", "Cause": "Rate exceeded"});
    assert_eq!(response["Imports"][0], expected);
    assert_eq!(response["Failed"], 1, "the record keeps its outcome");

    rig.workspaces.set(IMAGE, description(IMAGE, "ERROR"));
    let next = rig.invoke(&response).await;
    assert_eq!(next["Imports"][0]["CheckError"], Value::Null, "the next successful check removes it");
}

#[tokio::test]
async fn a_cause_has_at_most_300_characters() {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, workspaces_error("Odd", &"é".repeat(400)));
    rig.workspaces.set(&image(1), description(&image(1), "PENDING"));
    let response = rig.invoke(event([json!({"ImageId": IMAGE}), json!({"ImageId": image(1)})])).await;
    assert_eq!(response["Imports"][0]["CheckError"]["Cause"], "é".repeat(300));
}

#[tokio::test]
async fn a_record_with_an_owed_announcement_is_pending_and_has_the_new_description() {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "COMPLETED"));
    rig.workspaces.set(&image(1), description(&image(1), "COMPLETED"));
    rig.sns.script([SnsAnswer::FailEntries(vec![(0, "KMSThrottling".to_owned(), "Slow down".to_owned())])]);
    let response = rig.invoke(event([json!({"ImageId": IMAGE}), json!({"ImageId": image(1)})])).await;
    let record = &response["Imports"][0];
    assert_eq!(record["Outcome"], "PENDING");
    assert_eq!(record["CheckError"], json!({"Error": "Sns.KMSThrottling", "Cause": "Slow down"}));
    assert_eq!(record["Description"]["State"], "COMPLETED", "the description is the new one");
    assert_eq!(record["Owed"], json!({"Kind": "STATE_CHANGED", "Sequence": 1, "From": null, "To": "COMPLETED"}));
    assert_eq!(response["Imports"][1]["Outcome"], "COMPLETED", "a partial failure fails only its own entries");
}

#[tokio::test]
async fn records_unchecked_at_the_deadline_come_back_unchanged() {
    let rig = Setup::new().await.set("CONCURRENCY", "2").start().await;
    rig.ready().await;
    rig.workspaces.set_latency(Duration::from_millis(100));
    rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
    let records: Vec<Value> = (0..200)
        .map(|number| {
            let error = json!({"Error": "Sns.Timeout", "Cause": "late"});
            json!({"ImageId": image(number), "State": "VALIDATING", "Sequence": 3, "Stalled": false, "Outcome": "PENDING",
                   "CheckError": error, "Truncated": true, "Description": {"State": "VALIDATING", "Mine": number}})
        })
        .collect();
    let response = rig.try_invoke(event(records.clone()), Duration::from_secs(3)).await.expect("a response");
    let unchecked = response["Unchecked"].as_u64().expect("a count");
    assert!((1..200).contains(&unchecked), "{unchecked}");
    assert_eq!(response["Pending"], 200, "unchecked records count, too");
    let unchanged = imports(&response).iter().zip(&records).filter(|(after, before)| after == before).count();
    assert_eq!(unchanged as u64, unchecked);
}

#[tokio::test]
async fn describing_starts_at_a_random_record() {
    let rig = Setup::new().await.set("CONCURRENCY", "1").start().await;
    rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
    let records = event((0..50).map(|number| json!({"ImageId": image(number), "State": "VALIDATING"})));
    let mut starts = Vec::new();
    for _ in 0..8 {
        rig.workspaces.clear_calls();
        rig.invoke(&records).await;
        let calls: Vec<String> = rig.workspaces.calls().iter().map(|call| call.image_id.clone()).collect();
        let start = (0..50).position(|number| image(number) == calls[0]).expect("the image of a record");
        let expected: Vec<String> = (0..50).map(|number| image((start + number) % 50)).collect();
        assert_eq!(calls, expected, "from there on, in order and around the end of the list");
        starts.push(start);
    }
    starts.dedup();
    assert!(starts.len() > 1, "all eight invocations started at {starts:?}: the chance is 1 in 50^7");
}

#[tokio::test]
async fn time_to_announce_is_reserved() {
    let rig = Rig::new().await;
    rig.ready().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
    rig.workspaces.set(&image(1), Fault::NoAnswer);
    let records = event([json!({"ImageId": IMAGE}), json!({"ImageId": image(1)})]);
    let response = rig.try_invoke(records, Duration::from_secs(3)).await.expect("a response");
    assert_eq!(announced(&rig.sns), [format!("{IMAGE}#1:VALIDATING")]);
    assert_eq!(response["Imports"][1]["CheckError"]["Error"], "WorkSpaces.Timeout");
}

#[tokio::test]
async fn a_response_is_never_too_large() {
    let rig = Setup::new().await.set("MAX_RESPONSE_BYTES", "16384").start().await;
    // The descriptions exceed the limit, so the function truncates their texts.
    for number in 0..32 {
        let text = "\"ä".repeat(if number == 7 { 20_000 } else { 200 });
        rig.workspaces
            .set(&image(number), description(&image(number), "VALIDATING").message(&text).error("Code", "brief"));
    }
    let full = event((0..32).map(|number| json!({"ImageId": image(number)})));
    for records in [full.clone(), event((0..20).map(|number| json!({"ImageId": image(number)})))] {
        let (response, size) = rig.invoke_and_measure(records).await;
        assert!(size <= 16_384, "{size}");
        assert_eq!(response["Imports"][7]["Truncated"], true);
        for record in imports(&response) {
            assert_eq!(record["State"], "VALIDATING", "the next check needs this, so it stays");
            assert_eq!(record["Sequence"], 1);
        }
    }
    // Of one long text and a short one, only the long one is truncated.
    rig.workspaces.set_default(description(IMAGE, "VALIDATING").message("short"));
    let two = event([json!({"ImageId": image(7)}), json!({"ImageId": "wsi-abcdefghi"})]);
    let (response, size) = rig.invoke_and_measure(two).await;
    assert_eq!(response["Imports"][0]["Truncated"], true);
    assert!(response["Imports"][0]["Description"]["StateMessage"].as_str().expect("a string").ends_with('…'));
    assert_eq!(response["Imports"][1]["Truncated"], Value::Null);
    assert!((16_000..=16_384).contains(&size), "truncated by no more than needed: {size}");
}

/// As many records as an event may have, with the longest IDs and states, all of which owe something and fail.
#[tokio::test]
async fn a_response_with_the_longest_states_is_never_too_large() {
    let rig = Setup::new().await.two_attempts().set("MAX_RESPONSE_BYTES", "16384").start().await;
    let (from, to) = ("F".repeat(64), "T".repeat(64));
    let text = "\"ä".repeat(500);
    rig.workspaces.set_default(description(IMAGE, &to).message(&text).error("Code", &text));
    let message = "m".repeat(500);
    rig.sns.set(SnsAnswer::Error { status: 503, code: "C".repeat(128), message });
    let records = (0..32).map(|number| {
        let owed = json!({"Kind": "STATE_CHANGED", "Sequence": 9_007_199_254_740_990_u64, "From": from, "To": to});
        let sequence = 9_007_199_254_740_989_u64;
        json!({"ImageId": format!("wsi-{number:063}"), "State": from, "Sequence": sequence, "Owed": owed})
    });
    let (response, size) = rig.invoke_and_measure(event(records)).await;
    assert!(size <= 16_384, "{size}");
    assert_eq!(imports(&response).len(), 32);
    assert!(imports(&response).iter().all(|record| record["Owed"]["To"] == to.as_str()));
    // The response can be the next event.
    rig.invoke(&response).await;
}
