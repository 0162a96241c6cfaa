//! Starts a contender, invokes it, and measures its process.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Error, Result, anyhow, ensure};
use fake_aws::{Quota, RuntimeApi};
use nix::{
    sys::signal::{Signal, kill},
    time::clock_getcpuclockid,
    unistd::Pid,
};
use tokio::process::{Child, Command};

use crate::{
    contender::Contender,
    services::{Services, TOPIC_ARN},
};

/// The `PATH` of every contender. Valgrind is looked up in it, too.
pub(crate) const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The timeout of Init and of an invocation.
const TIMEOUT: Duration = Duration::from_mins(2);

/// A shell script that joins the control group, waits for a line of input, and then becomes the contender. The
/// measurement starts with that line, so it does not include the shell.
const LAUNCHER: &str = r#"echo $$ > "$0"; echo ready; read -r go; exec "$@""#;

/// A contender that has completed Init.
#[derive(Debug)]
pub(crate) struct Started {
    child: Child,
    pid: Pid,
    api: RuntimeApi,
    /// Reads what the contender prints until it ends.
    output: Option<JoinHandle<Vec<u8>>>,
    /// The CPU time that the launcher used before it became the contender.
    launcher_cpu: Duration,
    /// The time from the start until the contender asks for its first invocation.
    pub(crate) init: Duration,
}

impl Started {
    /// Starts a contender in the root of the repository. Its environment is the same in every run, except for the
    /// ports.
    pub(crate) async fn start(contender: &Contender, services: &Services, group: Option<&Quota>) -> Result<Self> {
        let api = RuntimeApi::start().await?;
        let mut command = Command::new("/bin/sh");
        let group = group.map_or_else(|| "/dev/null".into(), Quota::members);
        command.args(["-c", LAUNCHER]).arg(group).args(&contender.command).env_clear();
        command.envs(services.variables()).envs([
            ("PATH", PATH),
            ("AWS_LAMBDA_RUNTIME_API", api.address().as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "image-imports"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "AKIDBENCHES"),
            ("AWS_SECRET_ACCESS_KEY", "secret-of-the-benches"),
            ("AWS_SESSION_TOKEN", "token-of-the-benches"),
            ("TOPIC_ARN", TOPIC_ARN),
        ]);
        command.envs(&contender.env).kill_on_drop(true);
        let (input, mut go) = io::pipe()?;
        let (output, printed) = io::pipe()?;
        let child = command.stdin(input).stdout(printed).spawn()?;
        // Closes this process's copies of the contender's ends, so that the output ends with the contender.
        drop(command);
        let pid = Pid::from_raw(i32::try_from(child.id().context("the launcher has ended")?)?);
        let mut output = BufReader::new(output);
        let mut ready = String::new();
        output.read_line(&mut ready)?;
        ensure!(ready == "ready\n", "the launcher printed {ready:?}");
        let output = thread::spawn(move || {
            let mut printed = Vec::new();
            let _ = output.read_to_end(&mut printed);
            printed
        });

        let launcher_cpu = cpu_time(pid)?;
        let begin = Instant::now();
        go.write_all(b"go\n")?;
        let output = Some(output);
        let mut started = Self { child, pid, api, output, launcher_cpu, init: Duration::ZERO };
        let ready = tokio::select! {
            () = started.api.ready() => Ok(()),
            () = tokio::time::sleep(TIMEOUT) => Err(anyhow!("it did not ask for an invocation")),
            ended = started.child.wait() => Err(anyhow!("the process ended during Init: {}", ended?)),
        };
        if let Err(error) = ready {
            return Err(started.explain(error).await);
        }
        started.init = begin.elapsed();
        Ok(started)
    }

    /// Invokes the contender. Returns the time until its response.
    pub(crate) async fn invoke(&mut self, event: &str) -> Result<Duration> {
        let invoked = tokio::select! {
            invocation = self.api.invoke(event.to_owned(), TIMEOUT) => match invocation {
                Ok(invocation) => {
                    invocation.result.map(|_| invocation.took).map_err(|error| anyhow!("it failed: {}", error.raw))
                }
                Err(error) => Err(error.into()),
            },
            ended = self.child.wait() => Err(anyhow!("the process ended: {}", ended?)),
        };
        match invoked {
            Ok(took) => Ok(took),
            Err(error) => Err(self.explain(error).await),
        }
    }

    /// Ends the process, and adds to an error what is known about the process.
    async fn explain(&mut self, error: Error) -> Error {
        // Unknown if the process has ended by itself.
        let cpu =
            self.cpu().map_or_else(|_| String::new(), |cpu| format!(" after {:.1} s of CPU time", cpu.as_secs_f64()));
        let _ = self.child.kill().await;
        let printed = self.output.take().and_then(|output| output.join().ok()).unwrap_or_default();
        let end = String::from_utf8_lossy(&printed[printed.len().saturating_sub(2000)..]).into_owned();
        let printed = if end.is_empty() { "It printed nothing." } else { "It printed, at the end:\n" };
        anyhow!("{error}{cpu}. {printed}{end}")
    }

    /// Sends a signal and waits until the process exits, so that it does not disturb the next measurement.
    pub(crate) async fn end(mut self, signal: Signal) -> Result<()> {
        kill(self.pid, signal)?;
        self.child.wait().await?;
        Ok(())
    }

    /// User and system time of all threads since the start.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        Ok(cpu_time(self.pid)?.saturating_sub(self.launcher_cpu))
    }

    /// The maximum resident memory so far, in bytes.
    pub(crate) fn peak_rss(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"))
            .context("the status of the process has no VmHWM")?;
        Ok(kilobytes.parse::<u64>()? * 1024)
    }
}

/// User and system time of a process so far, including threads that have ended.
fn cpu_time(pid: Pid) -> Result<Duration> {
    Ok(clock_getcpuclockid(pid)?.now()?.into())
}
