//! A record, what a check observes about its import, and the comparison of the two.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    CarriedDescription, Checkpoint, Description, ImageId, ImageName, Kind, Outcome, State, Timestamp, Transition,
    checkpoint::is_false,
};

/// How long the checks must not find an image before it counts as `NOT_FOUND`.
const MISSING_FOR: Duration = Duration::from_mins(15);

/// One import, as events and responses carry it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Record {
    /// The image that is being imported.
    pub image_id: ImageId,
    /// The name of the image, for people. Absent if it is not known. It never decides anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<ImageName>,
    /// What has been announced and what is owed.
    #[serde(flatten)]
    pub checkpoint: Checkpoint,
    /// Why the last check failed. Absent if it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check_error: Option<CheckError>,
    /// Whether `Description` was shortened or removed to keep the response within its size limit.
    #[serde(default, skip_serializing_if = "is_false")]
    pub truncated: bool,
    /// The last description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<CarriedDescription>,
}

/// Why a check failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct CheckError {
    /// A name such as `WorkSpaces.ThrottlingException`.
    pub error: String,
    /// The service's message, at most 300 characters.
    pub cause: String,
}

/// What a successful check observed.
#[derive(Clone, Debug)]
pub enum Observation {
    /// The service described the import.
    Described(Box<Description>),
    /// The service does not know the image (`ResourceNotFoundException`).
    NotFound,
}

impl Observation {
    /// The progress in percent, if the service reported it.
    #[must_use]
    pub fn progress_percentage(&self) -> Option<i32> {
        match self {
            Self::Described(description) => description.progress_percentage,
            Self::NotFound => None,
        }
    }
}

/// The state in which a check observed an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentState {
    /// The state.
    pub state: State,
    /// Whether the import was last updated longer ago than the limit for stalls. `None` if this is not known.
    pub is_overdue: Option<bool>,
}

impl CurrentState {
    /// Whether this transition is over: the import is in another state, or no longer stalled.
    #[must_use]
    pub fn is_past(&self, transition: &Transition) -> bool {
        self.state != transition.to || transition.kind == Kind::Stalled && self.is_overdue == Some(false)
    }
}

/// Whether the last update is longer ago than the limit. `None` if there was none.
fn is_overdue(updated: Option<Timestamp>, now: Timestamp, stall_after: Option<Duration>) -> Option<bool> {
    let age = now.since(updated?);
    Some(stall_after.is_some_and(|limit| age > limit))
}

impl Record {
    /// The most bytes that a record takes in a response, without its `Description`, its `CheckError`, and its `Name`.
    pub const MAX_BYTES: usize = 512;

    /// A record that knows nothing but its image.
    #[must_use]
    pub fn new(image_id: ImageId) -> Self {
        Self {
            image_id,
            name: None,
            checkpoint: Checkpoint::default(),
            check_error: None,
            truncated: false,
            description: None,
        }
    }

    /// The state that the last successful check found: `NOT_FOUND` for a missing image, otherwise the described state.
    fn described_state(&self) -> Option<&str> {
        if self.checkpoint.missing.is_some() {
            return Some(State::NOT_FOUND);
        }
        self.description.as_ref()?.state().map(State::as_str)
    }

