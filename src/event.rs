//! What arrives → records, or [`Error::InvalidEvent`] naming every offending place at once.
//!
//! The event is taken apart field by field over raw JSON: unknown fields cost nothing and can break nothing, and a
//! carried description comes through byte for byte.

use std::collections::{BTreeMap, HashMap, hash_map::Entry};

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{
    error::Error,
    import::{CheckError, Kind, MAX_STATE_CHARS, Memory, Record, State, Transition, image_id_is_valid},
};

/// A message names this many places; what is past them is counted.
const MAX_PLACES: usize = 20;

/// The largest number that JSON readers with doubles (Step Functions, JavaScript) carry unchanged: 2^53 - 1.
const MAX_SEQUENCE: u64 = 9_007_199_254_740_991;

const EXPECTED: &str =
    r#"expected {"Imports": [{"ImageId": "wsi-…"}, …]}, or an EventBridge event with that in its "detail""#;

type Object<'a> = BTreeMap<String, &'a RawValue>;

/// What an invocation brings: JSON, or the reason why it is none.
#[derive(Debug)]
pub struct Payload(Result<Box<RawValue>, String>);

impl<'de> Deserialize<'de> for Payload {
    /// Never fails: the Runtime API's client would answer in place of the function, with a Rust type as the error's name.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Box::<RawValue>::deserialize(deserializer).map_err(|error| error.to_string())))
    }
}

impl Payload {
    /// The JSON.
    ///
    /// # Errors
    /// [`Error::InvalidEvent`] where it is none.
    pub fn json(&self) -> Result<&RawValue, Error> {
        self.0.as_deref().map_err(|error| Error::InvalidEvent(format!("not JSON: {error}; {EXPECTED}")))
    }
}

/// Reads an event of either form into its records: each image once, at its first place.
///
/// # Errors
/// [`Error::InvalidEvent`] for anything that is not of the contract's form, and for more than `max_records` records.
pub fn parse(event: &RawValue, max_records: usize) -> Result<Vec<Record>, Error> {
    let mut problems = Problems::default();
    let records = read_event(event, max_records, &mut problems);
    problems.into_result()?;
    Ok(unique(records))
}

fn read_event(event: &RawValue, max_records: usize, problems: &mut Problems) -> Vec<Record> {
    let Some(fields) = object(event) else {
        problems.add("", &format!("{EXPECTED}, got {}", kind_of(event)));
        return Vec::new();
    };
    match (set(&fields, "Imports"), set(&fields, "detail")) {
        (Some(_), Some(_)) => problems.add("", "has both Imports and detail: send one of them"),
        (Some(imports), None) => return read_imports(imports, "Imports", max_records, problems),
        (None, Some(detail)) => return read_envelope(detail, fields, max_records, problems),
        (None, None) => problems.add("", EXPECTED),
    }
    Vec::new()
}

fn read_envelope(detail: &RawValue, raw: Object<'_>, max_records: usize, problems: &mut Problems) -> Vec<Record> {
    // What they say decides nothing; that they are there tells that this is an EventBridge event.
    let mut envelope = Fields { raw, place: "", problems };
    for name in ["detail-type", "source"] {
        let _: Option<String> = envelope.required(name, "a string, as in every EventBridge event");
    }
    match object(detail) {
        None => problems.add("detail", &format!("expected an object, got {}; {EXPECTED}", kind_of(detail))),
        Some(detail) => match set(&detail, "Imports") {
            None => problems.add("detail", &format!("has no Imports; {EXPECTED}")),
            Some(imports) => return read_imports(imports, "detail.Imports", max_records, problems),
        },
    }
    Vec::new()
}

