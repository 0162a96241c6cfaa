//! Transitions, stalls and owed announcements without a ledger, so that records travel in the payload alone (section
//! "Transitions and announcements" of the contract). `ledger` has the tests with one.
//!
//! `cargo test --locked --test it transitions::`

use std::time::{Duration, SystemTime};

use fake_aws::{Answer, Fault, STATES, SnsAnswer, description};
use serde_json::{Value, json};

use crate::support::{IMAGE, Rig, Setup, announced, event, image, minutes_ago, workspaces_error};

/// Returns the time that many seconds ago, in seconds since 1970.
fn ago(seconds: u64) -> f64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    now.as_secs_f64() - Duration::from_secs(seconds).as_secs_f64()
}

/// Checks a record this many times, each time as the previous check returned it.
async fn check_repeatedly(rig: &Rig, mut record: Value, count: usize) -> Value {
    for _ in 0..count {
        record = rig.check(record).await;
    }
    record
}

#[tokio::test]
async fn every_state_is_announced_once_and_in_order() {
    let rig = Rig::new().await;
    let mut states = STATES.to_vec();
    states.sort_by_key(|state| *state == "COMPLETED"); // final, so it comes last
    let twice = states.iter().flat_map(|state| [state, state]).map(|state| description(IMAGE, state).into());
    rig.workspaces.script(IMAGE, twice);
    check_repeatedly(&rig, json!({"ImageId": IMAGE}), states.len() * 2).await;
    let expected: Vec<String> =
        states.iter().enumerate().map(|(index, state)| format!("{IMAGE}#{}:{state}", index + 1)).collect();
    assert_eq!(announced(&rig.sns), expected);
}

#[tokio::test]
async fn a_transition_leads_from_the_announced_to_the_described_state() {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
    let first = rig.invoke(event([json!({"ImageId": IMAGE})])).await;
    assert_eq!(first["Transitions"][0]["From"], Value::Null);
    assert!(first["Transitions"][0].as_object().expect("an object").contains_key("From"));
    rig.workspaces.set(IMAGE, description(IMAGE, "A NEW STATE"));
    let second = rig.invoke(&first).await;
    assert_eq!(second["Transitions"][0]["From"], "VALIDATING");
    assert_eq!(second["Transitions"][0]["TransitionId"], format!("{IMAGE}#2:A NEW STATE"));
    assert_eq!(second["Transitions"][0]["Outcome"], "PENDING");
}

#[tokio::test]
async fn an_image_missing_for_fifteen_minutes_is_announced_as_not_found() {
    let rig = Rig::new().await;
    rig.workspaces.script(
        IMAGE,
        [
            Answer::NotFound,
            description(IMAGE, "VALIDATING").into(),
            Answer::NotFound,
            workspaces_error("AccessDeniedException", "Not you"),
            Answer::NotFound,
        ],
    );
    rig.workspaces.set(&image(1), description(&image(1), "PENDING"));
    let other = json!({"ImageId": image(1), "State": "PENDING"});

    let missing = rig.check(json!({"ImageId": IMAGE, "State": "VALIDATING"})).await;
    assert!(missing["Missing"].as_str().is_some_and(|time| *time > *minutes_ago(1)), "{missing}");
    assert_eq!(missing["Outcome"], "PENDING");
    let found = rig.check(missing).await;
    assert_eq!(found["Missing"], Value::Null, "a check that finds the image clears it");
    let mut missing = rig.check(found).await;
    missing["Missing"] = minutes_ago(16).into();
    let mut denied = rig.invoke(event([missing, other])).await;
    assert_eq!(denied["Imports"][0]["CheckError"]["Error"], "WorkSpaces.AccessDeniedException");
    let response = rig.invoke(event([denied["Imports"][0].take()])).await;
    assert_eq!(announced(&rig.sns), [format!("{IMAGE}#1:NOT_FOUND")]);
    assert_eq!(rig.sns.published()[0].json()["Description"], Value::Null);
    assert_eq!(response["Imports"][0]["Outcome"], "FAILED");
    assert_eq!(response["Status"], "FAILED");
    let next = rig.invoke(&response).await;
    assert_eq!(next["Imports"], response["Imports"]);
    assert_eq!(announced(&rig.sns).len(), 1);
}

