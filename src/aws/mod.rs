//! AWS: everything that knows the SDK. [`Aws`] is the port's implementation over real services.

mod call;
mod clients;
mod description;
mod dynamodb;
mod error;
mod http_client;
mod ping;
mod signing_time;
mod sns;
mod tls;
mod workspaces;

use std::time::Duration;

use aws_config::{Region, SdkConfig};
pub use aws_credential_types::provider::SharedCredentialsProvider;
use futures_util::{FutureExt, future::join_all};
use tokio::time::{Instant, timeout};

use self::{
    clients::{endpoint, sdk_config, warn_of_proxies},
    dynamodb::LedgerTable,
    signing_time::SigningTime,
    sns::Sns,
    workspaces::WorkSpaces,
};
use crate::{
    config::Config,
    error::{CallError, Error, Service},
    import::{ImageId, Timestamp},
    message::Message,
    services::{DescribeOutcome, Items, SearchOutcome, Services, Write, WriteOutcome},
};

/// How long Init waits for connections. Init is billed, and a start without connections works, only more slowly.
const CONNECT_IN_INIT_TIMEOUT: Duration = Duration::from_secs(1);

/// The services on AWS, ready to be called.
#[derive(Clone, Debug)]
pub struct Aws {
    workspaces: WorkSpaces,
    sns: Sns,
    /// `None` if the payload carries everything. There is then nothing to read or write, and nothing can be late.
    ledger: Option<LedgerTable>,
    region: String,
}

impl Aws {
    /// Builds the clients from the environment and, unless `CONNECT_IN_INIT` is off, opens a connection to each
    /// service. Without `credentials`, Lambda's are used. A connection that cannot be opened now is logged; the first
    /// call opens it later.
    ///
    /// # Errors
    /// [`Error::InvalidConfiguration`] if no Region is set, or if one of the SDK's variables is invalid.
    pub(crate) async fn start(config: &Config, credentials: Option<SharedCredentialsProvider>) -> Result<Self, Error> {
        warn_of_proxies();
        let aws = Self::new(&sdk_config(credentials).await?, config);
        if config.connect_in_init {
            for error in aws.connect().await {
                tracing::warn!(
                    Error = error.name(),
                    Cause = error.cause(),
                    "no connection could be opened during Init"
                );
            }
        }
        Ok(aws)
    }

    /// Builds the clients, with the SDK configured like this.
    #[must_use]
    pub fn new(sdk: &SdkConfig, config: &Config) -> Self {
        let region = sdk.region().map(ToString::to_string).unwrap_or_default();
        let mut workspaces = aws_sdk_workspaces::config::Builder::from(sdk).retry_classifier(SigningTime);
        workspaces.push_interceptor(SigningTime::interceptor()).set_endpoint_url(endpoint("WORKSPACES"));
        // The topic's Region may differ from the Region of the imports.
        let topic_region = Region::new(config.topic.region.clone());
        let mut sns = aws_sdk_sns::config::Builder::from(sdk).retry_classifier(SigningTime).region(topic_region);
        sns.push_interceptor(SigningTime::interceptor()).set_endpoint_url(endpoint("SNS"));
        let ledger = config.ledger_table.as_ref().map(|table| {
            let mut dynamodb = aws_sdk_dynamodb::config::Builder::from(sdk).retry_classifier(SigningTime);
            dynamodb.push_interceptor(SigningTime::interceptor()).set_endpoint_url(endpoint("DYNAMODB"));
            let client = aws_sdk_dynamodb::Client::from_conf(dynamodb.build());
            LedgerTable::new(client, table.clone(), config.concurrency)
        });
        Self {
            workspaces: WorkSpaces::new(aws_sdk_workspaces::Client::from_conf(workspaces.build())),
            sns: Sns::new(aws_sdk_sns::Client::from_conf(sns.build()), config.topic.clone()),
            ledger,
            region,
        }
    }

