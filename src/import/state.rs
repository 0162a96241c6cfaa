//! The state of an import: a string as the service sent it, of which only "completed", "failed" and
//! "still going" are ever decided on.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// No state that the service has is a third as long; a longer one is not taken for a state at all.
pub const MAX_STATE_CHARS: usize = 128;

/// One of the 14 states of `CustomWorkspaceImageImportState`, `NOT_FOUND` (ours), or one that is newer than this
/// function and carried as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct State(String);

impl State {
    /// The state of an image that two checks in a row did not find.
    #[must_use]
    pub fn not_found() -> Self {
        Self("NOT_FOUND".to_owned())
    }

    /// `None` for a text that is empty, longer than [`MAX_STATE_CHARS`] or has control characters: SNS takes
    /// none of these as the value of a message attribute, so such a state could never be announced.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let announceable =
            !text.is_empty() && text.chars().count() <= MAX_STATE_CHARS && !text.chars().any(char::is_control);
        announceable.then(|| Self(text.to_owned()))
    }

    /// The state as the service spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What this state means for who waits for the import.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self.0.as_str() {
            "COMPLETED" => Outcome::Completed,
            "ERROR" | "NOT_FOUND" => Outcome::Failed,
            _ => Outcome::Pending,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// How an import stands: of a record, of a transition, and of a whole response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    /// Still going, or with something still to announce.
    Pending,
    /// The image is there.
    Completed,
    /// `ERROR` or `NOT_FOUND`.
    Failed,
}

impl Outcome {
    /// As it is spelt in JSON and in message attributes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_three_states_settle() {
        for (state, outcome) in [
            ("COMPLETED", Outcome::Completed),
            ("ERROR", Outcome::Failed),
            ("NOT_FOUND", Outcome::Failed),
            ("PENDING", Outcome::Pending),
            ("PUBLISHING", Outcome::Pending),
            ("NEWER_THAN_US", Outcome::Pending),
            ("completed", Outcome::Pending),
        ] {
            assert_eq!(State::parse(state).expect(state).outcome(), outcome, "{state}");
        }
    }

    #[test]
    fn a_state_that_could_never_be_announced_is_none() {
        for text in ["", "A\u{0}B", "A\nB", &"X".repeat(MAX_STATE_CHARS + 1)] {
            assert_eq!(State::parse(text), None);
        }
        assert!(State::parse(&"X".repeat(MAX_STATE_CHARS)).is_some());
        assert!(State::parse("Zustand 新").is_some());
    }
}