#[tokio::test]
async fn a_stall_is_announced_once_and_its_end_is_not_announced() {
    let rig = Setup::new().await.set("STALL_AFTER_SECONDS", "3600").start().await;
    let at = |seconds| description(IMAGE, "VALIDATING").updated(ago(seconds));
    rig.workspaces.set(IMAGE, at(3500));
    let record = rig.check(json!({"ImageId": IMAGE, "State": "VALIDATING", "Sequence": 2})).await;
    assert_eq!(record["Stalled"], false);
    rig.workspaces.set(IMAGE, at(3700));
    let mut response = rig.invoke(event([record])).await;
    let stall = json!({
        "TransitionId": format!("{IMAGE}#3:STALLED"), "Kind": "STALLED", "ImageId": IMAGE, "Sequence": 3,
        "From": "VALIDATING", "To": "VALIDATING", "Outcome": "PENDING",
    });
    assert_eq!(response["Transitions"], json!([stall]));
    assert_eq!(response["Imports"][0]["Stalled"], true);
    let record = rig.check(response["Imports"][0].take()).await;
    assert_eq!(record["Stalled"], true);
    rig.workspaces.set(IMAGE, at(10));
    let record = rig.check(record).await;
    assert_eq!(record["Stalled"], false);
    assert_eq!(record["Sequence"], 3);
    assert_eq!(announced(&rig.sns), [format!("{IMAGE}#3:STALLED")]);
}

#[tokio::test]
async fn imports_stall_after_six_hours_by_default_and_never_at_zero() {
    let rig = Rig::new().await;
    let never = Setup::new().await.set("STALL_AFTER_SECONDS", "0").start().await;
    for (age, stalls) in [(6 * 3600 - 60, 0), (6 * 3600 + 60, 1)] {
        for rig in [&rig, &never] {
            rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING").updated(ago(age)));
            rig.check(json!({"ImageId": IMAGE, "State": "VALIDATING"})).await;
        }
        assert_eq!(announced(&rig.sns).len(), stalls);
    }
    assert_eq!(announced(&never.sns), [""; 0]);
}

#[tokio::test]
async fn a_description_without_a_state_changes_nothing() {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, json!({"ImageId": IMAGE, "LastUpdatedTime": 5}));
    let record = rig.check(json!({"ImageId": IMAGE, "State": "VALIDATING", "Sequence": 2})).await;
    assert_eq!(record["State"], "VALIDATING");
    assert_eq!(record["Sequence"], 2);
    assert_eq!(announced(&rig.sns), [""; 0]);
}

#[tokio::test]
async fn an_announcement_that_fails_stays_owed_and_comes_first_in_the_next_check() {
    let rig = Rig::new().await;
    rig.workspaces.script(
        IMAGE,
        ["VALIDATING", "PUBLISHING", "PUBLISHING"].map(|state| description(IMAGE, state).progress(7).into()),
    );
    rig.workspaces.set(&image(1), description(&image(1), "VALIDATING"));
    rig.sns.script([SnsAnswer::FailEntries(vec![(0, "InternalError".to_owned(), "Oh".to_owned())])]);
    let mut response = rig.invoke(event([json!({"ImageId": IMAGE}), json!({"ImageId": image(1)})])).await;
    let record = response["Imports"][0].take();
    assert_eq!(record["State"], Value::Null);
    assert_eq!(record["Owed"]["To"], "VALIDATING");

    let record = rig.check(record).await;
    assert_eq!(record["State"], "VALIDATING", "the owed transition is announced, although the import has moved on");
    assert_eq!(record["Owed"], Value::Null);
    assert_eq!(record["Outcome"], "PENDING");
    let message = rig.sns.published().pop().expect("published").json();
    assert_eq!(message["TransitionId"], format!("{IMAGE}#1:VALIDATING"));
    assert_eq!(message["Description"]["State"], "PUBLISHING", "the message has the newer description");

    let record = rig.check(record).await;
    assert_eq!(record["Sequence"], 2, "the next check announces the next transition");
    assert_eq!(announced(&rig.sns).last(), Some(&format!("{IMAGE}#2:PUBLISHING")));
}

