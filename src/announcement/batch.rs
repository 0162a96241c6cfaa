//! Which messages go out in one `PublishBatch` call.

use super::Message;

/// The most entries of one call.
pub const MAX_ENTRIES: usize = 10;

/// The most bytes of one call, and so of one message: `Message` and attributes, all entries together.
pub const MAX_BYTES: usize = 262_144;

/// Fills batches in order, each to what one call takes.
#[must_use]
pub fn into_batches(messages: Vec<Message>) -> Vec<Vec<Message>> {
    let mut batches: Vec<Vec<Message>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        let size = message.size();
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_ENTRIES && bytes + size <= MAX_BYTES => {
                bytes += size;
                batch.push(message);
            }
            _ => {
                bytes = size;
                batches.push(vec![message]);
            }
        }
    }
    batches
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
        into_batches(messages(count, size)).iter().map(Vec::len).collect()
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
