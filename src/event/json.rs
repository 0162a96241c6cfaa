//! Takes raw JSON apart without interpreting more of it than needed.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// An object whose values are not interpreted yet.
pub(super) type Object<'a> = BTreeMap<String, &'a RawValue>;

/// What [`kind_of`] calls a number.
pub(super) const A_NUMBER: &str = "a number";

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
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => A_NUMBER,
    }
}
