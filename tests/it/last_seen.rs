//! What was seen last is what was announced last, whatever fails meanwhile (sections "Discovery", "Owed announcements",
//! and "Images that are not found" of the contract).
//!
//! `cargo test --locked --test it last_seen::`

use std::time::Duration;

use fake_aws::{Answer, SnsAnswer, description};
use serde_json::{Value, json};

use crate::{
    discovery::{WithLedger, image_ids},
    support::{Setup, announced, emulator::dynalite, image, imports, minutes_ago, workspaces_error},
};

fn outage() -> SnsAnswer {
    SnsAnswer::Error { status: 400, code: "AuthorizationError".to_owned(), message: "not you".to_owned() }
}

fn owed(sequence: u64, from: &str, to: &str) -> Value {
    json!({"Kind": "STATE_CHANGED", "Sequence": sequence, "From": from, "To": to})
}

/// A function with a ledger that discovers. Its calls have few attempts, because they fail here.
async fn discovering() -> WithLedger {
    WithLedger::with(Setup::new().await.two_attempts(), dynalite()).await
}

/// The states of the messages that SNS accepted, in order.
fn states(ledger: &WithLedger) -> Vec<String> {
    let state = |id: &String| id.rsplit_once(':').expect("an ID").1.to_owned();
    announced(&ledger.rig.sns).iter().map(state).collect()
}

#[tokio::test]
async fn a_retry_while_sns_is_out_is_announced_to_its_end() {
    for (first, second) in [("ERROR", "COMPLETED"), ("NOT_FOUND", "COMPLETED"), ("NOT_FOUND", "ERROR")] {
        let ledger = discovering().await;
        ledger.describe(1, "VALIDATING");
        ledger.tick().await;
        // The import fails while SNS is out.
        ledger.rig.sns.set(outage());
        if first == "NOT_FOUND" {
            ledger.rig.workspaces.set(&image(1), Answer::NotFound);
            ledger.tick().await;
            ledger.table.has_been_missing(&image(1), &minutes_ago(16)).await;
        } else {
            ledger.describe(1, first);
        }
        assert_eq!(ledger.rig.fail(json!({"Discover": true})).await.error_type, "Sns.AuthorizationError");
        // Somebody retries it on the console, and it ends. It is not listed as pending.
        ledger.describe(1, second);
        ledger.rig.sns.set(SnsAnswer::Take);
        for _ in 0..3 {
            ledger.tick().await;
        }
        assert_eq!(states(&ledger), ["VALIDATING", first, second]);
        let item = ledger.table.json(&image(1)).await.expect("an item");
        assert_eq!(json!([item["State"], item["Owed"]]), json!([second, null]));
    }
}

#[tokio::test]
async fn the_write_after_a_publish_records_what_the_description_shows() {
    let ledger = discovering().await;
    ledger.put(1, "VALIDATING", json!({"Owed": owed(5, "VALIDATING", "ERROR"), "Version": 1})).await;
    ledger.describe(1, "COMPLETED");
    let record = imports(&ledger.tick().await)[0].clone();
    assert_eq!(json!([record["State"], record["Outcome"]]), json!(["ERROR", "PENDING"]));
    assert_eq!(record["Owed"], owed(6, "ERROR", "COMPLETED"));
    let item = ledger.table.json(&image(1)).await.expect("an item");
    assert_eq!(json!([item["State"], item["Sequence"], item["Owed"]]), json!(["ERROR", 5, record["Owed"]]));
    assert_eq!(ledger.proxy.count("PutItem"), 2, "one write before the message and one after it");
}

#[tokio::test]
async fn what_is_owed_does_not_wait_for_workspaces() {
    let malformed = description(&image(1), &"S".repeat(65));
    for answer in [
        workspaces_error("AccessDeniedException", "not you"),
        Answer::Error { status: 503, code: "ServiceUnavailable".to_owned(), message: String::new() },
        malformed.into(),
    ] {
        let ledger = discovering().await;
        ledger.put(1, "VALIDATING", json!({"Owed": owed(5, "VALIDATING", "COMPLETED")})).await;
        ledger.rig.workspaces.set(&image(1), answer);
        let record = imports(&ledger.tick().await)[0].clone();
        assert_eq!(json!([record["State"], record["Sequence"], record["Owed"]]), json!(["COMPLETED", 5, null]));
        assert!(record["CheckError"]["Error"].as_str().is_some_and(|error| error.starts_with("WorkSpaces.")));
        assert_eq!(states(&ledger), ["COMPLETED"]);
        assert_eq!(ledger.rig.sns.published()[0].json()["Description"], Value::Null);
        assert_eq!(ledger.table.json(&image(1)).await.expect("an item")["Owed"], Value::Null);
    }
}

