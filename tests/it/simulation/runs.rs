//! What happens in each scenario, from the first invocation until the faults have stopped and everything is announced.

use std::{rc::Rc, time::Duration};

use fastrand::Rng;
use tokio::{
    task::{JoinHandle, spawn_local},
    time::sleep,
};
use workspaces_image_import::import::{Record, State};

use super::{
    Shared,
    import::{is_settled, state_name},
    invocation::invoke,
    result::InvocationResult,
    scenarios,
    world::{Store, World},
};

/// Long enough that four checks make a missing image `NOT_FOUND`.
const BETWEEN_CALM_CHECKS: Duration = Duration::from_mins(5);

/// The pause before the next invocation: mostly so short that invocations overlap, now and then long.
fn pause(rng: &mut Rng, longest: Duration) -> Duration {
    if rng.f64() < 0.3 {
        return Duration::from_secs(rng.u64(60..1_200));
    }
    longest.mul_f64(rng.f64())
}

fn first_records(world: &Shared) -> Vec<Record> {
    world.borrow().first_records()
}

/// Starts an invocation that nobody waits for.
fn start(world: &Shared, rng: Rng, records: Vec<Record>) -> JoinHandle<Option<InvocationResult>> {
    let world = Rc::clone(world);
    spawn_local(async move { invoke(&world, rng, records).await })
}

/// A fixed schedule over the ledger. Its invocations overlap, as retries of slow ones do.
pub(super) async fn schedule(world: Shared, mut rng: Rng) {
    let count = rng.usize(5..25);
    invoke_on_schedule(&world, &mut rng, count).await;
    calm_down(&world).await;
    finish_schedule(&world, &mut rng).await;
}

/// A schedule whose events discover imports. In every fourth run, they also name some.
pub(super) async fn discovery(world: Shared, mut rng: Rng) {
    let count = rng.usize(5..25);
    invoke_on_schedule(&world, &mut rng, count).await;
    calm_down(&world).await;
    finish_discovery(&world, &mut rng).await;
}

/// A workflow that sends each response back and discovers more. After a failure, it retries with the old payload.
pub(super) async fn discovering_workflow(world: Shared, mut rng: Rng) {
    let mut records = Vec::new();
    for round in 0..30 {
        if round == 20 {
            calm_down(&world).await;
        }
        let answered = invoke(&world, rng.fork(), records.clone()).await;
        records = answered.map_or(records, |answered| answered.records);
        sleep(if round < 20 { pause(&mut rng, Duration::from_secs(5)) } else { BETWEEN_CALM_CHECKS }).await;
        if round < 20 {
            world.borrow_mut().advance(&mut rng);
        }
    }
    // A completed record may be ahead of the ledger. While an event names it, nothing is written for it.
    finish_discovery(&world, &mut rng).await;
}

/// A workflow that sends each response back. After a failure, it retries with the old payload.
pub(super) async fn workflow(world: Shared, mut rng: Rng) {
    let mut records = first_records(&world);
    for round in 0..36 {
        if round == 25 {
            calm_down(&world).await;
        }
        if let Some(answered) = invoke(&world, rng.fork(), records.clone()).await
            // Now and then, the workflow does not receive a response.
            && (round >= 25 || rng.f64() < 0.95)
        {
            answered.is_followed(&mut world.borrow_mut());
            records = answered.records;
        }
        sleep(if round < 25 { pause(&mut rng, Duration::from_secs(5)) } else { BETWEEN_CALM_CHECKS }).await;
        if round < 25 {
            world.borrow_mut().advance(&mut rng);
        }
    }
    ends_with_the_imports(&world, &records);
}

/// A workflow and a schedule over one ledger. Some of the workflow's events are sent twice, the second time late.
pub(super) async fn both(world: Shared, mut rng: Rng) {
    let schedule = spawn_local({
        let (world, mut rng) = (Rc::clone(&world), rng.fork());
        async move { invoke_on_schedule(&world, &mut rng, 8).await }
    });
    let mut payloads = vec![first_records(&world)];
    let mut repeated = Vec::new();
    for _ in 0..8 {
        if rng.f64() < 0.2 {
            let old = payloads[rng.usize(..payloads.len())].clone();
            repeated.push(start(&world, rng.fork(), old));
        }
        let records = payloads.last().expect("the first").clone();
        payloads.extend(invoke(&world, rng.fork(), records).await.map(|answered| answered.records));
        sleep(pause(&mut rng, Duration::from_secs(5))).await;
    }
    schedule.await.expect("no panic");
    for invocation in repeated {
        invocation.await.expect("no panic");
    }
    calm_down(&world).await;
    // The last payload may be ahead of the ledger, which then has to catch up.
    let mut records = payloads.pop().expect("the first");
    for _ in 0..3 {
        records = invoke(&world, rng.fork(), records).await.expect("nothing fails anymore").records;
        sleep(BETWEEN_CALM_CHECKS).await;
    }
    finish_schedule(&world, &mut rng).await;
    records = invoke(&world, rng.fork(), records).await.expect("nothing fails anymore").records;
    ends_with_the_imports(&world, &records);
}

