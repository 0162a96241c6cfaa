//! The scenarios: what is simulated, which seeds run first, and what has to happen in at least one run.

use std::pin::Pin;

use fastrand::Rng;

use super::{Shared, runs, world::Store};

type Run = fn(Shared, Rng) -> Pin<Box<dyn Future<Output = ()>>>;

/// A kind of world and what happens in it.
pub(super) struct Scenario {
    /// The name of its test.
    pub(super) name: &'static str,
    pub(super) store: Store,
    /// Whether events discover imports.
    pub(super) discover: bool,
    pub(super) run: Run,
    /// Seeds that found a defect which few others find. What a seed does changes whenever the simulation changes.
    pub(super) kept_seeds: &'static [u64],
    /// What has to happen in at least one run, beside [`EVERYWHERE`]. A simulation in which nothing happens finds
    /// nothing.
    pub(super) coverage: &'static [&'static str],
}

pub(super) const CRASH: &str = "a crash";
pub(super) const REDELIVERY: &str = "a redelivery";
pub(super) const STALL: &str = "a stall";
pub(super) const SECOND_STALL: &str = "a second stall in the same state";
pub(super) const NOT_FOUND: &str = "an image that was not found";
pub(super) const LOST_WRITE: &str = "a lost write";
pub(super) const PARTIAL_FAILURE: &str = "several publish calls, one of which failed in part";
pub(super) const PAYLOAD_AHEAD: &str = "a payload ahead of the ledger";
pub(super) const PAYLOAD_BEHIND: &str = "a payload behind the ledger";
pub(super) const HELD_BACK: &str = "a call that was held back until its deadline";
pub(super) const UNSENT: &str = "a call that was not sent because its deadline had passed";
pub(super) const CUT_OFF: &str = "a call that its deadline cut off";
pub(super) const THROTTLED: &str = "a call that was throttled until its deadline";
pub(super) const PARTIAL_READ: &str = "a read of the ledger that failed for some items";
pub(super) const CORRUPT_ITEM: &str = "an item of the ledger that cannot be understood";
pub(super) const OTHER_IMAGE: &str = "an image that was made in another way";
pub(super) const LEFT_THE_LIST: &str = "an import that was found only in the ledger";
pub(super) const PARTIAL_LISTING: &str = "a listing that failed after its first page";
pub(super) const LISTING_FAILED: &str = "a response although the listing failed";
pub(super) const SCAN_FAILED: &str = "a response although the scan failed";
pub(super) const NOTHING_DISCOVERED: &str = "an invocation that failed because it discovered nothing";
pub(super) const UNDISCOVERED: &str = "more images than a response can carry";
pub(super) const UNCHECKED: &str = "a response with an unchecked record";

/// What has to happen in each kind of world.
pub(super) const EVERYWHERE: [&str; 9] =
    [CRASH, REDELIVERY, STALL, NOT_FOUND, HELD_BACK, UNSENT, CUT_OFF, THROTTLED, UNCHECKED];

/// A fixed schedule sends the same event each time.
pub(super) const SCHEDULE: Scenario = Scenario {
    name: "a_schedule_over_the_ledger",
    store: Store::Ledger,
    discover: false,
    run: |world, rng| Box::pin(runs::schedule(world, rng)),
    kept_seeds: &[],
    coverage: &[SECOND_STALL, LOST_WRITE, PARTIAL_READ, CORRUPT_ITEM, PARTIAL_FAILURE],
};

/// A workflow sends each response back as the next event.
pub(super) const WORKFLOW: Scenario = Scenario {
    name: "a_workflow_with_the_payload_alone",
    store: Store::Payload,
    discover: false,
    run: |world, rng| Box::pin(runs::workflow(world, rng)),
    kept_seeds: &[],
    coverage: &[SECOND_STALL, PARTIAL_FAILURE],
};

/// A workflow and a schedule use the same ledger.
pub(super) const BOTH: Scenario = Scenario {
    name: "a_workflow_and_a_schedule_over_one_ledger",
    store: Store::Both,
    discover: false,
    run: |world, rng| Box::pin(runs::both(world, rng)),
    kept_seeds: &[],
    coverage: &[SECOND_STALL, LOST_WRITE, PARTIAL_READ, CORRUPT_ITEM, PARTIAL_FAILURE, PAYLOAD_AHEAD, PAYLOAD_BEHIND],
};

/// A workflow sends each response back, and has the function discover more imports each time.
pub(super) const DISCOVERING_WORKFLOW: Scenario = Scenario {
    name: "a_workflow_that_also_discovers",
    store: Store::Both,
    discover: true,
    run: |world, rng| Box::pin(runs::discovering_workflow(world, rng)),
    kept_seeds: &[],
    coverage: &[
        LOST_WRITE,
        PARTIAL_READ,
        CORRUPT_ITEM,
        PARTIAL_FAILURE,
        PAYLOAD_AHEAD,
        OTHER_IMAGE,
        LISTING_FAILED,
        SCAN_FAILED,
        UNDISCOVERED,
    ],
};

/// A schedule whose events discover imports. Most of them name none.
pub(super) const DISCOVERY: Scenario = Scenario {
    name: "a_schedule_that_discovers",
    store: Store::Ledger,
    discover: true,
    run: |world, rng| Box::pin(runs::discovery(world, rng)),
    kept_seeds: &[],
    coverage: &[
        LOST_WRITE,
        PARTIAL_READ,
        CORRUPT_ITEM,
        OTHER_IMAGE,
        LEFT_THE_LIST,
        PARTIAL_LISTING,
        LISTING_FAILED,
        SCAN_FAILED,
        NOTHING_DISCOVERED,
        UNDISCOVERED,
    ],
};
