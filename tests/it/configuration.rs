//! Section 6: configuration, and the environment that the SDK reads itself.

use std::io::Write as _;

use serde_json::json;
use simulator::{Answer, Sns, Tls, WorkSpaces, description};

use crate::support::{IMAGE, Rig, Stage, image};

async fn refusal(stage: Stage) -> String {
    let rig = stage.start().await;
    let error = rig.fail(json!({"Imports": [{"ImageId": IMAGE}]})).await;
    assert_eq!(error.error_type, "InvalidConfiguration");
    let again = rig.fail(json!({})).await;
    assert_eq!(
        (again.error_type, again.message),
        (error.error_type, error.message.clone()),
        "every invocation answers so"
    );
    let logged = rig.logged("the configuration is invalid").await;
    assert_eq!(logged.len(), 1, "found at the start, once");
    assert_eq!(logged[0]["Cause"], error.message.as_str());
    error.message
}

#[tokio::test]
async fn what_is_missing_or_malformed_is_named() {
    assert!(refusal(Stage::new().await.unset("TOPIC_ARN")).await.starts_with("TOPIC_ARN is missing"));
    for (name, values) in [
        (
            "TOPIC_ARN",
            &[
                "",
                "image-imports",
                "arn:aws:sqs:eu-west-1:123456789012:queue",
                "arn:aws:sns::1:x",
                "arn:aws:sns:eu-west-1:123456789012:a b",
            ][..],
        ),
        ("LEDGER_TABLE", &["a", "no/table", "with blank"]),
        ("CONCURRENCY", &["0", "65", "many", "-1", "8.0"]),
        ("STALL_AFTER_SECONDS", &["-1", "1h"]),
        ("MAX_RESPONSE_BYTES", &["16383", "6000001"]),
        ("CONNECT_IN_INIT", &["0", "yes", "True"]),
    ] {
        for value in values {
            let message = refusal(Stage::new().await.set(name, value)).await;
            assert!(message.starts_with(name), "{name}={value}: {message}");
        }
    }
}

#[tokio::test]
async fn every_variable_that_is_wrong_is_named_at_once() {
    let stage = Stage::new().await.unset("TOPIC_ARN").set("CONCURRENCY", "0").set("MAX_RESPONSE_BYTES", "1");
    let message = refusal(stage).await;
    for name in ["TOPIC_ARN", "CONCURRENCY", "MAX_RESPONSE_BYTES"] {
        assert!(message.contains(name), "{message}");
    }
}

#[tokio::test]
async fn a_region_is_needed() {
    assert!(
        refusal(Stage::new().await.unset("AWS_REGION").set("AWS_EC2_METADATA_DISABLED", "true"))
            .await
            .contains("AWS_REGION")
    );
}

#[tokio::test]
async fn an_empty_variable_is_as_good_as_an_unset_one() {
    let stage = Stage::new().await.set("LEDGER_TABLE", "").set("CONCURRENCY", "").set("STALL_AFTER_SECONDS", "");
    let rig = stage.set("MAX_RESPONSE_BYTES", "").set("AWS_CA_BUNDLE", "").start().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "PENDING"));
    rig.check(json!({"ImageId": IMAGE})).await;
}

#[tokio::test]
async fn eight_describes_at_once_by_default() {
    for (stage, peak) in [(Stage::new().await, 8), (Stage::new().await.set("CONCURRENCY", "64"), 64)] {
        let rig = stage.start().await;
        rig.workspaces.set_default(Answer::After(
            std::time::Duration::from_millis(300),
            Box::new(description(IMAGE, "PENDING").into()),
        ));
        rig.invoke(crate::support::event((0..80).map(|number| json!({"ImageId": image(number), "State": "PENDING"}))))
            .await;
        assert_eq!(rig.workspaces.peak_concurrency(), peak);
    }
}

#[tokio::test]
async fn one_endpoint_for_all() {
    let stage = Stage::new().await;
    let url = stage.workspaces.url();
    let rig = stage.unset("AWS_ENDPOINT_URL_WORKSPACES").set("AWS_ENDPOINT_URL", &url).start().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "PENDING"));
    rig.check(json!({"ImageId": IMAGE, "State": "PENDING"})).await;
}

/// A rig whose services speak TLS under a private CA, and that CA in a file.
async fn private(variable: &str) -> (Rig, std::path::PathBuf) {
    let tls = Tls::new().expect("certificates");
    let path = std::env::temp_dir().join(format!("{variable}-{}.pem", std::process::id()));
    let mut file = std::fs::File::create(&path).expect("a file");
    file.write_all(tls.ca_pem.as_bytes()).expect("written");
    let mut stage = Stage::new().await;
    stage.workspaces = WorkSpaces::start_tls(&tls).await.expect("the simulator starts");
    stage.sns = Sns::start_tls(&tls).await.expect("the simulator starts");
    let (workspaces, sns) = (stage.workspaces.url(), stage.sns.url());
    let stage = stage.set("AWS_ENDPOINT_URL_WORKSPACES", &workspaces).set("AWS_ENDPOINT_URL_SNS", &sns);
    let stage = if variable.is_empty() { stage } else { stage.set(variable, path.to_str().expect("UTF-8")) };
    (stage.start().await, path)
}

#[tokio::test]
async fn a_private_ca_is_trusted_where_a_user_says_so() {
    for variable in ["AWS_CA_BUNDLE", "SSL_CERT_FILE"] {
        let (rig, path) = private(variable).await;
        rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
        rig.check(json!({"ImageId": IMAGE})).await;
        assert_eq!(rig.sns.published().len(), 1, "{variable}");
        std::fs::remove_file(path).expect("removed");
    }
    let (rig, path) = private("").await;
    assert_eq!(rig.fail(json!({"Imports": [{"ImageId": IMAGE}]})).await.error_type, "WorkSpaces.Unreachable");
    std::fs::remove_file(path).expect("removed");
}

#[tokio::test]
async fn a_bundle_that_is_none_is_a_configuration_error() {
    let path = std::env::temp_dir().join(format!("bundle-{}.pem", std::process::id()));
    let bad = [
        "",
        "no PEM at all",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n***\n-----END CERTIFICATE-----\n",
    ];
    for pem in bad {
        std::fs::write(&path, pem).expect("written");
        let message = refusal(Stage::new().await.set("AWS_CA_BUNDLE", path.to_str().expect("UTF-8"))).await;
        assert!(message.starts_with("AWS_CA_BUNDLE"), "{message}");
    }
    std::fs::remove_file(&path).expect("removed");
    assert!(
        refusal(Stage::new().await.set("AWS_CA_BUNDLE", "/no/such/file"))
            .await
            .starts_with("AWS_CA_BUNDLE cannot be read")
    );
}