/// A schedule's invocations, while the imports move on.
async fn invoke_on_schedule(world: &Shared, rng: &mut Rng, count: usize) {
    let records = first_records(world);
    let mut invocations = Vec::new();
    for _ in 0..count {
        invocations.push(start(world, rng.fork(), records.clone()));
        sleep(pause(rng, Duration::from_secs(8))).await;
        world.borrow_mut().advance(rng);
    }
    for invocation in invocations {
        invocation.await.expect("no panic");
    }
}

/// From here on nothing fails, and late effects take place.
async fn calm_down(world: &Shared) {
    world.borrow_mut().calm_down();
    sleep(Duration::from_hours(1)).await;
    let late = std::mem::take(&mut world.borrow_mut().late);
    for effect in late {
        effect.await.expect("no panic");
    }
}

/// The schedule continues until everything that was ever owed has been delivered.
async fn finish_schedule(world: &Shared, rng: &mut Rng) {
    let records = first_records(world);
    let mut last = Vec::new();
    for _ in 0..10 {
        last = invoke(world, rng.fork(), records.clone()).await.expect("nothing fails anymore").records;
        sleep(BETWEEN_CALM_CHECKS).await;
    }
    nothing_is_owed(world);
    ends_with_the_imports(world, &last);
}

/// A schedule that only discovers continues until what was seen last is what was announced last.
async fn finish_discovery(world: &Shared, rng: &mut Rng) {
    for _ in 0..10 {
        invoke(world, rng.fork(), Vec::new()).await.expect("nothing fails anymore");
        sleep(BETWEEN_CALM_CHECKS).await;
    }
    nothing_is_owed(world);
    no_import_is_lost(world);
}

/// Everything that was ever owed has been delivered.
fn nothing_is_owed(world: &Shared) {
    for (image_id, import) in &world.borrow().imports {
        for owed in import.owed.values() {
            assert!(import.deliveries.contains(owed), "{owed:?} of {image_id} was owed and is lost");
        }
        let owed = import.item.as_ref().and_then(|item| item.checkpoint.owed.as_ref());
        assert_eq!(owed, None, "{image_id} still owes");
    }
}

/// What was seen last is what was announced last: every import that runs is known, and every import that was ever seen
/// was followed to its end, even if it was deleted, ended between two checks, or was retried after it had failed. An
/// image that is not an import is left alone.
fn no_import_is_lost(world: &Shared) {
    let mut world = world.borrow_mut();
    for (image_id, import) in &world.imports {
        let Some(item) = &import.item else {
            assert!(!import.is_running(), "{image_id} was not discovered");
            continue;
        };
        let state = item.checkpoint.state.as_ref().map(State::as_str);
        if item.checkpoint.listed {
            // It was listed, but when it was described, it was deleted. Nobody was told that it exists.
            assert!(!import.misses.is_empty() && !import.is_running(), "{image_id} is forgotten");
            assert!(is_settled(&item.checkpoint), "{image_id} is searched for ever");
            continue;
        }
        assert_eq!(import.history.last_state(), state, "{image_id}");
        assert_eq!(state, Some(state_name(import.now())), "{image_id} is lost: {:?}", import.states);
        // The name in an event counts more than the one that discovery sees, and a workflow sends names back.
        let is_renamed = item.name == world.name(image_id) || world.store == Store::Both;
        assert!(!import.is_running() || is_renamed, "{image_id} has an old name: {item:?}");
    }
    for (image_id, other) in &world.others {
        let is_left_alone = other.item.as_ref().is_none_or(|item| is_settled(&item.checkpoint));
        assert!(is_left_alone, "{image_id} is searched for ever: {other:?}");
    }
    cover_history(&mut world);
}

/// The records and the announcements end in the states in which the imports ended.
fn ends_with_the_imports(world: &Shared, records: &[Record]) {
    let mut world = world.borrow_mut();
    for record in records {
        let store = world.store;
        let import = world.import(&record.image_id);
        let end = import.now().unwrap_or("NOT_FOUND");
        let state = record.checkpoint.state.as_ref().map(State::as_str);
        assert_eq!((state, import.history.last_state()), (Some(end), Some(end)), "{record:?}");
        assert_eq!(record.checkpoint.owed, None, "still owes");
        let outcome = State::parse(end).expect("valid").outcome();
        assert_eq!(record.outcome(), outcome, "a workflow would not end as the import did: {record:?}");
        let next = import.history.announced(record.checkpoint.sequence + 1);
        assert!(store == Store::Payload || next.is_none(), "{record:?} is behind {next:?}");
    }
    cover_history(&mut world);
}

fn cover_history(world: &mut World) {
    for (what, happened) in [
        (scenarios::STALL, world.imports.values().any(|import| import.history.has_stall())),
        (scenarios::SECOND_STALL, world.imports.values().any(|import| import.history.has_second_stall())),
        (scenarios::NOT_FOUND, world.imports.values().any(|import| import.history.has_not_found())),
    ] {
        if happened {
            world.covered.insert(what);
        }
    }
}
