use serde_json::value::RawValue;

use super::*;

const LIMIT: Option<Duration> = Some(Duration::from_hours(1));
const NOW: i64 = 1_767_780_000_000;

fn now() -> Timestamp {
    Timestamp::from_millis(NOW).expect("in range")
}

fn state(state: &str) -> State {
    State::parse(state).expect("a state")
}

fn record(state_announced: &str, sequence: u64) -> Record {
    let mut record = Record::new(ImageId::parse("wsi-0a1b2c3d4").expect("valid"));
    record.checkpoint.state = State::parse(state_announced);
    record.checkpoint.sequence = sequence;
    record
}

fn described(state: &str) -> Observation {
    described_at(state, NOW)
}

fn described_at(state: &str, updated: i64) -> Observation {
    Observation::Described(Box::new(Description {
        state: Some(state.to_owned()),
        last_updated_time: Timestamp::from_millis(updated),
        ..Description::default()
    }))
}

fn check(mut record: Record, found: &Observation) -> Record {
    record.compare(found, now(), LIMIT);
    record
}

fn announced(mut record: Record) -> Record {
    record.checkpoint = record.checkpoint.published();
    record
}

fn owed(kind: Kind, sequence: u64, from: Option<&str>, to: &str) -> Transition {
    Transition { kind, sequence, from: from.map(state), to: state(to) }
}

#[test]
fn another_state_is_owed_under_the_next_number() {
    let checked = check(record("PENDING", 3), &described("VALIDATING"));
    assert_eq!(checked.checkpoint.owed, Some(owed(Kind::StateChanged, 4, Some("PENDING"), "VALIDATING")));
    assert_eq!(checked.checkpoint.state, Some(state("PENDING")), "the state moves only after it was announced");
    assert_eq!(checked.checkpoint.sequence, 3);
    assert_eq!(checked.outcome(), Outcome::Pending);

    let published = announced(checked);
    assert_eq!(published.checkpoint.state, Some(state("VALIDATING")));
    assert_eq!(published.checkpoint.sequence, 4);
    assert_eq!(published.checkpoint.owed, None);
}

#[test]
fn the_first_state_comes_from_null() {
    let checked = check(record("", 0), &described("PENDING"));
    assert_eq!(checked.checkpoint.owed, Some(owed(Kind::StateChanged, 1, None, "PENDING")));
}

#[test]
fn the_same_state_owes_nothing() {
    assert_eq!(check(record("PENDING", 0), &described("PENDING")).checkpoint, record("PENDING", 0).checkpoint);
}

#[test]
fn what_is_owed_comes_first_even_if_the_import_has_moved_on() {
    let seen = check(record("PENDING", 0), &described("VALIDATING"));
    let moved_on = check(seen.clone(), &described("PUBLISHING"));
    assert_eq!(moved_on.checkpoint.owed, seen.checkpoint.owed);
    let published = announced(moved_on);
    assert_eq!(published.checkpoint.state, Some(state("VALIDATING")));
    assert_eq!(published.outcome(), Outcome::Pending, "the described state differs");
    let next = check(published, &described("PUBLISHING"));
    assert_eq!(next.checkpoint.owed, Some(owed(Kind::StateChanged, 2, Some("VALIDATING"), "PUBLISHING")));
}

#[test]
fn a_settled_state_with_another_one_described_is_pending_and_checked_again() {
    let mut late = record("PENDING", 0);
    late.checkpoint.owed = Some(owed(Kind::StateChanged, 1, Some("PENDING"), "COMPLETED"));
    let late = announced(check(late, &described("ERROR")));
    assert_eq!(late.outcome(), Outcome::Pending);
    assert!(late.needs_check());
}

#[test]
fn completed_is_not_checked_again_and_failures_are() {
    for (to, needs_check) in [("COMPLETED", false), ("ERROR", true), ("NOT_FOUND", true), ("PENDING", true)] {
        assert_eq!(record(to, 1).needs_check(), needs_check, "{to}");
    }
    let mut owing = record("COMPLETED", 1);
    owing.checkpoint.owed = Some(owed(Kind::StateChanged, 2, Some("COMPLETED"), "ERROR"));
    assert!(owing.needs_check());
}

#[test]
fn not_found_takes_two_checks_in_a_row() {
    let first = check(record("VALIDATING", 2), &Observation::NotFound);
    assert!(first.checkpoint.missing);
    assert_eq!(first.checkpoint.owed, None);
    assert_eq!(first.outcome(), Outcome::Pending);

    let second = check(first.clone(), &Observation::NotFound);
    assert_eq!(second.checkpoint.owed, Some(owed(Kind::StateChanged, 3, Some("VALIDATING"), "NOT_FOUND")));
    let gone = announced(second);
    assert_eq!(gone.outcome(), Outcome::Failed);
    let still_gone = check(gone.clone(), &Observation::NotFound);
    assert_eq!(still_gone.checkpoint, gone.checkpoint);
    assert_eq!(still_gone.outcome(), Outcome::Failed);

    let found = check(first, &described("VALIDATING"));
    assert!(!found.checkpoint.missing);
    assert_eq!(found.checkpoint.owed, None);
    let back = check(gone, &described("VALIDATING"));
    assert_eq!(back.checkpoint.owed, Some(owed(Kind::StateChanged, 4, Some("NOT_FOUND"), "VALIDATING")));
}

