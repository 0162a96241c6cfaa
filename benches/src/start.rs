//! Starts a contender, invokes it, and measures its process.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use fake_aws::{Quota, RuntimeApi};
use nix::{
    sys::signal::{Signal, kill},
    time::clock_getcpuclockid,
    unistd::Pid,
};

use crate::{
    contender::Contender,
    services::{Services, TOPIC_ARN},
};

/// The timeout of an invocation. Python with a fourteenth of a CPU takes long.
const TIMEOUT: Duration = Duration::from_mins(2);

/// A shell script that joins the control group, waits for a line of input, and then becomes the contender. The measurement
/// starts with that line, so it does not include the shell.
const LAUNCHER: &str = r#"echo $$ > "$0"; echo ready; read -r go; exec "$@""#;

/// A contender that has completed Init.
#[derive(Debug)]
pub(crate) struct Started {
    child: Child,
    api: RuntimeApi,
    /// The CPU time that the launcher used before it became the contender.
    launcher_cpu: Duration,
    /// The time from the start until the contender asks for its first invocation.
    pub(crate) init: Duration,
}

impl Started {
    /// Starts a contender in the root of the repository.
    pub(crate) async fn start(contender: &Contender, services: &Services, group: Option<&Quota>) -> Result<Self> {
        let api = RuntimeApi::start().await?;
        let mut command = Command::new("/bin/sh");
        let group = group.map_or_else(|| "/dev/null".into(), Quota::members);
        command.args(["-c", LAUNCHER]).arg(group).arg(path::absolute(&contender.command[0])?);
        command.args(&contender.command[1..]).env_clear();
        command.envs(services.variables()).envs([
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
            ("MAX_RESPONSE_BYTES", "6000000"),
        ]);
        command.envs(contender.env.iter().map(|(name, value)| (name, services.fill_in(value))));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut output = BufReader::new(child.stdout.take().context("piped")?);
        let mut ready = String::new();
        output.read_line(&mut ready)?;
        ensure!(ready == "ready\n", "the launcher of {} printed {ready:?}", contender.name);
        std::thread::spawn(move || output.read_to_end(&mut Vec::new()));

        let launcher_cpu = cpu_time(pid(&child)?)?;
        let mut input = child.stdin.take().context("piped")?;
        let begin = Instant::now();
        input.write_all(b"go\n")?;
        let mut started = Self { child, api, launcher_cpu, init: Duration::ZERO };
        let ready = tokio::time::timeout(TIMEOUT, started.api.ready()).await;
        ready.map_err(|_| anyhow!("{} did not ask for an invocation", contender.name))?;
        started.init = begin.elapsed();
        Ok(started)
    }

    /// Invokes the contender. Returns the time until its response.
    pub(crate) async fn invoke(&self, event: &str) -> Result<Duration> {
        let invocation = self.api.invoke(event.to_owned(), TIMEOUT).await?;
        invocation.result.map_err(|error| anyhow!("{}", error.raw))?;
        Ok(invocation.took)
    }

    /// Sends SIGTERM and waits until the process exits.
    pub(crate) fn end(mut self) -> Result<()> {
        kill(pid(&self.child)?, Signal::SIGTERM)?;
        self.child.wait()?;
        Ok(())
    }

    /// User and system time of all threads since the start.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        Ok(cpu_time(pid(&self.child)?)?.saturating_sub(self.launcher_cpu))
    }

    /// The maximum resident memory so far, in bytes.
    pub(crate) fn peak_rss(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"))
            .context("the status of the process has no VmHWM")?;
        Ok(kilobytes.parse::<u64>()? * 1024)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pid(child: &Child) -> Result<Pid> {
    Ok(Pid::from_raw(i32::try_from(child.id())?))
}

/// User and system time of a process so far, including threads that have ended.
fn cpu_time(pid: Pid) -> Result<Duration> {
    Ok(clock_getcpuclockid(pid)?.now()?.into())
}
