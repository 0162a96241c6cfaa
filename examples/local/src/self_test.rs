//! Runs the function's self-test, with simulated or real services.

use std::{
    io::{Write as _, stdout},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use console::style;
use fake_aws::Sns;
use serde_json::{Value, json};

use crate::{
    aws::{is_set, variables},
    display::Display,
    function::check_credentials,
    lambda::{Environment, Lambda},
    services::Services,
};

/// The exit code if a check fails.
const FAILED: u8 = 1;

/// Prints one line for each check, or the response as JSON. `real` selects the caller's own services.
pub(crate) async fn run(real: bool, json: bool, display: Display) -> anyhow::Result<ExitCode> {
    let (services, fake_topic);
    let environment = if real {
        check_credentials().await?;
        fake_topic = if is_set("TOPIC_ARN") { None } else { Some(Sns::start().await?) };
        if fake_topic.is_some() {
            display.note("TOPIC_ARN is not set, so the message of the test is not published.\n")?;
        }
        Environment::Inherited(variables(fake_topic.as_ref()))
    } else {
        services = Services::start().await?;
        Environment::Only(services.environment())
    };
    let mut lambda = Lambda::start(environment, display.verbose).await?;
    let response = match lambda.invoke(&json!({"SelfTest": true}).to_string()).await? {
        Ok(response) => response,
        Err(error) => bail!("{}: {}", error.error_type, error.message),
    };
    let report: Value = serde_json::from_str(&response).context("the response is not JSON")?;
    if json {
        writeln!(stdout(), "{report}")?;
    } else {
        for check in report["Checks"].as_array().into_iter().flatten() {
            display.note(&line(check))?;
        }
    }
    Ok(if report["Passed"] == true { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// What became of a check, and what to do about it.
fn line(check: &Value) -> String {
    let text = |name: &str| check[name].as_str().unwrap_or("(none)");
    let (name, milliseconds) = (text("Name"), &check["Milliseconds"]);
    if check["Passed"] == true {
        return format!("{} {name} ({milliseconds} ms)", style("passed").green());
    }
    let (error, cause, advice) = (text("Error"), text("Cause"), text("Advice"));
    format!("{} {name} ({milliseconds} ms)\n    {error}: {cause}\n    {advice}", style("FAILED").red())
}
