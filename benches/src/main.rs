//! Measures this function's cold start beside what people use instead: the release file under a Lambda Runtime API,
//! against TLS endpoints on loopback, its starts interleaved with its peers'. `make bench` runs it.

mod chart;
mod contender;
mod measure;
mod process;
mod quota;
mod report;
mod services;
mod start;

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::Result;
use clap::Parser;

use crate::{
    chart::Bar,
    contender::{Contender, OURS},
    measure::Under,
    quota::Quota,
    report::{COLD_FILES, FULL, Load, MB_128, MB_256, Results},
    services::Services,
};

/// Measures this function's cold start beside its peers'.
#[derive(Debug, Parser)]
struct Options {
    /// Cold starts per contender and circumstances
    #[arg(long, default_value_t = 15)]
    runs: usize,
    /// Only contenders whose name has this in it; nothing is written
    #[arg(long)]
    only: Option<String>,
    /// Leave out invocations with many imports
    #[arg(long)]
    no_many: bool,
    /// Only start this function under a profiler, such as `valgrind --tool=callgrind`, for one invocation
    #[arg(long, value_name = "COMMAND")]
    under: Option<String>,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let options = Options::parse();
    let services = Services::start().await?;
    let mut contenders = contender::all()?;
    if let Some(profiler) = &options.under {
        return measure::profile(&contenders[0].under(profiler)?, &services).await;
    }
    if let Some(only) = &options.only {
        contenders.retain(|contender| contender.name.contains(only.as_str()));
    }
    let quota = Quota::create();
    if let Err(error) = &quota {
        println!("skipped: everything under a quota of CPU time, since {error:#}");
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

    let page = results.page()?;
    println!("{page}");
    if options.only.is_none() {
        fs::write("benches/RESULTS.md", page)?;
        let under = if quota.is_some() { MB_128 } else { FULL };
        let bars: Vec<Bar> = contenders
            .iter()
            .filter_map(|contender| {
                let value = results.start(&contender.name, under)?;
                Some(Bar { name: contender.name.clone(), value, is_ours: contender.name == OURS })
            })
            .collect();
        let title = format!("From the start of the process to its first answer, {under}");
        fs::write("benches/cold-start.svg", chart::draw(&title, "ms", &bars))?;
        report::insert("README.md", &results.summary()?)?;
    }
    Ok(())
}

/// Every contender once, and again, so that what else the machine does falls on all of them.
async fn cold_starts(
    results: &mut Results,
    contenders: &[Contender],
    services: &Services,
    quota: Option<&Quota>,
) -> Result<()> {
    let mut circumstances = vec![(FULL, Under::FullCpu)];
    if let Some(group) = quota {
        circumstances.extend([(MB_128, Under::Memory(group, 128)), (MB_256, Under::Memory(group, 256))]);
    }
    circumstances.push((COLD_FILES, Under::ColdFiles));
    for (name, under) in circumstances {
        println!("cold starts: {name}");
        // What Python compiles and the system reads ahead is paid for once.
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
    let mut loads = Vec::new();
    for latency in [none, some] {
        for imports in [1, 10, 100, 1000] {
            let workers = contenders.iter().filter(|contender| !contender.is_floor() && !contender.is_variant());
            loads.extend(workers.map(|contender| (contender, imports, latency, 8, None)));
        }
    }
    if let Some(ours) = contenders.iter().find(|contender| contender.name == OURS) {
        loads.push((ours, 1000, some, 32, None));
        if quota.is_some() {
            loads.push((ours, 1000, some, 8, Some(128)));
        }
    }
    for (contender, imports, latency, concurrency, memory_mb) in loads {
        println!("{imports} imports, {latency:?}: {}", contender.name);
        let limited = contender.with("CONCURRENCY", &concurrency.to_string());
        let many = measure::many(&limited, services, imports, latency, quota.zip(memory_mb)).await?;
        let load = Load { contender: contender.name.clone(), imports, latency, concurrency, memory_mb };
        results.many.push((load, many));
    }
    Ok(())
}
