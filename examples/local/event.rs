//! Invokes the function once on simulated services.

use std::{fs, path::Path, process::ExitCode};

use anyhow::Context as _;
use fake_aws::{DescriptionBody, STATES, description};
use serde_json::{Value, value::RawValue};
use workspaces_image_import::{event::parse, import::Record};

use crate::{
    lambda::{Environment, Lambda},
    progress::summary,
    services::Services,
    tracking::Outcome,
};

/// Prints the response on standard output, and announcements and errors on standard error.
pub(crate) async fn run(file: &Path, verbose: bool) -> anyhow::Result<ExitCode> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let event: Box<RawValue> =
        serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))?;

    let services = Services::start().await?;
    // If the event is invalid, there is nothing to simulate. The function reports what is wrong with it.
    for record in parse(&event, usize::MAX).unwrap_or_default().records {
        services.workspaces.set(record.image_id.as_str(), next_state(&record));
    }
    let mut lambda = Lambda::start(Environment::Only(services.environment()), verbose).await?;
    let result = lambda.invoke(event.get()).await?;
    for message in services.sns.published() {
        eprintln!("{}", summary(&message));
    }
    match result {
        Ok(response) => {
            let response: Value = serde_json::from_str(&response).context("the response is not JSON")?;
            println!("{response:#}");
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("error: {}: {}", error.error_type, error.message);
            Ok(Outcome::NotChecked.into())
        }
    }
}

/// A description with the state that follows the record's state, so that there is something to announce. `PENDING` follows
/// `ERROR` and unknown states.
fn next_state(record: &Record) -> DescriptionBody {
    let states = &STATES[..STATES.len() - 1];
    let known = record.checkpoint.state.as_ref().map_or("", |state| state.as_str());
    let next = states.iter().position(|state| *state == known).map_or(0, |index| index + 1);
    let state = states[next.min(states.len() - 1)];
    description(record.image_id.as_str(), state).member("ProgressPercentage", (next * 100 / states.len()).into())
}