fn read_imports(imports: &RawValue, place: &str, max_records: usize, problems: &mut Problems) -> Vec<Record> {
    let Ok(entries) = serde_json::from_str::<Vec<&RawValue>>(imports.get()) else {
        problems.add(place, &format!("expected an array of records, got {}", kind_of(imports)));
        return Vec::new();
    };
    if entries.len() > max_records {
        let problem = format!(
            "{} records, of which at most {max_records} may come at once (MAX_RESPONSE_BYTES / 512): send them in several events",
            entries.len()
        );
        problems.add(place, &problem);
        return Vec::new();
    }
    let records = entries.iter().enumerate();
    records.map(|(index, entry)| read_record(entry, &format!("{place}[{index}]"), problems)).collect()
}

fn read_record(entry: &RawValue, place: &str, problems: &mut Problems) -> Record {
    let mut record = Record::new("");
    let Some(raw) = object(entry) else {
        problems.add(place, &format!("expected a record, an object with an ImageId, got {}", kind_of(entry)));
        return record;
    };
    let mut fields = Fields { raw, place, problems };
    record.image_id = fields.image_id();
    record.memory = Memory {
        state: fields.state("State"),
        sequence: fields.sequence("Sequence").unwrap_or_default(),
        owed: None,
        stalled: fields.optional("Stalled", "true or false").unwrap_or_default(),
        missing: fields.optional("Missing", "true or false").unwrap_or_default(),
    };
    record.memory.owed = fields.owed(record.memory.sequence);
    record.description = fields.description();
    // These two are ours to say; an event that says them otherwise than we do says nothing.
    record.check_error = fields.lenient::<CheckError>("CheckError");
    record.truncated = fields.lenient("Truncated").unwrap_or_default();
    record
}

/// The fields of one object of the event, read one by one; each problem is noted with its place.
struct Fields<'a, 'p> {
    raw: Object<'a>,
    place: &'p str,
    problems: &'p mut Problems,
}

impl Fields<'_, '_> {
    fn problem(&mut self, name: &str, problem: &str) {
        match self.place {
            "" => self.problems.add(name, problem),
            place => self.problems.add(&format!("{place}.{name}"), problem),
        }
    }

    fn optional<T: DeserializeOwned>(&mut self, name: &str, expected: &str) -> Option<T> {
        let value = set(&self.raw, name)?;
        let read = serde_json::from_str(value.get());
        if read.is_err() {
            self.problem(name, &format!("expected {expected}, got {}", kind_of(value)));
        }
        read.ok()
    }

    fn present(&mut self, name: &str, expected: &str) {
        if set(&self.raw, name).is_none() {
            self.problem(name, &format!("is missing, expected {expected}"));
        }
    }

    fn required<T: DeserializeOwned>(&mut self, name: &str, expected: &str) -> Option<T> {
        self.present(name, expected);
        self.optional(name, expected)
    }