#[test]
fn an_image_without_any_announcement_can_become_not_found() {
    let gone = check(check(record("", 0), &Observation::NotFound), &Observation::NotFound);
    assert_eq!(gone.checkpoint.owed, Some(owed(Kind::StateChanged, 1, None, "NOT_FOUND")));
}

#[test]
fn a_description_without_a_state_moves_nothing() {
    let mut before = record("VALIDATING", 2);
    before.checkpoint.stalled = true;
    let nothing = Observation::Described(Box::default());
    assert_eq!(check(before.clone(), &nothing).checkpoint, before.checkpoint);
    let empty = described("");
    assert_eq!(check(record("VALIDATING", 2), &empty).checkpoint.owed, None);
}

#[test]
fn a_stall_is_announced_once() {
    let old = described_at("VALIDATING", NOW - 3_600_001);
    let stalled = check(record("VALIDATING", 2), &old);
    assert_eq!(stalled.checkpoint.owed, Some(owed(Kind::Stalled, 3, Some("VALIDATING"), "VALIDATING")));
    assert!(!stalled.checkpoint.stalled, "not before the stall is announced");
    let stalled = announced(stalled);
    assert!(stalled.checkpoint.stalled);
    assert_eq!(stalled.outcome(), Outcome::Pending);
    assert_eq!(check(stalled.clone(), &old).checkpoint, stalled.checkpoint);

    let recent = check(stalled.clone(), &described_at("VALIDATING", NOW - 3_600_000));
    assert!(!recent.checkpoint.stalled, "a stall ends without an announcement");
    assert_eq!(recent.checkpoint.owed, None);
    assert_eq!(recent.checkpoint.sequence, 3);

    let moved = announced(check(stalled, &described_at("PUBLISHING", NOW - 3_600_001)));
    assert!(!moved.checkpoint.stalled);
    assert_eq!(moved.checkpoint.state, Some(state("PUBLISHING")));
}

#[test]
fn a_transition_comes_before_a_stall() {
    let checked = check(record("PENDING", 0), &described_at("VALIDATING", 0));
    assert_eq!(checked.checkpoint.owed, Some(owed(Kind::StateChanged, 1, Some("PENDING"), "VALIDATING")));
    let next = check(announced(checked), &described_at("VALIDATING", 0));
    assert_eq!(next.checkpoint.owed, Some(owed(Kind::Stalled, 2, Some("VALIDATING"), "VALIDATING")));
}

#[test]
fn only_pending_imports_stall() {
    for settled in ["ERROR", "COMPLETED"] {
        let mut before = record(settled, 1);
        before.checkpoint.stalled = true;
        let checked = check(before, &described_at(settled, 0));
        assert_eq!(checked.checkpoint.owed, None, "{settled}");
        assert!(!checked.checkpoint.stalled, "the import has settled");
    }
}

#[test]
fn an_unknown_state_stalls_like_any_other() {
    let checked = check(record("NEWER_THAN_US", 1), &described_at("NEWER_THAN_US", 0));
    assert_eq!(checked.checkpoint.owed.expect("a stall").kind, Kind::Stalled);
}

#[test]
fn without_a_time_or_without_a_limit_there_is_no_stall() {
    let timeless = Observation::Described(Box::new(Description {
        state: Some("VALIDATING".to_owned()),
        ..Description::default()
    }));
    assert_eq!(check(record("VALIDATING", 1), &timeless).checkpoint.owed, None);
    let old = described_at("VALIDATING", 0);
    let mut unlimited = record("VALIDATING", 1);
    unlimited.compare(&old, now(), None);
    assert_eq!(unlimited.checkpoint.owed, None);
}

#[test]
fn a_successful_check_drops_the_error() {
    let mut before = record("VALIDATING", 1);
    before.check_error = Some(CheckError { error: "Sns.Timeout".to_owned(), cause: String::new() });
    before.truncated = true;
    let checked = check(before, &described("VALIDATING"));
    assert_eq!(checked.check_error, None);
    assert!(!checked.truncated);
}

#[test]
fn a_description_of_any_form_is_carried() {
    let mut odd = record("VALIDATING", 1);
    let json = RawValue::from_string(r#"{"State": 5, "Deep": [1e400]}"#.to_owned()).expect("JSON");
    odd.description = Some(CarriedDescription::from_json(json));
    assert_eq!(odd.outcome(), Outcome::Pending);
    let missing = check(odd, &Observation::NotFound);
    assert_eq!(missing.description.expect("carried").json().get(), r#"{"State": 5, "Deep": [1e400]}"#);
}
