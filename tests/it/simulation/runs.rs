//! What a world is put through, from the first tick until the faults have stopped.

use std::{rc::Rc, time::Duration};

use fastrand::Rng;
use tokio::{
    task::{JoinHandle, spawn_local},
    time::sleep,
};
use workspaces_image_import::import::{Record, State};

use super::{Shared, answer::Answered, invocation::invoke, world::Memories};

fn first_records(world: &Shared) -> Vec<Record> {
    world.borrow().image_ids().map(Record::new).collect()
}

/// An invocation that nobody waits for.
fn start(world: &Shared, rng: Rng, records: Vec<Record>) -> JoinHandle<Option<Answered>> {
    let world = Rc::clone(world);
    spawn_local(async move { invoke(&world, rng, records).await })
}

/// A fixed schedule over the ledger; ticks overlap, as retries of a slow invocation do.
pub(super) async fn schedule(world: Shared, mut rng: Rng) {
    let ticks = rng.usize(5..25);
    tick(&world, &mut rng, ticks).await;
    calm_down(&world).await;
    come_to_rest(&world, &mut rng).await;
}

/// A workflow whose payload is the memory; a failed invocation is tried again with the old payload.
pub(super) async fn workflow(world: Shared, mut rng: Rng) {
    let mut records = first_records(&world);
    for round in 0..33 {
        if round == 25 {
            calm_down(&world).await;
        }
        if let Some(answered) = invoke(&world, rng.fork(), records.clone()).await
            // Now and then a workflow does not get an answer that was given.
            && (round >= 25 || rng.f64() < 0.95)
        {
            answered.is_followed(&mut world.borrow_mut());
            records = answered.records;
        }
        sleep(Duration::from_millis(rng.u64(0..5_000))).await;
        if round < 25 {
            world.borrow_mut().advance(&mut rng);
        }
    }
    has_come_to_its_end(&world, &records);
}

/// A workflow and a schedule over one ledger. The workflow's payload travels; some of its events come twice, and late.
pub(super) async fn both(world: Shared, mut rng: Rng) {
    let schedule = spawn_local({
        let (world, mut rng) = (Rc::clone(&world), rng.fork());
        async move { tick(&world, &mut rng, 8).await }
    });
    let mut payloads = vec![first_records(&world)];
    let mut again = Vec::new();
    for _ in 0..8 {
        if rng.f64() < 0.2 {
            let old = payloads[rng.usize(..payloads.len())].clone();
            again.push(start(&world, rng.fork(), old));
        }
        let records = payloads.last().expect("the first").clone();
        payloads.extend(invoke(&world, rng.fork(), records).await.map(|answered| answered.records));
        sleep(Duration::from_millis(rng.u64(0..5_000))).await;
    }
    schedule.await.expect("no panic");
    for late in again {
        late.await.expect("no panic");
    }
    calm_down(&world).await;
    // The last payload may be ahead of the ledger, and then has to be in step with it again.
    let mut records = payloads.pop().expect("the first");
    for _ in 0..3 {
        records = invoke(&world, rng.fork(), records).await.expect("nothing fails any more").records;
    }
    come_to_rest(&world, &mut rng).await;
    records = invoke(&world, rng.fork(), records).await.expect("nothing fails any more").records;
    has_come_to_its_end(&world, &records);
}

/// A schedule's invocations in a world that goes on meanwhile.
async fn tick(world: &Shared, rng: &mut Rng, count: usize) {
    let records = first_records(world);
    let mut ticks = Vec::new();
    for _ in 0..count {
        ticks.push(start(world, rng.fork(), records.clone()));
        sleep(Duration::from_millis(rng.u64(0..8_000))).await;
        world.borrow_mut().advance(rng);
    }
    for tick in ticks {
        tick.await.expect("no panic");
    }
}

/// Nothing fails any more, and what was still under way arrives.
async fn calm_down(world: &Shared) {
    world.borrow_mut().calm = true;
    sleep(Duration::from_hours(1)).await;
    let late = std::mem::take(&mut world.borrow_mut().late);
    for effect in late {
        effect.await.expect("no panic");
    }
}

/// The schedule goes on until everything that was ever owed has gone out.
async fn come_to_rest(world: &Shared, rng: &mut Rng) {
    let records = first_records(world);
    let mut last = Vec::new();
    for _ in 0..8 {
        last = invoke(world, rng.fork(), records.clone()).await.expect("nothing fails any more").records;
    }
    for (image_id, import) in &world.borrow().imports {
        for owed in import.owed.values() {
            assert!(import.deliveries.contains(owed), "{owed:?} of {image_id} was owed and is lost");
        }
        assert!(import.item.as_ref().is_none_or(|item| item.owed.is_none()), "{image_id}: something is still owed");
    }
    has_come_to_its_end(world, &last);
}

/// Records and what was announced both end where the imports did.
fn has_come_to_its_end(world: &Shared, records: &[Record]) {
    let mut world = world.borrow_mut();
    for record in records {
        let memories = world.memories;
        let import = world.import(&record.image_id);
        let end = import.now().unwrap_or("NOT_FOUND");
        let state = record.memory.state.as_ref().map(State::as_str);
        assert_eq!((state, import.line.end()), (Some(end), Some(end)), "{record:?}");
        assert_eq!(record.memory.owed, None, "something is still owed");
        assert!(memories == Memories::Payload || import.line.told(record.memory.sequence + 1).is_none(), "{record:?}");
    }
    for (sight, came_to_pass) in [
        ("a stall", world.imports.values().any(|import| import.line.stalls() > 0)),
        ("a second stall", world.imports.values().any(|import| import.line.stalled_twice())),
        ("an image that is gone", world.imports.values().any(|import| import.line.was_gone())),
    ] {
        if came_to_pass {
            world.sights.insert(sight);
        }
    }
}
