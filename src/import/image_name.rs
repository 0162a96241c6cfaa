//! The name of an image, for people. It never decides anything.

use schemars::JsonSchema;
use serde::Serialize;

use super::truncate::shorten;

/// The longest name, in bytes of JSON. Names in WorkSpaces have [up to 64 characters][api], all of them ASCII.
///
/// [api]: https://docs.aws.amazon.com/workspaces/latest/api/API_ImportCustomWorkspaceImage.html
const MAX_BYTES: usize = 64;

/// The name that somebody gave to an image, such as `windows-11-2026-01`.
// Only `ImageName::new` creates one. It may contain any characters, like all text from outside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct ImageName(String);

impl ImageName {
    /// Takes a name, and shortens one that is longer than any of WorkSpaces. Returns `None` if the text is empty.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(shorten(text, MAX_BYTES)))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::truncate::escaped_len;

    #[test]
    fn a_name_is_never_empty_and_never_longer_than_those_of_workspaces() {
        assert_eq!(ImageName::new(""), None);
        for whole in ["a", " ", "windows-11 (2026)\n", &"n".repeat(64)] {
            assert_eq!(ImageName::new(whole).expect("a name").as_str(), whole);
        }
        for long in ["n".repeat(65), "\u{1}".repeat(11), "名".repeat(22)] {
            let name = ImageName::new(&long).expect("a name");
            assert!(escaped_len(name.as_str()) <= 64 && name.as_str().ends_with('…'), "{name:?}");
            assert_eq!(ImageName::new(name.as_str()), Some(name), "a response can be the next event");
        }
    }
}
