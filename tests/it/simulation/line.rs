//! What was announced of one import, repeats dropped: numbered without gaps, each from where the one before ended, a
//! part of the true history in order.

use workspaces_image_import::import::{Kind, Transition};

use super::import::{Answer, spelt};

/// The announced sequence of one import.
#[derive(Debug, Default)]
pub(super) struct Line {
    announced: Vec<Transition>,
    /// How much of the true history is behind the last state that was announced.
    history: usize,
    /// How many answers to describes there were when the last of them was announced.
    answers: usize,
}

impl Line {
    /// What was announced under this number.
    pub(super) fn told(&self, sequence: u64) -> Option<&Transition> {
        self.announced.get(usize::try_from(sequence).expect("small").checked_sub(1)?)
    }

    /// The last state that was announced.
    pub(super) fn end(&self) -> Option<&str> {
        Some(self.announced.last()?.to.as_str())
    }

    /// Takes the next announcement, given the history and the answers so far.
    pub(super) fn follow(&mut self, next: &Transition, history: &[Option<&'static str>], answers: &[Answer]) {
        let last = self.announced.last();
        assert_eq!(next.sequence, self.announced.len() as u64 + 1, "without gaps: {next:?} after {last:?}");
        assert_eq!(next.from.as_ref(), last.map(|last| &last.to), "from where the last one ended: {next:?}");
        let to = next.to.as_str();
        // Nothing of what a check found before the last announcement is what the next one is about.
        let mut since = answers[self.answers..].iter();
        match next.kind {
            Kind::StateChanged => {
                assert_ne!(next.from.as_ref(), Some(&next.to), "no change");
                assert!(since.any(|answer| spelt(answer.state) == to), "{next:?} was not seen since {last:?}");
                let ahead = history[self.history..].iter().position(|state| spelt(*state) == to);
                let ahead = ahead.unwrap_or_else(|| panic!("{next:?} after {last:?} is not in order of {history:?}"));
                self.history += ahead + 1;
            }
            Kind::Stalled => {
                assert_eq!(next.from.as_ref(), Some(&next.to), "a stall goes nowhere");
                assert!(!matches!(to, "COMPLETED" | "ERROR" | "NOT_FOUND"), "{to} cannot stall");
                let ended = |answer: &Answer| answer.state.is_some() && answer.age == 0;
                assert!(
                    last.is_none_or(|last| last.kind != Kind::Stalled) || since.any(ended),
                    "{next:?}, and {last:?} had not ended"
                );
                let old = |answer: &Answer| spelt(answer.state) == to && answer.age > 0;
                assert!(since.any(old), "{next:?}, and no old time was seen since {last:?}");
            }
        }
        self.announced.push(next.clone());
        self.answers = answers.len();
    }

    /// How many stalls were announced.
    pub(super) fn stalls(&self) -> usize {
        self.announced.iter().filter(|transition| transition.kind == Kind::Stalled).count()
    }

    /// Whether an import stalled, went on, and stalled again in the same state.
    pub(super) fn stalled_twice(&self) -> bool {
        self.announced.windows(2).any(|pair| pair.iter().all(|transition| transition.kind == Kind::Stalled))
    }

    /// Whether an image was announced to be gone.
    pub(super) fn was_gone(&self) -> bool {
        self.announced.iter().any(|transition| transition.to.as_str() == "NOT_FOUND")
    }
}
