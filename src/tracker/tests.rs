use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    time::SystemTime,
};

use super::*;
use crate::{
    error::NotSent,
    import::{Checkpoint, Description, ImageName, Observation, State, Timestamp},
    message::Message,
    services::{Items, SearchOutcome},
};

const SOME_TIME: Duration = Duration::from_secs(10);

/// What the services do. SNS accepts and counts every message.
#[derive(Default)]
struct Fake {
    describes: Describes,
    /// The item of every image.
    item: Option<Item>,
    /// The outcomes of one write after another. Without a ledger, every write succeeds.
    writes: Option<RefCell<VecDeque<WriteOutcome>>>,
    published: Cell<usize>,
    /// How long publishing a batch or writing an item takes.
    latency: Duration,
}

#[derive(Default)]
enum Describes {
    /// Every import is in `VALIDATING`.
    #[default]
    Validating,
    /// Sends no call: the first one is held back, and then the time is over.
    NoCalls,
}

const FIRST: &str = "wsi-000000000";

impl Services for Fake {
    async fn list_pending(&self, _: Instant) -> SearchOutcome {
        SearchOutcome::default()
    }

    async fn describe(&self, image_id: &ImageId, deadline: Instant) -> DescribeOutcome {
        match self.describes {
            Describes::NoCalls if image_id.as_str() == FIRST => DescribeOutcome::NotSent(NotSent::HeldBack),
            Describes::NoCalls => DescribeOutcome::NotSent(NotSent::NoTime),
            Describes::Validating if Instant::now() >= deadline => DescribeOutcome::NotSent(NotSent::NoTime),
            Describes::Validating => DescribeOutcome::Observed(validating()),
        }
    }

    async fn publish(&self, batch: &[Message], _: Instant) -> Vec<Result<(), CallError>> {
        tokio::time::sleep(self.latency).await;
        self.published.set(self.published.get() + batch.len());
        batch.iter().map(|_| Ok(())).collect()
    }

    async fn read_items(&self, image_ids: &[&ImageId], _: Instant) -> Items {
        let item = |id: &&ImageId| Some(((*id).clone(), Ok(self.item.clone()?)));
        image_ids.iter().filter_map(item).collect()
    }

    async fn find_unsettled(&self, _: Timestamp, _: Instant) -> SearchOutcome {
        SearchOutcome::default()
    }

    async fn write_item(&self, _: Write<'_>, deadline: Instant) -> WriteOutcome {
        tokio::time::sleep(self.latency).await;
        let Some(writes) = &self.writes else { return WriteOutcome::NoLedger };
        if Instant::now() >= deadline {
            return WriteOutcome::Failed(CallError::late(Service::DynamoDb));
        }
        writes.borrow_mut().pop_front().expect("no more writes than these")
    }
}

fn validating() -> Observation {
    let description = Description { state: Some("VALIDATING".to_owned()), ..Description::default() };
    Observation::Described(Box::new(description))
}

fn with_writes(outcomes: impl IntoIterator<Item = WriteOutcome>) -> Fake {
    Fake { writes: Some(RefCell::new(outcomes.into_iter().collect())), ..Fake::default() }
}

fn tracker(services: Fake) -> Tracker<Fake> {
    Tracker { services, concurrency: 1, stall_after: None, chat: false, max_records: 480 }
}

fn context(budget: TimeBudget) -> Context {
    Context { clock: Clock::starting_at(SystemTime::now()), budget, origin: Origin::new("", "eu-west-1") }
}

fn enough_time() -> Context {
    context(TimeBudget::divide(SOME_TIME, 1).expect("enough time"))
}

fn checkpoint(state: &str, sequence: u64) -> Checkpoint {
    Checkpoint { state: State::parse(state), sequence, ..Checkpoint::default() }
}

fn record(state: &str, sequence: u64) -> Record {
    let image_id = ImageId::parse("wsi-0a1b2c3d4").expect("valid");
    Record { checkpoint: checkpoint(state, sequence), ..Record::new(image_id) }
}

fn event(state: &str, sequence: u64) -> Event {
    Event { records: vec![record(state, sequence)], ..Event::default() }
}

