//! Runs only the simulated services, for a function that another program runs.

use std::{
    io::{Write as _, stdout},
    process::ExitCode,
    time::Duration,
};

use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    display::{Display, subject},
    imports::{MINUTES_IN_STATE, STEP_MINUTES, imports, set_answers},
    services::Services,
};

/// How often the simulated clock advances by one step.
const STEP: Duration = Duration::from_secs(5);

/// The simulated time after which the imports start again. The longest reaches its last state after four hours.
const LOOP_MINUTES: u16 = 300;

/// Serves until Ctrl-C. Prints the environment variables on standard output and everything else on standard error.
pub(crate) async fn run(display: Display) -> anyhow::Result<ExitCode> {
    let imports = imports();
    let services = Services::start().await?;
    // This answer applies to any image, so it has no `ImageId`.
    services.workspaces.set_default(json!({"State": "VALIDATING", "ProgressPercentage": 62}));
    let mut variables = stdout();
    for (name, value) in services.environment() {
        writeln!(variables, "export {name}={value}")?;
    }
    display.note(
        "\nSet these variables where you run `cargo lambda watch`. Then invoke the function from a third terminal:\n\
         \x20   cargo lambda invoke --data-file events/cli.json",
    )?;
    display.note(&format!(
        "\nThese images pass through the following states, {} s each, and then start again. Any other image is in \
         VALIDATING.",
        STEP.as_secs() * u64::from(MINUTES_IN_STATE / STEP_MINUTES)
    ))?;
    for import in &imports {
        display.note(&format!("    {import}"))?;
    }
    display.note("\nAnnouncements appear below. Press Ctrl-C to stop.\n")?;

    let mut messages = services.sns.subscribe();
    let mut steps = interval(STEP);
    steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut clock = (0..LOOP_MINUTES).step_by(STEP_MINUTES.into()).cycle();
    loop {
        tokio::select! {
            _ = steps.tick() => {
                let minutes = clock.next().unwrap_or_default();
                set_answers(&imports, &services.workspaces, minutes);
            }
            Some(message) = messages.recv() => display.note(&subject(&message))?,
        }
    }
}
