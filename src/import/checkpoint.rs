//! The part of a record that the ledger keeps from one check to the next.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Kind, State, Timestamp, Transition};

/// What has been announced about an import, and what is still owed.
// Events, responses and the items of the ledger share this shape.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Checkpoint {
    /// The state last announced, or the state to start from. Absent if nothing has been announced yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// How many announcements this import has had.
    #[serde(default)]
    #[schemars(range(max = Checkpoint::MAX_SEQUENCE))]
    pub sequence: u64,
    /// An announcement that is due and has not been published yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owed: Option<Transition>,
    /// Whether a stall has been announced that has not ended yet.
    #[serde(default)]
    pub stalled: bool,
    /// When the checks began not to find the image. Absent if the last check found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Timestamp>,
    /// Whether nothing but the list of images names this image so far. It may not be an import.
    #[serde(default, skip_serializing_if = "is_false")]
    pub listed: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(super) fn is_false(flag: &bool) -> bool {
    !flag
}

impl Checkpoint {
    /// The largest number of an announcement: 2^53 - 2. JSON readers that use doubles (Step Functions, JavaScript)
    /// carry it and the next number unchanged.
    pub const MAX_SEQUENCE: u64 = 9_007_199_254_740_990;

    /// The number of the next announcement. `None` after [`Checkpoint::MAX_SEQUENCE`]; no import gets there.
    #[must_use]
    pub fn next_sequence(&self) -> Option<u64> {
        Self::sequence_after(self.sequence)
    }

    /// The number after this one.
    #[must_use]
    pub fn sequence_after(sequence: u64) -> Option<u64> {
        (sequence < Self::MAX_SEQUENCE).then_some(sequence + 1)
    }

    /// Whether the image is [listed](Self::listed), and nothing has been learned about it, except perhaps that it is
    /// not an import.
    #[must_use]
    pub fn is_only_listed(&self) -> bool {
        let blank = Self { listed: true, ..Self::default() };
        *self == blank || *self == Self { state: Some(State::not_found()), ..blank }
    }

    /// Whether the numbers fit together: `Sequence` is in range, and what is owed has the next number. Events are
    /// checked when they are read, but somebody else may have written an item of the ledger.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        self.sequence <= Self::MAX_SEQUENCE
            && self.owed.as_ref().is_none_or(|owed| Some(owed.sequence) == self.next_sequence())
    }

    /// The checkpoint after SNS has accepted what was owed: state, sequence and stall move on, and nothing is owed
    /// anymore. Unchanged if nothing was owed.
    #[must_use]
    pub fn published(&self) -> Self {
        match &self.owed {
            None => self.clone(),
            Some(announced) => Self {
                state: Some(announced.to.clone()),
                sequence: announced.sequence,
                owed: None,
                stalled: announced.kind == Kind::Stalled,
                missing: self.missing,
                listed: false,
            },
        }
    }
}
