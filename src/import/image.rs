//! What an image is called: its ID, and its name for people.

use std::{borrow::Cow, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::truncate::shorten;

/// The longest name, in bytes of JSON. Names in WorkSpaces have [up to 64 characters][api], all of them ASCII.
///
/// [api]: https://docs.aws.amazon.com/workspaces/latest/api/API_ImportCustomWorkspaceImage.html
const MAX_NAME_BYTES: usize = 64;

/// The ID of an image, such as `wsi-0a1b2c3d4`.
// Only `ImageId::parse` creates one, so every value is valid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct ImageId(#[schemars(regex(pattern = r"^wsi-[0-9a-z]{9,63}$"))] String);

impl ImageId {
    /// The pattern of an image ID, for error messages. The [WorkSpaces API][api] does not anchor it; this function
    /// does.
    ///
    /// [api]: https://docs.aws.amazon.com/workspaces/latest/api/API_DescribeCustomWorkspaceImageImport.html
    pub const PATTERN: &str = "^wsi-[0-9a-z]{9,63}$";

    /// Reads an image ID. Returns `None` if the text does not match [`ImageId::PATTERN`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let suffix = text.strip_prefix("wsi-")?;
        let valid = (9..=63).contains(&suffix.len())
            && suffix.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
        valid.then(|| Self(text.to_owned()))
    }

    /// The ID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for ImageId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(format_args!("must match {}", Self::PATTERN)))
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The name that somebody gave to an image, such as `windows-11-2026-01`. It is for people, and never decides anything.
// Only `ImageName::new` creates one. It may contain any characters, like all text from outside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct ImageName(String);

impl ImageName {
    /// Takes a name, and shortens one that is longer than any of WorkSpaces. Returns `None` if the text is empty.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(shorten(text, MAX_NAME_BYTES)))
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
    fn image_ids_are_anchored_at_both_ends() {
        for good in ["wsi-0a1b2c3d4", "wsi-000000000", &format!("wsi-{}", "z".repeat(63))] {
            assert_eq!(ImageId::parse(good).expect("valid").as_str(), good);
        }
        let long = format!("wsi-{}", "z".repeat(64));
        for bad in
            ["", "wsi-", "wsi-0a1b2c3d", &long, "WSI-0a1b2c3d4", "wsi-0A1b2c3d4", " wsi-0a1b2c3d4", "wsi-0a1b2c3d4\n"]
        {
            assert_eq!(ImageId::parse(bad), None, "{bad:?}");
            assert!(serde_json::from_value::<ImageId>(bad.into()).is_err(), "{bad:?}");
        }
    }

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
