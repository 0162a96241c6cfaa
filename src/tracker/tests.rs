use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
};

use super::*;
use crate::{
    announcement::Message,
    clock::SystemClock,
    import::{Description, Memory, Observation, State},
    ledger::{Remembered, Store},
};

const IMAGE: &str = "wsi-0a1b2c3d4";
const A_WHILE: Duration = Duration::from_secs(10);

/// Every import is in this state.
struct All(&'static str);

impl DescribeImport for All {
    async fn describe(&self, _: &str) -> Result<Observation, CallError> {
        let description = Description { state: Some(self.0.to_owned()), ..Description::default() };
        Ok(Observation::Described(Box::new(description)))
    }
}

/// Takes everything, and counts it.
#[derive(Default)]
struct Topic(Cell<usize>);

impl Announce for Topic {
    async fn publish(&self, batch: &[Message]) -> Result<Vec<Result<(), CallError>>, CallError> {
        self.0.set(self.0.get() + batch.len());
        Ok(batch.iter().map(|_| Ok(())).collect())
    }
}

/// Remembers nothing, and answers one write after another with these.
struct Answers(RefCell<VecDeque<Written>>);

impl Answers {
    fn new(answers: impl IntoIterator<Item = Written>) -> Self {
        Self(RefCell::new(answers.into_iter().collect()))
    }
}

impl Ledger for Answers {
    async fn read(&self, _: &[&str]) -> Result<Remembered, CallError> {
        Ok(Remembered::new())
    }

    async fn write(&self, _: &str, _: &Memory, _: Option<&Memory>) -> Result<Written, CallError> {
        Ok(self.0.borrow_mut().pop_front().expect("no more writes than these"))
    }
}

fn tracker<L>(ledger: L) -> Tracker<All, Topic, L, SystemClock> {
    Tracker {
        workspaces: All("VALIDATING"),
        topic: Topic::default(),
        ledger,
        clock: SystemClock,
        concurrency: 1,
        stall_after: None,
        region: "eu-west-1".to_owned(),
    }
}

fn memory(state: &str, sequence: u64) -> Memory {
    Memory { state: State::parse(state), sequence, ..Memory::default() }
}

fn record(state: &str, sequence: u64) -> Record {
    Record { memory: memory(state, sequence), ..Record::new(IMAGE) }
}

/// The flow is held up: its time to write is over.
fn late_to_write() -> Schedule {
    let now = Instant::now();
    Schedule { describe_until: now + A_WHILE, owe_until: now, announce_until: now + A_WHILE, settle_until: now }
}

#[tokio::test(start_paused = true)]
async fn without_a_ledger_no_write_is_too_late() {
    let checked =
        tracker(Store::Payload).check(vec![record("PENDING", 4)], &late_to_write()).await.expect("a response");
    assert_eq!(checked.announced.len(), 1);
    assert_eq!(checked.records[0].memory, memory("VALIDATING", 5));
    assert!(checked.records[0].check_error.is_none(), "{checked:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_ledger_no_read_is_too_late() {
    let now = Instant::now();
    let over = Schedule { describe_until: now, owe_until: now, announce_until: now, settle_until: now };
    let checked = tracker(Store::Payload).check(vec![record("COMPLETED", 4)], &over).await.expect("a response");
    assert_eq!(checked.records[0].memory, memory("COMPLETED", 4));
    let error = tracker(Store::Payload).check(vec![record("PENDING", 4)], &over).await.expect_err("no time");
    assert_eq!(error.name(), "Deadline");
}

#[tokio::test(start_paused = true)]
async fn a_write_to_a_ledger_can_be_too_late() {
    let tracker = tracker(Answers::new([]));
    let error = tracker.check(vec![record("PENDING", 4)], &late_to_write()).await.expect_err("not one write");
    assert_eq!(error.name(), "DynamoDb.Timeout");
    assert_eq!(tracker.topic.0.get(), 0);
}

/// What becomes of a record whose writes are answered so, and how many messages go out.
async fn after(answers: impl IntoIterator<Item = Written>) -> (Record, usize) {
    let tracker = tracker(Answers::new(answers));
    let schedule = Schedule::lay_out(A_WHILE).expect("time");
    let mut checked = tracker.check(vec![record("PENDING", 4)], &schedule).await.expect("a response");
    assert!(tracker.ledger.0.borrow().is_empty(), "every write was asked for");
    assert_eq!(checked.announced.len(), tracker.topic.0.get());
    (checked.records.remove(0), tracker.topic.0.get())
}

#[tokio::test(start_paused = true)]
async fn what_was_announced_counts_where_the_item_has_gone_or_is_behind() {
    for item in [None, Some(memory("PENDING", 0)), Some(memory("PENDING", 4))] {
        let (record, published) = after([Written::Done, Written::Lost(item)]).await;
        assert_eq!(published, 1);
        assert_eq!(record.memory, memory("VALIDATING", 5), "its number is not used again");
        assert!(record.check_error.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_that_is_level_or_ahead_counts_after_the_announcement() {
    for item in [memory("VALIDATING", 5), memory("PUBLISHING", 6)] {
        let (record, published) = after([Written::Done, Written::Lost(Some(item.clone()))]).await;
        assert_eq!((record.memory, published), (item, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn who_loses_before_the_announcement_adopts_what_is_not_behind() {
    let before = memory("PENDING", 4);
    let same = Memory { stalled: true, ..before.clone() };
    for (item, counts) in [
        (None, before.clone()),
        (Some(memory("PENDING", 1)), before),
        (Some(same.clone()), same),
        (Some(memory("PUBLISHING", 6)), memory("PUBLISHING", 6)),
    ] {
        let (record, published) = after([Written::Lost(item)]).await;
        assert_eq!((record.memory, published), (counts, 0));
    }
}
