//! A message in the form that SNS takes, within its limits, and how messages are grouped into calls.

use serde::Serialize;

/// The maximum number of entries per [`PublishBatch`][api] call.
///
/// [api]: https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
const MAX_ENTRIES: usize = 10;
/// The maximum size of the messages of one [`PublishBatch`][api] call, and so of one message, in bytes. SNS accepts
/// 262,144 and counts the `Message` and the attributes of all entries. It does not say whether it counts the subject,
/// too, so 1 KiB is left free: ten subjects take at most 990 bytes.
///
/// [api]: https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
pub const MAX_BYTES: usize = 262_144 - 1_024;
/// The maximum length of a subject, in characters. SNS requires [less than 100][api].
///
/// [api]: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
pub(super) const MAX_SUBJECT_CHARS: usize = 99;
/// The maximum length of a [`MessageDeduplicationId`][api], in characters.
///
/// [api]: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
const MAX_DEDUPLICATION_CHARS: usize = 128;

/// A message in the form that `PublishBatch` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Printable ASCII, at most 99 characters, no leading space.
    pub subject: String,
    /// JSON with one text per protocol, for `MessageStructure` `json`.
    pub body: String,
    /// For subscription filter policies.
    pub attributes: Vec<Attribute>,
    /// For FIFO topics: the image ID.
    pub group_id: String,
    /// For FIFO topics: the transition ID, in the characters that SNS allows.
    pub deduplication_id: String,
}

/// A message attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// `String` or `Number`.
    pub data_type: &'static str,
    /// Its value. Never empty.
    pub value: String,
}

/// The text for each protocol.
#[derive(Serialize)]
pub(super) struct Protocols {
    pub(super) default: String,
    pub(super) email: String,
    pub(super) sms: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) https: Option<String>,
}

impl Message {
    /// The size that SNS counts against its limit, in bytes: the escaped `Message` and each attribute's name, type and
    /// value.
    #[must_use]
    pub fn size(&self) -> usize {
        let attributes = self.attributes.iter();
        self.body.len() + attributes.map(|a| a.name.len() + a.data_type.len() + a.value.len()).sum::<usize>()
    }
}

/// Groups messages in order, as many per batch as one call accepts. Lazy, so that a thousand messages need not be in
/// memory at once.
pub fn into_batches(messages: impl Iterator<Item = Message>) -> impl Iterator<Item = Vec<Message>> {
    let mut messages = messages.peekable();
    std::iter::from_fn(move || {
        let first = messages.next()?;
        let mut bytes = first.size();
        let mut batch = vec![first];
        while batch.len() < MAX_ENTRIES
            && let Some(next) = messages.next_if(|next| bytes + next.size() <= MAX_BYTES)
        {
            bytes += next.size();
            batch.push(next);
        }
        Some(batch)
    })
}

/// JSON in the characters that [SQS accepts][sqs]. SNS takes a message that SQS then refuses, and nobody learns of it.
///
/// JSON has other characters than ASCII only within strings, so an escape can stand for them anywhere. Control
/// characters are escaped already.
///
/// [sqs]: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
pub(super) fn json(value: &impl Serialize) -> String {
    let mut json = serde_json::to_string(value).expect("structs of strings and numbers are valid JSON");
    for (forbidden, escape) in [('\u{fffe}', "\\ufffe"), ('\u{ffff}', "\\uffff")] {
        if json.contains(forbidden) {
            json = json.replace(forbidden, escape);
        }
    }
    json
}

/// SNS rejects subjects that start with a space, and those with line breaks, control characters or anything other than
/// ASCII.
pub(super) fn subject(text: &str) -> String {
    let printable = text.chars().map(|character| if matches!(character, ' '..='~') { character } else { '?' });
    printable.skip_while(|character| *character == ' ').take(MAX_SUBJECT_CHARS).collect()
}

/// SNS allows letters, digits and punctuation here, but no spaces.
pub(super) fn deduplication_id(transition_id: &str) -> String {
    let allowed = transition_id.chars().map(|character| if character.is_ascii_graphic() { character } else { '?' });
    allowed.take(MAX_DEDUPLICATION_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(count: usize, size: usize) -> Vec<Message> {
        let message = Message {
            subject: String::new(),
            body: "x".repeat(size),
            attributes: Vec::new(),
            group_id: String::new(),
            deduplication_id: String::new(),
        };
        vec![message; count]
    }

    fn lengths(count: usize, size: usize) -> Vec<usize> {
        into_batches(messages(count, size).into_iter()).map(|batch| batch.len()).collect()
    }

    #[test]
    fn a_batch_has_at_most_ten_entries() {
        assert_eq!(lengths(0, 1), [0; 0]);
        assert_eq!(lengths(1, 1), [1]);
        assert_eq!(lengths(10, 1), [10]);
        assert_eq!(lengths(11, 1), [10, 1]);
        assert_eq!(lengths(25, 1), [10, 10, 5]);
    }

    #[test]
    fn a_batch_is_at_most_as_large_as_one_call() {
        assert_eq!(lengths(4, MAX_BYTES / 4), [4]);
        assert_eq!(lengths(5, MAX_BYTES / 4), [4, 1]);
        assert_eq!(lengths(4, MAX_BYTES / 4 + 1), [3, 1]);
        assert_eq!(lengths(2, MAX_BYTES), [1, 1]);
    }
}
