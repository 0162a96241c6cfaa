//! The results as Markdown, and the page that contains them.

use std::{fmt::Write, fs, process::Command};

use anyhow::{Context, Result};

use crate::{
    contender::{BASELINE, OURS},
    results::{Figure, Results, Target},
};

/// Rounds to three significant digits.
fn digits(value: f64) -> String {
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

/// A number of a table, or a dash.
fn cell(value: Option<f64>, write: fn(f64) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), write)
}

impl Results {
    /// When and where the run took place, and its table.
    pub(crate) fn table(&self) -> Result<String> {
        let peers: Vec<&'static str> =
            self.contenders.iter().copied().filter(|&name| ![OURS, BASELINE].contains(&name)).collect();
        let mut table = format!("{}\n\n| | {OURS} |", self.conditions()?);
        for peer in &peers {
            let _ = write!(table, " {peer} |");
        }
        let _ = writeln!(table, " target | result |\n|---|---|{}---|---|", "---|".repeat(peers.len()));
        for figure in Figure::ALL {
            let _ = write!(table, "| {} | {} |", figure.name(), cell(self.get(figure, OURS), digits));
            for &peer in &peers {
                let _ = write!(table, " {} |", cell(self.get(figure, peer), digits));
            }
            let _ = writeln!(table, " {} |", self.verdict(figure));
        }
        Ok(table)
    }

    /// The target of a figure, and whether this run met it.
    fn verdict(&self, figure: Figure) -> String {
        let target = match figure.target() {
            Target::Limit(limit) => format!("at most {}", digits(limit)),
            Target::PartOf(limit, peer) => format!("at most {} of {peer}", fraction(limit)),
            Target::MultipleOf(limit, peer) => format!("at least {} times {peer}", digits(limit)),
        };
        let ratio = match figure.target() {
            Target::Limit(_) => None,
            Target::PartOf(_, peer) | Target::MultipleOf(_, peer) => self.ratio(figure, peer),
        };
        let result = match (self.is_met(figure), self.skipped.get(&figure)) {
            (Some(true), _) => "met",
            (Some(false), _) => "missed",
            (None, Some(reason)) => &format!("not measured: {reason}"),
            (None, None) => "not measured",
        };
        let ratio = ratio.map_or_else(String::new, |ratio| format!(": {}", fraction(ratio)));
        format!("{target} | {result}{ratio}")
    }

    /// This function beside the baseline. Empty without one.
    pub(crate) fn comparison(&self) -> String {
        if !self.contenders.contains(&BASELINE) {
            return String::new();
        }
        let mut table = format!("| | {OURS} | {BASELINE} | ratio | |\n|---|---|---|---|---|\n");
        for figure in Figure::ALL {
            let ratio = self.ratio(figure, BASELINE);
            // More is worse, except for the throughput.
            let cost = if matches!(figure.target(), Target::MultipleOf(..)) { ratio.map(f64::recip) } else { ratio };
            let verdict = if cost.is_some_and(|cost| cost > 1.05) { "more than 5 % worse" } else { "" };
            let (ours, baseline) = (self.get(figure, OURS), self.get(figure, BASELINE));
            let (ours, baseline) = (cell(ours, digits), cell(baseline, digits));
            let ratio = cell(ratio, |ratio| format!("{ratio:.3}"));
            let _ = writeln!(table, "| {} | {ours} | {baseline} | {ratio} | {verdict} |", figure.name());
        }
        table
    }

    fn conditions(&self) -> Result<String> {
        let date = Command::new("date").args(["--utc", "+%F"]).output()?.stdout;
        let cpu = fs::read_to_string("/proc/cpuinfo")?;
        let cpu = cpu.lines().find_map(|line| Some(line.strip_prefix("model name")?.split_once(": ")?.1));
        Ok(format!(
            "Measured on {} with {} cores ({}, {}), {} interleaved runs.",
            String::from_utf8(date)?.trim(),
            std::thread::available_parallelism()?,
            cpu.unwrap_or("unknown CPU"),
            std::env::consts::ARCH,
            self.runs
        ))
    }
}

/// A page with a block that the benchmark writes, between two markers.
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
