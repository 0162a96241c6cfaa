//! A transition: a change of an import's state, or a stall. Each one is announced, under an ID of its own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Checkpoint, ImageId, ImageName, Outcome, State};

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

/// A transition of one import, as responses and messages announce it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Announcement {
    /// Identifies the announcement permanently. Redeliveries carry the same ID.
    pub transition_id: TransitionId,
    /// The image that is being imported.
    pub image_id: ImageId,
    /// The name of the image. Absent if it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<ImageName>,
    /// The outcome that follows from `To`.
    pub outcome: Outcome,
    /// What happened. `Sequence` numbers the announcements of an import from 1, without gaps.
    #[serde(flatten)]
    pub transition: Transition,
}

impl Announcement {
    /// Announces this transition of this image.
    #[must_use]
    pub fn new(image_id: ImageId, name: Option<ImageName>, transition: Transition) -> Self {
        Self {
            transition_id: TransitionId::new(&image_id, &transition),
            image_id,
            name,
            outcome: transition.outcome(),
            transition,
        }
    }
}

/// Identifies one announcement permanently: `{ImageId}#{number}:{To}`, or `{ImageId}#{number}:STALLED` for a stall.
/// Redeliveries carry the same ID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct TransitionId(String);

impl TransitionId {
    fn new(image_id: &ImageId, transition: &Transition) -> Self {
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
