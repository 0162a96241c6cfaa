//! Any record with any description: the message and the response stay within their limits.
//!
//! The first byte says how many images have the record, the second how often the texts of the description are repeated,
//! so that a few bytes can exceed the limits. The record follows, up to the end of the line. The rest is the
//! description.

use std::time::Duration;

use serde_json::{Value, value::RawValue};
use workspaces_image_import::{
    event::parse,
    import::{Announcement, Checkpoint, Description, ImageId, Observation, Record, Timestamp},
    message::{Draft, MAX_BYTES, Message, Origin},
    response::Response,
};

/// The lowest response limit that can be configured, and the most records that an event can have then.
const MAX_RESPONSE_BYTES: usize = 16_384;
const MAX_RECORDS: usize = MAX_RESPONSE_BYTES / Record::MAX_BYTES;

pub(crate) fn check(bytes: &[u8]) {
    let [images, repeats, rest @ ..] = bytes else { return };
    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { return };
    let (Some(mut checked), Ok(mut description)) = (record(&rest[..end]), serde_json::from_slice(&rest[end..])) else {
        return;
    };
    repeat_texts(&mut description, usize::from(*repeats) * 4 + 1);
    let now = Timestamp::from_millis(1_767_780_751_250).expect("in range");
    let stall_after = Some(Duration::from_hours(6));
    checked.compare(Observation::Described(Box::new(description)), now, stall_after);

    let (mut records, mut announced) = (Vec::new(), Vec::new());
    for image in 0..=usize::from(*images) % MAX_RECORDS {
        let mut record = checked.clone();
        // An image ID of the greatest length.
        record.image_id = ImageId::parse(&format!("wsi-{image:063}")).expect("valid");
        if let Some(transition) = record.checkpoint.owed.clone() {
            if image == 0 {
                check_message(&message(&record, now));
            }
            record.checkpoint = record.checkpoint.published();
            announced.push(Announcement::new(record.image_id.clone(), record.name.clone(), transition));
        }
        records.push(record);
    }
    check_response(records, announced);
}

