//! What is measured: cold starts, and invocations with many imports.

use std::{fs, process::Command, time::Duration};

use anyhow::{Result, ensure};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use crate::{
    contender::Contender,
    quota::Quota,
    services::{Services, event},
    start::Started,
};

/// Invocations after the first, of which the median is told.
const WARM: usize = 21;

/// What one cold start came to, with one import described and one message published by each invocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cold {
    pub(crate) init: Duration,
    pub(crate) first: Duration,
    pub(crate) warm: Duration,
    /// User and system time up to the first answer.
    pub(crate) cpu: Duration,
    pub(crate) peak_rss: u64,
}

/// The circumstances of a cold start.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Under<'a> {
    /// A whole CPU, everything in the page cache.
    FullCpu,
    /// After Init, the share of a CPU for so many MB of memory.
    Memory(&'a Quota, u32),
    /// A whole CPU, the contender's files not in the page cache.
    ColdFiles,
}

/// One cold start.
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
        "{} published {published} times in {} invocations",
        contender.name,
        WARM + 1
    );
    Ok(Cold { init: started.init, first, warm: median(warm), cpu, peak_rss: started.peak_rss()? })
}

/// One start and one invocation under a profiler, which then writes down what it saw.
pub(crate) async fn profile(contender: &Contender, services: &Services) -> Result<()> {
    let started = Started::start(contender, services, None).await?;
    started.invoke(&event(1).to_string()).await?;
    started.end()
}

/// What invocations with many imports came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Many {
    pub(crate) took: Duration,
    /// User and system time of one invocation.
    pub(crate) cpu: Duration,
    pub(crate) peak_rss: u64,
}

/// Three invocations with so many imports each, of a function that is warm; their medians.
pub(crate) async fn many(
    contender: &Contender,
    services: &Services,
    imports: usize,
    latency: Duration,
    limit: Option<(&Quota, u32)>,
) -> Result<Many> {
    services.set_latency(latency);
    if let Some((group, _)) = limit {
        group.lift()?;
    }
    let started = Started::start(contender, services, limit.map(|(group, _)| group)).await?;
    if let Some((group, memory_mb)) = limit {
        group.limit(memory_mb)?;
    }
    let event = event(imports).to_string();
    started.invoke(&event).await?;
    let (mut took, mut cpu) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        services.take_published();
        let before = started.cpu()?;
        took.push(started.invoke(&event).await?);
        cpu.push(started.cpu()?.saturating_sub(before));
        let published = services.take_published();
        ensure!(published == imports, "{} published {published} of {imports}", contender.name);
    }
    Ok(Many { took: median(took), cpu: median(cpu), peak_rss: started.peak_rss()? })
}

/// The middle one.
pub(crate) fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}

/// Takes a contender's files out of the page cache.
fn evict(contender: &Contender) -> Result<()> {
    let list = Command::new("find").arg("-L").args(contender.files()).args(["-type", "f"]).output()?;
    for path in String::from_utf8(list.stdout)?.lines() {
        // Only what is on disk can leave the cache.
        let file = fs::File::open(path)?;
        file.sync_all()?;
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
    }
    Ok(())
}
