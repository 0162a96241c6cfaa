//! Runs the function on this machine, with simulated or real services.

mod aws;
mod demo;
mod display;
mod event;
mod function;
mod imports;
mod lambda;
mod progress;
mod self_test;
mod serve;
mod services;
mod state_times;
mod tracking;
mod transition;

use std::{io, path::PathBuf, process::ExitCode};

use clap::Parser;
use tokio::signal::ctrl_c;

use crate::{display::Display, tracking::Outcome};

/// How to run this program from the source tree.
const COMMAND: &str = "cargo run --locked -p local --";

/// The exit code of a program that Ctrl-C has stopped: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

/// The exit code of a program whose output nobody reads any more: 128 and the number of SIGPIPE.
const CLOSED_PIPE: u8 = 141;

/// Runs the function on this machine as Lambda does: in its own process, behind a Lambda Runtime API.
///
/// Without options, it finds three imports on simulated services and tracks them until they end. It shows every
/// announcement, and the email and the chat card of the import that fails. The run takes less than 30 seconds and fails
/// if an announcement is missing or wrong. It needs no AWS account.
///
/// The exit code is 0 on success, 1 if an import or a check of the self-test has failed (or, without options, if the
/// announcements are wrong), 2 if the imports could not be checked, 130 after Ctrl-C, and 141 if the reader of the
/// output has gone. Colors appear only on a terminal, and not if `NO_COLOR` is set.
// Each bool is an option of the command line.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Parser)]
#[command(name = "local", bin_name = COMMAND, version)]
struct Arguments {
    /// Invoke the function once with this event, on simulated services, and print the response
    #[arg(long, value_name = "FILE", group = "mode")]
    event: Option<PathBuf>,

    /// Track these real imports until all have settled, or, without IDs, all imports that are running. Requires AWS
    /// credentials and `AWS_REGION`. Publishes to the topic in `TOPIC_ARN`, or only shows the transitions without it
    #[arg(long, value_name = "IMAGE_ID", num_args = 0.., group = "mode")]
    aws: Option<Vec<String>>,

    /// With --aws, start with the event in this file, such as the one that Ctrl-C prints
    #[arg(long = "continue", value_name = "FILE", requires = "aws")]
    continue_with: Option<PathBuf>,

    /// Seconds between two checks with --aws
    #[arg(long, value_name = "SECONDS", default_value_t = 60, requires = "aws")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    wait: u64,

    /// Run the function's self-test, on simulated services, or with --aws on real ones, and say what does not work
    #[arg(long, conflicts_with_all = ["event", "serve", "continue_with"])]
    self_test: bool,

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
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(usage) => return explain(&usage),
    };
    run(arguments).await.unwrap_or_else(|error| {
        if is_closed_pipe(&error) {
            return ExitCode::from(CLOSED_PIPE);
        }
        // Nobody is left to tell if this fails.
        let _ = Display { data: true, verbose: false }.note(&format!("error: {error:#}"));
        Outcome::NotChecked.into()
    })
}

/// Prints the help, the version, or what is wrong with the options. Clap alone would not break lines between words.
fn explain(usage: &clap::Error) -> ExitCode {
    let display = Display { data: usage.use_stderr(), verbose: false };
    let _ = display.note(usage.to_string().trim_end());
    if usage.use_stderr() { Outcome::NotChecked.into() } else { ExitCode::SUCCESS }
}

/// Whether the reader of the output has gone, such as `head` after its last line.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { event, aws, continue_with, wait, self_test, serve, json, verbose, function } = arguments;
    let data = json || serve || event.is_some();
    let display = Display { data, verbose };
    if function {
        function::run().await.map_err(anyhow::Error::from_boxed)?;
        Ok(ExitCode::SUCCESS)
    } else if self_test {
        anyhow::ensure!(aws.as_ref().is_none_or(Vec::is_empty), "--self-test takes no images");
        until_interrupted(self_test::run(aws.is_some(), json, display)).await
    } else if serve {
        until_interrupted(serve::run(display)).await
    } else if let Some(file) = event {
        until_interrupted(event::run(&file, display)).await
    } else if let Some(image_ids) = aws {
        // This prints the event to go on with.
        aws::run(&image_ids, continue_with.as_deref(), wait, display).await
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