#[test]
fn only_an_image_of_which_nothing_is_known_stays_listed() {
    let listed = Checkpoint { listed: true, ..Checkpoint::default() };
    let not_an_import = Checkpoint { listed: true, ..checkpoint("NOT_FOUND", 0) };
    let unknown = Checkpoint::default();
    for (known, item, is_discovered, stays_listed) in [
        (&listed, None, true, true),
        (&listed, Some(&unknown), true, false),
        (&listed, Some(&checkpoint("PENDING", 1)), true, false),
        (&listed, Some(&listed), true, true),
        (&listed, Some(&not_an_import), true, true),
        (&unknown, Some(&listed), true, true),
        (&listed, None, false, true),
        (&listed, Some(&listed), false, true),
        (&unknown, Some(&listed), false, false),
        (&unknown, Some(&not_an_import), false, false),
        (&Checkpoint { listed: true, ..checkpoint("PENDING", 1) }, None, false, false),
    ] {
        let record = Record { checkpoint: known.clone(), ..record("PENDING", 1) };
        let found = item.map(|checkpoint| Ok(Item { checkpoint: checkpoint.clone(), name: None, version: 1 }));
        let import = TrackedImport::recall(record, found, None, is_discovered);
        assert_eq!(import.record.checkpoint.listed, stays_listed, "{known:?} and {item:?}");
        assert_eq!(import.needs_write(), stays_listed && item.is_none(), "{known:?} and {item:?}");
    }
}

#[test]
fn the_name_is_what_the_event_says_else_what_was_listed_else_what_the_ledger_has() {
    let name = |name: &str| ImageName::new(name);
    for (said, listed, stored, expected, is_written) in [
        ("event", "list", "ledger", "event", false),
        ("event", "", "ledger", "event", false),
        ("event", "list", "list", "event", false),
        ("", "list", "ledger", "list", true),
        ("", "list", "list", "list", false),
        ("", "list", "", "list", true),
        ("", "", "ledger", "ledger", false),
        ("", "", "", "", false),
    ] {
        let checkpoint = checkpoint("VALIDATING", 4);
        let record = Record { name: name(said), ..record("VALIDATING", 4) };
        let item = Item { checkpoint, name: name(stored), version: 1 };
        let mut import = TrackedImport::recall(record.clone(), Some(Ok(item.clone())), name(listed), true);
        assert_eq!(import.record.name, name(expected), "{said} {listed} {stored}");
        import.observe(validating(), Timestamp::from_millis(0).expect("in range"), None);
        assert!(!import.needs_write(), "a name alone does not get in the way of another invocation");
        let renamed = is_written.then(|| Item { name: name(listed), ..item });
        assert_eq!(import.renamed_item(), renamed, "{said} {listed} {stored}");
        let without_an_item = TrackedImport::recall(record, None, name(listed), true);
        assert_eq!(without_an_item.renamed_item(), None, "a name alone creates no item");
    }
}

/// The flow was delayed: the time for writing is over.
fn late_to_write() -> Context {
    let now = Instant::now();
    context(TimeBudget {
        discover_until: now,
        recall_until: now,
        describe_until: now + SOME_TIME,
        record_until: now,
        announce_until: now + SOME_TIME,
        mark_until: now,
    })
}

