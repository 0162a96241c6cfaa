//! Builds the SDK clients. All of them share one HTTP client and so one TLS setup.

use std::{env, ffi::OsString, str::FromStr as _, time::Duration};

use aws_config::{
    AppName, BehaviorVersion, Region, SdkConfig, default_provider,
    ecs::EcsCredentialsProvider,
    environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider},
    identity::IdentityCache,
    meta::{credentials::CredentialsProviderChain, region::ProvideRegion as _},
    provider_config::ProviderConfig,
    retry::{RetryConfig, RetryMode},
    stalled_stream_protection::StalledStreamProtectionConfig,
    timeout::TimeoutConfig,
};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use futures_util::{FutureExt, future::join_all};
use tokio::time::timeout;

use super::{http_client::http_client, tls::client_config};
use crate::{
    announcement::Sns,
    config::Config,
    error::{CallError, Error, Service},
    ledger::{ConfiguredLedger, LedgerTable},
    workspaces::WorkSpaces,
};

/// How long Init waits for connections. Init is billed, and a start without connections works, only more slowly.
const CONNECT_IN_INIT_TIMEOUT: Duration = Duration::from_secs(1);
/// The time limit for name resolution, TCP connection and TLS handshake together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The time limit of one attempt. The SDK has none by default. `deadline.rs` limits calls with all their attempts.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// The number of attempts of a call unless `AWS_MAX_ATTEMPTS` says otherwise. The SDK's three last for 150 ms; ten outlast
/// an outage of a few seconds.
const MAX_ATTEMPTS: u32 = 10;

/// The adapters to the services, ready to be called.
#[derive(Clone, Debug)]
pub struct Clients {
    /// Amazon WorkSpaces.
    pub workspaces: WorkSpaces,
    /// The SNS topic.
    pub topic: Sns,
    /// The configured ledger.
    pub ledger: ConfiguredLedger,
    /// The Region of the imports.
    pub region: String,
}

impl Clients {
    /// Builds the clients from the environment and, unless `CONNECT_IN_INIT` is off, opens a connection to each service.
    /// Without `credentials`, Lambda's are used. A connection that cannot be opened now is logged; the first call opens
    /// it later.
    ///
    /// # Errors
    /// [`Error::InvalidConfiguration`] if no Region is set, or if a variable for retries or certificates is invalid.
    pub async fn start(config: &Config, credentials: Option<SharedCredentialsProvider>) -> Result<Self, Error> {
        warn_of_proxies();
        let clients = Self::new(config, credentials).await?;
        if config.connect_in_init {
            for problem in clients.connect().await {
                tracing::warn!(
                    Error = problem.name(),
                    Cause = problem.cause(),
                    "no connection could be opened during Init"
                );
            }
        }
        Ok(clients)
    }

    async fn new(config: &Config, credentials: Option<SharedCredentialsProvider>) -> Result<Self, Error> {
        let sdk = sdk_config(credentials, http_client(client_config()?, CONNECT_TIMEOUT)).await?;
        let region = sdk.region().map(ToString::to_string).unwrap_or_default();
        let mut workspaces = aws_sdk_workspaces::config::Builder::from(&sdk);
        workspaces.set_endpoint_url(endpoint("WORKSPACES"));
        // The topic's Region may differ from the Region of the imports.
        let topic_region = Region::new(config.topic.region.clone());
        let mut sns = aws_sdk_sns::config::Builder::from(&sdk).region(topic_region);
        sns.set_endpoint_url(endpoint("SNS"));
        let ledger = config.ledger_table.as_ref().map_or(ConfiguredLedger::PayloadOnly, |table| {
            let mut dynamodb = aws_sdk_dynamodb::config::Builder::from(&sdk);
            dynamodb.set_endpoint_url(endpoint("DYNAMODB"));
            let client = aws_sdk_dynamodb::Client::from_conf(dynamodb.build());
            ConfiguredLedger::Table(LedgerTable::new(client, table, config.concurrency))
        });
        Ok(Self {
            workspaces: WorkSpaces::new(aws_sdk_workspaces::Client::from_conf(workspaces.build())),
            topic: Sns::new(aws_sdk_sns::Client::from_conf(sns.build()), config.topic.clone()),
            ledger,
            region,
        })
    }

    /// Opens a connection to each service. Returns the errors of those that failed.
    async fn connect(&self) -> Vec<CallError> {
        let ledger = async {
            match &self.ledger {
                ConfiguredLedger::PayloadOnly => Ok(()),
                ConfiguredLedger::Table(table) => table.connect().await,
            }
        };
        let services = [
            (Service::WorkSpaces, self.workspaces.connect().boxed()),
            (Service::Sns, self.topic.connect().boxed()),
            (Service::DynamoDb, ledger.boxed()),
        ];
        let connecting = services.map(|(service, connecting)| async move {
            let late =
                |_| Err(CallError::timeout(service, format!("no connection within {CONNECT_IN_INIT_TIMEOUT:?}")));
            timeout(CONNECT_IN_INIT_TIMEOUT, connecting).await.unwrap_or_else(late)
        });
        join_all(connecting).await.into_iter().filter_map(Result::err).collect()
    }
}