#[tokio::test]
async fn what_is_owed_is_published_although_the_import_cannot_be_described() {
    let rig = Setup::new().await.two_attempts().start().await;
    rig.workspaces.set(IMAGE, Fault::Garbage);
    rig.workspaces.set(&image(1), description(&image(1), "PENDING"));
    let owed = json!({"Kind": "STATE_CHANGED", "Sequence": 2, "From": "PENDING", "To": "VALIDATING"});
    let record = json!({"ImageId": IMAGE, "State": "PENDING", "Sequence": 1, "Owed": owed});
    let response = rig.invoke(event([record, json!({"ImageId": image(1), "State": "PENDING"})])).await;
    let record = &response["Imports"][0];
    assert_eq!(json!([record["State"], record["Sequence"], record["Owed"]]), json!(["VALIDATING", 2, null]));
    assert_eq!(record["CheckError"]["Error"], "WorkSpaces.BadResponse");
    let message = rig.sns.published()[0].json();
    assert_eq!(
        json!([message["TransitionId"], message["Description"]]),
        json!([format!("{IMAGE}#2:VALIDATING"), null])
    );

    // What an earlier response cut is not whole again.
    let cut = json!({"State": "VALIDATING", "StateMessage": "Beginn…"});
    let mut truncated = json!({"ImageId": IMAGE, "State": "PENDING", "Sequence": 1, "Owed": owed});
    truncated["Description"] = cut.clone();
    truncated["Truncated"] = true.into();
    rig.check(truncated).await;
    let message = rig.sns.published()[1].json();
    assert_eq!(json!([message["Description"], message["Truncated"]]), json!([cut, true]));

    // Even if there is nothing else to respond with.
    let alone = json!({"ImageId": IMAGE, "State": "PENDING", "Sequence": 1, "Owed": owed});
    assert_eq!(rig.check(alone).await["Sequence"], 2);
}

#[tokio::test]
async fn an_owed_announcement_comes_before_not_found() {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, Answer::NotFound);
    let owed = json!({"Kind": "STATE_CHANGED", "Sequence": 2, "From": "PENDING", "To": "VALIDATING"});
    let carried = json!({"State": "VALIDATING", "Mine": 1});
    let missing = minutes_ago(16);
    let record = json!({
        "ImageId": IMAGE, "State": "PENDING", "Sequence": 1, "Owed": owed, "Description": carried, "Missing": missing,
    });
    let record = check_repeatedly(&rig, record, 2).await;
    assert_eq!(announced(&rig.sns), [format!("{IMAGE}#2:VALIDATING"), format!("{IMAGE}#3:NOT_FOUND")]);
    assert_eq!(rig.sns.published()[0].json()["Description"], carried);
    assert_eq!(record["Outcome"], "FAILED");
}

#[tokio::test]
async fn an_announcement_whose_response_is_lost_is_repeated_under_the_same_id() {
    let rig = Setup::new().await.two_attempts().start().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
    rig.sns.set(SnsAnswer::TakeThen(Fault::Reset));
    let record = rig.check(json!({"ImageId": IMAGE})).await;
    assert_eq!(record["Owed"]["To"], "VALIDATING");
    rig.sns.set(SnsAnswer::Take);
    rig.check(record).await;
    let ids = announced(&rig.sns);
    assert!(ids.len() > 1);
    assert!(ids.iter().all(|id| *id == format!("{IMAGE}#1:VALIDATING")), "{ids:?}");
}

#[tokio::test]
async fn a_retry_with_the_old_event_starts_from_the_old_record() {
    let old = json!({"ImageId": IMAGE});
    // Nothing was announced: the retry announces the state that it finds.
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
    rig.sns.script([SnsAnswer::FailEntries(vec![(0, "InternalError".to_owned(), "Oh".to_owned())])]);
    rig.check(old.clone()).await;
    rig.workspaces.set(IMAGE, description(IMAGE, "PUBLISHING"));
    rig.check(old.clone()).await;
    assert_eq!(announced(&rig.sns), [format!("{IMAGE}#1:PUBLISHING")], "VALIDATING is not announced");

    // It was announced, and the response was lost: the retry uses the number again, with another ID.
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
    rig.check(old.clone()).await;
    rig.workspaces.set(IMAGE, description(IMAGE, "PUBLISHING"));
    rig.check(old).await;
    assert_eq!(announced(&rig.sns), [format!("{IMAGE}#1:VALIDATING"), format!("{IMAGE}#1:PUBLISHING")]);
}

#[tokio::test]
async fn a_description_without_a_state_does_not_end_a_stall() {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, json!({"ImageId": IMAGE, "LastUpdatedTime": ago(5)}));
    let stalled = json!({"ImageId": IMAGE, "State": "VALIDATING", "Sequence": 2, "Stalled": true});
    assert_eq!(rig.check(stalled).await["Stalled"], true);
}

#[tokio::test]
async fn the_last_number_is_announced_and_no_other() {
    const LAST: u64 = (1 << 53) - 2;
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
    let record = rig.check(json!({"ImageId": IMAGE, "State": "PENDING", "Sequence": LAST - 1})).await;
    assert_eq!(record["Sequence"], LAST);
    rig.workspaces.set(IMAGE, description(IMAGE, "PUBLISHING"));
    let record = check_repeatedly(&rig, record, 2).await;
    assert_eq!(record["Sequence"], LAST, "the response can still be the next event");
    assert_eq!(announced(&rig.sns), [format!("{IMAGE}#{LAST}:VALIDATING")]);
}
