//! The memory, file descriptors and threads of a process, from `/proc` on Linux.

use std::fs;

/// The resources of a process at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    /// Resident memory in kilobytes.
    pub(super) resident_kb: usize,
    /// The maximum of `resident_kb` so far.
    pub(super) peak_kb: usize,
    /// Resident memory that does not belong to files, in kilobytes: heap and stacks.
    pub(super) anonymous_kb: usize,
    /// Open file descriptors.
    pub(super) descriptors: usize,
    pub(super) threads: usize,
}

impl Usage {
    pub(super) fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs, on Linux");
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let number = line.and_then(|value| value.split_whitespace().next()).expect("the field is there");
            number.parse().expect("a number")
        };
        Self {
            resident_kb: number("VmRSS"),
            peak_kb: number("VmHWM"),
            anonymous_kb: number("RssAnon"),
            descriptors: fs::read_dir(format!("/proc/{pid}/fd")).expect("the process runs").count(),
            threads: number("Threads"),
        }
    }
}