    /// The Region of the imports.
    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// Opens a connection to each service. Returns the errors of those that failed.
    async fn connect(&self) -> Vec<CallError> {
        let mut connecting =
            vec![(Service::WorkSpaces, self.workspaces.connect().boxed()), (Service::Sns, self.sns.connect().boxed())];
        if let Some(ledger) = &self.ledger {
            connecting.push((Service::DynamoDb, ledger.connect().boxed()));
        }
        let connecting = connecting.into_iter().map(|(service, connecting)| async move {
            let late =
                |_| Err(CallError::timeout(service, format!("no connection within {CONNECT_IN_INIT_TIMEOUT:?}")));
            timeout(CONNECT_IN_INIT_TIMEOUT, connecting).await.unwrap_or_else(late)
        });
        join_all(connecting).await.into_iter().filter_map(Result::err).collect()
    }
}

impl Services for Aws {
    async fn list_pending(&self, deadline: Instant) -> SearchOutcome {
        self.workspaces.list_pending(deadline).await
    }

    async fn describe(&self, image_id: &ImageId, deadline: Instant) -> DescribeOutcome {
        self.workspaces.describe(image_id, deadline).await
    }

    async fn publish(&self, batch: &[Message], deadline: Instant) -> Vec<Result<(), CallError>> {
        self.sns.publish(batch, deadline).await
    }

    async fn read_items(&self, image_ids: &[&ImageId], deadline: Instant) -> Items {
        match &self.ledger {
            Some(ledger) => ledger.read(image_ids, deadline).await,
            None => Items::new(),
        }
    }

    async fn find_unsettled(&self, failed_after: Timestamp, deadline: Instant) -> SearchOutcome {
        match &self.ledger {
            Some(ledger) => ledger.find_unsettled(failed_after, deadline).await,
            None => SearchOutcome::default(),
        }
    }

    async fn write_item(&self, write: Write<'_>, deadline: Instant) -> WriteOutcome {
        match &self.ledger {
            Some(ledger) => ledger.write(write, deadline).await,
            None => WriteOutcome::NoLedger,
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, identity::IdentityCache};
    use aws_credential_types::{
        Credentials,
        provider::{ProvideCredentials, error::CredentialsError, future},
    };
    use aws_smithy_runtime_api::client::http::http_client_fn;

    use super::*;

    /// A source of credentials that gives what this function returns.
    #[derive(Debug)]
    struct Source(fn() -> Result<Credentials, CredentialsError>);

    impl ProvideCredentials for Source {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::ready((self.0)())
        }
    }

    /// The error of describing an import with this Region and these credentials.
    async fn error(region: &'static str, credentials: fn() -> Result<Credentials, CredentialsError>) -> CallError {
        let no_network = http_client_fn(|_, _| panic!("nothing is sent"));
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(region))
            .credentials_provider(SharedCredentialsProvider::new(Source(credentials)))
            .identity_cache(IdentityCache::lazy().build())
            .http_client(no_network)
            .build();
        let config = Config::from_variables(|name| {
            Ok((name == "TOPIC_ARN").then(|| "arn:aws:sns:eu-west-1:123456789012:image-imports".to_owned()))
        });
        let aws = Aws::new(&sdk, &config.expect("valid"));
        let image_id = ImageId::parse("wsi-0a1b2c3d4").expect("valid");
        match aws.describe(&image_id, Instant::now() + Duration::from_secs(20)).await {
            DescribeOutcome::Failed(error) => error,
            outcome => panic!("{outcome:?}"),
        }
    }

    #[tokio::test]
    async fn only_what_may_pass_by_itself_is_transient() {
        let works = || Ok(Credentials::new("AKIDTESTS", "secret", None, None, "tests"));
        for (region, credentials, transient) in [
            ("eu-west-1", (|| Err(CredentialsError::not_loaded("none"))) as fn() -> _, false),
            ("eu-west-1", || Err(CredentialsError::invalid_configuration("not a URL")), false),
            ("eu-west-1", || Err(CredentialsError::provider_error("503")), true),
            ("eu-west-1", || Err(CredentialsError::unhandled("not JSON")), true),
            ("eu west 1", works, false),
            ("eu-west-1.", works, false),
            ("eu/west/1", works, false),
        ] {
            let error = error(region, credentials).await;
            assert_eq!((error.code.as_str(), error.transient), ("Unreachable", transient), "{region}: {error}");
        }
    }
}
