//! What subscribers of the topic receive, with emulated SNS and SQS (section "SNS message" of the contract).
//!
//! `cargo test --locked --test it subscribers::`

use fake_aws::description;
use serde_json::{Value, json};

use crate::support::{
    IMAGE, Rig, Setup,
    emulator::{Emulator, ministack, moto},
    event, image,
};

/// Starts a function that publishes to a topic of an emulator.
async fn rig(emulator: &Emulator, topic: &str) -> Rig {
    Setup::new().await.set("TOPIC_ARN", topic).set("AWS_ENDPOINT_URL_SNS", &emulator.url).start().await
}

#[tokio::test]
async fn a_queue_gets_every_announcement_once() {
    for emulator in [ministack(), moto()] {
        let topic = emulator.topic(false).await;
        let queue = emulator.subscribe(&topic, None).await;
        let rig = rig(emulator, &topic).await;
        rig.workspaces
            .script(IMAGE, ["PENDING", "VALIDATING", "COMPLETED"].map(|state| description(IMAGE, state).into()));
        let mut record = json!({"ImageId": IMAGE});
        for _ in 0..4 {
            record = rig.check(record).await;
        }
        let notifications = queue.drain().await;
        let texts: Vec<Value> = notifications
            .iter()
            .map(|notification| {
                serde_json::from_str(notification["Message"].as_str().expect("a string")).expect("JSON")
            })
            .collect();
        let mut ids: Vec<&str> = texts.iter().map(|text| text["TransitionId"].as_str().expect("an ID")).collect();
        ids.sort_unstable();
        assert_eq!(ids, ["1:PENDING", "2:VALIDATING", "3:COMPLETED"].map(|id| format!("{IMAGE}#{id}")));
        assert_eq!(notifications[0]["MessageAttributes"]["ImageId"], json!({"Type": "String", "Value": IMAGE}));
        assert!(
            notifications[0]["Subject"]
                .as_str()
                .is_some_and(|subject| subject.ends_with(": WorkSpaces image wsi-0a1b2c3d4"))
        );
    }
}

/// SNS sends a queue the `default` text itself (raw message delivery), or in JSON of its own.
#[tokio::test]
async fn a_queue_gets_text_that_sqs_refuses() {
    let text = "a\u{fffe}b\u{ffff}c\u{1b}";
    for emulator in [ministack(), moto()] {
        let topic = emulator.topic(false).await;
        let queue = emulator.subscribe(&topic, None).await;
        let rig = rig(emulator, &topic).await;
        rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING").message(text));
        rig.check(json!({"ImageId": IMAGE})).await;
        let notifications = queue.drain().await;
        let sent = notifications[0]["Message"].as_str().expect("a string");
        assert!(!sent.contains(['\u{fffe}', '\u{ffff}', '\u{1b}']), "{sent:?}");
        let announcement: Value = serde_json::from_str(sent).expect("JSON");
        assert_eq!(announcement["Description"]["StateMessage"], text);
    }
}

#[tokio::test]
async fn filter_policies_select_announcements() {
    let emulator = ministack();
    let topic = emulator.topic(false).await;
    let failures = emulator.subscribe(&topic, Some(json!({"Outcome": ["FAILED"]}))).await;
    let validating = emulator.subscribe(&topic, Some(json!({"To": ["VALIDATING"], "Kind": ["STATE_CHANGED"]}))).await;
    let nearly_done = emulator.subscribe(&topic, Some(json!({"ProgressPercentage": [{"numeric": [">=", 90]}]}))).await;
    let rig = rig(emulator, &topic).await;
    rig.workspaces.set(&image(0), description(&image(0), "ERROR"));
    rig.workspaces.set(&image(1), description(&image(1), "VALIDATING"));
    rig.workspaces.set(&image(2), description(&image(2), "VALIDATING").updated(1.0)); // a stall
    rig.workspaces.set(&image(3), description(&image(3), "PUBLISHING").progress(95));
    rig.invoke(event([
        json!({"ImageId": image(0)}),
        json!({"ImageId": image(1)}),
        json!({"ImageId": image(2), "State": "VALIDATING"}),
        json!({"ImageId": image(3)}),
    ]))
    .await;
    for (queue, number) in [(failures, 0), (validating, 1), (nearly_done, 3)] {
        let announcements = queue.announcements().await;
        let images: Vec<&Value> = announcements.iter().map(|announcement| &announcement["ImageId"]).collect();
        assert_eq!(images, [&json!(image(number))]);
    }
}

#[tokio::test]
async fn a_fifo_queue_gets_announcements_in_order_and_without_duplicates() {
    for emulator in [ministack(), moto()] {
        let topic = emulator.topic(true).await;
        let queue = emulator.subscribe(&topic, None).await;
        let rig = rig(emulator, &topic).await;
        let states = ["PENDING", "VALIDATING", "PUBLISHING", "COMPLETED"];
        let mut record = json!({"ImageId": IMAGE});
        for state in states {
            rig.workspaces.set(IMAGE, description(IMAGE, state));
            let next = rig.check(record.clone()).await;
            rig.check(record).await; // as a workflow does that retries with the previous record
            record = next;
        }
        let received: Vec<Value> =
            queue.announcements().await.iter().map(|announcement| announcement["To"].clone()).collect();
        assert_eq!(received, states.map(Value::from));
    }
}

#[tokio::test]
async fn a_topic_that_does_not_exist() {
    let rig = rig(ministack(), "arn:aws:sns:eu-west-1:000000000000:no-such-topic").await;
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
    assert_eq!(rig.fail(json!({"Imports": [{"ImageId": IMAGE}]})).await.error_type, "Sns.NotFound");
}
