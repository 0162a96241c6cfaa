//! Real imports, with the caller's own credentials, region and topic.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use simulator::FunctionError;
use tokio::time::sleep;
use workspaces_image_import::config::Config;

use crate::{
    lambda::{Environment, Lambda},
    progress::Progress,
};

/// After so many failed checks in a row there is something to put right first.
const FAILURES: u32 = 5;

/// Tracks the imports until all have settled; succeeds if all have completed.
pub(crate) async fn run(image_ids: &[String], wait: u64, verbose: bool) -> anyhow::Result<ExitCode> {
    // The function would answer so too, but not before the first bar is drawn.
    Config::from_env().context("the environment is not that of the function")?;
    let mut lambda = Lambda::start(Environment::Inherited, verbose).await?;
    let progress = Progress::new(image_ids.iter().map(String::as_str), !verbose)?;

    let records: Vec<Value> = image_ids.iter().map(|image_id| json!({"ImageId": image_id})).collect();
    let mut event = json!({"Imports": records}).to_string();
    let mut failures = 0;
    let mut succeeded = false;
    loop {
        match lambda.invoke(&event).await? {
            Ok(response) => {
                event = response;
                (failures, succeeded) = (0, true);
                let response: Value = serde_json::from_str(&event).context("the response is not JSON")?;
                for transition in response["Transitions"].as_array().into_iter().flatten() {
                    progress.say(&line(transition))?;
                }
                progress.update(&response);
                match response["Status"].as_str() {
                    Some("COMPLETED") => return Ok(ExitCode::SUCCESS),
                    Some("FAILED") => return Ok(ExitCode::FAILURE),
                    _ => {}
                }
            }
            Err(FunctionError { error_type, message, .. }) => {
                failures += 1;
                // What never worked is not there yet: a permission, a region, the credentials.
                if !succeeded || failures == FAILURES {
                    bail!("{error_type}: {message}");
                }
                progress.say(&format!("{error_type}: {message} (to be tried again)"))?;
            }
        }
        sleep(Duration::from_secs(wait)).await;
    }
}

fn line(transition: &Value) -> String {
    let text = |name: &str| transition[name].as_str().unwrap_or("(none)");
    let (image, from, to) = (text("ImageId"), text("From"), text("To"));
    match text("Kind") {
        "STALLED" => format!("{image}: STALLED in {to}  ({})", text("TransitionId")),
        _ => format!("{image}: {from} -> {to}  ({})", text("TransitionId")),
    }
}
