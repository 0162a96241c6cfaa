//! The measurements of one run, their medians, and the targets.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    contender::{OURS, OURS_WITH_LEDGER, OURS_WITHOUT_PINGS},
    measure::{Cold, Many, median},
};

/// The conditions of a cold start.
pub(crate) const FULL: &str = "full CPU";
pub(crate) const MB_128: &str = "128 MB";
pub(crate) const MB_256: &str = "256 MB";
pub(crate) const COLD_FILES: &str = "files not cached";

/// One run of the benchmark.
#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) runs: usize,
    /// By contender in the order of the table, then by condition.
    pub(crate) cold: Vec<(String, BTreeMap<&'static str, Vec<Cold>>)>,
    /// By contender.
    pub(crate) zip_bytes: BTreeMap<String, u64>,
    /// By contender and load, in the order of the table.
    pub(crate) many: Vec<(String, Load, Many)>,
}

/// An invocation with many imports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) imports: usize,
    /// The latency of every call to a service.
    pub(crate) latency: Duration,
    pub(crate) concurrency: usize,
    pub(crate) memory_mb: Option<u32>,
}

/// A limit that this function should stay below.
pub(crate) struct Target {
    pub(crate) what: &'static str,
    pub(crate) measured: f64,
    pub(crate) at_most: f64,
}

impl Load {
    /// The time that the round trips alone take: all describes, then all batches of ten messages. With the ledger, also all
    /// reads of a hundred items before, and all writes before and after publishing.
    pub(crate) fn round_trips(&self, has_ledger: bool) -> Duration {
        let one_after_another = |calls: usize| calls.div_ceil(self.concurrency);
        let ledger = one_after_another(self.imports.div_ceil(100)) + 2 * one_after_another(self.imports);
        let round_trips = one_after_another(self.imports)
            + one_after_another(self.imports.div_ceil(10))
            + if has_ledger { ledger } else { 0 };
        self.latency * u32::try_from(round_trips).unwrap_or(u32::MAX)
    }
}

pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

pub(crate) fn mb(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "the report rounds to three digits")]
    let bytes = bytes as f64;
    bytes / 1e6
}

// All times are medians in milliseconds, and all sizes are in megabytes. `None` if the contender, given by the beginning of
// its name, was not measured.
impl Results {
    fn median_of(&self, contender: &str, condition: &str, of: impl Fn(&Cold) -> Duration) -> Option<f64> {
        let (_, cold) = self.cold.iter().find(|(name, _)| name.starts_with(contender))?;
        Some(ms(median(cold.get(condition)?.iter().map(of).collect())))
    }

    /// Init.
    pub(crate) fn init(&self, contender: &str) -> Option<f64> {
        self.median_of(contender, FULL, |cold| cold.init)
    }

    /// Init and the first invocation together.
    pub(crate) fn start(&self, contender: &str, condition: &str) -> Option<f64> {
        self.median_of(contender, condition, |cold| cold.init + cold.first)
    }

    /// The first invocation.
    pub(crate) fn first(&self, contender: &str, condition: &str) -> Option<f64> {
        self.median_of(contender, condition, |cold| cold.first)
    }

    /// A warm invocation.
    pub(crate) fn warm(&self, contender: &str) -> Option<f64> {
        self.median_of(contender, FULL, |cold| cold.warm)
    }

    /// CPU time until the first response.
    pub(crate) fn cpu(&self, contender: &str) -> Option<f64> {
        self.median_of(contender, FULL, |cold| cold.cpu)
    }

    /// Peak resident memory.
    pub(crate) fn rss(&self, contender: &str) -> Option<f64> {
        let (_, cold) = self.cold.iter().find(|(name, _)| name.starts_with(contender))?;
        Some(mb(median(cold.get(FULL)?.iter().map(|cold| cold.peak_rss).collect())))
    }

    /// The deployment package.
    pub(crate) fn zip(&self, contender: &str) -> Option<f64> {
        self.zip_bytes.get(contender).map(|bytes| mb(*bytes))
    }

    fn many(&self, contender: &str, load: Load) -> Option<&Many> {
        let is = |(name, other, _): &&(String, Load, Many)| name.starts_with(contender) && *other == load;
        self.many.iter().find(is).map(|(_, _, many)| many)
    }

    /// The CPU time of an invocation with this number of imports, with the default concurrency and a full CPU.
    fn many_cpu(&self, contender: &str, imports: usize, latency: Duration) -> Option<f64> {
        let load = Load { imports, latency, concurrency: 8, memory_mb: None };
        Some(ms(self.many(contender, load)?.cpu))
    }

