//! The figures of one run, and their targets.

use std::collections::BTreeMap;

use anyhow::Error;

use crate::contender::{OURS, PYTHON, STOCK_RUST};

/// What is measured. There are few figures, and each is one that a user or the bill feels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Figure {
    /// In millions, up to the first response.
    Instructions,
    /// Up to the first response, in milliseconds.
    Cpu,
    /// From the start of the process to the first response at 128 MB, in milliseconds.
    Start,
    /// In megabytes.
    Zip,
    /// In megabytes.
    Memory,
    /// CPU time of 1,000 imports in milliseconds.
    CpuOf1000,
    /// The same with services that take 20 ms for each call.
    CpuOf1000At20Ms,
    /// Imports per second at 128 MB with services that take 20 ms for each call.
    Throughput,
}

/// What this function should reach.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    Limit(f64),
    /// At most this part of a peer's figure.
    PartOf(f64, &'static str),
    /// At least this multiple of a peer's figure.
    MultipleOf(f64, &'static str),
}

impl Figure {
    /// All figures, in the order of the table.
    pub(crate) const ALL: [Self; 8] = [
        Self::Instructions,
        Self::Cpu,
        Self::Start,
        Self::Zip,
        Self::Memory,
        Self::CpuOf1000,
        Self::CpuOf1000At20Ms,
        Self::Throughput,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Instructions => "instructions up to the first response, millions",
            Self::Cpu => "CPU time up to the first response, ms",
            Self::Start => "start to first response at 128 MB, ms",
            Self::Zip => "zip, MB",
            Self::Memory => "peak memory, MB",
            Self::CpuOf1000 => "CPU time of 1,000 imports, ms",
            Self::CpuOf1000At20Ms => "CPU time of 1,000 imports, 20 ms per call, ms",
            Self::Throughput => "imports per second at 128 MB, 20 ms per call",
        }
    }

    pub(crate) fn target(self) -> Target {
        match self {
            Self::Instructions => Target::Limit(15.5),
            Self::Cpu => Target::PartOf(1.0 / 7.5, STOCK_RUST),
            Self::Start => Target::PartOf(1.0 / 120.0, PYTHON),
            Self::Zip => Target::Limit(2.6),
            Self::Memory => Target::Limit(7.7),
            Self::CpuOf1000 | Self::CpuOf1000At20Ms => Target::PartOf(0.9, STOCK_RUST),
            Self::Throughput => Target::MultipleOf(4.0, PYTHON),
        }
    }
}

/// One run of the benchmark.
#[derive(Debug)]
pub(crate) struct Results {
    /// The number of cold starts of each contender under each condition.
    pub(crate) runs: usize,
    /// The names of the contenders, in the order of the table.
    pub(crate) contenders: Vec<&'static str>,
    figures: BTreeMap<(Figure, &'static str), f64>,
    /// Why this machine cannot measure a figure.
    pub(crate) skipped: BTreeMap<Figure, String>,
    /// Each names the contender and the measurement that failed.
    pub(crate) failures: Vec<String>,
}

impl Results {
    pub(crate) fn new(runs: usize, contenders: Vec<&'static str>) -> Self {
        Self { runs, contenders, figures: BTreeMap::new(), skipped: BTreeMap::new(), failures: Vec::new() }
    }

    /// Reports a failure, which the run survives.
    pub(crate) fn fail(&mut self, contender: &str, what: &str, error: &Error) {
        let failure = format!("{contender}, {what}: {error:#}");
        println!("failed: {failure}");
        self.failures.push(failure);
    }

    /// Adds the median of what was measured, if anything was.
    pub(crate) fn add(&mut self, figure: Figure, contender: &'static str, mut values: Vec<f64>) {
        values.sort_unstable_by(f64::total_cmp);
        if let Some(&median) = values.get(values.len() / 2) {
            self.figures.insert((figure, contender), median);
        }
    }

    pub(crate) fn get(&self, figure: Figure, contender: &'static str) -> Option<f64> {
        self.figures.get(&(figure, contender)).copied()
    }

    /// How much this function's figure is relative to another contender's.
    pub(crate) fn ratio(&self, figure: Figure, contender: &'static str) -> Option<f64> {
        Some(self.get(figure, OURS)? / self.get(figure, contender)?)
    }

    /// Whether a figure reaches its target. `None` if it was not measured.
    pub(crate) fn is_met(&self, figure: Figure) -> Option<bool> {
        match figure.target() {
            Target::Limit(limit) => Some(self.get(figure, OURS)? <= limit),
            Target::PartOf(limit, peer) => Some(self.ratio(figure, peer)? <= limit),
            Target::MultipleOf(limit, peer) => Some(self.ratio(figure, peer)? >= limit),
        }
    }
}
