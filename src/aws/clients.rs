//! Configures the SDK from the environment. All clients share one HTTP client and so one TLS setup.

use std::{env, str::FromStr as _, time::Duration};

use aws_config::{
    AppName, BehaviorVersion, SdkConfig, default_provider,
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

use super::{http_client::http_client, tls::client_config};
use crate::error::Error;

/// The time limit for name resolution, TCP connection and TLS handshake together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The time limit of one attempt. The SDK has none by default. `call.rs` limits calls with all their attempts.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// The number of attempts of a call unless `AWS_MAX_ATTEMPTS` says otherwise. The SDK's three last for 150 ms; ten
/// outlast an outage of a few seconds.
const DEFAULT_ATTEMPTS: u32 = 10;
const RETRY_MODE: &str = "AWS_RETRY_MODE";
const MAX_ATTEMPTS: &str = "AWS_MAX_ATTEMPTS";

/// The HTTP client does not support proxies. Says so if one is configured, because the SDK's own client would use it.
pub(super) fn warn_of_proxies() {
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        if env::var_os(name).is_some_and(|proxy| !proxy.is_empty()) {
            tracing::warn!(Variable = name, "this function does not use a proxy");
        }
    }
}

/// The SDK configuration from Lambda's environment, with Lambda's credentials unless others are given. The SDK's
/// default providers also look for profiles, web identities and instance metadata. Lambda has none of these, and the
/// code for them makes up a tenth of the binary.
///
/// # Errors
/// [`Error::InvalidConfiguration`] if no Region is set, or if a variable for endpoints, retries or certificates is
/// invalid.
pub(super) async fn sdk_config(credentials: Option<SharedCredentialsProvider>) -> Result<SdkConfig, Error> {
    let http_client = http_client(client_config()?, CONNECT_TIMEOUT);
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
    sdk.set_use_fips(flag("AWS_USE_FIPS_ENDPOINT")?).set_use_dual_stack(flag("AWS_USE_DUALSTACK_ENDPOINT")?);
    Ok(sdk.build())
}

/// The SDK's own retry configuration, from `AWS_RETRY_MODE`, `AWS_MAX_ATTEMPTS` and `AWS_NEW_RETRIES_2026`. The
/// template sets them: adaptive mode under the newer of the SDK's two rule sets. If one of the first two is empty, the
/// SDK keeps its older rules.
///
/// # Errors
/// [`Error::InvalidConfiguration`] for values over which the SDK would panic.
async fn retry_config() -> Result<RetryConfig, Error> {
    let mode = variable(RETRY_MODE, "standard or adaptive", |text| RetryMode::from_str(text).ok())?;
    let is_positive = |text: &str| text.parse().ok().filter(|attempts: &u32| *attempts > 0);
    let attempts = variable(MAX_ATTEMPTS, "a positive integer", is_positive)?;
    let is_empty = |name: &str| env::var_os(name).is_some_and(|value| value.is_empty());
    let retries = if is_empty(RETRY_MODE) || is_empty(MAX_ATTEMPTS) {
        // The SDK's provider panics over an empty variable. Only it can choose the newer rules.
        RetryConfig::standard()
    } else {
        let provider = default_provider::retry_config::default_provider().configure(&ProviderConfig::empty());
        provider.retry_config().await
    };
    let mode = mode.unwrap_or(retries.mode());
    let attempts = attempts.unwrap_or(DEFAULT_ATTEMPTS);
    Ok(retries.with_retry_mode(mode).with_max_attempts(attempts).with_initial_backoff(Duration::from_millis(200)))
}

/// The credentials of the function's role, from the environment or from the endpoint that the environment names.
fn lambda_credentials(http_client: &SharedHttpClient) -> SharedCredentialsProvider {
    let provider = ProviderConfig::empty().with_http_client(http_client.clone());
    let container = EcsCredentialsProvider::builder().configure(&provider).build();
    let environment = EnvironmentVariableCredentialsProvider::new();
    let chain = CredentialsProviderChain::first_try("Environment", environment).or_else("Container", container);
    SharedCredentialsProvider::new(chain)
}

/// The endpoint of a service as the environment sets it: `AWS_ENDPOINT_URL_…`, otherwise `AWS_ENDPOINT_URL`. Both are
/// the SDK's own variables.
pub(super) fn endpoint(service: &str) -> Option<String> {
    let named = |name: &str| env::var(name).ok().filter(|url| !url.is_empty());
    named(&format!("AWS_ENDPOINT_URL_{service}")).or_else(|| named("AWS_ENDPOINT_URL"))
}

fn flag(name: &str) -> Result<Option<bool>, Error> {
    variable(name, "true or false", |text| text.to_ascii_lowercase().parse().ok())
}

/// The value of one of the SDK's own variables, if it is set and not empty.
///
/// # Errors
/// [`Error::InvalidConfiguration`] if it is not as `expected`.
fn variable<T>(name: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Error> {
    let Some(value) = env::var_os(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    match value.to_str().and_then(parse) {
        Some(value) => Ok(Some(value)),
        None => Err(Error::InvalidConfiguration(format!("{name} must be {expected}"))),
    }
}
