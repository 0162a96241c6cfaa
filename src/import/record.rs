//! What is known of one import, what a check of it finds, and what is due then.

use std::{borrow::Cow, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::{Description, Kind, Outcome, State, Timestamp, Transition};

/// Whether this is an image id: `^wsi-[0-9a-z]{9,63}$`, as the WorkSpaces API reference has it, anchored at both ends.
#[must_use]
pub fn image_id_is_valid(id: &str) -> bool {
    id.strip_prefix("wsi-").is_some_and(|rest| {
        (9..=63).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
    })
}

/// What is remembered of an import from check to check: the part of a record that the ledger keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The state last announced, or where to start from; `None`: nothing announced yet.
    pub state: Option<State>,
    /// How many announcements this import has had.
    pub sequence: u64,
    /// An announcement that is due and has not gone out.
    pub owed: Option<Transition>,
    /// A stall has been announced and not yet ended.
    pub stalled: bool,
    /// The last check did not find the image.
    pub missing: bool,
}

/// Why a check did not work out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct CheckError {
    /// A name such as `WorkSpaces.ThrottlingException`.
    pub error: String,
    /// What the service said, at most 300 characters.
    pub cause: String,
}

/// One import, as events and responses carry it.
#[derive(Clone, Debug)]
pub struct Record {
    /// `wsi-…`, checked.
    pub image_id: String,
    /// What the ledger, or the payload, remembers.
    pub memory: Memory,
    /// The last description, carried byte for byte wherever the import is not described anew.
    pub description: Option<Box<RawValue>>,
    /// Why the last check of it did not work out.
    pub check_error: Option<CheckError>,
    /// Whether a part of the description was cut to keep the response within its limit.
    pub truncated: bool,
}

/// What a check that worked out has found.
#[derive(Clone, Debug)]
pub enum Observation {
    /// The service described the import.
    Described(Box<Description>),
    /// The service does not know the image (`ResourceNotFoundException`).
    NotFound,
}

impl Observation {
    /// How far the import is, where the service said so.
    #[must_use]
    pub fn progress_percentage(&self) -> Option<i32> {
        match self {
            Self::Described(description) => description.progress_percentage,
            Self::NotFound => None,
        }
    }
}

/// The one member of a carried description that decides anything.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Described<'a> {
    #[serde(borrow, default)]
    state: Option<Cow<'a, str>>,
}

impl Record {
    /// A record of which nothing is known but its image.
    #[must_use]
    pub fn new(image_id: impl Into<String>) -> Self {
        Self {
            image_id: image_id.into(),
            memory: Memory::default(),
            description: None,
            check_error: None,
            truncated: false,
        }
    }

    /// The state that the last check that worked out found: `NOT_FOUND` for a missing image, else the description's.
    fn described_state(&self) -> Option<State> {
        if self.memory.missing {
            return Some(State::not_found());
        }
        let described: Described = serde_json::from_str(self.description.as_ref()?.get()).ok()?;
        State::parse(&described.state?)
    }

    /// How this import stands. What is still to be announced keeps it `PENDING`.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let behind = self.described_state().is_some_and(|described| self.memory.state.as_ref() != Some(&described));
        match &self.memory.state {
            Some(state) if self.memory.owed.is_none() && !behind => state.outcome(),
            _ => Outcome::Pending,
        }
    }

    /// Whether a check has anything to find out. `COMPLETED` is final; nothing says so of `ERROR` and `NOT_FOUND`.
    #[must_use]
    pub fn needs_check(&self) -> bool {
        self.outcome() != Outcome::Completed
    }

    /// Takes in what a check found; whatever is due then is [owed](Memory::owed): what was owed already, else a
    /// transition, else a stall.
    pub fn check(&mut self, found: &Observation, now: Timestamp, stall_after: Option<Duration>) {
        self.check_error = None;
        match found {
            Observation::Described(description) => {
                self.description = Some(to_raw(description));
                self.truncated = false;
                self.memory.missing = false;
                self.compare_state(description.state.as_deref().and_then(State::parse));
                self.compare_time(description.last_updated_time, now, stall_after);
            }
            // A just-started import may not be visible yet: only the second time in a row is a transition.
            Observation::NotFound if self.memory.missing => self.compare_state(Some(State::not_found())),
            Observation::NotFound => self.memory.missing = true,
        }
    }

    fn compare_state(&mut self, described: Option<State>) {
        let Some(to) = described else { return };
        if self.memory.owed.is_none() && self.memory.state.as_ref() != Some(&to) {
            self.owe(Kind::StateChanged, self.memory.state.clone(), to);
        }
    }

    fn compare_time(&mut self, updated: Option<Timestamp>, now: Timestamp, stall_after: Option<Duration>) {
        let Some(updated) = updated else { return };
        let old = stall_after.is_some_and(|limit| {
            i128::from(now.millis()) - i128::from(updated.millis()) > limit.as_millis().cast_signed()
        });
        match &self.memory.state {
            Some(state) if old && self.outcome() == Outcome::Pending => {
                // Owed something, or with a state that was described and not yet announced: that comes first.
                let described = self.described_state();
                if self.memory.owed.is_none() && !self.memory.stalled && described.as_ref() == Some(state) {
                    let state = state.clone();
                    self.owe(Kind::Stalled, Some(state.clone()), state);
                }
            }
            _ => self.memory.stalled = false,
        }
    }

    fn owe(&mut self, kind: Kind, from: Option<State>, to: State) {
        self.memory.owed = Some(Transition { kind, sequence: self.memory.sequence + 1, from, to });
    }
}

fn to_raw(description: &Description) -> Box<RawValue> {
    to_raw_value(description).expect("a struct of strings and numbers is JSON")
}

impl Memory {
    /// Whether a next announcement can be numbered, and every state be announced. An item of the ledger need
    /// not be of this function's making.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let owed = self.owed.iter();
        let mut states = self.state.iter().chain(owed.flat_map(|owed| owed.from.iter().chain([&owed.to])));
        let next = self.sequence.checked_add(1);
        next.is_some()
            && self.owed.as_ref().is_none_or(|owed| Some(owed.sequence) == next)
            && states.all(|state| State::parse(state.as_str()).is_some())
    }

    /// SNS has taken what was owed: state, number and stall move, and nothing is owed any more.
    #[must_use]
    pub fn settled(&self) -> Self {
        match &self.owed {
            None => self.clone(),
            Some(announced) => Self {
                state: Some(announced.to.clone()),
                sequence: announced.sequence,
                owed: None,
                stalled: announced.kind == Kind::Stalled,
                missing: self.missing,
            },
        }
    }
}

#[cfg(test)]
mod tests;
