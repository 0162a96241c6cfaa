//! The requests and entries that SNS rejects. Emulators accept most of them.
//!
//! The rules are those of <https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html> and
//! <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Published, query::Batch};

/// The maximum size of all messages of one call together, in bytes.
const MAX_BYTES: usize = 262_144;
/// The maximum number of entries per call.
const MAX_ENTRIES: usize = 10;

/// An error code and message.
pub(super) type Rejection = (&'static str, String);

/// Checks the call as a whole.
pub(super) fn check_batch(batch: &Batch) -> Result<(), Rejection> {
    if !batch.topic_arn.starts_with("arn:") {
        return Err(("InvalidParameter", "Invalid parameter: TopicArn".to_owned()));
    }
    if batch.entries.is_empty() {
        return Err(("EmptyBatchRequest", "The batch request doesn't contain any entries.".to_owned()));
    }
    if batch.entries.len() > MAX_ENTRIES {
        let message = "The batch request contains more entries than permissible.";
        return Err(("TooManyEntriesInBatchRequest", message.to_owned()));
    }
    let ids: BTreeSet<&str> = batch.entries.iter().map(|entry| entry.id.as_str()).collect();
    if ids.len() < batch.entries.len() {
        let message = "Two or more batch entries in the request have the same Id.";
        return Err(("BatchEntryIdsNotDistinct", message.to_owned()));
    }
    if let Some(id) = ids.into_iter().find(|id| !is_entry_id(id)) {
        return Err(("InvalidBatchEntryId", format!("The Id {id:?} of a batch entry is not valid.")));
    }
    let bytes: usize = batch.entries.iter().map(Published::size).sum();
    if bytes > MAX_BYTES {
        let message =
            format!("The length of all the batch messages put together is {bytes} bytes, more than {MAX_BYTES}.");
        return Err(("BatchRequestTooLong", message));
    }
    Ok(())
}

/// Checks one entry. A rejected entry does not affect the others.
pub(super) fn check_entry(entry: &Published) -> Result<(), Rejection> {
    let invalid = |what: &str| Err(("InvalidParameter", format!("Invalid parameter: {what}")));
    if entry.message.is_empty() {
        return invalid("Empty message");
    }
    if entry.subject.as_deref().is_some_and(|subject| !is_subject(subject)) {
        return invalid("Subject");
    }
    match entry.message_structure.as_deref() {
        None => {}
        Some("json") => {
            let bodies: Option<Value> = serde_json::from_str(&entry.message).ok();
            if !bodies.is_some_and(|bodies| bodies.get("default").is_some_and(Value::is_string)) {
                return invalid("Message Structure - No default entry in JSON message body");
            }
        }
        Some(_) => return invalid("MessageStructure"),
    }
    for (name, (kind, value)) in &entry.attributes {
        if value.is_empty() {
            return invalid(&format!("The message attribute '{name}' must contain a non-empty value"));
        }
        if kind == "Number" && value.parse::<f64>().is_err() {
            return invalid(&format!("The message attribute '{name}' is not a number"));
        }
    }
    check_fifo(entry)
}

/// Checks the parameters for FIFO topics.
fn check_fifo(entry: &Published) -> Result<(), Rejection> {
    let invalid = |what: &str| Err(("InvalidParameter", format!("Invalid parameter: {what}")));
    let fifo = entry.is_fifo();
    if fifo && entry.group_id.is_none() {
        return invalid("The MessageGroupId parameter is required for FIFO topics");
    }
    for (name, id) in [("MessageGroupId", &entry.group_id), ("MessageDeduplicationId", &entry.deduplication_id)] {
        if id.as_deref().is_some_and(|id| !is_fifo_id(id)) {
            return invalid(&format!("{name} can only include 1 to 128 alphanumeric and punctuation characters"));
        }
    }
    if !fifo && entry.deduplication_id.is_some() {
        return invalid("MessageDeduplicationId is not valid for this topic type");
    }
    Ok(())
}

fn is_entry_id(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=80).contains(&id.len()) && id.bytes().all(allowed)
}

fn is_subject(subject: &str) -> bool {
    let printable = subject.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    printable && (1..100).contains(&subject.len()) && !subject.starts_with(' ')
}

