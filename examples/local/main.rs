//! Runs the function on this machine, with simulated or real services.

mod aws;
mod demo;
mod event;
mod function;
mod imports;
mod lambda;
mod progress;
mod serve;
mod services;
mod state_times;
mod tracking;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use tokio::signal::ctrl_c;

use crate::{progress::Display, tracking::Outcome};

/// The exit code of a program that Ctrl-C has stopped: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

/// Runs the function on this machine as Lambda does: in its own process, behind a Lambda Runtime API.
///
/// Without options, it finds three imports on simulated services and tracks them until they end. It shows every
/// announcement, and the email and the chat card of the import that fails. The run takes less than 30 seconds and fails if
/// an announcement is missing or wrong. It needs no AWS account.
///
/// The exit code is 0 on success, 1 if an import has failed (or, without options, if the announcements are wrong), 2 if
/// the imports could not be checked, and 130 after Ctrl-C. Colors appear only on a terminal, and not if `NO_COLOR` is set.
// Each bool is an option of the command line.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Parser)]
#[command(name = "local", bin_name = "cargo run --locked --example local --")]
struct Arguments {
    /// Invoke the function once with this event, on simulated services, and print the response
    #[arg(long, value_name = "FILE", group = "mode")]
    event: Option<PathBuf>,

    /// Track these real imports until all have settled, or, without IDs, all imports that are running. Requires AWS
    /// credentials, `AWS_REGION`, and `TOPIC_ARN` in the environment, and publishes to that topic
    #[arg(long, value_name = "IMAGE_ID", num_args = 0.., group = "mode")]
    aws: Option<Vec<String>>,

    /// With --aws, start with the event in this file, such as the one that Ctrl-C prints
    #[arg(long = "continue", value_name = "FILE", requires = "aws")]
    continue_with: Option<PathBuf>,

    /// Seconds between two checks with --aws
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    wait: u64,

    /// Run only the simulated services, for `cargo lambda watch`, and print the environment variables to set
    #[arg(long, group = "mode")]
    serve: bool,

    /// Print one line of JSON for each transition on standard output, and everything else on standard error
    #[arg(long, conflicts_with_all = ["event", "serve"])]
    json: bool,

    /// Show the function's log on standard error instead of progress bars
    #[arg(long)]
    verbose: bool,

    /// Run as the function. The program starts itself with this option
    #[arg(long, hide = true, group = "mode")]
    function: bool,
}

// One thread, like the bootstrap binary, because this program also runs as the function.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run(Arguments::parse()).await.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        Outcome::NotChecked.into()
    })
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let display = Display { json: arguments.json, verbose: arguments.verbose };
    if arguments.function {
        function::run().await.map_err(anyhow::Error::from_boxed)?;
        Ok(ExitCode::SUCCESS)
    } else if arguments.serve {
        serve::run().await
    } else if let Some(file) = arguments.event {
        until_interrupted(event::run(&file, arguments.verbose)).await
    } else if let Some(image_ids) = arguments.aws {
        aws::run(&image_ids, arguments.continue_with.as_deref(), arguments.wait, display).await
    } else {
        until_interrupted(demo::run(display)).await
    }
}

/// Stops the run on Ctrl-C. Dropping it leaves the progress bars on the screen and kills the function's process.
async fn until_interrupted(run: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::select! {
        result = run => result,
        interrupted = ctrl_c() => {
            interrupted?;
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}
