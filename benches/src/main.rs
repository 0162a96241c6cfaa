//! Measures this function beside its peers: the release binary behind a simulated Lambda Runtime API, with simulated
//! services over TLS. `make bench` runs this program.

mod contender;
mod measure;
mod page;
mod results;
mod services;
mod start;

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Parser;
use fake_aws::Quota;

use crate::{
    contender::{Contender, PYTHON, STOCK_RUST},
    measure::{Warm, cold, has_valgrind, instructions, warm},
    page::Page,
    results::{Figure, Results},
    services::Services,
    start::Started,
};

/// Measures this function beside its peers, and writes the table in docs/performance.md.
///
/// BOOTSTRAP names the release binary to measure (target/lambda/bootstrap/bootstrap by default). BASELINE names the
/// release binary of another version, which is measured in the same way. The comparison with it is printed and not
/// written.
#[derive(Debug, Parser)]
struct Options {
    /// Cold starts of each contender under each condition. A third as many invocations with many imports
    #[arg(long, default_value_t = 15)]
    runs: usize,
    /// Measure only this function and the baseline, and write no file
    #[arg(long)]
    no_peers: bool,
}

/// What every measurement needs.
struct Benchmark {
    services: Services,
    quota: Option<Quota>,
    results: Results,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let options = Options::parse();
    let mut contenders = contender::all()?;
    if options.no_peers {
        contenders.retain(Contender::is_function);
    }
    // Opened first, so that a missing page or marker does not waste a run.
    let page = if options.no_peers { None } else { Some(Page::open("docs/performance.md")?) };
    let names = contenders.iter().map(|contender| contender.name).collect();
    let mut results = Results::new(options.runs, names);
    let quota = match Quota::create() {
        Ok(quota) => Some(quota),
        Err(error) => {
            for figure in [Figure::Start, Figure::Throughput] {
                results.skipped.insert(figure, error.to_string());
            }
            None
        }
    };
    let mut benchmark = Benchmark { services: Services::start().await?, quota, results };
    benchmark.binaries(&contenders).await;
    benchmark.cold_starts(&contenders).await;
    benchmark.large_events(&contenders).await?;

    let results = benchmark.results;
    println!("\n{}\n{}", results.table()?, results.comparison());
    if !results.failures.is_empty() {
        bail!("these measurements failed, and no file was changed:\n{}", results.failures.join("\n"));
    }
    if let Some(page) = page {
        page.insert(&results.table()?)?;
        println!("The table is in docs/performance.md.");
    }
    Ok(())
}

impl Benchmark {
    /// The size of the package, and the number of instructions.
    async fn binaries(&mut self, contenders: &[Contender]) {
        println!("zip");
        // Python's package is a short script, because Lambda's runtime contains the interpreter and the SDK.
        for contender in contenders.iter().filter(|contender| contender.name != PYTHON) {
            match contender.zip_bytes() {
                Ok(bytes) => self.results.add(Figure::Zip, contender.name, vec![millions(bytes)]),
                Err(error) => self.results.fail(contender.name, "zip", &error),
            }
        }
        if !has_valgrind() {
            self.results.skipped.insert(Figure::Instructions, "valgrind is not installed".to_owned());
            return;
        }
        println!("instructions");
        for contender in contenders.iter().filter(|contender| contender.is_function()) {
            match instructions(contender, &self.services).await {
                Ok(count) => self.results.add(Figure::Instructions, contender.name, vec![millions(count)]),
                Err(error) => self.results.fail(contender.name, "instructions", &error),
            }
        }
    }

    async fn cold_starts(&mut self, contenders: &[Contender]) {
        let entrants: Vec<_> = contenders.iter().map(|contender| (contender.name, contender)).collect();
        let (services, runs) = (&self.services, self.results.runs);
        let starts = interleave(&mut self.results, "cold starts", runs, entrants.clone(), async |contender| {
            cold(contender, services, None).await
        });
        for (name, cold) in starts.await {
            self.results.add(Figure::Cpu, name, cold.iter().map(|cold| milliseconds(cold.cpu)).collect());
            self.results.add(Figure::Memory, name, cold.iter().map(|cold| millions(cold.peak_rss)).collect());
        }
        let Some(quota) = &self.quota else { return };
        let starts = interleave(&mut self.results, "cold starts at 128 MB", runs, entrants, async |contender| {
            cold(contender, services, Some(quota)).await
        });
        for (name, cold) in starts.await {
            self.results.add(Figure::Start, name, cold.iter().map(|cold| milliseconds(cold.took)).collect());
        }
    }

