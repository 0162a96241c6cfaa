//! The answers to calls, and the order in which an image's calls get them.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::DescriptionBody;
use crate::http::{Fault, Reply};

/// An answer to `DescribeCustomWorkspaceImageImport`.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A 200 response with this body. [`description`](fn@super::description) builds one.
    Description(Value),
    /// A 400 `ResourceNotFoundException`.
    NotFound,
    /// Any other error.
    Error {
        /// The HTTP status.
        status: u16,
        /// The error code (`__type`).
        code: String,
        /// The error message.
        message: String,
    },
    /// A fault instead of a proper response.
    Fault(Fault),
    /// Another answer, after a delay.
    After(Duration, Box<Answer>),
    /// Any other reply.
    Raw(Reply),
}

impl Answer {
    pub(super) fn into_reply(self, image_id: &str) -> Reply {
        match self {
            Self::Description(body) => Reply::json(200, &body),
            Self::NotFound => {
                let message = format!("The image {image_id} could not be found.");
                Reply::aws_error(400, "ResourceNotFoundException", &message)
            }
            Self::Error { status, code, message } => Reply::aws_error(status, &code, &message),
            Self::Fault(fault) => Reply::Fault(fault),
            Self::After(delay, then) => Reply::After(delay, Box::new(then.into_reply(image_id))),
            Self::Raw(reply) => reply,
        }
    }
}

impl From<Value> for Answer {
    fn from(body: Value) -> Self {
        Self::Description(body)
    }
}

impl From<DescriptionBody> for Answer {
    fn from(body: DescriptionBody) -> Self {
        Self::Description(body.into())
    }
}

impl From<Fault> for Answer {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// The answers defined for one image.
#[derive(Debug)]
pub(super) enum Plan {
    /// One per call. The last one also answers all further calls.
    Script(VecDeque<Answer>),
    /// By time: the start, and answers sorted by their offset from it.
    Timeline(Instant, Vec<(Duration, Answer)>),
}

impl Plan {
    pub(super) fn timeline(from: Instant, mut answers: Vec<(Duration, Answer)>) -> Self {
        answers.sort_by_key(|(offset, _)| *offset);
        Self::Timeline(from, answers)
    }

    /// The answer that a call at `now` would get.
    pub(super) fn peek(&self, now: Instant) -> Option<&Answer> {
        match self {
            Self::Script(answers) => answers.front(),
            Self::Timeline(from, answers) => {
                let elapsed = now.saturating_duration_since(*from);
                answers.iter().rev().find(|(offset, _)| *offset <= elapsed).map(|(_, answer)| answer)
            }
        }
    }

    /// The answer to a call at `now`. `None` if the script is empty or the timeline's first offset is in the future.
    pub(super) fn next(&mut self, now: Instant) -> Option<Answer> {
        match self {
            Self::Script(answers) if answers.len() > 1 => answers.pop_front(),
            plan => plan.peek(now).cloned(),
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
    fn a_script_repeats_its_last_answer() {
        let mut plan = Plan::Script([answer("a"), answer("b")].into());
        let codes: Vec<_> = (0..3).map(|_| code(plan.next(Instant::now()))).collect();
        assert_eq!(codes, ["a", "b", "b"].map(|code| Some(code.to_owned())));
        assert!(Plan::Script(VecDeque::new()).next(Instant::now()).is_none());
    }

    #[test]
    fn a_timeline_follows_the_clock() {
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
