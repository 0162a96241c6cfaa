//! The deterministic simulation: the real flow over simulated services that fail, delay, half-fail, answer and then
//! drop the connection, while the function is crashed between any two calls and schedules overlap. One seed, one run:
//!
//! ```sh
//! SEED=1234 cargo test --test it simulation     # replays the run of a failing seed, and tells what happened
//! SEEDS=100000 cargo test --test it simulation  # runs more of them
//! ```

mod answer;
mod import;
mod invocation;
mod kinds;
mod line;
mod ports;
mod runs;
mod world;

use std::{cell::RefCell, collections::BTreeSet, env, panic, rc::Rc};

use fastrand::Rng;

use self::{
    kinds::Kind,
    world::{Trace, World},
};

/// How many seeds `make test` runs, of each kind.
const SEEDS: u64 = 2_000;

/// So many are sure to come upon everything that can happen.
const ENOUGH: u64 = 1_000;

type Shared = Rc<RefCell<World>>;

/// Runs one world, and says what came to pass in it.
fn run_seed(kind: &Kind, seed: u64, trace: Option<Trace>) -> BTreeSet<&'static str> {
    fastrand::seed(seed); // the flow's own choices
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime.expect("a runtime"), async {
        let mut rng = Rng::with_seed(seed);
        let world = Rc::new(RefCell::new(World::new(kind.memories, trace, &mut rng)));
        (kind.run)(Rc::clone(&world), rng).await;
        std::mem::take(&mut world.borrow_mut().sights)
    })
}

fn simulate(kind: &Kind) {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let (one, count) = (number("SEED"), number("SEEDS").unwrap_or(SEEDS));
    let seeds = match one {
        Some(seed) => vec![seed],
        None => kind.kept.iter().copied().chain(0..count).collect(),
    };
    let mut seen = BTreeSet::new();
    for seed in seeds {
        let trace = one.map(|_| Trace::default());
        let ran = panic::catch_unwind(panic::AssertUnwindSafe(|| run_seed(kind, seed, trace.clone())));
        for line in trace.iter().flat_map(|trace| trace.take()) {
            println!("{line}");
        }
        let Ok(sights) = ran else {
            panic!("seed {seed} fails; replay it: SEED={seed} cargo test --test it simulation::{}", kind.name);
        };
        seen.extend(sights);
    }
    for sight in kind.sights.iter().filter(|_| one.is_none() && count >= ENOUGH) {
        assert!(seen.contains(sight), "nowhere was there {sight}");
    }
}

#[test]
fn a_schedule_over_the_ledger() {
    simulate(&kinds::SCHEDULE);
}

#[test]
fn a_workflow_with_the_payload_alone() {
    simulate(&kinds::WORKFLOW);
}

#[test]
fn a_workflow_and_a_schedule_over_one_ledger() {
    simulate(&kinds::BOTH);
}

/// A seed that fails once fails again.
#[test]
fn one_seed_is_one_run() {
    for kind in [kinds::SCHEDULE, kinds::WORKFLOW, kinds::BOTH] {
        for seed in 0..20 {
            let [once, again] = [(); 2].map(|()| {
                let trace = Trace::default();
                run_seed(&kind, seed, Some(Rc::clone(&trace)));
                trace.take()
            });
            assert!(once.len() > 20, "{} of seed {seed} has next to no trace", kind.name);
            for (one, other) in once.iter().zip(&again) {
                assert_eq!(one, other, "{} of seed {seed} goes another way", kind.name);
            }
            assert_eq!(once.len(), again.len(), "{} of seed {seed}", kind.name);
        }
    }
}
