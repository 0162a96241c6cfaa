//! Takes raw JSON apart without interpreting more of it than needed.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// An object whose values are not interpreted yet.
pub(super) type Object<'a> = BTreeMap<String, &'a RawValue>;

/// What [`kind_of`] calls a number.
pub(super) const A_NUMBER: &str = "a number";
/// What [`kind_of`] calls a string.
pub(super) const A_STRING: &str = "a string";

/// The name of a field. `None` for a name with a lone surrogate, which is not valid Unicode: no known field has one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Name(Option<String>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <&RawValue>::deserialize(deserializer)?;
        Ok(Self(serde_json::from_str(name.get()).ok()))
    }
}

/// The fields of an object, or `None` for any other value.
pub(super) fn object(value: &RawValue) -> Option<Object<'_>> {
    let fields: BTreeMap<Name, &RawValue> = serde_json::from_str(value.get()).ok()?;
    Some(fields.into_iter().filter_map(|(name, value)| Some((name.0?, value))).collect())
}

/// A field that is present and not `null`.
pub(super) fn field<'a>(object: &Object<'a>, name: &str) -> Option<&'a RawValue> {
    object.get(name).copied().filter(|value| value.get() != "null")
}

/// The JSON type of a value. Messages say no more about a value, because an event may contain data that must not be
/// logged.
pub(super) fn kind_of(value: &RawValue) -> &'static str {
    match value.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') if serde_json::from_str::<String>(value.get()).is_err() => "a string with a lone surrogate",
        Some(b'"') => A_STRING,
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => A_NUMBER,
    }
}

/// The value of a JSON number if it is an integer, in any form: `10`, `10.0`, `1e1`, and `100e-1` are the same number.
/// A floating-point number in between would round others to an integer.
pub(super) fn integer(number: &str) -> Option<u64> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    if matches!(significant, "" | "-") {
        return Some(0);
    }
    // How many zeros follow the significant digits. If that is negative, some of the digits are a fraction.
    let exponent: i32 = exponent.parse().ok()?;
    let trimmed = digits.len() - significant.len();
    let zeros = i64::from(exponent) + i64::try_from(trimmed).ok()? - i64::try_from(fraction.len()).ok()?;
    // The largest u64 has 20 digits.
    let zeros = usize::try_from(zeros).ok().filter(|zeros| *zeros < 20)?;
    format!("{significant}{}", "0".repeat(zeros)).parse().ok()
}