#[tokio::test]
async fn a_listed_image_is_known_until_it_has_been_described() {
    let ledger = discovering().await;
    ledger.describe(1, "VALIDATING");
    ledger.rig.workspaces.set(&image(2), workspaces_error("ThrottlingException", "Rate exceeded"));
    ledger.rig.workspaces.list(&image(2), Some("PENDING"));
    for _ in 0..2 {
        assert_eq!(imports(&ledger.tick().await)[1]["Listed"], true);
    }
    let item = ledger.table.json(&image(2)).await.expect("an item");
    assert_eq!(json!([item["Listed"], item["Sequence"], item["Version"]]), json!([true, 0, 1]));
    // It fails before it could be described, and leaves the list.
    ledger.describe(2, "ERROR");
    ledger.tick().await;
    assert_eq!(announced(&ledger.rig.sns).last(), Some(&format!("{}#1:ERROR", image(2))));
    let item = ledger.table.json(&image(2)).await.expect("an item");
    assert_eq!(json!([item["Listed"], item["State"]]), json!([null, "ERROR"]));
}

#[tokio::test]
async fn a_listed_image_that_is_no_import_is_neither_announced_nor_searched_for() {
    let ledger = discovering().await;
    ledger.describe(1, "VALIDATING");
    ledger.rig.workspaces.set(&image(2), workspaces_error("ThrottlingException", "Rate exceeded"));
    ledger.rig.workspaces.list(&image(2), Some("PENDING"));
    ledger.tick().await;
    ledger.rig.workspaces.set(&image(2), Answer::NotFound);
    ledger.rig.workspaces.list(&image(2), None);
    assert_eq!(image_ids(&ledger.tick().await), [image(1)], "it was described, and it is no import");
    let described = ledger.rig.workspaces.calls_of(&image(2));
    for _ in 0..3 {
        assert_eq!(image_ids(&ledger.tick().await), [image(1)]);
    }
    assert_eq!(ledger.rig.workspaces.calls_of(&image(2)), described, "nothing looks for it anymore");
    assert_eq!(states(&ledger), ["VALIDATING"]);
}

#[tokio::test]
async fn a_failed_import_is_checked_for_a_day() {
    for state in ["ERROR", "NOT_FOUND"] {
        for (age, is_checked) in [(0, true), (23 * 60, true), (25 * 60, false)] {
            let ledger = discovering().await;
            ledger.put(1, state, json!({"UpdatedAt": minutes_ago(age)})).await;
            ledger.describe(1, "COMPLETED");
            ledger.rig.workspaces.list(&image(1), None);
            ledger.tick().await;
            let expected: &[&str] = if is_checked { &["COMPLETED"] } else { &[] };
            assert_eq!(states(&ledger), expected, "{state}, written {age} minutes ago");
        }
    }
    let ledger = discovering().await;
    ledger.put(1, "COMPLETED", json!({"UpdatedAt": minutes_ago(0)})).await;
    ledger.tick().await;
    assert_eq!(ledger.rig.workspaces.calls_of(&image(1)), 0, "COMPLETED is final");
}

#[tokio::test]
async fn a_failure_that_is_still_the_same_is_not_in_the_response() {
    let ledger = discovering().await;
    ledger.put(1, "ERROR", json!({"UpdatedAt": minutes_ago(1)})).await;
    let response = ledger.tick().await;
    assert_eq!(json!([response["Imports"], response["Failed"]]), json!([[], 0]));
    assert_eq!(ledger.rig.workspaces.calls_of(&image(1)), 1);
    assert_eq!(ledger.proxy.count("PutItem"), 0, "nothing has changed");
    // If it cannot be checked, the response says so.
    ledger.rig.workspaces.set(&image(1), workspaces_error("AccessDeniedException", "not you"));
    assert_eq!(imports(&ledger.tick().await)[0]["CheckError"]["Error"], "WorkSpaces.AccessDeniedException");
    // An event that names it wants to know.
    let named = json!({"Discover": true, "Imports": [{"ImageId": image(1)}]});
    assert_eq!(ledger.rig.invoke(named).await["Failed"], 1);
}

