//! Any bytes as an event: the function reads valid records from it, or reports what is malformed.

use std::collections::HashSet;

use serde_json::Value;
use workspaces_image_import::{
    error::Error,
    event::{Event, RawEvent, parse},
    import::{CarriedDescription, ImageId, Record, State},
    response::Response,
};

const MAX_RECORDS: usize = 480;
const MAX_SEQUENCE: u64 = (1 << 53) - 2;

pub(crate) fn check(bytes: &[u8]) {
    let payload: RawEvent = serde_json::from_slice(bytes).unwrap_or_else(|_| first_value(bytes));
    match payload.json().and_then(|event| parse(event, MAX_RECORDS)) {
        Ok(Event { records, .. }) => {
            check_bounds(&records);
            check_images(bytes, &records);
            check_round_trip(&records);
        }
        Err(error) => check_error(&error),
    }
}

/// Reads one JSON value, regardless of what comes after it, as the Lambda runtime does.
fn first_value(bytes: &[u8]) -> RawEvent {
    serde::Deserialize::deserialize(&mut serde_json::Deserializer::from_slice(bytes)).expect("never fails")
}

/// Asserts that records are valid and of different images.
fn check_bounds(records: &[Record]) {
    assert!(records.len() <= MAX_RECORDS);
    let mut images = HashSet::new();
    for record in records {
        assert!(ImageId::parse(record.image_id.as_str()).is_some(), "{record:?}");
        assert!(images.insert(&record.image_id), "twice: {record:?}");
        let checkpoint = &record.checkpoint;
        assert!(checkpoint.sequence <= MAX_SEQUENCE, "{record:?}");
        let owed = checkpoint.owed.iter();
        assert!(owed.clone().all(|owed| owed.sequence == checkpoint.sequence + 1), "{record:?}");
        for state in
            checkpoint.state.iter().chain(owed.clone().map(|owed| &owed.to)).chain(owed.flat_map(|owed| &owed.from))
        {
            assert_eq!(State::parse(state.as_str()).as_ref(), Some(state));
        }
    }
}

/// Asserts that a common JSON parser finds the same images in the event.
fn check_images(bytes: &[u8], records: &[Record]) {
    let Ok(event) = serde_json::from_slice::<Value>(bytes) else { return };
    let imports = if event["Imports"].is_null() { &event["detail"]["Imports"] } else { &event["Imports"] };
    let mut images: Vec<&str> = Vec::new();
    // An event that discovers needs no list.
    for record in imports.as_array().into_iter().flatten() {
        let image = record["ImageId"].as_str().expect("an image ID");
        if !images.contains(&image) {
            images.push(image);
        }
    }
    assert!(records.iter().map(|record| record.image_id.as_str()).eq(images));
}

/// Asserts that a response with these records is an event with the same records.
fn check_round_trip(records: &[Record]) {
    let response = Response::new(records.to_owned(), Vec::new());
    let again = parse(&response.into_json(usize::MAX), MAX_RECORDS).expect("a response is an event").records;
    let parts = |record: &Record| {
        let Record { image_id, name, checkpoint, description, check_error, truncated } = record.clone();
        let json = |description: CarriedDescription| description.to_json();
        (image_id, name, checkpoint, description.map(json), check_error, truncated)
    };
    assert!(again.iter().map(parts).eq(records.iter().map(parts)), "{records:?} came back as {again:?}");
}

/// Asserts that an error message is a single line of limited length, and that each part names a place or what is
/// expected.
fn check_error(error: &Error) {
    let Error::InvalidEvent(message) = error else { panic!("{error:?}") };
    assert!(message.len() <= 4096 && !message.chars().any(char::is_control), "{message}");
    let beginnings = [
        "Imports",
        "Discover: ",
        "SelfTest: ",
        "detail",
        "source: ",
        "version: ",
        "id: ",
        "account: ",
        "region: ",
        "time: ",
        "resources: ",
        "expected {",
        "not JSON: ",
        "not a valid EventBridge event: ",
        "the event has both Imports and detail",
        "the event has both Discover and detail",
        "the event has both SelfTest and detail",
        "has both Imports and SelfTest",
        "and ",
    ];
    let parts: Vec<&str> = message.split("; ").collect();
    assert!(parts.len() <= 22, "{message}");
    for part in parts {
        assert!(beginnings.iter().any(|beginning| part.starts_with(beginning)), "{message}");
    }
}
