//! A record, what a check finds about its import, and the comparison of the two.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    CarriedDescription, Checkpoint, Description, ImageId, Kind, Outcome, State, Timestamp, Transition,
    checkpoint::is_false,
};

/// One import, as events and responses carry it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Record {
    /// The image that is being imported.
    pub image_id: ImageId,
    /// What has been announced and what is owed.
    #[serde(flatten)]
    pub checkpoint: Checkpoint,
    /// Why the last check failed. Absent if it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check_error: Option<CheckError>,
    /// Whether `Description` was shortened or removed to keep the response within its size limit.
    #[serde(default, skip_serializing_if = "is_false")]
    pub truncated: bool,
    /// Whether nothing but the list of images names this image so far. It may not be an import.
    #[serde(default, skip_serializing_if = "is_false")]
    pub listed: bool,
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

/// What a successful check found.
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

impl Record {
    /// A record that knows nothing but its image.
    #[must_use]
    pub fn new(image_id: ImageId) -> Self {
        Self {
            image_id,
            checkpoint: Checkpoint::default(),
            check_error: None,
            truncated: false,
            listed: false,
            description: None,
        }
    }

    /// The state that the last successful check found: `NOT_FOUND` for a missing image, otherwise the described state.
    fn described_state(&self) -> Option<&str> {
        if self.checkpoint.missing {
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

    /// Compares the record with what a check found. Whatever is due afterwards is [owed](Checkpoint::owed): first what
    /// was owed already, otherwise a change of state, otherwise a stall.
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
    /// record.compare(&Observation::Described(Box::new(description)), now, None);
    ///
    /// let owed = record.checkpoint.owed.expect("a transition");
    /// assert_eq!((owed.sequence, owed.from, owed.to.as_str()), (1, None, "VALIDATING"));
    /// ```
    pub fn compare(&mut self, found: &Observation, now: Timestamp, stall_after: Option<Duration>) {
        self.check_error = None;
        match found {
            Observation::Described(description) => {
                let carried = CarriedDescription::from(description.as_ref());
                let state = carried.state().cloned();
                self.description = Some(carried);
                self.truncated = false;
                self.listed = false;
                self.checkpoint.missing = false;
                // Without a state, nothing was learned: neither a transition nor the end of a stall.
                if let Some(state) = state {
                    self.compare_state(state);
                    self.compare_time(description.last_updated_time, now, stall_after);
                }
            }
            // An import that has just started may not be visible yet, so only the second miss in a row counts.
            Observation::NotFound if self.checkpoint.missing => self.compare_state(State::not_found()),
            Observation::NotFound => self.checkpoint.missing = true,
        }
    }

    fn compare_state(&mut self, to: State) {
        if self.checkpoint.owed.is_none() && self.checkpoint.state.as_ref() != Some(&to) {
            self.owe(Kind::StateChanged, self.checkpoint.state.clone(), to);
        }
    }

    fn compare_time(&mut self, updated: Option<Timestamp>, now: Timestamp, stall_after: Option<Duration>) {
        let Some(updated) = updated else { return };
        let old = stall_after.is_some_and(|limit| {
            i128::from(now.millis()) - i128::from(updated.millis()) > limit.as_millis().cast_signed()
        });
        match &self.checkpoint.state {
            Some(state) if old && self.outcome() == Outcome::Pending => {
                // Anything owed, or a described state that is not announced yet, comes before a stall.
                let announced = self.described_state() == Some(state.as_str());
                if announced && self.checkpoint.owed.is_none() && !self.checkpoint.stalled {
                    let state = state.clone();
                    self.owe(Kind::Stalled, Some(state.clone()), state);
                }
            }
            _ => self.checkpoint.stalled = false,
        }
    }

    fn owe(&mut self, kind: Kind, from: Option<State>, to: State) {
        self.checkpoint.owed = self.checkpoint.next_sequence().map(|sequence| Transition { kind, sequence, from, to });
    }
}

#[cfg(test)]
mod tests;
