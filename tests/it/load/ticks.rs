//! Hours of a schedule's or a workflow's ticks in minutes: one process, very many invocations, ever new images.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simulator::description;

use super::{number, process::Usage, table};
use crate::support::{Rig, Stage, announced, event, image};

/// How many invocations one process answers, with either memory; `INVOCATIONS=100000` for a soak.
const INVOCATIONS: usize = 1_000;

/// What each image goes through, a state a tick; a new image comes with every tick.
const LIFE: [&str; 3] = ["PENDING", "VALIDATING", "COMPLETED"];

/// How much memory may grow after the warm-up, in kilobytes: what an allocator's bins may come to, and far less than
/// anything kept of each image or each invocation would.
const ALLOWED_KB: usize = 1_024;

/// Where records are remembered from one tick to the next.
#[derive(Clone, Copy)]
enum Memory {
    Payload,
    Ledger,
}

#[tokio::test(flavor = "multi_thread")]
async fn very_many_invocations_leave_nothing_behind() {
    leave_nothing_behind(&Rig::new().await, Memory::Payload).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_do_they_with_the_ledger() {
    let table = table::start().await;
    let stage = Stage::new().await.set("LEDGER_TABLE", table::NAME).set("AWS_ENDPOINT_URL_DYNAMODB", &table.url());
    leave_nothing_behind(&stage.start().await, Memory::Ledger).await;
}

async fn leave_nothing_behind(rig: &Rig, memory: Memory) {
    let invocations = number("INVOCATIONS", INVOCATIONS);
    let warm_up = invocations / 5;
    let begun = Instant::now();
    let mut records = Vec::new();
    let (mut warm, mut announcements) = (None, 0);
    println!("| invocations | images | RSS | heap | descriptors | threads | after |\n|---|---|---|---|---|---|---|");
    for tick in 0..invocations {
        records = self::tick(rig, tick, records).await;
        if matches!(memory, Memory::Ledger) {
            // A schedule sends the same each time; what is known of them is in the table.
            for record in &mut records {
                *record = json!({"ImageId": record["ImageId"]});
            }
        }
        announcements += LIFE.len().min(tick + 1);
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
    let (warm, end) = (warm.expect("more invocations than none"), Usage::of(rig.pid()));
    println!("\n{announcements} announcements, each once");
    assert!(end.anonymous_kb <= warm.anonymous_kb + ALLOWED_KB, "memory grows: from {warm:?} to {end:?}");
    assert!(end.descriptors <= warm.descriptors, "descriptors leak: from {warm:?} to {end:?}");
    assert!(end.threads <= warm.threads, "threads leak: from {warm:?} to {end:?}");
}

/// Every import moves by a state, and a new one comes; what is still under way travels on to the next tick. Each
/// second event is an EventBridge one; each hundredth is followed by one that is refused.
async fn tick(rig: &Rig, tick: usize, mut records: Vec<Value>) -> Vec<Value> {
    records.push(json!({"ImageId": image(tick)}));
    let first = (tick + 1).saturating_sub(LIFE.len());
    let mut expected = Vec::new();
    for number in first..=tick {
        let age = tick - number;
        let progress = i32::try_from(age).expect("small") * 50;
        rig.workspaces.set(&image(number), description(&image(number), LIFE[age]).progress(progress).message("So far"));
        expected.push(format!("{}#{}:{}", image(number), age + 1, LIFE[age]));
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
    let Value::Array(mut records) = response["Imports"].take() else { panic!("no records: {response}") };
    records.retain(|record| record["Outcome"] == "PENDING");
    records
}
