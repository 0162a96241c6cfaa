//! A transition: a change of an import's state, or a stall. Each one is announced.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Checkpoint, ImageId, Outcome, State};

/// The kind of a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    /// The described state differs from the state last announced.
    StateChanged,
    /// A pending import has not been updated for `STALL_AFTER_SECONDS`.
    Stalled,
}

impl Kind {
    /// The kind as spelled in JSON and in message attributes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StateChanged => "STATE_CHANGED",
            Self::Stalled => "STALLED",
        }
    }
}

/// One transition of one import. A checkpoint holds it as [`Owed`](super::Checkpoint::owed) until it is announced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Transition {
    /// Whether the state changed or the import stalled.
    pub kind: Kind,
    /// The number of the announcement: the record's `Sequence` + 1.
    #[schemars(range(max = Checkpoint::MAX_SEQUENCE))]
    pub sequence: u64,
    /// The state announced before this one; `null` if none was. For a stall, the same as `To`.
    pub from: Option<State>,
    /// The state to announce.
    pub to: State,
}

impl Transition {
    /// The outcome that follows from `To`.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.to.outcome()
    }
}

/// Identifies one announcement permanently: `{ImageId}#{number}:{To}`, or `{ImageId}#{number}:STALLED` for a stall.
/// Redeliveries carry the same ID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct TransitionId(String);

impl TransitionId {
    /// The ID of this transition of this image.
    #[must_use]
    pub fn new(image_id: &ImageId, transition: &Transition) -> Self {
        let label = match transition.kind {
            Kind::StateChanged => transition.to.as_str(),
            Kind::Stalled => Kind::Stalled.as_str(),
        };
        Self(format!("{image_id}#{}:{label}", transition.sequence))
    }

    /// The ID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