/// The HTTP client does not support proxies. Says so if one is configured, because the SDK's own client would use it.
fn warn_of_proxies() {
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        if env::var_os(name).is_some_and(|proxy| !proxy.is_empty()) {
            tracing::warn!(Variable = name, "this function does not use a proxy");
        }
    }
}

/// The SDK configuration from Lambda's environment. The SDK's default providers also look for profiles, web identities
/// and instance metadata. Lambda has none of these, and the code for them makes up a tenth of the binary.
async fn sdk_config(
    credentials: Option<SharedCredentialsProvider>,
    http_client: SharedHttpClient,
) -> Result<SdkConfig, Error> {
    let region = EnvironmentVariableRegionProvider::new().region().await.ok_or_else(|| {
        Error::InvalidConfiguration("AWS_REGION is missing: set it to the Region of the imports".to_owned())
    })?;
    // CloudTrail shows this name with each call.
    let app_name = AppName::new(env!("CARGO_PKG_NAME")).map_err(|error| Error::Internal(error.to_string()))?;
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
    let credentials = credentials.unwrap_or_else(|| lambda_credentials(&http_client));
    let mut sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region)
        .credentials_provider(credentials)
        .identity_cache(IdentityCache::lazy().build())
        .http_client(http_client)
        .app_name(app_name)
        .retry_config(retry_config().await?)
        .timeout_config(timeouts)
        // This would watch the speed of each body. For responses of a few KB, the time limit of an attempt is enough.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    sdk.set_use_fips(flag("AWS_USE_FIPS_ENDPOINT")).set_use_dual_stack(flag("AWS_USE_DUALSTACK_ENDPOINT"));
    Ok(sdk.build())
}

/// The SDK's own retry configuration, from `AWS_RETRY_MODE`, `AWS_MAX_ATTEMPTS` and `AWS_NEW_RETRIES_2026`. The template
/// sets them: adaptive mode under the newer of the SDK's two rule sets.
///
/// # Errors
/// [`Error::InvalidConfiguration`] for values over which the SDK would panic.
async fn retry_config() -> Result<RetryConfig, Error> {
    let invalid = |name: &str, expected: &str| Error::InvalidConfiguration(format!("{name} must be {expected}"));
    let attempts = env::var_os("AWS_MAX_ATTEMPTS");
    let is_number =
        |text: &OsString| text.to_str().and_then(|text| text.parse().ok()).is_some_and(|number: u32| number > 0);
    if attempts.as_ref().is_some_and(|text| !is_number(text)) {
        return Err(invalid("AWS_MAX_ATTEMPTS", "a positive integer"));
    }
    let is_mode = |text: &OsString| text.to_str().is_some_and(|text| RetryMode::from_str(text).is_ok());
    if env::var_os("AWS_RETRY_MODE").is_some_and(|text| !is_mode(&text)) {
        return Err(invalid("AWS_RETRY_MODE", "standard or adaptive"));
    }
    let provider = default_provider::retry_config::default_provider().configure(&ProviderConfig::empty());
    let retries = provider.retry_config().await.with_initial_backoff(Duration::from_millis(200));
    Ok(if attempts.is_none() { retries.with_max_attempts(MAX_ATTEMPTS) } else { retries })
}

/// The credentials of the function's role, from the environment or from the endpoint that the environment names.
fn lambda_credentials(http_client: &SharedHttpClient) -> SharedCredentialsProvider {
    let provider = ProviderConfig::empty().with_http_client(http_client.clone());
    let container = EcsCredentialsProvider::builder().configure(&provider).build();
    let environment = EnvironmentVariableCredentialsProvider::new();
    let chain = CredentialsProviderChain::first_try("Environment", environment).or_else("Container", container);
    SharedCredentialsProvider::new(chain)
}

/// The endpoint of a service as the environment sets it: `AWS_ENDPOINT_URL_…`, otherwise `AWS_ENDPOINT_URL`. Both are the
/// SDK's own variables.
fn endpoint(service: &str) -> Option<String> {
    let named = |name: &str| env::var(name).ok().filter(|url| !url.is_empty());
    named(&format!("AWS_ENDPOINT_URL_{service}")).or_else(|| named("AWS_ENDPOINT_URL"))
}

fn flag(name: &str) -> Option<bool> {
    env::var(name).ok()?.to_ascii_lowercase().parse().ok()
}
