//! The state of an import. The function carries the service's text and decides only whether an import is completed,
//! failed or still pending.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// The longest state that the function accepts, in bytes of JSON. The longest of the service's states has 28. With this
/// limit, every record fits into its share of a response.
const MAX_STATE_BYTES: usize = 64;

/// A state of `CustomWorkspaceImageImportState`, or `NOT_FOUND`, which this function adds. A state that AWS introduces
/// later is carried unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct State(#[schemars(regex(pattern = r"^[!-~]([ -~]{0,62}[!-~])?$"))] String);

impl State {
    /// The image is available.
    pub const COMPLETED: &str = "COMPLETED";
    /// The import failed.
    pub const ERROR: &str = "ERROR";
    /// The state of an image that no check has found for at least 15 minutes.
    pub const NOT_FOUND: &str = "NOT_FOUND";
    /// The states that settle an import: those with an outcome other than `PENDING`.
    pub const SETTLED: [&str; 3] = [Self::COMPLETED, Self::ERROR, Self::NOT_FOUND];

    /// [`State::NOT_FOUND`] as a state.
    #[must_use]
    pub fn not_found() -> Self {
        Self(Self::NOT_FOUND.to_owned())
    }

    /// Reads a state: 1 to 64 printable ASCII characters without spaces at the ends. `"` and `\` count twice, as in
    /// JSON. Returns `None` for any other text: it could not be announced, or would make responses too large.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let size = text.len() + text.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count();
        let valid = (1..=MAX_STATE_BYTES).contains(&size)
            && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
            && text.trim_matches(' ').len() == text.len();
        valid.then(|| Self(text.to_owned()))
    }

    /// The state as the service spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What this state means for the import.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self.0.as_str() {
            Self::COMPLETED => Outcome::Completed,
            text if Self::SETTLED.contains(&text) => Outcome::Failed,
            _ => Outcome::Pending,
        }
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("not a state"))
    }
}

/// The outcome of a record, a transition or a whole response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    /// The import is still running, or something about it still has to be announced.
    Pending,
    /// The image is available.
    Completed,
    /// The import ended in `ERROR`, or the image was not found (`NOT_FOUND`).
    Failed,
}

impl Outcome {
    /// The outcome as spelled in JSON and in message attributes.
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
            assert_eq!(State::SETTLED.contains(&state), outcome != Outcome::Pending, "{state}");
        }
    }

    #[test]
    fn a_state_that_could_never_be_announced_is_rejected() {
        for text in ["", " ", " A", "A ", "A\u{0}B", "A\nB", "A\u{7f}", "新", &"X".repeat(65), &"\"".repeat(33)] {
            assert_eq!(State::parse(text), None, "{text:?}");
        }
        for text in ["A", "a state, in words", "~!\"\\", &"X".repeat(64), &"\"".repeat(32)] {
            assert!(State::parse(text).is_some(), "{text:?}");
        }
    }
}
