//! Discovery: finds imports that the event does not name. There are two places to look: the list of images shows those
//! that run now, and the ledger remembers those that have left the list since the last check.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    future::Future,
    time::Duration,
};

use futures_util::future::join;

use super::{Context, Tracker};
use crate::{
    error::CallError,
    event::Event,
    import::{Checkpoint, ImageId, ImageName, Record},
    services::{SearchOutcome, Services},
};

/// How long a failed import is checked after the last write of its item, because it can be retried on the console.
/// Nobody knows whether WorkSpaces then lists it again.
const RECHECK_FAILED_FOR: Duration = Duration::from_hours(24);

/// What there is to check.
#[derive(Debug, Default)]
pub(super) struct DiscoverOutcome {
    /// The event's records.
    pub(super) records: Vec<Record>,
    /// What was discovered beside them, in the order of the IDs.
    pub(super) discovered: Vec<Record>,
    /// The names of the listed images.
    pub(super) names: BTreeMap<ImageId, ImageName>,
    /// How many discovered images do not fit into a response.
    pub(super) undiscovered: usize,
    /// Why discovery is incomplete.
    pub(super) error: Option<CallError>,
}

impl<S: Services> Tracker<S> {
    /// Finds what there is to discover, if the event asks for it. Returns by the deadline.
    pub(super) async fn discover(&self, event: Event, context: &Context) -> DiscoverOutcome {
        let Event { records, discover, .. } = event;
        if !discover {
            return DiscoverOutcome { records, ..DiscoverOutcome::default() };
        }
        let deadline = context.budget.discover_until;
        let failed_after = context.clock.now().before(RECHECK_FAILED_FOR);
        let listing = logged("listing failed", self.services.list_pending(deadline));
        let scanning = logged("ledger scan failed", self.services.find_unsettled(failed_after, deadline));
        // Boxed, so that invocations without discovery do not carry its size.
        let (listed, unsettled) = Box::pin(join(listing, scanning)).await;
        let image_ids = |search: &SearchOutcome| search.images.iter().map(|(image_id, _)| image_id.clone()).collect();
        let (discovered, undiscovered) = select(&records, image_ids(&unsettled), image_ids(&listed), self.max_records);
        let names = listed.images.into_iter().filter_map(|(image_id, name)| Some((image_id, name?))).collect();
        DiscoverOutcome { records, discovered, names, undiscovered, error: listed.error.or(unsettled.error) }
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

/// Selects what to check of the images that the ledger and the list name, each image once, beside the event's records.
/// If there are more than `max_records` in all, about a quarter of the room is kept for images that are only listed:
/// they are new. Returns what to check, and how many images were left out.
fn select(
    records: &[Record],
    unsettled: Vec<ImageId>,
    listed: Vec<ImageId>,
    max_records: usize,
) -> (Vec<Record>, usize) {
    let known: HashSet<&ImageId> = records.iter().map(|record| &record.image_id).collect();
    // Sets, so that the same random numbers make the same choice.
    let unsettled: BTreeSet<ImageId> = unsettled.into_iter().filter(|id| !known.contains(id)).collect();
    let listed: BTreeSet<ImageId> =
        listed.into_iter().filter(|id| !known.contains(id) && !unsettled.contains(id)).collect();
    let found = unsettled.len() + listed.len();
    let room = max_records.saturating_sub(records.len());
    // Rounded at random, so that each kind gets its turn even if there is room for one only.
    let kept = ((room + fastrand::usize(..4)) / 4).min(listed.len());
    let mut chosen = choose(unsettled.into_iter().collect(), room - kept);
    chosen.extend(choose(listed.into_iter().collect(), room - chosen.len()));
    chosen.sort();
    let left_out = found - chosen.len();
    // What the ledger knows about an image comes from its item, which is read next.
    let checkpoint = Checkpoint { listed: true, ..Checkpoint::default() };
    let record = |image_id| Record { checkpoint: checkpoint.clone(), ..Record::new(image_id) };
    (chosen.into_iter().map(record).collect(), left_out)
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

    fn numbers(records: &[Record]) -> Vec<usize> {
        records.iter().map(|record| record.image_id.as_str()[4..].parse().expect("a number")).collect()
    }

    #[test]
    fn what_is_discovered_is_in_the_order_of_the_ids_and_not_in_the_event() {
        let (found, left_out) = select(&records([5, 1]), image_ids([8, 2, 5]), image_ids([9, 2, 3, 1, 3]), 480);
        assert_eq!(numbers(&found), [2, 3, 8, 9]);
        assert_eq!(left_out, 0);
    }

    #[test]
    fn a_quarter_of_the_room_is_kept_for_listed_images() {
        for _ in 0..100 {
            let (found, left_out) = select(&records([1]), image_ids(10..30), image_ids(40..60), 9);
            let listed = numbers(&found).into_iter().filter(|number| *number >= 40).count();
            assert_eq!((found.len(), listed, left_out), (8, 2, 32));

            let (few, left_out) = select(&records([1]), image_ids([2, 3]), image_ids(10..20), 5);
            assert_eq!((few.len(), left_out), (4, 8), "what the ledger does not need is for the list");
            let (few, left_out) = select(&records([1]), image_ids(10..20), image_ids([2]), 5);
            assert_eq!((few.len(), left_out), (4, 7));
            assert_eq!(select(&records([1, 2]), image_ids([3]), image_ids([4]), 2).1, 2);
        }
    }

    #[test]
    fn every_image_gets_its_turn() {
        for room in 1..4 {
            let mut chosen = BTreeSet::new();
            for _ in 0..1_000 {
                chosen.extend(numbers(&select(&[], image_ids(0..10), image_ids(10..20), room).0));
            }
            assert_eq!(chosen.len(), 20, "{room}");
        }
    }
}
