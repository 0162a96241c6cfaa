//! Any record, and any description that a check finds of it: what is announced of it, and the response, keep to their
//! limits.
//!
//! The first line is a record; the rest is a description. The two bytes before them say how many images share them and
//! how often each text is repeated, so that few bytes come to more than the limits allow.

use std::time::Duration;

use serde_json::{Value, value::RawValue};
use workspaces_image_import::{
    announcement::{Announcement, Message, batch::MAX_BYTES},
    event::parse,
    import::{Description, Memory, Observation, Record, Timestamp},
    response::Response,
    tracker::{Announced, Checked},
};

/// The least that `MAX_RESPONSE_BYTES` can be, and how many records may come then.
const MAX_RESPONSE_BYTES: usize = 16_384;
const MAX_RECORDS: usize = MAX_RESPONSE_BYTES / 512;

pub(crate) fn check(bytes: &[u8]) {
    let [images, repeats, rest @ ..] = bytes else { return };
    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { return };
    let (Some(mut checked), Ok(mut description)) = (record(&rest[..end]), serde_json::from_slice(&rest[end..])) else {
        return;
    };
    repeat_texts(&mut description, usize::from(*repeats) * 4 + 1);
    let now = Timestamp::from_millis(1_767_780_751_250).expect("in range");
    let stall_after = Some(Duration::from_hours(6));
    checked.check(&Observation::Described(Box::new(description)), now, stall_after);

    let mut result = Checked::default();
    for image in 0..=usize::from(*images) % MAX_RECORDS {
        let mut record = checked.clone();
        // As long as an image id can be.
        record.image_id = format!("wsi-{image:063}");
        if let Some(transition) = record.memory.owed.clone() {
            if image == 0 {
                in_limits(&message(&record, now));
            }
            record.memory = record.memory.settled();
            result.announced.push(Announced { image_id: record.image_id.clone(), transition });
        }
        result.records.push(record);
    }
    comes_back(result);
}

/// The record that these bytes are, by way of an event.
fn record(bytes: &[u8]) -> Option<Record> {
    let record: &RawValue = serde_json::from_slice(bytes).ok()?;
    let event = RawValue::from_string(format!(r#"{{"Imports": [{record}]}}"#)).ok()?;
    let record = parse(&event, 1).ok()?.pop()?;
    // After the last number that an event can carry there is no next event; no import gets there.
    (record.memory.sequence < (1 << 53) - 1).then_some(record)
}

fn repeat_texts(description: &mut Description, times: usize) {
    let details = description.error_details.iter_mut().flatten();
    let texts = details.filter_map(|detail| detail.error_message.as_mut()).chain(description.state_message.as_mut());
    texts.for_each(|text| *text = text.repeat(times));
}

fn message(record: &Record, observed_at: Timestamp) -> Message {
    let transition = record.memory.owed.as_ref().expect("owed");
    let description = record.description.as_deref();
    let region = "eu-west-1";
    Announcement { image_id: &record.image_id, transition, description, region, observed_at }.message()
}

/// Those of SNS.
fn in_limits(message: &Message) {
    assert!(message.size() <= MAX_BYTES, "{} bytes", message.size());
    let subject = &message.subject;
    assert!(subject.len() <= 99 && subject.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{subject:?}");
    assert!(!subject.starts_with(' '), "{subject:?}");
    assert!(message.deduplication_id.len() <= 128, "{}", message.deduplication_id);
    assert!(message.deduplication_id.bytes().all(|byte| byte.is_ascii_graphic()), "{}", message.deduplication_id);
    assert!(message.attributes.len() <= 10);
    assert!(message.attributes.iter().all(|attribute| !attribute.value.is_empty()), "{:?}", message.attributes);
    let texts: Value = serde_json::from_str(&message.body).expect("JSON");
    let text = |protocol: &str| texts[protocol].as_str().expect("a text");
    assert!(text("sms").chars().count() <= 140, "{}", text("sms"));
    assert!(text("email").contains("https://eu-west-1.console.aws.amazon.com/"), "{}", text("email"));
    let _: &RawValue = serde_json::from_str(text("default")).expect("JSON");
}

/// Within its limit, with all that the next check needs.
fn comes_back(checked: Checked) {
    let memories = |records: &[Record]| -> Vec<(String, Memory)> {
        records.iter().map(|record| (record.image_id.clone(), record.memory.clone())).collect()
    };
    let expected = memories(&checked.records);
    let response = Response::from(checked).into_json(MAX_RESPONSE_BYTES);
    assert!(response.get().len() <= MAX_RESPONSE_BYTES, "{} bytes", response.get().len());
    let next = parse(&response, MAX_RECORDS).expect("a response is an event");
    assert_eq!(memories(&next), expected);
}
