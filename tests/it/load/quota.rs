//! The function with the CPU time that Lambda gives it with 128 MB, a fourteenth of a CPU. `RECORDS` sets the number of
//! records. The tests do nothing on a machine on which they cannot limit CPU time.
//!
//! `RECORDS=5000 cargo test --locked --test it load::quota:: -- --nocapture`

use std::{collections::BTreeSet, time::Duration};

use fake_aws::Quota;
use serde_json::json;
use tokio::join;

use super::{
    deadline,
    records::{assert_unchanged, first_id, first_ids, new_records, set_states},
};
use crate::support::{Rig, Setup, announced, fake_table, imports, number_from_env};

/// How many records to send, unless `RECORDS` says otherwise.
const RECORDS: usize = 50;

/// The memory size in MB, unless `MEMORY` says otherwise. A smaller size stands for a slower CPU.
const MEMORY: u32 = 128;

/// How long describing all images takes at least: more than an invocation of `SHORT` has for it, whatever the CPU.
const DESCRIBING: Duration = Duration::from_millis(2_500);
const SHORT: Duration = Duration::from_secs(3);
/// Enough for all images.
const LONG: Duration = Duration::from_mins(2);

/// The errors of calls that were cut off.
const TIMEOUTS: [&str; 3] = ["WorkSpaces.Timeout", "Sns.Timeout", "DynamoDb.Timeout"];

/// How many short invocations come before the long one.
const INVOCATIONS: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_takes_too_long_is_finished_by_later_invocations() {
    let (with_table, with_payload) = join!(fake_table::stage(None), Setup::new());
    let (with_table, _table) = with_table;
    join!(finish("ledger", with_table), finish("payload", with_payload));
}

#[tokio::test(flavor = "multi_thread")]
async fn unanswered_writes_do_not_delay_the_response() {
    if let Some(quota) = quota() {
        deadline::assert_in_time(records(), Some(&quota)).await;
    }
}

fn records() -> usize {
    number_from_env("RECORDS").unwrap_or(RECORDS)
}

/// A control group, if this process may create one.
pub(super) fn quota() -> Option<Quota> {
    Quota::create().inspect_err(|error| println!("NOT tested with a CPU quota: {error}")).ok()
}

/// Limits the CPU time of a function that has finished its Init phase, which has a whole CPU.
pub(super) fn limit(quota: &Quota, rig: &Rig) {
    quota.add(rig.pid()).expect("the function joins the control group");
    quota.limit(number_from_env("MEMORY").unwrap_or(MEMORY)).expect("the system accepts the quota");
}

/// Sends the same images until each has been announced. `try_invoke` asserts that each response is in time.
async fn finish(storage: &str, stage: Setup) {
    let Some(quota) = quota() else { return };
    let rig = stage.set("MAX_RESPONSE_BYTES", "6000000").start().await;
    let records = records();
    let count = u32::try_from(records).expect("a few thousand");
    set_states(&rig, records, "VALIDATING");
    // Eight calls at the same time, the default.
    rig.workspaces.set_latency(DESCRIBING * 8 / count);
    rig.ready().await;
    limit(&quota, &rig);

    let mut next = new_records(records);
    // A publish that was cut off may have reached SNS, and an announcement that could not be marked is still owed. Both
    // are repeated.
    let mut repeatable = BTreeSet::new();
    let mut writes_timed_out = false;
    for timeout in [SHORT; INVOCATIONS].into_iter().chain([LONG]) {
        let response = match rig.try_invoke(&next, timeout).await {
            // On a slow machine, not even the first calls of a step succeed. Then, nothing was announced.
            Err(error) if timeout == SHORT && TIMEOUTS.contains(&error.error_type.as_str()) => {
                println!("{storage}, {timeout:?}: {}", error.error_type);
                writes_timed_out |= error.error_type == "DynamoDb.Timeout";
                continue;
            }
            result => result.expect("the invocation succeeds"),
        };
        let (transitions, unchecked) = (&response["Transitions"], &response["Unchecked"]);
        let mut errors = 0;
        for (record, before) in imports(&response).iter().zip(imports(&next)) {
            assert_eq!(record["ImageId"], before["ImageId"], "every record comes back");
            if let Some(error) = record["CheckError"]["Error"].as_str() {
                assert!(TIMEOUTS.contains(&error), "{record}");
                errors += 1;
                repeatable.insert(first_id(record, "VALIDATING"));
            } else if record["Sequence"] == 0 {
                let mut expected = before.clone();
                // Writes that timed out may have reached the table. What they owe comes back although the event lacks
                // it.
                if writes_timed_out && record.get("Owed").is_some() {
                    expected["Owed"] =
                        json!({"Kind": "STATE_CHANGED", "Sequence": 1, "From": null, "To": "VALIDATING"});
                }
                assert_unchanged(record, &expected);
            }
        }
        let transitions = transitions.as_array().map_or(0, Vec::len);
        println!("{storage}, {timeout:?}: {transitions} announced, {unchecked} unchecked, {errors} errors");
        if timeout == SHORT {
            assert!(unchecked.as_u64() > Some(0), "the time is too short for all");
        } else {
            assert_eq!(json!([unchecked, errors]), json!([0, 0]), "the time is long enough for all");
        }
        next = response;
    }
    let mut published = announced(&rig.sns);
    published.sort();
    published.dedup_by(|one, other| one == other && repeatable.contains(one));
    assert_eq!(published, first_ids(records, "VALIDATING"), "each is announced once");
}
