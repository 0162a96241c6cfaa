//! Limits CPU time with a control group, as Lambda does depending on the memory size.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// The memory size in MB at which a Lambda function gets one vCPU:
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>.
const MEMORY_FOR_ONE_CPU: u32 = 1769;

/// The period of the quota in microseconds. AWS does not document it; measurements inside Lambda functions show 20 ms.
const PERIOD: u32 = 20_000;

/// A control group. It starts without a limit, because Lambda's Init phase has a whole CPU for any memory size.
#[derive(Debug)]
pub struct Quota {
    folder: PathBuf,
    version: Version,
}

#[derive(Clone, Copy, Debug)]
enum Version {
    One,
    Two,
}

impl Quota {
    /// Creates a group.
    ///
    /// # Errors
    /// Fails if this machine has no control groups for CPU time, or does not allow this process to create one.
    pub fn create() -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (root, version) = if fs::exists("/sys/fs/cgroup/cpu/cpu.shares")? {
            ("/sys/fs/cgroup/cpu", Version::One)
        } else if fs::exists("/sys/fs/cgroup/cgroup.controllers")? {
            ("/sys/fs/cgroup", Version::Two)
        } else {
            return Err(io::Error::other("this machine has no control groups for CPU time"));
        };
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(root).join(format!("workspaces-image-import-{}-{number}", process::id()));
        // A group can be left over from a process with the same ID.
        if !folder.exists() {
            fs::create_dir(&folder).map_err(|error| explain("cannot create a control group", &error))?;
        }
        let quota = Self { folder, version };
        quota.lift().map_err(|error| explain("the control group does not support CPU quotas", &error))?;
        Ok(quota)
    }

    /// The file to which a process writes its ID to join the group.
    #[must_use]
    pub fn members(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }

    /// Adds a process with all its threads.
    ///
    /// # Errors
    /// Fails if there is no such process, or if it may not change its group.
    pub fn add(&self, pid: u32) -> io::Result<()> {
        self.write("cgroup.procs", &pid.to_string())
    }

    /// Limits the group to the CPU time of a function with this memory size in MB.
    ///
    /// # Errors
    /// Fails if the system rejects the limit.
    pub fn limit(&self, memory_mb: u32) -> io::Result<()> {
        let share = u64::from(PERIOD) * u64::from(memory_mb) / u64::from(MEMORY_FOR_ONE_CPU);
        match self.version {
            Version::One => {
                self.write("cpu.cfs_period_us", &PERIOD.to_string())?;
                self.write("cpu.cfs_quota_us", &share.to_string())
            }
            Version::Two => self.write("cpu.max", &format!("{share} {PERIOD}")),
        }
    }

    /// Removes the limit.
    ///
    /// # Errors
    /// Fails if the system rejects that.
    pub fn lift(&self) -> io::Result<()> {
        match self.version {
            Version::One => self.write("cpu.cfs_quota_us", "-1"),
            Version::Two => self.write("cpu.max", "max"),
        }
    }

    fn write(&self, file: &str, value: &str) -> io::Result<()> {
        let written = fs::write(self.folder.join(file), value);
        written.map_err(|error| explain(&format!("cannot write {value:?} to {file}"), &error))
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        // This fails if a process of the group is still exiting. An empty group that stays behind does no harm.
        let _ = fs::remove_dir(&self.folder);
    }
}

fn explain(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