/// Reads a record from these bytes as a part of an event.
fn record(bytes: &[u8]) -> Option<Record> {
    let record: &RawValue = serde_json::from_slice(bytes).ok()?;
    let event = RawValue::from_string(format!(r#"{{"Imports": [{record}]}}"#)).ok()?;
    let record = parse(&event, 1).ok()?.records.pop()?;
    // The response to the highest Sequence is not a valid event. No import has that many announcements.
    (record.checkpoint.sequence < (1 << 53) - 1).then_some(record)
}

fn repeat_texts(description: &mut Description, times: usize) {
    let details = description.error_details.iter_mut().flatten();
    let texts = details.filter_map(|detail| detail.error_message.as_mut()).chain(description.state_message.as_mut());
    texts.for_each(|text| *text = text.repeat(times));
}

fn message(record: &Record, observed_at: Timestamp) -> Message {
    let owed = record.checkpoint.owed.clone().expect("owed");
    let draft = Draft {
        announcement: &Announcement::new(record.image_id.clone(), record.name.clone(), owed),
        description: record.description.as_ref(),
        current: None,
        truncated: record.truncated,
        origin: &Origin::new("", "eu-west-1"),
        observed_at,
        chat: true,
    };
    draft.message()
}

/// Asserts that a message is within the limits of SNS: <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
fn check_message(message: &Message) {
    assert!(message.size() <= MAX_BYTES, "{} bytes", message.size());
    let subject = &message.subject;
    assert!(subject.len() <= 99 && subject.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{subject:?}");
    assert!(!subject.starts_with(' '), "{subject:?}");
    assert!(message.deduplication_id.len() <= 128, "{}", message.deduplication_id);
    assert!(message.deduplication_id.bytes().all(|byte| byte.is_ascii_graphic()), "{}", message.deduplication_id);
    assert!(message.attributes.len() <= 10);
    assert!(message.attributes.iter().all(|attribute| !attribute.value.is_empty()), "{:?}", message.attributes);
    let texts: Value = serde_json::from_str(&message.body).expect("JSON");
    let text = |protocol: &str| texts[protocol].as_str().expect("a string");
    for protocol in ["default", "email", "sms", "https"] {
        assert!(text(protocol).chars().all(is_accepted_by_sqs), "{:?}", text(protocol));
    }
    assert!(text("sms").chars().count() <= 140, "{}", text("sms"));
    assert!(text("email").contains("https://eu-west-1.console.aws.amazon.com/"), "{}", text("email"));
    let _: &RawValue = serde_json::from_str(text("default")).expect("JSON");
    check_lines(text("email"));
    check_chat(&serde_json::from_str(text("https")).expect("JSON"));
}

/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>
fn is_accepted_by_sqs(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

/// Asserts that each line of an email is one of ours, whatever the service says.
fn check_lines(email: &str) {
    let starts = [
        "The import of WorkSpaces image ",
        "For at least 15 minutes, the checks did not find WorkSpaces image ",
        "State by now: ",
        "Progress: ",
        "Estimated time left: ",
        "Started: ",
        "Time taken: ",
        "Last update: ",
        "WorkSpaces says: ",
        "Errors",
        "Remedy: ",
        "Remedy, if needed: ",
        "Common errors in the WorkSpaces guide:",
        "https://docs.aws.amazon.com/workspaces/latest/adminguide/",
        "What to do: ",
        "The image in the console:",
        "https://eu-west-1.console.aws.amazon.com/workspaces/",
        "Source: ",
        "Build instance: ",
        "Region eu-west-1",
        "Announcement wsi-",
    ];
    let is_line_end =
        |character: char| matches!(character, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    for line in email.split(is_line_end).filter(|line| !line.is_empty()) {
        let is_error = line.split_once(". ").is_some_and(|(number, _)| number.parse::<usize>().is_ok());
        assert!(is_error || starts.iter().any(|start| line.starts_with(start)), "{line:?} in {email:?}");
    }
}

/// Asserts that a chat notification is within the limits of its schema and shows the service's text literally.
fn check_chat(notification: &Value) {
    let content = &notification["content"];
    let text = |text: &Value| text.as_str().expect("a string").to_owned();
    let (title, description) = (text(&content["title"]), text(&content["description"]));
    assert!(title.chars().count() <= 250, "{title:?}");
    assert!(description.chars().count() <= 8_000, "{description:?}");
    let lists = [&content["nextSteps"], &content["keywords"]].map(|list| list.as_array().expect("a list"));
    let listed = lists.into_iter().flatten().map(text);
    for shown in [title, description, text(&notification["metadata"]["summary"])].into_iter().chain(listed) {
        for line in shown.split('\n') {
            assert!(
                !line.contains(|character: char| character.is_control() || "*~`<>&@[]".contains(character)),
                "{shown:?}"
            );
            assert!(!line.starts_with(['#', '-', '+', '=', ' ']), "{shown:?}");
            line.split_whitespace().for_each(check_chat_word);
        }
    }
}

/// Asserts that a word is neither an emoji nor a link, unless the link is ours, and that nothing in it is markup.
fn check_chat_word(word: &str) {
    if [
        "https://eu-west-1.console.aws.amazon.com/workspaces/",
        "https://docs.aws.amazon.com/workspaces/latest/adminguide/",
    ]
    .iter()
    .any(|start| word.starts_with(start))
    {
        return;
    }
    assert!(word.matches(':').count() <= 1 && !word.contains("://"), "{word:?}");
    let chars: Vec<char> = [' '].into_iter().chain(word.chars()).chain([' ']).collect();
    for around in chars.windows(3) {
        let is_in_word = around[0].is_ascii_alphanumeric() && around[2].is_ascii_alphanumeric();
        match around[1] {
            '_' => assert!(is_in_word, "{word:?}"),
            '#' => assert!(around[0].is_ascii_alphanumeric(), "{word:?}"),
            '.' => assert!(!around[2].is_alphabetic(), "{word:?}"),
            _ => {}
        }
    }
}

/// Asserts that the response is within its limit and keeps everything that the next check needs.
fn check_response(records: Vec<Record>, announced: Vec<Announcement>) {
    let checkpoints = |records: &[Record]| -> Vec<(ImageId, Checkpoint)> {
        records.iter().map(|record| (record.image_id.clone(), record.checkpoint.clone())).collect()
    };
    let expected = checkpoints(&records);
    let response = Response::new(records, announced).into_json(MAX_RESPONSE_BYTES);
    assert!(response.get().len() <= MAX_RESPONSE_BYTES, "{} bytes", response.get().len());
    let next = parse(&response, MAX_RECORDS).expect("a response is an event").records;
    assert_eq!(checkpoints(&next), expected);
}
