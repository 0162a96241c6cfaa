//! Times as the contract writes them: RFC 3339, UTC, in milliseconds.

use std::{
    borrow::Cow,
    fmt,
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A point in time in milliseconds since 1970, written as `2026-01-07T10:12:31.250Z`, or without the fraction if it is
/// zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    const EARLIEST: i64 = -62_135_596_800_000;
    const LATEST: i64 = 253_402_300_799_999;

    /// Creates a timestamp from milliseconds since 1970. Returns `None` outside the years 1 to 9999, which RFC 3339
    /// cannot express.
    #[must_use]
    pub fn from_millis(millis: i64) -> Option<Self> {
        (Self::EARLIEST..=Self::LATEST).contains(&millis).then_some(Self(millis))
    }

    /// Rounds nanoseconds since 1970 to milliseconds. Returns `None` outside the years 1 to 9999.
    #[must_use]
    pub fn from_nanos(nanos: i128) -> Option<Self> {
        i64::try_from((nanos + 500_000).div_euclid(1_000_000)).ok().and_then(Self::from_millis)
    }

    /// How long after an earlier time this is. Zero if that time is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or_default())
    }

    /// This long before. Not earlier than the year 1.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(millis).max(Self::EARLIEST))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn millis(self) -> i64 {
        self.0
    }
}

impl From<SystemTime> for Timestamp {
    /// A time that RFC 3339 cannot express becomes 1970.
    fn from(time: SystemTime) -> Self {
        let nanos = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i128::try_from(after.as_nanos()),
            Err(before) => i128::try_from(before.duration().as_nanos()).map(|nanos| -nanos),
        };
        nanos.ok().and_then(Self::from_nanos).unwrap_or(Self(0))
    }
}

impl FromStr for Timestamp {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The library accepts other separators between the date and the time, too.
        if !matches!(text.as_bytes().get(10), Some(b'T' | b't')) {
            return Err("not an RFC 3339 time");
        }
        let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| "not an RFC 3339 time")?;
        Self::from_nanos(time.unix_timestamp_nanos()).ok_or("a time outside the years 1 to 9999")
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = OffsetDateTime::from_unix_timestamp(self.0.div_euclid(1000)).map_err(|_| fmt::Error)?;
        let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
        let (hour, minute, second) = time.to_hms();
        write!(formatter, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        match self.0.rem_euclid(1000) {
            0 => formatter.write_str("Z"),
            millis => write!(formatter, ".{millis:03}Z"),
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

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        if generator.contract().is_deserialize() {
            return json_schema!({"type": "string", "format": "date-time"});
        }
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
        for (seconds, nanos, text) in [
            (1_767_776_400_i64, 0, "2026-01-07T09:00:00Z"),
            (1_767_780_751, 250_000_000, "2026-01-07T10:12:31.250Z"),
            (1_767_780_751, 5_000_000, "2026-01-07T10:12:31.005Z"),
            (1_767_780_751, 1_499_999, "2026-01-07T10:12:31.001Z"),
            (1_767_780_751, 1_500_000, "2026-01-07T10:12:31.002Z"),
            (1_767_780_751, 999_600_000, "2026-01-07T10:12:32Z"),
            (1_767_780_751, 400_000, "2026-01-07T10:12:31Z"),
            (-1, 250_000_000, "1969-12-31T23:59:59.250Z"),
        ] {
            let time = Timestamp::from_nanos(i128::from(seconds) * 1_000_000_000 + nanos).expect(text);
            assert_eq!(time.to_string(), text);
            assert_eq!(text.parse(), Ok(time));
        }
    }

    #[test]
    fn what_rfc_3339_cannot_express_is_refused() {
        assert_eq!(Timestamp::from_nanos(i128::from(i64::MAX) * 1_000_000_000), None);
        assert_eq!(Timestamp::from_nanos(253_402_300_800_000_000_000), None);
        assert!("1969-12-31 23:59:59Z".parse::<Timestamp>().is_err(), "RFC 3339 has a T");
        let before = UNIX_EPOCH - Duration::from_millis(750);
        assert_eq!(Timestamp::from(before).to_string(), "1969-12-31T23:59:59.250Z");
    }
}
