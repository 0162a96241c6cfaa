//! The margin before the deadline, with the CPU time of a 128 MB function and failed imports with long error details,
//! which are the most work to announce. `MARGIN=all` runs the whole table, which takes a few minutes. `RECORDS` puts
//! more into each event than the function has time for.
//!
//! `MARGIN=all cargo test --locked --test it load::margin:: -- --nocapture`

use std::time::Duration;

use fake_aws::description;

use super::{
    quota::{limit, quota},
    records::new_records,
};
use crate::support::{announced, fake_table, image, number_from_env};

/// How many records to send in one cell of the table. An event can have 480 by default.
const RECORDS: usize = 480;

/// How many records `make test` sends: its binary is not optimized.
const FEW_RECORDS: usize = 60;

#[tokio::test(flavor = "multi_thread")]
async fn the_response_is_in_time_whatever_the_size_of_the_descriptions() {
    if std::env::var("MARGIN").is_ok_and(|which| which == "all") {
        let records = number_from_env("RECORDS").unwrap_or(RECORDS);
        println!("| error details | timeout | concurrency | ledger | announced | not marked | left |");
        println!("|---|---|---|---|---|---|---|");
        for kilobytes in [0, 4, 11] {
            for timeout in [12, 20, 60] {
                for concurrency in [8, 64] {
                    check(records, kilobytes, Duration::from_secs(timeout), concurrency, true).await;
                    check(records, kilobytes, Duration::from_secs(timeout), concurrency, false).await;
                }
            }
        }
    } else {
        check(FEW_RECORDS, 11, Duration::from_secs(12), 64, true).await;
    }
}

/// Sends an event and asserts that the response leaves the margin of the contract, and that what SNS accepted is
/// marked.
async fn check(records: usize, kilobytes: usize, timeout: Duration, concurrency: usize, has_ledger: bool) {
    let Some(quota) = quota() else { return };
    let (setup, table) = fake_table::stage(None).await;
    let setup = if has_ledger { setup } else { setup.unset("LEDGER_TABLE") };
    let limit_of_response = (records * 512).max(245_760).to_string();
    let setup = setup.set("CONCURRENCY", &concurrency.to_string()).set("MAX_RESPONSE_BYTES", &limit_of_response);
    let rig = setup.start().await;
    let long = "The image has a component that the import cannot handle. ".repeat(kilobytes * 1024 / 57 / 4);
    for image in (0..records).map(image) {
        let failed = (0..4).fold(description(&image, "ERROR"), |failed, _| failed.error("PendingReboot", &long));
        rig.workspaces.set(&image, failed);
    }
    rig.ready().await;
    limit(&quota, &rig);

    // This asserts the margin.
    let took = rig.took(new_records(records), timeout).await;
    let left = timeout.saturating_sub(took);
    let published = announced(&rig.sns);
    let owed = table.owed();
    let unmarked = published.iter().filter(|id| owed.iter().any(|owed| id.starts_with(&format!("{owed}:")))).count();
    println!(
        "| {kilobytes} KB | {} s | {concurrency} | {} | {} of {records} | {unmarked} | {:.2} s |",
        timeout.as_secs(),
        if has_ledger { "yes" } else { "no" },
        published.len(),
        left.as_secs_f64(),
    );
    // One call can be cut off by its deadline after the service did what it asked for.
    assert!(unmarked <= 40, "{unmarked} of {} are announced again", published.len());
}
