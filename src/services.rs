//! The port: what the flow asks of Amazon `WorkSpaces`, SNS, and DynamoDB. `aws` implements it, and so does the
//! simulation.

use std::{collections::HashMap, future::Future};

use tokio::time::Instant;

use crate::{
    error::{CallError, NotSent},
    import::{Checkpoint, ImageId, ImageName, Observation, Timestamp},
    message::Message,
};

/// The services that the function calls. Each call takes its deadline and returns by then.
pub trait Services {
    /// Lists the account's images that may be running imports.
    fn list_pending(&self, deadline: Instant) -> impl Future<Output = SearchOutcome>;

    /// Describes the import of one image.
    fn describe(&self, image_id: &ImageId, deadline: Instant) -> impl Future<Output = DescribeOutcome>;

    /// Publishes one batch. Returns one result per message, in order: SNS accepted it, or why it was not accepted as
    /// far as is known. If the call as a whole fails, each message has its error.
    fn publish(&self, batch: &[Message], deadline: Instant) -> impl Future<Output = Vec<Result<(), CallError>>>;

    /// Reads the ledger's items of these images. Images without an item are left out.
    fn read_items(&self, image_ids: &[&ImageId], deadline: Instant) -> impl Future<Output = Items>;

    /// Finds the images whose items in the ledger are not settled, or that have failed and
    /// were last written after this time, because a failed import can be retried.
    fn find_unsettled(&self, failed_after: Timestamp, deadline: Instant) -> impl Future<Output = SearchOutcome>;

    /// Writes an item of the ledger if it still has the expected version.
    fn write_item(&self, write: Write<'_>, deadline: Instant) -> impl Future<Output = WriteOutcome>;
}

/// The images that a search found before it ended or failed. A page that fails does not discard the pages before it.
#[derive(Debug, Default)]
pub struct SearchOutcome {
    /// The images, in the order of the pages, with their names if the search knows them.
    pub images: Vec<(ImageId, Option<ImageName>)>,
    /// Why the search is incomplete. `None` if it is complete.
    pub error: Option<CallError>,
}

/// What became of describing an import.
#[derive(Debug)]
pub enum DescribeOutcome {
    /// The service described the import, or does not know the image.
    Observed(Observation),
    /// The time for the call ran out before it was sent. The import was not checked.
    NotSent(NotSent),
    /// The call failed. If there were several attempts, this is the last one's error.
    Failed(CallError),
}

/// One item of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What the ledger knows about the import.
    pub checkpoint: Checkpoint,
    /// The name of the image, for people.
    pub name: Option<ImageName>,
    /// How often the item has been written, not counting writes that changed only its name. 0 for an item that this
    /// function has never written.
    pub version: u64,
}

impl Item {
    /// The largest version that is accepted. No item is written that often, and there is room to count further.
    pub const MAX_VERSION: u64 = Checkpoint::MAX_SEQUENCE;

    /// The item after the next write, given the current one.
    #[must_use]
    pub fn next(current: Option<&Self>, checkpoint: Checkpoint, name: Option<ImageName>) -> Self {
        Self { checkpoint, name, version: current.map_or(0, |current| current.version) + 1 }
    }
}

/// The items that were read, by image. An item that cannot be read is an error of its own.
pub type Items = HashMap<ImageId, Result<Item, CallError>>;

/// A conditional write of one item.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// The image whose item to write.
    pub image_id: &'a ImageId,
    /// The new item.
    pub item: &'a Item,
    /// The version that the item must still have. `None` if there must be no item.
    pub expected: Option<u64>,
    /// The time to record as `UpdatedAt`.
    pub at: Timestamp,
}

/// What became of a write.
#[derive(Debug)]
pub enum WriteOutcome {
    /// The item has the new content.
    Written,
    /// There is no ledger. The payload carries everything.
    NoLedger,
    /// The item was no longer as expected: usually, another invocation was first. This is the current item, or `None`
    /// if there is none.
    Lost(Option<Item>),
    /// The call failed. The item may or may not have the new content.
    Failed(CallError),
    /// The time ran out before the call was sent.
    NotSent,
}
