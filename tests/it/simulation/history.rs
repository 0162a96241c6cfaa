//! The announcements of one import without redeliveries: numbered without gaps, each starting from the state of the one
//! before, and a subsequence of the states that the import really had.

use workspaces_image_import::import::{Kind, State, Transition};

use super::import::{DescribeAnswer, state_name};

/// The announcements of one import.
#[derive(Debug)]
pub(super) struct History {
    /// The state that the records start from, if any.
    start: Option<State>,
    announced: Vec<Transition>,
    /// How many of the import's states lie before the next one that can be announced.
    states: usize,
    /// How many answers to describe calls lie before those that the next announcement can be based on.
    answers: usize,
}

impl History {
    /// Nothing has been announced, and the records start from this state, if any.
    pub(super) fn new(start: Option<State>) -> Self {
        Self { start, announced: Vec::new(), states: 0, answers: 0 }
    }

    /// The announcement with this number.
    pub(super) fn announced(&self, sequence: u64) -> Option<&Transition> {
        self.announced.get(usize::try_from(sequence).expect("small").checked_sub(1)?)
    }

    /// The state announced last, or the one that the records start from.
    pub(super) fn last_state(&self) -> Option<&str> {
        let last = self.announced.last().map(|last| &last.to);
        last.or(self.start.as_ref()).map(State::as_str)
    }

    /// Adds the next announcement, given the import's states and the answers to describe calls so far.
    pub(super) fn add(&mut self, next: &Transition, states: &[Option<&'static str>], answers: &[DescribeAnswer]) {
        let last = self.announced.last();
        assert_eq!(next.sequence, self.announced.len() as u64 + 1, "a gap in the numbers: {next:?} after {last:?}");
        let from = last.map(|last| &last.to).or(self.start.as_ref());
        assert_eq!(next.from.as_ref(), from, "does not start where the last one ended: {next:?}");
        let to = next.to.as_str();
        // Each announcement is based on an answer, in their order.
        let since = &answers[self.answers..];
        let mut basis = 0;
        match next.kind {
            Kind::StateChanged => {
                assert_ne!(next.from.as_ref(), Some(&next.to), "not a change");
                let found = since.iter().position(|answer| answer.state() == Some(to));
                basis = found.unwrap_or_else(|| panic!("{next:?} was not found since {last:?}"));
                let ahead = states[self.states..].iter().position(|state| state_name(*state) == to);
                let ahead = ahead.unwrap_or_else(|| panic!("{next:?} after {last:?} is out of order: {states:?}"));
                self.states += ahead + 1;
            }
            Kind::Stalled => {
                assert_eq!(next.from.as_ref(), Some(&next.to), "a stall does not change the state");
                assert!(!matches!(to, "COMPLETED" | "ERROR" | "NOT_FOUND"), "{to} cannot stall");
                if last.is_some_and(|last| last.kind == Kind::Stalled) {
                    let is_over = |answer: &DescribeAnswer| {
                        answer.age() == Some(0) || answer.state().is_some_and(|state| state != to)
                    };
                    let ended = since.iter().position(is_over);
                    basis = ended.unwrap_or_else(|| panic!("{next:?}, but {last:?} had not ended"));
                }
                let is_old = |answer: &DescribeAnswer| answer.state() == Some(to) && answer.age() > Some(0);
                let old = since[basis..].iter().position(is_old);
                basis += old.unwrap_or_else(|| panic!("{next:?}, but no old update was found since {last:?}"));
            }
        }
        self.announced.push(next.clone());
        self.answers += basis;
    }

    /// Whether a stall was announced.
    pub(super) fn has_stall(&self) -> bool {
        self.announced.iter().any(|transition| transition.kind == Kind::Stalled)
    }

    /// Whether the import stalled, continued, and stalled again in the same state.
    pub(super) fn has_second_stall(&self) -> bool {
        self.announced.windows(2).any(|pair| pair.iter().all(|transition| transition.kind == Kind::Stalled))
    }

    /// Whether `NOT_FOUND` was announced.
    pub(super) fn has_not_found(&self) -> bool {
        self.announced.iter().any(|transition| transition.to.as_str() == "NOT_FOUND")
    }
}
