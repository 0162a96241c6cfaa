//! Starts the function's process and invokes it through a Lambda Runtime API.

use std::{env, io::stderr, process::Stdio, time::Duration};

use anyhow::{Context as _, bail};
use fake_aws::{FunctionError, RuntimeApi};
use tokio::process::{Child, Command};

/// The timeout of one invocation.
const TIMEOUT: Duration = Duration::from_mins(1);

/// The function's environment variables, in addition to those that Lambda sets.
#[derive(Debug)]
pub(crate) enum Environment {
    /// Those of this process, except for these.
    Inherited(Vec<(&'static str, String)>),
    /// Only these.
    Only(Vec<(&'static str, String)>),
}

/// A running function. Dropping this kills its process.
#[derive(Debug)]
pub(crate) struct Lambda {
    child: Child,
    api: RuntimeApi,
}

impl Lambda {
    /// Starts this program a second time, as the function.
    pub(crate) async fn start(environment: Environment, verbose: bool) -> anyhow::Result<Self> {
        let api = RuntimeApi::start().await?;
        let mut command = Command::new(env::current_exe()?);
        match environment {
            Environment::Inherited(variables) => command.envs(variables),
            Environment::Only(variables) => command.env_clear().envs(variables),
        };
        command
            .arg("--function")
            .env("AWS_LAMBDA_RUNTIME_API", api.address())
            .env("AWS_LAMBDA_FUNCTION_NAME", "workspaces-image-import")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            // Ctrl-C ends this program, which then ends the function. The function must not end first.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(if verbose { Stdio::from(stderr()) } else { Stdio::null() })
            .kill_on_drop(true);
        let child = command.spawn().context("cannot start the function's process")?;
        Ok(Self { child, api })
    }

    /// Invokes the function. Returns its response, or the error that it reports.
    pub(crate) async fn invoke(&mut self, event: &str) -> anyhow::Result<Result<String, FunctionError>> {
        tokio::select! {
            invocation = self.api.invoke(event.to_owned(), TIMEOUT) => Ok(invocation?.result),
            status = self.child.wait() => bail!("the function's process exited unexpectedly ({})", status?),
        }
    }
}
