//! The binary as Lambda runs it. `make test` runs these twice: once on the test profile's binary, and once, with
//! `BOOTSTRAP`, on the release file that users deploy.

use serde_json::json;
use simulator::description;

use crate::support::{IMAGE, Rig, Stage, announced, event, image};

#[tokio::test]
async fn it_announces_a_transition_and_answers() {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
    let response = rig.invoke(event([json!({"ImageId": IMAGE})])).await;
    assert_eq!(announced(&rig.sns), [format!("{IMAGE}#1:VALIDATING")]);
    assert_eq!(response["Status"], "PENDING");
}

#[tokio::test]
async fn it_answers_one_invocation_after_another() {
    let rig = Rig::new().await;
    rig.workspaces.set_default(description(IMAGE, "PENDING"));
    for number in 0..50 {
        assert_eq!(rig.check(json!({"ImageId": image(number), "State": "PENDING"})).await["ImageId"], image(number));
        assert_eq!(rig.fail(json!({})).await.error_type, "InvalidEvent");
    }
}

#[tokio::test]
async fn it_says_what_is_wrong_with_its_configuration() {
    let rig = Stage::new().await.unset("TOPIC_ARN").start().await;
    assert_eq!(rig.fail(json!({"Imports": []})).await.error_type, "InvalidConfiguration");
}
