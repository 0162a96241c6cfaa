//! Calls the simulator with the real AWS SDK.

use std::{error::Error, time::Duration};

use aws_sdk_sns::{
    error::ProvideErrorMetadata,
    types::{MessageAttributeValue, PublishBatchRequestEntry},
};
use aws_sdk_workspaces::{
    config::{BehaviorVersion, Credentials, Region, SharedHttpClient, retry::RetryConfig, timeout::TimeoutConfig},
    operation::describe_custom_workspace_image_import::DescribeCustomWorkspaceImageImportError,
    types::{
        Compute, ComputeType, CustomImageProtocol, CustomWorkspaceImageImportState, ImageComputeType,
        ImageSourceIdentifier, ImageValidationMode, OsVersion, Platform, RootStorage, Tag, UserStorage,
    },
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use fake_aws::{Answer, Fault, Proxy, STATES, Sns, SnsAnswer, Tls, WorkSpaces, description};

type TestResult = Result<(), Box<dyn Error>>;

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:imports.fifo";

fn http(tls: Option<&Tls>) -> Result<SharedHttpClient, Box<dyn Error>> {
    let trust =
        tls.map_or_else(TrustStore::empty, |tls| TrustStore::empty().with_pem_certificate(tls.ca_pem.as_bytes()));
    let context = TlsContext::builder().with_trust_store(trust).build()?;
    Ok(Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(context).build_https())
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(2)).build()
}

fn workspaces(url: String, http: SharedHttpClient) -> aws_sdk_workspaces::Client {
    let config = aws_sdk_workspaces::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
        .region(Region::new("eu-west-1"))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .http_client(http)
        .endpoint_url(url);
    aws_sdk_workspaces::Client::from_conf(config.build())
}

fn sns(url: String, http: SharedHttpClient) -> aws_sdk_sns::Client {
    let config = aws_sdk_sns::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
        .region(Region::new("eu-west-1"))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .http_client(http)
        .endpoint_url(url);
    aws_sdk_sns::Client::from_conf(config.build())
}

fn entry(id: &str, message: &str) -> Result<PublishBatchRequestEntry, Box<dyn Error>> {
    let attribute =
        |kind: &str, value: &str| MessageAttributeValue::builder().data_type(kind).string_value(value).build();
    Ok(PublishBatchRequestEntry::builder()
        .id(id)
        .message(message)
        .subject("Import")
        .message_structure("json")
        .message_group_id("wsi-1")
        .message_deduplication_id("wsi-1#1:PENDING")
        .message_attributes("To", attribute("String", "PENDING")?)
        .message_attributes("ProgressPercentage", attribute("Number", "62")?)
        .build()?)
}

#[tokio::test]
async fn the_sdk_reads_every_member_of_a_description() -> TestResult {
    let server = WorkSpaces::start().await?;
    let body = description("wsi-1", "VALIDATING")
        .message("m")
        .progress(62)
        .created(1_767_776_400.0)
        .updated(1_767_780_751.25)
        .ami("ami-1")
        .infrastructure("arn")
        .instance("i-1")
        .error("Code", "why")
        .member("Unknown", true.into());
    server.set("wsi-1", body);
    let client = workspaces(server.url(), http(None)?);
    let output = client.describe_custom_workspace_image_import().image_id("wsi-1").send().await?;
    assert_eq!(output.image_id(), Some("wsi-1"));
    assert_eq!(output.state(), Some(&CustomWorkspaceImageImportState::Validating));
    assert_eq!(output.state_message(), Some("m"));
    assert_eq!(output.progress_percentage(), Some(62));
    assert_eq!(output.created().map(aws_sdk_workspaces::primitives::DateTime::secs), Some(1_767_776_400));
    assert_eq!(output.last_updated_time().map(|time| time.to_millis().ok()), Some(Some(1_767_780_751_250)));
    assert_eq!(output.image_source(), Some(&ImageSourceIdentifier::Ec2ImageId("ami-1".into())));
    assert_eq!(output.infrastructure_configuration_arn(), Some("arn"));
    assert_eq!(output.image_builder_instance_id(), Some("i-1"));
    assert_eq!(output.error_details()[0].error_code(), Some("Code"));
    assert_eq!(output.error_details()[0].error_message(), Some("why"));
    Ok(())
}