    async fn large_events(&mut self, contenders: &[Contender]) -> Result<()> {
        let latency = Duration::from_millis(20);
        let like_the_peers: Vec<Contender> = contenders
            .iter()
            .filter(|contender| contender.is_function() || contender.name == STOCK_RUST)
            .map(Contender::for_1000_imports)
            .collect();
        let runs = self.results.runs;
        for (figure, latency) in [(Figure::CpuOf1000, Duration::ZERO), (Figure::CpuOf1000At20Ms, latency)] {
            self.services.set_latency(latency);
            for (name, warm) in self.warm(&like_the_peers, figure.name(), runs, 1000, None).await? {
                self.results.add(figure, name, warm.iter().map(|warm| milliseconds(warm.cpu)).collect());
            }
        }
        let Some(quota) = self.quota.take() else { return Ok(()) };
        self.services.set_latency(latency);
        // As deployed, with the ledger.
        let imports = 200;
        let all_but_rust: Vec<Contender> = contenders.iter().filter(|one| one.name != STOCK_RUST).cloned().collect();
        let warm = self.warm(&all_but_rust, Figure::Throughput.name(), runs.div_ceil(3), imports, Some(&quota));
        for (name, warm) in warm.await? {
            #[expect(clippy::cast_precision_loss, reason = "200 is exact")]
            let per_second = |warm: &Warm| imports as f64 / warm.took.as_secs_f64();
            self.results.add(Figure::Throughput, name, warm.iter().map(per_second).collect());
        }
        Ok(())
    }

    /// Measures warm processes with this number of imports in an event.
    ///
    /// Between two of its invocations, a process waits for the others. All keep their connections meanwhile, if that
    /// takes less than the 20 seconds after which this function closes idle ones.
    async fn warm(
        &mut self,
        contenders: &[Contender],
        what: &str,
        runs: usize,
        imports: usize,
        quota: Option<&Quota>,
    ) -> Result<Vec<(&'static str, Vec<Warm>)>> {
        if let Some(group) = quota {
            group.lift()?;
        }
        let mut processes = Vec::new();
        for contender in contenders {
            match Started::start(contender, &self.services, quota).await {
                Ok(started) => processes.push((contender.name, started)),
                Err(error) => self.results.fail(contender.name, what, &error),
            }
        }
        if let Some(group) = quota {
            group.limit(128)?;
        }
        let services = &self.services;
        let measured = interleave(&mut self.results, what, runs, processes, async |process| {
            warm(process, services, imports).await
        });
        Ok(measured.await)
    }
}

/// Measures each contender once per round, so that other activity on the machine affects all of them alike. A contender
/// that fails has no values, and the rounds go on without it.
async fn interleave<C, T>(
    results: &mut Results,
    what: &str,
    rounds: usize,
    contenders: Vec<(&'static str, C)>,
    mut measure: impl AsyncFnMut(&mut C) -> Result<T>,
) -> Vec<(&'static str, Vec<T>)> {
    println!("{what}");
    let mut measured: Vec<_> = contenders.into_iter().map(|(name, contender)| (name, contender, Vec::new())).collect();
    // The first round does not count: it compiles Python files, fills the system's caches, and opens connections.
    for round in 0..=rounds {
        let mut index = 0;
        while let Some((name, contender, values)) = measured.get_mut(index) {
            match measure(contender).await {
                Ok(value) => {
                    if round > 0 {
                        values.push(value);
                    }
                    index += 1;
                }
                Err(error) => {
                    results.fail(name, what, &error);
                    measured.remove(index);
                }
            }
        }
    }
    measured.into_iter().map(|(name, _, values)| (name, values)).collect()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn millions(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "the table has three digits")]
    let count = count as f64;
    count / 1e6
}
