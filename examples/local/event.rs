//! One event, once, on the simulator.

use std::{fs, path::Path, process::ExitCode};

use anyhow::Context as _;
use serde_json::{Value, value::RawValue};
use simulator::{DescriptionBody, STATES, description};
use workspaces_image_import::{event::parse, import::Record};

use crate::{
    lambda::{Environment, Lambda},
    progress::summary,
    stage::Stage,
};

/// Prints the response and nothing else on standard output, announcements and errors on standard error.
pub(crate) async fn run(file: &Path, verbose: bool) -> anyhow::Result<ExitCode> {
    let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let event: Box<RawValue> =
        serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))?;

    let stage = Stage::start().await?;
    // An event that cannot be read has no images; the function says what is wrong with it.
    for record in parse(&event, usize::MAX).unwrap_or_default() {
        stage.workspaces.set(&record.image_id, next_state(&record));
    }
    let mut lambda = Lambda::start(Environment::Only(stage.environment()), verbose).await?;
    let result = lambda.invoke(event.get()).await?;
    for message in stage.sns.published() {
        eprintln!("{}", summary(&message));
    }
    match result {
        Ok(response) => {
            let response: Value = serde_json::from_str(&response).context("the response is not JSON")?;
            println!("{response:#}");
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("{}: {}", error.error_type, error.message);
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The image is found in the state after the record's, so that there is something to announce.
fn next_state(record: &Record) -> DescriptionBody {
    let course = &STATES[..STATES.len() - 1];
    let known = record.memory.state.as_ref().map_or("", |state| state.as_str());
    let next = course.iter().position(|state| *state == known).map_or(0, |index| index + 1);
    let state = course[next.min(course.len() - 1)];
    description(&record.image_id, state).member("ProgressPercentage", (next * 100 / course.len()).into())
}
