use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
};

use super::*;
use crate::{
    announcement::Message,
    clock::SystemClock,
    found::Found,
    import::{Checkpoint, Description, Observation, State},
    ledger::{ConfiguredLedger, Item, Items},
};

const SOME_TIME: Duration = Duration::from_secs(10);

/// Every import is in this state.
struct AllImports(&'static str);

impl ListPendingImages for AllImports {
    async fn list_pending(&self, _: Instant) -> Found {
        Found::default()
    }
}

impl DescribeImport for AllImports {
    async fn describe(&self, _: &ImageId, deadline: Instant) -> DescribeOutcome {
        if Instant::now() >= deadline {
            return DescribeOutcome::NotSent(NotSent::NoTime);
        }
        let description = Description { state: Some(self.0.to_owned()), ..Description::default() };
        DescribeOutcome::Observed(Observation::Described(Box::new(description)))
    }
}

/// Sends no call: the first one is held back, and then the time is over.
struct NoCalls;

impl NoCalls {
    const FIRST: &str = "wsi-000000000";
}

impl ListPendingImages for NoCalls {
    async fn list_pending(&self, _: Instant) -> Found {
        Found::default()
    }
}

impl DescribeImport for NoCalls {
    async fn describe(&self, image_id: &ImageId, _: Instant) -> DescribeOutcome {
        let is_first = image_id.as_str() == Self::FIRST;
        DescribeOutcome::NotSent(if is_first { NotSent::HeldBack } else { NotSent::NoTime })
    }
}

/// Accepts and counts every message.
#[derive(Default)]
struct Topic(Cell<usize>);

impl Announce for Topic {
    async fn publish(&self, batch: &[Message], _: Instant) -> Vec<Result<(), CallError>> {
        self.0.set(self.0.get() + batch.len());
        batch.iter().map(|_| Ok(())).collect()
    }
}

/// Holds these items, and gives these answers to one write after another.
struct Answers {
    item: Option<Item>,
    writes: RefCell<VecDeque<WriteOutcome>>,
}

impl Answers {
    fn new(writes: impl IntoIterator<Item = WriteOutcome>) -> Self {
        Self { item: None, writes: RefCell::new(writes.into_iter().collect()) }
    }
}

impl Ledger for Answers {
    async fn read(&self, image_ids: &[&ImageId], _: Instant) -> Items {
        let item = |id: &&ImageId| Some(((*id).clone(), Ok(self.item.clone()?)));
        image_ids.iter().filter_map(item).collect()
    }

    async fn unsettled(&self, _: Instant) -> Found {
        Found::default()
    }

    async fn write(&self, _: Write<'_>, deadline: Instant) -> WriteOutcome {
        if Instant::now() >= deadline {
            return WriteOutcome::Failed(CallError::late(Service::DynamoDb));
        }
        self.writes.borrow_mut().pop_front().expect("no more writes than these")
    }
}

fn tracker<L>(ledger: L) -> Tracker<AllImports, Topic, L, SystemClock> {
    tracker_of(AllImports("VALIDATING"), ledger)
}

fn tracker_of<W, L>(workspaces: W, ledger: L) -> Tracker<W, Topic, L, SystemClock> {
    Tracker {
        workspaces,
        topic: Topic::default(),
        ledger,
        clock: SystemClock,
        concurrency: 1,
        stall_after: None,
        origin: Origin::new("eu-west-1"),
        chat: false,
        max_records: 480,
    }
}

fn checkpoint(state: &str, sequence: u64) -> Checkpoint {
    Checkpoint { state: State::parse(state), sequence, ..Checkpoint::default() }
}

fn record(state: &str, sequence: u64) -> Record {
    let image_id = ImageId::parse("wsi-0a1b2c3d4").expect("valid");
    Record { checkpoint: checkpoint(state, sequence), ..Record::new(image_id) }
}

fn event(state: &str, sequence: u64) -> Event {
    Event { records: vec![record(state, sequence)], discover: false }
}

#[test]
fn only_an_image_of_which_nothing_is_known_stays_listed() {
    let unknown = Checkpoint::default();
    for (known, item, listed) in [
        (unknown.clone(), None, true),
        (unknown.clone(), Some(item(unknown.clone(), 1)), false),
        (checkpoint("PENDING", 1), None, false),
        (unknown, Some(item(checkpoint("PENDING", 1), 1)), false),
    ] {
        let record = Record { listed: true, checkpoint: known, ..record("PENDING", 1) };
        let import = TrackedImport::recalled(record, Ok(item.clone()));
        assert_eq!((import.record.listed, import.is_new), (listed, listed), "{item:?}");
    }
}

/// The flow was delayed: the time for writing is over.
fn late_to_write() -> TimeBudget {
    let now = Instant::now();
    TimeBudget {
        discover_until: now,
        recall_until: now,
        describe_until: now + SOME_TIME,
        record_until: now,
        announce_until: now + SOME_TIME,
        mark_until: now,
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_ledger_no_write_is_late() {
    let checked =
        tracker(ConfiguredLedger::PayloadOnly).check(event("PENDING", 4), &late_to_write()).await.expect("a response");
    assert_eq!(checked.announced.len(), 1);
    assert_eq!(checked.records[0].checkpoint, checkpoint("VALIDATING", 5));
    assert!(checked.records[0].check_error.is_none(), "{checked:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_ledger_no_read_is_late() {
    let now = Instant::now();
    let over = TimeBudget {
        discover_until: now,
        recall_until: now,
        describe_until: now,
        record_until: now,
        announce_until: now,
        mark_until: now,
    };
    let tracker = tracker(ConfiguredLedger::PayloadOnly);
    let checked = tracker.check(event("COMPLETED", 4), &over).await.expect("a response");
    assert_eq!(checked.records[0].checkpoint, checkpoint("COMPLETED", 4));
    let error = tracker.check(event("PENDING", 4), &over).await.expect_err("no time");
    assert_eq!(error.name(), "Deadline");
}

#[tokio::test(start_paused = true)]
async fn a_write_to_a_ledger_can_be_late() {
    let tracker = tracker(Answers::new([]));
    let error = tracker.check(event("PENDING", 4), &late_to_write()).await.expect_err("all writes failed");
    assert_eq!(error.name(), "DynamoDb.Timeout");
    assert_eq!(tracker.topic.0.get(), 0);
}

/// Checks an import whose writes get these answers. Returns its record and how many messages were published.
async fn check_with(answers: impl IntoIterator<Item = WriteOutcome>) -> (Record, usize) {
    let tracker = tracker(Answers::new(answers));
    let budget = TimeBudget::divide(SOME_TIME, 1).expect("enough time");
    let mut checked = tracker.check(event("PENDING", 4), &budget).await.expect("a response");
    assert!(tracker.ledger.writes.borrow().is_empty(), "every write took place");
    assert_eq!(checked.announced.len(), tracker.topic.0.get());
    (checked.records.remove(0), tracker.topic.0.get())
}

fn item(checkpoint: Checkpoint, version: u64) -> Item {
    Item { checkpoint, version }
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
    let budget = TimeBudget::divide(SOME_TIME, 1).expect("enough time");

    let read = item(checkpoint("PENDING", 4), 3);
    let ledger = Answers { item: Some(read.clone()), ..Answers::new([WriteOutcome::Lost(Some(read))]) };
    let error = tracker(ledger).check(event("PENDING", 4), &budget).await.expect_err("no write succeeded");
    assert_eq!(error.name(), "DynamoDb.BadResponse");

    let owing = item(record_that_owes().checkpoint, 1);
    let (record, published) = check_with([WriteOutcome::Written, WriteOutcome::Lost(Some(owing))]).await;
    assert_eq!(published, 1);
    assert_eq!(record.checkpoint, checkpoint("VALIDATING", 5), "it was announced");
    assert_eq!(record.check_error.expect("an error").error, "DynamoDb.BadResponse");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_error_has_the_reason_of_the_first_record() {
    let budget = TimeBudget::divide(SOME_TIME, 3).expect("enough time");
    let ids = [NoCalls::FIRST, "wsi-000000001", "wsi-000000002"];
    let records = ids.map(|id| Record::new(ImageId::parse(id).expect("valid"))).to_vec();
    // Describing starts at a random record.
    for _ in 0..50 {
        let event = Event { records: records.clone(), discover: false };
        let result = tracker_of(NoCalls, ConfiguredLedger::PayloadOnly).check(event, &budget).await;
        assert!(matches!(result, Err(Error::Deadline(NotSent::HeldBack))), "{result:?}");
    }
}

fn record_that_owes() -> Record {
    let mut record = record("PENDING", 4);
    let description = Description { state: Some("VALIDATING".to_owned()), ..Description::default() };
    let now = Timestamp::from(SystemClock.now());
    record.compare(&Observation::Described(Box::new(description)), now, None);
    record
}
