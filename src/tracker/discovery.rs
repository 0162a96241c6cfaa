//! Discovery: finds imports that the event does not name. There are two places to look: the list of images shows those
//! that run now, and the ledger remembers those that have left the list since the last check.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    future::Future,
};

use futures_util::future::join;
use tokio::time::Instant;

use super::Tracker;
use crate::{
    error::CallError,
    event::Event,
    import::{ImageId, Record},
    services::{SearchOutcome, Services},
};

/// What there is to check.
#[derive(Debug, Default)]
pub(super) struct DiscoverOutcome {
    /// The event's records, and after them what was discovered, in the order of the IDs.
    pub(super) records: Vec<Record>,
    /// How many discovered images do not fit into a response.
    pub(super) undiscovered: usize,
    /// Why discovery is incomplete.
    pub(super) error: Option<CallError>,
}

impl<S: Services> Tracker<S> {
    /// Adds what there is to discover to the event's records, if the event asks for it. Returns by the deadline.
    pub(super) async fn discover(&self, event: Event, deadline: Instant) -> DiscoverOutcome {
        let Event { records, discover } = event;
        if !discover {
            return DiscoverOutcome { records, ..DiscoverOutcome::default() };
        }
        let listing = logged("listing failed", self.services.list_pending(deadline));
        let scanning = logged("ledger scan failed", self.services.find_unsettled(deadline));
        // Boxed, so that invocations without discovery do not carry its size.
        let (listed, unsettled) = Box::pin(join(listing, scanning)).await;
        let (records, undiscovered) = add(records, unsettled.image_ids, listed.image_ids, self.max_records);
        DiscoverOutcome { records, undiscovered, error: listed.error.or(unsettled.error) }
    }
}

/// Logs the error of a search. `what` is the message of the log line.
async fn logged(what: &str, search: impl Future<Output = SearchOutcome>) -> SearchOutcome {
    let outcome = search.await;
    if let Some(error) = &outcome.error {
        tracing::warn!(Error = error.name(), Cause = error.cause(), "{what}");
    }
    outcome
}

/// Adds the images that the ledger and the list name to the records, each image once. If there are more than `max_records`,
/// the ledger's come first. Returns the records, and how many images were left out.
fn add(
    mut records: Vec<Record>,
    unsettled: Vec<ImageId>,
    listed: Vec<ImageId>,
    max_records: usize,
) -> (Vec<Record>, usize) {
    let mut known: HashSet<ImageId> = records.iter().map(|record| record.image_id.clone()).collect();
    let mut added = BTreeMap::new();
    let mut left_out = 0;
    for (image_ids, listed) in [(unsettled, false), (listed, true)] {
        // In order, so that the same random numbers make the same choice.
        let image_ids: BTreeSet<ImageId> = image_ids.into_iter().filter(|id| !known.contains(id)).collect();
        known.extend(image_ids.iter().cloned());
        let room = max_records.saturating_sub(records.len() + added.len());
        left_out += image_ids.len().saturating_sub(room);
        let chosen = choose(image_ids.into_iter().collect(), room);
        added.extend(chosen.into_iter().map(|image_id| (image_id, listed)));
    }
    records.extend(added.into_iter().map(|(image_id, listed)| Record { listed, ..Record::new(image_id) }));
    (records, left_out)
}

/// Chooses up to `room` images, from a random place on, so that the same ones are not left out every time.
fn choose(mut image_ids: Vec<ImageId>, room: usize) -> Vec<ImageId> {
    if image_ids.len() > room {
        let first = fastrand::usize(..image_ids.len());
        image_ids.rotate_left(first);
        image_ids.truncate(room);
    }
    image_ids
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image_ids(numbers: impl IntoIterator<Item = usize>) -> Vec<ImageId> {
        numbers.into_iter().map(|number| ImageId::parse(&format!("wsi-{number:09}")).expect("valid")).collect()
    }

    fn records(numbers: impl IntoIterator<Item = usize>) -> Vec<Record> {
        image_ids(numbers).into_iter().map(Record::new).collect()
    }

    /// The numbers of the images, and which of them were only listed.
    fn numbers(records: &[Record]) -> Vec<(usize, bool)> {
        records.iter().map(|record| (record.image_id.as_str()[4..].parse().expect("a number"), record.listed)).collect()
    }

    #[test]
    fn what_is_discovered_follows_the_events_records_in_the_order_of_the_ids() {
        let (records, left_out) = add(records([5, 1]), image_ids([8, 2, 5]), image_ids([9, 2, 3, 1, 3]), 480);
        assert_eq!(numbers(&records), [(5, false), (1, false), (2, false), (3, true), (8, false), (9, true)]);
        assert_eq!(left_out, 0);
    }

    #[test]
    fn the_events_records_come_first_and_then_the_ledgers() {
        let place = |number, records: &[Record]| numbers(records).iter().any(|(found, _)| *found == number);
        for _ in 0..100 {
            let (few, left_out) = add(records([1]), image_ids([2, 3]), image_ids(10..20), 5);
            assert_eq!((few.len(), left_out), (5, 8));
            assert!([1, 2, 3].into_iter().all(|number| place(number, &few)), "{few:?}");

            let (fewer, left_out) = add(records([1]), image_ids([2, 3]), image_ids(10..20), 2);
            assert_eq!((fewer.len(), left_out), (2, 11));
            assert!(fewer.iter().all(|record| !record.listed), "{fewer:?}");
            assert_eq!(add(records([1, 2]), image_ids([3]), image_ids([4]), 2).1, 2);
        }
    }

    #[test]
    fn every_image_gets_its_turn() {
        let mut ledgers = BTreeSet::new();
        let mut listed = BTreeSet::new();
        for _ in 0..1_000 {
            ledgers.extend(numbers(&add(Vec::new(), image_ids(0..10), Vec::new(), 3).0));
            listed.extend(numbers(&add(Vec::new(), image_ids([20]), image_ids(0..10), 3).0));
        }
        assert_eq!((ledgers.len(), listed.len()), (10, 11));
    }
}
