//! The simulator alone, for a function that something else runs.

use std::{process::ExitCode, time::Duration};

use serde_json::json;
use tokio::{
    signal::ctrl_c,
    time::{MissedTickBehavior, interval},
};

use crate::{
    progress::summary,
    script::{MINUTES_IN_STATE, STEP_MINUTES, imports, lay},
    stage::Stage,
};

/// The real time of one step of the script's clock.
const STEP: Duration = Duration::from_secs(5);

/// The three imports take four hours, rest for one, and begin anew.
const LOOP_MINUTES: u16 = 300;

/// Serves until Ctrl-C. Standard output is the environment to set; the rest is on standard error.
pub(crate) async fn run() -> anyhow::Result<ExitCode> {
    let imports = imports();
    let stage = Stage::start().await?;
    // One answer for all of them can name none.
    stage.workspaces.set_default(json!({"State": "VALIDATING", "ProgressPercentage": 62}));
    for (name, value) in stage.environment() {
        println!("export {name}={value}");
    }
    eprintln!("\nSet these where you run `cargo lambda watch`. Then, as often as you like, in another terminal:");
    eprintln!("    cargo lambda invoke --data-file events/cli.json");
    eprintln!(
        "\nThe images below go through these states, {} s each, again and again until Ctrl-C;",
        STEP.as_secs() * u64::from(MINUTES_IN_STATE / STEP_MINUTES)
    );
    eprintln!("any other image is found in VALIDATING.");
    for import in &imports {
        eprintln!("    {import}");
    }
    eprintln!();

    let mut messages = stage.sns.subscribe();
    let mut steps = interval(STEP);
    steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut clock = (0..LOOP_MINUTES).step_by(STEP_MINUTES.into()).cycle();
    loop {
        tokio::select! {
            _ = steps.tick() => {
                let minutes = clock.next().unwrap_or_default();
                lay(&imports, &stage.workspaces, minutes);
            }
            Some(message) = messages.recv() => eprintln!("{}", summary(&message)),
            stopped = ctrl_c() => {
                stopped?;
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
}
