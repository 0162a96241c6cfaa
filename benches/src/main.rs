//! Measures the cold starts of this function and of its peers: the release binary behind a simulated Lambda Runtime API,
//! with simulated services over TLS. The starts of all contenders are interleaved. `make bench` runs this program.

mod chart;
mod contender;
mod measure;
mod report;
mod results;
mod services;
mod start;

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::{Context, Result};
use clap::Parser;
use fake_aws::Quota;

use crate::{
    chart::Bar,
    contender::{BASELINE, Contender, OURS_WITH_LEDGER},
    measure::Under,
    report::Page,
    results::{COLD_FILES, FULL, Load, MB_128, MB_256, Results},
    services::Services,
};

/// Measures the cold starts of this function and of its peers.
///
/// BOOTSTRAP names the release binary to measure (target/lambda/bootstrap/bootstrap by default). BASELINE names the release
/// binary of another version, which is measured in the same way in a row of its own.
#[derive(Debug, Parser)]
struct Options {
    /// Cold starts of each contender under each condition
    #[arg(long, default_value_t = 15)]
    runs: usize,
    /// Measure only the baseline and contenders whose name contains this text, and write no files. If given several times, one
    /// of the texts is enough
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Skip invocations with many imports
    #[arg(long)]
    no_many: bool,
    /// Only start the first contender (of those in `--only`) with a profiler, such as `valgrind --tool=callgrind`, and invoke it
    /// once
    #[arg(long, value_name = "COMMAND")]
    under: Option<String>,
    /// The number of imports in the event that `--under` invokes it with
    #[arg(long, default_value_t = 1, requires = "under")]
    imports: usize,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let options = Options::parse();
    let services = Services::start().await?;
    let mut contenders = contender::all()?;
    let is_wanted = |contender: &Contender| {
        options.only.is_empty() || options.only.iter().any(|text| contender.name.contains(text))
    };
    if let Some(profiler) = &options.under {
        let contender = contenders.iter().find(|contender| is_wanted(contender)).context("no such contender")?;
        return measure::profile(&contender.under(profiler)?, &services, options.imports).await;
    }
    contenders.retain(|contender| contender.name == BASELINE || is_wanted(contender));
    // Opened first, so that a missing page or marker does not waste a run.
    let page = if options.only.is_empty() { Some(Page::open("docs/performance.md")?) } else { None };
    let quota = Quota::create();
    if let Err(error) = &quota {
        println!("skipped: measurements with a CPU quota ({error})");
    }
    let quota = quota.ok();

    let mut results = Results { runs: options.runs, ..Results::default() };
    for contender in &contenders {
        results.cold.push((contender.name.clone(), BTreeMap::new()));
        results.zip_bytes.insert(contender.name.clone(), contender.zip_bytes()?);
    }
    cold_starts(&mut results, &contenders, &services, quota.as_ref()).await?;
    if !options.no_many {
        many_imports(&mut results, &contenders, &services, quota.as_ref()).await?;
    }

    println!("{}", results.page()?);
    if let Some(page) = page {
        results.remove(BASELINE);
        fs::write("benches/RESULTS.md", results.page()?)?;
        fs::write("benches/cold-start.svg", chart(&results, quota.is_some()))?;
        page.insert(&results.summary()?)?;
    }
    Ok(())
}

fn chart(results: &Results, has_quota: bool) -> String {
    let condition = if has_quota { MB_128 } else { FULL };
    let bars: Vec<Bar> = results
        .cold
        .iter()
        .filter_map(|(name, _)| {
            let value = results.start(name, condition)?;
            Some(Bar { name: name.clone(), value, is_ours: name == OURS_WITH_LEDGER })
        })
        .collect();
    chart::draw(&format!("From the start of the process to its first response, {condition}"), "ms", &bars)
}

/// Starts each contender once per round, so that other activity on the machine affects all of them alike.
async fn cold_starts(
    results: &mut Results,
    contenders: &[Contender],
    services: &Services,
    quota: Option<&Quota>,
) -> Result<()> {
    let mut conditions = vec![(FULL, Under::FullCpu)];
    if let Some(group) = quota {
        conditions.extend([(MB_128, Under::Memory(group, 128)), (MB_256, Under::Memory(group, 256))]);
    }
    conditions.push((COLD_FILES, Under::ColdFiles));
    for (name, under) in conditions {
        println!("cold starts: {name}");
        // Not measured: the first start compiles Python files and fills the system's caches.
        for contender in contenders {
            measure::cold(contender, services, Under::FullCpu).await?;
        }
        for _ in 0..results.runs {
            for (contender, (_, cold)) in contenders.iter().zip(&mut results.cold) {
                cold.entry(name).or_default().push(measure::cold(contender, services, under).await?);
            }
        }
    }
    Ok(())
}

async fn many_imports(
    results: &mut Results,
    contenders: &[Contender],
    services: &Services,
    quota: Option<&Quota>,
) -> Result<()> {
    let none = Duration::ZERO;
    let some = Duration::from_millis(20);
    let those = |is: &dyn Fn(&Contender) -> bool| contenders.iter().filter(|one| is(one)).collect::<Vec<_>>();
    let workers = those(&|contender| !contender.is_floor() && !contender.is_variant());
    let functions = those(&Contender::is_function);
    // Alone: with its additional calls, it would keep the others waiting until they close their connections.
    let ledger = those(&|contender| contender.name == OURS_WITH_LEDGER);
    let mut loads = Vec::new();
    for latency in [none, some] {
        for imports in [1, 10, 100, 1000] {
            loads.push((&workers, Load { imports, latency, concurrency: 8, memory_mb: None }));
        }
        loads.push((&ledger, Load { imports: 1000, latency, concurrency: 8, memory_mb: None }));
    }
    loads.push((&functions, Load { imports: 1000, latency: some, concurrency: 32, memory_mb: None }));
    if quota.is_some() {
        loads.push((&functions, Load { imports: 1000, latency: some, concurrency: 8, memory_mb: Some(128) }));
    }
    for (contenders, load) in loads {
        if contenders.is_empty() {
            continue;
        }
        println!("many imports: {load:?}");
        let many = measure::many(contenders, services, load, quota).await?;
        let names = contenders.iter().map(|contender| contender.name.clone());
        results.many.extend(names.zip(many).map(|(name, many)| (name, load, many)));
    }
    Ok(())
}
