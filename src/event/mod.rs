//! Reads an event: its records and whether to discover more, or every malformed place at once as
//! [`Error::InvalidEvent`].
//!
//! The event is taken apart field by field over raw JSON. Serde would stop at the first malformed place. Unknown fields
//! are ignored, and a carried description passes through byte for byte.

mod fields;
mod json;

use std::collections::{HashMap, hash_map::Entry};

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use self::{
    fields::{Fields, Problems},
    json::{Object, field, kind_of, object},
};
use crate::{
    error::Error,
    import::{CheckError, Checkpoint, ImageId, ImageName, Record, Timestamp},
};

const EXPECTED: &str = r#"expected {"Imports": [{"ImageId": "wsi-…"}, …]}, {"Discover": true}, or {"SelfTest": true}, or an EventBridge event with one of them in its "detail""#;

/// What an event asks for.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// The records of `Imports`, one for each image.
    pub records: Vec<Record>,
    /// Whether to check the imports that discovery finds, too. In a self-test, whether to check what discovery needs.
    pub discover: bool,
    /// Whether to run the self-test. There are no records then.
    pub self_test: bool,
}

impl Event {
    /// The most records that the response can have, if a response has room for `limit`.
    pub(crate) fn max_returned(&self, limit: usize) -> usize {
        if self.discover { limit } else { self.records.len() }
    }
}

/// The payload of an invocation: JSON, or the reason why it is not JSON.
#[derive(Debug)]
pub struct RawEvent(Result<Box<RawValue>, String>);

impl<'de> Deserialize<'de> for RawEvent {
    /// Never fails. Otherwise, `lambda_runtime` would answer the invocation itself, with the name of a Rust type as the
    /// error type.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Box::<RawValue>::deserialize(deserializer).map_err(|error| error.to_string())))
    }
}

impl RawEvent {
    /// The JSON.
    ///
    /// # Errors
    /// [`Error::InvalidEvent`] if the payload is not JSON.
    pub fn json(&self) -> Result<&RawValue, Error> {
        self.0.as_deref().map_err(|error| Error::InvalidEvent(format!("not JSON: {error}; {EXPECTED}")))
    }
}

/// Reads an event of either form. An image that occurs twice is one record, at its first place.
///
/// # Errors
/// [`Error::InvalidEvent`] if the event does not have the form that the contract describes, or has more than
/// `max_records` records. The message names each malformed place.
///
/// # Examples
///
/// ```
/// use serde_json::value::RawValue;
/// use workspaces_image_import::event::parse;
///
/// let event = r#"{"Imports": [{"ImageId": "wsi-0a1b2c3d4", "State": "PENDING"}]}"#;
/// let event = parse(&RawValue::from_string(event.to_owned())?, 480).expect("a valid event");
/// assert_eq!(event.records[0].image_id.as_str(), "wsi-0a1b2c3d4");
/// assert!(!event.discover);
///
/// let event = r#"{"Imports": [{"ImageId": "ami-1"}, {"ImageId": "wsi-0a1b2c3d4", "State": 7}]}"#;
/// let error = parse(&RawValue::from_string(event.to_owned())?, 480).expect_err("two malformed places");
/// assert_eq!(
///     error.to_string(),
///     "Imports[0].ImageId: must match ^wsi-[0-9a-z]{9,63}$; Imports[1].State: expected a state (a string), \
///      got a number"
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn parse(event: &RawValue, max_records: usize) -> Result<Event, Error> {
    let mut problems = Problems::default();
    let event = read_event(event, max_records, &mut problems);
    problems.into_result()?;
    Ok(Event { records: unique(event.records), ..event })
}

fn read_event(event: &RawValue, max_records: usize, problems: &mut Problems) -> Event {
    let Some(fields) = object(event) else {
        problems.add("", &format!("{EXPECTED}, got {}", kind_of(event)));
        return Event::default();
    };
    let Some(detail) = field(&fields, "detail") else {
        return read_direct_form(fields, "", EXPECTED, max_records, problems);
    };
    if let Some(name) = ["Imports", "Discover", "SelfTest"].into_iter().find(|name| field(&fields, name).is_some()) {
        problems.add("", &format!("the event has both {name} and detail: send only one of them"));
        return Event::default();
    }
    check_envelope(event, fields, problems);
    read_detail(detail, max_records, problems)
}

/// Reads the direct form at this place. `nothing` is the problem if it asks for nothing.
fn read_direct_form(raw: Object<'_>, place: &str, nothing: &str, max_records: usize, problems: &mut Problems) -> Event {
    let imports = field(&raw, "Imports");
    if field(&raw, "SelfTest").is_some_and(|self_test| self_test.get() != "false") {
        return read_self_test(raw, place, problems);
    }
    let discover = field(&raw, "Discover").filter(|discover| discover.get() != "false");
    if imports.or(discover).is_none() {
        problems.add(place, nothing);
        return Event::default();
    }
    let discover = Fields { raw, place, problems }.optional("Discover", "true or false").unwrap_or_default();
    let place = if place.is_empty() { "Imports".to_owned() } else { format!("{place}.Imports") };
    let records = imports.map(|imports| read_imports(imports, &place, max_records, problems)).unwrap_or_default();
    Event { records, discover, self_test: false }
}

