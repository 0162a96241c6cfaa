//! What is said of it all: tables in Markdown, the ratios that count, and how far the targets are met.

use std::{collections::BTreeMap, fmt::Write, fs, process::Command, time::Duration};

use anyhow::{Context, Result};

use crate::{
    contender::{OURS, OURS_LEDGER},
    measure::{Cold, Many, median},
};

/// The circumstances of a row's cold starts.
pub(crate) const FULL: &str = "full CPU";
pub(crate) const MB_128: &str = "128 MB";
pub(crate) const MB_256: &str = "256 MB";
pub(crate) const COLD_FILES: &str = "cold files";

/// One run of the benchmark.
#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) runs: usize,
    /// By contender in the table's order, then by circumstances.
    pub(crate) cold: Vec<(String, BTreeMap<&'static str, Vec<Cold>>)>,
    pub(crate) zip_bytes: BTreeMap<String, u64>,
    pub(crate) many: Vec<(Load, Many)>,
}

/// An invocation with many imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) contender: String,
    pub(crate) imports: usize,
    pub(crate) latency: Duration,
    pub(crate) concurrency: usize,
    pub(crate) memory_mb: Option<u32>,
}

impl Load {
    /// Round trips one after another that no client can do without: describes, then batches of ten.
    pub(crate) fn ideal(&self) -> Duration {
        let round_trips =
            self.imports.div_ceil(self.concurrency) + self.imports.div_ceil(10).div_ceil(self.concurrency);
        self.latency * u32::try_from(round_trips).unwrap_or(u32::MAX)
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn mb(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "for people to read")]
    let bytes = bytes as f64;
    bytes / 1e6
}

