//! Environment variables: the function's own, and those that the SDK reads (section "Configuration" of the contract).
//!
//! `cargo test --locked --test it configuration::`

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use fake_aws::{Act, Answer, Proxy, Reply, description};
use serde_json::{Value, json};

use crate::support::{IMAGE, Setup, event, image, private_ca::PrivateCa, workspaces_error};

/// Starts a function with an invalid configuration, asserts how it reports that, and returns the error message.
async fn refusal(setup: Setup) -> String {
    let rig = setup.start().await;
    let error = rig.fail(json!({"Imports": [{"ImageId": IMAGE}]})).await;
    assert_eq!(error.error_type, "InvalidConfiguration");
    let again = rig.fail(json!({})).await;
    assert_eq!(
        (again.error_type, again.message),
        (error.error_type, error.message.clone()),
        "every invocation fails with this error"
    );
    let logged = rig.logged("the configuration is invalid").await;
    assert_eq!(logged.len(), 1, "logged once, at the start");
    assert_eq!(logged[0]["Cause"], error.message.as_str());
    error.message
}

#[tokio::test]
async fn a_missing_or_malformed_variable_is_named() {
    assert!(refusal(Setup::new().await.unset("TOPIC_ARN")).await.starts_with("TOPIC_ARN is missing"));
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
        ("STALL_AFTER_SECONDS", &["-1", "1h", "315360001"]),
        ("MAX_RESPONSE_BYTES", &["16383", "6000001"]),
        ("CONNECT_IN_INIT", &["0", "yes", "True"]),
        ("CHAT", &["0", "yes", "True"]),
    ] {
        for value in values {
            let message = refusal(Setup::new().await.set(name, value)).await;
            assert!(message.starts_with(name), "{name}={value}: {message}");
        }
    }
}

#[tokio::test]
async fn all_invalid_variables_are_named_at_once() {
    let setup = Setup::new().await.unset("TOPIC_ARN").set("CONCURRENCY", "0").set("MAX_RESPONSE_BYTES", "1");
    let message = refusal(setup).await;
    for name in ["TOPIC_ARN", "CONCURRENCY", "MAX_RESPONSE_BYTES"] {
        assert!(message.contains(name), "{message}");
    }
}

#[tokio::test]
async fn a_region_is_required() {
    assert!(
        refusal(Setup::new().await.unset("AWS_REGION").set("AWS_EC2_METADATA_DISABLED", "true"))
            .await
            .contains("AWS_REGION")
    );
}

#[tokio::test]
async fn an_empty_variable_counts_as_unset() {
    let setup = Setup::new().await.set("LEDGER_TABLE", "").set("CONCURRENCY", "").set("STALL_AFTER_SECONDS", "");
    let rig = setup.set("MAX_RESPONSE_BYTES", "").set("AWS_CA_BUNDLE", "").start().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "PENDING"));
    rig.check(json!({"ImageId": IMAGE})).await;
}

#[tokio::test]
async fn eight_concurrent_describes_by_default() {
    for (setup, peak) in [(Setup::new().await, 8), (Setup::new().await.set("CONCURRENCY", "64"), 64)] {
        let rig = setup.start().await;
        rig.workspaces
            .set_default(Answer::After(Duration::from_millis(300), Box::new(description(IMAGE, "PENDING").into())));
        rig.invoke(event((0..80).map(|number| json!({"ImageId": image(number), "State": "PENDING"})))).await;
        assert_eq!(rig.workspaces.peak_concurrency(), peak);
    }
}

#[tokio::test]
async fn aws_endpoint_url_applies_to_a_service_without_its_own_endpoint() {
    let setup = Setup::new().await;
    let url = setup.workspaces.url();
    let rig = setup.unset("AWS_ENDPOINT_URL_WORKSPACES").set("AWS_ENDPOINT_URL", &url).start().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "PENDING"));
    rig.check(json!({"ImageId": IMAGE, "State": "PENDING"})).await;
}

fn temporary_file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("{name}-{}.pem", std::process::id()))
}

