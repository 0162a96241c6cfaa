//! The function's process, and the Runtime API that it asks for its invocations.

use std::{env, io::stderr, process::Stdio, time::Duration};

use anyhow::{Context as _, bail};
use simulator::{FunctionError, RuntimeApi};
use tokio::process::{Child, Command};

/// What one invocation may take.
const TIMEOUT: Duration = Duration::from_mins(1);

/// What the function finds in its environment besides what Lambda itself puts there.
#[derive(Debug)]
pub(crate) enum Environment {
    /// The caller's own.
    Inherited,
    /// These variables, and not one of the caller's.
    Only(Vec<(&'static str, String)>),
}

/// A function that was started; it ends with this.
#[derive(Debug)]
pub(crate) struct Lambda {
    child: Child,
    api: RuntimeApi,
}

impl Lambda {
    /// Starts this program once more, as the function.
    pub(crate) async fn start(environment: Environment, verbose: bool) -> anyhow::Result<Self> {
        let api = RuntimeApi::start().await?;
        let mut command = Command::new(env::current_exe()?);
        if let Environment::Only(variables) = environment {
            command.env_clear().envs(variables);
        }
        command
            .arg("--function")
            .env("AWS_LAMBDA_RUNTIME_API", api.address())
            .env("AWS_LAMBDA_FUNCTION_NAME", "workspaces-image-import")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .stdin(Stdio::null())
            .stdout(if verbose { Stdio::from(stderr()) } else { Stdio::null() })
            .kill_on_drop(true);
        let child = command.spawn().context("the function's process does not start")?;
        Ok(Self { child, api })
    }

    /// The response to an event, or the error that the function answers with.
    pub(crate) async fn invoke(&mut self, event: &str) -> anyhow::Result<Result<String, FunctionError>> {
        tokio::select! {
            invocation = self.api.invoke(event.to_owned(), TIMEOUT) => Ok(invocation?.result),
            status = self.child.wait() => bail!("the function's process has ended: {}", status?),
        }
    }
}