fn is_fifo_id(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A message that a standard topic accepts.
    pub(in crate::sns) fn message() -> Published {
        Published {
            id: "0".into(),
            topic_arn: "arn:aws:sns:eu-west-1:123456789012:imports".into(),
            subject: Some("Import of wsi-1".into()),
            message_structure: Some("json".into()),
            message: "{\"default\": \"x\"}".into(),
            attributes: BTreeMap::from([("Progress".into(), ("Number".into(), "62".into()))]),
            group_id: None,
            deduplication_id: None,
        }
    }

    fn fifo() -> Published {
        Published {
            topic_arn: "arn:aws:sns:eu-west-1:123456789012:imports.fifo".into(),
            group_id: Some("wsi-1".into()),
            deduplication_id: Some("wsi-1#2:VALIDATING".into()),
            ..message()
        }
    }

    fn batch_code(entries: Vec<Published>) -> Option<&'static str> {
        check_batch(&Batch { topic_arn: message().topic_arn, entries }).err().map(|(code, _)| code)
    }

    #[test]
    fn accepts_what_sns_accepts() {
        assert_eq!(check_entry(&message()), Ok(()));
        assert_eq!(check_entry(&fifo()), Ok(()));
        let every = (b'!'..=b'~').map(char::from).collect::<String>();
        assert_eq!(check_entry(&Published { deduplication_id: Some(every), ..fifo() }), Ok(()));
        assert_eq!(check_entry(&Published { subject: Some("s".repeat(99)), ..message() }), Ok(()));
        assert_eq!(check_entry(&Published { group_id: Some("fair".into()), ..message() }), Ok(()));
        let plain = Published { message_structure: None, message: "x".into(), ..message() };
        assert_eq!(check_entry(&plain), Ok(()));
    }

    #[test]
    fn rejects_entries_that_sns_rejects() {
        let subject = |subject: &str| Published { subject: Some(subject.into()), ..message() };
        let body = |body: &str| Published { message: body.into(), ..message() };
        let attribute = |kind: &str, value: &str| Published {
            attributes: BTreeMap::from([("A".into(), (kind.into(), value.into()))]),
            ..message()
        };
        let deduplication = |id: &str| Published { deduplication_id: Some(id.into()), ..fifo() };
        let rejected = [
            subject(&"s".repeat(100)),
            subject(" x"),
            subject("a\nb"),
            subject("ü"),
            subject(""),
            body(""),
            body("x"),
            body("{}"),
            body("{\"default\": 1}"),
            Published { message_structure: Some("xml".into()), ..message() },
            attribute("String", ""),
            attribute("Number", "many"),
            Published { group_id: None, ..fifo() },
            deduplication(&"d".repeat(129)),
            deduplication("a b"),
            deduplication("ü"),
            Published { deduplication_id: Some("d".into()), ..message() },
        ];
        for entry in rejected {
            let code = check_entry(&entry).map_err(|(code, _)| code);
            assert_eq!(code, Err("InvalidParameter"), "{entry:?}");
        }
    }

    #[test]
    fn rejects_batches_that_sns_rejects() {
        let numbered = |count: usize| -> Vec<_> {
            (0..count).map(|number| Published { id: number.to_string(), ..message() }).collect()
        };
        assert_eq!(batch_code(numbered(10)), None);
        assert_eq!(batch_code(numbered(11)), Some("TooManyEntriesInBatchRequest"));
        assert_eq!(batch_code(Vec::new()), Some("EmptyBatchRequest"));
        assert_eq!(batch_code(vec![message(), message()]), Some("BatchEntryIdsNotDistinct"));
        assert_eq!(batch_code(vec![Published { id: "a b".into(), ..message() }]), Some("InvalidBatchEntryId"));
        let sized = |bytes: usize| {
            let padding = bytes - Published { message: String::new(), ..message() }.size();
            vec![Published { message: "x".repeat(padding), ..message() }]
        };
        assert_eq!(batch_code(sized(MAX_BYTES)), None);
        assert_eq!(batch_code(sized(MAX_BYTES + 1)), Some("BatchRequestTooLong"));
        let without_topic = check_batch(&Batch { topic_arn: String::new(), entries: numbered(1) });
        assert_eq!(without_topic.map_err(|(code, _)| code), Err("InvalidParameter"));
    }
}
