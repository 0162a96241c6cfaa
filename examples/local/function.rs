//! This program as the function: the same calls as the bootstrap's (`src/main.rs`).

use aws_config::BehaviorVersion;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use workspaces_image_import::{
    clients::Clients, clock::SystemClock, config::Config, error::Error, function::note_panics, logging, refuse,
};

/// Answers invocations until it is killed.
pub(crate) async fn run() -> Result<(), lambda_runtime::Error> {
    logging::init();
    note_panics();
    match set_up().await {
        Ok((config, clients)) => workspaces_image_import::run(config, clients, SystemClock).await,
        Err(error) => refuse(error).await,
    }
}

async fn set_up() -> Result<(Config, Clients), Error> {
    let config = Config::from_env()?;
    // Whatever its caller has: a profile, single sign-on.
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let sdk = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
    let clients = Clients::start(&config, sdk.credentials_provider()).await?;
    Ok((config, clients))
}
