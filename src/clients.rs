//! The SDK's clients: one HTTP client, and so one TLS set-up, behind all three.

use std::time::Duration;

use aws_config::{AppName, BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::{base64, retry::RetrySpec};
use futures_util::{FutureExt, future::join_all};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio::time::timeout;

use crate::{
    announcement::Sns,
    config::Config,
    error::{CallError, Error, Service},
    ledger::{Store, Table},
    workspaces::WorkSpaces,
};

const AWS_CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// How long Init waits for connections. It is billed, and a start without them is only a slower one.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// The adapters to the services, ready to be called.
#[derive(Clone, Debug)]
pub struct Clients {
    /// Amazon WorkSpaces.
    pub workspaces: WorkSpaces,
    /// The SNS topic.
    pub topic: Sns,
    /// Where records are remembered.
    pub ledger: Store,
    /// The region of the imports.
    pub region: String,
}

impl Clients {
    /// Sets up the clients from the SDK's own environment: region, credentials, `AWS_ENDPOINT_URL…`.
    ///
    /// # Errors
    /// [`Error::InvalidConfiguration`] where there is no region, or `AWS_CA_BUNDLE` names no certificates.
    pub async fn new(config: &Config) -> Result<Self, Error> {
        // Shows in CloudTrail who called.
        let app_name = AppName::new(env!("CARGO_PKG_NAME")).map_err(|error| Error::Internal(error.to_string()))?;
        let sdk = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http_client()?)
            .app_name(app_name)
            .retry_config(retry_config())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(3))
                    .operation_attempt_timeout(Duration::from_secs(10))
                    .operation_timeout(Duration::from_secs(40))
                    .build(),
            )
            .load()
            .await;
        let region = sdk.region().ok_or_else(|| {
            Error::InvalidConfiguration("AWS_REGION is missing: set it to the region of the imports".to_owned())
        })?;
        Ok(Self {
            workspaces: WorkSpaces::new(aws_sdk_workspaces::Client::new(&sdk)),
            topic: Sns::new(sns(&sdk, &config.topic.region), config.topic.clone()),
            ledger: config
                .ledger_table
                .as_ref()
                .map_or(Store::Payload, |table| Store::Table(Table::new(aws_sdk_dynamodb::Client::new(&sdk), table))),
            region: region.to_string(),
        })
    }

    /// Opens a connection to each service. Where that fails or takes more than a second, the first call opens it, as
    /// it would have without.
    pub async fn connect(&self) {
        let ledger = async {
            match &self.ledger {
                Store::Payload => Ok(()),
                Store::Table(table) => table.connect().await,
            }
        };
        let services = [
            (Service::WorkSpaces, self.workspaces.connect().boxed()),
            (Service::Sns, self.topic.connect().boxed()),
            (Service::DynamoDb, ledger.boxed()),
        ];
        let connecting = services.map(|(service, connecting)| async move {
            let connected = timeout(CONNECT_WITHIN, connecting).await;
            let late = |_| Err(CallError::timeout(service, format!("no connection within {CONNECT_WITHIN:?}")));
            if let Err(error) = connected.unwrap_or_else(late) {
                tracing::warn!(Error = error.name(), Cause = error.cause(), "no connection was opened in Init");
            }
        });
        join_all(connecting).await;
    }
}

/// Adaptive, by the newer of the SDK's two rules: the older one charges ten sends for a retry after a throttled
/// attempt, and a single throttled call then waits for twenty seconds.
fn retry_config() -> RetryConfig {
    RetryConfig::adaptive().with_retry_spec(RetrySpec::v2_1()).with_initial_backoff(Duration::from_millis(200))
}

/// A topic is published to in its own region, wherever the imports are.
fn sns(sdk: &SdkConfig, region: &str) -> aws_sdk_sns::Client {
    let config = aws_sdk_sns::config::Builder::from(sdk).region(Region::new(region.to_owned())).build();
    aws_sdk_sns::Client::from_conf(config)
}

/// rustls over ring. The SDK for Rust does not read `AWS_CA_BUNDLE`, and its connector panics over a certificate that
/// it cannot use: both are seen to here. `SSL_CERT_FILE` works by itself, through the native roots.
fn http_client() -> Result<SharedHttpClient, Error> {
    let mut tls = TlsContext::builder();
    if let Some(path) = std::env::var_os(AWS_CA_BUNDLE).filter(|path| !path.is_empty()) {
        let usable = std::fs::read(path)
            .map_err(|error| format!("cannot be read: {error}"))
            .and_then(|bundle| usable_certificates(&bundle));
        let pem = usable.map_err(|problem| Error::InvalidConfiguration(format!("{AWS_CA_BUNDLE} {problem}")))?;
        tls = tls.with_trust_store(TrustStore::empty().with_pem_certificate(pem));
    }
    let tls = tls.build().map_err(|error| Error::InvalidConfiguration(error.to_string()))?;
    Ok(Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls).build_https())
}

/// The certificates of a bundle that can be a root of trust, as PEM again. One that cannot be, as old bundles have
/// some, must not cost all the others.
fn usable_certificates(bundle: &[u8]) -> Result<String, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bundle).collect();
    let certificates = certificates.map_err(|error| format!("is not PEM: {error}"))?;
    let is_usable = |der: &CertificateDer<'_>| RootCertStore::empty().add(der.clone()).is_ok();
    let pem = |der: CertificateDer<'_>| {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", base64::encode(der))
    };
    let usable: String = certificates.into_iter().filter(is_usable).map(pem).collect();
    if usable.is_empty() { Err("has no certificate that can be used".to_owned()) } else { Ok(usable) }
}
