//! Invokes the function once on simulated services.

use std::{
    fs,
    io::{Write as _, stdout},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use fake_aws::{DescriptionBody, STATES, description};
use serde_json::{Value, value::RawValue};
use workspaces_image_import::{event::parse, import::Record};

use crate::{
    display::{Display, subject},
    imports::{imports, set_answers},
    lambda::{Environment, Lambda},
    services::Services,
};

/// How old the imports are that an event can discover. They are halfway through, and none has failed yet.
const DISCOVERED_MINUTES: u16 = 110;

/// Prints the response on standard output, and announcements and errors on standard error.
pub(crate) async fn run(file: &Path, display: Display) -> anyhow::Result<ExitCode> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let event: Box<RawValue> =
        serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))?;

    let services = Services::start().await?;
    // If the event is invalid, there is nothing to simulate. The function reports what is wrong with it.
    let asked = parse(&event, usize::MAX).unwrap_or_default();
    if asked.discover {
        set_answers(&imports(), &services.workspaces, DISCOVERED_MINUTES);
    }
    for record in asked.records {
        services.workspaces.set(record.image_id.as_str(), next_state(&record));
    }
    let mut lambda = Lambda::start(Environment::Only(services.environment()), display.verbose).await?;
    let result = lambda.invoke(event.get()).await?;
    for message in services.sns.published() {
        display.note(&subject(&message))?;
    }
    match result {
        Ok(response) => {
            let response: Value = serde_json::from_str(&response).context("the response is not JSON")?;
            writeln!(stdout(), "{response:#}")?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => bail!("{}: {}", error.error_type, error.message),
    }
}

/// A description with the state that follows the record's state, so that there is something to announce. `PENDING`
/// follows `ERROR` and unknown states.
fn next_state(record: &Record) -> DescriptionBody {
    let states = &STATES[..STATES.len() - 1];
    let known = record.checkpoint.state.as_ref().map_or("", |state| state.as_str());
    let next = states.iter().position(|state| *state == known).map_or(0, |index| index + 1);
    let state = states[next.min(states.len() - 1)];
    description(record.image_id.as_str(), state).member("ProgressPercentage", (next * 100 / states.len()).into())
}
