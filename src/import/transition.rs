//! Something to announce of an import: a change of its state, or a stall.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Outcome, State};

/// What an announcement is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    /// The described state is another than the one last announced.
    StateChanged,
    /// A pending import has not been updated for `STALL_AFTER_SECONDS`.
    Stalled,
}

impl Kind {
    /// As it is spelt in JSON and in message attributes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StateChanged => "STATE_CHANGED",
            Self::Stalled => "STALLED",
        }
    }
}

/// One announcement of one import, as a record owes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Transition {
    /// What it is about.
    pub kind: Kind,
    /// Its number: the record's `Sequence` + 1.
    pub sequence: u64,
    /// The state last announced; `null` where nothing was.
    pub from: Option<State>,
    /// The state to announce; of a stall the same as `From`.
    pub to: State,
}

impl Transition {
    /// `{ImageId}#{number}:{To}`, or `…:STALLED` for a stall: names this announcement for ever.
    #[must_use]
    pub fn id(&self, image_id: &str) -> String {
        let what = match self.kind {
            Kind::StateChanged => self.to.as_str(),
            Kind::Stalled => Kind::Stalled.as_str(),
        };
        format!("{image_id}#{}:{what}", self.sequence)
    }

    /// What follows from `To`.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.to.outcome()
    }
}
