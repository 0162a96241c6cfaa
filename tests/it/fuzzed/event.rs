//! Any bytes as the event.

use std::collections::HashSet;

use serde_json::Value;
use workspaces_image_import::{
    error::Error,
    event::{Payload, parse},
    import::{Record, State, image_id_is_valid},
    response::Response,
    tracker::Checked,
};

const MAX_RECORDS: usize = 480;
const MAX_SEQUENCE: u64 = (1 << 53) - 1;

pub(crate) fn check(bytes: &[u8]) {
    let payload: Payload = serde_json::from_slice(bytes).unwrap_or_else(|_| trailing(bytes));
    match payload.json().and_then(|event| parse(event, MAX_RECORDS)) {
        Ok(records) => {
            in_bounds(&records);
            as_a_plain_reader_has_it(bytes, &records);
            come_back(&records);
        }
        Err(error) => is_told_well(&error),
    }
}

/// As the runtime reads it: one value, whatever comes after it.
fn trailing(bytes: &[u8]) -> Payload {
    serde::Deserialize::deserialize(&mut serde_json::Deserializer::from_slice(bytes)).expect("never fails")
}

fn in_bounds(records: &[Record]) {
    assert!(records.len() <= MAX_RECORDS);
    let mut images = HashSet::new();
    for record in records {
        assert!(image_id_is_valid(&record.image_id), "{record:?}");
        assert!(images.insert(&record.image_id), "twice: {record:?}");
        let memory = &record.memory;
        assert!(memory.sequence <= MAX_SEQUENCE, "{record:?}");
        let owed = memory.owed.iter();
        assert!(owed.clone().all(|owed| owed.sequence == memory.sequence + 1), "{record:?}");
        for state in
            memory.state.iter().chain(owed.clone().map(|owed| &owed.to)).chain(owed.flat_map(|owed| &owed.from))
        {
            assert_eq!(State::parse(state.as_str()).as_ref(), Some(state));
        }
    }
}

/// Whoever reads the event as JSON of the usual kind finds the same images in it.
fn as_a_plain_reader_has_it(bytes: &[u8], records: &[Record]) {
    let Ok(event) = serde_json::from_slice::<Value>(bytes) else { return };
    let imports = if event["Imports"].is_null() { &event["detail"]["Imports"] } else { &event["Imports"] };
    let mut images: Vec<&str> = Vec::new();
    for record in imports.as_array().expect("a list") {
        let image = record["ImageId"].as_str().expect("an image id");
        if !images.contains(&image) {
            images.push(image);
        }
    }
    assert!(records.iter().map(|record| record.image_id.as_str()).eq(images));
}

/// A response can be the next event as it is.
fn come_back(records: &[Record]) {
    let response = Response::from(Checked { records: records.to_owned(), ..Checked::default() });
    let again = parse(&response.into_json(usize::MAX), MAX_RECORDS).expect("a response is an event");
    let parts = |record: &Record| {
        let Record { image_id, memory, description, check_error, truncated } = record.clone();
        (image_id, memory, description.map(|description| description.get().to_owned()), check_error, truncated)
    };
    assert!(again.iter().map(parts).eq(records.iter().map(parts)), "{records:?} came back as {again:?}");
}

/// Each part names a place or what was expected, is one line, and is bounded.
fn is_told_well(error: &Error) {
    let Error::InvalidEvent(message) = error else { panic!("{error:?}") };
    assert!(message.len() <= 4096 && !message.chars().any(char::is_control), "{message}");
    let beginnings =
        ["Imports", "detail", "source: ", "expected {", "not JSON: ", "has both Imports and detail", "and "];
    let parts: Vec<&str> = message.split("; ").collect();
    assert!(parts.len() <= 22, "{message}");
    for part in parts {
        assert!(beginnings.iter().any(|beginning| part.starts_with(beginning)), "{message}");
    }
}
