//! Collects every place of an event that is malformed.

use crate::error::Error;

/// How many places an error message names. The rest are counted.
const MAX_PLACES: usize = 20;

/// The malformed places of an event, in the event's order.
#[derive(Default)]
pub(super) struct Problems {
    named: Vec<String>,
    more: usize,
}

impl Problems {
    /// Adds a problem. The place of the event as a whole is empty.
    pub(super) fn add(&mut self, place: &str, problem: &str) {
        if self.named.len() == MAX_PLACES {
            self.more += 1;
        } else if place.is_empty() {
            self.named.push(problem.to_owned());
        } else {
            self.named.push(format!("{place}: {problem}"));
        }
    }

    /// Whether there are no problems.
    pub(super) fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// # Errors
    /// [`Error::InvalidEvent`] if there are any problems.
    pub(super) fn into_result(self) -> Result<(), Error> {
        let Self { mut named, more } = self;
        if more > 0 {
            named.push(format!("and {more} more"));
        }
        if named.is_empty() { Ok(()) } else { Err(Error::InvalidEvent(named.join("; "))) }
    }
}
