//! Runs this program as the function. `src/main.rs` does the same for the bootstrap binary.

use aws_config::BehaviorVersion;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};

/// Serves invocations until the process is killed.
pub(crate) async fn run() -> Result<(), lambda_runtime::Error> {
    // Unlike the bootstrap binary, this accepts any credentials that the caller has, such as a profile or single sign-on.
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let sdk = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
    workspaces_image_import::serve(sdk.credentials_provider()).await
}