    /// The outcome of this import. It is `PENDING` as long as something still has to be announced.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match &self.checkpoint.state {
            Some(announced)
                if self.checkpoint.owed.is_none()
                    && self.described_state().is_none_or(|described| described == announced.as_str()) =>
            {
                announced.outcome()
            }
            _ => Outcome::Pending,
        }
    }

    /// Whether a check can find anything new. `COMPLETED` is final; AWS does not say that `ERROR` is, and an image that
    /// was not found may come back.
    #[must_use]
    pub fn needs_check(&self) -> bool {
        self.outcome() != Outcome::Completed
    }

    /// Compares the record with what a check observed. Whatever is due afterwards is [owed](Checkpoint::owed): first
    /// what was owed already, otherwise a change of state, otherwise a stall. Returns the state of the import, if the
    /// check learned it.
    ///
    /// `now` and `stall_after` decide about stalls: a pending import stalls if it was last updated more than
    /// `stall_after` ago. `None` turns stalls off.
    ///
    /// ```
    /// use workspaces_image_import::import::{Description, ImageId, Observation, Record, Timestamp};
    ///
    /// let mut record = Record::new(ImageId::parse("wsi-0a1b2c3d4").expect("a valid ID"));
    /// let description = Description { state: Some("VALIDATING".to_owned()), ..Description::default() };
    /// let now = Timestamp::from_millis(1_767_780_000_000).expect("in range");
    ///
    /// record.compare(Observation::Described(Box::new(description)), now, None);
    ///
    /// let owed = record.checkpoint.owed.expect("a transition");
    /// assert_eq!((owed.sequence, owed.from, owed.to.as_str()), (1, None, "VALIDATING"));
    /// ```
    pub fn compare(
        &mut self,
        observation: Observation,
        now: Timestamp,
        stall_after: Option<Duration>,
    ) -> Option<CurrentState> {
        self.check_error = None;
        let current = match observation {
            Observation::Described(description) => {
                let updated = description.last_updated_time;
                let description = CarriedDescription::from(description);
                let state = description.state().cloned();
                self.description = Some(description);
                self.truncated = false;
                self.checkpoint.missing = None;
                if self.checkpoint.listed {
                    self.checkpoint = Checkpoint::default();
                }
                // Without a state, nothing was learned: neither a transition nor the end of a stall.
                CurrentState { state: state?, is_overdue: is_overdue(updated, now, stall_after) }
            }
            Observation::NotFound => {
                // An import that has just started may not be visible yet, and the service may lose sight of its images
                // for a few minutes.
                let since = *self.checkpoint.missing.get_or_insert(now);
                if now.since(since) < MISSING_FOR {
                    return None;
                }
                CurrentState { state: State::not_found(), is_overdue: None }
            }
        };
        self.owe_change(&current.state);
        self.owe_stall(&current);
        Some(current)
    }

    /// Once what was owed is announced: a stall that is over has ended. With a ledger, another state that the same
    /// check has observed is owed next, because the ledger does not remember the description.
    pub fn follow(&mut self, current: &CurrentState, has_ledger: bool) {
        if self.checkpoint.state.as_ref() != Some(&current.state) || current.is_overdue == Some(false) {
            self.checkpoint.stalled = false;
        }
        if has_ledger {
            self.owe_change(&current.state);
        }
    }

    fn owe_change(&mut self, to: &State) {
        if self.checkpoint.owed.is_none() && self.checkpoint.state.as_ref() != Some(to) {
            self.owe(Kind::StateChanged, self.checkpoint.state.clone(), to.clone());
        }
    }

    fn owe_stall(&mut self, current: &CurrentState) {
        let Some(is_overdue) = current.is_overdue else { return };
        if !is_overdue || self.outcome() != Outcome::Pending || self.checkpoint.state.is_none() {
            self.checkpoint.stalled = false;
        } else if self.checkpoint.owed.is_none()
            && !self.checkpoint.stalled
            // A described state that is not announced yet comes before a stall.
            && self.checkpoint.state.as_ref() == Some(&current.state)
        {
            self.owe(Kind::Stalled, self.checkpoint.state.clone(), current.state.clone());
        }
    }

    fn owe(&mut self, kind: Kind, from: Option<State>, to: State) {
        self.checkpoint.owed = self.checkpoint.next_sequence().map(|sequence| Transition { kind, sequence, from, to });
    }
}

#[cfg(test)]
mod tests {
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

    fn check(mut record: Record, observation: Observation) -> Record {
        record.compare(observation, now(), LIMIT);
        record
    }

    fn check_at(mut record: Record, observation: Observation, millis: i64) -> Record {
        record.compare(observation, Timestamp::from_millis(millis).expect("in range"), LIMIT);
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
        let checked = check(record("PENDING", 3), described("VALIDATING"));
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
        let checked = check(record("", 0), described("PENDING"));
        assert_eq!(checked.checkpoint.owed, Some(owed(Kind::StateChanged, 1, None, "PENDING")));
    }

    #[test]
    fn the_same_state_owes_nothing() {
        assert_eq!(check(record("PENDING", 0), described("PENDING")).checkpoint, record("PENDING", 0).checkpoint);
    }

    #[test]
    fn what_is_owed_comes_first_even_if_the_import_has_moved_on() {
        let seen = check(record("PENDING", 0), described("VALIDATING"));
        let moved_on = check(seen.clone(), described("PUBLISHING"));
        assert_eq!(moved_on.checkpoint.owed, seen.checkpoint.owed);
        let published = announced(moved_on);
        assert_eq!(published.checkpoint.state, Some(state("VALIDATING")));
        assert_eq!(published.outcome(), Outcome::Pending, "the described state differs");
        let next = check(published, described("PUBLISHING"));
        assert_eq!(next.checkpoint.owed, Some(owed(Kind::StateChanged, 2, Some("VALIDATING"), "PUBLISHING")));
    }

