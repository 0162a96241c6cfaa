//! Tracks real imports with the caller's own credentials, Region, and topic.

use std::{env, fs, io, path::Path, pin::pin, process::ExitCode, time::Duration};

use anyhow::{Context as _, bail, ensure};
use fake_aws::{FunctionError, Sns};
use serde_json::Value;
use tokio::{
    signal::ctrl_c,
    time::{Instant, sleep},
};

use crate::{
    INTERRUPTED,
    display::{Display, colored, image},
    function::check_credentials,
    lambda::{Environment, Lambda},
    progress::Progress,
    state_times::StateTimes,
    tracking::Tracking,
    transition,
};

/// Tracks the imports until all have settled or Ctrl-C is pressed. Without image IDs and file, the function finds them.
pub(crate) async fn run(
    image_ids: &[String],
    file: Option<&Path>,
    wait: u64,
    display: Display,
) -> anyhow::Result<ExitCode> {
    let mut tracking = match file {
        None => Tracking::of(image_ids),
        Some(file) => {
            ensure!(image_ids.is_empty(), "with --continue, the images are those of the event");
            let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            let event = serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))?;
            Tracking::starting_with(&event)
        }
    };
    check_credentials().await?;
    let fake_topic = if is_set("TOPIC_ARN") { None } else { Some(Sns::start().await?) };
    if fake_topic.is_some() {
        display.note("TOPIC_ARN is not set. The transitions are only shown; nothing is published.\n")?;
    }
    let environment = Environment::Inherited(variables(fake_topic.as_ref()));
    let mut lambda = Lambda::start(environment, display.verbose).await?;
    let mut progress = Progress::new(display);
    let mut times = StateTimes::new(false);
    let mut interrupted = pin!(ctrl_c());
    let mut last = Instant::now();
    loop {
        let result = tokio::select! {
            biased;
            pressed = &mut interrupted => {
                pressed?;
                drop(progress);
                return Ok(stop(&tracking, &times, display));
            }
            result = lambda.invoke(tracking.event()) => result?,
        };
        match result {
            Ok(response) => {
                let (response, outcome) = tracking.follow(&response)?;
                for transition in response["Transitions"].as_array().into_iter().flatten() {
                    if display.data {
                        progress.data(&transition::data_now(transition, &response)?)?;
                    } else {
                        progress.note(&transition::text(transition))?;
                    }
                }
                if let Some(error) = response["DiscoverError"]["Error"].as_str() {
                    progress.note(&format!("Not all imports were found: {error}"))?;
                }
                progress.update(&response)?;
                times.observe(&response, last.elapsed());
                last = Instant::now();
                if let Some(outcome) = outcome {
                    progress.finish();
                    end(&response, &tracking, &times, display)?;
                    if fake_topic.is_some() {
                        display.note("\nNothing was published, because TOPIC_ARN is not set.")?;
                    }
                    return Ok(outcome.into());
                }
            }
            Err(FunctionError { error_type, message, .. }) => {
                if tracking.fail() {
                    bail!("{error_type}: {message}");
                }
                progress.note(&format!("{error_type}: {message} (trying again in {wait} s)"))?;
            }
        }
        tokio::select! {
            () = sleep(Duration::from_secs(wait)) => {}
            pressed = &mut interrupted => {
                pressed?;
                drop(progress);
                return Ok(stop(&tracking, &times, display));
            }
        }
    }
}

/// Whether an environment variable is set. Like the function, this takes an empty variable for one that is not.
pub(crate) fn is_set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// The function's variables that differ from the environment. A fake topic takes the announcements, and nobody gets
/// them.
pub(crate) fn variables(fake_topic: Option<&Sns>) -> Vec<(&'static str, String)> {
    let mut variables = Vec::new();
    if !is_set("AWS_RETRY_MODE") {
        // Otherwise, the SDK would take the mode from the AWS CLI's configuration. It panics over `legacy` there.
        variables.push(("AWS_RETRY_MODE", "standard".to_owned()));
    }
    if let Some(sns) = fake_topic {
        variables.push(("TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:not-published".to_owned()));
        variables.push(("AWS_ENDPOINT_URL_SNS", sns.url()));
        // A ledger would record as published what nobody has received.
        variables.push(("LEDGER_TABLE", String::new()));
    }
    variables
}

/// Prints the event to go on with. If the function was running, this is the event that it had not answered.
fn stop(tracking: &Tracking, times: &StateTimes, display: Display) -> ExitCode {
    // Ctrl-C also ends a program that reads the output. Nobody is left to tell then.
    let _ = print_times(times, display)
        .and_then(|()| display.note("\nStopped. Save this event to a file, and go on with --aws --continue FILE:"))
        .and_then(|()| display.line(tracking.event()));
    ExitCode::from(INTERRUPTED)
}

/// Prints the errors of failed imports and the time in each state.
fn end(response: &Value, tracking: &Tracking, times: &StateTimes, display: Display) -> io::Result<()> {
    let records: Vec<&Value> = response["Imports"].as_array().into_iter().flatten().collect();
    if records.is_empty() {
        display.note(if tracking.discovers() { "No import is running." } else { "There is no import to track." })?;
    }
    for record in records.iter().filter(|record| record["Outcome"] == "FAILED") {
        display.note(&format!("\n{}: {}", image(record), colored(text(record, "State"))))?;
        for error in record["Description"]["ErrorDetails"].as_array().into_iter().flatten() {
            display.note(&format!("    {}: {}", text(error, "ErrorCode"), text(error, "ErrorMessage")))?;
        }
    }
    print_times(times, display)
}

fn print_times(times: &StateTimes, display: Display) -> io::Result<()> {
    let table = times.table(display.table_width());
    if table.is_empty() {
        return Ok(());
    }
    display.note(&format!("\nTime in each state, as seen by the checks:\n{table}"))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("(none)")
}
