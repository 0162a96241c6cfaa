//! Times as the contract writes them: RFC 3339, UTC, in milliseconds.

use std::{borrow::Cow, fmt, str::FromStr, time::SystemTime};

use aws_smithy_types::{DateTime, date_time::Format};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A point in time in milliseconds since 1970, written as `2026-01-07T10:12:31.250Z`, or without the fraction if it is
/// zero. (The SDK's formatter neither rounds to milliseconds nor pads to three digits.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Creates a timestamp from milliseconds since 1970. Returns `None` outside the years 1 to 9999, which RFC 3339
    /// cannot express.
    #[must_use]
    pub fn from_millis(millis: i64) -> Option<Self> {
        (-62_135_596_800_000..=253_402_300_799_999).contains(&millis).then_some(Self(millis))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn millis(self) -> i64 {
        self.0
    }
}

impl TryFrom<DateTime> for Timestamp {
    type Error = &'static str;

    fn try_from(time: DateTime) -> Result<Self, Self::Error> {
        let nanos = i128::from(time.secs()) * 1_000_000_000 + i128::from(time.subsec_nanos());
        i64::try_from((nanos + 500_000).div_euclid(1_000_000))
            .ok()
            .and_then(Self::from_millis)
            .ok_or("a time outside the years 1 to 9999")
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self::try_from(DateTime::from(time)).unwrap_or(Self(0))
    }
}

impl FromStr for Timestamp {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time = DateTime::from_str(text, Format::DateTimeWithOffset).map_err(|_| "not an RFC 3339 time")?;
        Self::try_from(time)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = DateTime::from_secs(self.0.div_euclid(1000)).fmt(Format::DateTime).map_err(|_| fmt::Error)?;
        match self.0.rem_euclid(1000) {
            0 => formatter.write_str(&whole),
            millis => write!(formatter, "{}.{millis:03}Z", whole.trim_end_matches('Z')),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "RFC 3339, UTC, in milliseconds",
            "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_or_none() {
        for (secs, nanos, text) in [
            (1_767_776_400, 0, "2026-01-07T09:00:00Z"),
            (1_767_780_751, 250_000_000, "2026-01-07T10:12:31.250Z"),
            (1_767_780_751, 5_000_000, "2026-01-07T10:12:31.005Z"),
            (1_767_780_751, 1_499_999, "2026-01-07T10:12:31.001Z"),
            (1_767_780_751, 1_500_000, "2026-01-07T10:12:31.002Z"),
            (1_767_780_751, 999_600_000, "2026-01-07T10:12:32Z"),
            (1_767_780_751, 400_000, "2026-01-07T10:12:31Z"),
            (-1, 250_000_000, "1969-12-31T23:59:59.250Z"),
        ] {
            let time = Timestamp::try_from(DateTime::from_secs_and_nanos(secs, nanos)).expect(text);
            assert_eq!(time.to_string(), text);
            assert_eq!(text.parse(), Ok(time));
        }
    }

    #[test]
    fn out_of_range_is_an_error() {
        assert!(Timestamp::try_from(DateTime::from_secs(i64::MAX)).is_err());
        assert!(Timestamp::try_from(DateTime::from_secs(253_402_300_800)).is_err());
    }
}