#[tokio::test]
async fn the_sdk_distinguishes_errors_from_faults() -> TestResult {
    let server = WorkSpaces::start().await?;
    let client = workspaces(server.url(), http(None)?);
    let describe = async |answer: Answer| {
        server.set("wsi-1", answer);
        client.describe_custom_workspace_image_import().image_id("wsi-1").send().await
    };
    let missing = describe(Answer::NotFound).await.unwrap_err();
    assert!(
        missing
            .as_service_error()
            .is_some_and(DescribeCustomWorkspaceImageImportError::is_resource_not_found_exception)
    );
    assert_eq!(missing.message(), Some("The image wsi-1 could not be found."));
    for fault in
        [Fault::Reset, Fault::Truncated, Fault::NoAnswer, Fault::Garbage, Fault::SlowBody(Duration::from_secs(9))]
    {
        let error = describe(fault.clone().into()).await.expect_err("a fault is not a description");
        assert_eq!(error.code(), None, "{fault:?}: {error:?}");
    }
    let slow = describe(Fault::SlowBody(Duration::from_millis(50)).into()).await?;
    assert_eq!(slow.state(), None);
    Ok(())
}

#[test]
fn the_states_are_those_of_the_sdk() {
    let mut ours = STATES;
    let mut sdks = CustomWorkspaceImageImportState::values().to_vec();
    ours.sort_unstable();
    sdks.sort_unstable();
    assert_eq!(ours.as_slice(), sdks);
}

#[tokio::test]
async fn the_sdk_connects_only_if_it_trusts_the_ca() -> TestResult {
    let tls = Tls::new()?;
    let server = WorkSpaces::start_tls(&tls).await?;
    server.set("wsi-1", description("wsi-1", "PENDING"));
    assert!(server.url().starts_with("https://localhost:"));
    let trusting = workspaces(server.url(), http(Some(&tls))?);
    let output = trusting.describe_custom_workspace_image_import().image_id("wsi-1").send().await?;
    assert_eq!(output.state(), Some(&CustomWorkspaceImageImportState::Pending));

    let other = workspaces(server.url(), http(Some(&Tls::new()?))?);
    assert!(other.describe_custom_workspace_image_import().image_id("wsi-1").send().await.is_err());
    for fault in [Fault::Reset, Fault::Truncated] {
        server.set("wsi-1", fault);
        assert!(trusting.describe_custom_workspace_image_import().image_id("wsi-1").send().await.is_err());
    }
    assert_eq!(server.calls().len(), 3);
    Ok(())
}

#[tokio::test]
async fn the_sdk_publishes_a_batch_and_reads_the_result() -> TestResult {
    let server = Sns::start().await?;
    server.script([SnsAnswer::FailEntries(vec![(1, "KMSThrottling".into(), "a < b".into())])]);
    let client = sns(server.url(), http(None)?);
    let output = client
        .publish_batch()
        .topic_arn(TOPIC)
        .publish_batch_request_entries(entry("0", "{\"default\": \"ü & <x>\"}")?)
        .publish_batch_request_entries(entry("1", "{\"default\": \"b\"}")?)
        .publish_batch_request_entries(entry("2", "not JSON")?)
        .send()
        .await?;
    let successful = output.successful();
    assert_eq!((successful.len(), successful[0].id()), (1, Some("0")));
    assert!(successful[0].message_id().is_some() && successful[0].sequence_number().is_some());
    let failed: Vec<_> = output.failed().iter().map(|entry| (entry.id(), entry.code(), entry.sender_fault())).collect();
    assert_eq!(failed, [("1", "KMSThrottling", true), ("2", "InvalidParameter", true)]);
    assert_eq!(output.failed()[0].message(), Some("a < b"));

    let published = server.published();
    assert_eq!(published.len(), 1);
    assert_eq!(published[0].topic_arn, TOPIC);
    assert_eq!(published[0].body("sqs").as_deref(), Some("ü & <x>"));
    assert_eq!(published[0].subject.as_deref(), Some("Import"));
    assert_eq!(published[0].group_id.as_deref(), Some("wsi-1"));
    assert_eq!(published[0].deduplication_id.as_deref(), Some("wsi-1#1:PENDING"));
    assert_eq!(published[0].attributes["To"], ("String".to_owned(), "PENDING".to_owned()));
    assert_eq!(published[0].attributes["ProgressPercentage"], ("Number".to_owned(), "62".to_owned()));
    Ok(())
}

