//! What the system counts of a process.

use std::time::Duration;

use anyhow::{Context, Result};
use nix::{time::clock_getcpuclockid, unistd::Pid};

/// User and system time of a process so far, all threads, ended ones too.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let clock = clock_getcpuclockid(Pid::from_raw(i32::try_from(pid)?))?;
    Ok(clock.now()?.into())
}

/// The most memory that a process has had resident so far, in bytes.
pub(crate) fn peak_rss(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"))
        .context("no VmHWM in the process's status")?;
    Ok(kilobytes.parse::<u64>()? * 1024)
}