fn utf8(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[tokio::test]
async fn a_private_ca_is_trusted_only_if_configured() {
    let ca = PrivateCa::new();
    let setup = async || Setup::over_tls(&ca).await.unset("AWS_CA_BUNDLE");
    let folder = temporary_file("certificates").with_extension("d");
    fs::create_dir_all(&folder).expect("the folder is made");
    let refused = refusal(Setup::new().await.set("SSL_CERT_DIR", utf8(&folder))).await;
    assert_eq!(refused, "SSL_CERT_DIR contains no usable certificate");
    fs::copy(ca.file(), folder.join("ca.pem")).expect("the certificate is copied");
    for (variable, path) in
        [("AWS_CA_BUNDLE", ca.file()), ("SSL_CERT_FILE", ca.file()), ("SSL_CERT_DIR", utf8(&folder))]
    {
        // If there is a bundle, the file is not read.
        let file = if variable == "AWS_CA_BUNDLE" { "/no/such/file" } else { "" };
        let rig = setup().await.set("SSL_CERT_FILE", file).set(variable, path).start().await;
        rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
        rig.check(json!({"ImageId": IMAGE})).await;
        assert_eq!(rig.sns.published().len(), 1, "{variable}");
    }
    fs::remove_dir_all(&folder).expect("the folder is removed");
    let rig = setup().await.start().await;
    assert_eq!(rig.fail(json!({"Imports": [{"ImageId": IMAGE}]})).await.error_type, "WorkSpaces.Unreachable");
}

#[tokio::test]
async fn an_invalid_ca_bundle_is_a_configuration_error() {
    let path = temporary_file("bundle");
    let invalid = [
        "",
        "no PEM at all",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n***\n-----END CERTIFICATE-----\n",
    ];
    for (pem, variable) in invalid.into_iter().flat_map(|pem| [(pem, "AWS_CA_BUNDLE"), (pem, "SSL_CERT_FILE")]) {
        fs::write(&path, pem).expect("the file is written");
        let message = refusal(Setup::new().await.set(variable, utf8(&path))).await;
        assert!(message.starts_with(variable), "{message}");
    }
    fs::remove_file(&path).expect("the file is removed");
    assert!(
        refusal(Setup::new().await.set("AWS_CA_BUNDLE", "/no/such/file"))
            .await
            .starts_with("AWS_CA_BUNDLE cannot be read")
    );
}

#[tokio::test]
async fn the_ledger_can_be_given_by_its_arn() {
    const TABLE: &str = "arn:aws:dynamodb:eu-west-1:123456789012:table/image-imports";
    let proxy = Proxy::start("http://127.0.0.1:9").await.expect("the proxy starts");
    proxy.on(|operation, _| {
        let nothing = json!({"Responses": {TABLE: []}, "UnprocessedKeys": {}});
        Act::Reply(Reply::json(200, &if operation == "BatchGetItem" { nothing } else { json!({}) }))
    });
    let setup = Setup::new().await.set("LEDGER_TABLE", TABLE).set("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url());
    let rig = setup.start().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
    rig.check(json!({"ImageId": IMAGE})).await;
    let names: Vec<(String, bool)> = proxy
        .requests()
        .into_iter()
        .map(|(operation, request)| (operation, String::from_utf8_lossy(&request.body).contains(TABLE)))
        .collect();
    assert_eq!(names, ["BatchGetItem", "PutItem", "PutItem"].map(|operation| (operation.to_owned(), true)));
}

#[tokio::test]
async fn a_certificate_file_that_cannot_be_read_is_a_configuration_error() {
    for variable in ["AWS_CA_BUNDLE", "SSL_CERT_FILE"] {
        let message = refusal(Setup::new().await.set(variable, "/no/such/file")).await;
        assert!(message.starts_with(&format!("{variable} cannot be read")), "{message}");
    }
}

#[tokio::test]
async fn a_proxy_is_logged_as_not_used() {
    let setup = Setup::new().await.set("HTTPS_PROXY", "http://127.0.0.1:9");
    let rig = setup.set("ALL_PROXY", "http://127.0.0.1:9").start().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "PENDING"));
    for _ in 0..2 {
        rig.check(json!({"ImageId": IMAGE, "State": "PENDING"})).await;
    }
    rig.logged("invocation finished").await;
    let warnings = rig.logged("this function does not use a proxy").await;
    let variables: Vec<&Value> = warnings.iter().map(|warning| &warning["Variable"]).collect();
    assert_eq!(json!(variables), json!(["HTTPS_PROXY", "ALL_PROXY"]), "once each, at the start");
    assert!(warnings.iter().all(|warning| warning["level"] == "WARN"), "{warnings:?}");
}