#[tokio::test]
async fn the_sdk_reads_the_codes_of_sns_errors() -> TestResult {
    let server = Sns::start().await?;
    let client = sns(server.url(), http(None)?);
    server.set(SnsAnswer::Error { status: 403, code: "AuthorizationError".into(), message: "not <you>".into() });
    let publish = || -> Result<_, Box<dyn Error>> {
        let first = entry("0", "{\"default\": \"a\"}")?;
        Ok(client.publish_batch().topic_arn(TOPIC).publish_batch_request_entries(first))
    };
    let error = publish()?.send().await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Some("AuthorizationError"), Some("not <you>")));
    server.set(SnsAnswer::Take);
    let twice = publish()?.publish_batch_request_entries(entry("0", "{\"default\": \"b\"}")?).send().await;
    assert_eq!(twice.unwrap_err().code(), Some("BatchEntryIdsNotDistinct"));
    assert_eq!(publish()?.send().await?.successful().len(), 1);
    Ok(())
}

#[tokio::test]
async fn the_proxy_is_transparent() -> TestResult {
    let server = Sns::start().await?;
    let proxy = Proxy::start(&server.url()).await?;
    let client = sns(proxy.url(), http(None)?);
    let first = entry("0", "{\"default\": \"a\"}")?;
    client.publish_batch().topic_arn(TOPIC).publish_batch_request_entries(first).send().await?;
    assert_eq!((proxy.count("PublishBatch"), server.published().len()), (1, 1));
    Ok(())
}

/// The SDK's requests contain every member that the operations have, so the simulator knows all of them.
#[tokio::test]
async fn images_and_bundles_are_created() -> TestResult {
    let service = WorkSpaces::start().await?;
    let client = workspaces(service.url(), http(None)?);
    let tag = Tag::builder().key("k").value("v").build()?;
    let image = client
        .import_custom_workspace_image()
        .image_name("golden")
        .image_description("d")
        .compute_type(ImageComputeType::Base)
        .protocol(CustomImageProtocol::Dcv)
        .image_source(ImageSourceIdentifier::Ec2ImageId("ami-0123456789abcdef0".into()))
        .infrastructure_configuration_arn("arn")
        .platform(Platform::Windows)
        .os_version(OsVersion::Windows11)
        .image_validation_mode(ImageValidationMode::ServiceManaged)
        .tags(tag.clone())
        .send()
        .await?;
    assert_eq!(image.state(), Some(&CustomWorkspaceImageImportState::Pending));
    let image_id = image.image_id().unwrap_or_default();
    let created = client
        .create_workspace_bundle()
        .bundle_name("golden")
        .bundle_description("d")
        .image_id(image_id)
        .compute_type(ComputeType::builder().name(Compute::Standard).build())
        .user_storage(UserStorage::builder().capacity("50").build()?)
        .root_storage(RootStorage::builder().capacity("80").build()?)
        .tags(tag)
        .send()
        .await?;
    let bundle = created.workspace_bundle().ok_or("no bundle")?;
    assert_eq!((bundle.bundle_id(), bundle.image_id()), (Some("wsb-bundle0002"), Some(image_id)));
    Ok(())
}
