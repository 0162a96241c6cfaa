//! The ID of a WorkSpaces image.

use std::{borrow::Cow, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// The ID of an image, such as `wsi-0a1b2c3d4`.
// Only `ImageId::parse` creates one, so every value is valid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct ImageId(#[schemars(regex(pattern = r"^wsi-[0-9a-z]{9,63}$"))] String);

impl ImageId {
    /// The pattern of an image ID, for error messages. The [WorkSpaces API][api] does not anchor it; this function does.
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
