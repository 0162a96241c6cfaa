//! Runs this program as the function. `src/main.rs` does the same for the bootstrap binary.

use aws_config::BehaviorVersion;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use workspaces_image_import::{
    aws::clients::Clients, clock::SystemClock, config::Config, error::Error, handler::install_panic_hook, logging,
    refuse,
};

/// Serves invocations until the process is killed.
pub(crate) async fn run() -> Result<(), lambda_runtime::Error> {
    logging::init();
    install_panic_hook();
    match set_up().await {
        Ok((config, clients)) => workspaces_image_import::run(config, clients, SystemClock).await,
        Err(error) => refuse(error).await,
    }
}

async fn set_up() -> Result<(Config, Clients), Error> {
    let config = Config::from_env()?;
    // Unlike the bootstrap binary, this accepts any credentials that the caller has, such as a profile or single sign-on.
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let sdk = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
    let clients = Clients::start(&config, sdk.credentials_provider()).await?;
    Ok((config, clients))
}
