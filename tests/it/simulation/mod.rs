//! The deterministic simulation: the real flow over simulated services that fail, delay, half-fail, answer and then
//! drop the connection, while the function is crashed between any two calls and schedules overlap. One seed, one run:
//!
//! ```sh
//! SEED=1234 cargo test --test it simulation     # replays the run of a failing seed
//! SEEDS=100000 cargo test --test it simulation  # runs more of them
//! ```

mod invariants;
mod ports;
mod world;

use std::{cell::RefCell, env, rc::Rc, time::Duration};

use fastrand::Rng;
use tokio::time::{sleep, timeout};
use workspaces_image_import::{
    clock::Schedule,
    import::Record,
    tracker::{Checked, Tracker},
};

use self::{
    ports::{Ports, SimulatedClock},
    world::World,
};

/// How many seeds `make test` runs, of each kind.
const SEEDS: u64 = 2_000;

type Shared = Rc<RefCell<World>>;

fn tracker(world: &Shared, rng: &mut Rng) -> Tracker<Ports, Ports, Ports, SimulatedClock> {
    let ports = Ports { world: Rc::clone(world) };
    Tracker {
        workspaces: ports.clone(),
        topic: ports.clone(),
        ledger: ports,
        clock: SimulatedClock,
        concurrency: rng.usize(1..4),
        stall_after: Some(Duration::from_mins(30)),
        region: "eu-west-1".to_owned(),
    }
}

/// One invocation: a response, or nothing where it failed or was crashed on the way.
async fn invoke(world: &Shared, mut rng: Rng, records: Vec<Record>) -> Option<Checked> {
    let calm = world.borrow().calm;
    let time = if calm { 20_000 } else { rng.u64(600..20_000) };
    let schedule = Schedule::lay_out(Duration::from_millis(time)).expect("time");
    let crash_after = if calm || rng.f64() < 0.6 { 86_400_000 } else { rng.u64(0..6_000) };
    let tracker = tracker(world, &mut rng);
    let checked = timeout(Duration::from_millis(crash_after), tracker.check(records, &schedule)).await.ok()?.ok()?;
    world.borrow().agrees_with(&checked);
    Some(checked)
}

/// A fixed schedule over the ledger; ticks overlap, as retries of a slow invocation do.
async fn run_schedule(world: Shared, mut rng: Rng) {
    let records: Vec<Record> = world.borrow().image_ids().map(Record::new).collect();
    let mut ticks = Vec::new();
    for _ in 0..rng.usize(5..25) {
        ticks.push(tokio::task::spawn_local({
            let (world, rng, records) = (Rc::clone(&world), rng.fork(), records.clone());
            async move { invoke(&world, rng, records).await }
        }));
        sleep(Duration::from_millis(rng.u64(0..8_000))).await;
        world.borrow_mut().advance(&mut rng);
    }
    for tick in ticks {
        tick.await.expect("no panic");
    }
    world.borrow_mut().calm = true;
    sleep(Duration::from_hours(1)).await; // what was still under way arrives, or never will
    for _ in 0..8 {
        invoke(&world, rng.fork(), records.clone()).await.expect("nothing fails any more");
    }
    world.borrow().nothing_is_owed();
    world.borrow().has_come_to_its_end();
}

/// A workflow whose payload is the memory; a failed invocation is tried again with the old payload.
async fn run_workflow(world: Shared, mut rng: Rng) {
    world.borrow_mut().payload_only = true;
    let mut records: Vec<Record> = world.borrow().image_ids().map(Record::new).collect();
    for round in 0..40 {
        if round == 25 {
            world.borrow_mut().calm = true;
            sleep(Duration::from_hours(1)).await;
        }
        let owed: Vec<_> = records.iter().map(|record| record.memory.owed.clone()).collect();
        if let Some(checked) = invoke(&world, rng.fork(), records.clone()).await {
            for (owed, record) in owed.iter().zip(&checked.records) {
                assert!(owed.is_none() || record.memory.owed.is_none() || *owed == record.memory.owed, "owed is kept");
            }
            records = checked.records;
        }
        sleep(Duration::from_millis(rng.u64(0..5_000))).await;
        if round < 25 {
            world.borrow_mut().advance(&mut rng);
        }
    }
    world.borrow().says_what_is_true(&records);
}

fn simulate<F: Future<Output = ()>>(kind: &str, run: impl Fn(Shared, Rng) -> F) {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds = number("SEED").map_or(0..number("SEEDS").unwrap_or(SEEDS), |seed| seed..seed + 1);
    for seed in seeds {
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            fastrand::seed(seed); // the flow's own choices
            let mut rng = Rng::with_seed(seed);
            let world = Rc::new(RefCell::new(World::new(&mut rng)));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime.expect("a runtime"), run(world, rng));
        }))
        .is_err();
        assert!(!failed, "seed {seed} fails; replay it: SEED={seed} cargo test --test it simulation::{kind}");
    }
}

#[test]
fn a_schedule_over_the_ledger() {
    simulate("a_schedule_over_the_ledger", run_schedule);
}

#[test]
fn a_workflow_with_the_payload_alone() {
    simulate("a_workflow_with_the_payload_alone", run_workflow);
}
