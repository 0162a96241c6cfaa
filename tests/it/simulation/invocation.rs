//! One invocation: an event in, and a response out that can be the next event. Or it fails, or crashes on the way.

use std::{rc::Rc, time::Duration};

use fastrand::Rng;
use tokio::time::{Instant, timeout};
use workspaces_image_import::{
    error::Error,
    event::{self, Event},
    import::{ImageId, Outcome, Record},
    invocation::respond,
    message::Origin,
    time_budget::TimeBudget,
    tracker::{CheckOutcome, Context, Tracker},
};

use super::{
    Shared,
    import::DescribeAnswer,
    result::InvocationResult,
    scenarios,
    services::{PERMANENT, Seen, SimulatedServices},
    world::{Store, World},
};

/// The smallest `MAX_RESPONSE_BYTES`. Large descriptions exceed it.
pub(super) const LIMIT: usize = 16_384;

/// The most records that a response within the limit can have.
const MAX_RECORDS: usize = LIMIT / Record::MAX_BYTES;

/// A function for an event with this many records.
fn tracker(services: &SimulatedServices, records: usize, rng: &mut Rng) -> Tracker<SimulatedServices> {
    let World { calm, discover, stall_after, .. } = *services.world.borrow();
    Tracker {
        services: services.clone(),
        concurrency: if calm { 8 } else { rng.usize(1..12) },
        stall_after,
        chat: rng.f64() < 0.1,
        max_records: if calm || !discover { MAX_RECORDS } else { rng.usize(1..MAX_RECORDS).max(records) },
    }
}

/// The response of an invocation, or `None` if it failed or crashed.
pub(super) async fn invoke(world: &Shared, mut rng: Rng, records: Vec<Record>) -> Option<InvocationResult> {
    let calm = world.borrow().calm;
    let time = Duration::from_millis(if calm { 20_000 } else { rng.u64(600..20_000) });
    let crash_after = Duration::from_millis(if calm || rng.f64() < 0.6 { 86_400_000 } else { rng.u64(0..6_000) });
    let budget = TimeBudget::divide(time, 0).expect("enough time");
    let services = SimulatedServices { world: Rc::clone(world), budget, seen: Rc::default() };
    let tracker = tracker(&services, records.len(), &mut rng);
    let mut before = records.clone();
    world.borrow().note(|| format!("invoked for {time:?}, to crash after {crash_after:?}: {records:?}"));
    world.borrow_mut().compare_with_ledger(&records);

    let started = Instant::now();
    let event = Event { records, discover: world.borrow().discover, ..Event::default() };
    let context = Context { clock: world.borrow().clock, budget, origin: Origin::new("", "eu-west-1") };
    let Ok(checked) = timeout(crash_after, tracker.check(event, &context)).await else {
        world.borrow_mut().covered.insert(scenarios::CRASH);
        return None;
    };
    let margin = Duration::from_millis(500).max(time / 20);
    assert!(started.elapsed() + margin <= time, "{:?} of {time:?} were used up", started.elapsed());
    let checked = match checked {
        Ok(checked) => checked,
        Err(error) => {
            world.borrow().note(|| format!("failed: {error:?}"));
            if is_without_records(&error, &services.seen) {
                world.borrow_mut().covered.insert(scenarios::NOTHING_DISCOVERED);
            } else {
                check_failure(&error, &services.seen, &before, services.world.borrow().store);
            }
            return None;
        }
    };
    check_calls(&checked, &services.seen);
    if checked.unchecked > 0 {
        world.borrow_mut().covered.insert(scenarios::UNCHECKED);
    }

    check_discovery(&checked, &services.seen, &mut world.borrow_mut());

    let CheckOutcome { records, announced, undiscovered, .. } = checked.clone();
    let (not_sent, answers) = (services.seen.not_sent.take(), services.seen.answers.take());
    let named = before.iter().map(|record| record.image_id.clone()).collect();
    if world.borrow().discover {
        let sent = |record: &Record| before.iter().find(|sent| sent.image_id == record.image_id).cloned();
        before =
            records.iter().map(|record| sent(record).unwrap_or_else(|| Record::new(record.image_id.clone()))).collect();
    }
    let mut answered = InvocationResult { before, named, records, announced, not_sent, answers };
    if world.borrow().discover {
        answered.has_what_was_discovered(&services.seen, undiscovered, tracker.max_records, &world.borrow());
    }
    answered.reports_what_was_confirmed(&services.seen.confirmed.borrow());
    // The round trip through JSON takes most of the simulation's time and does not change the records.
    if rng.f64() < 0.2 {
        let json = respond(checked).into_json(LIMIT);
        world.borrow().note(|| format!("answered {json}"));
        answered.is_summarized_by(&json);
        let read = event::parse(&json, MAX_RECORDS).expect("a response can be the next event").records;
        answered.is_carried_by(&read);
        answered.records = read;
    }
    answered.agrees_with(&mut world.borrow_mut());
    Some(answered)
}

