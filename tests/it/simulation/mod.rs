//! A deterministic simulation: the real flow over simulated services that fail, delay, fail in part, hold calls back,
//! or do what they were asked and lose the response, while the function crashes between any two calls and invocations
//! overlap. One seed is one run:
//!
//! ```sh
//! SEED=1234 cargo test --test it simulation     # replays a failing seed and prints what happened
//! SEEDS=100000 cargo test --test it simulation  # runs more seeds
//! ```
//!
//! `scenarios` lists the kinds of worlds, `runs` says what happens in each, `services` decides how calls go wrong, and
//! `import`, `history`, `invocation`, and `result` check every step.

mod history;
mod import;
mod invocation;
mod result;
mod runs;
mod scenarios;
mod services;
mod world;

use std::{cell::RefCell, collections::BTreeSet, env, panic, rc::Rc};

use fastrand::Rng;

use self::{
    scenarios::{BOTH, DISCOVERING_WORKFLOW, DISCOVERY, EVERYWHERE, SCHEDULE, Scenario, WORKFLOW},
    world::{Trace, World},
};

/// How many seeds of each scenario `make test` runs.
const SEEDS: u64 = 2_000;

/// From this many seeds on, everything that a scenario has to cover must have happened.
const SEEDS_FOR_COVERAGE: u64 = 1_000;

type Shared = Rc<RefCell<World>>;

/// Runs one seed and returns what it covered.
fn run_seed(scenario: &Scenario, seed: u64, trace: Option<Trace>) -> BTreeSet<&'static str> {
    fastrand::seed(seed); // for the random choices of the flow itself
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime.expect("a runtime"), async {
        let mut rng = Rng::with_seed(seed);
        let world = Rc::new(RefCell::new(World::new(scenario.store, scenario.discover, trace, &mut rng)));
        (scenario.run)(Rc::clone(&world), rng).await;
        std::mem::take(&mut world.borrow_mut().covered)
    })
}

fn simulate(scenario: &Scenario) {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let (one, count) = (number("SEED"), number("SEEDS").unwrap_or(SEEDS));
    let seeds = match one {
        Some(seed) => vec![seed],
        None => scenario.kept_seeds.iter().copied().chain(0..count).collect(),
    };
    let mut covered = BTreeSet::new();
    for seed in seeds {
        let trace = one.map(|_| Trace::default());
        let ran = panic::catch_unwind(panic::AssertUnwindSafe(|| run_seed(scenario, seed, trace.clone())));
        for line in trace.iter().flat_map(|trace| trace.take()) {
            println!("{line}");
        }
        let Ok(covered_now) = ran else {
            panic!("seed {seed} fails; replay it: SEED={seed} cargo test --test it simulation::{}", scenario.name);
        };
        covered.extend(covered_now);
    }
    let required = EVERYWHERE.iter().chain(scenario.coverage);
    for required in required.filter(|_| one.is_none() && count >= SEEDS_FOR_COVERAGE) {
        assert!(covered.contains(required), "no seed covered: {required}");
    }
}

#[test]
fn a_schedule_over_the_ledger() {
    simulate(&SCHEDULE);
}

#[test]
fn a_workflow_with_the_payload_alone() {
    simulate(&WORKFLOW);
}

#[test]
fn a_workflow_and_a_schedule_over_one_ledger() {
    simulate(&BOTH);
}

#[test]
fn a_schedule_that_discovers() {
    simulate(&DISCOVERY);
}

#[test]
fn a_workflow_that_also_discovers() {
    simulate(&DISCOVERING_WORKFLOW);
}

/// Otherwise, a failing seed could not be replayed.
#[test]
fn one_seed_is_one_run() {
    for scenario in [SCHEDULE, WORKFLOW, BOTH, DISCOVERY, DISCOVERING_WORKFLOW] {
        for seed in 0..20 {
            let [once, again] = [(); 2].map(|()| {
                let trace = Trace::default();
                run_seed(&scenario, seed, Some(Rc::clone(&trace)));
                trace.take()
            });
            assert!(once.len() > 20, "{} with seed {seed} leaves hardly any trace", scenario.name);
            for (one, other) in once.iter().zip(&again) {
                assert_eq!(one, other, "{} with seed {seed} takes another course", scenario.name);
            }
            assert_eq!(once.len(), again.len(), "{} with seed {seed}", scenario.name);
        }
    }
}