    fn lenient<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(set(&self.raw, name)?.get()).ok()
    }

    fn image_id(&mut self) -> String {
        let id: Option<String> = self.required("ImageId", "an image id such as wsi-0a1b2c3d4");
        if id.as_deref().is_some_and(|id| !image_id_is_valid(id)) {
            self.problem("ImageId", "must match ^wsi-[0-9a-z]{9,63}$");
        }
        id.unwrap_or_default()
    }

    fn state(&mut self, name: &str) -> Option<State> {
        let text: String = self.optional(name, "a state, a string")?;
        let state = State::parse(&text);
        if state.is_none() {
            self.problem(
                name,
                &format!("must have 1 to {MAX_STATE_CHARS} characters, no control characters among them"),
            );
        }
        state
    }

    fn number(&mut self, name: &str, expected: &str) -> Option<u64> {
        let value = set(&self.raw, name)?;
        let number = serde_json::from_str(value.get());
        if number.is_err() {
            match kind_of(value) {
                A_NUMBER => self.problem(name, &format!("must be {expected}")),
                kind => self.problem(name, &format!("expected {expected}, got {kind}")),
            }
        }
        number.ok()
    }

    fn sequence(&mut self, name: &str) -> Option<u64> {
        let expected = format!("an integer from 0 to {MAX_SEQUENCE}");
        let sequence = self.number(name, &expected)?;
        if sequence > MAX_SEQUENCE {
            self.problem(name, &format!("must be {expected}"));
        }
        Some(sequence.min(MAX_SEQUENCE))
    }

    /// By hand, because serde takes `{"STALLED": null}` for one, too.
    fn kind(&mut self) -> Option<Kind> {
        let name: String = self.required("Kind", "STATE_CHANGED or STALLED")?;
        let kind = [Kind::StateChanged, Kind::Stalled].into_iter().find(|kind| kind.as_str() == name);
        if kind.is_none() {
            self.problem("Kind", "must be STATE_CHANGED or STALLED");
        }
        kind
    }

    fn owed(&mut self, sequence: u64) -> Option<Transition> {
        let owed = set(&self.raw, "Owed")?;
        let place = format!("{}.Owed", self.place);
        let Some(raw) = object(owed) else {
            self.problems.add(&place, &format!("expected an object, got {}", kind_of(owed)));
            return None;
        };
        let mut fields = Fields { raw, place: &place, problems: self.problems };
        let kind = fields.kind();
        let from = fields.state("From");
        fields.present("To", "a state, a string");
        let to = fields.state("To");
        fields.present("Sequence", "the record's Sequence + 1");
        let number = fields.number("Sequence", "the record's Sequence + 1");
        if number.is_some_and(|number| number != sequence + 1) {
            fields.problem("Sequence", "must be the record's Sequence + 1");
        }
        Some(Transition { kind: kind?, sequence: number?, from, to: to? })
    }

    fn description(&mut self) -> Option<Box<RawValue>> {
        let description = set(&self.raw, "Description")?;
        if !description.get().starts_with('{') {
            self.problem("Description", &format!("expected an object, got {}", kind_of(description)));
            return None;
        }
        Some(description.to_owned())
    }
}

/// The same image twice is one import: the higher `Sequence` counts, the first on a tie, at the first place.
fn unique(records: Vec<Record>) -> Vec<Record> {
    let mut places: HashMap<String, usize> = HashMap::with_capacity(records.len());
    let mut unique: Vec<Record> = Vec::with_capacity(records.len());
    for record in records {
        match places.entry(record.image_id.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(unique.len());
                unique.push(record);
            }
            Entry::Occupied(entry) => {
                let first = &mut unique[*entry.get()];
                if record.memory.sequence > first.memory.sequence {
                    *first = record;
                }
            }
        }
    }
    unique
}

/// A field's name; `None` for one with a lone surrogate, which no field that is known here has.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Name(Option<String>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <&RawValue>::deserialize(deserializer)?;
        Ok(Self(serde_json::from_str(name.get()).ok()))
    }
}

fn object(value: &RawValue) -> Option<Object<'_>> {
    let fields: BTreeMap<Name, &RawValue> = serde_json::from_str(value.get()).ok()?;
    Some(fields.into_iter().filter_map(|(name, value)| Some((name.0?, value))).collect())
}

/// A field that is there and not `null`.
fn set<'a>(object: &Object<'a>, name: &str) -> Option<&'a RawValue> {
    object.get(name).copied().filter(|value| value.get() != "null")
}

const A_NUMBER: &str = "a number";

/// The JSON type of a value, which is all that a message says of it: events may hold what no log should.
fn kind_of(value: &RawValue) -> &'static str {
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

/// Every place of an event that is wrong, in the event's order.
#[derive(Default)]
struct Problems {
    named: Vec<String>,
    more: usize,
}

impl Problems {
    fn add(&mut self, place: &str, problem: &str) {
        if self.named.len() == MAX_PLACES {
            self.more += 1;
        } else if place.is_empty() {
            self.named.push(problem.to_owned());
        } else {
            self.named.push(format!("{place}: {problem}"));
        }
    }

    fn into_result(self) -> Result<(), Error> {
        let Self { mut named, more } = self;
        if more > 0 {
            named.push(format!("and {more} more"));
        }
        if named.is_empty() { Ok(()) } else { Err(Error::InvalidEvent(named.join("; "))) }
    }
}
