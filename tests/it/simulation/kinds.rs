//! The kinds of worlds, the seeds that are run first in each, and what has to come to pass in them.

use std::pin::Pin;

use fastrand::Rng;

use super::{Shared, runs, world::Memories};

type Run = fn(Shared, Rng) -> Pin<Box<dyn Future<Output = ()>>>;

/// A kind of world.
pub(super) struct Kind {
    /// The test's.
    pub(super) name: &'static str,
    pub(super) memories: Memories,
    pub(super) run: Run,
    /// Seeds that have caught a defect that few others do. (What a seed is changes with the simulation's own choices.)
    pub(super) kept: &'static [u64],
    /// What has to come to pass somewhere: a simulation in which nothing happens finds nothing.
    pub(super) sights: &'static [&'static str],
}

pub(super) const SCHEDULE: Kind = Kind {
    name: "a_schedule_over_the_ledger",
    memories: Memories::Ledger,
    run: |world, rng| Box::pin(runs::schedule(world, rng)),
    kept: &[
        31, // a loser that kept its own memory and not the winner's
        25, // a lost write that was taken for done
    ],
    sights: &[
        "a crash",
        "a repeat",
        "a stall",
        "a second stall",
        "an image that is gone",
        "a write that lost",
        "several calls to publish, one of which took only a part",
    ],
};

pub(super) const WORKFLOW: Kind = Kind {
    name: "a_workflow_with_the_payload_alone",
    memories: Memories::Payload,
    run: |world, rng| Box::pin(runs::workflow(world, rng)),
    kept: &[
        413, // a batch that failed was one error, and what came after it was given others' results
    ],
    sights: &[
        "a crash",
        "a repeat",
        "a stall",
        "a second stall",
        "an image that is gone",
        "several calls to publish, one of which took only a part",
    ],
};

pub(super) const BOTH: Kind = Kind {
    name: "a_workflow_and_a_schedule_over_one_ledger",
    memories: Memories::Both,
    run: |world, rng| Box::pin(runs::both(world, rng)),
    kept: &[
        55,  // a payload ahead of its ledger that was not heard
        413, // a batch that failed was one error, and what came after it was given others' results
        35,  // a lost write that was taken for done
    ],
    sights: &[
        "a crash",
        "a repeat",
        "a stall",
        "a second stall",
        "an image that is gone",
        "a write that lost",
        "a payload ahead of its ledger",
        "a payload behind its ledger",
        "several calls to publish, one of which took only a part",
    ],
};