/// No image that the searches found was an import, except for failures that are still the same, and at least one of the
/// searches failed with this error.
fn is_without_records(error: &Error, seen: &Seen) -> bool {
    let is_left_out = |(id, _): &(ImageId, _)| {
        let answer = seen.answers.borrow().get(id).copied();
        let has_failed = answer.is_some_and(|answer| matches!(answer.state(), Some("ERROR") | None));
        answer == Some(DescribeAnswer::NotFound) || has_failed && seen.read.borrow().contains(id)
    };
    seen.discover_errors.borrow().contains(&error.name())
        && seen.not_sent.borrow().is_empty()
        && seen.described.borrow().iter().all(is_left_out)
}

/// A search that failed is reported, and it does not stop the rest.
fn check_discovery(checked: &CheckOutcome, seen: &Seen, world: &mut World) {
    let errors = seen.discover_errors.borrow();
    let reported = checked.discover_error.as_ref().map(|error| &error.error);
    assert_eq!(reported.is_some(), !errors.is_empty(), "{reported:?} in place of {errors:?}");
    assert!(reported.is_none_or(|reported| errors.contains(reported)), "{reported:?} in place of {errors:?}");
    assert!(errors.is_empty() || !checked.records.is_empty(), "nothing was found, because of {errors:?}");
    let gone = seen.unsettled.borrow().iter().any(|id| !seen.listed.borrow().contains(id));
    for (what, happened) in [
        (scenarios::LISTING_FAILED, errors.iter().any(|name| name.starts_with("WorkSpaces."))),
        (scenarios::SCAN_FAILED, errors.iter().any(|name| name.starts_with("DynamoDb."))),
        (scenarios::LEFT_THE_LIST, errors.is_empty() && gone),
        (scenarios::UNDISCOVERED, checked.undiscovered > 0),
    ] {
        if happened {
            world.covered.insert(what);
        }
    }
}

/// An invocation that fails has announced nothing. It blames the deadline only
/// if no call was sent, and the topic only if the error does not pass by itself. It does not fail over imports that
/// could not be described if a record is settled.
fn check_failure(error: &Error, seen: &Seen, before: &[Record], store: Store) {
    let (confirmed, name) = (seen.confirmed.borrow(), error.name());
    assert!(confirmed.is_empty(), "{confirmed:?} was announced, but: {error:?}");
    let (described, not_sent) = (seen.described.borrow(), seen.not_sent.borrow());
    let settled = before.iter().any(|record| record.outcome() != Outcome::Pending);
    match error {
        Error::Deadline(_) => {
            assert!(described.is_empty() && !not_sent.is_empty(), "{described:?} was sent");
            assert!(store != Store::Payload || !settled, "{error:?}, although a record is settled");
        }
        _ if name.starts_with("WorkSpaces.") => {
            let failed = |(_, error): &(_, Option<String>)| error.is_some();
            assert!(described.iter().all(failed), "{described:?} did not all fail, but: {error:?}");
            assert!(described.iter().any(|(_, error)| error.as_ref() == Some(&name)), "{name} is no call's error");
            assert!(store != Store::Payload || !settled, "{error:?}, although a record is settled");
        }
        _ if name.starts_with("Sns.") => assert_eq!(name, format!("Sns.{PERMANENT}"), "an error that passes by itself"),
        _ => {}
    }
}

/// A record is unchecked if its describe call was not sent, and for no other reason. A failed call is reported under
/// the name that the port gave it.
fn check_calls(checked: &CheckOutcome, seen: &Seen) {
    let (described, not_sent) = (seen.described.borrow(), seen.not_sent.borrow());
    assert_eq!(checked.described, described.len(), "calls that were sent");
    assert_eq!(checked.unchecked, not_sent.len(), "unchecked: {not_sent:?}");
    let record =
        |image_id: &ImageId| checked.records.iter().find(|record| record.image_id == *image_id).expect("a record");
    for (image_id, error) in described.iter().filter_map(|(id, error)| Some((id, error.as_ref()?))) {
        let reported = record(image_id).check_error.as_ref().map(|reported| &reported.error);
        // What is owed is published all the same, which can fail, too.
        let is_reported = reported.is_some_and(|reported| reported == error || !reported.starts_with("WorkSpaces."));
        assert!(is_reported, "the error of {image_id} is {error}, not {reported:?}");
    }
    for image_id in seen.unread.borrow().iter() {
        let reported = record(image_id).check_error.as_ref().map(|reported| reported.error.as_str());
        assert!(reported.is_some_and(|error| error.starts_with("DynamoDb.")), "{image_id} was not read: {reported:?}");
    }
}
