//! What must hold for the release binary, too. `make test` runs these tests twice: on the binary of the test profile,
//! and on the release binary that users deploy, which `BOOTSTRAP` names:
//!
//! `BOOTSTRAP=target/lambda/bootstrap/bootstrap cargo test --locked --test it release::`

use fake_aws::description;
use serde_json::json;

use crate::support::{IMAGE, Rig, Setup, announced, event, image};

#[tokio::test]
async fn it_announces_a_transition_and_responds() {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
    let response = rig.invoke(event([json!({"ImageId": IMAGE})])).await;
    assert_eq!(announced(&rig.sns), [format!("{IMAGE}#1:VALIDATING")]);
    assert_eq!(response["Status"], "PENDING");
}

#[tokio::test]
async fn it_handles_one_invocation_after_another() {
    let rig = Rig::new().await;
    rig.workspaces.set_default(description(IMAGE, "PENDING"));
    for number in 0..50 {
        assert_eq!(rig.check(json!({"ImageId": image(number), "State": "PENDING"})).await["ImageId"], image(number));
        assert_eq!(rig.fail(json!({})).await.error_type, "InvalidEvent");
    }
}

#[tokio::test]
async fn it_reports_an_invalid_configuration() {
    let rig = Setup::new().await.unset("TOPIC_ARN").start().await;
    assert_eq!(rig.fail(json!({"Imports": []})).await.error_type, "InvalidConfiguration");
}
