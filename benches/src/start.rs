//! One cold start of one contender, and the invocations after it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use simulator::RuntimeApi;

use crate::{
    contender::Contender,
    process::{cpu_time, peak_rss},
    quota::Quota,
    services::{Services, TOPIC_ARN},
};

/// How long an invocation may take: Python at a fourteenth of a CPU has a lot to do.
const TIMEOUT: Duration = Duration::from_mins(2);

/// A shell that joins the control group and waits for a word, before it becomes the contender: so that neither counts.
const LAUNCHER: &str = r#"echo $$ > "$0"; echo ready; read -r go; exec "$@""#;

/// A contender that has asked for its first invocation.
#[derive(Debug)]
pub(crate) struct Started {
    child: Child,
    api: RuntimeApi,
    /// What the launcher had used before it became the contender.
    before: Duration,
    /// From the start to the question for the first invocation.
    pub(crate) init: Duration,
}

impl Started {
    /// Starts a contender in the repository's root.
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
        ensure!(ready == "ready\n", "the launcher of {} said {ready:?}", contender.name);
        std::thread::spawn(move || output.read_to_end(&mut Vec::new()));

        let before = cpu_time(child.id())?;
        let mut input = child.stdin.take().context("piped")?;
        let begun = Instant::now();
        input.write_all(b"go\n")?;
        let mut started = Self { child, api, before, init: Duration::ZERO };
        let ready = tokio::time::timeout(TIMEOUT, started.api.ready()).await;
        ready.map_err(|_| anyhow!("{} never asked for an invocation", contender.name))?;
        started.init = begun.elapsed();
        Ok(started)
    }

    /// Makes one invocation; returns how long it took.
    pub(crate) async fn invoke(&self, event: &str) -> Result<Duration> {
        let invocation = self.api.invoke(event.to_owned(), TIMEOUT).await?;
        invocation.result.map_err(|error| anyhow!("{}", error.raw))?;
        Ok(invocation.took)
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn end(mut self) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGTERM)?;
        self.child.wait()?;
        Ok(())
    }

    /// CPU time since the start.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        Ok(cpu_time(self.child.id())?.saturating_sub(self.before))
    }

    /// The most memory resident so far, in bytes.
    pub(crate) fn peak_rss(&self) -> Result<u64> {
        peak_rss(self.child.id())
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