#[tokio::test(start_paused = true)]
async fn without_a_ledger_no_write_is_late() {
    let checked = tracker(Fake::default()).check(event("PENDING", 4), &late_to_write()).await.expect("a response");
    assert_eq!(checked.announced.len(), 1);
    assert_eq!(checked.records[0].checkpoint, checkpoint("VALIDATING", 5));
    assert!(checked.records[0].check_error.is_none(), "{checked:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_ledger_no_read_is_late() {
    let now = Instant::now();
    let over = context(TimeBudget {
        discover_until: now,
        recall_until: now,
        describe_until: now,
        record_until: now,
        announce_until: now,
        mark_until: now,
    });
    let tracker = tracker(Fake::default());
    let checked = tracker.check(event("COMPLETED", 4), &over).await.expect("a response");
    assert_eq!(checked.records[0].checkpoint, checkpoint("COMPLETED", 4));
    let error = tracker.check(event("PENDING", 4), &over).await.expect_err("no time");
    assert_eq!(error.name(), "Deadline");
}

#[tokio::test(start_paused = true)]
async fn a_write_to_a_ledger_can_be_late() {
    let tracker = tracker(with_writes([]));
    let error = tracker.check(event("PENDING", 4), &late_to_write()).await.expect_err("all writes failed");
    assert_eq!(error.name(), "DynamoDb.Timeout");
    assert_eq!(tracker.services.published.get(), 0);
}

/// Checks an import whose writes have these outcomes. Returns its record and how many messages were published.
async fn check_with(outcomes: impl IntoIterator<Item = WriteOutcome>) -> (Record, usize) {
    let tracker = tracker(with_writes(outcomes));
    let mut checked = tracker.check(event("PENDING", 4), &enough_time()).await.expect("a response");
    assert!(
        tracker.services.writes.as_ref().is_some_and(|writes| writes.borrow().is_empty()),
        "every write took place"
    );
    assert_eq!(checked.announced.len(), tracker.services.published.get());
    (checked.records.remove(0), tracker.services.published.get())
}

fn item(checkpoint: Checkpoint, version: u64) -> Item {
    Item { checkpoint, name: None, version }
}

#[tokio::test(start_paused = true)]
async fn an_announcement_counts_even_if_the_item_is_deleted_or_behind() {
    for winner in [None, Some(item(checkpoint("PENDING", 0), 7)), Some(item(checkpoint("PENDING", 4), 7))] {
        let (record, published) = check_with([WriteOutcome::Written, WriteOutcome::Lost(winner)]).await;
        assert_eq!(published, 1);
        assert_eq!(record.checkpoint, checkpoint("VALIDATING", 5), "its number is not used again");
        assert!(record.check_error.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_announcement_an_item_that_is_level_or_ahead_is_adopted() {
    for winner in [checkpoint("VALIDATING", 5), checkpoint("PUBLISHING", 6)] {
        let lost = WriteOutcome::Lost(Some(item(winner.clone(), 7)));
        let (record, published) = check_with([WriteOutcome::Written, lost]).await;
        assert_eq!((record.checkpoint, published), (winner, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn before_an_announcement_an_item_that_is_not_behind_is_adopted() {
    let before = checkpoint("PENDING", 4);
    let same = Checkpoint { stalled: true, ..before.clone() };
    for (winner, expected) in [
        (checkpoint("PENDING", 1), before),
        (same.clone(), same),
        (checkpoint("PUBLISHING", 6), checkpoint("PUBLISHING", 6)),
    ] {
        let (record, published) = check_with([WriteOutcome::Lost(Some(item(winner, 7)))]).await;
        assert_eq!((record.checkpoint, published), (expected, 0));
    }
}

/// Some databases that claim to be compatible with DynamoDB cannot evaluate a condition. Without this, the same
/// announcement would be published at every check, and nothing would say why.
#[tokio::test(start_paused = true)]
async fn a_write_rejected_although_the_version_matches_is_an_error() {
    let read = item(checkpoint("PENDING", 4), 3);
    let services = Fake { item: Some(read.clone()), ..with_writes([WriteOutcome::Lost(Some(read))]) };
    let error = tracker(services).check(event("PENDING", 4), &enough_time()).await.expect_err("no write succeeded");
    assert_eq!(error.name(), "DynamoDb.BadResponse");

    let owing = item(record_that_owes().checkpoint, 1);
    let (record, published) = check_with([WriteOutcome::Written, WriteOutcome::Lost(Some(owing))]).await;
    assert_eq!(published, 1);
    assert_eq!(record.checkpoint, checkpoint("VALIDATING", 5), "it was announced");
    assert_eq!(record.check_error.expect("an error").error, "DynamoDb.BadResponse");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_error_has_the_reason_of_the_first_record() {
    let ids = [FIRST, "wsi-000000001", "wsi-000000002"];
    let records = ids.map(|id| Record::new(ImageId::parse(id).expect("valid"))).to_vec();
    // Describing starts at a random record.
    for _ in 0..50 {
        let event = Event { records: records.clone(), ..Event::default() };
        let services = Fake { describes: Describes::NoCalls, ..Fake::default() };
        let result = tracker(services).check(event, &enough_time()).await;
        assert!(matches!(result, Err(Error::Deadline(NotSent::HeldBack))), "{result:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_settled_record_makes_an_invocation_useful_although_no_call_was_sent() {
    let records = vec![Record::new(ImageId::parse(FIRST).expect("valid")), record("COMPLETED", 4)];
    let services = Fake { describes: Describes::NoCalls, ..Fake::default() };
    let event = Event { records, ..Event::default() };
    let outcome = tracker(services).check(event, &enough_time()).await.expect("a response");
    assert_eq!((outcome.unchecked, outcome.described), (1, 0));
}

fn record_that_owes() -> Record {
    let mut record = record("PENDING", 4);
    record.compare(validating(), Timestamp::from(SystemTime::now()), None);
    record
}

/// The clock is paused, so this takes exactly as long as the calls that wait for each other.
#[tokio::test(start_paused = true)]
async fn calls_are_made_at_the_same_time() {
    let records = (0..70).map(|number| Record::new(ImageId::parse(&format!("wsi-{number:09}")).expect("valid")));
    let services = Fake { latency: Duration::from_secs(1), ..with_writes((0..140).map(|_| WriteOutcome::Written)) };
    let tracker = Tracker { concurrency: 10, ..tracker(services) };
    let context = context(TimeBudget::divide(Duration::from_mins(15), 1).expect("enough time"));
    let begun = Instant::now();
    let outcome =
        tracker.check(Event { records: records.collect(), ..Event::default() }, &context).await.expect("a response");
    assert_eq!(outcome.announced.len(), 70);
    // 70 writes take 7 rounds. Waves of 10, 20, and 40 messages take one round each, and 1, 2, and 4 to be marked.
    assert_eq!(begun.elapsed(), Duration::from_secs(7 + (1 + 1) + (1 + 2) + (1 + 4)));
}