#[tokio::test]
async fn an_empty_variable_of_the_sdk_counts_as_not_set() {
    let empty = [
        "AWS_RETRY_MODE",
        "AWS_MAX_ATTEMPTS",
        "AWS_NEW_RETRIES_2026",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_CA_BUNDLE",
        "AWS_ENDPOINT_URL",
    ];
    let setup = empty.into_iter().fold(Setup::new().await, |setup, name| setup.set(name, ""));
    let rig = setup.start().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "PENDING"));
    assert_eq!(rig.check(json!({"ImageId": IMAGE})).await["State"], "PENDING");
}

#[tokio::test]
async fn a_malformed_endpoint_variable_is_a_configuration_error() {
    for variable in ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"] {
        for value in ["yes", "1", " true"] {
            let message = refusal(Setup::new().await.set(variable, value)).await;
            assert_eq!(message, format!("{variable} must be true or false"));
        }
    }
}

#[tokio::test]
async fn the_number_of_attempts_can_be_set() {
    for attempts in [1, 2, 4] {
        let setup = Setup::new().await.set("AWS_MAX_ATTEMPTS", &attempts.to_string());
        let rig = setup.set("AWS_RETRY_MODE", "standard").start().await;
        rig.workspaces
            .set(IMAGE, Answer::Error { status: 503, code: "ServiceUnavailable".to_owned(), message: String::new() });
        rig.fail(json!({"Imports": [{"ImageId": IMAGE}]})).await;
        assert_eq!(rig.workspaces.calls().len(), attempts);
    }
    for (variable, values) in [("AWS_MAX_ATTEMPTS", &["0", "-1", "many"][..]), ("AWS_RETRY_MODE", &["legacy", "Fast"])]
    {
        for value in values {
            let message = refusal(Setup::new().await.set(variable, value)).await;
            assert!(message.starts_with(variable), "{variable}={value}: {message}");
        }
    }
}

/// In adaptive mode, the SDK holds calls back while a service throttles. In standard mode, it does not.
#[tokio::test]
async fn the_retry_mode_can_be_set() {
    for (mode, holds_back) in [("adaptive", true), ("standard", false)] {
        let setup = Setup::new().await.set("AWS_RETRY_MODE", mode).set("AWS_MAX_ATTEMPTS", "1").set("CONCURRENCY", "1");
        let rig = setup.start().await;
        rig.workspaces.set_default(workspaces_error("ThrottlingException", "Rate exceeded"));
        let records = event((0..20).map(|number| json!({"ImageId": image(number)})));
        rig.try_invoke(records, Duration::from_secs(4)).await.expect_err("throttled");
        assert_eq!(rig.workspaces.calls().len() < 20, holds_back, "{mode}: {} calls", rig.workspaces.calls().len());
    }
}

/// The SDK refuses to combine these with an endpoint of one's own, and says so.
#[tokio::test]
async fn fips_and_dual_stack_endpoints_can_be_selected() {
    for (variable, name) in [("AWS_USE_FIPS_ENDPOINT", "FIPS"), ("AWS_USE_DUALSTACK_ENDPOINT", "Dualstack")] {
        let rig = Setup::new().await.set(variable, "true").start().await;
        let failure = rig.fail(json!({"Imports": [{"ImageId": IMAGE}]})).await;
        assert!(failure.message.contains(name), "{}", failure.message);
        assert_eq!(rig.workspaces.calls().len(), 0);
    }
}
