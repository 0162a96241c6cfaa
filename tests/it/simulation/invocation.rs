//! One invocation: an event in, a response out that can be the next event; or it fails, or is crashed on the way.

use std::{rc::Rc, time::Duration};

use fastrand::Rng;
use tokio::time::{Instant, timeout};
use workspaces_image_import::{clock::Schedule, event, import::Record, response::Response, tracker::Tracker};

use super::{
    Shared,
    answer::Answered,
    ports::{Ports, SimulatedClock},
};

/// The least `MAX_RESPONSE_BYTES`, which large descriptions do not fit.
pub(super) const LIMIT: usize = 16_384;

fn tracker(ports: &Ports, calm: bool, rng: &mut Rng) -> Tracker<Ports, Ports, Ports, SimulatedClock> {
    Tracker {
        workspaces: ports.clone(),
        topic: ports.clone(),
        ledger: ports.clone(),
        clock: SimulatedClock { began: ports.world.borrow().began },
        concurrency: if calm { 8 } else { rng.usize(1..4) },
        stall_after: Some(Duration::from_mins(30)),
        region: "eu-west-1".to_owned(),
    }
}

/// What an invocation answers, or nothing where it failed or was crashed.
pub(super) async fn invoke(world: &Shared, mut rng: Rng, records: Vec<Record>) -> Option<Answered> {
    let calm = world.borrow().calm;
    let time = Duration::from_millis(if calm { 20_000 } else { rng.u64(600..20_000) });
    let crash_after = Duration::from_millis(if calm || rng.f64() < 0.6 { 86_400_000 } else { rng.u64(0..6_000) });
    let ports = Ports { world: Rc::clone(world), confirmed: Rc::default(), publishes: Rc::default() };
    let tracker = tracker(&ports, calm, &mut rng);
    let before = records.clone();
    world.borrow().note(|| format!("invoked for {time:?}, to crash after {crash_after:?}: {records:?}"));
    world.borrow_mut().compare(&records);

    let started = Instant::now();
    let schedule = Schedule::lay_out(time).expect("time");
    let Ok(checked) = timeout(crash_after, tracker.check(records, &schedule)).await else {
        world.borrow_mut().sights.insert("a crash");
        return None;
    };
    let margin = Duration::from_millis(500).max(time / 20);
    assert!(started.elapsed() + margin <= time, "{:?} of {time:?} were used up", started.elapsed());
    let confirmed = ports.confirmed.take();
    let checked = match checked {
        Ok(checked) => checked,
        Err(error) => {
            world.borrow().note(|| format!("failed: {error:?}"));
            // Only what could not be crossed off may have been announced by an invocation that fails.
            let by_the_ledger = error.name().starts_with("DynamoDb.");
            assert!(
                by_the_ledger || confirmed.is_empty(),
                "{confirmed:?} was announced, and all is said to be {error:?}"
            );
            return None;
        }
    };

    let announced = checked.announced.clone();
    let mut answered = Answered { before, records: checked.records.clone(), announced };
    answered.tells_of(&confirmed);
    // Through JSON now and then: it takes most of the simulation's time, and the records are the same without.
    if rng.f64() < 0.2 {
        let json = Response::from(checked).into_json(LIMIT);
        world.borrow().note(|| format!("answered {json}"));
        answered.says(&json);
        let read = event::parse(&json, LIMIT / 512).expect("a response can be the next event");
        answered.is_carried_by(&read);
        answered.records = read;
    }
    answered.agrees_with(&mut world.borrow_mut());
    Some(answered)
}
