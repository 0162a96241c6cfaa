//! Runs this program as the function. `src/main.rs` does the same for the bootstrap binary.

use anyhow::Context as _;
use aws_config::{
    credential_process::CredentialProcessProvider, environment::EnvironmentVariableCredentialsProvider,
    meta::credentials::CredentialsProviderChain,
};
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};

/// Asks the AWS CLI, which can sign in with a profile, with single sign-on, or in a browser, and renews what it gets.
const AWS_CLI: &str = "aws configure export-credentials --format process";

/// Serves invocations until the process is killed.
pub(crate) async fn run() -> Result<(), lambda_runtime::Error> {
    workspaces_image_import::serve(Some(credentials())).await
}

/// The caller's credentials. Lambda's would be those of the function's role.
fn credentials() -> SharedCredentialsProvider {
    let environment = EnvironmentVariableCredentialsProvider::new();
    let cli = CredentialProcessProvider::new(AWS_CLI.to_owned());
    let chain = CredentialsProviderChain::first_try("Environment", environment).or_else("AWS CLI", cli);
    SharedCredentialsProvider::new(chain)
}

/// Fails if there are no credentials, before the function fails with a shorter explanation.
pub(crate) async fn check_credentials() -> anyhow::Result<()> {
    credentials().provide_credentials().await.context(
        "no AWS credentials found. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or install the AWS CLI, version 2, \
         and sign in with `aws login`, `aws sso login`, or `aws configure`",
    )?;
    Ok(())
}
