//! Which answer is next for one image.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::Answer;

/// What was said about an image beforehand.
#[derive(Debug)]
pub(super) enum Plan {
    /// One after another; the last one stays.
    Script(VecDeque<Answer>),
    /// By time, in the order of their offsets.
    Timeline(Instant, Vec<(Duration, Answer)>),
}

impl Plan {
    pub(super) fn timeline(from: Instant, mut answers: Vec<(Duration, Answer)>) -> Self {
        answers.sort_by_key(|(offset, _)| *offset);
        Self::Timeline(from, answers)
    }

    /// The answer to a call at `now`; none where the script is empty or the timeline has not begun.
    pub(super) fn next(&mut self, now: Instant) -> Option<Answer> {
        match self {
            Self::Script(answers) if answers.len() > 1 => answers.pop_front(),
            Self::Script(answers) => answers.front().cloned(),
            Self::Timeline(from, answers) => {
                let elapsed = now.saturating_duration_since(*from);
                answers.iter().rev().find(|(offset, _)| *offset <= elapsed).map(|(_, answer)| answer.clone())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(answer: Option<Answer>) -> Option<String> {
        answer.map(|answer| match answer {
            Answer::Error { code, .. } => code,
            other => panic!("{other:?}"),
        })
    }

    fn answer(code: &str) -> Answer {
        Answer::Error { status: 400, code: code.into(), message: String::new() }
    }

    #[test]
    fn a_script_ends_with_its_last_answer() {
        let mut plan = Plan::Script([answer("a"), answer("b")].into());
        let codes: Vec<_> = (0..3).map(|_| code(plan.next(Instant::now()))).collect();
        assert_eq!(codes, ["a", "b", "b"].map(|code| Some(code.to_owned())));
        assert!(Plan::Script(VecDeque::new()).next(Instant::now()).is_none());
    }

    #[test]
    fn a_timeline_goes_by_the_clock() {
        let from = Instant::now();
        let second = Duration::from_secs(1);
        let mut plan = Plan::timeline(from, vec![(second * 3, answer("b")), (second, answer("a"))]);
        let at = |plan: &mut Plan, seconds| code(plan.next(from + second * seconds));
        assert_eq!(at(&mut plan, 0), None);
        assert_eq!(at(&mut plan, 1).as_deref(), Some("a"));
        assert_eq!(at(&mut plan, 2).as_deref(), Some("a"));
        assert_eq!(at(&mut plan, 9).as_deref(), Some("b"));
    }
}
