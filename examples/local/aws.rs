//! Tracks real imports with the caller's own credentials, Region, and topic.

use std::{fs, path::Path, pin::pin, process::ExitCode, time::Duration};

use anyhow::{Context as _, bail, ensure};
use fake_aws::FunctionError;
use serde_json::Value;
use tokio::{
    signal::ctrl_c,
    time::{Instant, sleep},
};
use workspaces_image_import::config::Config;

use crate::{
    INTERRUPTED,
    lambda::{Environment, Lambda},
    progress::{Display, Progress, colored, width},
    state_times::StateTimes,
    tracking::Tracking,
};

/// Tracks the imports until all have settled or Ctrl-C is pressed. Without image IDs and file, the function finds them.
pub(crate) async fn run(
    image_ids: &[String],
    file: Option<&Path>,
    wait: u64,
    display: Display,
) -> anyhow::Result<ExitCode> {
    // The function checks its configuration, too, but only after the progress bars are on the screen.
    Config::from_env()?;
    let mut tracking = match file {
        None => Tracking::of(image_ids),
        Some(file) => {
            ensure!(image_ids.is_empty(), "with --continue, the images are those of the event");
            let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            let event = serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))?;
            Tracking::starting_with(&event)
        }
    };
    let mut lambda = Lambda::start(Environment::Inherited, display.verbose).await?;
    let mut progress = Progress::new(image_ids.iter().map(String::as_str), display)?;
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
                    progress.transition(transition, &line(transition))?;
                }
                if let Some(error) = response["DiscoverError"]["Error"].as_str() {
                    progress.note(&format!("Not all imports were found: {error}"));
                }
                progress.update(&response)?;
                times.observe(&response, last.elapsed());
                last = Instant::now();
                if let Some(outcome) = outcome {
                    progress.finish();
                    end(&response, &tracking, &times, display);
                    return Ok(outcome.into());
                }
            }
            Err(FunctionError { error_type, message, .. }) => {
                if tracking.fail() {
                    bail!("{error_type}: {message}");
                }
                progress.note(&format!("{error_type}: {message} (trying again in {wait} s)"));
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

/// Prints the event to go on with. If the function was running, this is the event that it had not answered.
fn stop(tracking: &Tracking, times: &StateTimes, display: Display) -> ExitCode {
    print_times(times, display);
    display.note("\nStopped. Save this event to a file, and go on with --aws --continue FILE:");
    display.note(tracking.event());
    ExitCode::from(INTERRUPTED)
}

/// Prints the errors of failed imports and the time in each state.
fn end(response: &Value, tracking: &Tracking, times: &StateTimes, display: Display) {
    let records: Vec<&Value> = response["Imports"].as_array().into_iter().flatten().collect();
    if records.is_empty() {
        display.note(if tracking.discovers() { "No import is running." } else { "There is no import to track." });
    }
    for record in records.iter().filter(|record| record["Outcome"] == "FAILED") {
        display.note(&format!("\n{}: {}", text(record, "ImageId"), colored(text(record, "State"))));
        for error in record["Description"]["ErrorDetails"].as_array().into_iter().flatten() {
            display.note(&format!("    {}: {}", text(error, "ErrorCode"), text(error, "ErrorMessage")));
        }
    }
    print_times(times, display);
}

fn print_times(times: &StateTimes, display: Display) {
    let table = times.table(width());
    if !table.is_empty() {
        display.note(&format!("\nTime in each state, as seen by the checks:\n{table}"));
    }
}

/// A transition for people. The longest states fit into a line of 80 characters.
fn line(transition: &Value) -> String {
    let (image, to) = (text(transition, "ImageId"), colored(text(transition, "To")));
    match text(transition, "Kind") {
        "STALLED" => format!("{image}: {} in {to}", colored("STALLED")),
        _ => format!("{image}: {} -> {to}", text(transition, "From")),
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("(none)")
}
