//! The results as Markdown.

use std::{fmt::Write, fs, process::Command};

use anyhow::{Context, Result};

use crate::{
    contender::{OURS, OURS_WITH_LEDGER},
    results::{COLD_FILES, FULL, MB_128, MB_256, Results, mb, ms},
};

/// Rounds to three significant digits.
pub(crate) fn digits(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

/// Writes a small value as a fraction.
fn fraction(value: f64) -> String {
    if value < 0.2 && value > 0.0 { format!("1/{}", digits(1.0 / value)) } else { digits(value) }
}

impl Results {
    /// All results.
    pub(crate) fn page(&self) -> Result<String> {
        let mut page = "# Benchmark results\n\n".to_owned();
        let _ = writeln!(page, "`make bench` writes this page. {}\n", self.conditions()?);
        let _ = writeln!(page, "## Cold starts\n\n{}\n{}", self.cold_table(), include_str!("cold.md"));
        let _ = writeln!(page, "## Many imports\n\n{}\n{}", self.many_table(), include_str!("many.md"));
        let _ = writeln!(page, "{}", self.throughput().unwrap_or_default());
        page.push_str("## Targets\n\nThey are for the function without the ledger, unless they say otherwise.\n\n| | measured | at most | |\n|---|---|---|---|\n");
        for target in self.targets() {
            let met = if target.measured <= target.at_most { "met" } else { "missed" };
            let (measured, at_most) = (fraction(target.measured), fraction(target.at_most));
            let _ = writeln!(page, "| {} | {measured} | {at_most} | {met} |", target.what);
        }
        page.push_str("\n[`PROFILE.md`](PROFILE.md) explains why some targets are missed.\n");
        Ok(page)
    }

    /// The table of cold starts, a comparison of the function with each peer, and its throughput.
    pub(crate) fn summary(&self) -> Result<String> {
        let (ours, floor) = ("this function with the ledger", "an empty function");
        // The floor, and then the peers from the most to the least similar.
        let comparisons = [
            self.comparison((ours, OURS_WITH_LEDGER), (floor, "lambda_runtime")),
            self.comparison(("stock Rust", "Rust"), (ours, OURS_WITH_LEDGER)),
            self.comparison(("Node", "Node"), (ours, OURS_WITH_LEDGER)),
            self.comparison(("Python", "Python"), (ours, OURS_WITH_LEDGER)),
        ];
        let mut summary = format!("{}\n\n{}\n", self.conditions()?, self.cold_table());
        summary.extend(comparisons.into_iter().flatten());
        if let Some(throughput) = self.throughput() {
            let _ = write!(summary, "\n{throughput}");
        }
        Ok(summary)
    }

    /// How much more a contender needs than another one. Each has its name in the sentence and the beginning of its name in
    /// the results.
    fn comparison(&self, (larger_name, larger): (&str, &str), (smaller_name, smaller): (&str, &str)) -> Option<String> {
        let ratio = |larger: Option<f64>, smaller: Option<f64>| Some(digits(larger? / smaller?));
        let cpu = ratio(self.cpu(larger), self.cpu(smaller))?;
        let memory = ratio(self.rss(larger), self.rss(smaller))?;
        let mut text = format!(
            "- Compared with {smaller_name}, {larger_name} uses {cpu} times the CPU time and {memory} times the memory"
        );
        if let Some(start) = ratio(self.start(larger, MB_128), self.start(smaller, MB_128)) {
            let _ = write!(text, ". At 128 MB, it takes {start} times as long from start to first response");
        }
        text.push_str(".\n");
        Some(text)
    }

    /// How many imports a second of CPU time is enough for.
    fn throughput(&self) -> Option<String> {
        let ours = self.imports_per_cpu_second(OURS)?;
        let mut text = format!("One second of CPU time is enough for {ours:.0} imports in events with 1,000 imports");
        if let Some(rust) = self.imports_per_cpu_second("Rust") {
            let _ = write!(text, " (stock Rust: {rust:.0})");
        }
        text.push_str(". The function has one thread.\n");
        Some(text)
    }

    fn cold_table(&self) -> String {
        let mut table = "| | Init ms | first ms | warm ms | CPU ms | peak RSS MB | zip MB | Init + first at 128 MB, ms | first at 128 MB, ms | Init + first at 256 MB, ms | Init + first, files not cached, ms |\n|---|---|---|---|---|---|---|---|---|---|---|\n".to_owned();
        for (name, _) in &self.cold {
            let cells = [
                self.init(name),
                self.first(name, FULL),
                self.warm(name),
                self.cpu(name),
                self.rss(name),
                self.zip(name),
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

    fn many_table(&self) -> String {
        let mut table = "| | imports | latency ms | concurrency | CPU | duration ms | round trips ms | CPU ms | peak RSS MB |\n|---|---|---|---|---|---|---|---|---|\n".to_owned();
        for (name, load, many) in &self.many {
            let cpu = load.memory_mb.map_or_else(|| "full".to_owned(), |memory_mb| format!("{memory_mb} MB"));
            let _ = writeln!(
                table,
                "| {} | {} | {} | {} | {cpu} | {} | {} | {} | {} |",
                name,
                load.imports,
                load.latency.as_millis(),
                load.concurrency,
                digits(ms(many.took)),
                load.round_trips(name == OURS_WITH_LEDGER).as_millis(),
                digits(ms(many.cpu)),
                digits(mb(many.peak_rss)),
            );
        }
        table
    }

    fn conditions(&self) -> Result<String> {
        let date = Command::new("date").args(["--utc", "+%F"]).output()?.stdout;
        let cpu = fs::read_to_string("/proc/cpuinfo")?;
        let cpu = cpu.lines().find_map(|line| Some(line.strip_prefix("model name")?.split_once(": ")?.1));
        let cores = std::thread::available_parallelism()?;
        Ok(format!(
            "Measured on {} with {cores} cores ({}, {}). Each value is the median of {} interleaved cold starts.",
            String::from_utf8(date)?.trim(),
            cpu.unwrap_or("unknown CPU"),
            std::env::consts::ARCH,
            self.runs
        ))
    }
}

/// A page with a block that the benchmark writes.
pub(crate) struct Page {
    path: &'static str,
    /// The text up to the block, including its first marker.
    head: String,
    /// The text after the block, including its second marker.
    tail: String,
}

impl Page {
    /// Reads a page.
    ///
    /// # Errors
    /// Fails if the page or one of its markers is missing.
    pub(crate) fn open(path: &'static str) -> Result<Self> {
        const START: &str = "<!-- make bench writes this -->\n";
        const END: &str = "<!-- to here -->";
        let page = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
        let missing = |marker: &str| format!("{path} does not contain the marker {}", marker.trim());
        let (head, rest) = page.split_once(START).with_context(|| missing(START))?;
        let (_, tail) = rest.split_once(END).with_context(|| missing(END))?;
        Ok(Self { path, head: format!("{head}{START}"), tail: format!("{END}{tail}") })
    }

    /// Replaces the block and writes the page.
    pub(crate) fn insert(&self, block: &str) -> Result<()> {
        fs::write(self.path, [&self.head, block, &self.tail].concat())?;
        Ok(())
    }
}
