//! The SDK's clients: one HTTP client, and so one TLS set-up, behind all three.

use std::{env, time::Duration};

use aws_config::{
    AppName, BehaviorVersion, Region, SdkConfig,
    ecs::EcsCredentialsProvider,
    environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider},
    identity::IdentityCache,
    meta::{credentials::CredentialsProviderChain, region::ProvideRegion as _},
    provider_config::ProviderConfig,
    retry::RetryConfig,
    timeout::TimeoutConfig,
};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetrySpec;
use futures_util::{FutureExt, future::join_all};
use tokio::time::timeout;

use crate::{
    announcement::Sns,
    config::Config,
    error::{CallError, Error, Service},
    http_client::http_client,
    ledger::{Store, Table},
    trust::Trust,
    workspaces::WorkSpaces,
};

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
    /// Sets up the clients from the environment, with `credentials` or else Lambda's, and opens a connection to each
    /// service, unless that is switched off. One that cannot be opened is opened by the first call, as it would have been
    /// without.
    ///
    /// # Errors
    /// [`Error::InvalidConfiguration`] where there is no region, or `AWS_CA_BUNDLE` names no certificates.
    pub async fn start(config: &Config, credentials: Option<SharedCredentialsProvider>) -> Result<Self, Error> {
        if !config.connect_in_init {
            return Self::new(config, credentials, Trust::System).await;
        }
        let mut clients = Self::new(config, credentials.clone(), Trust::Amazon).await?;
        let mut problems = clients.connect().await;
        if problems.iter().any(is_of_another_authority) {
            // Another partition, or a proxy on the way.
            clients = Self::new(config, credentials, Trust::System).await?;
            problems = clients.connect().await;
        }
        for problem in problems {
            tracing::warn!(Error = problem.name(), Cause = problem.cause(), "no connection was opened in Init");
        }
        Ok(clients)
    }

    async fn new(config: &Config, credentials: Option<SharedCredentialsProvider>, trust: Trust) -> Result<Self, Error> {
        let sdk = sdk_config(credentials, http_client(trust.tls()?)).await?;
        let region = sdk.region().map(ToString::to_string).unwrap_or_default();
        let mut workspaces = aws_sdk_workspaces::config::Builder::from(&sdk);
        workspaces.set_endpoint_url(endpoint("WORKSPACES"));
        // A topic is published to in its own region, wherever the imports are.
        let topic_region = Region::new(config.topic.region.clone());
        let mut sns = aws_sdk_sns::config::Builder::from(&sdk).region(topic_region);
        sns.set_endpoint_url(endpoint("SNS"));
        let ledger = config.ledger_table.as_ref().map_or(Store::Payload, |table| {
            let mut dynamodb = aws_sdk_dynamodb::config::Builder::from(&sdk);
            dynamodb.set_endpoint_url(endpoint("DYNAMODB"));
            Store::Table(Table::new(aws_sdk_dynamodb::Client::from_conf(dynamodb.build()), table))
        });
        Ok(Self {
            workspaces: WorkSpaces::new(aws_sdk_workspaces::Client::from_conf(workspaces.build())),
            topic: Sns::new(aws_sdk_sns::Client::from_conf(sns.build()), config.topic.clone()),
            ledger,
            region,
        })
    }

    /// Opens a connection to each service; returns what stood in the way.
    async fn connect(&self) -> Vec<CallError> {
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
            let late = |_| Err(CallError::timeout(service, format!("no connection within {CONNECT_WITHIN:?}")));
            timeout(CONNECT_WITHIN, connecting).await.unwrap_or_else(late)
        });
        join_all(connecting).await.into_iter().filter_map(Result::err).collect()
    }
}

/// By the words of rustls, which the SDK passes on as text only.
fn is_of_another_authority(error: &CallError) -> bool {
    error.cause.contains("UnknownIssuer")
}

/// What Lambda has in the environment. The SDK's own way also looks for profiles, web identities and instance metadata,
/// none of which there are: a tenth of the binary, all of it resident.
async fn sdk_config(
    credentials: Option<SharedCredentialsProvider>,
    http_client: SharedHttpClient,
) -> Result<SdkConfig, Error> {
    let region = EnvironmentVariableRegionProvider::new().region().await.ok_or_else(|| {
        Error::InvalidConfiguration("AWS_REGION is missing: set it to the region of the imports".to_owned())
    })?;
    // Shows in CloudTrail who called.
    let app_name = AppName::new(env!("CARGO_PKG_NAME")).map_err(|error| Error::Internal(error.to_string()))?;
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(Duration::from_secs(10))
        .operation_timeout(Duration::from_secs(40))
        .build();
    let credentials = credentials.unwrap_or_else(|| lambda_credentials(&http_client));
    let mut sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region)
        .credentials_provider(credentials)
        .identity_cache(IdentityCache::lazy().build())
        .http_client(http_client)
        .app_name(app_name)
        .retry_config(retry_config())
        .timeout_config(timeouts);
    sdk.set_use_fips(flag("AWS_USE_FIPS_ENDPOINT")).set_use_dual_stack(flag("AWS_USE_DUALSTACK_ENDPOINT"));
    Ok(sdk.build())
}

/// Adaptive, by the newer of the SDK's two rules: the older one charges ten sends for a retry after a throttled
/// attempt, and a single throttled call then waits for twenty seconds.
fn retry_config() -> RetryConfig {
    RetryConfig::adaptive().with_retry_spec(RetrySpec::v2_1()).with_initial_backoff(Duration::from_millis(200))
}

/// The role's: in the environment, or from the endpoint that the environment names.
fn lambda_credentials(http_client: &SharedHttpClient) -> SharedCredentialsProvider {
    let provider = ProviderConfig::empty().with_http_client(http_client.clone());
    let container = EcsCredentialsProvider::builder().configure(&provider).build();
    let environment = EnvironmentVariableCredentialsProvider::new();
    let chain = CredentialsProviderChain::first_try("Environment", environment).or_else("Container", container);
    SharedCredentialsProvider::new(chain)
}

/// Where the environment says that a service is: the SDK's own `AWS_ENDPOINT_URL_…`, else `AWS_ENDPOINT_URL`.
fn endpoint(service: &str) -> Option<String> {
    let named = |name: &str| env::var(name).ok().filter(|url| !url.is_empty());
    named(&format!("AWS_ENDPOINT_URL_{service}")).or_else(|| named("AWS_ENDPOINT_URL"))
}

fn flag(name: &str) -> Option<bool> {
    env::var(name).ok()?.to_ascii_lowercase().parse().ok()
}
