//! Groups messages into `PublishBatch` calls.

use super::Message;

/// The maximum number of entries per [`PublishBatch`][api] call.
///
/// [api]: https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
const MAX_ENTRIES: usize = 10;

/// The maximum size of the messages of one [`PublishBatch`][api] call, and so of one message, in bytes. SNS accepts
/// 262,144 and counts the `Message` and the attributes of all entries. It does not say whether it counts the subject, too,
/// so 1 KiB is left free: ten subjects take at most 990 bytes.
///
/// [api]: https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
pub const MAX_BYTES: usize = 262_144 - 1_024;

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
