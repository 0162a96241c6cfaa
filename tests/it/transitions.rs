//! Section 3: transitions, stalls, and that nothing seen is lost, with the payload alone.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use simulator::{Answer, Fault, STATES, SnsAnswer, description};

use crate::support::{IMAGE, Rig, Stage, announced, event, image};

/// Seconds since 1970, so many seconds ago.
fn ago(seconds: u64) -> f64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    now.as_secs_f64() - Duration::from_secs(seconds).as_secs_f64()
}

/// Checks again and again, each time with what came back, once for each answer that the service has.
async fn rounds(rig: &Rig, mut record: Value, count: usize) -> Value {
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
    rounds(&rig, json!({"ImageId": IMAGE}), states.len() * 2).await;
    let expected: Vec<String> =
        states.iter().enumerate().map(|(index, state)| format!("{IMAGE}#{}:{state}", index + 1)).collect();
    assert_eq!(announced(&rig.sns), expected);
}

#[tokio::test]
async fn a_transition_is_from_what_was_announced_to_what_is_described() {
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
async fn an_image_not_found_twice_in_a_row() {
    let rig = Rig::new().await;
    rig.workspaces.script(
        IMAGE,
        [
            Answer::NotFound,
            description(IMAGE, "VALIDATING").into(),
            Answer::NotFound,
            Answer::Error { status: 400, code: "ThrottlingException".to_owned(), message: "Rate exceeded".to_owned() },
            Answer::Error { status: 400, code: "ThrottlingException".to_owned(), message: "Rate exceeded".to_owned() },
            Answer::Error { status: 400, code: "ThrottlingException".to_owned(), message: "Rate exceeded".to_owned() },
            Answer::NotFound,
        ],
    );
    rig.workspaces.set(&image(1), description(&image(1), "PENDING"));
    let other = json!({"ImageId": image(1), "State": "PENDING"});

    let missing = rig.check(json!({"ImageId": IMAGE, "State": "VALIDATING"})).await;
    assert_eq!(missing["Missing"], true);
    assert_eq!(missing["Outcome"], "PENDING");
    let found = rig.check(missing).await;
    assert_eq!(found["Missing"], Value::Null, "a check that finds the image clears it");
    let missing = rig.check(found).await;
    let mut throttled = rig.invoke(event([missing, other])).await;
    assert_eq!(throttled["Imports"][0]["CheckError"]["Error"], "WorkSpaces.ThrottlingException");
    let response = rig.invoke(event([throttled["Imports"][0].take()])).await;
    assert_eq!(announced(&rig.sns), [format!("{IMAGE}#1:NOT_FOUND")]);
    assert_eq!(rig.sns.published()[0].json()["Description"], Value::Null);
    assert_eq!(response["Imports"][0]["Outcome"], "FAILED");
    assert_eq!(response["Status"], "FAILED");
    let again = rig.invoke(&response).await;
    assert_eq!(again["Imports"], response["Imports"]);
    assert_eq!(announced(&rig.sns).len(), 1);
}

#[tokio::test]
async fn a_stall_is_announced_once_and_ends_unannounced() {
    let rig = Stage::new().await.set("STALL_AFTER_SECONDS", "3600").start().await;
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
async fn six_hours_by_default_and_never_at_zero() {
    let rig = Rig::new().await;
    let never = Stage::new().await.set("STALL_AFTER_SECONDS", "0").start().await;
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
async fn a_description_without_a_state_moves_nothing() {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, json!({"ImageId": IMAGE, "LastUpdatedTime": 5}));
    let record = rig.check(json!({"ImageId": IMAGE, "State": "VALIDATING", "Sequence": 2})).await;
    assert_eq!(record["State"], "VALIDATING");
    assert_eq!(record["Sequence"], 2);
    assert_eq!(announced(&rig.sns), [""; 0]);
}

#[tokio::test]
async fn what_could_not_be_published_is_owed_and_goes_out_next() {
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
    assert_eq!(record["State"], "VALIDATING", "exactly that, although the import has moved on");
    assert_eq!(record["Owed"], Value::Null);
    assert_eq!(record["Outcome"], "PENDING");
    let message = rig.sns.published().pop().expect("published").json();
    assert_eq!(message["TransitionId"], format!("{IMAGE}#1:VALIDATING"));
    assert_eq!(message["Description"]["State"], "PUBLISHING", "its message carries the newer description");

    let record = rig.check(record).await;
    assert_eq!(record["Sequence"], 2, "one check announces one thing");
    assert_eq!(announced(&rig.sns).last(), Some(&format!("{IMAGE}#2:PUBLISHING")));
}

#[tokio::test]
async fn a_check_that_fails_leaves_what_is_owed() {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, Fault::Garbage);
    rig.workspaces.set(&image(1), description(&image(1), "PENDING"));
    let owed = json!({"Kind": "STATE_CHANGED", "Sequence": 2, "From": "PENDING", "To": "VALIDATING"});
    let record = json!({"ImageId": IMAGE, "State": "PENDING", "Sequence": 1, "Owed": owed});
    let response = rig.invoke(event([record, json!({"ImageId": image(1), "State": "PENDING"})])).await;
    assert_eq!(response["Imports"][0]["Owed"], owed);
    assert_eq!(response["Imports"][0]["CheckError"]["Error"], "WorkSpaces.BadResponse");
}

#[tokio::test]
async fn what_is_owed_goes_out_before_a_missing_image() {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, Answer::NotFound);
    let owed = json!({"Kind": "STATE_CHANGED", "Sequence": 2, "From": "PENDING", "To": "VALIDATING"});
    let carried = json!({"State": "VALIDATING", "Mine": 1});
    let record = json!({"ImageId": IMAGE, "State": "PENDING", "Sequence": 1, "Owed": owed, "Description": carried});
    let record = rounds(&rig, record, 2).await;
    assert_eq!(announced(&rig.sns), [format!("{IMAGE}#2:VALIDATING"), format!("{IMAGE}#3:NOT_FOUND")]);
    assert_eq!(rig.sns.published()[0].json()["Description"], carried);
    assert_eq!(record["Outcome"], "FAILED");
}

#[tokio::test]
async fn a_message_taken_whose_answer_is_lost_is_repeated_under_the_same_id() {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
    rig.sns.set(SnsAnswer::TakeThen(Fault::Reset));
    let error = rig.fail(event([json!({"ImageId": IMAGE})])).await;
    assert_eq!(error.error_type, "Sns.Unreachable");
    rig.sns.set(SnsAnswer::Take);
    rig.check(json!({"ImageId": IMAGE})).await;
    let ids = announced(&rig.sns);
    assert!(ids.len() > 1);
    assert!(ids.iter().all(|id| *id == format!("{IMAGE}#1:VALIDATING")), "{ids:?}");
}