#[tokio::test]
async fn a_listed_image_gets_a_place_beside_many_unsettled_items() {
    let setup = Setup::new().await.two_attempts().set("MAX_RESPONSE_BYTES", "16384");
    let ledger = WithLedger::with(setup, dynalite()).await;
    for number in 10..45 {
        ledger.put(number, "VALIDATING", json!({})).await;
    }
    ledger.describe(1, "PENDING");
    let response = ledger.tick().await;
    assert_eq!(imports(&response).len(), 32);
    assert_eq!(announced(&ledger.rig.sns), [format!("{}#1:PENDING", image(1))]);
}

#[tokio::test]
async fn a_few_misses_in_a_row_are_not_enough() {
    let ledger = discovering().await;
    ledger.put(1, "PENDING", json!({})).await;
    ledger.rig.workspaces.set(&image(1), Answer::NotFound);
    let first = imports(&ledger.tick().await)[0]["Missing"].clone();
    for _ in 0..3 {
        assert_eq!(imports(&ledger.tick().await)[0]["Missing"], first, "the time of the first miss");
    }
    assert_eq!(states(&ledger), [""; 0]);
    ledger.table.has_been_missing(&image(1), &minutes_ago(14)).await;
    ledger.tick().await;
    assert_eq!(states(&ledger), [""; 0]);
    ledger.table.has_been_missing(&image(1), &minutes_ago(15)).await;
    ledger.tick().await;
    assert_eq!(states(&ledger), ["NOT_FOUND"]);
}

#[tokio::test]
async fn a_late_stall_says_that_it_is_over_and_leaves_no_mark() {
    let ledger = discovering().await;
    let stall = json!({"Kind": "STALLED", "Sequence": 5, "From": "VALIDATING", "To": "VALIDATING"});
    ledger.put(1, "VALIDATING", json!({"Owed": stall})).await;
    ledger.describe(1, "COMPLETED");
    let record = imports(&ledger.tick().await)[0].clone();
    assert_eq!(json!([record["Stalled"], record["Owed"]["To"]]), json!([false, "COMPLETED"]));
    let message = ledger.rig.sns.published().remove(0);
    let subject = format!("STALLED in VALIDATING, now COMPLETED: WorkSpaces image {}", image(1));
    assert_eq!(message.subject, Some(subject));
    let email = message.body("email").expect("an email");
    assert!(email.contains("By now, this is over, and its state is COMPLETED."), "{email}");
    assert!(!email.contains("import it again"), "{email}");
}

/// Announcements go out in waves. What SNS has accepted is marked before the next wave starts.
#[tokio::test]
async fn each_wave_is_marked_before_the_next_one_starts() {
    let ledger = discovering().await;
    for number in 0..35 {
        ledger.describe(number, "VALIDATING");
    }
    ledger.tick().await;
    assert_eq!(announced(&ledger.rig.sns).len(), 35);
    let writes: Vec<bool> = ledger
        .proxy
        .requests()
        .iter()
        .filter(|(operation, _)| operation == "PutItem")
        .map(|(_, request)| String::from_utf8_lossy(&request.body).contains("\"Owed\""))
        .collect();
    let marks = writes.iter().filter(|owes| !**owes).count();
    assert_eq!((writes.len(), marks), (70, 35));

    // The second wave hangs, and Lambda ends the invocation: only that wave is announced again.
    let ledger = discovering().await;
    for number in 0..35 {
        ledger.describe(number, "VALIDATING");
    }
    ledger.rig.sns.script([SnsAnswer::Take, SnsAnswer::After(Duration::from_mins(1), Box::new(SnsAnswer::Take))]);
    ledger.rig.try_invoke(json!({"Discover": true}), Duration::from_secs(6)).await.expect("a response");
    let first = announced(&ledger.rig.sns);
    for id in &first {
        let (image, _) = id.split_once('#').expect("an ID");
        let item = ledger.table.json(image).await.expect("an item");
        assert_eq!(json!([item["Sequence"], item["Owed"]]), json!([1, null]), "{id} is marked");
    }
    assert!(first.len() >= 10, "{first:?}");
}
