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
mod line;
mod ports;
mod runs;
mod world;

use std::{cell::RefCell, env, panic, rc::Rc};

use fastrand::Rng;

use self::world::{Memories, World};

/// How many seeds `make test` runs, of each kind.
const SEEDS: u64 = 2_000;

type Shared = Rc<RefCell<World>>;

/// Runs one world.
fn run_seed<F: Future<Output = ()>>(
    seed: u64,
    traced: bool,
    memories: Memories,
    run: impl Fn(Shared, Rng) -> F,
) -> Shared {
    fastrand::seed(seed); // the flow's own choices
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime.expect("a runtime"), async {
        let mut rng = Rng::with_seed(seed);
        let world = Rc::new(RefCell::new(World::new(memories, traced, &mut rng)));
        run(Rc::clone(&world), rng).await;
        world
    })
}

fn simulate<F: Future<Output = ()>>(kind: &str, memories: Memories, run: impl Fn(Shared, Rng) -> F) {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds = number("SEED").map_or(0..number("SEEDS").unwrap_or(SEEDS), |seed| seed..seed + 1);
    for seed in seeds {
        let failed = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            run_seed(seed, false, memories, &run);
        }))
        .is_err();
        assert!(!failed, "seed {seed} fails; replay it: SEED={seed} cargo test --test it simulation::{kind}");
    }
}

#[test]
fn a_schedule_over_the_ledger() {
    simulate("a_schedule_over_the_ledger", Memories::Ledger, runs::schedule);
}

#[test]
fn a_workflow_with_the_payload_alone() {
    simulate("a_workflow_with_the_payload_alone", Memories::Payload, runs::workflow);
}

#[test]
fn a_workflow_and_a_schedule_over_one_ledger() {
    simulate("a_workflow_and_a_schedule_over_one_ledger", Memories::Both, runs::both);
}