    #[test]
    fn a_settled_state_with_another_one_described_is_pending_and_checked_again() {
        let mut late = record("PENDING", 0);
        late.checkpoint.owed = Some(owed(Kind::StateChanged, 1, Some("PENDING"), "COMPLETED"));
        let late = announced(check(late, described("ERROR")));
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

    const MISSING_MILLIS: i64 = 15 * 60_000;

    #[test]
    fn not_found_takes_misses_over_fifteen_minutes() {
        let first = check(record("VALIDATING", 2), Observation::NotFound);
        assert_eq!(first.checkpoint.missing, Some(now()));
        assert_eq!(first.checkpoint.owed, None);
        assert_eq!(first.outcome(), Outcome::Pending);

        let early = check_at(first.clone(), Observation::NotFound, NOW + MISSING_MILLIS - 1);
        assert_eq!(early.checkpoint, first.checkpoint, "the first miss counts");
        let earlier = check_at(first.clone(), Observation::NotFound, NOW - MISSING_MILLIS);
        assert_eq!(earlier.checkpoint, first.checkpoint, "a clock that was set back");

        let late = check_at(early, Observation::NotFound, NOW + MISSING_MILLIS);
        assert_eq!(late.checkpoint.owed, Some(owed(Kind::StateChanged, 3, Some("VALIDATING"), "NOT_FOUND")));
        let gone = announced(late);
        assert_eq!(gone.outcome(), Outcome::Failed);
        let still_gone = check_at(gone.clone(), Observation::NotFound, NOW + 2 * MISSING_MILLIS);
        assert_eq!(still_gone.checkpoint, gone.checkpoint);
        assert_eq!(still_gone.outcome(), Outcome::Failed);

        let found = check(first, described("VALIDATING"));
        assert_eq!((found.checkpoint.missing, found.checkpoint.owed), (None, None));
        let back = check(gone, described("VALIDATING"));
        assert_eq!(back.checkpoint.owed, Some(owed(Kind::StateChanged, 4, Some("NOT_FOUND"), "VALIDATING")));
    }

    #[test]
    fn an_image_without_any_announcement_can_become_not_found() {
        let gone = check(record("", 0), Observation::NotFound);
        let gone = check_at(gone, Observation::NotFound, NOW + MISSING_MILLIS);
        assert_eq!(gone.checkpoint.owed, Some(owed(Kind::StateChanged, 1, None, "NOT_FOUND")));
    }

    /// Checks a record, announces what it owes, and lets it follow what the check has observed.
    fn check_and_announce(mut record: Record, observation: Observation) -> Record {
        let current = record.compare(observation, now(), LIMIT);
        let mut record = announced(record);
        if let Some(current) = current {
            record.follow(&current, true);
        }
        record
    }

    #[test]
    fn what_the_check_has_observed_since_is_owed_next() {
        for (first, second) in [("ERROR", "COMPLETED"), ("NOT_FOUND", "COMPLETED"), ("NOT_FOUND", "ERROR")] {
            let mut before = record("VALIDATING", 2);
            before.checkpoint.owed = Some(owed(Kind::StateChanged, 3, Some("VALIDATING"), first));
            let after = check_and_announce(before, described(second));
            assert_eq!(after.checkpoint.state, Some(state(first)));
            assert_eq!(after.checkpoint.owed, Some(owed(Kind::StateChanged, 4, Some(first), second)));
        }
        let after = check_and_announce(record("PENDING", 0), described("VALIDATING"));
        assert_eq!(after.checkpoint.owed, None, "what was announced is what was observed");
    }

    #[test]
    fn a_stall_that_is_over_when_it_is_announced_leaves_no_mark() {
        let mut before = record("VALIDATING", 2);
        before.checkpoint.owed = Some(owed(Kind::Stalled, 3, Some("VALIDATING"), "VALIDATING"));
        for (observation, stalled) in [
            (described_at("VALIDATING", NOW), false),
            (described("COMPLETED"), false),
            (described_at("VALIDATING", NOW - 3_600_001), true),
        ] {
            let mut after = before.clone();
            let current = after.compare(observation, now(), LIMIT).expect("a state");
            assert_eq!(current.is_past(after.checkpoint.owed.as_ref().expect("owed")), !stalled);
            after = announced(after);
            after.follow(&current, false);
            assert_eq!(after.checkpoint.stalled, stalled, "{current:?}");
        }
    }

    #[test]
    fn a_description_without_a_state_moves_nothing() {
        let mut before = record("VALIDATING", 2);
        before.checkpoint.stalled = true;
        let nothing = Observation::Described(Box::default());
        assert_eq!(check(before.clone(), nothing).checkpoint, before.checkpoint);
        let empty = described("");
        assert_eq!(check(record("VALIDATING", 2), empty).checkpoint.owed, None);
    }

    #[test]
    fn a_stall_is_announced_once() {
        let old = described_at("VALIDATING", NOW - 3_600_001);
        let stalled = check(record("VALIDATING", 2), old.clone());
        assert_eq!(stalled.checkpoint.owed, Some(owed(Kind::Stalled, 3, Some("VALIDATING"), "VALIDATING")));
        assert!(!stalled.checkpoint.stalled, "not before the stall is announced");
        let stalled = announced(stalled);
        assert!(stalled.checkpoint.stalled);
        assert_eq!(stalled.outcome(), Outcome::Pending);
        assert_eq!(check(stalled.clone(), old.clone()).checkpoint, stalled.checkpoint);

        let recent = check(stalled.clone(), described_at("VALIDATING", NOW - 3_600_000));
        assert!(!recent.checkpoint.stalled, "a stall ends without an announcement");
        assert_eq!(recent.checkpoint.owed, None);
        assert_eq!(recent.checkpoint.sequence, 3);

        let moved = announced(check(stalled, described_at("PUBLISHING", NOW - 3_600_001)));
        assert!(!moved.checkpoint.stalled);
        assert_eq!(moved.checkpoint.state, Some(state("PUBLISHING")));
    }

    #[test]
    fn a_transition_comes_before_a_stall() {
        let checked = check(record("PENDING", 0), described_at("VALIDATING", 0));
        assert_eq!(checked.checkpoint.owed, Some(owed(Kind::StateChanged, 1, Some("PENDING"), "VALIDATING")));
        let next = check(announced(checked), described_at("VALIDATING", 0));
        assert_eq!(next.checkpoint.owed, Some(owed(Kind::Stalled, 2, Some("VALIDATING"), "VALIDATING")));
    }

    #[test]
    fn only_pending_imports_stall() {
        for settled in ["ERROR", "COMPLETED"] {
            let mut before = record(settled, 1);
            before.checkpoint.stalled = true;
            let checked = check(before, described_at(settled, 0));
            assert_eq!(checked.checkpoint.owed, None, "{settled}");
            assert!(!checked.checkpoint.stalled, "the import has settled");
        }
    }

    #[test]
    fn an_unknown_state_stalls_like_any_other() {
        let checked = check(record("NEWER_THAN_US", 1), described_at("NEWER_THAN_US", 0));
        assert_eq!(checked.checkpoint.owed.expect("a stall").kind, Kind::Stalled);
    }

    #[test]
    fn without_a_time_or_without_a_limit_there_is_no_stall() {
        let timeless = Observation::Described(Box::new(Description {
            state: Some("VALIDATING".to_owned()),
            ..Description::default()
        }));
        assert_eq!(check(record("VALIDATING", 1), timeless).checkpoint.owed, None);
        let old = described_at("VALIDATING", 0);
        let mut unlimited = record("VALIDATING", 1);
        unlimited.compare(old, now(), None);
        assert_eq!(unlimited.checkpoint.owed, None);
    }

    #[test]
    fn a_successful_check_drops_the_error() {
        let mut before = record("VALIDATING", 1);
        before.check_error = Some(CheckError { error: "Sns.Timeout".to_owned(), cause: String::new() });
        before.truncated = true;
        let checked = check(before, described("VALIDATING"));
        assert_eq!(checked.check_error, None);
        assert!(!checked.truncated);
    }

    #[test]
    fn a_description_of_any_form_is_carried() {
        let mut odd = record("VALIDATING", 1);
        let json = RawValue::from_string(r#"{"State": 5, "Deep": [1e400]}"#.to_owned()).expect("JSON");
        odd.description = Some(CarriedDescription::from_json(json));
        assert_eq!(odd.outcome(), Outcome::Pending);
        let missing = check(odd, Observation::NotFound);
        assert_eq!(missing.description.expect("carried").to_json(), r#"{"State": 5, "Deep": [1e400]}"#);
    }
}
