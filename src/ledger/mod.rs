//! The ledger keeps the checkpoints of imports between invocations. This is the port; [`LedgerTable`] implements it.

mod table;

use std::{collections::HashMap, future::Future};

use tokio::time::Instant;

pub use self::table::LedgerTable;
use crate::{
    error::CallError,
    found::Found,
    import::{Checkpoint, ImageId, Timestamp},
};

/// One item of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What the ledger knows about the import.
    pub checkpoint: Checkpoint,
    /// How often the item has been written. 0 for an item that this function has never written.
    pub version: u64,
}

impl Item {
    /// The largest version that is accepted. No item is written that often, and there is room to count further.
    pub const MAX_VERSION: u64 = Checkpoint::MAX_SEQUENCE;
}

/// The items that were read, by image. An item that cannot be read is an error of its own.
pub type Items = HashMap<ImageId, Result<Item, CallError>>;

/// A conditional write of one item.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// The image whose item to write.
    pub image_id: &'a ImageId,
    /// The new content.
    pub checkpoint: &'a Checkpoint,
    /// The version that the item must still have. `None` if there must be no item.
    pub expected: Option<u64>,
    /// The time to record as `UpdatedAt`.
    pub at: Timestamp,
}

impl Write<'_> {
    /// The version of the item after this write.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.expected.unwrap_or_default() + 1
    }
}

/// What became of a write.
#[derive(Debug)]
pub enum WriteOutcome {
    /// The item has the new content.
    Written,
    /// The item was no longer as expected: usually, another invocation was first. This is the current item, or `None` if
    /// there is none.
    Lost(Option<Item>),
    /// The call failed or was not sent. The item may or may not have the new content.
    Failed(CallError),
}

/// Keeps checkpoints between invocations.
pub trait Ledger {
    /// Reads the items of these images by the deadline. Images without an item are left out.
    fn read(&self, image_ids: &[&ImageId], deadline: Instant) -> impl Future<Output = Items>;

    /// Finds the images whose items are not settled: the state is none of [`State::SETTLED`](crate::import::State::SETTLED),
    /// or the item has `Owed`, or it has `Missing` and is not yet `NOT_FOUND`. Returns by the deadline.
    fn unsettled(&self, deadline: Instant) -> impl Future<Output = Found>;

    /// Writes an item by the deadline if it still has the expected version.
    fn write(&self, write: Write<'_>, deadline: Instant) -> impl Future<Output = WriteOutcome>;
}

/// The ledger as configured.
#[derive(Clone, Debug)]
pub enum ConfiguredLedger {
    /// There is no ledger: the payload carries everything, so there is nothing to read or write and nothing can be late.
    PayloadOnly,
    /// A DynamoDB table.
    Table(LedgerTable),
}

impl Ledger for ConfiguredLedger {
    async fn read(&self, image_ids: &[&ImageId], deadline: Instant) -> Items {
        match self {
            Self::PayloadOnly => Items::new(),
            Self::Table(table) => table.read(image_ids, deadline).await,
        }
    }

    async fn unsettled(&self, deadline: Instant) -> Found {
        match self {
            Self::PayloadOnly => Found::default(),
            Self::Table(table) => table.unsettled(deadline).await,
        }
    }

    async fn write(&self, write: Write<'_>, deadline: Instant) -> WriteOutcome {
        match self {
            Self::PayloadOnly => WriteOutcome::Written,
            Self::Table(table) => table.write(write, deadline).await,
        }
    }
}
