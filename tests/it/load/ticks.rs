//! Many invocations of one process, with a new image in each: memory, file descriptors and threads must not grow. The
//! process handles in minutes what a schedule or a workflow sends in hours.
//!
//! `INVOCATIONS=100000 cargo test --locked --test it load::ticks:: -- --nocapture`

use std::time::{Duration, Instant};

use fake_aws::description;
use serde_json::{Value, json};

use super::process::Usage;
use crate::support::{Rig, announced, event, fake_table, image, number_from_env};

/// How many invocations to make, unless `INVOCATIONS` says otherwise.
const INVOCATIONS: usize = 1_000;

/// The states of each image, one per tick.
const STATES: [&str; 3] = ["PENDING", "VALIDATING", "COMPLETED"];

/// How much memory may grow after the warm-up, in kilobytes. Fragmentation in the allocator stays below this. A leak
/// for each image or invocation does not.
const ALLOWED_KB: usize = 1_024;

/// Where the function keeps its checkpoints between ticks.
#[derive(Clone, Copy)]
enum Storage {
    Payload,
    Ledger,
}

#[tokio::test(flavor = "multi_thread")]
async fn many_invocations_with_the_payload_alone_leak_nothing() {
    assert_no_leaks(&Rig::new().await, Storage::Payload).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_invocations_with_the_ledger_leak_nothing() {
    let (stage, _table) = fake_table::stage(None).await;
    assert_no_leaks(&stage.start().await, Storage::Ledger).await;
}

async fn assert_no_leaks(rig: &Rig, storage: Storage) {
    let invocations = number_from_env("INVOCATIONS").unwrap_or(INVOCATIONS);
    let warm_up = invocations / 5;
    let begun = Instant::now();
    let mut records = Vec::new();
    let (mut warm, mut announcements) = (None, 0);
    println!("| invocations | images | RSS | heap | descriptors | threads | time |\n|---|---|---|---|---|---|---|");
    for tick in 0..invocations {
        records = self::tick(rig, tick, records).await;
        if matches!(storage, Storage::Ledger) {
            // A schedule sends only image IDs. The checkpoints are in the table.
            for record in &mut records {
                *record = json!({"ImageId": record["ImageId"]});
            }
        }
        announcements += STATES.len().min(tick + 1);
        if (tick + 1).is_multiple_of((invocations / 10).max(1)) {
            let usage = Usage::of(rig.pid());
            println!(
                "| {} | {} | {} kB | {} kB | {} | {} | {:.0} s |",
                tick + 1,
                tick + 1,
                usage.resident_kb,
                usage.anonymous_kb,
                usage.descriptors,
                usage.threads,
                begun.elapsed().as_secs_f64()
            );
            if warm.is_none() && tick + 1 >= warm_up {
                warm = Some(usage);
            }
        }
    }
    let (warm, end) = (warm.expect("at least one invocation"), Usage::of(rig.pid()));
    println!("\n{announcements} announcements, each made once");
    assert!(end.anonymous_kb <= warm.anonymous_kb + ALLOWED_KB, "memory grows: from {warm:?} to {end:?}");
    assert!(end.descriptors <= warm.descriptors, "file descriptors leak: from {warm:?} to {end:?}");
    assert!(end.threads <= warm.threads, "threads leak: from {warm:?} to {end:?}");
}

/// Makes one invocation: a new import starts, and the others move to their next state. Returns the records of pending
/// imports, for the next tick. Every second event comes from EventBridge. Every hundredth is followed by an invalid
/// one.
async fn tick(rig: &Rig, tick: usize, mut records: Vec<Value>) -> Vec<Value> {
    records.push(json!({"ImageId": image(tick)}));
    let first = (tick + 1).saturating_sub(STATES.len());
    let mut expected = Vec::new();
    for number in first..=tick {
        let age = tick - number;
        let progress = i32::try_from(age).expect("small") * 50;
        rig.workspaces
            .set(&image(number), description(&image(number), STATES[age]).progress(progress).message("In progress"));
        expected.push(format!("{}#{}:{}", image(number), age + 1, STATES[age]));
    }
    let mut event = event(records);
    if tick % 2 == 1 {
        event = json!({"source": "load", "detail-type": "Tick", "detail": event});
    }
    let mut response = rig.try_invoke(event, Duration::from_secs(30)).await.expect("the invocation succeeds");
    assert_eq!(announced(&rig.sns), expected);
    if tick.is_multiple_of(100) {
        assert_eq!(rig.fail("{}").await.error_type, "InvalidEvent");
    }
    rig.sns.clear();
    rig.workspaces.clear_calls();
    rig.clear_log();
    let Value::Array(mut records) = response["Imports"].take() else {
        panic!("the response has no records: {response}")
    };
    records.retain(|record| record["Outcome"] == "PENDING");
    records
}
