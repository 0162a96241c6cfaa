//! The measurements: cold starts, and invocations with many imports.

use std::{fs, process::Command, time::Duration};

use anyhow::{Result, ensure};
use fake_aws::Quota;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use crate::{
    contender::Contender,
    results::Load,
    services::{Services, event},
    start::Started,
};

/// The number of warm invocations after each cold start.
const WARM: usize = 21;
/// The number of warm invocations with many imports.
const MANY: usize = 5;

/// The measurements of one cold start. Each invocation describes one import and publishes one message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cold {
    pub(crate) init: Duration,
    pub(crate) first: Duration,
    /// The median of the warm invocations.
    pub(crate) warm: Duration,
    /// User and system time until the first response.
    pub(crate) cpu: Duration,
    /// In bytes.
    pub(crate) peak_rss: u64,
}

/// The conditions of a cold start.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Under<'a> {
    /// One CPU. All files are in the page cache.
    FullCpu,
    /// After Init, the CPU quota for this memory size in MB.
    Memory(&'a Quota, u32),
    /// One CPU. The contender's files are not in the page cache.
    ColdFiles,
}

/// Measures one cold start.
pub(crate) async fn cold(contender: &Contender, services: &Services, under: Under<'_>) -> Result<Cold> {
    services.set_latency(Duration::ZERO);
    let group = if let Under::Memory(group, _) = under { Some(group) } else { None };
    if let Some(group) = group {
        group.lift()?;
    }
    if matches!(under, Under::ColdFiles) {
        evict(contender)?;
    }
    let started = Started::start(contender, services, group).await?;
    if let Under::Memory(group, memory_mb) = under {
        group.limit(memory_mb)?;
    }
    let event = event(1).to_string();
    let first = started.invoke(&event).await?;
    let cpu = started.cpu()?;
    let mut warm = Vec::with_capacity(WARM);
    for _ in 0..WARM {
        warm.push(started.invoke(&event).await?);
    }
    let published = services.take_published();
    ensure!(
        published == WARM + 1 || contender.is_floor(),
        "{} published {published} messages in {} invocations",
        contender.name,
        WARM + 1
    );
    Ok(Cold { init: started.init, first, warm: median(warm), cpu, peak_rss: started.peak_rss()? })
}

/// Starts a contender under a profiler, invokes it once, and ends it, so that the profiler writes its output.
pub(crate) async fn profile(contender: &Contender, services: &Services, imports: usize) -> Result<()> {
    let started = Started::start(contender, services, None).await?;
    started.invoke(&event(imports).to_string()).await?;
    started.end()
}

/// The measurements of invocations with many imports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Many {
    /// The time from sending an invocation until its response.
    pub(crate) took: Duration,
    /// User and system time of one invocation.
    pub(crate) cpu: Duration,
    /// In bytes.
    pub(crate) peak_rss: u64,
}

/// Measures warm invocations of each contender. The invocations alternate between the contenders, so that other activity on
/// the machine affects all of them alike. Returns the medians of each contender.
///
/// Between two of its invocations, a contender waits for the others. All keep their connections meanwhile, if that takes less
/// than the 20 seconds after which this function closes idle ones.
pub(crate) async fn many(
    contenders: &[&Contender],
    services: &Services,
    load: Load,
    quota: Option<&Quota>,
) -> Result<Vec<Many>> {
    services.set_latency(load.latency);
    let limit = quota.zip(load.memory_mb);
    if let Some((group, _)) = limit {
        group.lift()?;
    }
    let concurrency = load.concurrency.to_string();
    let mut started = Vec::with_capacity(contenders.len());
    for contender in contenders {
        let contender = contender.with("CONCURRENCY", &concurrency);
        started.push(Started::start(&contender, services, limit.map(|(group, _)| group)).await?);
    }
    if let Some((group, memory_mb)) = limit {
        group.limit(memory_mb)?;
    }
    let event = event(load.imports).to_string();
    // Not measured: the first invocations open connections.
    for process in &started {
        process.invoke(&event).await?;
    }
    let mut measured = vec![(Vec::with_capacity(MANY), Vec::with_capacity(MANY)); started.len()];
    for _ in 0..MANY {
        for ((contender, process), (took, cpu)) in contenders.iter().zip(&started).zip(&mut measured) {
            services.take_published();
            let before = process.cpu()?;
            took.push(process.invoke(&event).await?);
            cpu.push(process.cpu()?.saturating_sub(before));
            let (published, imports) = (services.take_published(), load.imports);
            ensure!(published == imports, "{} published {published} messages for {imports} imports", contender.name);
        }
    }
    let medians = started.iter().zip(measured);
    medians
        .map(|(process, (took, cpu))| Ok(Many { took: median(took), cpu: median(cpu), peak_rss: process.peak_rss()? }))
        .collect()
}

/// The median of a list that is not empty.
pub(crate) fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}

/// Removes a contender's files from the page cache.
fn evict(contender: &Contender) -> Result<()> {
    let list = Command::new("find").arg("-L").args(contender.files()).args(["-type", "f"]).output()?;
    for path in String::from_utf8(list.stdout)?.lines() {
        // The page cache cannot drop data that is not on disk yet.
        let file = fs::File::open(path)?;
        file.sync_all()?;
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
    }
    Ok(())
}