    /// The CPU time of each additional import in an event.
    fn cpu_per_import(&self, contender: &str) -> Option<f64> {
        let of = |imports| self.many_cpu(contender, imports, Duration::ZERO);
        Some((of(1000)? - of(1)?) / 999.0)
    }

    /// The imports in a second of CPU time, in events with 1,000 imports.
    pub(crate) fn imports_per_cpu_second(&self, contender: &str) -> Option<f64> {
        Some(1000.0 / (self.many_cpu(contender, 1000, Duration::ZERO)? / 1e3))
    }

    /// The targets that this run measured.
    pub(crate) fn targets(&self) -> Vec<Target> {
        let many = |memory_mb, concurrency| {
            let load = Load { imports: 1000, latency: Duration::from_millis(20), concurrency, memory_mb };
            Some(ms(self.many(OURS, load)?.took) / ms(load.round_trips(false)))
        };
        let max_rss = |concurrency| {
            let is = |name: &str, load: &Load| name == OURS && load.imports == 1000 && load.concurrency == concurrency;
            let all = self.many.iter().filter(|(name, load, _)| is(name, load));
            all.map(|(_, _, many)| mb(many.peak_rss)).reduce(f64::max)
        };
        let ratio = |ours: Option<f64>, theirs: Option<f64>| Some(ours? / theirs?);
        let difference = |larger: Option<f64>, smaller: Option<f64>| Some(larger? - smaller?);
        let cpu = |contender| ratio(self.cpu(OURS), self.cpu(contender));
        let cpu_of_1000 = |latency_ms| {
            let of = |contender| self.many_cpu(contender, 1000, Duration::from_millis(latency_ms));
            ratio(of(OURS), of("Rust"))
        };
        // Without pings, Init opens no connections. With them, it opens two. Half of the difference is one handshake.
        let handshake = difference(self.init(OURS), self.init(OURS_WITHOUT_PINGS)).map(|two| two / 2.0);
        let targets = [
            ("CPU until the first response ÷ the floor's", cpu("lambda_runtime"), 2.0),
            ("CPU until the first response ÷ Python's", cpu("Python"), 1.0 / 80.0),
            ("CPU until the first response ÷ stock Rust's", cpu("Rust"), 1.0 / 9.0),
            (
                "Init + first at 128 MB ÷ Python's",
                ratio(self.start(OURS, MB_128), self.start("Python", MB_128)),
                1.0 / 200.0,
            ),
            (
                "Init + first at 128 MB with the ledger ÷ Python's",
                ratio(self.start(OURS_WITH_LEDGER, MB_128), self.start("Python", MB_128)),
                1.0 / 120.0,
            ),
            ("First at 128 MB ÷ Python's", ratio(self.first(OURS, MB_128), self.first("Python", MB_128)), 1.0 / 1000.0),
            ("First at 128 MB ÷ our warm invocation", ratio(self.first(OURS, MB_128), self.warm(OURS)), 1.5),
            ("Peak RSS ÷ Python's", ratio(self.rss(OURS), self.rss("Python")), 1.0 / 7.5),
            ("Peak RSS, MB", self.rss(OURS), 7.6),
            ("Zip, MB", self.zip(OURS), 2.6),
            ("CPU with 1,000 imports, latency 0 ms ÷ stock Rust's", cpu_of_1000(0), 1.0),
            ("CPU with 1,000 imports, latency 20 ms ÷ stock Rust's", cpu_of_1000(20), 1.0),
            ("1,000 imports, latency 20 ms, concurrency 32 ÷ round trips", many(None, 32), 1.2),
            ("1,000 imports, latency 20 ms, concurrency 8, 128 MB ÷ round trips", many(Some(128), 8), 1.15),
            (
                "CPU per additional import ÷ Python's",
                ratio(self.cpu_per_import(OURS), self.cpu_per_import("Python")),
                1.0 / 15.0,
            ),
            ("Peak RSS with 1,000 imports, concurrency 8, MB", max_rss(8), 11.0),
            ("Peak RSS with 1,000 imports, concurrency 32, MB", max_rss(32), 11.0),
            (
                "Init with the ledger − Init without it, ms (at most: one handshake)",
                handshake.and(difference(self.init(OURS_WITH_LEDGER), self.init(OURS))),
                handshake.unwrap_or_default(),
            ),
        ];
        let measured = targets.into_iter().filter_map(|(what, measured, at_most)| Some((what, measured?, at_most)));
        measured.map(|(what, measured, at_most)| Target { what, measured, at_most }).collect()
    }

    /// Removes a contender.
    pub(crate) fn remove(&mut self, contender: &str) {
        self.cold.retain(|(name, _)| name != contender);
        self.zip_bytes.remove(contender);
        self.many.retain(|(name, _, _)| name != contender);
    }
}
