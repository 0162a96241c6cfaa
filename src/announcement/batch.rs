//! Which messages go out in one `PublishBatch` call.

use super::Message;

/// The most entries of one call.
pub const MAX_ENTRIES: usize = 10;

/// The most bytes of one call, and so of one message: `Message` and attributes, all entries together.
pub const MAX_BYTES: usize = 262_144;

/// Fills batches in order, each to what one call takes, as they are asked for: a thousand messages need not be there
/// at once.
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
    fn ten_entries_at_most() {
        assert_eq!(lengths(0, 1), [0; 0]);
        assert_eq!(lengths(1, 1), [1]);
        assert_eq!(lengths(10, 1), [10]);
        assert_eq!(lengths(11, 1), [10, 1]);
        assert_eq!(lengths(25, 1), [10, 10, 5]);
    }

    #[test]
    fn the_sum_of_bytes_at_most() {
        assert_eq!(lengths(4, MAX_BYTES / 4), [4]);
        assert_eq!(lengths(5, MAX_BYTES / 4), [4, 1]);
        assert_eq!(lengths(4, MAX_BYTES / 4 + 1), [3, 1]);
        assert_eq!(lengths(2, MAX_BYTES), [1, 1]);
    }
}
