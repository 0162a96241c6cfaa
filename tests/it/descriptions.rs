//! Section 2: the typed description.

use aws_sdk_workspaces::operation::describe_custom_workspace_image_import::DescribeCustomWorkspaceImageImportOutput;
use serde_json::{Value, json};

use crate::support::{IMAGE, Rig};

/// What the function makes of a response body of the service.
async fn carried(body: Value) -> Value {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, body);
    rig.check(json!({"ImageId": IMAGE})).await["Description"].take()
}

#[tokio::test]
async fn every_member_that_was_sent_and_no_other() {
    assert_eq!(carried(json!({})).await, json!({}));
    let sparse = json!({"State": "PENDING", "ErrorDetails": [], "ProgressPercentage": 0, "StateMessage": ""});
    assert_eq!(carried(sparse.clone()).await, sparse);
    let nulls = json!({"State": "PENDING", "ErrorDetails": null, "Created": null, "ImageSource": null});
    assert_eq!(carried(nulls).await, json!({"State": "PENDING"}));
    let newer = json!({"State": "PENDING", "NewerThanTheSdk": {"a": 1}});
    assert_eq!(carried(newer).await, json!({"State": "PENDING"}), "the SDK does not know it");
    let partial = json!({"ErrorDetails": [{}, {"ErrorCode": "A"}, {"ErrorMessage": "b"}]});
    assert_eq!(carried(partial.clone()).await, partial);
}

#[tokio::test]
async fn times_to_the_millisecond() {
    for (seconds, text) in [
        (json!(1_767_776_400), "2026-01-07T09:00:00Z"),
        (json!(1_767_780_751.25), "2026-01-07T10:12:31.250Z"),
        (json!(1_767_780_751.004_9), "2026-01-07T10:12:31.005Z"),
        (json!(1_767_780_751.999_6), "2026-01-07T10:12:32Z"),
        (json!(1.767_780_751e9), "2026-01-07T10:12:31Z"),
    ] {
        assert_eq!(carried(json!({"Created": seconds})).await, json!({"Created": text}));
    }
}

#[tokio::test]
async fn the_source_has_the_one_key_that_is_set() {
    for source in [
        json!({"Ec2ImageId": "ami-0123456789abcdef0"}),
        json!({"Ec2ImportTaskId": "import-ami-0123456789abcdef0"}),
        json!({"ImageBuildVersionArn": "arn:aws:imagebuilder:eu-west-1:123456789012:image/x/1.0.0/1"}),
    ] {
        assert_eq!(carried(json!({"ImageSource": source})).await, json!({"ImageSource": source}));
    }
    let unknown = carried(json!({"ImageSource": {"S3ObjectArn": {"Any": ["shape"]}}})).await;
    assert_eq!(unknown, json!({"ImageSource": {"SDK_UNKNOWN_MEMBER": {"name": "S3ObjectArn"}}}));
}

/// A member that an SDK upgrade adds fails this test until it is carried.
#[tokio::test]
async fn every_member_of_the_sdks_own_schema_is_carried() {
    let (mut body, mut expected) = (json!({}), json!({}));
    for member in DescribeCustomWorkspaceImageImportOutput::SCHEMA.members() {
        let name = member.member_name().expect("a structure's members have names");
        let (sent, shown) = match name {
            "Created" | "LastUpdatedTime" => (json!(0.5), json!("1970-01-01T00:00:00.500Z")),
            "ProgressPercentage" => (json!(1), json!(1)),
            "ImageSource" => (json!({"Ec2ImageId": "ami-1"}), json!({"Ec2ImageId": "ami-1"})),
            "ErrorDetails" => {
                (json!([{"ErrorCode": "A", "ErrorMessage": "b"}]), json!([{"ErrorCode": "A", "ErrorMessage": "b"}]))
            }
            name => (json!(name), json!(name)),
        };
        body[name] = sent;
        expected[name] = shown;
    }
    assert!(expected.as_object().is_some_and(|members| members.len() >= 10), "{expected}");
    assert_eq!(carried(body).await, expected);
}