/// Reads the event of a self-test at this place.
fn read_self_test(raw: Object<'_>, place: &str, problems: &mut Problems) -> Event {
    if field(&raw, "Imports").is_some() {
        problems.add(place, "has both Imports and SelfTest: send only one of them");
        return Event::default();
    }
    let mut fields = Fields { raw, place, problems };
    let self_test = fields.optional("SelfTest", "true or false").unwrap_or_default();
    let discover = fields.optional("Discover", "true or false").unwrap_or(true);
    Event { records: Vec::new(), discover, self_test }
}

/// Checks that an event with a `detail` is an EventBridge event. What its other fields say does not matter.
fn check_envelope(event: &RawValue, raw: Object<'_>, problems: &mut Problems) {
    if serde_json::from_str::<EventBridgeEvent<Box<RawValue>>>(event.get()).is_ok() {
        return;
    }
    // Serde's error is about the first malformed field only, and it quotes values, which must not be logged.
    let mut envelope = Fields { raw, place: "", problems };
    for name in ["detail-type", "source"] {
        let _: Option<String> = envelope.required(name, "a string, as in every EventBridge event");
    }
    for name in ["version", "id", "account", "region"] {
        let _: Option<String> = envelope.optional(name, "a string");
    }
    let _: Option<Timestamp> = envelope.optional("time", "an RFC 3339 time");
    let _: Option<Vec<String>> = envelope.optional("resources", "an array of strings");
    if problems.is_empty() {
        let problem =
            "not a valid EventBridge event: a field occurs twice, or the name of a field or the time is malformed";
        problems.add("", &format!("{problem}; {EXPECTED}"));
    }
}

fn read_detail(detail: &RawValue, max_records: usize, problems: &mut Problems) -> Event {
    let Some(fields) = object(detail) else {
        problems.add("detail", &format!("expected an object, got {}; {EXPECTED}", kind_of(detail)));
        return Event::default();
    };
    read_direct_form(fields, "detail", &format!("has no Imports; {EXPECTED}"), max_records, problems)
}

fn read_imports(imports: &RawValue, place: &str, max_records: usize, problems: &mut Problems) -> Vec<Record> {
    let Ok(entries) = serde_json::from_str::<Vec<&RawValue>>(imports.get()) else {
        problems.add(place, &format!("expected an array of records, got {}", kind_of(imports)));
        return Vec::new();
    };
    if entries.len() > max_records {
        let count = entries.len();
        let problem = format!(
            "has {count} records, but an event may have at most {max_records} (MAX_RESPONSE_BYTES / {}): \
             split it into several events",
            Record::MAX_BYTES
        );
        problems.add(place, &problem);
        return Vec::new();
    }
    let records = entries.iter().enumerate();
    records.filter_map(|(index, entry)| read_record(entry, &format!("{place}[{index}]"), problems)).collect()
}

/// Reads a record. Returns `None` only after reporting a problem.
fn read_record(entry: &RawValue, place: &str, problems: &mut Problems) -> Option<Record> {
    let Some(raw) = object(entry) else {
        problems.add(place, &format!("expected a record (an object with an ImageId), got {}", kind_of(entry)));
        return None;
    };
    let mut fields = Fields { raw, place, problems };
    let image_id = fields.image_id();
    let name: Option<String> = fields.optional("Name", "a string");
    let state = fields.state("State");
    let sequence = fields.sequence();
    let mut checkpoint = Checkpoint {
        state,
        sequence: sequence.unwrap_or_default(),
        owed: None,
        stalled: fields.optional("Stalled", "true or false").unwrap_or_default(),
        missing: fields.optional("Missing", "an RFC 3339 time"),
        listed: fields.optional("Listed", "true or false").unwrap_or_default(),
    };
    checkpoint.owed = fields.owed(sequence);
    Some(Record {
        name: name.as_deref().and_then(ImageName::new),
        checkpoint,
        description: fields.description(),
        check_error: fields.lenient::<CheckError>("CheckError"),
        truncated: fields.lenient("Truncated").unwrap_or_default(),
        image_id: image_id?,
    })
}

/// Merges records of the same image: the higher `Sequence` wins, the first record on a tie, at the first place.
fn unique(records: Vec<Record>) -> Vec<Record> {
    let mut places: HashMap<ImageId, usize> = HashMap::with_capacity(records.len());
    let mut unique: Vec<Record> = Vec::with_capacity(records.len());
    for record in records {
        match places.entry(record.image_id.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(unique.len());
                unique.push(record);
            }
            Entry::Occupied(entry) => {
                let first = &mut unique[*entry.get()];
                if record.checkpoint.sequence > first.checkpoint.sequence {
                    *first = record;
                }
            }
        }
    }
    unique
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_discovers_can_return_more_than_its_records() {
        let records = vec![Record::new(ImageId::parse("wsi-0a1b2c3d4").expect("valid"))];
        let event = Event { records, ..Event::default() };
        assert_eq!(event.max_returned(480), 1);
        assert_eq!(Event { discover: true, ..event }.max_returned(480), 480);
    }
}
