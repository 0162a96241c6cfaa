//! The measurements of one contender.

use std::{fs, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use fake_aws::Quota;
use nix::sys::signal::Signal;

use crate::{
    contender::Contender,
    services::{Services, event},
    start::{PATH, Started},
};

/// The number of invocations after a start with a full CPU, for the memory.
const WARM: usize = 21;

/// A start and the first invocation, which describes one import and publishes one message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cold {
    /// From the start of the process to the first response.
    pub(crate) took: Duration,
    /// User and system time up to the first response.
    pub(crate) cpu: Duration,
    /// In bytes, after 21 more invocations.
    pub(crate) peak_rss: u64,
}

/// Measures one cold start. With a quota, Init has a full CPU, and the first invocation that of a function with 128 MB.
pub(crate) async fn cold(contender: &Contender, services: &Services, quota: Option<&Quota>) -> Result<Cold> {
    if let Some(group) = quota {
        group.lift()?;
    }
    services.set_latency(Duration::ZERO);
    services.take_published();
    let mut started = Started::start(contender, services, quota).await?;
    if let Some(group) = quota {
        group.limit(128)?;
    }
    let event = event(1).to_string();
    let first = started.invoke(&event).await?;
    let cpu = started.cpu()?;
    let warm = if quota.is_some() { 0 } else { WARM };
    for _ in 0..warm {
        started.invoke(&event).await?;
    }
    let (published, invocations) = (services.take_published(), warm + 1);
    ensure!(published == invocations, "published {published} messages in {invocations} invocations");
    let cold = Cold { took: started.init + first, cpu, peak_rss: started.peak_rss()? };
    started.end(Signal::SIGKILL).await?;
    Ok(cold)
}

/// Whether this machine has the tool that counts instructions.
pub(crate) fn has_valgrind() -> bool {
    Command::new("valgrind").env("PATH", PATH).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Counts the instructions in user space from the start of the process to its end after the first response.
///
/// The counts stay in `target/benches`, where `callgrind_annotate` reads them.
pub(crate) async fn instructions(contender: &Contender, services: &Services) -> Result<u64> {
    services.set_latency(Duration::ZERO);
    let counts = format!("target/benches/callgrind.{}.out", contender.name.replace(' ', "-"));
    // A file of an earlier run must not hide that this one failed.
    if fs::exists(&counts)? {
        fs::remove_file(&counts)?;
    }
    let mut started = Started::start(&contender.under_callgrind(&counts), services, None).await?;
    started.invoke(&event(1).to_string()).await?;
    started.end(Signal::SIGTERM).await?;
    let counts = fs::read_to_string(counts)?;
    let total = counts.lines().find_map(|line| line.strip_prefix("totals: ")).context("callgrind wrote no totals")?;
    Ok(total.trim().parse()?)
}

/// An invocation of a warm process with many imports, each with a transition to announce.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Warm {
    pub(crate) took: Duration,
    /// User and system time.
    pub(crate) cpu: Duration,
}

/// Measures one invocation with this number of imports.
pub(crate) async fn warm(started: &mut Started, services: &Services, imports: usize) -> Result<Warm> {
    services.take_published();
    let before = started.cpu()?;
    let invoked = started.invoke(&event(imports).to_string()).await;
    let published = services.take_published();
    let took = invoked.with_context(|| format!("published {published} of {imports} messages"))?;
    let cpu = started.cpu()?.saturating_sub(before);
    ensure!(published == imports, "published {published} messages for {imports} imports");
    Ok(Warm { took, cpu })
}
