//! The function on this machine, in a process of its own, between a Lambda Runtime API and the services.

mod aws;
mod event;
mod function;
mod lambda;
mod play;
mod progress;
mod script;
mod serve;
mod stage;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

/// Runs the function on this machine as Lambda would run it: in a process of its own, behind a Runtime API.
///
/// Without an option it plays three imports to their end on a simulator, within half a minute, and succeeds only if
/// what was announced is what the script contained.
#[derive(Debug, Parser)]
#[command(name = "local", bin_name = "cargo run --locked --example local --")]
struct Arguments {
    /// Run this event once on the simulator and print the response
    #[arg(long, value_name = "FILE", group = "mode")]
    event: Option<PathBuf>,

    /// Track real imports with your own AWS credentials and `TOPIC_ARN`, until all have settled; fails if one failed
    #[arg(long, value_name = "IMAGE_ID", num_args = 1.., group = "mode")]
    aws: Vec<String>,

    /// Seconds between two checks of --aws
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    wait: u64,

    /// Keep the simulator up for `cargo lambda watch`, and print the environment to set
    #[arg(long, group = "mode")]
    serve: bool,

    /// Show the function's own log on standard error, instead of progress bars
    #[arg(long)]
    verbose: bool,

    /// Be the function: how this program starts itself
    #[arg(long, hide = true, group = "mode")]
    function: bool,
}

// One thread, as the bootstrap has: the function runs in this program too.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run(Arguments::parse()).await.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    if arguments.function {
        function::run().await.map_err(anyhow::Error::from_boxed)?;
        Ok(ExitCode::SUCCESS)
    } else if arguments.serve {
        serve::run().await
    } else if let Some(file) = arguments.event {
        event::run(&file, arguments.verbose).await
    } else if arguments.aws.is_empty() {
        play::run(arguments.verbose).await
    } else {
        aws::run(&arguments.aws, arguments.wait, arguments.verbose).await
    }
}
