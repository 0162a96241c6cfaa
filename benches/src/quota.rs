//! The share of a CPU that Lambda gives for a memory size, as a control group of this machine.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result, bail};

/// The memory size at which Lambda gives one whole CPU, in MB. Lambda's developer guide, "Configure memory".
const MEMORY_OF_ONE_CPU: u32 = 1769;

/// How often the share is given out. Measurements of Lambda from inside find 20 ms.
const PERIOD: Duration = Duration::from_millis(20);

/// A control group for one process. Without a limit at first: Lambda's Init has a whole CPU, whatever the memory size.
#[derive(Debug)]
pub(crate) struct Quota {
    folder: PathBuf,
    version: Version,
}

#[derive(Clone, Copy, Debug)]
enum Version {
    One,
    Two,
}

impl Quota {
    /// Makes the group.
    ///
    /// # Errors
    /// Where this machine has no such groups, or does not let us make one.
    pub(crate) fn create() -> Result<Self> {
        let name = format!("workspaces-image-import-{}", std::process::id());
        let (root, version) = if fs::exists("/sys/fs/cgroup/cpu/cpu.shares")? {
            ("/sys/fs/cgroup/cpu", Version::One)
        } else if fs::exists("/sys/fs/cgroup/cgroup.controllers")? {
            ("/sys/fs/cgroup", Version::Two)
        } else {
            bail!("this machine has no control groups for CPU time");
        };
        let folder = PathBuf::from(root).join(name);
        if !folder.exists() {
            fs::create_dir(&folder).context("this machine does not let us make a control group")?;
        }
        let quota = Self { folder, version };
        quota.lift().context("the control group has no quota of CPU time")?;
        Ok(quota)
    }

    /// What a process writes its id to, to join.
    pub(crate) fn members(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }

    /// Limits the group to what a function of this memory size gets.
    pub(crate) fn limit(&self, memory_mb: u32) -> Result<()> {
        let period = u32::try_from(PERIOD.as_micros())?;
        let share = f64::from(period) * f64::from(memory_mb) / f64::from(MEMORY_OF_ONE_CPU);
        match self.version {
            Version::One => {
                self.write("cpu.cfs_period_us", &period.to_string())?;
                self.write("cpu.cfs_quota_us", &format!("{share:.0}"))
            }
            Version::Two => self.write("cpu.max", &format!("{share:.0} {period}")),
        }
    }

    /// Lifts the limit.
    pub(crate) fn lift(&self) -> Result<()> {
        match self.version {
            Version::One => self.write("cpu.cfs_quota_us", "-1"),
            Version::Two => self.write("cpu.max", "max"),
        }
    }

    fn write(&self, file: &str, value: &str) -> Result<()> {
        fs::write(self.folder.join(file), value).with_context(|| format!("{value} into {file}"))
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        // A group that still has a dying process cannot be removed at once, and an empty one harms nobody.
        let _ = Command::new("rmdir").arg(&self.folder).output();
    }
}