/// Three digits say enough.
pub(crate) fn digits(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

impl Results {
    fn median_of(&self, contender: &str, under: &str, of: impl Fn(&Cold) -> Duration) -> Option<f64> {
        let (_, cold) = self.cold.iter().find(|(name, _)| name.starts_with(contender))?;
        Some(ms(median(cold.get(under)?.iter().map(of).collect())))
    }

    /// Init and the first invocation together, in milliseconds.
    pub(crate) fn start(&self, contender: &str, under: &str) -> Option<f64> {
        self.median_of(contender, under, |cold| cold.init + cold.first)
    }

    fn first(&self, contender: &str, under: &str) -> Option<f64> {
        self.median_of(contender, under, |cold| cold.first)
    }

    fn cpu(&self, contender: &str) -> Option<f64> {
        self.median_of(contender, FULL, |cold| cold.cpu)
    }

    fn rss(&self, contender: &str) -> Option<f64> {
        let (_, cold) = self.cold.iter().find(|(name, _)| name.starts_with(contender))?;
        Some(mb(median(cold.get(FULL)?.iter().map(|cold| cold.peak_rss).collect())))
    }

    fn many(&self, load: &Load) -> Option<&Many> {
        self.many.iter().find(|(other, _)| other == load).map(|(_, many)| many)
    }

    /// The table of cold starts.
    pub(crate) fn cold_table(&self) -> String {
        let mut table = "| | init ms | first ms | warm ms | CPU ms | peak RSS MB | zip MB | init + first, 128 MB | first, 128 MB | init + first, 256 MB | init + first, files not cached |\n|---|---|---|---|---|---|---|---|---|---|---|\n".to_owned();
        for (name, _) in &self.cold {
            let cells = [
                self.median_of(name, FULL, |cold| cold.init),
                self.first(name, FULL),
                self.median_of(name, FULL, |cold| cold.warm),
                self.cpu(name),
                self.rss(name),
                self.zip_bytes.get(name).map(|bytes| mb(*bytes)),
                self.start(name, MB_128),
                self.first(name, MB_128),
                self.start(name, MB_256),
                self.start(name, COLD_FILES),
            ];
            let cells = cells.map(|cell| cell.map_or_else(|| "–".to_owned(), digits));
            let _ = writeln!(table, "| {name} | {} |", cells.join(" | "));
        }
        table
    }

    /// The table of invocations with many imports.
    pub(crate) fn many_table(&self) -> String {
        let mut table = "| | imports | latency ms | concurrency | CPU | took ms | round trips alone ms | CPU ms | peak RSS MB |\n|---|---|---|---|---|---|---|---|---|\n".to_owned();
        for (load, many) in &self.many {
            let cpu = load.memory_mb.map_or_else(|| "full".to_owned(), |memory_mb| format!("of {memory_mb} MB"));
            let _ = writeln!(
                table,
                "| {} | {} | {} | {} | {cpu} | {} | {} | {} | {} |",
                load.contender,
                load.imports,
                load.latency.as_millis(),
                load.concurrency,
                digits(ms(many.took)),
                load.ideal().as_millis(),
                digits(ms(many.cpu)),
                digits(mb(many.peak_rss)),
            );
        }
        table
    }

    /// CPU time of one import more, in milliseconds.
    fn cpu_per_import(&self, contender: &str) -> Option<f64> {
        let of = |imports| {
            let is = |load: &Load| {
                load.contender.starts_with(contender) && load.imports == imports && load.latency.is_zero()
            };
            self.many.iter().find(|(load, _)| is(load)).map(|(_, many)| ms(many.cpu))
        };
        Some((of(1000)? - of(1)?) / 999.0)
    }

    /// What was set out for, and how far it got: what, value, at most.
    pub(crate) fn targets(&self) -> Vec<(&'static str, f64, f64)> {
        let many = |memory_mb, concurrency| {
            let latency = Duration::from_millis(20);
            let load = Load { contender: OURS.to_owned(), imports: 1000, latency, concurrency, memory_mb };
            Some(ms(self.many(&load)?.took) / ms(load.ideal()))
        };
        let most_rss = |concurrency| {
            let is = |load: &Load| load.contender == OURS && load.imports == 1000 && load.concurrency == concurrency;
            self.many.iter().filter(|(load, _)| is(load)).map(|(_, many)| mb(many.peak_rss)).reduce(f64::max)
        };
        let of = |ours: Option<f64>, others: Option<f64>| Some(ours? / others?);
        let init = |contender| self.median_of(contender, FULL, |cold| cold.init);
        let measured = [
            ("CPU to the first answer ÷ the echo floor's", of(self.cpu(OURS), self.cpu("lambda_runtime")), 2.0),
            ("CPU to the first answer ÷ Python's", of(self.cpu(OURS), self.cpu("Python")), 1.0 / 80.0),
            ("CPU to the first answer ÷ stock Rust's", of(self.cpu(OURS), self.cpu("Rust")), 1.0 / 9.0),
            (
                "init + first at 128 MB ÷ Python's",
                of(self.start(OURS, MB_128), self.start("Python", MB_128)),
                1.0 / 200.0,
            ),
            ("first at 128 MB ÷ Python's", of(self.first(OURS, MB_128), self.first("Python", MB_128)), 1.0 / 1000.0),
            (
                "first at 128 MB ÷ our own warm invoke",
                of(self.first(OURS, MB_128), self.median_of(OURS, FULL, |cold| cold.warm)),
                1.5,
            ),
            ("peak RSS ÷ Python's", of(self.rss(OURS), self.rss("Python")), 1.0 / 7.5),
            ("zip, MB", self.zip_bytes.get(OURS).map(|bytes| mb(*bytes)), 2.2),
            ("1,000 imports at 20 ms, concurrency 32 ÷ round trips alone", many(None, 32), 1.2),
            ("1,000 imports at 20 ms, concurrency 8, 128 MB ÷ round trips alone", many(Some(128), 8), 1.15),
            (
                "CPU per further import ÷ Python's",
                of(self.cpu_per_import(OURS), self.cpu_per_import("Python")),
                1.0 / 15.0,
            ),
            ("peak RSS at 1,000 imports, concurrency 8, MB", most_rss(8), 11.0),
            ("peak RSS at 1,000 imports, concurrency 32, MB", most_rss(32), 11.0),
            (
                "init with the ledger − without, ms",
                init(OURS_LEDGER).zip(init(OURS)).map(|(with, without)| with - without),
                {
                    // One handshake: what opening two connections makes dearer, halved.
                    let late = init(crate::contender::OURS_LATE).zip(init(OURS));
                    late.map_or(f64::NAN, |(late, early)| (early - late) / 2.0)
                },
            ),
        ];
        measured.into_iter().filter_map(|(what, value, at_most)| Some((what, value?, at_most))).collect()
    }

    /// Everything, as a page.
    pub(crate) fn page(&self) -> Result<String> {
        let mut page = "# What `make bench` measured\n\n".to_owned();
        let _ = writeln!(page, "{}\n", self.circumstances()?);
        let _ = writeln!(page, "## Cold starts\n\n{}\n{}", self.cold_table(), include_str!("cold.md"));
        let _ = writeln!(page, "## Many imports\n\n{}\n{}", self.many_table(), include_str!("many.md"));
        page.push_str("## Targets\n\n| | measured | at most | |\n|---|---|---|---|\n");
        for (what, value, at_most) in self.targets() {
            let met = if value <= at_most { "met" } else { "missed" };
            let _ = writeln!(page, "| {what} | {} | {} | {met} |", fraction(value), fraction(at_most));
        }
        page.push_str("\n[`PROFILE.md`](PROFILE.md) says what stands in the way of those that are missed.\n");
        Ok(page)
    }

    /// What the README says, between its marks.
    pub(crate) fn summary(&self) -> Result<String> {
        let ratio = |ours: Option<f64>, theirs: Option<f64>| Some(digits(theirs? / ours?));
        let mut summary = format!("{}\n\n{}\n", self.circumstances()?, self.cold_table());
        for (name, contender) in [("Python", "Python"), ("Node", "Node"), ("Rust with the defaults", "Rust")] {
            let ratios = [
                ratio(self.cpu(OURS), self.cpu(contender)).map(|x| format!("{x} times the CPU time")),
                ratio(self.rss(OURS), self.rss(contender)).map(|x| format!("{x} times the memory")),
                ratio(self.start(OURS, MB_128), self.start(contender, MB_128))
                    .map(|x| format!("{x} times as long from its start to its first answer at 128 MB")),
            ];
            let ratios: Vec<String> = ratios.into_iter().flatten().collect();
            if !ratios.is_empty() {
                let _ = writeln!(summary, "- {name} takes {}.", ratios.join(", "));
            }
        }
        Ok(summary)
    }

    fn circumstances(&self) -> Result<String> {
        let date = Command::new("date").args(["--utc", "+%F"]).output()?.stdout;
        let cpu = fs::read_to_string("/proc/cpuinfo")?;
        let cpu = cpu.lines().find_map(|line| Some(line.strip_prefix("model name")?.split_once(": ")?.1));
        let cores = std::thread::available_parallelism()?;
        Ok(format!(
            "{}, {cores} cores ({}), {}; medians of {} interleaved cold starts.",
            String::from_utf8(date)?.trim(),
            cpu.unwrap_or("unknown model"),
            std::env::consts::ARCH,
            self.runs
        ))
    }
}

/// Small values as what they are a part of.
fn fraction(value: f64) -> String {
    if value < 0.2 && value > 0.0 { format!("1/{}", digits(1.0 / value)) } else { digits(value) }
}

/// Puts `text` between a page's marks.
///
/// # Errors
/// Where the page or its marks are missing.
pub(crate) fn insert(path: &str, text: &str) -> Result<()> {
    const MARKS: [&str; 2] = ["<!-- make bench writes this -->\n", "<!-- to here -->"];
    let page = fs::read_to_string(path)?;
    let (head, rest) = page.split_once(MARKS[0]).with_context(|| format!("{path} has no mark"))?;
    let (_, tail) = rest.split_once(MARKS[1]).with_context(|| format!("{path} has no second mark"))?;
    fs::write(path, [head, MARKS[0], text, MARKS[1], tail].concat())?;
    Ok(())
}
