//! How a description of WorkSpaces appears in a record: its members, times and image source (section "Response" of the
//! contract).
//!
//! `cargo test --locked --test it descriptions::`

use aws_sdk_workspaces::operation::describe_custom_workspace_image_import::DescribeCustomWorkspaceImageImportOutput;
use fake_aws::description;
use serde_json::{Value, json};

use crate::support::{IMAGE, Rig};

/// Returns the `Description` of a record after the service responded with this body.
async fn carried(body: Value) -> Value {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, body);
    rig.check(json!({"ImageId": IMAGE})).await["Description"].take()
}

#[tokio::test]
async fn exactly_the_members_that_the_service_sent_are_carried() {
    assert_eq!(carried(json!({})).await, json!({}));
    let sparse = json!({"State": "PENDING", "ErrorDetails": [], "ProgressPercentage": 0, "StateMessage": ""});
    assert_eq!(carried(sparse.clone()).await, sparse);
    let nulls = json!({"State": "PENDING", "ErrorDetails": null, "Created": null, "ImageSource": null});
    assert_eq!(carried(nulls).await, json!({"State": "PENDING"}));
    let newer = json!({"State": "PENDING", "NewerThanTheSdk": {"a": 1}});
    assert_eq!(carried(newer).await, json!({"State": "PENDING"}), "the SDK drops members that it does not know");
    let partial = json!({"ErrorDetails": [{}, {"ErrorCode": "A"}, {"ErrorMessage": "b"}]});
    assert_eq!(carried(partial.clone()).await, partial);
}

#[tokio::test]
async fn times_are_rounded_to_milliseconds() {
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
async fn image_source_has_the_one_key_that_is_set() {
    for source in [
        json!({"Ec2ImageId": "ami-0123456789abcdef0"}),
        json!({"Ec2ImportTaskId": "import-ami-0123456789abcdef0"}),
        json!({"ImageBuildVersionArn": "arn:aws:imagebuilder:eu-west-1:123456789012:image/x/1.0.0/1"}),
    ] {
        assert_eq!(carried(json!({"ImageSource": source})).await, json!({"ImageSource": source}));
    }
    for (source, name) in [
        (json!({"S3ObjectArn": {"Any": ["shape"]}}), "S3ObjectArn"),
        (json!({"Ec2ImageId": null, "S3ObjectArn": "arn:aws:s3:::bucket/key"}), "S3ObjectArn"),
        (json!({"__type": "Source", "aNewMember": 1}), "aNewMember"),
    ] {
        let unknown = carried(json!({"ImageSource": source})).await;
        assert_eq!(unknown, json!({"ImageSource": {"SDK_UNKNOWN_MEMBER": {"name": name}}}));
    }
}

/// If a new version of the SDK adds a member, this test fails until records carry it.
#[tokio::test]
async fn every_member_of_the_sdks_schema_is_carried() {
    let (mut body, mut expected) = (json!({}), json!({}));
    for member in DescribeCustomWorkspaceImageImportOutput::SCHEMA.members() {
        let name = member.member_name().expect("a structure's members have names");
        let (sent, carried) = match name {
            "Created" | "LastUpdatedTime" => (json!(0.5), json!("1970-01-01T00:00:00.500Z")),
            "ProgressPercentage" => (json!(1), json!(1)),
            "ImageSource" => (json!({"Ec2ImageId": "ami-1"}), json!({"Ec2ImageId": "ami-1"})),
            "ErrorDetails" => {
                (json!([{"ErrorCode": "A", "ErrorMessage": "b"}]), json!([{"ErrorCode": "A", "ErrorMessage": "b"}]))
            }
            name => (json!(name), json!(name)),
        };
        body[name] = sent;
        expected[name] = carried;
    }
    assert!(expected.as_object().is_some_and(|members| members.len() >= 10), "{expected}");
    assert_eq!(carried(body).await, expected);
}

#[tokio::test]
async fn a_time_that_cannot_be_written_is_left_out() {
    let rig = Rig::new().await;
    let absurd = 1e18;
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING").created(absurd).updated(absurd).progress(7));
    let record = rig.check(json!({"ImageId": IMAGE, "State": "PENDING"})).await;
    assert_eq!(record["State"], "VALIDATING", "the import is checked all the same");
    assert_eq!(record["Description"], json!({"ImageId": IMAGE, "State": "VALIDATING", "ProgressPercentage": 7}));
}
