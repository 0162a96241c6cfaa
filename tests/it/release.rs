//! The binary as Lambda runs it. `make test` runs these twice: once on the test profile's binary, and once, with
//! `BOOTSTRAP`, on the release file that users deploy.

use serde_json::json;
use simulator::description;

use crate::support::{IMAGE, Rig, Stage, announced, bootstrap, event, image};

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

/// Each library that is loaded costs a start its pages and its relocations. See `pow`.
#[test]
fn it_loads_no_math_library() {
    let program = std::fs::read(bootstrap()).expect("the program");
    let names = |library: &[u8]| program.windows(library.len()).any(|bytes| bytes == library);
    assert!(names(b"libc.so.6"), "libraries are named as they are looked for here");
    assert!(!names(b"libm.so.6"), "something calls more of libm than pow: `nm --dynamic --undefined-only` names it");
}
